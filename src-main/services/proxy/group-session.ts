// One group request under way to the servers of a group: each response back as it comes until the time is over, and what the cache
// adds to them (draft-tiloca-core-groupcomm-proxy-00 §5.4; draft-ietf-core-groupcomm-proxy-07 §5.4, §7).
import {
  equalBytes,
  formatSocketAddress,
  isAbort,
  toAppError,
  type Clock,
  type Logger,
  type SocketAddress,
  type Timer,
} from '#main/base/index.ts'
import {
  findOptions,
  OptionNumber,
  type ClientRequest,
  type ClientResponse,
  type CoapOption,
  type FurtherResponse,
  type OutgoingResponse,
} from '#main/wire/coap/index.ts'
import { parseSocketAddress } from '#main/wire/ip/index.ts'
import { resourceKey, type CachedResponse, type ResponseCache } from './cache.ts'
import type { GroupSets } from './group-set.ts'
import { criOf, groupEtagOption, multicastSignalingOption, replyFromOption, type ProxyOptionNumbers, type ReplyFrom } from './options.ts'
import type { NotificationNumbers } from './observe-single.ts'
import type { ProxyPolicy } from './policy.ts'
import { passedOn, type ForwardedRequest, type NextHop, type ProxyEgress } from './single.ts'
import { uriOptionsOf, type CoapTarget } from './target.ts'

/** Where the responses go: a CoAP client, or an HTTP response in the making. */
export interface GroupClientSide {
  /** `onGone` is for a client that shows it wants no more. */
  deliver(response: OutgoingResponse, onGone: () => void, how?: FurtherResponse): void
  /** `stopped`: the client asked for it, so what has not left yet shall not leave. */
  end(stopped: boolean): void
}

export interface GroupErrand {
  /** Tells this request of this client from all others: its address and token. */
  readonly key: string
  /** Whose bounds it counts against. */
  readonly client: string
  readonly target: CoapTarget
  readonly request: ForwardedRequest
  readonly generation: '00' | '07'
  /** T' in seconds. */
  readonly timeoutS: number
  readonly side: GroupClientSide
  /** What Reply-From says of a server; the server itself unless told. */
  readonly replyFrom?: (server: SocketAddress) => ReplyFrom
}

export interface GroupForwarderOptions {
  readonly sequence: NotificationNumbers
  readonly egress: (to: SocketAddress) => ProxyEgress | undefined
  readonly cache: ResponseCache
  readonly sets: GroupSets
  readonly numbers: ProxyOptionNumbers
  readonly policy: ProxyPolicy
  readonly clock: Clock
  readonly logger: Logger
  readonly nextHop: NextHop | undefined
}

/** ETags of stale responses that a forwarded group request asks the servers about (-07 §7.2.2). */
const MAX_OWN_ETAGS = 4
/** How long before the end cached responses stand in for servers that have not answered (-07 §7.1). */
const STAND_IN_MS = 1000

/** One group request under way to the servers themselves. */
export class GroupSession {
  readonly #options: GroupForwarderOptions
  readonly #errand: GroupErrand
  readonly #way: ProxyEgress
  readonly #passed: readonly CoapOption[]
  readonly #timeoutS: number
  readonly #onEnd: () => void
  readonly #abort = new AbortController()
  readonly #resource: string | undefined
  readonly #group: SocketAddress
  /** Cached responses that stand in for servers that do not answer. */
  readonly #standIns = new Map<string, CachedResponse>()
  #timer: Timer | undefined
  #responses = 0
  #bytes = 0
  #ended = false

  constructor(
    options: GroupForwarderOptions,
    errand: GroupErrand,
    way: ProxyEgress,
    passed: readonly CoapOption[],
    timeoutS: number,
    onEnd: () => void,
  ) {
    this.#options = options
    this.#errand = errand
    this.#way = way
    this.#passed = passed
    this.#timeoutS = timeoutS
    this.#onEnd = onEnd
    const { target, request } = errand
    this.#group = groupOf(target)
    this.#resource = errand.generation === '07' ? resourceKey(request.method, this.#sentOptions(), request.payload) : undefined
  }

  start(): void {
    const { clock } = this.#options
    const timeoutMs = this.#timeoutS * 1000
    const own = timeoutMs > 0 ? this.#useCache(timeoutMs) : []
    if (this.#standIns.size > 0) {
      this.#timer = clock.setTimer(Math.max(timeoutMs - STAND_IN_MS, timeoutMs / 2), () => this.#sendStandIns())
    }
    const { method, payload } = this.#errand.request
    const request: ClientRequest = { method, path: [], payload, options: [...this.#sentOptions(), ...own] }
    void this.#collect(request, timeoutMs)
  }

  /** At the client's wish. */
  stop(): void {
    this.#end(true)
  }

  async #collect(request: ClientRequest, deadlineMs: number): Promise<void> {
    try {
      const responses = this.#way.groupRequest(this.#group, request, { deadlineMs, signal: this.#abort.signal })
      for await (const response of responses) {
        if (deadlineMs > 0) this.#onResponse(response)
        if (this.#abort.signal.aborted) break
      }
    } catch (thrown) {
      if (!isAbort(thrown)) {
        this.#options.logger.warn(
          { err: toAppError(thrown), group: formatSocketAddress(this.#group) },
          'A group request could not be forwarded',
        )
        if (this.#responses === 0 && deadlineMs > 0) this.#deliver({ code: '5.02' })
      }
    }
    this.#end(false)
  }

  #sentOptions(): readonly CoapOption[] {
    const { generation, target } = this.#errand
    const signaling = generation === '00' ? [multicastSignalingOption(this.#options.numbers, this.#errand.timeoutS)] : []
    return [...uriOptionsOf(target), ...this.#passed, ...signaling]
  }

  /** Forwards what will not stay fresh, remembers what will, and names what might be valid still (-07 §7.1, §7.2.2). */
  #useCache(timeoutMs: number): readonly CoapOption[] {
    const { cache } = this.#options
    if (this.#resource === undefined) return []
    const tags: Uint8Array[] = []
    for (const { server, entry } of cache.entriesOf(this.#resource)) {
      if (!this.#isOfGroup(entry)) continue
      const residualMs = cache.residualMs(entry)
      if (residualMs > 0 && residualMs < timeoutMs) this.#deliverFrom(server, cache.served(entry))
      else if (residualMs > 0) this.#standIns.set(server, entry)
      else if (entry.etag !== undefined && tags.length < MAX_OWN_ETAGS && !tags.some((tag) => equalBytes(tag, entry.etag ?? tag)))
        tags.push(entry.etag)
    }
    const asked = this.#askedTags()
    return tags.filter((tag) => !asked.some((one) => equalBytes(one, tag))).map((value) => ({ number: OptionNumber.ETAG, value }))
  }

  /** Whether the stored response came as an answer of this group: others of the same path may be of other groups. */
  #isOfGroup(entry: CachedResponse): boolean {
    return entry.group === formatSocketAddress(this.#group)
  }

  #sendStandIns(): void {
    const { cache } = this.#options
    for (const [server, entry] of this.#standIns) if (cache.isFresh(entry)) this.#deliverFrom(server, cache.served(entry))
    this.#standIns.clear()
  }

  #askedTags(): readonly Uint8Array[] {
    return findOptions(this.#errand.request.options, OptionNumber.ETAG).map((option) => option.value)
  }

  #onResponse(response: ClientResponse): void {
    const { numbers, cache, sets } = this.#options
    const passed = passedOn(numbers, response)
    if (passed === undefined || this.#ended) return
    const server = formatSocketAddress(response.source)
    if (this.#errand.generation === '00') {
      this.#deliver(passed)
      return
    }
    const resource = this.#resource
    const named = withReplyFrom(passed, numbers, { cri: criOf(response.source), reference: undefined })
    if (resource === undefined) {
      this.#deliverFrom(server, named)
      return
    }
    this.#standIns.delete(server)
    if (response.code === '2.03') {
      this.#onValid(named, response.source, resource)
      return
    }
    cache.put(resource, server, this.#sentOptions(), named, formatSocketAddress(this.#group))
    const complete = response.code === '2.05' ? sets.complete(this.#group, resource) : undefined
    const tag = complete === undefined ? [] : [groupEtagOption(numbers, complete.tag)]
    this.#deliverFrom(server, { ...named, options: [...(named.options ?? []), ...tag] })
  }

  /** A server says that a stored response holds: one of the client's own, or one of this cache (-07 §7.2.2). */
  #onValid(valid: OutgoingResponse, source: SocketAddress, resource: string): void {
    const { cache } = this.#options
    const options = valid.options ?? []
    const server = formatSocketAddress(source)
    const renewed = cache.revalidate(resource, server, this.#sentOptions(), options)
    const tag = options.find((option) => option.number === OptionNumber.ETAG)?.value
    const isClients = tag !== undefined && this.#askedTags().some((asked) => equalBytes(asked, tag))
    if (isClients) this.#deliverFrom(server, valid)
    else if (renewed !== undefined) this.#deliverFrom(server, renewed)
    else void this.#askAlone(source)
  }

  /** The tag was that of another server's response, so this server's own is not known here: it is asked for by itself. */
  async #askAlone(source: SocketAddress): Promise<void> {
    const { method, payload } = this.#errand.request
    try {
      const request: ClientRequest = { method, path: [], payload, options: this.#sentOptions() }
      this.#onResponse(await this.#way.request(source, request, { signal: this.#abort.signal }))
    } catch (thrown) {
      this.#options.logger.debug({ err: toAppError(thrown), server: formatSocketAddress(source) }, 'A server did not repeat its response')
    }
  }

  #deliverFrom(server: string, response: OutgoingResponse): void {
    this.#deliver(adapted(response, this.#errand, this.#options.numbers, server))
  }

  #deliver(response: OutgoingResponse): void {
    if (this.#ended) return
    const { policy } = this.#options
    this.#responses++
    this.#bytes += response.payload?.length ?? 0
    if (this.#responses > policy.maxResponsesPerRequest || this.#bytes > policy.maxResponseBytesPerRequest) {
      this.#options.logger.warn({ group: formatSocketAddress(this.#group) }, 'A group request brought more than may be forwarded')
      this.#end(false)
      return
    }
    this.#errand.side.deliver(response, () => this.#end(true))
  }

  #end(stopped: boolean): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.cancel()
    this.#abort.abort()
    this.#errand.side.end(stopped)
    this.#onEnd()
  }
}

export function groupOf(target: CoapTarget): SocketAddress {
  return { address: target.address ?? target.host, port: target.port }
}

/** The option is in a response before that is cached, so it is also in what the cache serves (-07 §5.4.1). */
export function withReplyFrom(response: OutgoingResponse, numbers: ProxyOptionNumbers, from: ReplyFrom): OutgoingResponse {
  const others = (response.options ?? []).filter((option) => option.number !== numbers.replyFrom)
  return { ...response, options: [...others, replyFromOption(numbers, from)] }
}

/** Where a reverse-proxy stands in for the servers, clients are told of it instead (-07 §6.1). */
export function adapted(response: OutgoingResponse, errand: GroupErrand, numbers: ProxyOptionNumbers, server: string): OutgoingResponse {
  const at = errand.replyFrom === undefined ? undefined : parseSocketAddress(server)
  return at === undefined || errand.replyFrom === undefined ? response : withReplyFrom(response, numbers, errand.replyFrom(at))
}
