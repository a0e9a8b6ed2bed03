// What reaches devices without being a job is refused in a copy of a site that another program writes to; jobs refuse by themselves.
import { toAppError } from '#main/base/index.ts'
import type { Core } from '#main/core.ts'
import type { OpName, Reply } from '#contract/ops.ts'
import type { ContractService } from './types.ts'

const SENDING: ReadonlySet<OpName> = new Set<OpName>([
  'apply.start',
  'groups.verify',
  'devices.identify',
  'jobs.retryFailed',
  'test.run',
  'jobs.resume',
  'security.rekey',
  'security.evict',
  'security.enrol',
  'security.startAnew',
  'knx.open',
  'knx.configure',
  'knx.send',
  'knx.reset',
  'drift.read',
  'drift.repair',
  'drift.remove',
  'survey.read',
])

/** What is needed of the core: who writes to the site that is open. */
export interface WrittenCore {
  openSite(): { readonly writer: Pick<ReturnType<Core['site']>['writer'], 'require'> } | undefined
}

export function withWriter(service: ContractService, core: WrittenCore): ContractService {
  return {
    subscribe: (feed, listener) => service.subscribe(feed, listener),
    close: () => service.close(),
    async call(name, input, caller) {
      if (isSending(name)) {
        try {
          core.openSite()?.writer.require()
        } catch (thrown) {
          return refusal(thrown)
        }
      }
      return service.call(name, input, caller)
    },
  }
}

function isSending(name: unknown): boolean {
  return (SENDING as ReadonlySet<unknown>).has(name)
}

function refusal(thrown: unknown): Reply {
  const { code, message, retryable, details } = toAppError(thrown)
  return { ok: false, error: { code, message, retryable, details: { ...details } } }
}
