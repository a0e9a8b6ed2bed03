// The ops of drift, of reading what is there, and of differences to another export.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type SurveyHandlers = {
  readonly [Name in keyof Handlers as Name extends `survey.${string}` | `drift.${string}` ? Name : never]: Handlers[Name]
}

export function surveyHandlers(core: Core): SurveyHandlers {
  return {
    'drift.watch': (change) => core.site().survey.setWatch(change),
    'drift.read': (input) => core.site().survey.readDevices(input),
    'drift.repair': (input) => core.site().survey.repair(input),
    'drift.adopt': ({ entries }) => core.site().survey.adoptEntries(entries),
    'drift.remove': (input) => core.site().survey.removeForeign(input),
    'survey.read': (wish) => core.site().survey.read(wish),
    'survey.stop': () => core.site().survey.stop(),
    'survey.found': (query) => core.site().survey.foundPage(query),
    'survey.adopt': ({ choices }) => core.site().survey.adopt(choices),
    'survey.diff': (input) => core.site().survey.diff(input),
    'survey.take': (input) => core.site().survey.take(input),
  }
}
