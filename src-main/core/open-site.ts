// One open site: every service over its file and its network, in the order in which they depend on each other.
import { dirname, join } from 'node:path'
import { AppError, toAppError } from '#main/base/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import { createDongleSite } from '#main/simulator/index.ts'
import { createDiscovery, createInventory } from '#main/site/devices/index.ts'
import type { DeviceProfile } from '#main/site/devices/index.ts'
import { createGroups } from '#main/site/groups/index.ts'
import { createJobs } from '#main/site/jobs/index.ts'
import { createOverview, createPreflight } from '#main/site/overview/index.ts'
import { createDemoMemory, createRegistrationStore } from '#main/store/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { ResourceTree } from '#main/wire/coap/index.ts'
import { createHandOver } from './hand-over.ts'
import { openWriter, writersJobs } from './writer.ts'
import { demoDongle, DEMO_CHANNEL, DEMO_UP_MS, demoOptions } from './demo-dongle.ts'
import { createSiteAccess } from './access.ts'
import { certificateAddresses } from './advertising.ts'
import { createSiteCoaps } from './coaps.ts'
import { createDirectorySettings, isEnrolledIn } from './directory-settings.ts'
import { discoveryChannel } from './discovery-channels.ts'
import { createDnsSd } from './dns-sd.ts'
import { createDongles } from './dongles.ts'
import { createSiteAdmission } from './admission.ts'
import { createSiteEnrolment } from './enrolment.ts'
import { admitPledges, DEMO_CHECK_AFTER_S } from './enrolment-pledges.ts'
import { registerGroups } from './group-registrations.ts'
import { createSiteHistory } from './history.ts'
import { createSiteMaintenance, inOrder } from './maintenance.ts'
import { createProving } from './proving.ts'
import { createSiteBench } from './site-bench.ts'
import { createSiteTemplates } from './templates.ts'
import { createWalk } from './walk.ts'
import { holdJobs } from './job-hold.ts'
import { systemInterfaces } from './interfaces.ts'
import { createSiteJoins } from './site-joins.ts'
import { besideOf, uriOf } from './network-secured.ts'
import { createNetwork, listenSomewhere } from './network.ts'
import { openProgramKeyring } from './keyring.ts'
import { codedProfiles } from './coded-profiles.ts'
import { createSiteKnx } from './knx-site.ts'
import { createProfileDesk } from './profile-desk.ts'
import { sealedMemory } from './sealed-memory.ts'
import { createProbes } from './probes.ts'
import { bumpAtRest } from './revisions.ts'
import { arrived, closeAll, importGroups } from './site-wiring.ts'
import { createSiteRules } from './rules.ts'
import { publishSecurityGroups } from './security-discovery.ts'
import { createSiteSecurity } from './security.ts'
import { withSecurity } from './security-jobs.ts'
import type { SerialDesk } from './serial-desk.ts'
import { createSiteSurvey } from './survey.ts'
import { createTraceDesk } from './trace-desk.ts'
import { createTrace } from './trace.ts'
import type { CoreOptions } from './types.ts'
import type { OpenSite } from './open-site-types.ts'

export interface SiteOptions extends CoreOptions {
  readonly serialDesk: SerialDesk
  /** Closes the site and opens it again. */
  readonly reopen: () => void
}

/** Where a demo site listens beside its simulated radio, so that a stock CoAP client can reach it. */
const DEMO_LISTENING = { bindAddress: '::1', coapPort: 5683 }

/** Builds the services and brings the network up. A network that does not come up is told, not thrown: the project can be worked on without. */
export async function openSiteServices(file: SiteFile, declared: readonly DeviceProfile[], options: SiteOptions): Promise<OpenSite> {
  const { clock, random, logger, services } = options
  const ports = { clock, random, logger }
  const meta = file.meta()
  const access = createSiteAccess(file, ports)
  const tree = new ResourceTree()
  const trace = createTrace(clock)
  const onTrace = trace.message.bind(trace)
  const ring = await openProgramKeyring({ path: join(options.dataDirectory, 'keyring.json'), random, ...options.keyring }).catch(toAppError)
  const { writer, writersKeyring: keyring } = openWriter(file, ring, options)
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
    schemeOf: (channelId) => (besideOf(channelId) === undefined ? 'coap' : 'coaps'),
    ...ports,
  })
  const knx = createSiteKnx({
    file,
    keyring,
    security,
    channels: () => network.channels().map((channel) => discoveryChannel(channel, inventory, directory)),
    inventory: () => inventory,
    groups: () => groups,
    labelPassword: (serial) => admission.secretsOf({ serial })?.password,
    ...ports,
  })
  const profiles = [...declared, ...codedProfiles(knx.profile)]
  const inventory = createInventory({ store: file.devices, contacts: network, profiles, ...ports })
  const rules = createSiteRules({
    file,
    clock,
    channels: () => network.channels().map(({ client, kind }) => ({ channelId: client.channelId, isMesh: kind === 'mesh' })),
    dongles: () => dongles.feed.size,
  })
  const groups = createGroups({
    store: file.groups,
    devices: inventory,
    allocation: rules.allocation,
    naming: rules.naming,
    onTable: (id, table) => survey.tableRead(id, table),
    ...ports,
  })
  const jobs = createJobs({ store: writersJobs(file.jobs, writer), ...ports })
  const bench = createSiteBench({ file, groups, inventory, network, security: knx.protecting(security.bench), ...ports })
  const discovery = createDiscovery({
    inventory,
    channels: () => network.channels().map((channel) => discoveryChannel(channel, inventory, directory)),
    profiles,
    clock,
    logger,
  })
  const survey = createSiteSurvey({ file, inventory, profiles, groups, jobs, bench, discovery, directory, network, writer, ...ports })
  for (const runner of groups.runners) jobs.register(inOrder(withSecurity(runner, security), () => maintenance))
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
      coaps: () => coaps.state,
      directory,
      services,
      networkFailure: () => networkFailure?.message,
    }),
    clock,
  )
  const { exchange, fleet } = createHandOver({
    file,
    keyring,
    writer,
    enrolment: () => enrolment,
    profiles,
    inventory,
    groups,
    jobs,
    security,
    services,
    tool: application,
    directory: exportsDirectory,
    reopen: options.reopen,
    ...ports,
  })
  // What was applied and what was proven is part of the hand-over, though it changes nothing that the project wants.
  const endProofs = [bumpAtRest(jobs.feed, file, logger, ({ kind }) => kind !== 'push'), bumpAtRest(bench.feed, file, logger)]

  const { pty = false, ...chosen } = options.demo ?? {}
  const demo =
    meta.demo === null
      ? undefined
      : createDongleSite({ ...demoOptions(meta.demo, chosen), memory: sealedMemory(createDemoMemory(file.database), ring), ...ports })
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
    // Those that join get their keys as any device does.
    enrolDevice: demo !== undefined && chosen.joining === 'direct' ? (eui64, given) => demo.enrol(eui64, given) : undefined,
    issuers: () => enrolment.issuers,
    publishGroups: (published, baseUri) => publishSecurityGroups(directory, published, baseUri, logger),
  })
  rules.connect({ groups, inventory, profiles, security, jobs })
  const templates = createSiteTemplates({ file, inventory, groups, security, random })
  const prove = createProving({ jobs, bench, templates, groups, evidence: () => overview.evidence() })
  const walk = createWalk({ file, inventory, groups, templates, writer, clock, logger })
  const maintenance = createSiteMaintenance({ file, inventory, groups, security, jobs, enrolment: () => enrolment, ...ports })
  const history = createSiteHistory({ file, inventory, groups, security, templates, clock, logger })
  const admission = createSiteAdmission({ file, inventory, keyring, ...ports })
  const enrolment = await createSiteEnrolment({
    file,
    tree,
    network,
    inventory,
    keyring,
    securedUris: () => network.secured().flatMap(({ local }) => (local === undefined ? [] : uriOf('coaps', local))),
    ...(demo === undefined ? {} : { fixedManufacturers: [demo.manufacturer], checkAfterS: DEMO_CHECK_AFTER_S }),
    ...ports,
  })
  const overview = createOverview(
    {
      devices: inventory.feed,
      rooms: inventory.roomFeed,
      applicationGroups: groups.applicationFeed,
      memberships: groups.membershipFeed,
      plan: groups.planFeed,
      securityPlan: security.planFeed,
      securityFindings: security.findingFeed,
      findings: rules.findingFeed,
      testRuns: bench.feed,
      exports: exchange.feed,
      checks: preflight.feed,
      admission: admission.feed,
      authority: enrolment.feed,
      revision: () => file.revision,
    },
    clock,
  )
  const interfaces = options.interfaces ?? systemInterfaces
  const masa = demo?.masa ?? options.masa
  const joins = createSiteJoins({ file, tree, network, directory, enrolment, inventory, security, admission, interfaces, masa, ...ports })
  const { joining } = joins
  const coaps = createSiteCoaps({
    file,
    network,
    enrolment,
    joining,
    addresses: () => certificateAddresses(network.listening, interfaces()),
    clock,
    logger,
  })
  const dnsSd = options.advertise === false ? undefined : (options.dnsSd ?? createDnsSd({ clock, logger }))
  const joinDesk = joins.openDesk({ coaps, links: () => dongles.feed.rows(), dnsSd })
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
    interfaces,
    dnsSd,
    logger,
  })
  void directorySettings.networkChanged()
  const endReach = dongles.onReach(() => {
    void directorySettings.networkChanged()
    void coaps.networkChanged()
    enrolment.networkChanged()
  })
  const endCoaps = coaps.onChange(() => enrolment.networkChanged())
  await coaps.networkChanged()
  enrolment.networkChanged()
  await security.joined()
  if (options.resumeJobs !== false) jobs.resumeUnfinished()

  return {
    file,
    access,
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
        const { coapsPort, ...always } = wanted
        file.setMeta('network', coapsPort === undefined ? always : { ...always, coapsPort })
      } catch (thrown) {
        if (network.listening.length === 0) networkFailure = toAppError(thrown)
        throw thrown
      } finally {
        void directorySettings.networkChanged()
        await coaps.networkChanged()
        enrolment.networkChanged()
      }
    },
    demo,
    dongles,
    trace,
    knx: knx.desk,
    profiles: createProfileDesk({ options, profiles, inventory, contacts: network, groups, clock }),
    traceDesk: createTraceDesk({ trace, directory: () => exportsDirectory, application, clock, random }),
    onReach(listener) {
      const ends = [dongles.onReach(listener), coaps.onChange(listener)]
      return () => {
        for (const end of ends) end()
      }
    },
    inventory,
    discovery,
    groups,
    importGroups: importGroups(groups),
    bench,
    security,
    rules,
    enrolment,
    admission,
    coaps,
    joining,
    joinDesk,
    replacing: (deviceId, pledgeKey) => joins.retirement.replacing(deviceId, pledgeKey),
    jobs,
    history,
    maintenance,
    templates,
    prove,
    walk,
    survey,
    exchange,
    writer,
    fleet,
    overview,
    preflight,
    async close() {
      const steps: ReadonlyArray<() => unknown> = [
        () => survey.close(),
        () => jobs.close(),
        () => bench.close(),
        () => fleet.close(),
        endArrivals,
        endGroups,
        ...endProofs,
        () => access.close(),
        () => discovery.close(),
        () => overview.close(),
        () => directorySettings.close(),
        endAdmission,
        endCoaps,
        () => joinDesk.close(),
        () => coaps.close(),
        () => joining.close(),
        () => enrolment.close(),
        () => admission.close(),
        () => rules.close(),
        () => walk.close(),
        () => templates.close(),
        () => maintenance.close(),
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
      await closeAll(steps, logger)
    },
  }
}
