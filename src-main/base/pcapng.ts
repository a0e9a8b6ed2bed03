// The blocks of a pcapng file, little endian (draft-ietf-opsawg-pcapng-03 §3, §4): what traces of every layer are written with.
import { concatBytes, utf8 } from './bytes.ts'

const SECTION_HEADER_BLOCK = 0x0a0d0d0a
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const INTERFACE_DESCRIPTION_BLOCK = 1
const ENHANCED_PACKET_BLOCK = 6
const OPT_COMMENT = 1
const SHB_USERAPPL = 4
const IF_NAME = 2
const EPB_FLAGS = 2
const EPB_PACKETID = 5
const INBOUND = 1
const OUTBOUND = 2
/** Reception type in bits 2 to 4 of the flags. */
const RECEPTION = { unicast: 1 << 2, multicast: 2 << 2 }

/** What a packet of an interface begins with: an IP header of either version, an IPv6 header, or what the program says. */
export const LinkType = { RAW: 101, USER0: 147, IPV6: 229 } as const

/** Begins a section; interfaces follow, then packets in any number. Sections can be put one after the other. */
export function pcapngSection(application: string): Uint8Array {
  const section = new Uint8Array(16)
  const view = new DataView(section.buffer)
  view.setUint32(0, BYTE_ORDER_MAGIC, true)
  view.setUint16(4, 1, true)
  // The section's length is not known beforehand.
  view.setBigInt64(8, -1n, true)
  return block(SECTION_HEADER_BLOCK, section, [option(SHB_USERAPPL, utf8(application))])
}

/** The next interface of the section: they are numbered from 0. */
export function pcapngInterface(linkType: number, name: string): Uint8Array {
  const description = new Uint8Array(8)
  new DataView(description.buffer).setUint16(0, linkType, true)
  return block(INTERFACE_DESCRIPTION_BLOCK, description, [option(IF_NAME, utf8(name))])
}

export interface PcapngEntry {
  readonly interfaceId: number
  readonly bytes: Uint8Array
  /** How long the packet was where `bytes` is cut. */
  readonly originalBytes?: number
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly direction: 'sent' | 'received'
  readonly reception?: keyof typeof RECEPTION
  /** By which it is found again, e.g. in the trace that it was taken from. */
  readonly packetId?: number
  readonly comment?: string
}

export function pcapngEntry({ interfaceId, bytes, originalBytes, atMs, direction, reception, packetId, comment }: PcapngEntry): Uint8Array {
  const head = new Uint8Array(20)
  const view = new DataView(head.buffer)
  // The interface description leaves the resolution at microseconds.
  const atUs = BigInt(Math.max(0, Math.round(atMs * 1000)))
  view.setUint32(0, interfaceId, true)
  view.setUint32(4, Number((atUs >> 32n) & 0xffffffffn), true)
  view.setUint32(8, Number(atUs & 0xffffffffn), true)
  view.setUint32(12, bytes.length, true)
  view.setUint32(16, originalBytes ?? bytes.length, true)
  const flags = new Uint8Array(4)
  const received = reception === undefined ? 0 : RECEPTION[reception]
  new DataView(flags.buffer).setUint32(0, (direction === 'sent' ? OUTBOUND : INBOUND) | received, true)
  const options = [option(EPB_FLAGS, flags)]
  if (packetId !== undefined) {
    const number = new Uint8Array(8)
    new DataView(number.buffer).setBigUint64(0, BigInt(packetId), true)
    options.push(option(EPB_PACKETID, number))
  }
  if (comment !== undefined && comment !== '') options.push(option(OPT_COMMENT, utf8(comment)))
  return block(ENHANCED_PACKET_BLOCK, concatBytes(head, padded(bytes)), options)
}

/**
 *    |Block Type|Block Total Length|Block Body|Options|Block Total Length|
 */
function block(type: number, body: Uint8Array, options: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(8)
  // Four zero bytes end the options; the length stands at both ends.
  const tail = new Uint8Array(8)
  const length = head.length + body.length + options.reduce((sum, one) => sum + one.length, 0) + tail.length
  new DataView(head.buffer).setUint32(0, type, true)
  new DataView(head.buffer).setUint32(4, length, true)
  new DataView(tail.buffer).setUint32(4, length, true)
  return concatBytes(head, body, ...options, tail)
}

function option(code: number, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(4)
  const view = new DataView(head.buffer)
  view.setUint16(0, code, true)
  view.setUint16(2, value.length, true)
  return concatBytes(head, padded(value))
}

function padded(bytes: Uint8Array): Uint8Array {
  return bytes.length % 4 === 0 ? bytes : concatBytes(bytes, new Uint8Array(4 - (bytes.length % 4)))
}
