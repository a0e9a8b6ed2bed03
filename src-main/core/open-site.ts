// One open site: every service over its file and its network, in the order in which they depend on each other.
import { dirname, join } from 'node:path'
import { toAppError } from '#main/base/index.ts'
import type { AppError, KeyedFeed, Logger, SocketAddress } from '#main/base/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import type { Registration, ResourceDirectory } from '#main/services/rd/index.ts'
import { createDemoSite } from '#main/simulator/index.ts'
import type { DemoSite } from '#main/simulator/index.ts'
import { allCoapNodes, createDiscovery, createInventory } from '#main/site/devices/index.ts'
import type { ArrivedRegistration, DeviceProfile, Discovery, DiscoveryChannel, ImportPorts, Inventory } from '#main/site/devices/index.ts'
import { collectSite, createExchange } from '#main/site/exchange/index.ts'
import type { Exchange } from '#main/site/exchange/index.ts'
import { checkGroupName, createGroups, createTestBench } from '#main/site/groups/index.ts'
import type { GroupEngine, TestBench } from '#main/site/groups/index.ts'
import { createJobs } from '#main/site/jobs/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import { createOverview, createPreflight } from '#main/site/overview/index.ts'
import type { Overview, Preflight } from '#main/site/overview/index.ts'
import { createDemoMemory, createRegistrationStore } from '#main/store/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { ResourceTree } from '#main/wire/coap/index.ts'
import { registerGroups } from './group-registrations.ts'
import { createNetwork, isLoopback, listenSomewhere } from './network.ts'
import type { SiteChannel, SiteNetwork } from './network.ts'
import { createProbes } from './probes.ts'
import type { CoreOptions } from './types.ts'

export type ImportGroups = Pick<ImportPorts, 'groupNames' | 'checkGroupName' | 'assignGroups'>

export interface OpenSite {
  readonly file: SiteFile
  readonly network: SiteNetwork
  readonly networkFailure: AppError | undefined
  readonly directory: ResourceDirectory
  readonly demo: DemoSite | undefined
  readonly inventory: Inventory
  readonly discovery: Discovery
  readonly groups: GroupEngine
  /** What the import of a device list needs of the groups. */
  readonly importGroups: ImportGroups
  readonly bench: TestBench
  readonly jobs: JobService
  readonly exchange: Exchange
  readonly overview: Overview
  readonly preflight: Preflight
  close(): Promise<void>
}

/** The demo site's devices spread their answers over this time (docs/demo-devices.md). */
const DEMO_LEISURE_MS = 1000
/** Where a demo site listens beside its simulated radio, so that a stock CoAP client can reach it. */
const DEMO_LISTENING = { bindAddress: '::1', coapPort: 5683 }

/** Builds the services and brings the network up. A network that does not come up is told, not thrown: the project can be worked on without. */
export async function openSiteServices(file: SiteFile, profiles: readonly DeviceProfile[], options: CoreOptions): Promise<OpenSite> {
  const { clock, random, logger, services } = options
  const ports = { clock, random, logger }
  const meta = file.meta()
  const tree = new ResourceTree()
  const network = createNetwork(tree, { ...ports, proxyRules: options.proxyRules ?? [] })
  const directory = createResourceDirectory({
    store: createRegistrationStore(file.database),
    registry: tree,
    simple: { clientOf: (channelId) => network.client(channelId) },
    // Beyond this machine anybody may send: each source gets its share, and nobody another's registration.
    ...(isReachable(options.network?.bindAddress ?? meta.network?.bindAddress) ? { policy: 'first-come' as const, sourceLimits: {} } : {}),
    ...ports,
  })
  const inventory = createInventory({ store: file.devices, contacts: network, profiles, ...ports })
  const groups = createGroups({
    store: file.groups,
    devices: inventory,
    allocation: { prefixId: meta.id, scope: meta.kind === 'demo' ? 'realm-local' : 'site-local' },
    ...ports,
  })
  const jobs = createJobs({ store: file.jobs, ...ports })
  const bench = createTestBench({
    groups,
    devices: inventory,
    store: file.groups,
    ...(meta.kind === 'demo' ? { leisureMs: DEMO_LEISURE_MS } : {}),
    ...ports,
  })
  const discovery = createDiscovery({ inventory, channels: () => network.channels().map(discoveryChannel), profiles, clock, logger })
  for (const runner of groups.runners) jobs.register(runner)
  const endGroups = registerGroups(groups.applicationFeed, directory, { logger, together: (work) => file.transaction(work) })
  const endArrivals = directory.onChange(({ kind, registration }) => {
    // What this program registered itself is no device.
    if (registration.source !== undefined && (kind === 'registered' || kind === 'updated'))
      discovery.registrationArrived(arrived(registration))
  })

  let networkFailure: AppError | undefined
  const preflight = createPreflight(
    createProbes({ file, clock, network, directory, services, networkFailure: () => networkFailure?.message }),
    clock,
  )
  const exchange = createExchange({
    store: file.exports,
    directory: options.exportsDirectory ?? join(dirname(file.path), `${meta.name} hand-over`),
    model: () => {
      inventory.flush()
      const { id, kind, details, createdAt, demo: demoOptions } = file.meta()
      const document = collectSite({ id, kind, details, createdAt, demo: demoOptions }, file.devices, file.groups)
      return { document, revision: file.revision }
    },
    tool: `Groupwright ${options.version}`,
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
      testRuns: bench.feed,
      exports: exchange.feed,
      checks: preflight.feed,
      revision: () => file.revision,
    },
    clock,
  )

  const demo = meta.demo === null ? undefined : createDemoSite({ ...meta.demo, memory: createDemoMemory(file.database), ...ports })
  try {
    if (demo !== undefined) network.attach(demo.channel)
    const wanted = { ...(meta.network ?? DEMO_LISTENING), ...options.network }
    if (demo === undefined || options.network?.coapPort !== undefined) await network.listen(wanted)
    else await listenSomewhere(network, wanted)
  } catch (thrown) {
    networkFailure = toAppError(thrown)
    logger.warn({ code: networkFailure.code }, 'the network did not come up')
  }
  demo?.start()
  if (options.resumeJobs !== false) jobs.resumeUnfinished()

  return {
    file,
    network,
    networkFailure,
    directory,
    demo,
    inventory,
    discovery,
    groups,
    importGroups: importGroups(groups),
    bench,
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
        () => groups.close(),
        () => inventory.close(),
        () => directory.close(),
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

function discoveryChannel({ client, local }: SiteChannel): DiscoveryChannel {
  const allNodes = client.channelId === 'demo' ? allCoapNodes('mesh') : systemGroups(local)
  return { client, allNodes, isOwn: (at) => at.address === local.address && at.port === local.port }
}

/** Loopback has no group members; elsewhere All CoAP Nodes of the address's family, in its zone. */
function systemGroups({ address, zone }: SocketAddress): readonly SocketAddress[] {
  if (isLoopback(address)) return []
  return address.includes(':') ? allCoapNodes('ipv6', zone) : allCoapNodes('ipv4')
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

function isReachable(bindAddress: string | undefined): boolean {
  return bindAddress !== undefined && !isLoopback(bindAddress)
}
