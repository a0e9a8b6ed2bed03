// The wall clock as registrations at rest are dated with it. Lifetimes are durations (RFC 9176 §5): when somebody puts the clock right,
// by hand or by NTP, the dates move along, so that neither a directory that starts anew nor a list takes a jump for elapsed time.
import type { Clock } from '#main/base/index.ts'

/** What clocks drift apart, and what slewing takes away, is no jump. */
const TOLERANCE_MS = 10_000

export class WallClock {
  readonly #clock: Clock
  #offsetMs: number
  /** As of what is durable. */
  #durableOffsetMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offsetMs = this.#durableOffsetMs = clock.now() - clock.monotonicMs()
  }

  /** The time by which the stored dates go. */
  nowAtRest(): number {
    return this.#clock.monotonicMs() + this.#offsetMs
  }

  /** By how much the clock has jumped since it was last asked; stored dates are to be moved by it. 0 for most of the time. */
  takeJump(): number {
    const jumpMs = Math.round(this.#clock.now() - this.nowAtRest())
    if (Math.abs(jumpMs) < TOLERANCE_MS) return 0
    this.#offsetMs += jumpMs
    return jumpMs
  }

  committed(): void {
    this.#durableOffsetMs = this.#offsetMs
  }

  rolledBack(): void {
    this.#offsetMs = this.#durableOffsetMs
  }
}
