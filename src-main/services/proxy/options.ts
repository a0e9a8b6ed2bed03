// The options that proxies of group communication add to CoAP, in both generations of the protocol: draft-tiloca-core-groupcomm-proxy-00
// §2 and §3, draft-ietf-core-groupcomm-proxy-07 §2, §3 and §7.3. Decoding of their values is total: a value, or undefined.
import {
  AppError,
  CborTag,
  concatBytes,
  decodeCbor,
  decodeUint,
  encodeCbor,
  encodeUint,
  type CborValue,
  type SocketAddress,
} from '#main/base/index.ts'
import { findOption, findOptions, type CoapOption } from '#main/wire/coap/index.ts'
import { formatIpv4, formatIpv6, parseAddress } from '#main/wire/ip/index.ts'
import {
  decodeCriSequence,
  defaultPortOf,
  encodeCri,
  encodeCriReference,
  type Cri,
  type CriAuthority,
  type CriReference,
  type CriScheme,
} from './cri.ts'

/** IANA has assigned none of them, so every one can be chosen. */
export interface ProxyOptionNumbers {
  /** -07 §2: elective, unsafe to forward. */
  readonly multicastTimeout: number
  /** -07 §3: elective, safe to forward. */
  readonly replyFrom: number
  /** -07 §7.3: elective, safe to forward, part of the cache key. */
  readonly groupEtag: number
  /** -00 §2: critical, unsafe to forward. */
  readonly multicastSignaling: number
  /** -00 §3: critical, unsafe to forward. */
  readonly responseForwarding: number
}

/** Those that -07 §11.1 suggests; for -00, which suggests none, numbers of the experimental range with the right properties. */
export const SUGGESTED_OPTION_NUMBERS: ProxyOptionNumbers = {
  multicastTimeout: 2,
  replyFrom: 248,
  groupEtag: 24,
  multicastSignaling: 65_003,
  responseForwarding: 65_007,
}

/** CBOR tag of a network address, which -00 §3 uses. */
const NETWORK_ADDRESS_TAG = 260
const MAX_UINT32 = 0xffff_ffff

// ---- Multicast-Timeout (-07 §2) ------------------------------------------------------------------------------------

export function multicastTimeoutOption(numbers: ProxyOptionNumbers, seconds: number): CoapOption {
  return { number: numbers.multicastTimeout, value: encodeUint(seconds) }
}

/** Seconds; undefined where the option is missing, repeated, or too long, which for an elective option is as if it were missing. */
export function readMulticastTimeout(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): number | undefined {
  const [option, second] = findOptions(options, numbers.multicastTimeout)
  return option === undefined || second !== undefined || option.value.length > 4 ? undefined : decodeUint(option.value)
}

// ---- Multicast-Signaling (-00 §2) ----------------------------------------------------------------------------------

export function multicastSignalingOption(numbers: ProxyOptionNumbers, seconds: number): CoapOption {
  return { number: numbers.multicastSignaling, value: encodeCbor(seconds) }
}

/** Seconds; `invalid` where the value is no CBOR unsigned integer of one to five bytes. */
export function readMulticastSignaling(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): number | 'invalid' | undefined {
  const [option, second] = findOptions(options, numbers.multicastSignaling)
  if (option === undefined) return undefined
  // Major type 0: a float may have the same value, but is no unsigned integer.
  const isUint = (option.value[0] ?? 0xff) >> 5 === 0
  if (second !== undefined || option.value.length > 5 || !isUint) return 'invalid'
  const seconds = decodedOrUndefined(option.value)
  return typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_UINT32 ? seconds : 'invalid'
}

// ---- Response-Forwarding (-00 §3) ----------------------------------------------------------------------------------

/** The server's unicast address as a tagged byte string. */
export function responseForwardingOption(numbers: ProxyOptionNumbers, address: string): CoapOption {
  const bytes = parseAddress(address)
  if (bytes === undefined) throw new AppError('input.invalid', 'Not an IP address', { details: { address } })
  return { number: numbers.responseForwarding, value: encodeCbor(new CborTag(NETWORK_ADDRESS_TAG, bytes)) }
}

/** The address text; `invalid` where the value is no tagged IPv4 or IPv6 address. */
export function readResponseForwarding(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): string | undefined {
  const [option, second] = findOptions(options, numbers.responseForwarding)
  if (option === undefined || second !== undefined || option.value.length > 20) return undefined
  const tagged = decodedOrUndefined(option.value)
  if (!(tagged instanceof CborTag) || tagged.tag !== NETWORK_ADDRESS_TAG) return undefined
  const bytes: unknown = tagged.value
  if (!(bytes instanceof Uint8Array)) return undefined
  if (bytes.length === 4) return formatIpv4(bytes)
  return bytes.length === 16 ? formatIpv6(bytes) : undefined
}

// ---- Reply-From (-07 §3) -------------------------------------------------------------------------------------------

export interface ReplyFrom {
  readonly cri: Cri
  readonly reference: CriReference | undefined
}

export function replyFromOption(numbers: ProxyOptionNumbers, from: ReplyFrom): CoapOption {
  const first = encodeCri(from.cri)
  const value = from.reference === undefined ? first : concatBytes(first, encodeCriReference(from.reference))
  return { number: numbers.replyFrom, value }
}

/** Undefined where the option is missing or breaks the rules of §3: being elective, it is then ignored. */
export function readReplyFrom(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): ReplyFrom | undefined {
  const [option, second] = findOptions(options, numbers.replyFrom)
  return option === undefined || second !== undefined ? undefined : decodeReplyFrom(option.value)
}

export function decodeReplyFrom(value: Uint8Array): ReplyFrom | undefined {
  if (value.length < 5 || value.length > 1034) return undefined
  try {
    const { cri, reference } = decodeCriSequence(value)
    if (cri.path.length + cri.query.length > 0) return undefined
    // With an authority in the reference, the host that is to be reached is an address (§3).
    if (reference?.authority !== undefined && cri.authority.host.kind === 'name') return undefined
    return { cri, reference }
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'cbor.invalid') return undefined
    throw thrown
  }
}

/** The CRI of a server's transport address. A zone means nothing to others than this host, and is left off. */
export function criOf(at: SocketAddress, scheme: CriScheme = 'coap'): Cri {
  const bytes = parseAddress(at.address)
  if (bytes === undefined) throw new AppError('internal', 'A socket address without IP address', { details: { address: at.address } })
  return { scheme, authority: { host: { kind: 'ip', bytes }, port: at.port }, path: [], query: [] }
}

/** The server that a response is from; undefined where it is named by a host name. */
export function serverOf({ cri, reference }: ReplyFrom): SocketAddress | undefined {
  return addressOfAuthority(reference?.authority ?? cri.authority, cri.scheme)
}

export function addressOfAuthority(authority: CriAuthority, scheme: CriScheme): SocketAddress | undefined {
  const { host, port = defaultPortOf(scheme) } = authority
  if (host.kind === 'name') return undefined
  return { address: host.bytes.length === 4 ? formatIpv4(host.bytes) : formatIpv6(host.bytes), port }
}

// ---- Group-ETag (-07 §7.3) -----------------------------------------------------------------------------------------

export function groupEtagOption(numbers: ProxyOptionNumbers, tag: Uint8Array): CoapOption {
  return { number: numbers.groupEtag, value: tag }
}

/** Of a request: all that have a length of 1 to 8 bytes. */
export function readGroupEtags(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): readonly Uint8Array[] {
  return findOptions(options, numbers.groupEtag)
    .map((option) => option.value)
    .filter((value) => value.length >= 1 && value.length <= 8)
}

/** Of a response, where there must be no more than one. */
export function readGroupEtag(numbers: ProxyOptionNumbers, options: readonly CoapOption[]): Uint8Array | undefined {
  const tags = readGroupEtags(numbers, options)
  return tags.length === 1 && findOption(options, numbers.groupEtag) !== undefined ? tags[0] : undefined
}

function decodedOrUndefined(value: Uint8Array): CborValue {
  try {
    return decodeCbor(value, { tags: [NETWORK_ADDRESS_TAG], maxDepth: 1 })
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'cbor.invalid') return undefined
    throw thrown
  }
}
