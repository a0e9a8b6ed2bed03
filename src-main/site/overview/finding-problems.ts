// What the checks of groups have found, as problems: errors and warnings, each told once. Advice is for the view of the checks alone.
import type { FindingRow, ProblemKind, ProblemRow, SecurityRule, GroupRule } from '#contract/model.ts'
import type { SiteSnapshot } from './types.ts'

/** Findings that problems of their own kind tell already. */
const TOLD: ReadonlyMap<GroupRule | SecurityRule, ProblemKind> = new Map<GroupRule | SecurityRule, ProblemKind>([
  ['group-without-members', 'group-without-members'],
  ['nosec-open', 'group-unprotected'],
])

export function findingProblems({ findings = [], applicationGroups }: SiteSnapshot): readonly ProblemRow[] {
  const served = new Map(applicationGroups.map((group) => [group.coapGroupId, group.id]))
  return findings.flatMap((finding): ProblemRow[] => {
    const { id, source, rule, severity, subject, params, remedies } = finding
    if (severity === 'advice' || TOLD.has(rule)) return []
    return [
      {
        id: `finding ${id}`,
        kind: 'rule',
        severity,
        step: 'groups',
        subject: placeOf(subject, served),
        params,
        finding: { id, source, rule, remedies },
      },
    ]
  })
}

/** The problems that tell a finding in words of their own have its remedies too. */
export function withRemedies(problems: readonly ProblemRow[], findings: readonly FindingRow[]): readonly ProblemRow[] {
  const told = new Map<string, FindingRow>()
  for (const finding of findings) {
    const kind = TOLD.get(finding.rule)
    if (kind !== undefined && finding.remedies.length > 0) told.set(`${kind} ${finding.subject.id}`, finding)
  }
  if (told.size === 0) return problems
  return problems.map((problem) => {
    const finding = told.get(problem.id)
    if (finding === undefined) return problem
    const { id, source, rule, remedies } = finding
    return { ...problem, finding: { id, source, rule, remedies } }
  })
}

/** What there is to jump to: a CoAP group is shown with a group that it serves. */
function placeOf({ kind, id, name }: FindingRow['subject'], served: ReadonlyMap<string, string>): ProblemRow['subject'] {
  if (kind === 'group' || kind === 'device') return { kind, id, name }
  const group = kind === 'coap-group' ? served.get(id) : undefined
  return group === undefined ? { kind: 'site', id: '*', name } : { kind: 'group', id: group, name }
}
