// What carries IPv6 packets between the dongle and the devices: the modelled radio, or an ideal one for sites that no radio could serve.

/** The dongle; devices are numbered from 1. */
export const DONGLE = 0

export interface MeshNeighbour {
  readonly node: number
  readonly rssiDbm: number
  readonly role: 'router' | 'child' | 'sleepy-child'
}

export interface MeshCounters {
  readonly packetsSent: number
  readonly packetsDelivered: number
  /** Packets lost to full queues, unknown addresses, missing paths and missing fragments. */
  readonly packetsLost: number
  readonly frames: number
  readonly retries: number
  readonly collisions: number
  readonly busyMs: number
}

export interface Mesh {
  /** Sends a whole IPv6 packet; false where the node has no room for it. */
  send(node: number, packet: Uint8Array): boolean
  /** Gives a node a unicast address (16 bytes). */
  bind(node: number, address: Uint8Array): void
  unbind(address: Uint8Array): void
  /** Lets a node hear a multicast group; the dongle hears all of them. */
  listen(node: number, group: Uint8Array): void
  unlisten(node: number, group: Uint8Array): void
  setPower(node: number, on: boolean): void
  /** Chance in percent that a single frame (real) or packet (ideal) is lost. */
  setLoss(percent: number): void
  /** Whom the dongle hears. */
  neighbours(): readonly MeshNeighbour[]
  routers(): readonly number[]
  hops(from: number, to: number): number
  counters(): MeshCounters
  close(): void
}

/** A packet on its way; frames point at it. */
export interface Parcel {
  readonly key: number
  readonly packet: Uint8Array
  readonly origin: number
  /** Undefined for multicast. */
  readonly to: number | undefined
}

export interface MeshLoad {
  readonly kind: 'data' | 'poll'
  readonly parcel: Parcel
  readonly index: number
  readonly count: number
}

export type Arrive = (node: number, packet: Uint8Array, rssiDbm: number) => void

/** Addresses as map keys. */
export function addressKey(address: Uint8Array): string {
  let key = ''
  for (const byte of address) key += String.fromCharCode(byte)
  return key
}

export function destinationOf(packet: Uint8Array): Uint8Array {
  return packet.subarray(24, 40)
}
