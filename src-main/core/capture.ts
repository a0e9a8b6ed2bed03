// The trace as a pcapng file (draft-ietf-opsawg-pcapng-03 §4): IPv6 packets of each dongle as raw IPv6, its serial frames as LINKTYPE_USER0,
// each with the number of its datagram as a comment; messages of system sockets as IP packets written anew.
import { concatBytes, LinkType, pcapngEntry, pcapngInterface, pcapngSection } from '#main/base/index.ts'
import { pcapngPacket, pcapngStart } from '#main/wire/coap/index.ts'
import { parseAddress } from '#main/wire/ip/index.ts'
import type { TraceEntry } from './trace.ts'

/** A section with the interfaces of the dongles, then one for each system channel that messages went by. */
export function captureFile(entries: readonly TraceEntry[], application: string): Uint8Array {
  const interfaces = new Map<string, number>()
  const parts: Uint8Array[] = [pcapngSection(application)]
  const descriptions: Uint8Array[] = []
  const packets: Uint8Array[] = []
  const interfaceOf = (channelId: string, kind: 'packet' | 'frame'): number => {
    const key = `${kind} ${channelId}`
    const known = interfaces.get(key)
    if (known !== undefined) return known
    interfaces.set(key, interfaces.size)
    descriptions.push(
      kind === 'packet' ? pcapngInterface(LinkType.IPV6, channelId) : pcapngInterface(LinkType.USER0, `${channelId} serial`),
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
      pcapngEntry({
        interfaceId: interfaceOf(entry.channelId, entry.kind),
        bytes,
        atMs: entry.atMs,
        direction: entry.direction,
        packetId: entry.seq,
        comment: comment.filter((text) => text !== undefined).join(' · '),
      }),
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
