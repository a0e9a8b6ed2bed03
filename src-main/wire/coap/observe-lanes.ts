// Whose turn it is: no more notifications are outstanding towards one client endpoint than NSTART, over all its observations
// (RFC 7641 §4.5.1).
import type { Lane, Observer } from './observer.ts'

export class ObserveLanes {
  readonly #nstart: number
  readonly #onTurn: (observer: Observer) => void
  readonly #lanes = new Map<string, Lane>()

  /** `onTurn` is called with each observer as it gets a place; it keeps the place until `release` or `leave`. */
  constructor(nstart: number, onTurn: (observer: Observer) => void) {
    this.#nstart = nstart
    this.#onTurn = onTurn
  }

  /** Observers of the client endpoint. */
  count(peer: string): number {
    return this.#lanes.get(peer)?.observers ?? 0
  }

  join(peer: string): Lane {
    let lane = this.#lanes.get(peer)
    if (lane === undefined) {
      lane = { peer, observers: 0, outstanding: 0, waiting: new Set(), rttMs: undefined, turning: false }
      this.#lanes.set(peer, lane)
    }
    lane.observers++
    return lane
  }

  leave(observer: Observer): void {
    const { lane } = observer
    lane.waiting.delete(observer)
    lane.observers--
    if (lane.observers === 0 && this.#lanes.get(lane.peer) === lane) this.#lanes.delete(lane.peer)
    this.release(observer)
  }

  enqueue(observer: Observer): void {
    observer.lane.waiting.add(observer)
    this.#turn(observer.lane)
  }

  release(observer: Observer): void {
    if (!observer.busy) return
    observer.busy = false
    observer.lane.outstanding--
    this.#turn(observer.lane)
  }

  clear(): void {
    for (const lane of this.#lanes.values()) lane.waiting.clear()
    this.#lanes.clear()
  }

  #turn(lane: Lane): void {
    // A turn that ends at once makes the next one in this loop, not one call deeper each.
    if (lane.turning) return
    lane.turning = true
    try {
      while (lane.outstanding < this.#nstart) {
        const next = lane.waiting.values().next().value
        if (next === undefined) return
        lane.waiting.delete(next)
        lane.outstanding++
        next.busy = true
        this.#onTurn(next)
      }
    } finally {
      lane.turning = false
    }
  }
}
