// PROBING_RATE: how fast Non-confirmable requests may follow each other to a peer that does not answer (RFC 7252 §4.7).
import type { Clock } from '#main/base/index.ts'
import { ExpiringMap } from './expiring-map.ts'
import type { MessageContent } from './message-layer.ts'
import type { CoapParameters } from './parameters.ts'

/** Header, and what each option's head takes. */
const HEADER_BYTES = 4
const OPTION_BYTES = 2
const MAX_PEERS = 10_000
/** That of the largest datagram at one byte a second. */
const LONGEST_MS = 65_536_000

export class ProbingRate {
  readonly #clock: Clock
  readonly #bytesPerMs: number
  /** Until when a peer that has been silent since is left alone. */
  readonly #untilMs: ExpiringMap<number>

  constructor(clock: Clock, parameters: CoapParameters) {
    this.#clock = clock
    this.#bytesPerMs = parameters.probingRate / 1000
    this.#untilMs = new ExpiringMap(LONGEST_MS, MAX_PEERS)
  }

  /** How long the next Non-confirmable request to the peer has to wait. */
  waitMs(peer: string): number {
    const nowMs = this.#clock.monotonicMs()
    return Math.max(0, (this.#untilMs.get(peer, nowMs) ?? nowMs) - nowMs)
  }

  sent(peer: string, content: MessageContent): void {
    const nowMs = this.#clock.monotonicMs()
    const options = content.options.reduce((sum, option) => sum + OPTION_BYTES + option.value.length, 0)
    const bytes = HEADER_BYTES + content.token.length + options + content.payload.length
    const waitMs = Math.min(bytes / this.#bytesPerMs, LONGEST_MS)
    this.#untilMs.set(peer, nowMs + waitMs, waitMs, nowMs)
  }

  /** The peer answers: it is limited by NSTART alone. */
  heard(peer: string): void {
    const nowMs = this.#clock.monotonicMs()
    if (this.#untilMs.get(peer, nowMs) !== undefined) this.#untilMs.set(peer, nowMs, 0, nowMs)
  }
}
