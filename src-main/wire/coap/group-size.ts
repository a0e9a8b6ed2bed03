// Whether a group request fits one IEEE 802.15.4 frame, and if not, by how many bytes (groupcomm-bis-18 §3.9.2; RFC 4944 §5.3,
// RFC 6282 §3.1 and §4.3).

/** What stands before and after the UDP payload in the frame. */
export interface FrameOverhead {
  /** The whole frame, check sequence included: 127 in the 2.4 GHz PHY. */
  readonly frameBytes: number
  /** MAC header and check sequence. */
  readonly macBytes: number
  /** MAC security header and integrity code; 0 where the link is unprotected. */
  readonly linkSecurityBytes: number
  /** Compressed IPv6 and UDP headers, mesh or hop-by-hop options. */
  readonly headerBytes: number
  /** What protects the message itself, e.g. Group OSCORE's option, code and signature. */
  readonly messageSecurityBytes: number
}

export interface FrameFit {
  readonly fits: boolean
  /** The largest CoAP message, without its protection, that fits. */
  readonly roomBytes: number
  /** 0 where it fits. */
  readonly bytesTooMany: number
  /** Link-layer frames that the datagram takes; the loss of any one loses it all. */
  readonly frames: number
}

/** Frame control, sequence number, PAN ID, broadcast address, extended source address, check sequence. */
const MAC_BYTES = 2 + 1 + 2 + 2 + 8 + 2
/** Security control, frame counter, key index, 4-byte integrity code. */
const LINK_SECURITY_BYTES = 1 + 4 + 1 + 4
/** Dispatch and encoding, hop limit, 8-byte source, 16-byte destination; UDP encoding, ports, checksum. */
const HEADER_BYTES = 2 + 1 + 8 + 16 + 1 + 4 + 2
const FIRST_FRAGMENT_BYTES = 4
const LATER_FRAGMENT_BYTES = 5
const IPV6_AND_UDP_BYTES = 48

export const DEFAULT_FRAME_OVERHEAD: FrameOverhead = {
  frameBytes: 127,
  macBytes: MAC_BYTES,
  linkSecurityBytes: LINK_SECURITY_BYTES,
  headerBytes: HEADER_BYTES,
  messageSecurityBytes: 0,
}

/** Group OSCORE's cost for a request, as groupcomm-bis-18 §3.6.1 reckons it: cautious. */
export const GROUP_OSCORE_BYTES = { groupMode: 100, pairwiseMode: 30 } as const

/** How the message of `coapBytes` fares on the link. */
export function fitFrame(coapBytes: number, overhead: Partial<FrameOverhead> = {}): FrameFit {
  const of: FrameOverhead = { ...DEFAULT_FRAME_OVERHEAD, ...overhead }
  const roomInFrame = Math.max(0, of.frameBytes - of.macBytes - of.linkSecurityBytes)
  const roomBytes = Math.max(0, roomInFrame - of.headerBytes - of.messageSecurityBytes)
  const bytesTooMany = Math.max(0, coapBytes - roomBytes)
  return { fits: bytesTooMany === 0, roomBytes, bytesTooMany, frames: bytesTooMany === 0 ? 1 : fragments(coapBytes, roomInFrame, of) }
}

/** Fragments count in units of eight bytes of the uncompressed datagram (RFC 4944 §5.3). */
function fragments(coapBytes: number, roomInFrame: number, of: FrameOverhead): number {
  const payload = coapBytes + of.messageSecurityBytes
  const later = eights(roomInFrame - LATER_FRAGMENT_BYTES)
  if (later === 0) return Number.POSITIVE_INFINITY
  const first = Math.max(
    0,
    eights(IPV6_AND_UDP_BYTES + Math.max(0, roomInFrame - FIRST_FRAGMENT_BYTES - of.headerBytes)) - IPV6_AND_UDP_BYTES,
  )
  return 1 + Math.ceil(Math.max(0, payload - first) / later)
}

function eights(bytes: number): number {
  return Math.floor(Math.max(0, bytes) / 8) * 8
}

/** Bytes that a multicast destination takes in a compressed header without context: 1, 4, 6 or 16 (RFC 6282 §3.1.1, M=1 and DAC=0). */
export function compressedMulticastBytes(address: Uint8Array): 1 | 4 | 6 | 16 {
  const zeros = (from: number, to: number): boolean => address.subarray(from, to).every((byte) => byte === 0)
  if (address[1] === 0x02 && zeros(2, 15)) return 1
  if (zeros(2, 13)) return 4
  if (zeros(2, 11)) return 6
  return 16
}

/** Compressed IPv6 and UDP headers for a multicast destination; ports of 5683 and the like stand in full (RFC 6282 §4.3.3). */
export function compressedHeaderBytes(destination: Uint8Array, sourceBytes: 0 | 2 | 8 | 16, hopLimitInline = true): number {
  return 2 + (hopLimitInline ? 1 : 0) + sourceBytes + compressedMulticastBytes(destination) + 1 + 4 + 2
}
