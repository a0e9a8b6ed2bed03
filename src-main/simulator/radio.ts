// The simulated radio between the laptop and the devices: loss, several hops with their delay, multicast by membership.
// One schedule carries all datagrams, so that ten thousand devices cost no more timers than one.
import {
  AppError,
  isMulticastAddress,
  type ChannelCounters,
  type ChannelEvent,
  type DatagramChannel,
  type Logger,
  type Random,
  type Schedule,
  type SocketAddress,
} from '#main/base/index.ts'
import type { GroupAddress } from './device-host.ts'

export interface RadioOptions {
  /** Addresses of the devices, by index; all at the CoAP port. */
  readonly addresses: readonly string[]
  readonly lossPercent: number
  readonly schedule: Schedule
  readonly random: Random
  readonly logger: Logger
  /** A datagram has reached a device. */
  readonly arrive: (index: number, payload: Uint8Array, from: SocketAddress, group: GroupAddress | undefined) => void
}

export const COAP_PORT = 5683
const LAPTOP: SocketAddress = { address: 'fd00::1', port: COAP_PORT }
/** Addresses of all CoAP nodes in link, realm and site scope (RFC 7252 §12.8). */
const ALL_COAP_NODES = new Set(['ff02::fd', 'ff03::fd', 'ff05::fd'])
const MOST_HOPS = 4
const HOP_MS = { min: 4, max: 10 }
/** The most that 6LoWPAN carries in one IPv6 packet (RFC 4944 §4), less the headers. */
const MAX_PAYLOAD_BYTES = 1232
/** Datagrams in the air; more are lost, as on any radio. */
const MOST_IN_FLIGHT = 100_000

export class Radio {
  readonly channel: DatagramChannel
  readonly #options: RadioOptions
  readonly #indexOf: ReadonlyMap<string, number>
  readonly #members = new Map<string, Set<number>>()
  readonly #powered = new Set<number>()
  readonly #listeners = new Set<(event: ChannelEvent) => void>()
  readonly #joined = new Set<string>()
  readonly #counters = { sent: 0, received: 0, sendErrors: 0, dropped: 0 }
  #lossRate: number
  #inFlight = 0
  #open = true

  constructor(options: RadioOptions) {
    this.#options = options
    this.#lossRate = options.lossPercent / 100
    this.#indexOf = new Map(options.addresses.map((address, index) => [address, index]))
    this.channel = {
      id: 'demo',
      local: LAPTOP,
      maxPayloadBytes: MAX_PAYLOAD_BYTES,
      send: (payload, to) => this.#sendFromLaptop(payload, to),
      subscribe: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
      joinGroup: (address) => void this.#joined.add(address),
      leaveGroup: (address) => void this.#joined.delete(address),
      counters: (): ChannelCounters => ({ ...this.#counters }),
      close: () => this.close(),
    }
  }

  setLoss(percent: number): void {
    this.#lossRate = Math.min(100, Math.max(0, percent)) / 100
  }

  /** Without power a device neither sends nor hears. */
  setPower(index: number, on: boolean): void {
    if (on) this.#powered.add(index)
    else this.#powered.delete(index)
  }

  listen(index: number, group: GroupAddress): void {
    const key = groupKey(group)
    const members = this.#members.get(key)
    if (members === undefined) this.#members.set(key, new Set([index]))
    else members.add(index)
  }

  unlisten(index: number, group: GroupAddress): void {
    const key = groupKey(group)
    const members = this.#members.get(key)
    members?.delete(index)
    if (members?.size === 0) this.#members.delete(key)
  }

  sendFromDevice(index: number, payload: Uint8Array, to: SocketAddress, holdMs: number): void {
    const address = this.#options.addresses[index]
    const isForLaptop = to.port === LAPTOP.port && (to.address === LAPTOP.address || this.#joined.has(to.address))
    if (address === undefined || !this.#powered.has(index) || !isForLaptop || this.#isLost()) return
    this.#carry(holdMs + this.#travelMs(index), () => {
      // The leisure of an answer ends with the device's power.
      if (!this.#powered.has(index)) return
      this.#counters.received++
      const source: SocketAddress = { address, port: COAP_PORT }
      this.#tell({ kind: 'datagram', datagram: { payload, source, destination: to, multicast: isMulticastAddress(to.address) } })
    })
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false
      this.#tell({ kind: 'closed' })
      this.#listeners.clear()
    }
    return Promise.resolve()
  }

  #sendFromLaptop(payload: Uint8Array, to: SocketAddress): void {
    if (!this.#open || payload.length > MAX_PAYLOAD_BYTES) {
      this.#counters.sendErrors++
      const error = new AppError('network.send-failed', this.#open ? 'The datagram is too large for the radio' : 'The radio is off')
      // Failures are events of a later turn, as with a real socket.
      if (this.#open) this.#options.schedule.setTimer(0, () => this.#tell({ kind: 'send-failed', to, error }))
      return
    }
    this.#counters.sent++
    // The sender may use its buffer again.
    const copy = payload.slice()
    if (!isMulticastAddress(to.address)) {
      const index = this.#indexOf.get(to.address)
      if (index !== undefined && to.port === COAP_PORT) this.#offer(index, copy, undefined)
      return
    }
    const group: GroupAddress = { address: to.address, port: to.port }
    const receivers = ALL_COAP_NODES.has(to.address) && to.port === COAP_PORT ? this.#powered : this.#members.get(groupKey(group))
    for (const index of receivers ?? []) this.#offer(index, copy, group)
  }

  #offer(index: number, payload: Uint8Array, group: GroupAddress | undefined): void {
    if (!this.#powered.has(index) || this.#isLost()) return
    this.#carry(this.#travelMs(index), () => {
      if (this.#powered.has(index)) this.#options.arrive(index, payload, LAPTOP, group)
    })
  }

  #carry(delayMs: number, land: () => void): void {
    if (this.#inFlight >= MOST_IN_FLIGHT) {
      this.#counters.dropped++
      return
    }
    this.#inFlight++
    this.#options.schedule.setTimer(delayMs, () => {
      this.#inFlight--
      if (this.#open) land()
    })
  }

  /** 4 to 40 ms: one to four hops, of which a device always has the same number. */
  #travelMs(index: number): number {
    let delayMs = 0
    for (let hop = 0; hop <= index % MOST_HOPS; hop++) delayMs += HOP_MS.min + this.#options.random.fraction() * (HOP_MS.max - HOP_MS.min)
    return delayMs
  }

  #isLost(): boolean {
    return this.#lossRate > 0 && this.#options.random.fraction() < this.#lossRate
  }

  #tell(event: ChannelEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#options.logger.error({ error }, 'a listener of the demo channel failed')
      }
    }
  }
}

function groupKey(group: GroupAddress): string {
  return `${group.address} ${group.port}`
}
