// The face of ip.
export * from './address.ts'
export { MemoryNetwork, type MemoryChannel, type MemoryChannelOptions, type MemoryNetworkOptions } from './memory-network.ts'
export { openUdpChannel, type UdpChannelOptions } from './udp-channel.ts'
export type { GroupSocketMode } from './group-sockets.ts'
