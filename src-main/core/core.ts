// The program without a face: preferences, known sites, and at most one open site with its services.
import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { AppError, newId, toAppError } from '#main/base/index.ts'
import { loadProfiles } from '#main/site/devices/index.ts'
import { importInto, parseSiteExport, siteFactsOf } from '#main/site/exchange/index.ts'
import { createSiteFile, openSiteFile } from '#main/store/index.ts'
import type { NewSite, SiteFile, StorePorts } from '#main/store/index.ts'
import type { DiscoveryRow, NetworkOptions, SessionRow, SiteDetails } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'
import { createBundleDesk, type BundleDesk } from './bundles.ts'
import { createFeeds } from './feeds.ts'
import type { CoreFeeds } from './feeds.ts'
import { systemInterfaces } from './interfaces.ts'
import type { NetworkInterface } from './interfaces.ts'
import { mirror } from './mirror.ts'
import { openSiteServices } from './open-site.ts'
import type { OpenSite } from './open-site-types.ts'
import { openPreferences } from './preferences.ts'
import type { Preferences } from './preferences.ts'
import { handleOf, openRecentSites } from './recent-sites.ts'
import type { RecentSites } from './recent-sites.ts'
import { createSerialDesk } from './serial-desk.ts'
import type { SerialDesk } from './serial-desk.ts'
import type { CoreOptions } from './types.ts'

export interface Core {
  readonly options: CoreOptions
  readonly feeds: CoreFeeds
  readonly preferences: Preferences
  readonly recent: RecentSites
  /** The serial ports of this computer. */
  readonly serial: SerialDesk
  /** Bundles that come in, and take-overs. */
  readonly bundles: BundleDesk
  /** The open site. Throws `site.none-open`. */
  site(): OpenSite
  openSite(): OpenSite | undefined
  /** Creates a site file and opens it; answers its handle. Throws `site.name-taken`, `store.*`. */
  createSite(input: OpInput<'site.create'>): Promise<string>
  /** Creates and opens a site from a site export. Throws `import.*`, `site.name-taken`, `store.*`. */
  importSite(text: string): Promise<string>
  /** Opens a site file, closing the one that is open. Throws `site.*`, `store.*`; then no site is open. */
  openSiteFile(path: string): Promise<string>
  closeSite(): Promise<void>
  /** Forgets the keys that cannot be opened and opens the site again with new ones. Throws `site.none-open`. */
  startSecurityAnew(): Promise<void>
  setDetails(patch: Partial<SiteDetails>): void
  /** Moves the open site's CoAP endpoint. Throws `site.none-open`, `site.is-a-demo`, `network.*`. */
  setNetwork(network: NetworkOptions): Promise<void>
  /** The addresses of this machine. */
  interfaces(): readonly NetworkInterface[]
  /** The path behind an export's handle. */
  exportPath(handle: string): string | undefined
  busy(): boolean
  close(): Promise<void>
}

const IDLE_DISCOVERY: DiscoveryRow = {
  key: 'discovery',
  state: 'idle',
  startedAt: null,
  deadlineAt: null,
  heard: 0,
  added: 0,
  failure: null,
}

export function createCore(options: CoreOptions): Core {
  const { clock, random, logger } = options
  const preferences = openPreferences(options.dataDirectory)
  const recent = openRecentSites(options.dataDirectory, options.sitesDirectory)
  const feeds = createFeeds(preferences.feed)
  const serial = createSerialDesk(clock, options.serial)
  const storePorts: StorePorts = { clock, logger, appVersion: options.version }
  let open: OpenSite | undefined
  let unfollow: ReadonlyArray<() => void> = []
  /** Opening and closing take turns: two windows may ask at once. */
  let turn: Promise<unknown> = Promise.resolve()

  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const next = turn.then(work, work)
    turn = next.catch(() => undefined)
    return next
  }
  const showSession = (starting = false): void => feeds.session.set(sessionOf(options, open, starting))

  const closeNow = async (): Promise<void> => {
    if (open === undefined) return
    const closing = open
    open = undefined
    try {
      // What is shown stays until the work has come to a safe point.
      await closing.close()
    } finally {
      for (const end of unfollow) end()
      unfollow = []
      feeds.discovery.reset([IDLE_DISCOVERY])
      showSession()
    }
  }
  const openNow = async (path: string, makeFile: () => SiteFile): Promise<string> => {
    // A file that cannot be opened must not cost the site that is open.
    if (open !== undefined && resolve(path) === resolve(open.file.path)) await closeNow()
    const file = makeFile()
    try {
      await closeNow()
      const { profiles, failures } = await loadProfiles(options.profileDirectories)
      for (const failure of failures) logger.warn({ code: failure.code, ...failure.details }, 'a device profile could not be used')
      showSession(true)
      open = await openSiteServices(file, profiles, { ...options, serialDesk: serial, reopen: () => void reopen() })
    } catch (thrown) {
      file.close()
      showSession()
      throw thrown
    }
    unfollow = [
      ...follow(open, feeds),
      open.onReach(() => {
        showSession()
        void open?.preflight.run()
      }),
      file.onRevision(() => {
        open?.overview.refreshSoon()
        showSession()
      }),
    ]
    showSession()
    void open.preflight.run()
    const { name, kind } = file.meta()
    try {
      return recent.opened(path, name, kind, clock.now())
    } catch (thrown) {
      logger.warn({ code: toAppError(thrown).code }, 'the list of known sites could not be written')
      return handleOf(path)
    }
  }

  feeds.discovery.set(IDLE_DISCOVERY)
  showSession()
  const createFile = async (site: NewSite, fill?: (file: SiteFile) => void): Promise<string> => {
    const path = recent.newPath(site.details.name)
    return openNow(path, () => {
      const file = createSiteFile(path, site, storePorts)
      try {
        fill?.(file)
        return file
      } catch (thrown) {
        file.close()
        throw thrown
      }
    })
  }

  const reopen = (): Promise<void> =>
    inTurn(async () => {
      const path = open?.file.path
      if (path !== undefined) await openNow(path, () => openSiteFile(path, storePorts))
    })

  return {
    options,
    feeds,
    bundles: createBundleDesk({
      options,
      openSite: () => open,
      createFile: (site, fill) => inTurn(() => createFile(site, fill)),
      reopen,
    }),
    preferences,
    recent,
    serial,
    site() {
      if (open === undefined) throw new AppError('site.none-open', 'No site is open')
      return open
    },
    openSite: () => open,
    createSite: (input) =>
      inTurn(() =>
        createFile({
          id: newId('site', random),
          kind: input.kind,
          details: input.details,
          demo: input.kind === 'demo' ? input.demo : null,
          network: input.kind === 'network' ? input.network : null,
        }),
      ),
    importSite: (text) =>
      inTurn(() => {
        const document = parseSiteExport(text)
        const { id, kind, details, createdAt, demo } = siteFactsOf(document)
        // Which interface leads to the devices is a fact of this machine: the installer chooses it anew.
        const network = kind === 'network' ? { bindAddress: '::1', coapPort: 5683 } : null
        return createFile({ id, kind, details, demo, network }, (file) => {
          file.setMeta('createdAt', createdAt)
          importInto(document, file)
        })
      }),
    openSiteFile: (path) =>
      inTurn(async () => {
        if (!existsSync(path)) throw new AppError('site.not-found', `There is no site file ${path}`)
        return openNow(path, () => openSiteFile(path, storePorts))
      }),
    closeSite: () => inTurn(closeNow),
    startSecurityAnew: () =>
      inTurn(async () => {
        if (open === undefined) throw new AppError('site.none-open', 'No site is open')
        const { path } = open.file
        open.security.wipe()
        await openNow(path, () => openSiteFile(path, storePorts))
      }),
    setDetails(patch) {
      if (open === undefined) throw new AppError('site.none-open', 'No site is open')
      const { file } = open
      file.setDetails({ ...file.meta().details, ...patch })
      showSession()
    },
    setNetwork: (network) =>
      inTurn(async () => {
        if (open === undefined) throw new AppError('site.none-open', 'No site is open')
        try {
          await open.moveTo(network)
        } finally {
          showSession()
        }
        void open.preflight.run()
      }),
    interfaces: () => (options.interfaces ?? systemInterfaces)(),
    exportPath: (handle) => open?.exchange.path(handle) ?? open?.traceDesk.path(handle),
    busy: () => open !== undefined && feeds.jobs.rows().some((job) => job.state === 'running'),
    close: () => inTurn(closeNow),
  }
}

function follow(site: OpenSite, feeds: CoreFeeds): ReadonlyArray<() => void> {
  return [
    mirror(site.access.feed, feeds.access),
    mirror(site.overview.progress, feeds.progress),
    mirror(site.preflight.feed, feeds.checks),
    mirror(site.overview.problems, feeds.problems),
    mirror(site.overview.checklist, feeds.checklist),
    mirror(site.inventory.roomFeed, feeds.rooms),
    mirror(site.inventory.feed, feeds.devices),
    mirror(site.discovery.feed, feeds.discovery),
    mirror(site.groups.coapFeed, feeds.coapGroups),
    mirror(site.groups.applicationFeed, feeds.applicationGroups),
    mirror(site.groups.membershipFeed, feeds.memberships),
    mirror(site.groups.planFeed, feeds.plan),
    mirror(site.templates.feed, feeds.templates),
    mirror(site.templates.useFeed, feeds.templateUses),
    mirror(site.walk.feed, feeds.walk),
    mirror(site.jobs.feed, feeds.jobs),
    mirror(site.jobs.itemFeed, feeds.jobItems),
    mirror(site.bench.feed, feeds.testRuns),
    mirror(site.history.feed, feeds.history),
    mirror(site.maintenance.feed, feeds.maintenance),
    mirror(site.exchange.feed, feeds.exports),
    mirror(site.fleet.feed, feeds.pushTargets),
    mirror(site.writer.feed, feeds.writer),
    mirror(site.directorySettings.feed, feeds.directory),
    mirror(site.dongles.feed, feeds.links),
    mirror(site.security.stateFeed, feeds.security),
    mirror(site.security.engine.feeds.groups, feeds.securityGroups),
    mirror(site.security.engine.feeds.protections, feeds.protections),
    mirror(site.security.engine.feeds.members, feeds.securityMembers),
    mirror(site.security.engine.feeds.devices, feeds.securityDevices),
    mirror(site.security.engine.feeds.plan, feeds.securityPlan),
    mirror(site.security.engine.feeds.findings, feeds.securityFindings),
    mirror(site.rules.findingFeed, feeds.findings),
    mirror(site.rules.settingsFeed, feeds.groupSettings),
    mirror(site.enrolment.feed, feeds.ra),
    mirror(site.admission.feed, feeds.admission),
    mirror(site.admission.pledgeFeed, feeds.pledges),
    mirror(site.joinDesk.feed, feeds.joining),
    mirror(site.survey.driftFeed, feeds.drift),
    mirror(site.survey.feed, feeds.survey),
    mirror(site.trace.feed, feeds.trace),
  ]
}

function sessionOf(options: CoreOptions, open: OpenSite | undefined, starting: boolean): SessionRow {
  const { host, version } = options
  if (open === undefined) {
    return { key: 'session', version, host, site: null, network: { state: starting ? 'starting' : 'off', failure: null, listening: [] } }
  }
  const meta = open.file.meta()
  const failure = open.networkFailure
  return {
    key: 'session',
    version,
    host,
    site: {
      id: meta.id,
      kind: meta.kind,
      fileName: basename(open.file.path),
      details: meta.details,
      createdAt: meta.createdAt,
      revision: open.file.revision,
      demo: meta.demo,
      network: meta.network,
    },
    network: {
      state: failure === undefined ? 'up' : 'failed',
      failure:
        failure === undefined
          ? null
          : { code: failure.code, message: failure.message, retryable: failure.retryable, details: { ...failure.details } },
      listening: [...open.network.listening],
    },
  }
}
