// A clock that stands still until the test moves it. Timers due at the same time run in the order they were set.
import type { Clock, Timer } from '#main/base/index.ts'

interface Pending {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

export class VirtualClock implements Clock {
  #nowMs: number
  #elapsedMs = 0
  #order = 0
  #pending = new Set<Pending>()

  constructor(startMs = Date.UTC(2026, 0, 5, 8)) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const entry: Pending = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, callback }
    this.#pending.add(entry)
    return { cancel: () => this.#pending.delete(entry) }
  }

  get pendingTimers(): number {
    return this.#pending.size
  }

  /** Moves the wall clock alone, as an operator or NTP does. */
  jumpWallClock(byMs: number): void {
    this.#nowMs += byMs
  }

  /** Lets time pass, running every timer that comes due; promise callbacks run between timers. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#elapsedMs + byMs
    await settle()
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#moveTo(next.dueMs)
      this.#pending.delete(next)
      next.callback()
      await settle()
    }
    this.#moveTo(endMs)
    await settle()
  }

  /** Advances in steps until the promise settles, at most `limitMs`. */
  async until<Value>(promise: Promise<Value>, limitMs = 600_000): Promise<Value> {
    let settled = false
    const mark = (): void => {
      settled = true
    }
    promise.then(mark, mark)
    const endMs = this.#elapsedMs + limitMs
    await settle()
    const isOpen = (): boolean => !settled && this.#elapsedMs < endMs
    while (isOpen()) {
      const next = this.#next(endMs)
      await this.advance(next === undefined ? endMs - this.#elapsedMs : Math.max(0, next.dueMs - this.#elapsedMs))
    }
    return promise
  }

  #moveTo(elapsedMs: number): void {
    this.#nowMs += elapsedMs - this.#elapsedMs
    this.#elapsedMs = elapsedMs
  }

  #next(endMs: number): Pending | undefined {
    let best: Pending | undefined
    for (const entry of this.#pending) {
      if (entry.dueMs > endMs) continue
      if (best === undefined || entry.dueMs < best.dueMs || (entry.dueMs === best.dueMs && entry.order < best.order)) best = entry
    }
    return best
  }
}

async function settle(): Promise<void> {
  for (let round = 0; round < 10; round++) await Promise.resolve()
}
