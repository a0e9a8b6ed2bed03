// One timer for a date that may lie far off: longer than timers go, and moving with what it depends on.
import type { Clock, Timer } from '#main/base/index.ts'

const LONGEST_MS = 86_400_000

export class Deadline {
  readonly #clock: Clock
  readonly #due: () => number
  readonly #act: () => void
  #timer: Timer | undefined
  #closed = false

  /** `due` says when `act` is wanted next, Infinity for never; `act` moves it on. */
  constructor(clock: Clock, due: () => number, act: () => void) {
    this.#clock = clock
    this.#due = due
    this.#act = act
  }

  /** Looks again when that is. */
  arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const dueMs = this.#due()
    if (this.#closed || dueMs === Infinity) return
    this.#timer = this.#clock.setTimer(Math.min(Math.max(0, dueMs - this.#clock.now()), LONGEST_MS), () => {
      if (this.#due() <= this.#clock.now()) this.#act()
      this.arm()
    })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }
}
