// What one source may use of this machine (RFC 9482 §4, RFC 8516): requests, bytes and the time that they take, in one bucket by address.
import type { Clock, SocketAddress } from '#main/base/index.ts'

export interface RateLimits {
  /** Units a source may use at once. A request costs one, and one more for each 4 kB and each 20 ms of work, ten for work at most. */
  readonly burst: number
  readonly perMinute: number
  /** Sources that are told apart; more share one bucket. */
  readonly sources: number
  /** Requests of all sources that are worked on at a time. */
  readonly concurrent: number
}

export const DEFAULT_RATES: RateLimits = { burst: 120, perMinute: 120, sources: 4096, concurrent: 64 }
const BYTES_PER_UNIT = 4096
const MS_PER_UNIT = 20
const MAX_WORK_UNITS = 10

interface Bucket {
  units: number
  atMs: number
}

export type Admission =
  { readonly ok: true; readonly done: () => void } | { readonly ok: false; readonly retryAfterS: number; readonly busy: boolean }

export class SourceRates {
  readonly #clock: Clock
  readonly #limits: RateLimits
  /** The longest silent first. */
  readonly #buckets = new Map<string, Bucket>()
  readonly #shared: Bucket
  #running = 0

  constructor(clock: Clock, limits: Partial<RateLimits> = {}) {
    this.#clock = clock
    this.#limits = { ...DEFAULT_RATES, ...limits }
    this.#shared = { units: this.#limits.burst, atMs: clock.monotonicMs() }
  }

  /** Lets a request in or says when to come again. `done` charges for the time that it took. */
  admit(channelId: string, source: SocketAddress, bytes: number): Admission {
    if (this.#running >= this.#limits.concurrent) return { ok: false, retryAfterS: 5, busy: true }
    const bucket = this.#bucketOf(`${channelId}\n${source.zone ?? ''}\n${source.address}`)
    if (bucket.units < 1) return { ok: false, retryAfterS: Math.ceil(((1 - bucket.units) * 60) / this.#limits.perMinute), busy: false }
    bucket.units -= 1 + Math.floor(bytes / BYTES_PER_UNIT)
    this.#running++
    const startedMs = this.#clock.monotonicMs()
    return {
      ok: true,
      done: () => {
        this.#running--
        // A long wait for somebody else is not the source's doing: so much is paid at most.
        bucket.units -= Math.min((this.#clock.monotonicMs() - startedMs) / MS_PER_UNIT, MAX_WORK_UNITS)
      },
    }
  }

  get size(): number {
    return this.#buckets.size
  }

  #bucketOf(key: string): Bucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) this.#buckets.delete(key)
    else if (this.#buckets.size >= this.#limits.sources && !this.#dropRested()) return this.#refilled(this.#shared)
    const bucket = this.#refilled(known ?? { units: this.#limits.burst, atMs: this.#clock.monotonicMs() })
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** Forgetting a source whose bucket is full again gives nothing away. */
  #dropRested(): boolean {
    for (const [key, bucket] of this.#buckets) return this.#refilled(bucket).units >= this.#limits.burst && this.#buckets.delete(key)
    return false
  }

  #refilled(bucket: Bucket): Bucket {
    const nowMs = this.#clock.monotonicMs()
    bucket.units = Math.min(this.#limits.burst, bucket.units + ((nowMs - bucket.atMs) / 60_000) * this.#limits.perMinute)
    bucket.atMs = nowMs
    return bucket
  }
}
