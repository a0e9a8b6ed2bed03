// A network in memory: loss, delay, duplication and reordering on a clock that may be virtual. Tests and the demo site's radio use it.
import {
  AppError,
  formatSocketAddress,
  isMulticastAddress,
  type ChannelCounters,
  type ChannelEvent,
  type Clock,
  type Datagram,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
  silentLogger,
} from '#main/base/index.ts'
import { Fanout } from './fanout.ts'

export interface MemoryNetworkOptions {
  readonly clock: Clock
  readonly random: Random
  /** Chance in [0, 1] that a datagram does not reach one receiver. */
  readonly lossRate?: number
  readonly delayMs?: { readonly min: number; readonly max: number }
  /** Chance that a receiver gets a datagram twice. */
  readonly duplicateRate?: number
  /** Chance that a datagram is held back so that later ones of the same sender overtake it; all others keep their order. */
  readonly reorderRate?: number
  /** Datagrams on their way to one receiver; more are dropped. */
  readonly maxInFlight?: number
  readonly maxPayloadBytes?: number
  readonly logger?: Logger
}

export interface MemoryChannelOptions {
  readonly address: string
  /** 0 picks a free port. */
  readonly port: number
  readonly id?: string
}

/** A channel whose node can be without power: then it neither sends nor hears. */
export interface MemoryChannel extends DatagramChannel {
  readonly powered: boolean
  setPower(on: boolean): void
}

const FIRST_EPHEMERAL_PORT = 49_152
const LARGEST_UDP_PAYLOAD = 65_507

export class MemoryNetwork {
  readonly #clock: Clock
  readonly #random: Random
  readonly #delayMs: { readonly min: number; readonly max: number }
  readonly #duplicateRate: number
  readonly #reorderRate: number
  readonly #options: MemoryNetworkOptions
  readonly #members = new Map<string, Member>()
  #lossRate: number
  #nextPort = FIRST_EPHEMERAL_PORT

  constructor(options: MemoryNetworkOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#lossRate = options.lossRate ?? 0
    this.#delayMs = options.delayMs ?? { min: 1, max: 1 }
    this.#duplicateRate = options.duplicateRate ?? 0
    this.#reorderRate = options.reorderRate ?? 0
    this.#options = options
  }

  get lossRate(): number {
    return this.#lossRate
  }

  setLossRate(rate: number): void {
    this.#lossRate = Math.min(1, Math.max(0, rate))
  }

  /** A new channel at the address; fails with `network.address-in-use` where one is open already. */
  channel(options: MemoryChannelOptions): MemoryChannel {
    const port = options.port === 0 ? this.#freePort(options.address) : options.port
    const local: SocketAddress = { address: options.address, port }
    const key = formatSocketAddress(local)
    if (this.#members.has(key)) throw new AppError('network.address-in-use', `A channel is open at ${key}`, { details: { address: key } })
    const member = new Member(options.id ?? `memory:${key}`, local, this.#options, {
      carry: (from, payload, to) => this.#carry(from, payload, to),
      closed: () => this.#members.delete(key),
    })
    this.#members.set(key, member)
    return member
  }

  #freePort(address: string): number {
    for (let tries = 0; tries <= 65_535 - FIRST_EPHEMERAL_PORT; tries++) {
      const port = this.#nextPort
      this.#nextPort = port === 65_535 ? FIRST_EPHEMERAL_PORT : port + 1
      if (!this.#members.has(formatSocketAddress({ address, port }))) return port
    }
    throw new AppError('network.address-in-use', `No free port at ${address}`, { details: { address } })
  }

  #carry(from: Member, payload: Uint8Array, to: SocketAddress): void {
    if (!isMulticastAddress(to.address)) {
      const receiver = this.#members.get(formatSocketAddress({ address: to.address, port: to.port }))
      if (receiver !== undefined) this.#offer(from, receiver, payload, to, false)
      return
    }
    for (const receiver of this.#members.values()) {
      if (receiver !== from && receiver.local.port === to.port && receiver.groups.has(to.address))
        this.#offer(from, receiver, payload, to, true)
    }
  }

  #offer(from: Member, receiver: Member, payload: Uint8Array, to: SocketAddress, multicast: boolean): void {
    if (this.#chance(this.#lossRate)) return
    const datagram: Datagram = { payload, source: from.local, destination: { address: to.address, port: to.port }, multicast }
    const copies = this.#chance(this.#duplicateRate) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) this.#schedule(from, receiver, datagram)
  }

  #schedule(from: Member, receiver: Member, datagram: Datagram): void {
    const span = this.#delayMs.max - this.#delayMs.min
    const delayMs = this.#delayMs.min + (span > 0 ? this.#random.fraction() * span : 0)
    const nowMs = this.#clock.monotonicMs()
    if (this.#chance(this.#reorderRate)) {
      receiver.arriveIn(delayMs + Math.max(1, this.#delayMs.max), datagram)
      return
    }
    const dueMs = Math.max(nowMs + delayMs, receiver.lastDueMs.get(from) ?? 0)
    receiver.lastDueMs.set(from, dueMs)
    receiver.arriveIn(dueMs - nowMs, datagram)
  }

  #chance(rate: number): boolean {
    return rate > 0 && this.#random.fraction() < rate
  }
}

interface MemberHooks {
  readonly carry: (from: Member, payload: Uint8Array, to: SocketAddress) => void
  readonly closed: () => void
}

class Member implements MemoryChannel {
  readonly id: string
  readonly local: SocketAddress
  readonly maxPayloadBytes: number
  readonly groups = new Set<string>()
  /** When the last datagram of a sender that keeps its order arrives. */
  readonly lastDueMs = new WeakMap<Member, number>()
  readonly #hooks: MemberHooks
  readonly #clock: Clock
  readonly #maxInFlight: number
  readonly #listeners: Fanout<ChannelEvent>
  #inFlight = 0
  #powered = true
  #open = true
  #sent = 0
  #received = 0
  #sendErrors = 0
  #dropped = 0

  constructor(id: string, local: SocketAddress, options: MemoryNetworkOptions, hooks: MemberHooks) {
    this.id = id
    this.local = local
    this.maxPayloadBytes = options.maxPayloadBytes ?? 1232
    this.#clock = options.clock
    this.#maxInFlight = options.maxInFlight ?? 1024
    this.#listeners = new Fanout(options.logger ?? silentLogger)
    this.#hooks = hooks
  }

  get powered(): boolean {
    return this.#powered
  }

  setPower(on: boolean): void {
    this.#powered = on
  }

  send(payload: Uint8Array, to: SocketAddress): void {
    if (!this.#open || payload.length > LARGEST_UDP_PAYLOAD) {
      this.#sendErrors++
      const error = new AppError('network.send-failed', this.#open ? 'The datagram is too large' : 'The channel is closed')
      // Failures are events of a later turn, as with a real socket.
      if (this.#open) this.#clock.setTimer(0, () => this.#listeners.tell({ kind: 'send-failed', to, error }))
      return
    }
    this.#sent++
    if (this.#powered) this.#hooks.carry(this, payload.slice(), to)
  }

  arriveIn(delayMs: number, datagram: Datagram): void {
    if (this.#inFlight >= this.#maxInFlight) {
      this.#dropped++
      return
    }
    this.#inFlight++
    this.#clock.setTimer(delayMs, () => {
      this.#inFlight--
      if (!this.#open || !this.#powered) return
      if (this.#listeners.size === 0) {
        this.#dropped++
        return
      }
      this.#received++
      this.#listeners.tell({ kind: 'datagram', datagram })
    })
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    return this.#listeners.add(listener)
  }

  joinGroup(address: string): void {
    this.groups.add(address)
  }

  leaveGroup(address: string): void {
    this.groups.delete(address)
  }

  counters(): ChannelCounters {
    return { sent: this.#sent, received: this.#received, sendErrors: this.#sendErrors, dropped: this.#dropped }
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#open = false
      this.#hooks.closed()
      this.#listeners.tell({ kind: 'closed' })
    }
    return Promise.resolve()
  }
}
