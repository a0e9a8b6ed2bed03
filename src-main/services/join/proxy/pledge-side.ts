// The side of a join proxy where its neighbours are: who may be relayed for, how often, and how much may be sent to them.
import { formatSocketAddress, type ChannelEvent, type Datagram, type SocketAddress } from '#main/base/index.ts'
import { AmplificationGuard } from './balance.ts'
import { isNeighbour } from './pledge-address.ts'
import { Rates, TokenBucket } from './rates.ts'
import type { JoinProxyCounters, JoinProxyLimits, JoinProxyOptions } from './types.ts'

/** How long a pledge is remembered after its last word: longer than it waits for an answer, also one that a person has to give. */
const MEMORY_MS = 600_000

export class PledgeSide {
  readonly #options: JoinProxyOptions
  readonly #counters: JoinProxyCounters
  readonly #rates: Rates
  readonly #all: TokenBucket
  readonly #newcomers: TokenBucket
  readonly #guard: AmplificationGuard
  readonly #unsubscribe: () => void

  constructor(
    options: JoinProxyOptions,
    limits: JoinProxyLimits,
    counters: JoinProxyCounters,
    relay: (pledge: SocketAddress, payload: Uint8Array) => void,
  ) {
    const { clock, pledges } = options
    this.#options = options
    this.#counters = counters
    const { perSecond, burst } = limits.totalRate
    const share = limits.newcomerShare
    this.#rates = new Rates(clock, limits.pledgeRate, limits.maxPledges)
    this.#all = new TokenBucket(clock, limits.totalRate)
    this.#newcomers = new TokenBucket(clock, { perSecond: perSecond * share, burst: burst * share })
    this.#guard = new AmplificationGuard(clock, limits.maxPledges, MEMORY_MS)
    this.#unsubscribe = pledges.subscribe((event) => this.#onEvent(event, relay))
  }

  get remembered(): number {
    return Math.max(this.#guard.size, this.#rates.size)
  }

  isProven(pledge: SocketAddress): boolean {
    return this.#guard.isProven(neighbourKey(pledge))
  }

  send(pledge: SocketAddress, payload: Uint8Array): void {
    if (payload.length > this.#options.pledges.maxPayloadBytes) {
      this.#counters.tooLarge++
      return
    }
    if (!this.#guard.maySend(neighbourKey(pledge), payload.length)) {
      this.#counters.withheld++
      return
    }
    this.#counters.toPledges++
    this.#counters.bytesToPledges += payload.length
    this.#options.pledges.send(payload, pledge)
  }

  close(): void {
    this.#unsubscribe()
  }

  #onEvent(event: ChannelEvent, relay: (pledge: SocketAddress, payload: Uint8Array) => void): void {
    if (event.kind === 'send-failed') this.#counters.sendErrors++
    if (event.kind !== 'datagram') return
    const { source, payload } = event.datagram
    if (!isFromNeighbour(event.datagram)) {
      this.#counters.notNeighbour++
      return
    }
    const key = neighbourKey(source)
    if (!this.#mayPass(key)) return
    this.#counters.fromPledges++
    this.#counters.bytesFromPledges += payload.length
    if (this.#guard.received(key, payload.length)) this.#options.onEvent?.({ kind: 'pledge-seen', pledge: source })
    relay(source, payload)
  }

  /** No bucket loses a token to what another one stops. */
  #mayPass(key: string): boolean {
    const own = this.#rates.of(key)
    if (!own.hasToken()) {
      this.#counters.pledgeRate++
      return false
    }
    const isNewcomer = !this.#guard.isProven(key)
    if (!this.#all.hasToken() || (isNewcomer && !this.#newcomers.take())) {
      this.#counters.totalRate++
      return false
    }
    return this.#all.take() && own.take()
  }
}

/** Draft -20 §4.3: link-local source and link-local destination, where the channel tells it. */
function isFromNeighbour({ source, destination, multicast }: Datagram): boolean {
  return !multicast && source.port > 0 && isNeighbour(source) && (destination === undefined || isNeighbour(destination))
}

/** Without the port, which costs nothing to change. */
export function neighbourKey({ address, zone }: SocketAddress): string {
  return formatSocketAddress(zone === undefined ? { address, port: 0 } : { address, port: 0, zone })
}

export function isAt(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.address === b.address && (a.zone === undefined || b.zone === undefined || a.zone === b.zone)
}
