// The OSCORE option's value (RFC 8613 §6.1, draft-ietf-core-oscore-groupcomm-28 §4.1).
//
//    0 1 2 3 4 5 6 7 <----- n bytes ----> <- 1 byte -> <--- s bytes --->
//   +-+-+-+-+-+-+-+-+--------------------+------------+----------------+-------------------+
//   |0 0|G|h|k|  n  |  Partial IV (if n) |  s (if h)  | kid context    | kid (if k) ...    |
//   +-+-+-+-+-+-+-+-+--------------------+------------+----------------+-------------------+

export interface OscoreOption {
  /** The Group Flag: the message is protected in group mode. */
  readonly group: boolean
  readonly partialIv: Uint8Array | undefined
  readonly kidContext: Uint8Array | undefined
  readonly kid: Uint8Array | undefined
}

const RESERVED = 0xc0
const GROUP_FLAG = 0x20
const HAS_KID_CONTEXT = 0x10
const HAS_KID = 0x08
const MAX_PARTIAL_IV_BYTES = 5
const MAX_KID_CONTEXT_BYTES = 255
const NO_BYTES = new Uint8Array(0)

export function encodeOption(option: OscoreOption): Uint8Array {
  const { group, partialIv, kidContext, kid } = option
  const flags =
    (group ? GROUP_FLAG : 0) |
    (kidContext === undefined ? 0 : HAS_KID_CONTEXT) |
    (kid === undefined ? 0 : HAS_KID) |
    (partialIv?.length ?? 0)
  if (flags === 0) return NO_BYTES
  const length = 1 + (partialIv?.length ?? 0) + (kidContext === undefined ? 0 : 1 + kidContext.length) + (kid?.length ?? 0)
  const value = new Uint8Array(length)
  let at = 0
  value[at++] = flags
  if (partialIv !== undefined) {
    value.set(partialIv, at)
    at += partialIv.length
  }
  if (kidContext !== undefined) {
    value[at++] = kidContext.length
    value.set(kidContext, at)
    at += kidContext.length
  }
  if (kid !== undefined) value.set(kid, at)
  return value
}

/** Undefined for every byte string that is no option value. The parts are views of it. */
export function decodeOption(value: Uint8Array): OscoreOption | undefined {
  const flags = value[0]
  if (flags === undefined) return NOTHING
  const length = flags & 7
  // An option without any flag is empty; lengths of 6 and 7, and two bits, are reserved.
  if (flags === 0 || (flags & RESERVED) !== 0 || length > MAX_PARTIAL_IV_BYTES) return undefined
  let at = 1 + length
  if (at > value.length) return undefined
  const partialIv = length === 0 ? undefined : value.subarray(1, at)
  if (partialIv !== undefined && length > 1 && partialIv[0] === 0) return undefined
  let kidContext: Uint8Array | undefined
  if ((flags & HAS_KID_CONTEXT) !== 0) {
    const size = value[at]
    if (size === undefined || at + 1 + size > value.length) return undefined
    kidContext = value.subarray(at + 1, at + 1 + size)
    at += 1 + size
  }
  const hasKid = (flags & HAS_KID) !== 0
  if (!hasKid && at !== value.length) return undefined
  return { group: (flags & GROUP_FLAG) !== 0, partialIv, kidContext, kid: hasKid ? value.subarray(at) : undefined }
}

const NOTHING: OscoreOption = { group: false, partialIv: undefined, kidContext: undefined, kid: undefined }

export { MAX_KID_CONTEXT_BYTES }
