// Bounded queues: whatever arrives faster than it is taken is dropped and counted, never kept without end.
import { AppError } from './errors.ts'

/** Which item goes when a full queue gets another one. */
export type DropPolicy = 'drop-oldest' | 'drop-newest'

export interface QueueCounters {
  readonly pushed: number
  readonly taken: number
  readonly dropped: number
  /** The longest it has been. */
  readonly peak: number
}

/** First in, first out, in a ring of fixed size: both ends cost the same however long it is. */
export class BoundedQueue<Item> {
  readonly capacity: number
  readonly #policy: DropPolicy
  readonly #onDrop: ((item: Item) => void) | undefined
  readonly #ring: Array<{ readonly item: Item } | undefined>
  #head = 0
  #size = 0
  #pushed = 0
  #taken = 0
  #dropped = 0
  #peak = 0

  constructor(capacity: number, policy: DropPolicy, onDrop?: (item: Item) => void) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new AppError('internal', 'A queue holds at least one item')
    this.capacity = capacity
    this.#policy = policy
    this.#onDrop = onDrop
    this.#ring = new Array<{ readonly item: Item } | undefined>(capacity)
  }

  get size(): number {
    return this.#size
  }

  /** Appends the item; false when it was the one that was dropped. */
  push(item: Item): boolean {
    if (this.#size === this.capacity) {
      if (this.#policy === 'drop-newest') {
        this.#drop(item)
        return false
      }
      const oldest = this.#remove()
      if (oldest !== undefined) this.#drop(oldest.item)
    }
    this.#ring[(this.#head + this.#size) % this.capacity] = { item }
    this.#size++
    this.#pushed++
    this.#peak = Math.max(this.#peak, this.#size)
    return true
  }

  /** Takes the oldest item; undefined when it is empty. */
  shift(): Item | undefined {
    const oldest = this.#remove()
    if (oldest === undefined) return undefined
    this.#taken++
    return oldest.item
  }

  /** Takes up to `most` items, oldest first. */
  take(most: number): readonly Item[] {
    const items: Item[] = []
    while (items.length < most) {
      const oldest = this.#remove()
      if (oldest === undefined) break
      this.#taken++
      items.push(oldest.item)
    }
    return items
  }

  /** Forgets what is in it; that counts as dropped. */
  clear(): void {
    for (let oldest = this.#remove(); oldest !== undefined; oldest = this.#remove()) this.#drop(oldest.item)
  }

  counters(): QueueCounters {
    return { pushed: this.#pushed, taken: this.#taken, dropped: this.#dropped, peak: this.#peak }
  }

  #remove(): { readonly item: Item } | undefined {
    const oldest = this.#ring[this.#head]
    if (this.#size === 0 || oldest === undefined) return undefined
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) % this.capacity
    this.#size--
    return oldest
  }

  #drop(item: Item): void {
    this.#dropped++
    this.#onDrop?.(item)
  }
}
