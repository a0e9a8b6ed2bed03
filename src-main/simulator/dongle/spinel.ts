// The dongle's end of Spinel: numbers that it answers to, and the few types that its properties are made of (draft-rquattle-spinel-unified).
import { concatBytes, utf8 } from '#main/base/index.ts'

export const COMMAND = { NOOP: 0, RESET: 1, GET: 2, SET: 3, INSERT: 4, REMOVE: 5, IS: 6, INSERTED: 7, REMOVED: 8, NET_CLEAR: 10 }

export const STATUS = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  INVALID_STATE: 4,
  INVALID_COMMAND: 5,
  INVALID_INTERFACE: 6,
  PARSE_ERROR: 9,
  NOMEM: 11,
  PROP_NOT_FOUND: 13,
  DROPPED: 14,
  JOIN_FAILURE: 104,
  RESET_POWER_ON: 112,
  /** OpenThread's own error 20. */
  INVALID_SOURCE: 16_404,
}

export const PROPERTY = {
  LAST_STATUS: 0,
  PROTOCOL_VERSION: 1,
  NCP_VERSION: 2,
  INTERFACE_TYPE: 3,
  CAPS: 5,
  INTERFACE_COUNT: 6,
  POWER_STATE: 7,
  HWADDR: 8,
  PHY_CHAN: 0x21,
  PHY_CHAN_SUPPORTED: 0x22,
  PHY_TX_POWER: 0x25,
  MAC_SCAN_STATE: 0x30,
  MAC_SCAN_MASK: 0x31,
  MAC_SCAN_PERIOD: 0x32,
  MAC_SCAN_BEACON: 0x33,
  MAC_LADDR: 0x34,
  MAC_PANID: 0x36,
  MAC_ENERGY_RESULT: 0x39,
  NET_SAVED: 0x40,
  NET_IF_UP: 0x41,
  NET_STACK_UP: 0x42,
  NET_ROLE: 0x43,
  NET_NAME: 0x44,
  NET_XPANID: 0x45,
  NET_KEY: 0x46,
  NET_KEY_SEQUENCE: 0x47,
  NET_PARTITION: 0x48,
  NET_REQUIRE_JOIN: 0x49,
  NET_PSKC: 0x4b,
  NET_LEAVE: 0x4c,
  LEADER_ADDRESS: 0x50,
  CHILD_TABLE: 0x52,
  ON_MESH_NETS: 0x5a,
  OFF_MESH_ROUTES: 0x5b,
  ALLOW_NET_DATA_CHANGE: 0x5d,
  THREAD_MODE: 0x5e,
  LL_ADDRESS: 0x60,
  ML_ADDRESS: 0x61,
  ML_PREFIX: 0x62,
  ADDRESS_TABLE: 0x63,
  MULTICAST_TABLE: 0x66,
  PING_OFFLOAD: 0x67,
  STREAM_DEBUG: 0x70,
  STREAM_NET: 0x72,
  MSG_BUFFERS: 0x690,
  UNSOL_FILTER: 0x1008,
  UNSOL_LIST: 0x1009,
  RLOC16: 0x1501,
  NEIGHBOR_TABLE: 0x150b,
  LEADER_NET_DATA: 0x150d,
  ROUTER_TABLE: 0x1517,
  ACTIVE_DATASET: 0x1518,
  DATASET_TIMESTAMP: 0x151c,
  DATASET_SECURITY: 0x151f,
  NEW_DATASET: 0x1528,
  ACTIVE_DATASET_TLVS: 0x153c,
  SLAAC_ENABLED: 0x190e,
}

export const ROLE = { detached: 0, child: 1, router: 2, leader: 3, disabled: 4 } as const

/** A number in groups of seven bits, the lowest first. */
export function packed(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest])
    bytes.push((rest % 128) | 0x80)
  }
}

/** The packed number at `offset` and where it ends; undefined where the bytes end before it does. */
export function readPacked(bytes: Uint8Array, offset: number): { readonly value: number; readonly next: number } | undefined {
  let value = 0
  for (let index = 0; index < 5; index++) {
    const byte = bytes[offset + index]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 128 ** index
    if (byte < 0x80) return { value, next: offset + index + 1 }
  }
  return undefined
}

/** A number of `length` bytes, little end first. */
export function little(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Math.floor(value / 256 ** index) % 256)
}

export function readLittle(bytes: Uint8Array): number {
  return bytes.reduce((value, byte, index) => value + byte * 256 ** index, 0)
}

/** Fields with their length in front: a struct, or data in the middle of a frame. */
export function counted(...fields: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...fields)
  return concatBytes(little(body.length, 2), body)
}

export function zeroEnded(text: string): Uint8Array {
  return concatBytes(utf8(text), Uint8Array.of(0))
}

/** The bytes in front of the length that stands there, or undefined where they do not fit. */
export function readCounted(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 2) return undefined
  const length = readLittle(bytes.subarray(0, 2))
  return bytes.length < 2 + length ? undefined : bytes.subarray(2, 2 + length)
}
