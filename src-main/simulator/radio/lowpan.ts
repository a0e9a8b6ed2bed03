// What an IPv6 packet costs in 802.15.4 frames: header compression (RFC 6282) and fragments (RFC 4944 §5.3). Sizes only, no bytes are made.
import { MAX_FRAME_BYTES } from './physics.ts'

export interface LowpanProfile {
  /** MAC header, security header, MIC and FCS of a data frame. */
  readonly macBytes: number
  /** The 6LoWPAN mesh header (RFC 4944 §5.2) on paths of several hops; 0 where IPv6 itself routes. */
  readonly meshHeaderBytes: number
  /** The 64-bit prefix that compression context 0 stands for. */
  readonly contextPrefix: Uint8Array
  /** Hop-by-hop options that the mesh adds to a unicast packet (RPL), after compression. */
  readonly hopOptionBytes: number
}

/** Short addresses, security level 5 with a key index (9 + 6 + 4 + 2 bytes), mesh-under: what Thread does. */
export function threadProfile(contextPrefix: Uint8Array): LowpanProfile {
  return { macBytes: 21, meshHeaderBytes: 5, contextPrefix, hopOptionBytes: 0 }
}

/** Extended addresses, no security (21 + 2 bytes), route-over with the RPL option (RFC 6553): what Contiki-NG does. */
export function rplProfile(contextPrefix: Uint8Array): LowpanProfile {
  return { macBytes: 23, meshHeaderBytes: 0, contextPrefix, hopOptionBytes: 8 }
}

export interface HeaderSizes {
  /** Bytes of the headers that compression replaces. */
  readonly plain: number
  readonly compressed: number
}

const IPV6_HEADER_BYTES = 40
const UDP_HEADER_BYTES = 8
const UDP = 17
/** The MPL option in a hop-by-hop header (RFC 7731 §6.1) with a seed identifier of two bytes; almost nothing of it can be left out. */
const MPL_BYTES: HeaderSizes = { plain: 8, compressed: 8 }
/** Beyond realm-local scope the packet travels in another one (RFC 7731 §5.1). */
const TUNNEL_BYTES: HeaderSizes = { plain: 40, compressed: 4 }
const FIRST_FRAGMENT_BYTES = 4
const NEXT_FRAGMENT_BYTES = 5

/** The header of a real IPv6 packet before and after RFC 6282; `carriedAddresses` tells which IIDs the MAC addresses stand for. */
export function headerSizes(
  packet: Uint8Array,
  profile: LowpanProfile,
  carriedAddresses: { readonly source: boolean; readonly destination: boolean } = { source: false, destination: false },
): HeaderSizes {
  const nextHeader = packet[6] ?? 59
  const hopLimit = packet[7] ?? 0
  const source = unicastBytes(packet.subarray(8, 24), profile, carriedAddresses.source)
  const destinationAddress = packet.subarray(24, 40)
  const isMulticast = destinationAddress[0] === 0xff
  const destination = isMulticast
    ? multicastBytes(destinationAddress)
    : unicastBytes(destinationAddress, profile, carriedAddresses.destination)
  const isUdp = nextHeader === UDP && packet.length >= IPV6_HEADER_BYTES + UDP_HEADER_BYTES
  let compressed = 2 + trafficBytes(packet) + (isUdp ? 0 : 1) + (hopLimit === 1 || hopLimit === 64 || hopLimit === 255 ? 0 : 1)
  compressed += source + destination + (isUdp ? udpBytes(packet) : 0)
  let plain = IPV6_HEADER_BYTES + (isUdp ? UDP_HEADER_BYTES : 0)
  const scope = (destinationAddress[1] ?? 0) & 0x0f
  if (isMulticast && scope > 2) {
    plain += MPL_BYTES.plain + (scope > 3 ? TUNNEL_BYTES.plain : 0)
    compressed += MPL_BYTES.compressed + (scope > 3 ? TUNNEL_BYTES.compressed : 0)
  } else if (!isMulticast) {
    plain += profile.hopOptionBytes
    compressed += profile.hopOptionBytes
  }
  return { plain, compressed }
}

/** Traffic class and flow label (RFC 6282 §3.1.1, TF). */
function trafficBytes(packet: Uint8Array): number {
  const trafficClass = (((packet[0] ?? 0) & 0x0f) << 4) | ((packet[1] ?? 0) >> 4)
  const flow = (((packet[1] ?? 0) & 0x0f) << 16) | ((packet[2] ?? 0) << 8) | (packet[3] ?? 0)
  if (flow === 0) return trafficClass === 0 ? 0 : 1
  return trafficClass >> 2 === 0 ? 3 : 4
}

/** A unicast address (RFC 6282 §3.1.1, SAM and DAM): whole, its IID, 16 bits of it, or nothing. */
function unicastBytes(address: Uint8Array, profile: LowpanProfile, isCarried: boolean): number {
  if (address.every((byte) => byte === 0)) return 0
  const isLinkLocal = address[0] === 0xfe && address[1] === 0x80 && address.subarray(2, 8).every((byte) => byte === 0)
  const isContext = address.subarray(0, 8).every((byte, index) => byte === profile.contextPrefix[index])
  if (!isLinkLocal && !isContext) return 16
  if (isCarried) return 0
  const isShort = address.subarray(8, 14).every((byte, index) => byte === SHORT_IID[index])
  return isShort ? 2 : 8
}

const SHORT_IID = [0, 0, 0, 0xff, 0xfe, 0]

/** A multicast address (RFC 6282 §3.1.1 with M=1): 8, 32 or 48 bits, prefix-based, or whole. */
function multicastBytes(address: Uint8Array): number {
  const isZero = (from: number, to: number): boolean => address.subarray(from, to).every((byte) => byte === 0)
  if (address[1] === 0x02 && isZero(2, 15)) return 1
  if (isZero(2, 13)) return 4
  if (isZero(2, 11)) return 6
  return 16
}

/** The UDP header (RFC 6282 §4.3) with its checksum. */
function udpBytes(packet: Uint8Array): number {
  const source = ((packet[40] ?? 0) << 8) | (packet[41] ?? 0)
  const destination = ((packet[42] ?? 0) << 8) | (packet[43] ?? 0)
  if (source >> 4 === 0xf0b && destination >> 4 === 0xf0b) return 1 + 1 + 2
  return 1 + (source >> 8 === 0xf0 || destination >> 8 === 0xf0 ? 3 : 4) + 2
}

/** The MAC sizes of the frames that carry a packet of `packetBytes` over a path; offsets count plain bytes in eights. */
export function frameSizes(packetBytes: number, headers: HeaderSizes, profile: LowpanProfile, isSeveralHops: boolean): readonly number[] {
  const overhead = profile.macBytes + (isSeveralHops ? profile.meshHeaderBytes : 0)
  const room = MAX_FRAME_BYTES - overhead
  const added = headers.plain - Math.min(headers.plain, IPV6_HEADER_BYTES + UDP_HEADER_BYTES)
  const body = Math.max(0, packetBytes + added - headers.plain)
  if (headers.compressed + body <= room) return [overhead + headers.compressed + body]
  const firstBody = Math.min(body, fullEights(headers.plain + room - FIRST_FRAGMENT_BYTES - headers.compressed) - headers.plain)
  const sizes = [overhead + FIRST_FRAGMENT_BYTES + headers.compressed + firstBody]
  const most = fullEights(room - NEXT_FRAGMENT_BYTES)
  for (let rest = body - firstBody; rest > 0; rest -= most) sizes.push(overhead + NEXT_FRAGMENT_BYTES + Math.min(rest, most))
  return sizes
}

function fullEights(bytes: number): number {
  return bytes - (bytes % 8)
}
