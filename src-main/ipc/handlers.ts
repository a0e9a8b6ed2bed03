// One handler for each op, over the core. What changes something leaves a trace in the site's audit.
import type { Core } from '#main/core.ts'
import { requireKeyRoles } from '#main/site/access/index.ts'
import { applyImport, previewImport } from '#main/site/devices/index.ts'
import { AppError } from '#main/base/index.ts'
import { accessHandlers } from './access-handlers.ts'
import { admissionHandlers } from './admission-handlers.ts'
import { addressOption, announceable } from './address-options.ts'
import { fleetHandlers } from './fleet-handlers.ts'
import { directoryDesk } from './directory-desk.ts'
import { historyHandlers } from './history-handlers.ts'
import { joiningHandlers } from './joining-handlers.ts'
import { knxHandlers } from './knx-handlers.ts'
import { profileHandlers } from './profile-handlers.ts'
import { maintenanceHandlers } from './maintenance-handlers.ts'
import { linkHandlers } from './link-handlers.ts'
import { raHandlers } from './ra-handlers.ts'
import { rulesHandlers } from './rules-handlers.ts'
import { securityHandlers } from './security-handlers.ts'
import { surveyHandlers } from './survey-handlers.ts'
import { templateHandlers } from './template-handlers.ts'
import { traceHandlers } from './trace-handlers.ts'
import { walkHandlers } from './walk-handlers.ts'
import type { Handlers } from './types.ts'

const DEFAULT_REPORT_LOCALE = 'en'

export function createHandlers(core: Core): Handlers {
  return {
    ...siteHandlers(core),
    ...accessHandlers(core),
    ...deviceHandlers(core),
    ...groupHandlers(core),
    ...workHandlers(core),
    ...recordHandlers(core),
    ...linkHandlers(core),
    ...fleetHandlers(core),
    ...knxHandlers(core),
    ...profileHandlers(core),
    ...raHandlers(core),
    ...admissionHandlers(core),
    ...joiningHandlers(core),
    ...securityHandlers(core),
    ...rulesHandlers(core),
    ...surveyHandlers(core),
    ...templateHandlers(core),
    ...walkHandlers(core),
    ...traceHandlers(core),
    ...historyHandlers(core),
    ...maintenanceHandlers(core),
  }
}

type Some<Prefix extends string> = {
  readonly [Name in keyof Handlers as Name extends `${Prefix}.${string}` ? Name : never]: Handlers[Name]
}

function siteHandlers(core: Core): Some<'site' | 'preflight' | 'preferences'> {
  return {
    'site.recent': () => [...core.recent.list()],
    'site.create': async (input) => ({ handle: await core.createSite(input) }),
    'site.open': async ({ handle }) => {
      await core.openSiteFile(core.recent.path(handle))
    },
    'site.openDialog': async () => {
      const path = await core.options.services.chooseSiteFile()
      if (path !== undefined) await core.openSiteFile(path)
      return { opened: path !== undefined }
    },
    'site.close': () => core.closeSite(),
    'site.update': (patch) => core.setDetails(definedOnly(patch)),
    'site.import': async ({ text }) => ({ handle: await core.importSite(text) }),
    'site.interfaces': () => [...core.interfaces()],
    'site.setNetwork': (network) => core.setNetwork(network),
    'site.setAdvertisement': ({ on }) => core.site().directorySettings.setAdvertised(on),
    'preflight.run': () => core.site().preflight.run(),
    'preferences.set': (patch) => core.preferences.set(definedOnly(patch)),
  }
}

function deviceHandlers(core: Core): Some<'devices' | 'demo' | 'discovery' | 'rooms'> {
  const { clock, random } = core.options
  return {
    'devices.detail': ({ id }) => core.site().inventory.detail(id),
    'devices.create': (input) => ({ id: core.site().inventory.create(input) }),
    'devices.update': ({ ids, patch }) => core.site().inventory.update(ids, patch),
    'devices.remove': ({ ids }) => core.site().inventory.remove(ids),
    'devices.identify': ({ ids, seconds }) => {
      const { groups, jobs } = core.site()
      groups.setIdentifySeconds(seconds)
      return { jobId: jobs.start('identify', 'identify', groups.identifyItems(ids)) }
    },
    'devices.importPreview': (input) => {
      const site = core.site()
      return previewImport({ devices: site.inventory.all(), rooms: site.inventory.rooms(), ...site.importGroups }, input)
    },
    'devices.importApply': (input) => {
      const site = core.site()
      return applyImport(
        site.inventory,
        {
          ...{ clock, random, ...site.importGroups },
          checkAssignments: (assignments) =>
            requireKnownGroups(
              site,
              assignments.flatMap(({ names }) => names),
            ),
          named: (devices) => site.admission.expect(devices),
        },
        input,
      )
    },
    'demo.deviceList': () => {
      const { demo, file } = core.site()
      if (demo === undefined) throw new AppError('site.not-a-demo', 'Only a demo site has a device list of its own')
      return { fileName: `${file.meta().name} devices.csv`, text: demo.deviceList() }
    },
    'discovery.start': (input) => core.site().discovery.start(input),
    'discovery.stop': () => core.site().discovery.stop(),
    'rooms.create': (input) => ({ id: core.site().inventory.createRoom(input) }),
    'rooms.update': ({ id, patch }) => core.site().inventory.updateRoom(id, patch),
    'rooms.remove': ({ id }) => core.site().inventory.removeRoom(id),
  }
}

function groupHandlers(core: Core): Some<'groups' | 'plan'> {
  return {
    'groups.createApplication': (input) => ({ id: core.site().groups.createApplication(input) }),
    'groups.updateApplication': ({ id, patch }) => core.site().groups.updateApplication(id, patch),
    'groups.removeApplication': ({ id }) => core.site().groups.removeApplication(id),
    'groups.createCoap': (input) => ({ id: core.site().groups.createCoap(input) }),
    'groups.updateCoap': ({ id, patch }) => core.site().groups.updateCoap(id, patch),
    'groups.removeCoap': ({ id }) => core.site().groups.removeCoap(id),
    'groups.setMemberships': ({ changes }) => core.site().groups.setMemberships(changes),
    'groups.fromRooms': (input) => core.site().groups.fromRooms(input),
    'groups.verify': ({ groupIds }) => {
      const { groups, jobs } = core.site()
      return { jobId: jobs.start('verify', titleOf(core, groupIds), groups.verifyItems(groupIds)) }
    },
    'plan.requests': ({ lineIds }) => [...core.site().groups.requests(lineIds)],
  }
}

function workHandlers(core: Core): Some<'apply' | 'jobs' | 'test'> {
  return {
    'apply.start': ({ lineIds }) => {
      const { groups, jobs, file, security } = core.site()
      const queued = jobs.queued('apply')
      const isQueued = (id: string): boolean => queued.has(id)
      // Memberships first: a device that is no member has no use for keys.
      const items = [...groups.applyItems(lineIds, isQueued), ...security.engine.items(lineIds, isQueued)]
      if (items.length > 0) file.backup('apply')
      return { jobId: jobs.start('apply', file.meta().name, items) }
    },
    'jobs.pause': ({ jobId }) => core.site().jobs.pause(jobId),
    'jobs.resume': ({ jobId }) => core.site().jobs.resume(jobId),
    'jobs.cancel': ({ jobId }) => core.site().jobs.cancel(jobId),
    'jobs.retryFailed': ({ jobId }) => ({ jobId: core.site().jobs.retryFailed(jobId) }),
    'jobs.items': ({ jobId, offset, limit }) => [...core.site().jobs.items(jobId, offset, limit)],
    'test.actions': ({ groupId }) => [...core.site().bench.actions(groupId)],
    'test.run': ({ groupId, action, repeats }) => ({ runId: core.site().bench.run(groupId, action, repeats).runId }),
    'test.prove': ({ groupIds }) => ({ jobId: core.site().prove(groupIds) }),
    'test.seen': ({ runId, deviceId, seen }) => core.site().bench.seen(runId, deviceId, seen),
  }
}

function recordHandlers(core: Core): Some<'handover' | 'rd' | 'audit'> {
  const spoken = (wanted: 'en' | 'de' | undefined): 'en' | 'de' => wanted ?? core.preferences.current().locale ?? DEFAULT_REPORT_LOCALE
  return {
    'handover.report': ({ locale }) => ({ html: core.site().exchange.report(spoken(locale), { preview: true }) }),
    'handover.export': async ({ formats, redact, locale, receiver }) => {
      const { access, exchange } = core.site()
      if (receiver !== undefined) requireKeyRoles(access)
      return [...(await exchange.export(formats, { locale: spoken(locale), redact, receiver }))]
    },
    'handover.reveal': async ({ handle }) => {
      const path = core.exportPath(handle)
      if (path === undefined) throw new AppError('export.not-found', 'There is no such exported file')
      return core.options.services.reveal(path, handle)
    },
    'rd.list': (input) => directoryDesk(core.site().directory).list(input),
    'rd.links': (input) => directoryDesk(core.site().directory).links(input),
    'rd.detail': (input) => directoryDesk(core.site().directory).detail(input),
    'rd.remove': (input) => directoryDesk(core.site().directory).remove(input),
    'rd.register': (input) => directoryDesk(core.site().directory).register(input),
    'rd.lookup': (input) => directoryDesk(core.site().directory).lookup(input),
    'rd.setPolicy': ({ policy }) => core.site().directorySettings.setPolicy(policy),
    'rd.addressOptions': ({ address, lifetimeS }) => {
      const addresses = address === undefined ? announceable(core.site().network.listening, core.interfaces()) : [address]
      return addresses.map((each) => addressOption(each, lifetimeS))
    },
    'audit.page': ({ before, limit, search }) => [...core.site().file.audit.page(before, limit, search)],
    'audit.verify': () => {
      const { audit } = core.site().file
      const verdict = audit.verify()
      return verdict.ok ? { entries: verdict.entries, brokenAt: null } : { entries: verdict.brokenAt - 1, brokenAt: verdict.brokenAt }
    },
  }
}

/** A list of devices makes no groups for those who may not make any. */
function requireKnownGroups({ access, groups }: ReturnType<Core['site']>, names: readonly string[]): void {
  if (access.holds('engineer')) return
  const unknown = new Set(names.filter((name) => groups.book.groupNamed(name)?.retired !== false))
  if (unknown.size === 0) return
  throw new AppError('access.role-needed', 'The role engineer is needed for groups that are new', {
    details: { role: 'engineer', groups: [...unknown].slice(0, 20) },
  })
}

/** The name of the only group, or how many there are. */
function titleOf(core: Core, groupIds: readonly string[]): string {
  const [only] = groupIds
  return (groupIds.length === 1 && only !== undefined ? core.feeds.applicationGroups.get(only)?.name : undefined) ?? String(groupIds.length)
}

/** Without members that are undefined: absent and undefined are not the same to those who merge. */
function definedOnly<Value extends object>(value: Value): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [Key in keyof Value]?: Exclude<Value[Key], undefined>
  }
}
