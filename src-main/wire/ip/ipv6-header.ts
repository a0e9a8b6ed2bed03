// The fixed IPv6 header (RFC 8200 §3).
import { AppError } from '#main/base/index.ts'

export const IPV6_HEADER_BYTES = 40
/** Every link carries packets of this size (RFC 8200 §5); larger ones are not sent, so no path MTU needs to be found out. */
export const MINIMUM_MTU_BYTES = 1280
export const SOURCE_AT = 8
export const DESTINATION_AT = 24

export interface Ipv6Header {
  readonly trafficClass: number
  readonly flowLabel: number
  /** Bytes behind this header. */
  readonly payloadLength: number
  readonly nextHeader: number
  readonly hopLimit: number
  readonly source: Uint8Array
  readonly destination: Uint8Array
}

/** Why bytes are no IPv6 packet. */
export type HeaderFault = 'too-short' | 'not-ipv6' | 'cut-off'

/**
 *    |Version| Traffic Class |           Flow Label                  |
 *    |         Payload Length        |  Next Header  |   Hop Limit   |
 *    |                      Source Address (16)                      |
 *    |                   Destination Address (16)                    |
 */
export function decodeIpv6Header(packet: Uint8Array): Ipv6Header | HeaderFault {
  const fault = faultOf(packet)
  if (fault !== undefined) return fault
  const byte = (at: number): number => packet[at] ?? 0
  return {
    trafficClass: ((byte(0) & 0x0f) << 4) | (byte(1) >> 4),
    flowLabel: ((byte(1) & 0x0f) << 16) | (byte(2) << 8) | byte(3),
    payloadLength: (byte(4) << 8) | byte(5),
    nextHeader: byte(6),
    hopLimit: byte(7),
    source: packet.subarray(SOURCE_AT, SOURCE_AT + 16),
    destination: packet.subarray(DESTINATION_AT, DESTINATION_AT + 16),
  }
}

/** What is wrong with the header; undefined where it can be relied upon. Bytes behind the payload are a link's padding. */
export function faultOf(packet: Uint8Array): HeaderFault | undefined {
  if (packet.length < IPV6_HEADER_BYTES) return 'too-short'
  if ((packet[0] ?? 0) >> 4 !== 6) return 'not-ipv6'
  return packet.length < IPV6_HEADER_BYTES + payloadLengthOf(packet) ? 'cut-off' : undefined
}

export function payloadLengthOf(packet: Uint8Array): number {
  return ((packet[4] ?? 0) << 8) | (packet[5] ?? 0)
}

export function encodeIpv6Header(header: Ipv6Header): Uint8Array {
  const bytes = new Uint8Array(IPV6_HEADER_BYTES)
  writeIpv6Header(bytes, header)
  return bytes
}

export function writeIpv6Header(into: Uint8Array, header: Ipv6Header): void {
  if (header.payloadLength > 0xffff) throw new AppError('internal', 'An IPv6 payload has at most 65535 bytes')
  into[0] = 0x60 | (header.trafficClass >> 4)
  into[1] = ((header.trafficClass & 0x0f) << 4) | ((header.flowLabel >> 16) & 0x0f)
  into[2] = header.flowLabel >> 8
  into[3] = header.flowLabel
  into[4] = header.payloadLength >> 8
  into[5] = header.payloadLength
  into[6] = header.nextHeader
  into[7] = header.hopLimit
  into.set(header.source, SOURCE_AT)
  into.set(header.destination, DESTINATION_AT)
}

/** Whether the sixteen bytes at `at` are those of the other at `otherAt`. */
export function sameAddress(packet: Uint8Array, at: number, other: Uint8Array, otherAt = 0): boolean {
  // From the end: addresses of one network differ there.
  for (let index = 15; index >= 0; index--) if (packet[at + index] !== other[otherAt + index]) return false
  return true
}

export function isUnspecifiedAt(packet: Uint8Array, at: number): boolean {
  for (let index = 0; index < 16; index++) if (packet[at + index] !== 0) return false
  return true
}

export function isMulticastAt(packet: Uint8Array, at: number): boolean {
  return packet[at] === 0xff
}

export function isLinkLocalUnicastAt(packet: Uint8Array, at: number): boolean {
  return packet[at] === 0xfe && ((packet[at + 1] ?? 0) & 0xc0) === 0x80
}

export function isLoopbackAt(packet: Uint8Array, at: number): boolean {
  for (let index = 0; index < 15; index++) if (packet[at + index] !== 0) return false
  return packet[at + 15] === 1
}
