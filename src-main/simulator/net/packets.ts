// IPv6, UDP and ICMPv6 as bytes, for the devices' and the dongle's end: written apart from the program's own, so that the two check each other.
// RFC 8200 §3 and §8.1, RFC 768, RFC 4443.

export interface UdpPacket {
  readonly source: Uint8Array
  readonly sourcePort: number
  readonly destination: Uint8Array
  readonly destinationPort: number
  readonly payload: Uint8Array
}

const HEADER_BYTES = 40
const UDP_BYTES = 8
const UDP = 17
const ICMPV6 = 58
const HOP_LIMIT = 64
const ECHO_REQUEST = 128
const ECHO_REPLY = 129
const TIME_EXCEEDED = 3
const UNREACHABLE = 1
const PORT_UNREACHABLE = 4
const MTU_BYTES = 1280
const MOST_HEADERS = 4
/** Hop-by-hop, routing, destination options. */
const SKIPPED_HEADERS = new Set([0, 43, 60])

export function encodeUdp({ source, sourcePort, destination, destinationPort, payload }: UdpPacket): Uint8Array {
  const packet = ipv6(source, destination, UDP, UDP_BYTES + payload.length)
  const udp = packet.subarray(HEADER_BYTES)
  put16(udp, 0, sourcePort)
  put16(udp, 2, destinationPort)
  put16(udp, 4, udp.length)
  udp.set(payload, UDP_BYTES)
  // Zero means "no checksum" to IPv4 and is not allowed here (RFC 8200 §8.1).
  const sum = checksum(packet, udp, UDP)
  put16(udp, 6, sum === 0 ? 0xffff : sum)
  return packet
}

/** The UDP datagram in a packet; undefined for all else and for one whose lengths or checksum are wrong. */
export function decodeUdp(packet: Uint8Array): UdpPacket | undefined {
  const upper = upperOf(packet)
  if (upper?.protocol !== UDP || upper.bytes.length < UDP_BYTES) return undefined
  const udp = upper.bytes
  if (get16(udp, 4) !== udp.length || get16(udp, 6) === 0 || checksum(packet, udp, UDP) !== 0) return undefined
  return {
    source: packet.slice(8, 24),
    sourcePort: get16(udp, 0),
    destination: packet.slice(24, 40),
    destinationPort: get16(udp, 2),
    payload: udp.slice(UDP_BYTES),
  }
}

/** The answer to an echo request, sent from `own`; undefined for what is none. */
export function echoReply(packet: Uint8Array, own: Uint8Array): Uint8Array | undefined {
  const upper = upperOf(packet)
  if (upper?.protocol !== ICMPV6 || upper.bytes[0] !== ECHO_REQUEST || checksum(packet, upper.bytes, ICMPV6) !== 0) return undefined
  const body = upper.bytes.slice()
  body[0] = ECHO_REPLY
  return icmp(own, packet.subarray(8, 24), body)
}

export function timeExceeded(packet: Uint8Array, own: Uint8Array): Uint8Array {
  return icmpError(packet, own, TIME_EXCEEDED, 0)
}

export function portUnreachable(packet: Uint8Array, own: Uint8Array): Uint8Array {
  return icmpError(packet, own, UNREACHABLE, PORT_UNREACHABLE)
}

/** As much of the packet as fits into the smallest MTU (RFC 4443 §2.4). */
function icmpError(packet: Uint8Array, own: Uint8Array, type: number, code: number): Uint8Array {
  const quoted = packet.subarray(0, MTU_BYTES - HEADER_BYTES - 8)
  const body = new Uint8Array(8 + quoted.length)
  body[0] = type
  body[1] = code
  body.set(quoted, 8)
  return icmp(own, packet.subarray(8, 24), body)
}

function icmp(source: Uint8Array, destination: Uint8Array, body: Uint8Array): Uint8Array {
  const packet = ipv6(source, destination, ICMPV6, body.length)
  const message = packet.subarray(HEADER_BYTES)
  message.set(body)
  put16(message, 2, 0)
  put16(message, 2, checksum(packet, message, ICMPV6))
  return packet
}

function ipv6(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): Uint8Array {
  const packet = new Uint8Array(HEADER_BYTES + length)
  packet[0] = 0x60
  put16(packet, 4, length)
  packet[6] = protocol
  packet[7] = HOP_LIMIT
  packet.set(source, 8)
  packet.set(destination, 24)
  return packet
}

export function isWholePacket(packet: Uint8Array): boolean {
  return packet.length >= HEADER_BYTES && (packet[0] ?? 0) >> 4 === 6 && get16(packet, 4) + HEADER_BYTES === packet.length
}

function upperOf(packet: Uint8Array): { readonly protocol: number; readonly bytes: Uint8Array } | undefined {
  if (!isWholePacket(packet)) return undefined
  let protocol = packet[6] ?? 59
  let offset = HEADER_BYTES
  for (let count = 0; SKIPPED_HEADERS.has(protocol) && count < MOST_HEADERS; count++) {
    const next = packet[offset]
    const eights = packet[offset + 1]
    if (next === undefined || eights === undefined) return undefined
    protocol = next
    offset += (eights + 1) * 8
  }
  return offset > packet.length ? undefined : { protocol, bytes: packet.subarray(offset) }
}

/** The Internet checksum with IPv6's pseudo-header; 0 over bytes that hold their right checksum. */
function checksum(packet: Uint8Array, upper: Uint8Array, protocol: number): number {
  let sum = upper.length + protocol
  for (let offset = 8; offset < HEADER_BYTES; offset += 2) sum += get16(packet, offset)
  for (let offset = 0; offset < upper.length; offset += 2) sum += ((upper[offset] ?? 0) << 8) | (upper[offset + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function get16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)
}

function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >> 8
  bytes[offset + 1] = value & 0xff
}
