// One open site: every service over its file and its network, in the order in which they depend on each other.
import { dirname, join } from 'node:path'
import { AppError, toAppError } from '#main/base/index.ts'
import type { KeyedFeed, Logger } from '#main/base/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import type { Registration, ResourceDirectory } from '#main/services/rd/index.ts'
import { createDongleSite } from '#main/simulator/index.ts'
import type { DongleSite } from '#main/simulator/index.ts'
import { createDiscovery, createInventory } from '#main/site/devices/index.ts'
import type { ArrivedRegistration, DeviceProfile, Discovery, ImportPorts, Inventory } from '#main/site/devices/index.ts'
import { collectSite, createExchange } from '#main/site/exchange/index.ts'
import type { Exchange } from '#main/site/exchange/index.ts'
import { checkGroupName, createGroups, createTestBench } from '#main/site/groups/index.ts'
import type { GroupEngine, TestBench } from '#main/site/groups/index.ts'
import { createJobs } from '#main/site/jobs/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import { createOverview, createPreflight } from '#main/site/overview/index.ts'
import type { Overview, Preflight } from '#main/site/overview/index.ts'
import type { NetworkOptions } from '#contract/model.ts'
import { createDemoMemory, createRegistrationStore } from '#main/store/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { ResourceTree } from '#main/wire/coap/index.ts'
import { demoDongle, DEMO_CHANNEL, DEMO_UP_MS, demoOptions } from './demo-dongle.ts'
import { createDirectorySettings, isEnrolledIn } from './directory-settings.ts'
import type { DirectorySettings } from './directory-settings.ts'
import { discoveryChannel } from './discovery-channels.ts'
import { createDnsSd } from './dns-sd.ts'
import { createDongles } from './dongles.ts'
import type { Dongles } from './dongles.ts'
import { createSiteEnrolment } from './enrolment.ts'
import type { SiteEnrolment } from './enrolment.ts'
import { admitPledges, DEMO_CHECK_AFTER_S } from './enrolment-pledges.ts'
import { registerGroups } from './group-registrations.ts'
import { holdJobs } from './job-hold.ts'
import { systemInterfaces } from './interfaces.ts'
import { createNetwork, listenSomewhere } from './network.ts'
import type { SiteNetwork } from './network.ts'
import { openProgramKeyring } from './keyring.ts'
import { sealedMemory } from './sealed-memory.ts'
import { createProbes } from './probes.ts'
import { publishSecurityGroups } from './security-discovery.ts'
import { createSiteSecurity } from './security.ts'
import type { SiteSecurity } from './security.ts'
import { withSecurity } from './security-jobs.ts'
import type { SerialDesk } from './serial-desk.ts'
import { createTraceDesk } from './trace-desk.ts'
import type { TraceDesk } from './trace-desk.ts'
import { createTrace } from './trace.ts'
import type { Trace } from './trace.ts'
import type { CoreOptions } from './types.ts'

export type ImportGroups = Pick<ImportPorts, 'groupNames' | 'checkGroupName' | 'assignGroups'>

export interface OpenSite {
  readonly file: SiteFile
  readonly network: SiteNetwork
  readonly networkFailure: AppError | undefined
  readonly directory: ResourceDirectory
  readonly directorySettings: DirectorySettings
  /** Moves the CoAP endpoint and keeps that with the site. Throws `site.is-a-demo`, `network.*`; then all is as before. */
  moveTo(network: NetworkOptions): Promise<void>
  readonly demo: DongleSite | undefined
  readonly dongles: Dongles
  readonly trace: Trace
  readonly traceDesk: TraceDesk
  /** Calls back when a dongle has come up, gone down, or changed its addresses. */
  onReach(listener: () => void): () => void
  readonly inventory: Inventory
  readonly discovery: Discovery
  readonly groups: GroupEngine
  /** What the import of a device list needs of the groups. */
  readonly importGroups: ImportGroups
  readonly bench: TestBench
  readonly security: SiteSecurity
  /** The registration authority. */
  readonly enrolment: SiteEnrolment
  readonly jobs: JobService
  readonly exchange: Exchange
  readonly overview: Overview
  readonly preflight: Preflight
  close(): Promise<void>
}

export interface SiteOptions extends CoreOptions {
  readonly serialDesk: SerialDesk
}

/** The demo site's devices spread their answers over this time (docs/demo-devices.md). */
const DEMO_LEISURE_MS = 1000
/** Where a demo site listens beside its simulated radio, so that a stock CoAP client can reach it. */
const DEMO_LISTENING = { bindAddress: '::1', coapPort: 5683 }

/** Builds the services and brings the network up. A network that does not come up is told, not thrown: the project can be worked on without. */
export async function openSiteServices(file: SiteFile, profiles: readonly DeviceProfile[], options: SiteOptions): Promise<OpenSite> {
  const { clock, random, logger, services } = options
  const ports = { clock, random, logger }
  const meta = file.meta()
  const tree = new ResourceTree()
  const trace = createTrace(clock)
  const onTrace = trace.message.bind(trace)
  const keyring = await openProgramKeyring({ path: join(options.dataDirectory, 'keyring.json'), random, ...options.keyring }).catch(
    toAppError,
  )
  const security = createSiteSecurity({ file, tree, keyring, dataDirectory: options.dataDirectory, ...ports })
  const network = createNetwork(tree, { ...ports, onTrace, security: security.layer, proxyRules: options.proxyRules ?? [] })
  const exportsDirectory = options.exportsDirectory ?? join(dirname(file.path), `${meta.name} hand-over`)
  const application = `Groupwright ${options.version}`
  const directory = createResourceDirectory({
    store: createRegistrationStore(file.database),
    registry: tree,
    simple: { clientOf: (channelId) => network.client(channelId) },
    // Strict until it is known where it listens.
    policy: 'first-come',
    sourceLimits: {},
    isEnrolled: (candidate) => isEnrolledIn(inventory, candidate),
    ...ports,
  })
  const inventory = createInventory({ store: file.devices, contacts: network, profiles, ...ports })
  const groups = createGroups({
    store: file.groups,
    devices: inventory,
    allocation: {
      prefixId: meta.id,
      // A mesh is a realm of its own (RFC 7346 §2); behind a dongle nothing wider is needed.
      get scope() {
        return meta.kind === 'demo' || dongles.feed.size > 0 ? 'realm-local' : 'site-local'
      },
    },
    ...ports,
  })
  const jobs = createJobs({ store: file.jobs, ...ports })
  const bench = createTestBench({
    groups,
    devices: inventory,
    store: file.groups,
    security: security.bench,
    ...(meta.kind === 'demo' ? { leisureMs: DEMO_LEISURE_MS } : {}),
    carriesMulticast: (channelId) => network.channels().every((each) => each.client.channelId !== channelId || each.carriesMulticast),
    ...ports,
  })
  const discovery = createDiscovery({
    inventory,
    channels: () => network.channels().map((channel) => discoveryChannel(channel, inventory, directory)),
    profiles,
    clock,
    logger,
  })
  for (const runner of groups.runners) jobs.register(withSecurity(runner, security))
  const endGroups = registerGroups(groups.applicationFeed, directory, { logger, together: (work) => file.transaction(work) })
  const endArrivals = directory.onChange(({ kind, registration }) => {
    // What this program registered itself is no device.
    if (registration.source !== undefined && (kind === 'registered' || kind === 'updated'))
      discovery.registrationArrived(arrived(registration))
  })

  let networkFailure: AppError | undefined
  const preflight = createPreflight(
    createProbes({
      file,
      clock,
      network,
      links: () => dongles.feed.rows(),
      directory,
      services,
      networkFailure: () => networkFailure?.message,
    }),
    clock,
  )
  const exchange = createExchange({
    store: file.exports,
    directory: exportsDirectory,
    model: () => {
      inventory.flush()
      const { id, kind, details, createdAt, demo: demoOptions } = file.meta()
      const document = collectSite({ id, kind, details, createdAt, demo: demoOptions }, file.devices, file.groups)
      return { document, revision: file.revision }
    },
    tool: application,
    printPdf: (html) => services.printPdf(html),
    canPrintPdf: () => services.canPrintPdf(),
    ...ports,
  })
  // What was applied and what was proven is part of the hand-over, though it changes nothing that the project wants.
  const endProofs = [bumpAtRest(jobs.feed, file, logger), bumpAtRest(bench.feed, file, logger)]
  const overview = createOverview(
    {
      devices: inventory.feed,
      rooms: inventory.roomFeed,
      applicationGroups: groups.applicationFeed,
      memberships: groups.membershipFeed,
      plan: groups.planFeed,
      securityPlan: security.planFeed,
      securityFindings: security.findingFeed,
      testRuns: bench.feed,
      exports: exchange.feed,
      checks: preflight.feed,
      revision: () => file.revision,
    },
    clock,
  )

  const { pty = false, ...chosen } = options.demo ?? {}
  const demo =
    meta.demo === null
      ? undefined
      : createDongleSite({ ...demoOptions(meta.demo, chosen), memory: sealedMemory(createDemoMemory(file.database), keyring), ...ports })
  const terminal =
    demo === undefined || !pty
      ? undefined
      : await demo.openPty().catch((thrown: unknown) => {
          networkFailure = toAppError(thrown)
          return undefined
        })
  const dongles = createDongles({
    file,
    network,
    watch: options.serialDesk.watch,
    ear: trace,
    binding: options.serial?.binding,
    system: options.serial?.system,
    remedyFor: (path) => options.serialDesk.remedyFor(path),
    simulated: demo === undefined ? undefined : demoDongle(demo, terminal?.path),
    ...ports,
  })
  security.connect({
    network,
    inventory,
    groups,
    enrolDevice: demo === undefined ? undefined : (eui64, given) => demo.enrol(eui64, given),
    publishGroups: (published, baseUri) => publishSecurityGroups(directory, published, baseUri, logger),
  })
  const enrolment = await createSiteEnrolment({
    file,
    tree,
    network,
    inventory,
    keyring,
    ...(demo === undefined ? {} : { fixedManufacturers: [demo.manufacturer], checkAfterS: DEMO_CHECK_AFTER_S }),
    ...ports,
  })
  const endHold = holdJobs(jobs, inventory, dongles, clock)
  try {
    await dongles.open()
    const wanted = { ...(meta.network ?? DEMO_LISTENING), ...options.network }
    if (demo === undefined || options.network?.coapPort !== undefined) await network.listen(wanted)
    else await listenSomewhere(network, wanted)
    if (demo !== undefined) await dongles.upWithin(DEMO_CHANNEL, DEMO_UP_MS)
  } catch (thrown) {
    networkFailure = toAppError(thrown)
    logger.warn({ code: networkFailure.code }, 'the network did not come up')
  }
  demo?.start()
  const endAdmission = demo === undefined ? () => undefined : admitPledges(demo, enrolment)
  const directorySettings = createDirectorySettings({
    file,
    directory,
    network,
    interfaces: options.interfaces ?? systemInterfaces,
    dnsSd: options.advertise === false ? undefined : (options.dnsSd ?? createDnsSd({ clock, logger })),
    logger,
  })
  void directorySettings.networkChanged()
  const endReach = dongles.onReach(() => {
    void directorySettings.networkChanged()
    enrolment.networkChanged()
  })
  enrolment.networkChanged()
  await security.joined()
  if (options.resumeJobs !== false) jobs.resumeUnfinished()

  return {
    file,
    network,
    get networkFailure() {
      return networkFailure
    },
    directory,
    directorySettings,
    async moveTo(wanted) {
      if (demo !== undefined) throw new AppError('site.is-a-demo', 'The simulated devices are on this computer')
      try {
        await network.moveTo(wanted)
        networkFailure = undefined
        file.setMeta('network', { ...wanted })
      } catch (thrown) {
        if (network.listening.length === 0) networkFailure = toAppError(thrown)
        throw thrown
      } finally {
        void directorySettings.networkChanged()
        enrolment.networkChanged()
      }
    },
    demo,
    dongles,
    trace,
    traceDesk: createTraceDesk({ trace, directory: () => exportsDirectory, application, clock, random }),
    onReach: (listener) => dongles.onReach(listener),
    inventory,
    discovery,
    groups,
    importGroups: importGroups(groups),
    bench,
    security,
    enrolment,
    jobs,
    exchange,
    overview,
    preflight,
    async close() {
      const steps: ReadonlyArray<() => unknown> = [
        () => jobs.close(),
        () => bench.close(),
        endArrivals,
        endGroups,
        ...endProofs,
        () => discovery.close(),
        () => overview.close(),
        () => directorySettings.close(),
        endAdmission,
        () => enrolment.close(),
        () => security.close(),
        () => groups.close(),
        () => inventory.close(),
        () => directory.close(),
        endHold,
        endReach,
        () => dongles.close(),
        () => trace.close(),
        () => terminal?.close(),
        () => demo?.close(),
        () => network.close(),
        // The next process must not find the site locked, whatever went wrong above.
        () => file.close(),
      ]
      for (const step of steps) {
        try {
          await step()
        } catch (thrown) {
          logger.error({ code: toAppError(thrown).code }, 'a part of the site did not close cleanly')
        }
      }
    },
  }
}

function arrived(registration: Registration): ArrivedRegistration {
  const { endpointName, base, links, source } = registration
  return { endpointName, base, links, channelId: source?.channelId, source: source?.address }
}

function importGroups(groups: GroupEngine): ImportGroups {
  return {
    groupNames: (id) =>
      groups.book.cellsOfDevice(id).flatMap((cell) => (cell.desired ? (groups.book.groups.get(cell.groupId)?.name ?? []) : [])),
    checkGroupName,
    assignGroups: (assignments) =>
      groups.assign(assignments.flatMap(({ deviceId, names }) => names.map((groupName) => ({ deviceId, groupName })))),
  }
}

/** States in which a job or a test run works on. */
const AT_WORK = new Set(['running', 'sending', 'reading-back'])

/** Counts a new revision when a job or a test run has come to rest: paused, cancelled and failed ones had effects too. */
function bumpAtRest<Row extends { readonly id: string; readonly state: string }>(
  feed: KeyedFeed<Row>,
  file: SiteFile,
  logger: Logger,
): () => void {
  const known = new Map(feed.rows().map((row) => [row.id, row.state]))
  return feed.subscribe((ids) => {
    const came = ids.filter((id) => {
      const state = feed.get(id)?.state
      const before = known.get(id)
      if (state !== undefined) known.set(id, state)
      return state !== undefined && state !== before && !AT_WORK.has(state)
    })
    if (came.length === 0) return
    try {
      file.bumpRevision()
    } catch (thrown) {
      logger.error({ code: toAppError(thrown).code }, 'the revision could not be counted')
    }
  })
}
