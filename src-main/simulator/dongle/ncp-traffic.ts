// Which packets a simulated NCP takes from its host, which it hands to it, and with what status: as measured on OpenThread's NCP.
import { equalBytes } from '#main/base/index.ts'
import { isWholePacket } from '../net/packets.ts'
import { STATUS } from './spinel.ts'
import type { ThreadNode } from './thread-node.ts'

export interface Verdict {
  readonly status: number
  /** Whether the packet goes to the radio. */
  readonly isSent: boolean
  /** Copies that come back to the host: of its own address, and of multicasts from sources other than the ML-EID. */
  readonly echoes: number
}

const MTU_BYTES = 1280
const UDP = 17
const PORT_TMF = 61_631
const PORT_MLE = 19_788
const LINK_SCOPE = 2
const REALM_SCOPE = 3

/** What the NCP does with a packet of its host. */
export function judgeFromHost(packet: Uint8Array, node: ThreadNode): Verdict {
  if (!isWholePacket(packet)) return refused(STATUS.NOMEM)
  const source = packet.subarray(8, 24)
  const destination = packet.subarray(24, 40)
  if (source[0] === 0xff) return refused(STATUS.INVALID_SOURCE)
  if (!node.isUp || isLoopback(source) || udpPort(packet) === PORT_TMF) return refused(STATUS.DROPPED)
  const isUnspecified = source.every((byte) => byte === 0)
  const isOwn = node.addresses.some((address) => equalBytes(address, source))
  const isForeignLinkLocal = !isOwn && isLinkLocal(source)
  if (!isOwn && !isUnspecified && !isForeignLinkLocal) return refused(STATUS.DROPPED)
  if (destination[0] === 0xff) return multicastVerdict(source, destination, node, isUnspecified)
  if (node.addresses.some((address) => equalBytes(address, destination))) return { status: STATUS.OK, isSent: false, echoes: 1 }
  if (!isLinkLocal(destination) && !hasMeshPrefix(destination, node)) return refused(STATUS.DROPPED)
  return { status: STATUS.OK, isSent: !isForeignLinkLocal && !isUnspecified, echoes: 0 }
}

function refused(status: number): Verdict {
  return { status, isSent: false, echoes: 0 }
}

function multicastVerdict(source: Uint8Array, destination: Uint8Array, node: ThreadNode, isUnspecified: boolean): Verdict {
  const scope = (destination[1] ?? 0) & 0x0f
  const isEchoed = isUnspecified || !hasPrefix(source, node.network.prefix)
  // Beyond realm-local scope this build tells DROPPED although the packet goes out.
  if (scope > REALM_SCOPE) return { status: STATUS.DROPPED, isSent: true, echoes: 0 }
  const echoes = !isEchoed ? 0 : scope <= LINK_SCOPE ? 1 : 2
  return { status: STATUS.OK, isSent: true, echoes }
}

/** Whether the host gets a packet that came from the mesh. */
export function isForHost(packet: Uint8Array, node: ThreadNode): boolean {
  if (!isWholePacket(packet) || packet.length > MTU_BYTES || !node.isUp) return false
  const port = udpPort(packet)
  if (port === PORT_TMF || port === PORT_MLE) return false
  const destination = packet.subarray(24, 40)
  if (destination[0] !== 0xff) return node.addresses.some((address) => equalBytes(address, destination))
  // Multicast from mesh-local sources is for subscribers alone; from others it always passes.
  return !hasPrefix(packet.subarray(8, 24), node.network.prefix) || node.groups.some((group) => equalBytes(group, destination))
}

function udpPort(packet: Uint8Array): number | undefined {
  return packet[6] === UDP ? ((packet[42] ?? 0) << 8) | (packet[43] ?? 0) : undefined
}

function isLinkLocal(address: Uint8Array): boolean {
  return address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80
}

function isLoopback(address: Uint8Array): boolean {
  return address[15] === 1 && address.subarray(0, 15).every((byte) => byte === 0)
}

function hasPrefix(address: Uint8Array, prefix: Uint8Array): boolean {
  return equalBytes(address.subarray(0, prefix.length), prefix)
}

function hasMeshPrefix(address: Uint8Array, node: ThreadNode): boolean {
  return hasPrefix(address, node.network.prefix) || node.ownAddresses.some((own) => hasPrefix(address, own.subarray(0, 8)))
}
