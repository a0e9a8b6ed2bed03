// Nothing that a site's roles forbid reaches a handler; whoever gave a name when taking up a role is the one whom the audit names.
import type { Core } from '#main/core.ts'
import { needs } from '#contract/rights.ts'
import type { OpName, Reply } from '#contract/ops.ts'
import type { Role } from '#contract/model.ts'
import type { ContractService } from './types.ts'

/** What is needed of the core: the roles of the site that is open. */
export interface GuardedCore {
  openSite(): { readonly access: Pick<ReturnType<Core['site']>['access'], 'holds' | 'touch' | 'person'> } | undefined
}

export function withRoles(service: ContractService, core: GuardedCore): ContractService {
  return {
    subscribe: (feed, listener) => service.subscribe(feed, listener),
    close: () => service.close(),
    async call(name, input, caller) {
      const access = core.openSite()?.access
      const role = roleFor(name)
      // Names that are none are answered by the service itself.
      if (access === undefined || role === undefined) return service.call(name, input, caller)
      if (!access.holds(role)) return refusal(role)
      // Looking keeps no role: a window left open looks by itself.
      if (role !== 'viewer') access.touch()
      return service.call(name, input, { actor: access.person ?? caller.actor })
    },
  }
}

function roleFor(name: unknown): Role | undefined {
  return typeof name === 'string' && Object.hasOwn(needs, name) ? needs[name as OpName] : undefined
}

function refusal(role: Role): Reply {
  return { ok: false, error: { code: 'access.role-needed', message: `The role ${role} is needed`, retryable: false, details: { role } } }
}
