// Responses of the servers of groups, each by its server: freshness, validators, and which ETag values more than one server has used
// (groupcomm-bis-18 §3.2, RFC 7252 §5.6). No I/O.
import { equalBytes, sha256, toHex, utf8, type Clock, type SocketAddress } from '#main/base/index.ts'
import { requestOptions } from './client.ts'
import { serverKey } from './group-call.ts'
import { findOption, findUint, isNoCacheKey, OptionNumber } from './options.ts'
import type { ClientRequest, ClientResponse, CoapOption } from './types.ts'

export interface CacheLimits {
  readonly maxEntries: number
  /** Of all payloads together. */
  readonly maxBytes: number
}

export interface CachedResponse {
  /** Its address; its port may change, but what is stored is stored for the port that it came from. */
  readonly server: string
  response: ClientResponse
  storedMs: number
  expiresMs: number
}

const DEFAULT_MAX_AGE_S = 60
/** What the cache interprets itself (RFC 7252 §5.6). */
const INTERPRETED = new Set<number>([
  OptionNumber.ETAG,
  OptionNumber.BLOCK2,
  OptionNumber.OBSERVE,
  OptionNumber.URI_PORT,
  OptionNumber.NO_RESPONSE,
])
/** What an entry costs besides its payload. */
const ENTRY_BYTES = 256
const MAX_DUPLICATED = 4096

export class GroupCacheStore {
  readonly #clock: Clock
  readonly #limits: CacheLimits
  /** By server and request; least lately used first. */
  readonly #entries = new Map<string, CachedResponse>()
  /** By group and request: the servers that have answered, by address and port. */
  readonly #responders = new Map<string, Set<string>>()
  /** ETag values that two servers have used for one request: not to be used for revalidation. */
  readonly #duplicated = new Set<string>()
  #bytes = 0

  constructor(clock: Clock, limits: CacheLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The stored response of the server at that address and port; fresh or not. */
  find(at: SocketAddress, request: string): CachedResponse | undefined {
    return this.#entries.get(`${groupKey(at)} ${request}`)
  }

  isFresh(entry: CachedResponse): boolean {
    return entry.expiresMs > this.#clock.monotonicMs()
  }

  /** Everything stored from servers that answered the request to that group. */
  ofGroup(group: string, request: string): CachedResponse[] {
    const found: CachedResponse[] = []
    for (const peer of this.#responders.get(`${group} ${request}`) ?? []) {
      const entry = this.#entries.get(`${peer} ${request}`)
      if (entry !== undefined) found.push(entry)
    }
    return found
  }

  /** Takes a 2.05 in, in the place of the one before. */
  store(group: string | undefined, request: string, response: ClientResponse): void {
    const server = serverKey(response.source)
    const peer = groupKey(response.source)
    const key = `${peer} ${request}`
    this.#remove(key)
    if (response.payload.length + ENTRY_BYTES > this.#limits.maxBytes) return
    const nowMs = this.#clock.monotonicMs()
    const etag = findOption(response.options, OptionNumber.ETAG)?.value
    if (etag !== undefined && group !== undefined) this.#noteDuplicates(group, request, server, etag)
    this.#entries.set(key, { server, response, storedMs: nowMs, expiresMs: nowMs + maxAgeMs(response.options) })
    this.#bytes += response.payload.length + ENTRY_BYTES
    if (group !== undefined) this.#addResponder(`${group} ${request}`, peer)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#bytes <= this.#limits.maxBytes) break
      this.#remove(oldest)
    }
  }

  /** A 2.03 of the entry's server: fresh again, with the options that the 2.03 has brought (RFC 7252 §5.9.1.3). */
  revalidate(entry: CachedResponse, valid: ClientResponse): ClientResponse {
    const nowMs = this.#clock.monotonicMs()
    const brought = new Set(valid.options.map((option) => option.number))
    const options = [...entry.response.options.filter((option) => !brought.has(option.number)), ...valid.options].sort(
      (a, b) => a.number - b.number,
    )
    const withoutAge = options.filter((option) => option.number !== OptionNumber.MAX_AGE || brought.has(OptionNumber.MAX_AGE))
    entry.response = { ...entry.response, options: withoutAge, source: valid.source, elapsedMs: valid.elapsedMs }
    entry.storedMs = nowMs
    entry.expiresMs = nowMs + maxAgeMs(withoutAge)
    return entry.response
  }

  /** ETag values to validate stored responses by: stale ones first, none that is duplicated. */
  etags(group: string, request: string, most: number): Uint8Array[] {
    const entries = this.ofGroup(group, request).sort((a, b) => a.expiresMs - b.expiresMs)
    const chosen = new Map<string, Uint8Array>()
    for (const { response } of entries) {
      if (chosen.size >= most) break
      const etag = findOption(response.options, OptionNumber.ETAG)?.value
      if (etag !== undefined && !this.#duplicated.has(`${request} ${toHex(etag)}`)) chosen.set(toHex(etag), etag)
    }
    return [...chosen.values()]
  }

  markDuplicated(request: string, etag: Uint8Array): void {
    if (this.#duplicated.size >= MAX_DUPLICATED) this.#duplicated.clear()
    this.#duplicated.add(`${request} ${toHex(etag)}`)
  }

  /** The server has changed the resource: what is stored of it is not fresh any more (RFC 7252 §5.9.1). */
  invalidate(server: string, path: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.server === server && key.includes(` ${path} `)) entry.expiresMs = Number.NEGATIVE_INFINITY
    }
  }

  #noteDuplicates(group: string, request: string, server: string, etag: Uint8Array): void {
    for (const other of this.ofGroup(group, request)) {
      const theirs = findOption(other.response.options, OptionNumber.ETAG)?.value
      if (other.server !== server && theirs !== undefined && equalBytes(theirs, etag)) this.markDuplicated(request, etag)
    }
  }

  #addResponder(key: string, peer: string): void {
    const known = this.#responders.get(key) ?? new Set<string>()
    known.add(peer)
    this.#responders.delete(key)
    this.#responders.set(key, known)
    if (known.size > this.#limits.maxEntries || this.#responders.size > this.#limits.maxEntries) {
      for (const oldest of this.#responders.keys()) {
        this.#responders.delete(oldest)
        break
      }
    }
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.response.payload.length + ENTRY_BYTES
  }
}

/** Method, path and every option of the cache key; for FETCH its body too (RFC 7252 §5.6, RFC 8132 §2). */
export function requestKey(request: ClientRequest): string {
  const options = requestOptions(request)
    .filter((option) => !isNoCacheKey(option.number) && !INTERPRETED.has(option.number) && option.number !== OptionNumber.URI_PATH)
    .sort((a, b) => a.number - b.number)
    .map((option) => `${option.number}:${toHex(option.value)}`)
  const body = request.method === 'FETCH' && request.payload !== undefined ? toHex(sha256(request.payload)) : ''
  return `${request.method} ${pathKey(request.path)} ${options.join(' ')} ${body}`
}

/** Without spaces, so that it can be found in a request's key. */
export function pathKey(path: readonly string[]): string {
  return `/${path.map((segment) => toHex(utf8(segment))).join('/')}`
}

/** Groups, and servers in them, by address and port. */
export function groupKey(at: SocketAddress): string {
  return `${serverKey(at)}#${at.port}`
}

function maxAgeMs(options: readonly CoapOption[]): number {
  return (findUint(options, OptionNumber.MAX_AGE) ?? DEFAULT_MAX_AGE_S) * 1000
}
