// How often one source may ask, and with how many bytes (RFC 9176 §8.4, RFC 8516). Memory is bounded whatever the number of sources,
// true or pretended.
import type { Clock } from '#main/base/index.ts'
import { DEFAULT_SOURCE_LIMITS, sourceKey, tooMany } from './source-limits.ts'
import type { RegistrationSource, SourceLimits } from './types.ts'

interface Bucket {
  requests: number
  bytes: number
  atMs: number
}

/** Token buckets of requests and bytes by source. When all places are taken, sources without one share a bucket. */
export class SourceRates {
  readonly #clock: Clock
  #limits: SourceLimits
  #isLimited: boolean
  /** The longest silent first. */
  readonly #buckets = new Map<string, Bucket>()
  #shared: Bucket

  constructor(clock: Clock, limits: SourceLimits | undefined) {
    this.#clock = clock
    this.#isLimited = limits !== undefined
    this.#limits = limits ?? DEFAULT_SOURCE_LIMITS
    this.#shared = this.#fullBucket()
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Every source starts anew under the new limits; without any it is never refused. */
  setLimits(limits: SourceLimits | undefined): void {
    this.#isLimited = limits !== undefined
    this.#limits = limits ?? DEFAULT_SOURCE_LIMITS
    this.#buckets.clear()
    this.#shared = this.#fullBucket()
  }

  /** Throws `rd.full` with `retryAfterS` in its details when the source asks too often. */
  charge(source: RegistrationSource, bytes: number): void {
    if (!this.#isLimited) return
    const bucket = this.#bucketOf(sourceKey(source))
    this.#refill(bucket)
    const { requestsPerMinute, bytesPerMinute, byteBurst } = this.#limits
    // What is larger than the whole bucket empties it.
    const byteCost = Math.min(bytes, byteBurst)
    const waitS = Math.max(((1 - bucket.requests) * 60) / requestsPerMinute, ((byteCost - bucket.bytes) * 60) / bytesPerMinute)
    if (waitS > 0) throw tooMany('The source asks too often', Math.ceil(waitS))
    bucket.requests -= 1
    bucket.bytes -= byteCost
  }

  #bucketOf(key: string): Bucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) this.#buckets.delete(key)
    else if (this.#buckets.size >= this.#limits.sources && !this.#dropRested()) return this.#shared
    const bucket = known ?? this.#fullBucket()
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** Makes a place where the longest silent source has all its tokens back: forgetting it gives nothing away. */
  #dropRested(): boolean {
    for (const [key, bucket] of this.#buckets) {
      this.#refill(bucket)
      if (bucket.requests < this.#limits.requestBurst || bucket.bytes < this.#limits.byteBurst) return false
      return this.#buckets.delete(key)
    }
    return false
  }

  #refill(bucket: Bucket): void {
    const nowMs = this.#clock.monotonicMs()
    const minutes = (nowMs - bucket.atMs) / 60_000
    bucket.atMs = nowMs
    bucket.requests = Math.min(this.#limits.requestBurst, bucket.requests + minutes * this.#limits.requestsPerMinute)
    bucket.bytes = Math.min(this.#limits.byteBurst, bucket.bytes + minutes * this.#limits.bytesPerMinute)
  }

  #fullBucket(): Bucket {
    return { requests: this.#limits.requestBurst, bytes: this.#limits.byteBurst, atMs: this.#clock.monotonicMs() }
  }
}
