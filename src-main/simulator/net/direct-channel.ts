// The laptop on the mesh without a dongle in between: for tests and for hosts that have no use for serial bytes.
import {
  AppError,
  isMulticastAddress,
  type ChannelCounters,
  type ChannelEvent,
  type DatagramChannel,
  type Logger,
  type Schedule,
  type SocketAddress,
} from '#main/base/index.ts'
import { formatIpv6 } from '#main/wire/ip/index.ts'
import { DONGLE, type Mesh } from '../radio/index.ts'
import { bytesOfAddress, COAP_PORT, LAPTOP_ADDRESS } from './addresses.ts'
import { decodeUdp, encodeUdp } from './packets.ts'

/** What fits into an IPv6 packet of 1280 bytes (RFC 4944 §4). */
const MAX_PAYLOAD_BYTES = 1232

export class DirectChannel implements DatagramChannel {
  readonly id = 'demo'
  readonly local: SocketAddress = { address: LAPTOP_ADDRESS, port: COAP_PORT }
  readonly maxPayloadBytes = MAX_PAYLOAD_BYTES
  readonly #mesh: Mesh
  readonly #schedule: Schedule
  readonly #logger: Logger
  readonly #address: Uint8Array
  readonly #listeners = new Set<(event: ChannelEvent) => void>()
  readonly #joined = new Set<string>()
  readonly #counters = { sent: 0, received: 0, sendErrors: 0, dropped: 0 }
  #open = true

  constructor(mesh: Mesh, schedule: Schedule, logger: Logger) {
    this.#mesh = mesh
    this.#schedule = schedule
    this.#logger = logger
    this.#address = bytesOfAddress(LAPTOP_ADDRESS) ?? new Uint8Array(16)
    mesh.bind(DONGLE, this.#address)
  }

  send(payload: Uint8Array, to: SocketAddress): void {
    const destination = bytesOfAddress(to.address)
    if (!this.#open || payload.length > MAX_PAYLOAD_BYTES || destination === undefined) {
      this.#counters.sendErrors++
      const error = new AppError('network.send-failed', this.#open ? 'The radio cannot carry the datagram' : 'The radio is off')
      // Failures are events of a later turn, as with a real socket.
      if (this.#open) this.#schedule.setTimer(0, () => this.#tell({ kind: 'send-failed', to, error }))
      return
    }
    this.#counters.sent++
    const packet = encodeUdp({ source: this.#address, sourcePort: COAP_PORT, destination, destinationPort: to.port, payload })
    this.#mesh.send(DONGLE, packet)
  }

  /** A packet has reached the laptop. */
  receive(packet: Uint8Array): void {
    const datagram = decodeUdp(packet)
    if (!this.#open || datagram?.destinationPort !== COAP_PORT) return
    const address = formatIpv6(datagram.destination)
    const isMulticast = isMulticastAddress(address)
    if (isMulticast && !this.#joined.has(address)) return
    this.#counters.received++
    const source: SocketAddress = { address: formatIpv6(datagram.source), port: datagram.sourcePort }
    const destination: SocketAddress = { address, port: datagram.destinationPort }
    this.#tell({ kind: 'datagram', datagram: { payload: datagram.payload, source, destination, multicast: isMulticast } })
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  joinGroup(address: string): void {
    this.#joined.add(address)
  }

  leaveGroup(address: string): void {
    this.#joined.delete(address)
  }

  counters(): ChannelCounters {
    return { ...this.#counters }
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false
      this.#tell({ kind: 'closed' })
      this.#listeners.clear()
    }
    return Promise.resolve()
  }

  #tell(event: ChannelEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#logger.error({ error }, 'a listener of the demo channel failed')
      }
    }
  }
}
