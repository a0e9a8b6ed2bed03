// Tapped packets as a pcapng file (draft-ietf-opsawg-pcapng-03 §4): raw IPv6, each with its number, so that it is found from the trace.
import { concatBytes, utf8 } from '#main/base/index.ts'
import type { PacketEvent } from './packet-tap.ts'

const SECTION_HEADER_BLOCK = 0x0a0d0d0a
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const INTERFACE_DESCRIPTION_BLOCK = 1
const ENHANCED_PACKET_BLOCK = 6
/** LINKTYPE_IPV6: a packet begins with its IPv6 header. */
const LINKTYPE_IPV6 = 229
const SHB_USERAPPL = 4
const IF_NAME = 2
const EPB_FLAGS = 2
const EPB_PACKETID = 5
const INBOUND = 1
const OUTBOUND = 2

/** What a file of one link begins with; entries follow in any number. */
export function packetCaptureStart(linkId: string, application = 'Groupwright'): Uint8Array {
  const section = new Uint8Array(16)
  const view = new DataView(section.buffer)
  view.setUint32(0, BYTE_ORDER_MAGIC, true)
  view.setUint16(4, 1, true)
  // The section's length is not known beforehand.
  view.setBigInt64(8, -1n, true)
  const description = new Uint8Array(8)
  new DataView(description.buffer).setUint16(0, LINKTYPE_IPV6, true)
  return concatBytes(
    block(SECTION_HEADER_BLOCK, section, option(SHB_USERAPPL, utf8(application))),
    block(INTERFACE_DESCRIPTION_BLOCK, description, option(IF_NAME, utf8(linkId))),
  )
}

/** One packet of the file, whatever its bytes are. */
export function packetCaptureEntry({ packet, atMs, direction, id }: PacketEvent): Uint8Array {
  const head = new Uint8Array(20)
  const view = new DataView(head.buffer)
  // The interface description leaves the resolution at microseconds.
  const atUs = BigInt(Math.max(0, Math.round(atMs * 1000)))
  view.setUint32(4, Number((atUs >> 32n) & 0xffffffffn), true)
  view.setUint32(8, Number(atUs & 0xffffffffn), true)
  view.setUint32(12, packet.length, true)
  view.setUint32(16, packet.length, true)
  const flags = new Uint8Array(4)
  new DataView(flags.buffer).setUint32(0, direction === 'sent' ? OUTBOUND : INBOUND, true)
  const number = new Uint8Array(8)
  new DataView(number.buffer).setBigUint64(0, BigInt(id), true)
  return block(
    ENHANCED_PACKET_BLOCK,
    concatBytes(head, padded(packet)),
    concatBytes(option(EPB_FLAGS, flags), option(EPB_PACKETID, number)),
  )
}

/** A whole file. */
export function packetCaptureFile(events: Iterable<PacketEvent>, linkId: string, application?: string): Uint8Array {
  return concatBytes(packetCaptureStart(linkId, application), ...Array.from(events, packetCaptureEntry))
}

/** Type and total length, body, options and their end, total length once more. */
function block(type: number, body: Uint8Array, options: Uint8Array): Uint8Array {
  const length = 12 + body.length + options.length + 4
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, length, true)
  bytes.set(body, 8)
  bytes.set(options, 8 + body.length)
  view.setUint32(length - 4, length, true)
  return bytes
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
