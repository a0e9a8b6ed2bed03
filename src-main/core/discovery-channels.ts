// Whom a discovery asks on which channel: All CoAP Nodes where multicast is carried (RFC 7252 §12.8), known devices one by one where it is not.
import type { SocketAddress } from '#main/base/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import { allCoapNodes } from '#main/site/devices/index.ts'
import type { DiscoveryChannel, Inventory } from '#main/site/devices/index.ts'
import { isLoopback } from './network.ts'
import type { SiteChannel } from './network.ts'

/** What a mesh of 250 kbit/s brings of answers over several hops, each of them some frames with acknowledgements: R of RFC 7252 §8.2. */
const MESH_BYTES_PER_S = 4000

export function discoveryChannel(
  { client, local, kind, carriesMulticast }: SiteChannel,
  inventory: Inventory,
  directory: ResourceDirectory,
): DiscoveryChannel {
  const isOwn = (at: SocketAddress): boolean => at.address === local.address && at.port === local.port
  if (kind === 'system') return { client, allNodes: systemGroups(local), isOwn }
  const known = (): readonly SocketAddress[] => knownBehind(client.channelId, inventory, directory)
  return { client, allNodes: carriesMulticast ? allCoapNodes('mesh') : [], slow: { bytesPerS: MESH_BYTES_PER_S }, known, isOwn }
}

/** Whoever was heard or has registered behind a dongle can be asked one by one. */
function knownBehind(channelId: string, inventory: Inventory, directory: ResourceDirectory): readonly SocketAddress[] {
  const found = new Map<string, SocketAddress>()
  for (const device of inventory.all()) {
    if (device.channelId === channelId && device.at !== null) found.set(device.at.address, device.at)
  }
  for (const { source } of directory.list(0, directory.size)) {
    if (source?.channelId === channelId && !found.has(source.address.address)) found.set(source.address.address, source.address)
  }
  return [...found.values()]
}

/** Loopback has no group members; elsewhere All CoAP Nodes of the address's family, in its zone. */
function systemGroups({ address, zone }: SocketAddress): readonly SocketAddress[] {
  if (isLoopback(address)) return []
  return address.includes(':') ? allCoapNodes('ipv6', zone) : allCoapNodes('ipv4')
}
