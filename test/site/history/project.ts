// A whole project over a real site file: inventory, groups, security groups and the journal, with devices that exist only in these tests.
import { parseEui64, silentLogger, seededRandom } from '#main/base/index.ts'
import { createInventory, type Inventory } from '#main/site/devices/index.ts'
import { collectSite, siteJson } from '#main/site/exchange/index.ts'
import { createGroups, createSecurity, type GroupEngine, type KeyManager, type SecurityEngine } from '#main/site/groups/index.ts'
import { type History } from '#main/site/history/index.ts'
import { canonicalJson, openSiteFile, type SiteFile } from '#main/store/index.ts'
import type { HistoryRow } from '#contract/model.ts'
import { createSiteHistory } from '../../../src-main/core/history.ts'
import { FakeClient, FakeDevice, FakeProfile } from '../groups/doubles.ts'
import { storePorts, temporarySite } from '../../support/site-file.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export interface Project {
  readonly clock: VirtualClock
  readonly file: SiteFile
  readonly inventory: Inventory
  readonly groups: GroupEngine
  readonly security: SecurityEngine
  readonly history: History
  /** Security groups that have keys, by name. */
  readonly keyed: Set<string>
  fake(address: string): FakeDevice
  close(): void
}

/** What the network holds; it outlives the program. */
export interface World {
  readonly clock: VirtualClock
  readonly fakes: Map<string, FakeDevice>
  readonly keyed: Set<string>
  seed: number
}

export function newWorld(): World {
  return { clock: new VirtualClock(), fakes: new Map(), keyed: new Set(), seed: 7 }
}

/** Without keys nobody chooses protection by default, and nobody has to join. */
export function openProject(world: World = newWorld(), path?: string, { keys = true }: { readonly keys?: boolean } = {}): Project {
  const { clock, fakes, keyed } = world
  const file = path === undefined ? temporarySite(storePorts(clock)) : openSiteFile(path, storePorts(clock))
  // What is durable is tried with kill -9 elsewhere.
  file.database.pragma('synchronous = OFF')
  const fake = (address: string): FakeDevice => {
    const known = fakes.get(address) ?? new FakeDevice()
    fakes.set(address, known)
    return known
  }
  const client = new FakeClient(clock)
  const ports = { clock, random: seededRandom(world.seed++), logger: silentLogger }
  const inventory = createInventory({
    store: file.devices,
    contacts: { client: () => client },
    profiles: [new FakeProfile((at) => fake(at.address))],
    ...ports,
  })
  const groups = createGroups({ store: file.groups, devices: inventory, allocation: { prefixId: 'site-1' }, ...ports })
  const security = createSecurity({
    store: file.security,
    groups,
    devices: inventory,
    door: {
      offer: () => ({ supported: true, places: 8 }),
      isEnrolled: () => true,
      read: () => Promise.resolve([]),
      tell: () => Promise.resolve(),
      release: () => Promise.resolve(),
      onChange: () => () => undefined,
    },
    manager: keys ? fakeManager(keyed) : undefined,
    ...ports,
  })
  const history = createSiteHistory({
    file,
    inventory,
    groups,
    security: { engine: security },
    templates: { reload: () => undefined },
    clock,
    logger: silentLogger,
  })
  return {
    clock,
    file,
    inventory,
    groups,
    security,
    history,
    keyed,
    fake,
    close() {
      security.close()
      groups.close()
      inventory.close()
      file.close()
    },
  }
}

export function reopened(world: World, project: Project): Project {
  const { path } = project.file
  project.close()
  return openProject(world, path)
}

function fakeManager(keyed: Set<string>): KeyManager {
  const managed = (name: string) => ({
    name,
    generation: 1,
    gid: '00',
    rekeyedAtMs: 0,
    expiresAtMs: 0,
    leavesWaiting: 0,
    rekeyDueAtMs: undefined,
  })
  return {
    group: (name) => (keyed.has(name) ? managed(name) : undefined),
    members: () => [],
    ensure: ({ name }) => void keyed.add(name),
    toolJoined: () => Promise.resolve(),
    remove: (name) => void keyed.delete(name),
    authorise: () => undefined,
    rekey: managed,
    evict: managed,
    toolIsMember: () => true,
    onChange: () => () => undefined,
  }
}

/** The JSON export, byte for byte. */
export function exported({ file, inventory }: Project): string {
  inventory.flush()
  const { id, kind, details, createdAt, demo } = file.meta()
  return new TextDecoder().decode(siteJson(collectSite({ id, kind, details, createdAt, demo }, file.devices, file.groups, file.security)))
}

/** What is shown, to be compared with what a program shows that starts from the file. */
export function shown({ inventory, groups, security }: Project): unknown {
  const sorted = (rows: readonly unknown[]): readonly string[] => rows.map(canonicalJson).sort()
  return {
    devices: sorted(inventory.feed.rows()),
    rooms: sorted(inventory.roomFeed.rows()),
    groups: sorted(groups.applicationFeed.rows()),
    coap: sorted(groups.coapFeed.rows()),
    memberships: sorted(groups.membershipFeed.rows()),
    plan: sorted(groups.planFeed.rows()),
    protections: sorted(security.feeds.protections.rows()),
    securityGroups: sorted(security.feeds.groups.rows()),
  }
}

export function names(rows: readonly HistoryRow[]): readonly string[] {
  return rows.map(({ op, state }) => `${op} ${state}`)
}

/** The device answers at its address from now on. */
export function hear(project: Project, eui64: string, address: string): string {
  return project.inventory.heard({
    source: 'discovery',
    at: { address, port: 5683 },
    channelId: 'fake',
    endpointName: null,
    identity: { eui64: parseEui64(eui64), serial: undefined, model: 'Lamp 3', type: 'luminaire' },
    profileId: 'fake',
    links: '</g>;rt="gw.groups"',
    failure: undefined,
  }).id
}
