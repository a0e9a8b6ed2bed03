// Token buckets, also by key. Memory is bounded whatever the number of keys, true or pretended.
import type { Clock } from '#main/base/index.ts'

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export class TokenBucket {
  readonly #clock: Clock
  readonly #rate: Rate
  #tokens: number
  #atMs: number

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
    this.#tokens = rate.burst
    this.#atMs = clock.monotonicMs()
  }

  hasToken(): boolean {
    this.#refill()
    return this.#tokens >= 1
  }

  /** Nothing has been taken of late. */
  isFull(): boolean {
    this.#refill()
    return this.#tokens >= this.#rate.burst
  }

  take(): boolean {
    if (!this.hasToken()) return false
    this.#tokens--
    return true
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * this.#rate.perSecond)
    this.#atMs = nowMs
  }
}

export class Rates {
  readonly #clock: Clock
  readonly #each: Rate
  readonly #maxKeys: number
  /** The longest silent first. */
  readonly #buckets = new Map<string, TokenBucket>()
  /** For keys that find no place. */
  readonly #shared: TokenBucket

  constructor(clock: Clock, each: Rate, maxKeys: number) {
    this.#clock = clock
    this.#each = each
    this.#maxKeys = maxKeys
    this.#shared = new TokenBucket(clock, each)
  }

  get size(): number {
    return this.#buckets.size
  }

  of(key: string): TokenBucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) this.#buckets.delete(key)
    else if (this.#buckets.size >= this.#maxKeys && !this.#dropRested()) return this.#shared
    const bucket = known ?? new TokenBucket(this.#clock, this.#each)
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** Makes a place where the longest silent key has all its tokens back: forgetting it gives nothing away. */
  #dropRested(): boolean {
    for (const [key, bucket] of this.#buckets) return bucket.isFull() && this.#buckets.delete(key)
    return false
  }
}
