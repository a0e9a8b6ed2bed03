// UDP over IPv6 (RFC 768, RFC 8200 §8.1: the checksum is mandatory).
import { upperChecksum } from './checksum.ts'
import { UDP } from './extension-headers.ts'
import { IPV6_HEADER_BYTES } from './ipv6-header.ts'

export const UDP_HEADER_BYTES = 8

export interface UdpDatagram {
  readonly sourcePort: number
  readonly destinationPort: number
  /** A view into the packet. */
  readonly payload: Uint8Array
}

export type UdpFault = 'malformed' | 'checksum' | 'no-checksum'

/** The UDP datagram at `at` of a packet whose payload ends at `end`. What lies behind UDP's own length is left alone (RFC 768). */
export function decodeUdp(packet: Uint8Array, at: number, end: number): UdpDatagram | UdpFault {
  if (at < IPV6_HEADER_BYTES || at + UDP_HEADER_BYTES > end || end > packet.length) return 'malformed'
  const word = (offset: number): number => ((packet[at + offset] ?? 0) << 8) | (packet[at + offset + 1] ?? 0)
  const length = word(4)
  if (length < UDP_HEADER_BYTES || at + length > end) return 'malformed'
  if (word(6) === 0) return 'no-checksum'
  if (upperChecksum(packet, at, at + length, UDP) !== 0) return 'checksum'
  return { sourcePort: word(0), destinationPort: word(2), payload: packet.subarray(at + UDP_HEADER_BYTES, at + length) }
}
