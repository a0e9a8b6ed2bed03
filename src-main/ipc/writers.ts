// What reaches devices without being a job is refused in a copy of a site that another program writes to; jobs refuse by themselves.
import { toAppError } from '#main/base/index.ts'
import type { Core } from '#main/core.ts'
import type { OpName, Reply } from '#contract/ops.ts'
import { needs } from '#contract/rights.ts'
import type { ContractService } from './types.ts'

/**
 * What a copy may still do: edit the project, which reaches nobody by itself, look after this computer, and end what is under way. Whatever
 * else is not for viewers is refused, so that an op that is new is refused until somebody has thought about it.
 */
const LOCAL: ReadonlySet<OpName> = new Set<OpName>([
  'site.update',
  'site.setNetwork',
  'site.setAdvertisement',
  'devices.create',
  'devices.update',
  'devices.remove',
  'devices.importApply',
  'discovery.stop',
  'rooms.create',
  'rooms.update',
  'rooms.remove',
  'groups.createApplication',
  'groups.updateApplication',
  'groups.removeApplication',
  'groups.createCoap',
  'groups.updateCoap',
  'groups.removeCoap',
  'groups.setMemberships',
  'groups.fromRooms',
  'security.create',
  'security.update',
  'security.remove',
  'security.protect',
  'rules.remedy',
  'naming.set',
  'allocation.set',
  'allocation.release',
  'admission.close',
  'admission.setPolicy',
  'admission.deny',
  'admission.undeny',
  'admission.forget',
  'admission.scan',
  'admission.list',
  'admission.unlist',
  'admission.importVouchers',
  'admission.removeVouchers',
  'templates.save',
  'templates.remove',
  'templates.apply',
  'templates.assign',
  'templates.detach',
  'walk.stop',
  'walk.place',
  'walk.skip',
  'history.undo',
  'history.redo',
  'jobs.pause',
  'jobs.cancel',
  'test.seen',
  // What speaks for the site asks for the writer itself.
  'handover.export',
  'fleet.saveTarget',
  'fleet.removeTarget',
  'fleet.testTarget',
  'fleet.takeOver',
  'rd.remove',
  'rd.register',
  'rd.setPolicy',
  // The dongle is this computer's; which network it makes or leaves is the site's.
  'link.probe',
  'link.add',
  'link.remove',
  'link.open',
  'link.close',
  'link.retry',
  'link.refresh',
  'link.scan',
  'link.cancel',
  // Addresses and bindings are of the project until they are configured.
  'knx.changeSettings',
  'knx.setAddress',
  'knx.bind',
  'knx.setGroupAddress',
  'drift.adopt',
  'survey.stop',
  'survey.adopt',
  'survey.take',
  'trace.record',
  'trace.clear',
])
/** Open to viewers, and yet it asks others in the name of the site. */
const ASKING: ReadonlySet<OpName> = new Set<OpName>(['knx.show', 'joining.makerLog'])

/** What is needed of the core: who writes to the site that is open. */
export interface WrittenCore {
  openSite(): { readonly writer: Pick<ReturnType<Core['site']>['writer'], 'require'> } | undefined
}

export function withWriter(service: ContractService, core: WrittenCore): ContractService {
  return {
    subscribe: (feed, listener) => service.subscribe(feed, listener),
    close: () => service.close(),
    async call(name, input, caller) {
      if (isKnown(name) && isWriters(name)) {
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

/** Whether only the writer of the site may do it. */
export function isWriters(name: OpName): boolean {
  return ASKING.has(name) || (needs[name] !== 'viewer' && !LOCAL.has(name))
}

function isKnown(name: unknown): name is OpName {
  return typeof name === 'string' && Object.hasOwn(needs, name)
}

function refusal(thrown: unknown): Reply {
  const { code, message, retryable, details } = toAppError(thrown)
  return { ok: false, error: { code, message, retryable, details: { ...details } } }
}
