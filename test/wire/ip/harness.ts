// Builders of packets, good and bad, made without the code under test except where a header is not what the test is about.
import { AppError, seededRandom, type ChannelEvent, type DatagramChannel } from '#main/base/index.ts'
import { createIpHost, encodeIpv6Header, parseIpv6, type IpHost, type IpHostOptions } from '#main/wire/ip/index.ts'
import { linkLocal, MemoryPacketLink, meshLocal, type MemoryLinkOptions } from '../../support/packet-link.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export const ME = 'fd00::1'
export const MY_LINK_LOCAL = 'fe80::1'
export const PEER = 'fd00::2'
export const PEER_LINK_LOCAL = 'fe80::2'

export function bytesOf(address: string): Uint8Array {
  const bytes = parseIpv6(address)
  if (bytes === undefined) throw new Error(`no address: ${address}`)
  return bytes
}

/** The Internet checksum in its simplest form, after RFC 1071 §4.1: an oracle for the unrolled one. */
export function plainChecksum(bytes: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0)
    if (sum > 0xffff) sum -= 0xffff
  }
  return 0xffff - sum
}

export function withPseudoHeader(source: string, destination: string, protocol: number, upper: Uint8Array): Uint8Array {
  const length = new Uint8Array(8)
  new DataView(length.buffer).setUint32(0, upper.length)
  length[7] = protocol
  return Uint8Array.of(...bytesOf(source), ...bytesOf(destination), ...length, ...upper)
}

export interface PacketParts {
  readonly from?: string
  readonly to?: string
  readonly hopLimit?: number
  readonly next: number
  readonly body: Uint8Array
}

export function packetOf({ from = PEER, to = ME, hopLimit = 64, next, body }: PacketParts): Uint8Array {
  const header = encodeIpv6Header({
    trafficClass: 0,
    flowLabel: 0,
    payloadLength: body.length,
    nextHeader: next,
    hopLimit,
    source: bytesOf(from),
    destination: bytesOf(to),
  })
  return Uint8Array.of(...header, ...body)
}

export interface UdpParts {
  readonly from?: string
  readonly to?: string
  readonly sourcePort?: number
  readonly port?: number
  readonly payload?: Uint8Array
  /** A checksum other than the right one. */
  readonly checksum?: number
}

export function udpBody({
  from = PEER,
  to = ME,
  sourcePort = 5683,
  port = 5683,
  payload = Uint8Array.of(1, 2, 3),
  checksum,
}: UdpParts = {}): Uint8Array {
  const body = new Uint8Array(8 + payload.length)
  const view = new DataView(body.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, port)
  view.setUint16(4, body.length)
  body.set(payload, 8)
  view.setUint16(6, checksum ?? (plainChecksum(withPseudoHeader(from, to, 17, body)) || 0xffff))
  return body
}

export function udpPacket(parts: UdpParts = {}): Uint8Array {
  const { from = PEER, to = ME } = parts
  return packetOf({ from, to, next: 17, body: udpBody(parts) })
}

export function icmpBody(from: string, to: string, type: number, code: number, rest: Uint8Array): Uint8Array {
  const body = Uint8Array.of(type, code, 0, 0, ...rest)
  new DataView(body.buffer).setUint16(2, plainChecksum(withPseudoHeader(from, to, 58, body)))
  return body
}

export function icmpPacket(type: number, code: number, rest: Uint8Array, { from = PEER, to = ME, hopLimit = 64 } = {}): Uint8Array {
  return packetOf({ from, to, hopLimit, next: 58, body: icmpBody(from, to, type, code, rest) })
}

export function echoRequest(data: Uint8Array, at: { from?: string; to?: string } = {}): Uint8Array {
  return icmpPacket(128, 0, Uint8Array.of(0x12, 0x34, 0, 7, ...data), at)
}

/** An error message that quotes a packet. */
export function icmpError(
  type: number,
  code: number,
  parameter: number,
  quoted: Uint8Array,
  at: { from?: string; to?: string } = {},
): Uint8Array {
  const head = new Uint8Array(4)
  new DataView(head.buffer).setUint32(0, parameter)
  return icmpPacket(type, code, Uint8Array.of(...head, ...quoted), at)
}

/** One fragment: its data, where it belongs, and whether more follow. */
export function fragmentOf(data: Uint8Array, offset: number, more: boolean, { id = 1, next = 17, from = PEER, to = ME } = {}): Uint8Array {
  const header = new Uint8Array(8)
  const view = new DataView(header.buffer)
  view.setUint8(0, next)
  view.setUint16(2, offset | (more ? 1 : 0))
  view.setUint32(4, id)
  return packetOf({ from, to, next: 44, body: Uint8Array.of(...header, ...data) })
}

/** What an answer says: type, code, parameter and the packet it quotes. */
export function readIcmp(packet: Uint8Array | undefined) {
  if (packet === undefined) return undefined
  const [from, to] = [packet.subarray(8, 24), packet.subarray(24, 40)]
  const body = packet.subarray(40)
  const pseudo = Uint8Array.of(...from, ...to, 0, 0, body.length >> 8, body.length & 0xff, 0, 0, 0, 58, ...body)
  return {
    checksumIsRight: plainChecksum(pseudo) === 0,
    type: body[0]!,
    code: body[1]!,
    parameter: new DataView(body.buffer, body.byteOffset).getUint32(4),
    rest: body.slice(8),
    hopLimit: packet[7]!,
  }
}

export interface Stand {
  readonly clock: VirtualClock
  readonly link: MemoryPacketLink
  readonly host: IpHost
}

/** A host whose far side is the test. */
export function standUp(link: MemoryLinkOptions = {}, options: Partial<IpHostOptions> = {}): Stand {
  const clock = new VirtualClock()
  const memory = new MemoryPacketLink({ addresses: [linkLocal(MY_LINK_LOCAL), meshLocal(ME)], ...link })
  return { clock, link: memory, host: createIpHost({ link: memory, clock, random: seededRandom(1), ...options }) }
}

export function recorded(channel: DatagramChannel): ChannelEvent[] {
  const events: ChannelEvent[] = []
  channel.subscribe((event) => events.push(event))
  return events
}

/** Failures come in a later turn. */
export async function failures(events: readonly ChannelEvent[]): Promise<unknown[]> {
  await Promise.resolve()
  return events.flatMap((event) =>
    event.kind === 'send-failed' && event.error instanceof AppError ? [[event.error.code, event.error.details.reason]] : [],
  )
}
