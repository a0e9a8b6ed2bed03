// How long everybody waits after wrong PINs: a few are free, then twice as long each time. The count survives a restart, and setting the clock
// does not shorten it while the program runs.
import type { Clock } from '#main/base/index.ts'
import type { AccessRecord } from './types.ts'

const FREE_GUESSES = 3
const FIRST_WAIT_MS = 5_000
const LONGEST_WAIT_MS = 15 * 60_000

export function waitMsAfter(wrongPins: number): number {
  if (wrongPins < FREE_GUESSES) return 0
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(20, wrongPins - FREE_GUESSES))
}

export class Waiting {
  readonly #clock: Clock
  #untilMonotonicMs: number

  constructor(clock: Clock, failures: AccessRecord['failures']) {
    this.#clock = clock
    // A clock that was set back in between must not make it longer than it was.
    const left = Object.values(failures).map(({ count, at }) => {
      const wait = waitMsAfter(count)
      return Math.min(wait, Math.max(0, at + wait - clock.now()))
    })
    this.#untilMonotonicMs = clock.monotonicMs() + Math.max(0, ...left)
  }

  get leftMs(): number {
    return Math.max(0, this.#untilMonotonicMs - this.#clock.monotonicMs())
  }

  failed(count: number): void {
    this.#untilMonotonicMs = this.#clock.monotonicMs() + waitMsAfter(count)
  }
}
