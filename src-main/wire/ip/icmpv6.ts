// ICMPv6 messages (RFC 4443 §2.1, §3, §4): bytes and back. Neighbour discovery stays on the dongle's side of the link.
import { checksumOf, pseudoSum, sumWords, upperChecksum } from './checksum.ts'
import { ICMPV6 } from './extension-headers.ts'
import { IPV6_HEADER_BYTES, MINIMUM_MTU_BYTES, writeIpv6Header } from './ipv6-header.ts'

export const DESTINATION_UNREACHABLE = 1
export const PACKET_TOO_BIG = 2
export const TIME_EXCEEDED = 3
export const PARAMETER_PROBLEM = 4
export const ECHO_REQUEST = 128
export const ECHO_REPLY = 129
export const REDIRECT = 137

export const PORT_UNREACHABLE = 4
export const REASSEMBLY_TIME_EXCEEDED = 1

export const ICMP_HEADER_BYTES = 8

export type IcmpMessage =
  /** Type below 128. `parameter` is the MTU, the pointer, or unused. */
  | { readonly kind: 'error'; readonly type: number; readonly code: number; readonly parameter: number; readonly invoking: Uint8Array }
  | { readonly kind: 'echo-request' | 'echo-reply'; readonly identifier: number; readonly sequence: number; readonly data: Uint8Array }
  | { readonly kind: 'other'; readonly type: number; readonly code: number; readonly body: Uint8Array }

export type IcmpFault = 'malformed' | 'checksum'

/**
 *    |     Type      |     Code      |          Checksum             |
 *    |              parameter, or identifier and sequence            |
 */
export function decodeIcmp(packet: Uint8Array, at: number, end: number): IcmpMessage | IcmpFault {
  if (at < IPV6_HEADER_BYTES || at + 4 > end || end > packet.length) return 'malformed'
  if (upperChecksum(packet, at, end, ICMPV6) !== 0) return 'checksum'
  const byte = (offset: number): number => packet[at + offset] ?? 0
  const [type, code] = [byte(0), byte(1)]
  const isEcho = type === ECHO_REQUEST || type === ECHO_REPLY
  if ((type < 128 || isEcho) && at + ICMP_HEADER_BYTES > end) return 'malformed'
  const rest = packet.subarray(at + ICMP_HEADER_BYTES, end)
  if (isEcho) {
    const kind = type === ECHO_REQUEST ? 'echo-request' : 'echo-reply'
    return { kind, identifier: (byte(4) << 8) | byte(5), sequence: (byte(6) << 8) | byte(7), data: rest }
  }
  if (type >= 128) return { kind: 'other', type, code, body: packet.subarray(at + 4, end) }
  const parameter = byte(4) * 0x1000000 + ((byte(5) << 16) | (byte(6) << 8) | byte(7))
  return { kind: 'error', type, code, parameter, invoking: rest }
}

export interface IcmpEnvelope {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly hopLimit: number
  /** A whole Hop-by-Hop Options header that names ICMPv6 as the next one, where there is to be one. */
  readonly hopByHop?: Uint8Array
}

/** A whole IPv6 packet. Of an error's invoking packet as much as the minimum MTU leaves room for (§2.4 c). */
export function encodeIcmp(message: IcmpMessage, envelope: IcmpEnvelope): Uint8Array {
  const before = IPV6_HEADER_BYTES + (envelope.hopByHop?.length ?? 0)
  const body = bodyOf(message, MINIMUM_MTU_BYTES - before - ICMP_HEADER_BYTES)
  const packet = new Uint8Array(before + 4 + body.length)
  writeIpv6Header(packet, {
    trafficClass: 0,
    flowLabel: 0,
    payloadLength: packet.length - IPV6_HEADER_BYTES,
    nextHeader: envelope.hopByHop === undefined ? ICMPV6 : 0,
    hopLimit: envelope.hopLimit,
    source: envelope.source,
    destination: envelope.destination,
  })
  if (envelope.hopByHop !== undefined) packet.set(envelope.hopByHop, IPV6_HEADER_BYTES)
  packet[before] = typeOf(message)
  packet[before + 1] = 'code' in message ? message.code : 0
  packet.set(body, before + 4)
  const checksum = checksumOf(sumWords(packet, 8, 40) + pseudoSum(packet.length - before, ICMPV6) + sumWords(packet, before, packet.length))
  packet[before + 2] = checksum >> 8
  packet[before + 3] = checksum
  return packet
}

function typeOf(message: IcmpMessage): number {
  switch (message.kind) {
    case 'echo-request':
      return ECHO_REQUEST
    case 'echo-reply':
      return ECHO_REPLY
    case 'error':
    case 'other':
      return message.type
  }
}

function bodyOf(message: IcmpMessage, room: number): Uint8Array {
  if (message.kind === 'other') return message.body
  if (message.kind === 'error') {
    const invoking = message.invoking.subarray(0, room)
    const body = new Uint8Array(4 + invoking.length)
    new DataView(body.buffer).setUint32(0, message.parameter)
    body.set(invoking, 4)
    return body
  }
  const body = new Uint8Array(4 + message.data.length)
  const view = new DataView(body.buffer)
  view.setUint16(0, message.identifier)
  view.setUint16(2, message.sequence)
  body.set(message.data, 4)
  return body
}
