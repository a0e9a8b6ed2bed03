// The properties of a simulated NCP: how each is read and written. What is not listed here answers PROP_NOT_FOUND, as does writing a fixed one.
import { concatBytes, fromHex, utf8ToText, type Random } from '#main/base/index.ts'
import { newDataset, readTlvs, structsOf, tlvsOf } from './dataset.ts'
import { childTable, neighborTable, routerTable, type Neighbourhood } from './ncp-tables.ts'
import type { NetData } from './net-data.ts'
import type { Scanner } from './scanner.ts'
import { counted, little, packed, PROPERTY, readCounted, readLittle, readPacked, STATUS, zeroEnded } from './spinel.ts'
import type { ThreadNode } from './thread-node.ts'

/** A status where it failed; otherwise done. */
export type Written = number | undefined

export interface Property {
  readonly get?: () => Uint8Array | number
  readonly set?: (value: Uint8Array) => Written
  readonly insert?: (value: Uint8Array) => Written
  readonly remove?: (value: Uint8Array) => Written
}

export interface NcpParts extends Neighbourhood {
  readonly node: ThreadNode
  readonly scanner: Scanner
  readonly netData: NetData
  readonly random: Random
  readonly version: string
  /** Properties whose changes the host does not want to hear of. */
  readonly silenced: Set<number>
  lastStatus(): number
  freeBuffers(): number
  /** The good-byes are said. */
  left(): void
  /** A packet from the host; a status where it is refused. */
  packet(packet: Uint8Array): number
}

const CAPS = '050c182035360e8004880484048a048b04303180088308840885088e04'
const CHANNELS = Uint8Array.from({ length: 16 }, (_, index) => 11 + index)
const FILTERABLE = '706061634348478d2a525a5b424900006621364445464b228d32'
const FOREVER = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
const TOTAL_BUFFERS = 44
const NO_ROUTER = 0xfffe
const FULL_DEVICE = 0x0b

export function propertiesOf(parts: NcpParts): ReadonlyMap<number, Property> {
  const { node, netData } = parts
  let requireJoin = 0
  const fixed = (value: () => Uint8Array): Property => ({ get: value })
  return new Map<number, Property>([
    [PROPERTY.LAST_STATUS, fixed(() => packed(parts.lastStatus()))],
    [PROPERTY.PROTOCOL_VERSION, fixed(() => Uint8Array.of(4, 3))],
    [PROPERTY.NCP_VERSION, fixed(() => zeroEnded(parts.version))],
    [PROPERTY.INTERFACE_TYPE, fixed(() => Uint8Array.of(3))],
    [PROPERTY.CAPS, fixed(() => hex(CAPS))],
    [PROPERTY.INTERFACE_COUNT, fixed(() => Uint8Array.of(1))],
    [PROPERTY.POWER_STATE, fixed(() => Uint8Array.of(4))],
    [PROPERTY.HWADDR, fixed(() => node.identity.eui64)],
    [PROPERTY.PHY_CHAN_SUPPORTED, fixed(() => CHANNELS)],
    [PROPERTY.PHY_TX_POWER, fixed(() => Uint8Array.of(0))],
    [PROPERTY.MAC_LADDR, fixed(() => node.identity.extendedAddress)],
    ...networkProperties(node),
    [PROPERTY.NET_SAVED, fixed(() => flag(node.isSaved))],
    [
      PROPERTY.NET_IF_UP,
      onOff(
        () => node.isUp,
        (up) => node.setInterface(up),
      ),
    ],
    [
      PROPERTY.NET_STACK_UP,
      onOff(
        () => node.isStackUp,
        (up) => node.setStack(up),
      ),
    ],
    [PROPERTY.NET_ROLE, { get: () => Uint8Array.of(node.role), set: () => STATUS.INVALID_STATE }],
    [PROPERTY.NET_KEY_SEQUENCE, fixed(() => new Uint8Array(4))],
    [PROPERTY.NET_PARTITION, fixed(() => little(node.identity.partition, 4))],
    [
      PROPERTY.NET_REQUIRE_JOIN,
      { get: () => Uint8Array.of(requireJoin), set: (value) => sized(value, 1, () => void (requireJoin = value[0] ?? 0)) },
    ],
    [PROPERTY.NET_LEAVE, { get: () => NO_BYTES, set: () => done(() => node.leave(() => parts.left())) }],
    [PROPERTY.LEADER_ADDRESS, { get: () => (node.isAttached ? node.locator(node.identity.rloc16) : STATUS.INVALID_STATE) }],
    [PROPERTY.CHILD_TABLE, fixed(() => childTable(parts, node))],
    [PROPERTY.NEIGHBOR_TABLE, fixed(() => neighborTable(parts, node))],
    [PROPERTY.ROUTER_TABLE, fixed(() => routerTable(parts, node))],
    [PROPERTY.LEADER_NET_DATA, fixed(() => netData.leaderData())],
    [
      PROPERTY.ON_MESH_NETS,
      { get: () => netData.table(), insert: (value) => netData.insert(value), remove: (value) => netData.remove(value) },
    ],
    [PROPERTY.OFF_MESH_ROUTES, fixed(() => NO_BYTES)],
    [
      PROPERTY.ALLOW_NET_DATA_CHANGE,
      { get: () => flag(netData.isOpen), set: (value) => sized(value, 1, () => netData.setOpen(value[0] === 1)) },
    ],
    [PROPERTY.THREAD_MODE, { get: () => Uint8Array.of(FULL_DEVICE), set: (value) => sized(value, 1, () => undefined) }],
    [PROPERTY.RLOC16, fixed(() => little(node.isAttached ? node.identity.rloc16 : NO_ROUTER, 2))],
    [PROPERTY.LL_ADDRESS, fixed(() => node.linkLocal)],
    [PROPERTY.ML_ADDRESS, fixed(() => node.meshLocal)],
    [
      PROPERTY.ADDRESS_TABLE,
      {
        get: () => concatBytes(...node.addresses.map((address) => counted(address, Uint8Array.of(64), FOREVER))),
        insert: (value) =>
          value.length < 16 ? STATUS.PARSE_ERROR : node.addAddress(value.subarray(0, 16), 'host') ? undefined : STATUS.NOMEM,
        remove: (value) => sized(value, 16, () => node.removeAddress(value)),
      },
    ],
    [
      PROPERTY.MULTICAST_TABLE,
      {
        get: () => concatBytes(...node.groups.map((group) => counted(group))),
        insert: (value) => groupWritten(value, node),
        remove: (value) => sized(value, 16, () => node.removeGroup(value)),
      },
    ],
    [PROPERTY.PING_OFFLOAD, { get: () => Uint8Array.of(4), set: (value) => sized(value, 1, () => undefined) }],
    [PROPERTY.STREAM_NET, { set: (value) => streamWritten(value, parts) }],
    [PROPERTY.MSG_BUFFERS, fixed(() => concatBytes(little(TOTAL_BUFFERS, 2), little(parts.freeBuffers(), 2), new Uint8Array(28)))],
    [PROPERTY.SLAAC_ENABLED, { get: () => flag(true), set: (value) => sized(value, 1, () => undefined) }],
    ...datasetProperties(parts),
    ...scanProperties(parts.scanner),
    ...filterProperties(parts.silenced),
  ])
}

function networkProperties(node: ThreadNode): ReadonlyArray<readonly [number, Property]> {
  const bytes = (length: number, get: () => Uint8Array, put: (value: Uint8Array) => void): Property => ({
    get,
    set: (value) => sized(value, length, () => put(value.slice())),
  })
  return [
    [
      PROPERTY.PHY_CHAN,
      {
        get: () => Uint8Array.of(node.network.channel),
        set: ([channel]) => {
          if (node.isStackUp) return STATUS.INVALID_STATE
          if (channel === undefined || !CHANNELS.includes(channel)) return STATUS.INVALID_ARGUMENT
          return done(() => node.setNetwork({ channel }))
        },
      },
    ],
    [
      PROPERTY.MAC_PANID,
      bytes(
        2,
        () => little(node.network.panId, 2),
        (value) => node.setNetwork({ panId: readLittle(value) }),
      ),
    ],
    [
      PROPERTY.NET_XPANID,
      bytes(
        8,
        () => node.network.xpanId,
        (xpanId) => node.setNetwork({ xpanId }),
      ),
    ],
    [
      PROPERTY.NET_KEY,
      bytes(
        16,
        () => node.network.key,
        (key) => node.setNetwork({ key }),
      ),
    ],
    [
      PROPERTY.NET_PSKC,
      bytes(
        16,
        () => node.network.pskc,
        (pskc) => node.setNetwork({ pskc }),
      ),
    ],
    [
      PROPERTY.NET_NAME,
      {
        get: () => zeroEnded(node.network.name),
        set: (value) => {
          const name = utf8ToText(value.subarray(0, value.at(-1) === 0 ? -1 : value.length))
          if (name === undefined) return STATUS.PARSE_ERROR
          return name.length > 16 ? STATUS.INVALID_ARGUMENT : done(() => node.setNetwork({ name }))
        },
      },
    ],
    [
      PROPERTY.ML_PREFIX,
      {
        get: () => concatBytes(node.network.prefix, new Uint8Array(8), Uint8Array.of(64)),
        set: (value) => sized(value, 17, () => node.setNetwork({ prefix: value.slice(0, 8) })),
      },
    ],
  ]
}

function datasetProperties({ node, random }: NcpParts): ReadonlyArray<readonly [number, Property]> {
  const put = (tlvs: Uint8Array | undefined): Written => {
    if (tlvs === undefined || readTlvs(tlvs) === undefined) return STATUS.PARSE_ERROR
    return done(() => node.setDataset(tlvs))
  }
  return [
    [PROPERTY.ACTIVE_DATASET_TLVS, { get: () => node.dataset, set: put }],
    [PROPERTY.ACTIVE_DATASET, { get: () => structsOf(node.dataset), set: (value) => put(tlvsOf(value)) }],
    [PROPERTY.NEW_DATASET, { get: () => structsOf(newDataset(random)) }],
  ]
}

function scanProperties(scanner: Scanner): ReadonlyArray<readonly [number, Property]> {
  return [
    [
      PROPERTY.MAC_SCAN_STATE,
      {
        get: () => Uint8Array.of(scanner.state),
        set: ([state]) => (state !== undefined && scanner.start(state) ? undefined : STATUS.INVALID_ARGUMENT),
      },
    ],
    [PROPERTY.MAC_SCAN_MASK, { get: () => scanner.channels, set: (value) => void (scanner.channels = value.slice()) }],
    [
      PROPERTY.MAC_SCAN_PERIOD,
      { get: () => little(scanner.periodMs, 2), set: (value) => sized(value, 2, () => void (scanner.periodMs = readLittle(value))) },
    ],
  ]
}

function filterProperties(silenced: Set<number>): ReadonlyArray<readonly [number, Property]> {
  const list = (): Uint8Array => concatBytes(...[...silenced].sort((a, b) => a - b).map((property) => packed(property)))
  const each = (value: Uint8Array, take: (property: number) => void): Written => {
    for (let offset = 0; offset < value.length;) {
      const property = readPacked(value, offset)
      if (property === undefined) return STATUS.PARSE_ERROR
      take(property.value)
      offset = property.next
    }
    return undefined
  }
  return [
    [
      PROPERTY.UNSOL_FILTER,
      {
        get: list,
        set: (value) => {
          silenced.clear()
          return each(value, (property) => silenced.add(property))
        },
        insert: (value) => each(value, (property) => silenced.add(property)),
        remove: (value) => each(value, (property) => silenced.delete(property)),
      },
    ],
    [PROPERTY.UNSOL_LIST, { get: () => hex(FILTERABLE) }],
  ]
}

function groupWritten(value: Uint8Array, node: ThreadNode): Written {
  if (value.length < 16) return STATUS.PARSE_ERROR
  if (value[0] !== 0xff) return STATUS.INVALID_ARGUMENT
  return node.addGroup(value.subarray(0, 16)) ? undefined : STATUS.NOMEM
}

function streamWritten(value: Uint8Array, parts: NcpParts): Written {
  const packet = readCounted(value)
  if (packet === undefined) return STATUS.PARSE_ERROR
  // There is no getter, so that success is a status, too.
  return parts.packet(packet)
}

function onOff(get: () => boolean, set: (on: boolean) => boolean): Property {
  return {
    get: () => flag(get()),
    set: ([value]) => {
      if (value === undefined) return STATUS.PARSE_ERROR
      return set(value !== 0) ? undefined : STATUS.INVALID_STATE
    },
  }
}

function sized(value: Uint8Array, length: number, put: () => void): Written {
  if (value.length < length) return STATUS.PARSE_ERROR
  put()
  return undefined
}

function done(work: () => void): Written {
  work()
  return undefined
}

function flag(on: boolean): Uint8Array {
  return Uint8Array.of(on ? 1 : 0)
}

function hex(text: string): Uint8Array {
  return fromHex(text) ?? NO_BYTES
}

const NO_BYTES = new Uint8Array(0)
