// What one source may keep, and what all sources of one IPv6 prefix may together, so that no device takes the directory from the
// others (RFC 9176 §8.4, RFC 8516): who has a /64 has as many addresses as it likes.
import { AppError, toHex } from '#main/base/index.ts'
import { parseIpv6 } from '#main/wire/ip/index.ts'
import { attributeBytes, utf8Length } from './drafts.ts'
import type { RegistrationRecord, RegistrationSource, SourceLimits } from './types.ts'

export const DEFAULT_SOURCE_LIMITS: SourceLimits = {
  registrations: 256,
  bytes: 1_048_576,
  observers: 32,
  prefixRegistrations: 50_000,
  prefixBytes: 67_108_864,
  prefixObservers: 1024,
  requestsPerMinute: 60,
  requestBurst: 120,
  bytesPerMinute: 262_144,
  byteBurst: 1_048_576,
  sources: 8192,
}
/** Registrations go when their lifetimes end: nothing is gained by asking again sooner. */
export const QUOTA_RETRY_S = 300

/** Without the port, which costs a sender nothing to change. */
export function sourceKey({ address, channelId }: RegistrationSource): string {
  return `${channelId}\n${address.zone ?? ''}\n${address.address}`
}

/** The source's /64 on its channel; undefined for IPv4, where addresses do not come by the billion. */
export function prefixKey({ address, channelId }: RegistrationSource): string | undefined {
  const bytes = parseIpv6(address.address)
  return bytes === undefined ? undefined : `${channelId}\n${address.zone ?? ''}\n${toHex(bytes.subarray(0, 8))}/64`
}

interface Holding {
  registrations: number
  bytes: number
}

/** What each source has in the directory, lapsed registrations included. What this program made counts for nobody. */
export class SourceQuotas {
  #limits: SourceLimits | undefined
  readonly #holdings = new Map<string, Holding>()

  constructor(limits: SourceLimits | undefined) {
    this.#limits = limits
  }

  /** `records` are all that there are: where nothing was limited, nothing has been counted. */
  setLimits(limits: SourceLimits | undefined, records: Iterable<RegistrationRecord>): void {
    this.clear()
    this.#limits = limits
    if (limits !== undefined) for (const record of records) this.add(record)
  }

  /** Throws `rd.full` with `retryAfterS` when the source would hold too much with `next` in the place of `before`. */
  check(next: Pick<RegistrationRecord, 'source' | 'links' | 'attributes'>, before: RegistrationRecord | undefined): void {
    const limits = this.#limits
    if (next.source === undefined || limits === undefined) return
    this.#check(sourceKey, next.source, next, before, limits.registrations, limits.bytes)
    this.#check(prefixKey, next.source, next, before, limits.prefixRegistrations, limits.prefixBytes)
  }

  #check(
    keyOf: (source: RegistrationSource) => string | undefined,
    source: RegistrationSource,
    next: Pick<RegistrationRecord, 'links' | 'attributes'>,
    before: RegistrationRecord | undefined,
    mostRegistrations: number,
    mostBytes: number,
  ): void {
    const key = keyOf(source)
    if (key === undefined) return
    const holding = this.#holdings.get(key)
    const own = before?.source !== undefined && keyOf(before.source) === key ? before : undefined
    const bytes = (holding?.bytes ?? 0) + bytesOf(next) - (own === undefined ? 0 : bytesOf(own))
    const registrations = (holding?.registrations ?? 0) + (own === undefined ? 1 : 0)
    const grows = own === undefined || bytesOf(next) > bytesOf(own)
    if (grows && (registrations > mostRegistrations || bytes > mostBytes)) {
      throw tooMany('The source has too much in the directory', QUOTA_RETRY_S)
    }
  }

  add(record: RegistrationRecord): void {
    this.#count(record, 1)
  }

  delete(record: RegistrationRecord): void {
    this.#count(record, -1)
  }

  clear(): void {
    this.#holdings.clear()
  }

  #count(record: RegistrationRecord, sign: 1 | -1): void {
    if (record.source === undefined || this.#limits === undefined) return
    const bytes = bytesOf(record)
    for (const key of [sourceKey(record.source), prefixKey(record.source)]) {
      if (key === undefined) continue
      const holding = this.#holdings.get(key) ?? { registrations: 0, bytes: 0 }
      holding.registrations += sign
      holding.bytes += sign * bytes
      if (holding.registrations > 0) this.#holdings.set(key, holding)
      else this.#holdings.delete(key)
    }
  }
}

function bytesOf({ links, attributes }: Pick<RegistrationRecord, 'links' | 'attributes'>): number {
  return utf8Length(links) + attributeBytes(attributes)
}

export function tooMany(message: string, retryAfterS: number): AppError {
  return new AppError('rd.full', message, { retryable: true, details: { retryAfterS } })
}
