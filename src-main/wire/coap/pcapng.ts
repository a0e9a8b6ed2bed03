// A trace as a pcapng file that any protocol analyser reads (draft-ietf-opsawg-pcapng-03 §4): each message a raw IP packet with the IP and
// UDP headers that carried it, written anew, with right checksums (RFC 8200 §3 and §8.1, RFC 791 §3.1, RFC 768).
import { concatBytes, LinkType, pcapngEntry, pcapngInterface, pcapngSection, type SocketAddress } from '#main/base/index.ts'
import type { TraceEvent } from './trace.ts'

export interface PcapngOptions {
  /** The bytes of an address: four, sixteen, or undefined where it is none. The room of addresses has it. */
  readonly addressBytes: (address: string) => Uint8Array | undefined
  /** What the interface is called in the file, e.g. the channel's name. */
  readonly interfaceName: string
  readonly application?: string
}

const UDP = 17
const UDP_HEADER_BYTES = 8
const IPV4_HEADER_BYTES = 20
const IPV6_HEADER_BYTES = 40
/** What the length fields of UDP and, together with its own header, IPv4 can say. */
const MAX_UDP_PAYLOAD_BYTES = 0xffff - UDP_HEADER_BYTES - IPV4_HEADER_BYTES
const HOP_LIMIT = 64

/** What a file starts with. Packets follow it in any number; files with the same options can be put one after the other. */
export function pcapngStart(options: PcapngOptions): Uint8Array {
  // Packets begin with the IP header, whose version tells which.
  return concatBytes(pcapngSection(options.application ?? 'Groupwright'), pcapngInterface(LinkType.RAW, options.interfaceName))
}

/** One message as a packet of the file. */
export function pcapngPacket(event: TraceEvent, options: PcapngOptions): Uint8Array {
  const { direction, local, peer, datagram, atMs, multicast, note } = event
  const bytes = direction === 'sent' ? ipPacket(local, peer, datagram, options) : ipPacket(peer, local, datagram, options)
  return pcapngEntry({
    interfaceId: 0,
    bytes,
    originalBytes: bytes.length + Math.max(0, datagram.length - MAX_UDP_PAYLOAD_BYTES),
    atMs,
    direction,
    reception: multicast ? 'multicast' : 'unicast',
    comment: note === 'first' ? '' : note,
  })
}

/** A whole file. */
export function pcapngFile(events: Iterable<TraceEvent>, options: PcapngOptions): Uint8Array {
  return concatBytes(pcapngStart(options), ...Array.from(events, (event) => pcapngPacket(event, options)))
}

function ipPacket(from: SocketAddress, to: SocketAddress, datagram: Uint8Array, options: PcapngOptions): Uint8Array {
  const payload = datagram.subarray(0, MAX_UDP_PAYLOAD_BYTES)
  const source = options.addressBytes(from.address)
  const destination = options.addressBytes(to.address)
  // Where one address is not known, or the family of an unbound socket differs, the other one's family counts.
  const isIpv4 = (isUnspecified(source) ? destination : source)?.length === 4
  const width = isIpv4 ? 4 : 16
  const fitting = (bytes: Uint8Array | undefined): Uint8Array => (bytes?.length === width ? bytes : new Uint8Array(width))
  const addresses = concatBytes(fitting(source), fitting(destination))
  const udp = udpDatagram(from.port, to.port, payload, addresses)
  return concatBytes(isIpv4 ? ipv4Header(addresses, udp.length) : ipv6Header(addresses, udp.length), udp)
}

function isUnspecified(address: Uint8Array | undefined): boolean {
  return address === undefined || address.every((byte) => byte === 0)
}

function ipv4Header(addresses: Uint8Array, bytes: number): Uint8Array {
  const header = new Uint8Array(IPV4_HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint8(0, 0x45)
  view.setUint16(2, IPV4_HEADER_BYTES + bytes)
  view.setUint8(8, HOP_LIMIT)
  view.setUint8(9, UDP)
  header.set(addresses, 12)
  view.setUint16(10, checksum(header))
  return header
}

function ipv6Header(addresses: Uint8Array, bytes: number): Uint8Array {
  const header = new Uint8Array(IPV6_HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint8(0, 0x60)
  view.setUint16(4, bytes)
  view.setUint8(6, UDP)
  view.setUint8(7, HOP_LIMIT)
  header.set(addresses, 8)
  return header
}

function udpDatagram(sourcePort: number, destinationPort: number, payload: Uint8Array, addresses: Uint8Array): Uint8Array {
  const length = UDP_HEADER_BYTES + payload.length
  const udp = new Uint8Array(length)
  const view = new DataView(udp.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint16(4, length)
  udp.set(payload, UDP_HEADER_BYTES)
  const pseudo = new Uint8Array([0, UDP, length >> 8, length & 0xff])
  // A sum of zero is sent as all ones: zero says that there is none.
  view.setUint16(6, checksum(concatBytes(addresses, pseudo, udp)) || 0xffff)
  return udp
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (let index = 0; index < bytes.length; index += 2) sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}
