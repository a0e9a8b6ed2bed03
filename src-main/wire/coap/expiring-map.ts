// A map whose entries end after a time and whose size is bounded, at constant cost for each access and without a timer.
// Two generations: when the young one is old or full it becomes the old one, and the old one is forgotten whole.

interface Entry<Value> {
  value: Value
  readonly expiresMs: number
}

export class ExpiringMap<Value> {
  readonly #maxEntries: number
  readonly #longestLifetimeMs: number
  #young = new Map<string, Entry<Value>>()
  #old = new Map<string, Entry<Value>>()
  #youngSinceMs = Number.NEGATIVE_INFINITY

  /** `longestLifetimeMs` bounds the lifetimes that `set` gets. */
  constructor(longestLifetimeMs: number, maxEntries: number) {
    this.#longestLifetimeMs = longestLifetimeMs
    this.#maxEntries = maxEntries
  }

  get(key: string, nowMs: number): Value | undefined {
    const entry = this.#young.get(key) ?? this.#old.get(key)
    return entry !== undefined && entry.expiresMs > nowMs ? entry.value : undefined
  }

  set(key: string, value: Value, lifetimeMs: number, nowMs: number): void {
    const full = this.#young.size * 2 >= this.#maxEntries
    if (full || nowMs - this.#youngSinceMs >= this.#longestLifetimeMs) this.#turnOver(nowMs)
    this.#young.set(key, { value, expiresMs: nowMs + lifetimeMs })
  }

  #turnOver(nowMs: number): void {
    this.#old = this.#young
    this.#young = new Map()
    this.#youngSinceMs = nowMs
  }
}
