// A network without time for the fuzzer: whoever sends is heard by whom it is for, and by the attacker.
import type { ChannelEvent, DatagramChannel, SocketAddress } from '#main/base/index.ts'
import { GROUP_ADDRESS } from '../wire/oscore/harness.ts'

const KEPT = 300
const FLYING = 400

/** The ether: whoever sends is heard by whom it is for, and by the attacker. */
export class Ether {
  readonly ports = new Map<string, Port>()
  readonly heard: Array<{ readonly from: SocketAddress; readonly to: SocketAddress; readonly payload: Uint8Array }> = []
  #air: Array<() => void> = []

  port(address: string): Port {
    const port = new Port(this, { address, port: 5683 })
    this.ports.set(address, port)
    return port
  }

  send(from: SocketAddress, to: SocketAddress, payload: Uint8Array): void {
    this.heard.push({ from, to, payload: payload.slice() })
    if (this.heard.length > KEPT) this.heard.shift()
    if (this.#air.length < FLYING) this.#air.push(() => this.deliver(from, to, payload))
  }

  deliver(source: SocketAddress, to: SocketAddress, payload: Uint8Array): void {
    const multicast = to.address === GROUP_ADDRESS.address
    for (const port of this.ports.values()) {
      const isFor = multicast ? port.local.address !== source.address : port.local.address === to.address
      if (isFor) port.hear({ kind: 'datagram', datagram: { payload, source, destination: to, multicast } })
    }
  }

  /** All that is in the air arrives, and what comes of it. */
  settle(): void {
    for (let round = 0; round < 4 && this.#air.length > 0; round++) {
      const flying = this.#air
      this.#air = []
      for (const arrive of flying) arrive()
    }
  }
}

class Port implements DatagramChannel {
  readonly id: string
  readonly local: SocketAddress
  readonly maxPayloadBytes = 1232
  readonly #ether: Ether
  readonly #listeners = new Set<(event: ChannelEvent) => void>()

  constructor(ether: Ether, local: SocketAddress) {
    this.#ether = ether
    this.local = local
    this.id = local.address
  }

  hear(event: ChannelEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  send(payload: Uint8Array, to: SocketAddress): void {
    this.#ether.send(this.local, to, payload)
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  joinGroup(): void {
    // Everybody hears everything.
  }

  leaveGroup(): void {
    // As above.
  }

  counters(): { sent: number; received: number; sendErrors: number; dropped: number } {
    return { sent: 0, received: 0, sendErrors: 0, dropped: 0 }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
