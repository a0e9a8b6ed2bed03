// The device's UDP port as this program's CoAP endpoint wants it; only what the other stack does not take arrives here.
import type { ChannelCounters, ChannelEvent, DatagramChannel, SocketAddress } from '#main/base/index.ts'
import type { GroupAddress } from '../device-host.ts'

/** What fits into an IPv6 packet of 1280 bytes (RFC 4944 §4). */
const MAX_PAYLOAD_BYTES = 1232

export class DevicePort implements DatagramChannel {
  readonly id: string
  readonly local: SocketAddress
  readonly maxPayloadBytes = MAX_PAYLOAD_BYTES
  readonly #send: (payload: Uint8Array, to: SocketAddress) => void
  readonly #listeners = new Set<(event: ChannelEvent) => void>()
  #sent = 0
  #received = 0

  constructor(local: SocketAddress, send: (payload: Uint8Array, to: SocketAddress) => void) {
    this.id = `demo:${local.address}`
    this.local = local
    this.#send = send
  }

  send(payload: Uint8Array, to: SocketAddress): void {
    this.#sent++
    this.#send(payload, to)
  }

  receive(payload: Uint8Array, source: SocketAddress, group: GroupAddress | undefined): void {
    this.#received++
    const destination: SocketAddress = group === undefined ? this.local : { address: group.address, port: group.port }
    const event: ChannelEvent = { kind: 'datagram', datagram: { payload, source, destination, multicast: group !== undefined } }
    for (const listener of this.#listeners) listener(event)
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A device hears what its group table says, whoever serves it. */
  joinGroup(): void {
    return
  }

  leaveGroup(): void {
    return
  }

  counters(): ChannelCounters {
    return { sent: this.#sent, received: this.#received, sendErrors: 0, dropped: 0 }
  }

  close(): Promise<void> {
    this.#listeners.clear()
    return Promise.resolve()
  }
}
