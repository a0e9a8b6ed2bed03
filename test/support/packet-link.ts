// Packet links in memory: two ends of one wire, or one end whose far side is the test. Packets arrive after a delay on the test's clock.
import type { AppError, Clock } from '#main/base/index.ts'
import type { LinkAddress, PacketLink, PacketLinkEvent } from '#main/wire/links/index.ts'

export interface MemoryLinkOptions {
  readonly id?: string
  readonly mtuBytes?: number
  readonly addresses?: readonly LinkAddress[]
  readonly carries?: PacketLink['carries']
  readonly up?: boolean
}

export class MemoryPacketLink implements PacketLink {
  readonly id: string
  readonly mtuBytes: number
  readonly carries: PacketLink['carries']
  /** What was sent, oldest first. */
  readonly sent: Uint8Array[] = []
  readonly groups = new Set<string>()
  addresses: readonly LinkAddress[]
  up: boolean
  /** Where sent packets go. */
  carry: (packet: Uint8Array) => void = () => undefined
  #listeners: ReadonlyArray<(event: PacketLinkEvent) => void> = []
  readonly #addressesWhenUp: readonly LinkAddress[]

  constructor({ id = 'dongle:1', mtuBytes = 1280, addresses = [], carries, up = true }: MemoryLinkOptions = {}) {
    this.id = id
    this.mtuBytes = mtuBytes
    this.carries = carries ?? { multicast: true, linkLocal: true }
    this.up = up
    this.#addressesWhenUp = addresses
    this.addresses = up ? addresses : []
  }

  send(packet: Uint8Array): void {
    this.sent.push(packet)
    this.carry(packet)
  }

  joinGroup(address: string): void {
    this.groups.add(address)
  }

  leaveGroup(address: string): void {
    this.groups.delete(address)
  }

  subscribe(listener: (event: PacketLinkEvent) => void): () => void {
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
    }
  }

  get listeners(): number {
    return this.#listeners.length
  }

  /** Takes what was sent so far. */
  takeSent(): Uint8Array[] {
    return this.sent.splice(0)
  }

  /** A packet arrives from the mesh. */
  receive(packet: Uint8Array): void {
    this.#tell({ kind: 'packet', packet })
  }

  refuse(packet: Uint8Array, error: AppError): void {
    this.#tell({ kind: 'send-failed', packet, error })
  }

  setAddresses(addresses: readonly LinkAddress[]): void {
    this.addresses = addresses
    this.#tell({ kind: 'addresses' })
  }

  setUp(up: boolean): void {
    this.up = up
    this.addresses = up ? this.#addressesWhenUp : []
    this.#tell(up ? { kind: 'up' } : { kind: 'down' })
  }

  #tell(event: PacketLinkEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

export interface MemoryWire {
  readonly a: MemoryPacketLink
  readonly b: MemoryPacketLink
}

/** Two links, each the far side of the other. `lossRate` and the clock decide whether and when a packet arrives. */
export function linkPair(
  clock: Clock,
  a: MemoryLinkOptions,
  b: MemoryLinkOptions,
  { delayMs = 5, isLost = () => false }: { readonly delayMs?: number; readonly isLost?: (packet: Uint8Array) => boolean } = {},
): MemoryWire {
  const wire = { a: new MemoryPacketLink({ id: 'dongle:a', ...a }), b: new MemoryPacketLink({ id: 'dongle:b', ...b }) }
  const join = (from: MemoryPacketLink, to: MemoryPacketLink): void => {
    from.carry = (packet) => {
      if (!isLost(packet)) clock.setTimer(delayMs, () => (to.up ? to.receive(packet.slice()) : undefined))
    }
  }
  join(wire.a, wire.b)
  join(wire.b, wire.a)
  return wire
}

export function linkLocal(address: string): LinkAddress {
  return { address, prefixLength: 64, origin: 'link-local' }
}

export function meshLocal(address: string): LinkAddress {
  return { address, prefixLength: 64, origin: 'mesh-local' }
}

export function onMesh(address: string): LinkAddress {
  return { address, prefixLength: 64, origin: 'on-mesh' }
}
