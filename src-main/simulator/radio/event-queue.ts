// Discrete events in microseconds behind one timer of the Clock: the model keeps exact times though the clock ticks in milliseconds.
import type { Clock, Timer } from '#main/base/index.ts'

interface Event {
  readonly atUs: number
  readonly order: number
  readonly run: () => void
}

/** The clock is asked once a millisecond at most; events between two ticks run with their own exact times. */
const TICK_US = 1000
/** Of rounding between milliseconds and microseconds. */
const SLACK_US = 0.5
/** A tick that works longer gives the process its turn. */
const MOST_EVENTS_A_TICK = 20_000

export class EventQueue {
  readonly #clock: Clock
  readonly #originMs: number
  readonly #heap: Event[] = []
  #order = 0
  #nowUs = 0
  #running = false
  #timer: { readonly dueUs: number; readonly timer: Timer } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#originMs = clock.monotonicMs()
  }

  /** The model's time: that of the event which runs, else the clock's. */
  get nowUs(): number {
    return this.#running ? this.#nowUs : Math.max(this.#nowUs, this.#clockUs())
  }

  get size(): number {
    return this.#heap.length
  }

  after(delayUs: number, run: () => void): void {
    this.#push({ atUs: this.nowUs + Math.max(0, delayUs), order: this.#order++, run })
    if (!this.#running) this.#arm()
  }

  clear(): void {
    this.#heap.length = 0
    this.#timer?.timer.cancel()
    this.#timer = undefined
  }

  #clockUs(): number {
    return (this.#clock.monotonicMs() - this.#originMs) * 1000
  }

  #arm(): void {
    const first = this.#heap[0]
    if (first === undefined) return
    const dueUs = Math.ceil((first.atUs - SLACK_US) / TICK_US) * TICK_US
    if (this.#timer !== undefined && this.#timer.dueUs <= dueUs) return
    this.#timer?.timer.cancel()
    this.#timer = { dueUs, timer: this.#clock.setTimer((dueUs - this.#clockUs()) / 1000, () => this.#tick()) }
  }

  #tick(): void {
    this.#timer = undefined
    const untilUs = this.#clockUs() + SLACK_US
    this.#running = true
    try {
      for (let ran = 0; ran < MOST_EVENTS_A_TICK; ran++) {
        const first = this.#heap[0]
        if (first === undefined || first.atUs > untilUs) break
        this.#pop()
        this.#nowUs = Math.max(this.#nowUs, first.atUs)
        first.run()
      }
    } finally {
      this.#running = false
      this.#arm()
    }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let index = heap.push(event) - 1
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !isBefore(event, parent)) break
      heap[index] = parent
      index = above
    }
    heap[index] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      const left = heap[2 * index + 1]
      const right = heap[2 * index + 2]
      const isRight = right !== undefined && left !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (child === undefined || !isBefore(child, last)) break
      heap[index] = child
      index = 2 * index + (isRight ? 2 : 1)
    }
    heap[index] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order)
}
