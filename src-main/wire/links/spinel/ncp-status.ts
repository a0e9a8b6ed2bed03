// What is known of an NCP and its network, kept up to date from what it tells by itself and from its answers. Holds no keys.
import { AppError, toHex, type Eui64 } from '#main/base/index.ts'
import type { LinkAddress } from '../types.ts'
import { formatIp6, parseIp6 } from './ip6-text.ts'
import type { NcpVerb } from './frame.ts'
import { unpack, type SpinelType, type ValueOf } from './pack.ts'
import { PROP, roleOf, type NetworkRole, type SpinelProperty, type SpinelTable } from './properties.ts'

export type NcpChild = RowOf<typeof PROP.THREAD_CHILD_TABLE>
export type NcpNeighbor = RowOf<typeof PROP.THREAD_NEIGHBOR_TABLE>
export type NcpRouter = RowOf<typeof PROP.THREAD_ROUTER_TABLE>
export type NcpOnMeshPrefix = Omit<RowOf<typeof PROP.THREAD_ON_MESH_NETS>, 'more'>
export type NcpParent = Omit<ValueOf<(typeof PROP.THREAD_PARENT)['type']>, 'more'>

type RowOf<Table> = Table extends SpinelTable<infer Row, unknown, unknown> ? Row : never
type TableRow = ValueOf<(typeof PROP.IPV6_ADDRESS_TABLE)['entry']>

/** A snapshot for a link page. What is undefined was not told yet, or the firmware does not know it. */
export interface NcpStatus {
  readonly firmware: string | undefined
  /** `major.minor` of the protocol. */
  readonly protocol: string | undefined
  readonly capabilities: readonly number[]
  readonly hardwareAddress: Eui64 | undefined
  /** Whether a network is kept in the dongle's flash. */
  readonly networkSaved: boolean
  readonly interfaceUp: boolean
  readonly stackUp: boolean
  readonly role: NetworkRole
  readonly networkName: string | undefined
  /** 16 hex digits. */
  readonly extendedPanId: string | undefined
  readonly panId: number | undefined
  readonly channel: number | undefined
  readonly txPowerDbm: number | undefined
  readonly partitionId: number | undefined
  readonly keySequence: number | undefined
  readonly rloc16: number | undefined
  readonly leaderAddress: string | undefined
  /** E.g. `fddead00beefcafe::`, of 64 bits. */
  readonly meshLocalPrefix: string | undefined
  /** Those that a host may use; without routing and anycast locators, which change with the role. */
  readonly addresses: readonly LinkAddress[]
  /** Multicast groups that the dongle listens to. */
  readonly groups: readonly string[]
  /** Groups that were asked for and for which the dongle has no room. */
  readonly groupsWithoutRoom: readonly string[]
  readonly onMeshPrefixes: readonly NcpOnMeshPrefix[]
  readonly parent: NcpParent | undefined
  readonly children: readonly NcpChild[]
  readonly neighbors: readonly NcpNeighbor[]
  readonly routers: readonly NcpRouter[]
  /** Message buffers of the dongle. */
  readonly buffers: { readonly total: number; readonly free: number } | undefined
}

const blank: NcpStatus = {
  firmware: undefined,
  protocol: undefined,
  capabilities: [],
  hardwareAddress: undefined,
  networkSaved: false,
  interfaceUp: false,
  stackUp: false,
  role: 'disabled',
  networkName: undefined,
  extendedPanId: undefined,
  panId: undefined,
  channel: undefined,
  txPowerDbm: undefined,
  partitionId: undefined,
  keySequence: undefined,
  rloc16: undefined,
  leaderAddress: undefined,
  meshLocalPrefix: undefined,
  addresses: [],
  groups: [],
  groupsWithoutRoom: [],
  onMeshPrefixes: [],
  parent: undefined,
  children: [],
  neighbors: [],
  routers: [],
  buffers: undefined,
}

/** Tables of a network of this size are kept whole; more is of no use to a link page. */
const MOST_ROWS = 512

type Reader = (value: Uint8Array) => Partial<NcpStatus>

function reader<Value>(property: SpinelProperty<Value>, take: (value: Value) => Partial<NcpStatus>): [number, Reader] {
  return [property.number, (bytes) => take(unpack(property.type, bytes))]
}

const readers: ReadonlyMap<number, Reader> = new Map([
  reader(PROP.NCP_VERSION, (firmware) => ({ firmware })),
  reader(PROP.PROTOCOL_VERSION, ({ major, minor }) => ({ protocol: `${major}.${minor}` })),
  reader(PROP.CAPS, (capabilities) => ({ capabilities })),
  reader(PROP.HWADDR, (hardwareAddress) => ({ hardwareAddress })),
  reader(PROP.NET_SAVED, (networkSaved) => ({ networkSaved })),
  reader(PROP.NET_IF_UP, (interfaceUp) => ({ interfaceUp })),
  reader(PROP.NET_STACK_UP, (stackUp) => ({ stackUp })),
  reader(PROP.NET_ROLE, (role) => ({ role: roleOf(role), ...(roleOf(role) === 'child' ? {} : { parent: undefined }) })),
  reader(PROP.NET_NETWORK_NAME, (networkName) => ({ networkName })),
  reader(PROP.NET_XPANID, (id) => ({ extendedPanId: toHex(id) })),
  reader(PROP.MAC_15_4_PANID, (panId) => ({ panId })),
  reader(PROP.PHY_CHAN, (channel) => ({ channel })),
  reader(PROP.PHY_TX_POWER, (txPowerDbm) => ({ txPowerDbm })),
  reader(PROP.NET_PARTITION_ID, (partitionId) => ({ partitionId })),
  reader(PROP.NET_KEY_SEQUENCE_COUNTER, (keySequence) => ({ keySequence })),
  reader(PROP.THREAD_RLOC16, (rloc16) => ({ rloc16 })),
  reader(PROP.THREAD_LEADER_ADDR, (leaderAddress) => ({ leaderAddress })),
  reader(PROP.IPV6_ML_ADDR, (address) => ({ meshLocalPrefix: prefixOf(address) })),
  reader(PROP.THREAD_ON_MESH_NETS, (prefixes) => ({
    onMeshPrefixes: prefixes
      .slice(0, MOST_ROWS)
      .map(({ prefix, prefixLength, stable, flags, local, rloc16 }) => ({ prefix, prefixLength, stable, flags, local, rloc16 })),
  })),
  reader(PROP.THREAD_PARENT, ({ eui64, rloc16, ageS, averageRssiDbm, lastRssiDbm }) => ({
    parent: { eui64, rloc16, ageS, averageRssiDbm, lastRssiDbm },
  })),
  reader(PROP.THREAD_CHILD_TABLE, (children) => ({ children: children.slice(0, MOST_ROWS) })),
  reader(PROP.THREAD_NEIGHBOR_TABLE, (neighbors) => ({ neighbors: neighbors.slice(0, MOST_ROWS) })),
  reader(PROP.THREAD_ROUTER_TABLE, (routers) => ({ routers: routers.slice(0, MOST_ROWS) })),
  reader(PROP.MSG_BUFFER_COUNTERS, ([total, free]) => ({
    buffers: total === undefined || free === undefined ? undefined : { total, free },
  })),
  reader(PROP.IPV6_MULTICAST_ADDRESS_TABLE, (groups) => ({ groups: groups.slice(0, MOST_ROWS) })),
])

export class NcpState {
  #status: NcpStatus = blank
  #table: readonly TableRow[] = []
  #own: ReadonlySet<string> = new Set()
  readonly #watchers = new Set<() => void>()
  #unreadable = 0

  get status(): NcpStatus {
    return this.#status
  }

  /** Values that could not be read; a firmware of another age. */
  get unreadable(): number {
    return this.#unreadable
  }

  /** Whether packets can pass. */
  get attached(): boolean {
    const { interfaceUp, stackUp, role } = this.#status
    return interfaceUp && stackUp && (role === 'child' || role === 'router' || role === 'leader')
  }

  /** Whether the address is one of the dongle's, locators included. */
  isOwn(address: Uint8Array): boolean {
    return this.#own.has(toHex(address))
  }

  /** Called after each change. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Takes what the NCP told; what cannot be read is counted and left. */
  apply(verb: NcpVerb, property: number, value: Uint8Array): void {
    try {
      if (verb === 'is') this.#is(property, value)
      else this.#entry(verb, property, value)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'link.frame-invalid') throw error
      this.#unreadable++
    }
  }

  set(change: Partial<NcpStatus>): void {
    this.#status = { ...this.#status, ...change }
    for (const watcher of [...this.#watchers]) watcher()
  }

  /** After a reset: what is volatile is gone, what the firmware is stays. */
  forgetVolatile(): void {
    const { firmware, protocol, capabilities, hardwareAddress, networkSaved, groupsWithoutRoom } = this.#status
    this.#table = []
    this.#own = new Set()
    this.set({ ...blank, firmware, protocol, capabilities, hardwareAddress, networkSaved, groupsWithoutRoom })
  }

  #is(property: number, value: Uint8Array): void {
    if (property === PROP.IPV6_ADDRESS_TABLE.number) {
      this.#table = unpack(PROP.IPV6_ADDRESS_TABLE.type, value).slice(0, MOST_ROWS)
      this.#own = new Set(this.#table.map((row) => toHex(parseIp6(row.address) ?? new Uint8Array(0))))
      this.set({ addresses: this.#hostAddresses() })
      return
    }
    const change = readers.get(property)?.(value)
    if (change === undefined) return
    this.#status = { ...this.#status, ...change }
    this.set(
      property === PROP.IPV6_ML_ADDR.number || property === PROP.THREAD_ON_MESH_NETS.number ? { addresses: this.#hostAddresses() } : {},
    )
  }

  #entry(verb: 'inserted' | 'removed', property: number, value: Uint8Array): void {
    const { children, neighbors } = this.#status
    if (property === PROP.THREAD_CHILD_TABLE.number) {
      this.set({ children: changed(children, verb, value, PROP.THREAD_CHILD_TABLE.entry) })
    } else if (property === PROP.THREAD_NEIGHBOR_TABLE.number) {
      this.set({ neighbors: changed(neighbors, verb, value, PROP.THREAD_NEIGHBOR_TABLE.entry) })
    }
  }

  #hostAddresses(): readonly LinkAddress[] {
    const { meshLocalPrefix, onMeshPrefixes } = this.#status
    const addresses: LinkAddress[] = []
    for (const { address, prefixLength, validLifetimeS } of this.#table) {
      const prefix = prefixOf(address)
      if (validLifetimeS === 0 || isLocator(address)) continue
      const origin = address.startsWith('fe80:')
        ? 'link-local'
        : prefix === meshLocalPrefix
          ? 'mesh-local'
          : onMeshPrefixes.some((known) => prefixOf(known.prefix) === prefix)
            ? 'on-mesh'
            : 'assigned'
      addresses.push({ address, prefixLength, origin })
    }
    return addresses
  }
}

function changed<Row extends { readonly eui64: string }>(
  rows: readonly Row[],
  verb: 'inserted' | 'removed',
  value: Uint8Array,
  type: SpinelType<Row>,
): readonly Row[] {
  const row = unpack(type, value)
  const others = rows.filter((other) => other.eui64 !== row.eui64)
  return verb === 'removed' || others.length >= MOST_ROWS ? others : [...others, row]
}

function prefixOf(address: string): string {
  const bytes = parseIp6(address) ?? new Uint8Array(16)
  return formatIp6(Uint8Array.from(bytes, (byte, index) => (index < 8 ? byte : 0)))
}

/** Routing and anycast locators: interface identifier 0000:00ff:fe00:xxxx in the mesh-local prefix. */
function isLocator(address: string): boolean {
  const bytes = parseIp6(address)
  return bytes !== undefined && toHex(bytes.subarray(8, 14)) === '000000fffe00' && bytes[0] !== 0xfe
}
