// The client's cache of responses (RFC 7252 §5.6, §5.9, §5.10.5, §5.10.6; RFC 8132 §2.1): fresh ones are used again, stale ones validated.
import { equalBytes, toHex, type Clock, type SocketAddress } from '#main/base/index.ts'
import { requestOptions } from './client.ts'
import { peerKey } from './message-layer.ts'
import { findOption, findUint, isNoCacheKey, isUnsafe, OptionNumber } from './options.ts'
import type { ClientRequest, ClientResponse, CoapOption } from './types.ts'

export interface CacheLimits {
  readonly maxEntries: number
  readonly maxBytes: number
}

export const DEFAULT_CACHE_LIMITS: CacheLimits = { maxEntries: 1000, maxBytes: 4 * 1024 * 1024 }

interface Entry {
  readonly resource: string
  response: ClientResponse
  readonly bytes: number
  storedMs: number
  freshUntilMs: number
}

const DEFAULT_MAX_AGE_S = 60
/** An entry's share of keys and objects. */
const ENTRY_BYTES = 256

/** Options that say where a resource is. Invalidation goes by these without the query: a method may change what any query selects. */
const OF_THE_RESOURCE = new Set<number>([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PORT,
  OptionNumber.URI_PATH,
  OptionNumber.PROXY_URI,
  OptionNumber.PROXY_SCHEME,
  OptionNumber.PROXY_CRI,
  OptionNumber.PROXY_SCHEME_NUMBER,
])

/** Unsafe options whose meaning for a cache is known: they are part of the key. */
const KNOWN_UNSAFE = new Set<number>([...OF_THE_RESOURCE, OptionNumber.URI_QUERY])

/** With one of these a request is about more than a representation, or the caller does the caching. */
const NOT_CACHED = new Set<number>([
  OptionNumber.ETAG,
  OptionNumber.OBSERVE,
  OptionNumber.BLOCK1,
  OptionNumber.BLOCK2,
  OptionNumber.Q_BLOCK1,
  OptionNumber.Q_BLOCK2,
  OptionNumber.IF_MATCH,
  OptionNumber.IF_NONE_MATCH,
  OptionNumber.OSCORE,
  OptionNumber.ECHO,
  OptionNumber.NO_RESPONSE,
])

export class ResponseCache {
  readonly #clock: Clock
  readonly #limits: CacheLimits
  /** The longest unused first. */
  readonly #entries = new Map<string, Entry>()
  readonly #keysOfResource = new Map<string, Set<string>>()
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

  /** The response from here where it is fresh, else asked for, validating what is stored. */
  async run(to: SocketAddress, request: ClientRequest, ask: (request: ClientRequest) => Promise<ClientResponse>): Promise<ClientResponse> {
    const options = requestOptions(request)
    const key = cacheKey(to, request, options)
    if (key === undefined) {
      const response = await ask(request)
      this.#invalidateBy(to, request, options, response)
      return response
    }
    const entry = this.#entries.get(key)
    const nowMs = this.#clock.monotonicMs()
    if (entry !== undefined && nowMs < entry.freshUntilMs) {
      this.#touch(key, entry)
      return { ...entry.response, elapsedMs: 0, ageMs: nowMs - entry.storedMs }
    }
    const etag = entry === undefined ? undefined : findOption(entry.response.options, OptionNumber.ETAG)
    if (entry === undefined || etag === undefined) return this.#store(key, to, options, await ask(request))
    const response = await ask({ ...request, options: [...(request.options ?? []), etag] })
    if (response.code !== '2.03') return this.#store(key, to, options, response)
    const valid = findOption(response.options, OptionNumber.ETAG)
    // A 2.03 that names another representation, or none, tells nothing of ours.
    if (valid === undefined || !equalBytes(valid.value, etag.value)) return this.#store(key, to, options, await ask(request))
    const whole = { ...response, code: entry.response.code, payload: entry.response.payload, contentFormat: entry.response.contentFormat }
    return this.#store(key, to, options, { ...whole, options: updatedOptions(entry.response.options, response.options) })
  }

  /** Takes in a response that came otherwise, e.g. a notification (RFC 7641 §3.3). */
  store(to: SocketAddress, request: ClientRequest, response: ClientResponse): void {
    const options = requestOptions(request)
    const key = cacheKey(to, request, options)
    if (key !== undefined) this.#store(key, to, options, response)
  }

  clear(): void {
    this.#entries.clear()
    this.#keysOfResource.clear()
    this.#bytes = 0
  }

  #store(key: string, to: SocketAddress, options: readonly CoapOption[], response: ClientResponse): ClientResponse {
    this.#delete(key)
    const maxAgeMs = (findUint(response.options, OptionNumber.MAX_AGE) ?? DEFAULT_MAX_AGE_S) * 1000
    const validatable = findOption(response.options, OptionNumber.ETAG) !== undefined
    // §5.9: 2.05 and errors are cacheable; other successes, and those unknown here, are not.
    const cacheable = response.code === '2.05' || !response.code.startsWith('2.')
    const bytes = ENTRY_BYTES + key.length + response.payload.length
    if (!cacheable || (maxAgeMs === 0 && !validatable) || bytes > this.#limits.maxBytes) return response
    const nowMs = this.#clock.monotonicMs()
    const resource = resourceKey(to, options)
    this.#entries.set(key, { resource, response, bytes, storedMs: nowMs, freshUntilMs: nowMs + maxAgeMs })
    this.#bytes += bytes
    const keys = this.#keysOfResource.get(resource)
    if (keys === undefined) this.#keysOfResource.set(resource, new Set([key]))
    else keys.add(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#bytes <= this.#limits.maxBytes) break
      this.#delete(oldest)
    }
    return response
  }

  #touch(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
    const keys = this.#keysOfResource.get(entry.resource)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysOfResource.delete(entry.resource)
  }

  /** §5.9.1: what a method has created, deleted or changed is stored as stale from then on. */
  #invalidateBy(to: SocketAddress, request: ClientRequest, options: readonly CoapOption[], response: ClientResponse): void {
    if (request.method === 'GET' || request.method === 'FETCH' || !response.code.startsWith('2.')) return
    this.#makeStale(resourceKey(to, options))
    if (response.code !== '2.01') return
    const elsewhere = options.filter((option) => option.number === OptionNumber.URI_HOST || option.number === OptionNumber.URI_PORT)
    const location = response.options.filter((option) => option.number === OptionNumber.LOCATION_PATH)
    this.#makeStale(resourceKey(to, [...elsewhere, ...location.map(({ value }) => ({ number: OptionNumber.URI_PATH, value }))]))
  }

  #makeStale(resource: string): void {
    for (const key of this.#keysOfResource.get(resource) ?? []) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) entry.freshUntilMs = Number.NEGATIVE_INFINITY
    }
  }
}

/** The Cache-Key (§5.6); undefined where the cache has nothing to do with the request. */
function cacheKey(to: SocketAddress, request: ClientRequest, options: readonly CoapOption[]): string | undefined {
  if (request.method !== 'GET' && request.method !== 'FETCH') return undefined
  const parts: CoapOption[] = []
  for (const option of options) {
    const { number } = option
    if (NOT_CACHED.has(number) || (isUnsafe(number) && !KNOWN_UNSAFE.has(number))) return undefined
    if (!isNoCacheKey(number)) parts.push(option)
  }
  const body = request.method === 'FETCH' ? ` ${toHex(request.payload ?? new Uint8Array(0))}` : ''
  return `${peerKey(to)} ${request.method} ${keyOf(parts)}${body}`
}

function resourceKey(to: SocketAddress, options: readonly CoapOption[]): string {
  return `${peerKey(to)} ${keyOf(options.filter((option) => OF_THE_RESOURCE.has(option.number)))}`
}

function keyOf(options: readonly CoapOption[]): string {
  const inOrder = [...options].sort((a, b) => a.number - b.number)
  return inOrder.map((option) => `${option.number}:${toHex(option.value)}`).join(' ')
}

/** The stored options, those that the 2.03 brings in place of their namesakes (§5.9.1.3). */
function updatedOptions(stored: readonly CoapOption[], update: readonly CoapOption[]): CoapOption[] {
  const renewed = new Set(update.map((option) => option.number))
  return [...stored.filter((option) => !renewed.has(option.number) && option.number !== OptionNumber.MAX_AGE), ...update]
}
