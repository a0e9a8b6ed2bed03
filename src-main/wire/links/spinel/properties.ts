// The properties of an NCP that a host needs, with their types (draft-rquattle-spinel-unified §5, and what firmware does since).
import {
  arrayOf,
  bool,
  empty,
  eui64,
  fields,
  fixedData,
  int8,
  ip6,
  packedUint,
  restOfData,
  sizedData,
  struct,
  text,
  uint16,
  uint32,
  uint64,
  uint8,
  unpack,
  type SpinelType,
} from './pack.ts'

export interface SpinelProperty<Value> {
  readonly number: number
  readonly name: string
  readonly type: SpinelType<Value>
}

export interface SpinelTable<Row, Entry, Name> extends SpinelProperty<readonly Row[]> {
  /** What INSERT and INSERTED carry. */
  readonly entry: SpinelType<Entry>
  /** What REMOVE carries. */
  readonly entryName: SpinelType<Name>
}

/** Reads the bytes to the end of the frame where the structure has grown. */
const more = restOfData

function property<Value>(number: number, name: string, type: SpinelType<Value>): SpinelProperty<Value> {
  return { number, name, type }
}

function table<Row, Entry, Name>(
  number: number,
  name: string,
  types: { readonly row: SpinelType<Row>; readonly entry: SpinelType<Entry>; readonly entryName: SpinelType<Name> },
): SpinelTable<Row, Entry, Name> {
  return { number, name, type: arrayOf(types.row), entry: types.entry, entryName: types.entryName }
}

const beacon = fields({
  channel: uint8,
  rssiDbm: int8,
  radio: struct(fields({ eui64, shortAddress: uint16, panId: uint16, lqi: uint8 })),
  network: struct(fields({ protocol: packedUint, flags: uint8, networkName: text, extendedPanId: sizedData, more })),
})

const child = fields({
  eui64,
  rloc16: uint16,
  timeoutS: uint32,
  ageS: uint32,
  networkDataVersion: uint8,
  lqiIn: uint8,
  averageRssiDbm: int8,
  mode: uint8,
  lastRssiDbm: int8,
})

const neighbor = fields({
  eui64,
  rloc16: uint16,
  ageS: uint32,
  lqiIn: uint8,
  averageRssiDbm: int8,
  mode: uint8,
  isChild: bool,
  linkFrameCounter: uint32,
  mleFrameCounter: uint32,
  lastRssiDbm: int8,
})

const router = fields({
  eui64,
  rloc16: uint16,
  routerId: uint8,
  nextHop: uint8,
  pathCost: uint8,
  lqiIn: uint8,
  lqiOut: uint8,
  ageS: uint8,
  linkEstablished: bool,
})

const parent = fields({ eui64, rloc16: uint16, ageS: uint32, averageRssiDbm: int8, lastRssiDbm: int8, more })

const ownAddress = fields({ address: ip6, prefixLength: uint8, preferredLifetimeS: uint32, validLifetimeS: uint32 })
const onMeshPrefix = fields({ prefix: ip6, prefixLength: uint8, stable: bool, flags: uint8, local: bool, rloc16: uint16, more })
const newOnMeshPrefix = fields({ prefix: ip6, prefixLength: uint8, stable: bool, flags: uint8 })
const datasetItem = struct(fields({ property: packedUint, value: restOfData }))
const anyJoiner = fields({ joiner: sizedData, timeoutS: uint32, pskd: text })

/** Flags of an on-mesh prefix, in the order of the header files. */
export const PREFIX_FLAG = { ON_MESH: 0x01, DEFAULT_ROUTE: 0x02, CONFIGURE: 0x04, DHCP: 0x08, SLAAC: 0x10, PREFERRED: 0x20 } as const

export const PROP = {
  LAST_STATUS: property(0x00, 'LAST_STATUS', packedUint),
  PROTOCOL_VERSION: property(0x01, 'PROTOCOL_VERSION', fields({ major: packedUint, minor: packedUint })),
  NCP_VERSION: property(0x02, 'NCP_VERSION', text),
  INTERFACE_TYPE: property(0x03, 'INTERFACE_TYPE', packedUint),
  CAPS: property(0x05, 'CAPS', arrayOf(packedUint)),
  INTERFACE_COUNT: property(0x06, 'INTERFACE_COUNT', uint8),
  POWER_STATE: property(0x07, 'POWER_STATE', uint8),
  HWADDR: property(0x08, 'HWADDR', eui64),
  PHY_CHAN: property(0x21, 'PHY_CHAN', uint8),
  PHY_CHAN_SUPPORTED: property(0x22, 'PHY_CHAN_SUPPORTED', arrayOf(uint8)),
  PHY_TX_POWER: property(0x25, 'PHY_TX_POWER', int8),
  MAC_SCAN_STATE: property(0x30, 'MAC_SCAN_STATE', uint8),
  MAC_SCAN_MASK: property(0x31, 'MAC_SCAN_MASK', arrayOf(uint8)),
  MAC_SCAN_PERIOD: property(0x32, 'MAC_SCAN_PERIOD', uint16),
  MAC_SCAN_BEACON: property(0x33, 'MAC_SCAN_BEACON', beacon),
  MAC_15_4_LADDR: property(0x34, 'MAC_15_4_LADDR', eui64),
  MAC_15_4_PANID: property(0x36, 'MAC_15_4_PANID', uint16),
  MAC_ENERGY_SCAN_RESULT: property(0x39, 'MAC_ENERGY_SCAN_RESULT', fields({ channel: uint8, maxRssiDbm: int8 })),
  NET_SAVED: property(0x40, 'NET_SAVED', bool),
  NET_IF_UP: property(0x41, 'NET_IF_UP', bool),
  NET_STACK_UP: property(0x42, 'NET_STACK_UP', bool),
  NET_ROLE: property(0x43, 'NET_ROLE', uint8),
  NET_NETWORK_NAME: property(0x44, 'NET_NETWORK_NAME', text),
  NET_XPANID: property(0x45, 'NET_XPANID', fixedData(8)),
  NET_NETWORK_KEY: property(0x46, 'NET_NETWORK_KEY', fixedData(16)),
  NET_KEY_SEQUENCE_COUNTER: property(0x47, 'NET_KEY_SEQUENCE_COUNTER', uint32),
  NET_PARTITION_ID: property(0x48, 'NET_PARTITION_ID', uint32),
  NET_REQUIRE_JOIN_EXISTING: property(0x49, 'NET_REQUIRE_JOIN_EXISTING', bool),
  NET_PSKC: property(0x4b, 'NET_PSKC', fixedData(16)),
  NET_LEAVE_GRACEFULLY: property(0x4c, 'NET_LEAVE_GRACEFULLY', empty),
  THREAD_LEADER_ADDR: property(0x50, 'THREAD_LEADER_ADDR', ip6),
  THREAD_PARENT: property(0x51, 'THREAD_PARENT', parent),
  /** What is inserted and removed stands without the length that the table's entries have. */
  THREAD_CHILD_TABLE: table(0x52, 'THREAD_CHILD_TABLE', { row: struct(child), entry: child, entryName: child }),
  THREAD_ON_MESH_NETS: table(0x5a, 'THREAD_ON_MESH_NETS', {
    row: struct(onMeshPrefix),
    entry: newOnMeshPrefix,
    entryName: fields({ prefix: ip6, prefixLength: uint8 }),
  }),
  THREAD_OFF_MESH_ROUTES: property(0x5b, 'THREAD_OFF_MESH_ROUTES', restOfData),
  THREAD_ALLOW_LOCAL_NET_DATA_CHANGE: property(0x5d, 'THREAD_ALLOW_LOCAL_NET_DATA_CHANGE', bool),
  THREAD_MODE: property(0x5e, 'THREAD_MODE', uint8),
  IPV6_LL_ADDR: property(0x60, 'IPV6_LL_ADDR', ip6),
  IPV6_ML_ADDR: property(0x61, 'IPV6_ML_ADDR', ip6),
  IPV6_ML_PREFIX: property(0x62, 'IPV6_ML_PREFIX', fields({ prefix: ip6, prefixLength: uint8 })),
  IPV6_ADDRESS_TABLE: table(0x63, 'IPV6_ADDRESS_TABLE', { row: struct(ownAddress), entry: ownAddress, entryName: ip6 }),
  IPV6_MULTICAST_ADDRESS_TABLE: table(0x66, 'IPV6_MULTICAST_ADDRESS_TABLE', { row: struct(ip6), entry: ip6, entryName: ip6 }),
  IPV6_ICMP_PING_OFFLOAD_MODE: property(0x67, 'IPV6_ICMP_PING_OFFLOAD_MODE', uint8),
  STREAM_DEBUG: property(0x70, 'STREAM_DEBUG', restOfData),
  STREAM_NET: property(0x72, 'STREAM_NET', fields({ packet: sizedData, metadata: restOfData })),
  STREAM_NET_INSECURE: property(0x73, 'STREAM_NET_INSECURE', fields({ packet: sizedData, metadata: restOfData })),
  STREAM_LOG: property(0x74, 'STREAM_LOG', fields({ line: text, metadata: restOfData })),
  MESHCOP_JOINER_STATE: property(0x80, 'MESHCOP_JOINER_STATE', uint8),
  MESHCOP_JOINER_COMMISSIONING: property(0x81, 'MESHCOP_JOINER_COMMISSIONING', fields({ start: bool, more })),
  MESHCOP_COMMISSIONER_STATE: property(0x82, 'MESHCOP_COMMISSIONER_STATE', uint8),
  MESHCOP_COMMISSIONER_JOINERS: table(0x83, 'MESHCOP_COMMISSIONER_JOINERS', {
    row: struct(fields({ joiner: sizedData, leftMs: uint32, pskd: text })),
    entry: anyJoiner,
    entryName: fields({ joiner: sizedData }),
  }),
  RCP_API_VERSION: property(0xb0, 'RCP_API_VERSION', packedUint),
  MSG_BUFFER_COUNTERS: property(0x690, 'MSG_BUFFER_COUNTERS', arrayOf(uint16)),
  UNSOL_UPDATE_FILTER: property(0x1008, 'UNSOL_UPDATE_FILTER', arrayOf(packedUint)),
  UNSOL_UPDATE_LIST: property(0x1009, 'UNSOL_UPDATE_LIST', arrayOf(packedUint)),
  THREAD_RLOC16: property(0x1501, 'THREAD_RLOC16', uint16),
  /** What is inserted and removed has its length here, unlike a child. */
  THREAD_NEIGHBOR_TABLE: table(0x150b, 'THREAD_NEIGHBOR_TABLE', {
    row: struct(neighbor),
    entry: struct(neighbor),
    entryName: struct(neighbor),
  }),
  THREAD_LEADER_NETWORK_DATA: property(0x150d, 'THREAD_LEADER_NETWORK_DATA', restOfData),
  THREAD_ROUTER_TABLE: table(0x1517, 'THREAD_ROUTER_TABLE', { row: struct(router), entry: struct(router), entryName: struct(router) }),
  THREAD_ACTIVE_DATASET: property(0x1518, 'THREAD_ACTIVE_DATASET', arrayOf(datasetItem)),
  DATASET_ACTIVE_TIMESTAMP: property(0x151c, 'DATASET_ACTIVE_TIMESTAMP', uint64),
  DATASET_SECURITY_POLICY: property(0x151f, 'DATASET_SECURITY_POLICY', fields({ rotationHours: uint16, flags: restOfData })),
  THREAD_NEW_DATASET: property(0x1528, 'THREAD_NEW_DATASET', arrayOf(datasetItem)),
  THREAD_ACTIVE_DATASET_TLVS: property(0x153c, 'THREAD_ACTIVE_DATASET_TLVS', restOfData),
  SLAAC_ENABLED: property(0x190e, 'SLAAC_ENABLED', bool),
} as const

type Known = SpinelProperty<unknown> & { readonly entry?: SpinelType<unknown>; readonly entryName?: SpinelType<unknown> }
const byNumber: ReadonlyMap<number, Known> = new Map(Object.values(PROP).map((known): [number, Known] => [known.number, known]))

/** What a number stands for, for logs and the trace. */
export function propertyName(number: number): string {
  return byNumber.get(number)?.name ?? `0x${number.toString(16)}`
}

/** Whether the property's value must never be shown: keys, and streams that may carry or echo them. */
export function isSecretProperty(number: number): boolean {
  return secretNumbers.has(number)
}

const secretNumbers: ReadonlySet<number> = new Set([
  PROP.NET_NETWORK_KEY.number,
  PROP.NET_PSKC.number,
  PROP.THREAD_ACTIVE_DATASET.number,
  PROP.THREAD_NEW_DATASET.number,
  PROP.THREAD_ACTIVE_DATASET_TLVS.number,
  PROP.MESHCOP_JOINER_COMMISSIONING.number,
  PROP.MESHCOP_COMMISSIONER_JOINERS.number,
  PROP.STREAM_DEBUG.number,
])

/** Reads a property's value by number, as a trace or a test does; undefined for an unknown one. Throws `link.frame-invalid` alone. */
export function readAnyProperty(
  number: number,
  verb: 'is' | 'inserted' | 'removed' | 'set' | 'insert' | 'remove',
  value: Uint8Array,
): unknown {
  const known = byNumber.get(number)
  if (known === undefined) return undefined
  if (verb === 'is' || verb === 'set') return unpack(known.type, value)
  if (verb === 'inserted' || verb === 'insert') return unpack(known.entry ?? known.type, value)
  if (verb === 'remove') return unpack(known.entryName ?? known.entry ?? known.type, value)
  return unpack(isNamedWhenRemoved(number) ? (known.entryName ?? known.type) : (known.entry ?? known.type), value)
}

/** REMOVED answers with what REMOVE was given where a host removes; of tables that the NCP keeps by itself it tells the whole entry. */
function isNamedWhenRemoved(number: number): boolean {
  return number === PROP.IPV6_ADDRESS_TABLE.number || number === PROP.IPV6_MULTICAST_ADDRESS_TABLE.number
}

/** Capabilities that decide what a firmware is (draft §5.2.4 and later header files). */
export const CAP = {
  CONFIG_FTD: 0x20,
  CONFIG_MTD: 0x21,
  CONFIG_RADIO: 0x22,
  ROLE_ROUTER: 0x30,
  NET_THREAD_1_0: 0x34,
  NET_THREAD_1_1: 0x35,
  MAC_RAW: 0x201,
} as const

export type NetworkRole = 'disabled' | 'detached' | 'child' | 'router' | 'leader'
const roles: readonly NetworkRole[] = ['detached', 'child', 'router', 'leader', 'disabled']

/** Older firmware says 0 for disabled as well. */
export function roleOf(value: number): NetworkRole {
  return roles[value] ?? 'detached'
}

export function roleNumber(role: NetworkRole): number {
  return roles.indexOf(role)
}
