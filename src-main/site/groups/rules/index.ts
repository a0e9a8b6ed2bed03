// The face of the checks of groups.
export { GROUP_RULES } from './catalogue.ts'
export { createRemedies, type RemedyPorts, type RemedyResult } from './remedies.ts'
export { RuleBook, type RulePorts, type RuleSecurity } from './rule-book.ts'
