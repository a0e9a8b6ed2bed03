// Many deadlines behind one timer: a binary heap on the Clock port, so that only due entries cost anything.
import type { Clock, Timer } from './clock.ts'

interface Entry {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
  /** Position in the heap; -1 once it ran or was cancelled. */
  index: number
}

/** Sets timers like a Clock does, at the price of one system timer for all of them. Cancelled entries are freed at once. */
export class Schedule {
  readonly #clock: Clock
  readonly #heap: Entry[] = []
  #order = 0
  #timer: { readonly dueMs: number; readonly timer: Timer } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#heap.length
  }

  /** Calls back once after `delayMs`; entries due at the same time run in the order they were set. */
  setTimer(delayMs: number, callback: () => void): Timer {
    const entry: Entry = {
      dueMs: this.#clock.monotonicMs() + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      index: this.#heap.length,
    }
    this.#heap.push(entry)
    this.#rise(entry)
    this.#arm()
    return { cancel: () => this.#cancel(entry) }
  }

  /** Drops everything that is pending. */
  clear(): void {
    for (const entry of this.#heap) entry.index = -1
    this.#heap.length = 0
    this.#arm()
  }

  #cancel(entry: Entry): void {
    if (entry.index < 0) return
    this.#removeAt(entry.index)
    this.#arm()
  }

  #arm(): void {
    const first = this.#heap[0]
    if (first?.dueMs === this.#timer?.dueMs) return
    this.#timer?.timer.cancel()
    this.#timer = undefined
    if (first === undefined) return
    const timer = this.#clock.setTimer(first.dueMs - this.#clock.monotonicMs(), () => this.#run())
    this.#timer = { dueMs: first.dueMs, timer }
  }

  #run(): void {
    this.#timer = undefined
    // Entries set by the callbacks wait for the next turn: `limit` keeps a chain of zero delays from blocking the loop.
    const nowMs = this.#clock.monotonicMs()
    const limit = this.#order
    try {
      for (let first = this.#heap[0]; first !== undefined && first.dueMs <= nowMs && first.order < limit; first = this.#heap[0]) {
        this.#removeAt(0)
        first.callback()
      }
    } finally {
      this.#arm()
    }
  }

  #removeAt(index: number): void {
    const entry = this.#heap[index]
    const last = this.#heap.pop()
    if (entry === undefined || last === undefined) return
    entry.index = -1
    if (last === entry) return
    this.#heap[index] = last
    last.index = index
    this.#rise(last)
    this.#sink(last)
  }

  #rise(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1]
      if (parent === undefined || !isBefore(entry, parent)) return
      this.#swap(entry, parent)
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.index + 1]
      const right = this.#heap[2 * entry.index + 2]
      const child = right !== undefined && left !== undefined && isBefore(right, left) ? right : left
      if (child === undefined || !isBefore(child, entry)) return
      this.#swap(entry, child)
    }
  }

  #swap(a: Entry, b: Entry): void {
    const index = a.index
    a.index = b.index
    b.index = index
    this.#heap[a.index] = a
    this.#heap[b.index] = b
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}
