// What one source may ask for and keep: rates and quotas, so that no device takes the directory from the others
// (RFC 9176 §8.4, RFC 8516). Memory is bounded whatever the number of sources, true or pretended.
import { AppError, utf8, type Clock } from '#main/base/index.ts'
import { attributeBytes } from './drafts.ts'
import type { RegistrationRecord, RegistrationSource, SourceLimits } from './types.ts'

export const DEFAULT_SOURCE_LIMITS: SourceLimits = {
  registrations: 256,
  bytes: 1_048_576,
  requestsPerMinute: 60,
  requestBurst: 120,
  bytesPerMinute: 262_144,
  byteBurst: 1_048_576,
  sources: 8192,
}
/** Registrations go when their lifetimes end: nothing is gained by asking again sooner. */
const QUOTA_RETRY_S = 300

/** Without the port, which costs a sender nothing to change. */
export function sourceKey({ address, channelId }: RegistrationSource): string {
  return `${channelId}\n${address.zone ?? ''}\n${address.address}`
}

interface Bucket {
  requests: number
  bytes: number
  atMs: number
}

/** Token buckets of requests and bytes by source. When all places are taken, sources without one share a bucket. */
export class SourceRates {
  readonly #clock: Clock
  readonly #limits: SourceLimits
  /** The longest silent first. */
  readonly #buckets = new Map<string, Bucket>()
  readonly #shared: Bucket

  constructor(clock: Clock, limits: SourceLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#shared = this.#fullBucket()
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Throws `rd.full` with `retryAfterS` in its details when the source asks too often. */
  charge(source: RegistrationSource, bytes: number): void {
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

interface Holding {
  registrations: number
  bytes: number
}

/** What each source has in the directory, lapsed registrations included. What this program made counts for nobody. */
export class SourceQuotas {
  readonly #limits: SourceLimits
  readonly #holdings = new Map<string, Holding>()

  constructor(limits: SourceLimits) {
    this.#limits = limits
  }

  /** Throws `rd.full` with `retryAfterS` when the source would hold too much with `next` in the place of `before`. */
  check(next: Pick<RegistrationRecord, 'source' | 'links' | 'attributes'>, before: RegistrationRecord | undefined): void {
    if (next.source === undefined) return
    const key = sourceKey(next.source)
    const holding = this.#holdings.get(key)
    const own = before?.source !== undefined && sourceKey(before.source) === key ? before : undefined
    const bytes = (holding?.bytes ?? 0) + bytesOf(next) - (own === undefined ? 0 : bytesOf(own))
    const registrations = (holding?.registrations ?? 0) + (own === undefined ? 1 : 0)
    const grows = own === undefined || bytesOf(next) > bytesOf(own)
    if (grows && (registrations > this.#limits.registrations || bytes > this.#limits.bytes)) {
      throw tooMany('The source has too much in the directory', QUOTA_RETRY_S)
    }
  }

  add(record: RegistrationRecord): void {
    if (record.source === undefined) return
    const key = sourceKey(record.source)
    const holding = this.#holdings.get(key) ?? { registrations: 0, bytes: 0 }
    holding.registrations++
    holding.bytes += bytesOf(record)
    this.#holdings.set(key, holding)
  }

  delete(record: RegistrationRecord): void {
    if (record.source === undefined) return
    const key = sourceKey(record.source)
    const holding = this.#holdings.get(key)
    if (holding === undefined) return
    holding.registrations--
    holding.bytes -= bytesOf(record)
    if (holding.registrations <= 0) this.#holdings.delete(key)
  }

  clear(): void {
    this.#holdings.clear()
  }
}

function bytesOf({ links, attributes }: Pick<RegistrationRecord, 'links' | 'attributes'>): number {
  return utf8(links).length + attributeBytes(attributes)
}

function tooMany(message: string, retryAfterS: number): AppError {
  return new AppError('rd.full', message, { retryable: true, details: { retryAfterS } })
}
