// Which ops leave a trace in the site's audit. Reading, and what belongs to the machine, does not.
import { toAppError } from '#main/base/index.ts'
import type { Logger } from '#main/base/index.ts'
import type { Core } from '#main/core.ts'
import type { OpName } from '#contract/ops.ts'
import type { ContractService } from './types.ts'

const AUDITED: ReadonlySet<OpName> = new Set<OpName>([
  'access.lock',
  'access.setPin',
  'site.update',
  'site.setNetwork',
  'site.setAdvertisement',
  'devices.create',
  'devices.update',
  'devices.remove',
  'devices.identify',
  'devices.importApply',
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
  'groups.verify',
  'maintenance.run',
  'history.undo',
  'history.redo',
  'walk.place',
  'templates.save',
  'templates.remove',
  'templates.apply',
  'templates.assign',
  'templates.detach',
  'apply.start',
  'jobs.pause',
  'jobs.resume',
  'jobs.cancel',
  'jobs.retryFailed',
  'test.run',
  'test.prove',
  'test.seen',
  'handover.export',
  'fleet.saveTarget',
  'fleet.removeTarget',
  'fleet.testTarget',
  'fleet.push',
  'rd.remove',
  'rd.register',
  'rd.setPolicy',
  'link.add',
  'link.remove',
  'link.open',
  'link.close',
  'link.form',
  'link.attach',
  'link.join',
  'link.leave',
  'security.create',
  'security.update',
  'security.remove',
  'security.protect',
  'security.rekey',
  'security.evict',
  'security.enrol',
  'rules.remedy',
  'naming.set',
  'allocation.set',
  'allocation.release',
  'profiles.try',
  'knx.changeSettings',
  'knx.setAddress',
  'knx.bind',
  'knx.setGroupAddress',
  'joining.setOffline',
  'joining.setMaker',
  'joining.setRegistrar',
  'joining.setProxy',
  'joining.searchNow',
  'joining.renewVouchers',
  'knx.open',
  'knx.configure',
  'knx.send',
  'knx.reset',
  'drift.watch',
  'drift.read',
  'drift.repair',
  'drift.adopt',
  'drift.remove',
  'survey.read',
  'survey.adopt',
  'survey.take',
])

/** Lists longer than this are told by their length: the audit says who did what, not every cell of it. */
const LISTED = 20
const LONGEST_TEXT = 200
/** Fields whose value lets others into a network: the audit says that there was one. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'dataset',
  'networkKey',
  'passphrase',
  'masterSecret',
  'masterSalt',
  'password',
  'secret',
  'pin',
])

/** What is needed of the core: the audit of the site that is open. */
export interface AuditedCore {
  openSite(): { readonly file: { readonly audit: Pick<ReturnType<Core['site']>['file']['audit'], 'append'> } } | undefined
}

/** The service; each audited op writes its entry after it succeeded. */
export function withAudit(service: ContractService, core: AuditedCore, logger: Logger): ContractService {
  return {
    subscribe: (feed, listener) => service.subscribe(feed, listener),
    close: () => service.close(),
    async call(name, input, caller) {
      // The site that the op is about: another one may be open when it ends.
      const audit = isAudited(name) ? core.openSite()?.file.audit : undefined
      const reply = await service.call(name, input, caller)
      if (reply.ok && audit !== undefined && isRecord(input)) {
        try {
          audit.append(caller.actor, String(name), summary(input))
        } catch (thrown) {
          // The op has had its effect; to call it failed would be untrue. The preflight shows what is wrong with the disk.
          logger.error({ op: name, code: toAppError(thrown).code }, 'an entry could not be written into the audit')
        }
      }
      return reply
    },
  }
}

function isAudited(name: unknown): name is OpName {
  return (AUDITED as ReadonlySet<unknown>).has(name)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function summary(input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => [name, SECRET_FIELDS.has(name) ? { secret: true } : shortened(value)]),
  )
}

function shortened(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > LISTED ? { count: value.length } : value.map(shortened)
  if (typeof value === 'string') return value.length > LONGEST_TEXT ? { characters: value.length } : value
  if (isRecord(value)) return summary(value)
  return value
}
