// Responses of servers, each kept for one server and one resource, whichever request it answered: single or group
// (RFC 7252 §5.6, §5.7.1; draft-ietf-core-groupcomm-proxy-07 §7).
import { equalBytes, toHex, type Clock } from '#main/base/index.ts'
import {
  findOption,
  findUint,
  isNoCacheKey,
  OptionNumber,
  uintOption,
  type CoapOption,
  type Method,
  type OutgoingResponse,
} from '#main/wire/coap/index.ts'

export interface CachedResponse {
  readonly response: OutgoingResponse
  readonly etag: Uint8Array | undefined
  readonly storedMs: number
  readonly maxAgeMs: number
  /** Differs for whatever has been stored since. */
  readonly serial: number
  /** The group that it came as an answer of; undefined where the server was asked alone. */
  readonly group: string | undefined
}

interface Entry extends CachedResponse {
  readonly resource: string
  readonly server: string
  readonly path: string
  readonly bytes: number
}

/** Of an entry beside its payload. */
const ENTRY_BYTES = 300
/** A response without Max-Age is fresh for so long (RFC 7252 §5.10.5). */
const DEFAULT_MAX_AGE_S = 60
const MAX_KEY_BYTES = 1024

/**
 * What tells resources apart on any server: method, path, query and all further options of the Cache-Key; undefined where the response
 * must not be kept. `options` are those that go to the server, the validators left out.
 */
export function resourceKey(method: Method, options: readonly CoapOption[], payload: Uint8Array): string | undefined {
  if (method !== 'GET' && method !== 'FETCH') return undefined
  if (method === 'GET' && payload.length > 0) return undefined
  let size = payload.length
  let key = `${method} ${method === 'FETCH' ? toHex(payload.subarray(0, MAX_KEY_BYTES)) : ''}`
  for (const option of [...options].sort((a, b) => a.number - b.number)) {
    if (isNoCacheKey(option.number) || option.number === OptionNumber.ETAG || option.number === OptionNumber.HOP_LIMIT) continue
    // Conditional and protected requests, and proofs of freshness, are for the server alone.
    if (option.number === OptionNumber.IF_MATCH || option.number === OptionNumber.IF_NONE_MATCH) return undefined
    size += option.value.length
    key += ` ${option.number}:${toHex(option.value)}`
  }
  return size > MAX_KEY_BYTES ? undefined : key
}

/** The path alone, for the resources that a successful change makes stale. */
export function pathKey(options: readonly CoapOption[]): string {
  return options
    .filter((option) => option.number === OptionNumber.URI_PATH)
    .map((option) => toHex(option.value))
    .join('/')
}

export class ResponseCache {
  readonly #clock: Clock
  readonly #maxEntries: number
  readonly #maxBytes: number
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0
  #serial = 0

  constructor(clock: Clock, maxEntries: number, maxBytes: number) {
    this.#clock = clock
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps a 2.05; anything else, or one with Max-Age 0, only takes the place of what was kept. */
  put(resource: string, server: string, requestOptions: readonly CoapOption[], response: OutgoingResponse, group?: string): boolean {
    const key = entryKey(resource, server)
    this.#drop(key)
    const options = response.options ?? []
    const maxAgeMs = (findUint(options, OptionNumber.MAX_AGE) ?? DEFAULT_MAX_AGE_S) * 1000
    if (response.code !== '2.05' || maxAgeMs === 0) return false
    const optionBytes = options.reduce((sum, option) => sum + option.value.length + 8, 0)
    const bytes = ENTRY_BYTES + key.length + (response.payload?.length ?? 0) + optionBytes
    if (bytes > this.#maxBytes / 4) return false
    const etag = findOption(options, OptionNumber.ETAG)?.value
    const storedMs = this.#clock.monotonicMs()
    this.#entries.set(key, {
      response,
      etag,
      storedMs,
      maxAgeMs,
      resource,
      server,
      path: pathKey(requestOptions),
      bytes,
      serial: ++this.#serial,
      group,
    })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) break
      this.#drop(oldest)
    }
    return true
  }

  /** Fresh or stale. */
  get(resource: string, server: string): CachedResponse | undefined {
    const key = entryKey(resource, server)
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  /** What a 2.03 says: the stored response holds for another while, with the options of the 2.03 in place of its own (RFC 7252 §5.9.1.3). */
  revalidate(
    resource: string,
    server: string,
    requestOptions: readonly CoapOption[],
    valid: readonly CoapOption[],
  ): OutgoingResponse | undefined {
    const entry = this.#entries.get(entryKey(resource, server))
    const etag = findOption(valid, OptionNumber.ETAG)?.value
    if (entry?.etag === undefined || etag === undefined || !equalBytes(entry.etag, etag)) return undefined
    const replaced = new Set(valid.map((option) => option.number).concat(OptionNumber.MAX_AGE))
    const kept = (entry.response.options ?? []).filter((option) => !replaced.has(option.number))
    const response = { ...entry.response, options: [...kept, ...valid] }
    this.put(resource, server, requestOptions, response, entry.group)
    return response
  }

  /** The servers that a response is kept of, and the responses, for one resource. */
  entriesOf(resource: string): ReadonlyArray<{ readonly server: string; readonly entry: CachedResponse }> {
    return [...this.#entries.values()].filter((entry) => entry.resource === resource).map((entry) => ({ server: entry.server, entry }))
  }

  isFresh(entry: CachedResponse): boolean {
    return this.residualMs(entry) > 0
  }

  residualMs(entry: CachedResponse): number {
    return entry.storedMs + entry.maxAgeMs - this.#clock.monotonicMs()
  }

  /** The response with a Max-Age that counts the time in the cache, rounded down (RFC 7252 §5.7.1). */
  served(entry: CachedResponse): OutgoingResponse {
    const options = (entry.response.options ?? []).filter((option) => option.number !== OptionNumber.MAX_AGE)
    const seconds = Math.max(0, Math.floor(this.residualMs(entry) / 1000))
    return { ...entry.response, options: [...options, uintOption(OptionNumber.MAX_AGE, seconds)] }
  }

  /** Forgets what is kept of a path of a server, after a request that changed it (RFC 7252 §5.8). */
  invalidate(server: string, path: string): void {
    for (const [key, entry] of this.#entries) if (entry.server === server && entry.path === path) this.#drop(key)
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}

function entryKey(resource: string, server: string): string {
  return `${server} ${resource}`
}
