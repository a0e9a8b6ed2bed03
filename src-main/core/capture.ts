// The trace as a pcapng file (draft-ietf-opsawg-pcapng-03 §4): IPv6 packets of each dongle as raw IPv6, its serial frames as LINKTYPE_USER0,
// each with the number of its datagram as a comment; messages of system sockets as IP packets written anew.
import { concatBytes, utf8 } from '#main/base/index.ts'
import { pcapngPacket, pcapngStart } from '#main/wire/coap/index.ts'
import { parseAddress } from '#main/wire/ip/index.ts'
import type { TraceEntry } from './trace.ts'

const SECTION_HEADER_BLOCK = 0x0a0d0d0a
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const INTERFACE_DESCRIPTION_BLOCK = 1
const ENHANCED_PACKET_BLOCK = 6
const LINKTYPE_IPV6 = 229
const LINKTYPE_USER0 = 147
const OPT_COMMENT = 1
const SHB_USERAPPL = 4
const IF_NAME = 2
const EPB_FLAGS = 2
const INBOUND = 1
const OUTBOUND = 2

/** A section with the interfaces of the dongles, then one for each system channel that messages went by. */
export function captureFile(entries: readonly TraceEntry[], application: string): Uint8Array {
  const interfaces = new Map<string, number>()
  const parts: Uint8Array[] = [sectionHeader(application)]
  const descriptions: Uint8Array[] = []
  const packets: Uint8Array[] = []
  const interfaceOf = (channelId: string, kind: 'packet' | 'frame'): number => {
    const key = `${kind} ${channelId}`
    const known = interfaces.get(key)
    if (known !== undefined) return known
    interfaces.set(key, interfaces.size)
    descriptions.push(
      interfaceDescription(kind === 'packet' ? LINKTYPE_IPV6 : LINKTYPE_USER0, kind === 'packet' ? channelId : `${channelId} serial`),
    )
    return interfaces.size - 1
  }
  const dongles = new Set<string>()
  for (const entry of entries) {
    if (entry.kind === 'message') continue
    dongles.add(entry.channelId)
    const bytes = entry.kind === 'packet' ? entry.packet : entry.frame.wire
    // Of a damaged frame there is nothing that may be shown.
    if (bytes.length === 0) continue
    const comment = entry.kind === 'frame' ? [`${entry.frame.protocol} ${entry.frame.label}`, entry.datagram()] : [entry.datagram()]
    packets.push(
      packetBlock(interfaceOf(entry.channelId, entry.kind), entry, bytes, comment.filter((text) => text !== undefined).join(' · ')),
    )
  }
  parts.push(...descriptions, ...packets, ...systemSections(entries, dongles, application))
  return concatBytes(...parts)
}

/** Behind a dongle the packets themselves are there. */
function systemSections(entries: readonly TraceEntry[], dongles: ReadonlySet<string>, application: string): Uint8Array[] {
  const sections = new Map<string, Uint8Array[]>()
  for (const entry of entries) {
    if (entry.kind !== 'message' || dongles.has(entry.channelId)) continue
    const options = { addressBytes: parseAddress, interfaceName: entry.channelId, application }
    let section = sections.get(entry.channelId)
    if (section === undefined) sections.set(entry.channelId, (section = [pcapngStart(options)]))
    section.push(pcapngPacket(entry.event, options))
  }
  return [...sections.values()].flat()
}

function sectionHeader(application: string): Uint8Array {
  const section = new Uint8Array(16)
  const view = new DataView(section.buffer)
  view.setUint32(0, BYTE_ORDER_MAGIC, true)
  view.setUint16(4, 1, true)
  // The section's length is not told.
  view.setBigInt64(8, -1n, true)
  return block(SECTION_HEADER_BLOCK, section, option(SHB_USERAPPL, utf8(application)))
}

function interfaceDescription(linkType: number, name: string): Uint8Array {
  const description = new Uint8Array(8)
  new DataView(description.buffer).setUint16(0, linkType, true)
  return block(INTERFACE_DESCRIPTION_BLOCK, description, option(IF_NAME, utf8(name)))
}

function packetBlock(interfaceId: number, { atMs, direction }: TraceEntry, bytes: Uint8Array, comment: string): Uint8Array {
  const head = new Uint8Array(20)
  const view = new DataView(head.buffer)
  // The interface description leaves the resolution at microseconds.
  const atUs = BigInt(Math.max(0, Math.round(atMs * 1000)))
  view.setUint32(0, interfaceId, true)
  view.setUint32(4, Number((atUs >> 32n) & 0xffffffffn), true)
  view.setUint32(8, Number(atUs & 0xffffffffn), true)
  view.setUint32(12, bytes.length, true)
  view.setUint32(16, bytes.length, true)
  const flags = new Uint8Array(4)
  new DataView(flags.buffer).setUint32(0, direction === 'sent' ? OUTBOUND : INBOUND, true)
  const said = comment === '' ? new Uint8Array() : option(OPT_COMMENT, utf8(comment))
  return block(ENHANCED_PACKET_BLOCK, concatBytes(head, padded(bytes)), concatBytes(option(EPB_FLAGS, flags), said))
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
