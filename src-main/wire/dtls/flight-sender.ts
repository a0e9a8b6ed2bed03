// Sends the flight that is due and repeats it: on a timer that doubles (RFC 6347 §4.2.4), and when the peer repeats its own.
import type { Clock, Timer } from '#main/base/index.ts'
import { packFlight, type FlightPart, type RecordWriter, type Sizes } from './flight.ts'
import type { DtlsLimits } from './types.ts'

export interface FlightSenderOptions {
  readonly clock: Clock
  readonly limits: DtlsLimits
  readonly writer: RecordWriter
  readonly sizes: () => Sizes
  readonly transmit: (datagram: Uint8Array) => void
}

/** RFC 6347 §4.1.1.1: after so many repetitions the path may be one that loses long datagrams. */
const SMALLER_AFTER = 3
/** What IPv4 hosts must take, less IPv4 and UDP headers. */
const SMALL_DATAGRAM_BYTES = 548
/** A peer that repeats its flight piece by piece gets ours once. */
const LEAST_GAP_MS = 200

export class FlightSender {
  readonly #options: FlightSenderOptions
  #flight: readonly FlightPart[] = []
  #isLast = false
  #waitMs: number
  #repetitions = 0
  #sentMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined

  constructor(options: FlightSenderOptions) {
    this.#options = options
    this.#waitMs = options.limits.retransmitMs
  }

  /** The last flight is repeated only on demand. */
  send(flight: readonly FlightPart[], isLast: boolean): void {
    this.#flight = flight
    this.#isLast = isLast
    this.#waitMs = this.#options.limits.retransmitMs
    this.#repetitions = 0
    this.#transmit()
    this.#arm()
  }

  /** A message of the answer has come: the rest of it has its full time again. */
  progress(): void {
    if (this.#timer !== undefined) this.#arm()
  }

  /** The peer repeats its flight: it has not got ours. */
  repeatOnDemand(): void {
    if (this.#flight.length === 0 || this.#options.clock.monotonicMs() - this.#sentMs < LEAST_GAP_MS) return
    this.#transmit()
    if (this.#timer !== undefined) this.#arm()
  }

  /** It has arrived. */
  forget(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#flight = []
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = this.#isLast ? undefined : this.#options.clock.setTimer(this.#waitMs, () => this.#repeat())
  }

  #repeat(): void {
    this.#repetitions++
    this.#waitMs = Math.min(2 * this.#waitMs, this.#options.limits.maxRetransmitMs)
    this.#transmit()
    this.#arm()
  }

  #transmit(): void {
    this.#sentMs = this.#options.clock.monotonicMs()
    const { writer, transmit, sizes } = this.#options
    const { datagramBytes, plaintextBytes } = sizes()
    const limit = this.#repetitions < SMALLER_AFTER ? datagramBytes : Math.min(datagramBytes, SMALL_DATAGRAM_BYTES)
    for (const datagram of packFlight(this.#flight, { datagramBytes: limit, plaintextBytes }, writer)) transmit(datagram)
  }
}
