// The ops of the checks, and of what the site has chosen for the names and addresses of groups.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type RulesHandlers = {
  readonly [
    Name in keyof Handlers as Name extends `rules.${string}` | `naming.${string}` | `allocation.${string}` ? Name : never
  ]: Handlers[Name]
}

export function rulesHandlers(core: Core): RulesHandlers {
  const rules = () => core.site().rules
  return {
    'rules.check': () => [...rules().check()],
    'rules.remedy': ({ findingId, remedyId }) => rules().remedy(findingId, remedyId),
    'naming.preview': (input) => [...rules().preview(input)],
    'naming.set': (patch) => rules().setNaming(definedOnly(patch)),
    'allocation.set': (patch) => rules().setAllocation(definedOnly(patch)),
    'allocation.release': ({ addresses }) => rules().release(addresses),
  }
}

/** Without members that are undefined, which would stand in the place of what is there. */
function definedOnly<Value extends object>(value: Value): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [Key in keyof Value]?: Exclude<Value[Key], undefined>
  }
}
