// A Spinel frame: header, command, and for most commands a property with its value (draft-rquattle-spinel-unified §3.5, §4).
// Both ends of the line are here: a host's driver and a simulated NCP write and read the same frames.
import { AppError, concatBytes } from '#main/base/index.ts'
import { packedUint, SpinelReader, pack } from './pack.ts'

/**
 *   0 1 2 3 4 5 6 7
 *  +---+---+-------+-----------------+--------------
 *  |1 0|IID|  TID  | command, packed | payload …
 *  +---+---+-------+-----------------+--------------
 */
export interface SpinelFrame {
  /** Interface; always 0 but for radio co-processors. */
  readonly iid: number
  /** 1 to 15 names a transaction; 0 wants no answer, or answers nothing. */
  readonly tid: number
  readonly command: number
  readonly payload: Uint8Array
}

/** draft §4.2. NET_SAVE and NET_RECALL are implemented by nobody. */
export const COMMAND = {
  NOOP: 0,
  RESET: 1,
  PROP_VALUE_GET: 2,
  PROP_VALUE_SET: 3,
  PROP_VALUE_INSERT: 4,
  PROP_VALUE_REMOVE: 5,
  PROP_VALUE_IS: 6,
  PROP_VALUE_INSERTED: 7,
  PROP_VALUE_REMOVED: 8,
  NET_CLEAR: 10,
} as const

/** What follows the RESET command. */
export const RESET_TYPE = { PLATFORM: 1, STACK: 2, BOOTLOADER: 3 } as const

/** Commands whose payload begins with a property's number, by the verb that is theirs. */
const propertyCommands = {
  get: COMMAND.PROP_VALUE_GET,
  set: COMMAND.PROP_VALUE_SET,
  insert: COMMAND.PROP_VALUE_INSERT,
  remove: COMMAND.PROP_VALUE_REMOVE,
  is: COMMAND.PROP_VALUE_IS,
  inserted: COMMAND.PROP_VALUE_INSERTED,
  removed: COMMAND.PROP_VALUE_REMOVED,
} as const

/** What a host asks. */
export type HostVerb = 'get' | 'set' | 'insert' | 'remove'
/** What an NCP tells. */
export type NcpVerb = 'is' | 'inserted' | 'removed'
export type PropertyVerb = HostVerb | NcpVerb

export interface PropertyMessage {
  readonly verb: PropertyVerb
  readonly property: number
  /** As on the wire. */
  readonly value: Uint8Array
}

const HEADER_FLAG = 0x80
const HEADER_FLAG_MASK = 0xc0

export function encodeSpinelFrame(frame: SpinelFrame): Uint8Array {
  const header = Uint8Array.of(HEADER_FLAG | ((frame.iid & 3) << 4) | (frame.tid & 0x0f))
  return concatBytes(header, pack(packedUint, frame.command), frame.payload)
}

/** Throws `link.frame-invalid` alone. */
export function decodeSpinelFrame(bytes: Uint8Array): SpinelFrame {
  const reader = new SpinelReader(bytes)
  const header = reader.integer(1)
  if ((header & HEADER_FLAG_MASK) !== HEADER_FLAG) throw new AppError('link.frame-invalid', 'Not a Spinel header')
  return { iid: (header >> 4) & 3, tid: header & 0x0f, command: packedUint.read(reader), payload: reader.take(reader.left).slice() }
}

/** The frame that carries a property. */
export function propertyFrame(tid: number, message: PropertyMessage): SpinelFrame {
  return {
    iid: 0,
    tid,
    command: propertyCommands[message.verb],
    payload: concatBytes(pack(packedUint, message.property), message.value),
  }
}

const verbsByCommand: ReadonlyMap<number, PropertyVerb> = new Map([
  [COMMAND.PROP_VALUE_GET, 'get'],
  [COMMAND.PROP_VALUE_SET, 'set'],
  [COMMAND.PROP_VALUE_INSERT, 'insert'],
  [COMMAND.PROP_VALUE_REMOVE, 'remove'],
  [COMMAND.PROP_VALUE_IS, 'is'],
  [COMMAND.PROP_VALUE_INSERTED, 'inserted'],
  [COMMAND.PROP_VALUE_REMOVED, 'removed'],
])

/** The property in a frame; undefined where its command carries none. Throws `link.frame-invalid` alone. */
export function readPropertyFrame(frame: SpinelFrame): PropertyMessage | undefined {
  const verb = verbsByCommand.get(frame.command)
  if (verb === undefined) return undefined
  const reader = new SpinelReader(frame.payload)
  const property = packedUint.read(reader)
  return { verb, property, value: reader.take(reader.left).slice() }
}
