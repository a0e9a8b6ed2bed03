// A client of groups with a cache: validation by ETag in group requests, unicast requests served from what a group has answered, and
// no request at all where a fresh response of every member is at hand (groupcomm-bis-18 §3.2, RFC 7252 §8.2.1).
import { equalBytes, type Clock, type SocketAddress } from '#main/base/index.ts'
import { isSuccess } from './codes.ts'
import { unicastForm } from './group-block.ts'
import { GroupCacheStore, groupKey, pathKey, requestKey, type CachedResponse } from './group-cache-store.ts'
import { serverKey } from './group-call.ts'
import { findOption, opaqueOption, OptionNumber } from './options.ts'
import type { ClientRequest, ClientResponse, CoapClient, GroupRequestOptions, RequestOptions } from './types.ts'

export interface GroupCacheOptions {
  readonly client: CoapClient
  readonly clock: Clock
  readonly maxEntries?: number
  readonly maxBytes?: number
  /** ETag options in one group request: each takes up to nine bytes of a frame. */
  readonly maxETags?: number
}

const MAX_ENTRIES = 4096
const MAX_BYTES = 4 * 1024 * 1024
const MAX_ETAGS = 4

export class CachingGroupClient implements CoapClient {
  readonly #client: CoapClient
  readonly #clock: Clock
  readonly #store: GroupCacheStore
  readonly #maxETags: number

  constructor(options: GroupCacheOptions) {
    this.#client = options.client
    this.#clock = options.clock
    this.#store = new GroupCacheStore(options.clock, {
      maxEntries: options.maxEntries ?? MAX_ENTRIES,
      maxBytes: options.maxBytes ?? MAX_BYTES,
    })
    this.#maxETags = options.maxETags ?? MAX_ETAGS
  }

  get channelId(): string {
    return this.#client.channelId
  }

  /** What is held, bounded by the options. */
  holdings(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#store.size, bytes: this.#store.bytes }
  }

  groupRequestBytes(request: ClientRequest): number {
    return this.#client.groupRequestBytes(request)
  }

  /** A GET or FETCH that the server has answered, to a group or alone, is served from the cache while that is fresh; else it is validated. */
  async request(to: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse> {
    if (!isCacheable(request)) {
      const response = await this.#client.request(to, request, options)
      this.#invalidate(request, response)
      return response
    }
    const key = requestKey(request)
    const entry = this.#store.find(to, key)
    if (entry !== undefined && this.#store.isFresh(entry)) return this.#cached(entry)
    const etag = entry === undefined ? undefined : etagOf(entry.response)
    const response = await this.#client.request(to, etag === undefined ? request : withETags(request, [etag]), options)
    if (response.code === '2.03' && entry !== undefined) return this.#store.revalidate(entry, response)
    if (response.code === '2.05') this.#store.store(undefined, key, response)
    return response
  }

  /** Yields new and validated responses as they come, and last the stored ones of servers that were silent, while they are fresh. */
  groupRequest(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncIterable<ClientResponse> {
    const start = isCacheable(request) ? () => this.#cachedRequest(to, request, options) : () => this.#changingRequest(to, request, options)
    return { [Symbol.asyncIterator]: start }
  }

  async *#changingRequest(
    to: SocketAddress,
    request: ClientRequest,
    options: GroupRequestOptions,
  ): AsyncGenerator<ClientResponse, void, undefined> {
    for await (const response of this.#client.groupRequest(to, request, options)) {
      this.#invalidate(request, response)
      yield response
    }
  }

  async *#cachedRequest(
    to: SocketAddress,
    request: ClientRequest,
    options: GroupRequestOptions,
  ): AsyncGenerator<ClientResponse, void, undefined> {
    const group = groupKey(to)
    const key = requestKey(request)
    const complete = this.#allFresh(group, key, options.members)
    if (complete !== undefined) {
      for (const entry of complete) yield this.#cached(entry)
      return
    }
    const answered = new Set<string>()
    const etags = this.#store.etags(group, key, this.#maxETags)
    for await (const response of this.#client.groupRequest(to, withETags(request, etags), options)) {
      answered.add(serverKey(response.source))
      const taken = await this.#take(group, key, request, response, options.signal)
      if (taken !== undefined) yield taken
    }
    for (const entry of this.#store.ofGroup(group, key)) {
      if (!answered.has(entry.server) && this.#store.isFresh(entry)) yield this.#cached(entry)
    }
  }

  /** §3.2.1: the members are all known, and of each a fresh response is stored. */
  #allFresh(group: string, key: string, members: readonly string[] | undefined): CachedResponse[] | undefined {
    if (members === undefined || members.length === 0) return undefined
    const fresh = new Map<string, CachedResponse>()
    for (const entry of this.#store.ofGroup(group, key)) if (this.#store.isFresh(entry)) fresh.set(entry.server, entry)
    const entries = [...new Set(members)].flatMap((member) => fresh.get(member) ?? [])
    return entries.length === new Set(members).size ? entries : undefined
  }

  async #take(
    group: string,
    key: string,
    request: ClientRequest,
    response: ClientResponse,
    signal: AbortSignal | undefined,
  ): Promise<ClientResponse | undefined> {
    if (response.code === '2.05') {
      this.#store.store(group, key, response)
      return response
    }
    if (response.code !== '2.03') return response
    const etag = etagOf(response)
    const entry = this.#store.find(response.source, key)
    const stored = entry === undefined ? undefined : etagOf(entry.response)
    if (entry !== undefined && (etag === undefined || (stored !== undefined && equalBytes(stored, etag))))
      return this.#store.revalidate(entry, response)
    // §3.2.2.1: valid by a tag that was another server's. Asked again without it, by unicast.
    if (etag !== undefined) this.#store.markDuplicated(key, etag)
    try {
      const again = await this.#client.request(response.source, unicastForm(request), signal === undefined ? {} : { signal })
      if (again.code === '2.05') this.#store.store(group, key, again)
      return again
    } catch {
      // The server counts as not having answered.
      return undefined
    }
  }

  #cached(entry: CachedResponse): ClientResponse {
    return { ...entry.response, ageMs: this.#clock.monotonicMs() - entry.storedMs }
  }

  #invalidate(request: ClientRequest, response: ClientResponse): void {
    if (!isCacheable(request) && isSuccess(response.code)) this.#store.invalidate(serverKey(response.source), pathKey(request.path))
  }
}

function isCacheable(request: ClientRequest): boolean {
  if (request.method !== 'GET' && request.method !== 'FETCH') return false
  return findOption(request.options ?? [], OptionNumber.OBSERVE) === undefined
}

function withETags(request: ClientRequest, etags: readonly Uint8Array[]): ClientRequest {
  if (etags.length === 0) return request
  return { ...request, options: [...(request.options ?? []), ...etags.map((etag) => opaqueOption(OptionNumber.ETAG, etag))] }
}

function etagOf(response: ClientResponse): Uint8Array | undefined {
  return findOption(response.options, OptionNumber.ETAG)?.value
}
