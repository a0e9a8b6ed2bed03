// Forwarding to one server, with a cache (RFC 7252 §5.7; Hop-Limit: RFC 8768 §3).
import {
  type AppError,
  equalBytes,
  formatSocketAddress,
  toAppError,
  utf8,
  type Clock,
  type Logger,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  findOptions,
  isSuccess,
  OptionNumber,
  type ClientRequest,
  type ClientResponse,
  type CoapEndpoint,
  type CoapOption,
  type Method,
  type OutgoingResponse,
  type ResponseCode,
} from '#main/wire/coap/index.ts'
import { pathKey, resourceKey, type ResponseCache } from './cache.ts'
import type { ProxyOptionNumbers } from './options.ts'
import type { ProxyPolicy } from './policy.ts'
import { nextHopLimit, optionsToClient, optionsToServer } from './relayed-options.ts'
import { proxyUriOption, uriOptionsOf, type CoapTarget } from './target.ts'

/** What a proxy needs of the endpoint that it sends from. */
export type ProxyEgress = Pick<CoapEndpoint, 'request' | 'groupRequest' | 'openExchange' | 'observe' | 'observeGroup'>

/** The next proxy of a chain (-07 §8): everything is sent to it instead of to the servers. */
export interface NextHop {
  readonly to: SocketAddress
  /** The longest round trip to it, and, as an estimate, to those before this proxy. */
  readonly roundTripS: number
}

/** A request as it is to be forwarded, from whichever protocol it came. */
export interface ForwardedRequest {
  readonly method: Method
  readonly options: readonly CoapOption[]
  readonly payload: Uint8Array
}

export interface ForwardingPlan {
  readonly to: SocketAddress
  readonly egress: ProxyEgress
  /** The key of the origin server in the cache. */
  readonly server: string
  readonly uri: readonly CoapOption[]
  readonly keyOptions: readonly CoapOption[]
  readonly resource: string | undefined
  /** All options of the request as it goes out. */
  readonly options: readonly CoapOption[]
}

export interface SingleForwarderOptions {
  readonly egress: (to: SocketAddress) => ProxyEgress | undefined
  readonly cache: ResponseCache
  readonly numbers: ProxyOptionNumbers
  readonly policy: ProxyPolicy
  readonly clock: Clock
  readonly logger: Logger
  readonly nextHop: NextHop | undefined
}

const FAILURES: Readonly<Partial<Record<AppError['code'], ResponseCode>>> = {
  'coap.timeout': '5.04',
  'coap.reset': '5.02',
  'coap.option-unsupported': '5.02',
  'coap.message-invalid': '5.02',
  'coap.too-large': '5.02',
  'network.send-failed': '5.04',
  'network.down': '5.04',
  cancelled: '5.03',
}

export class SingleForwarder {
  readonly #options: SingleForwarderOptions

  constructor(options: SingleForwarderOptions) {
    this.#options = options
  }

  /** Never fails: whatever goes wrong is a response. */
  async forward(target: CoapTarget, request: ForwardedRequest, signal: AbortSignal): Promise<OutgoingResponse> {
    const way = this.plan(target, request)
    if ('refused' in way) return way.refused
    try {
      return await this.#exchange(way, request, signal)
    } catch (thrown) {
      return this.failure(thrown)
    }
  }

  /** Where the request goes and how it looks there, or why it does not. */
  plan(target: CoapTarget, request: ForwardedRequest): ForwardingPlan | { readonly refused: OutgoingResponse } {
    const { numbers, policy, logger, nextHop } = this.#options
    if (target.scheme !== 'coap') return { refused: refusal('5.05', 'Only coap URIs are forwarded') }
    const hopLimit = nextHopLimit(request.options, policy.initialHopLimit)
    if (hopLimit === 'invalid') return { refused: refusal('4.00', 'Hop-Limit is one byte from 1 to 255') }
    if (hopLimit === 'exhausted') {
      logger.warn({ target: target.host, port: target.port }, 'A forwarded request has run out of hops: proxies may form a loop')
      return { refused: refusal('5.08', 'Hop limit reached') }
    }
    const passed = optionsToServer(numbers, request.options)
    if (passed === undefined) return { refused: refusal('4.02', 'An option is unknown here and unsafe to forward') }
    const origin: SocketAddress = { address: target.address ?? target.host, port: target.port }
    const to = nextHop?.to ?? origin
    const egress = this.#options.egress(to)
    if (egress === undefined) return { refused: refusal('5.05', 'No way to the server') }
    const uri = uriOptionsOf(target)
    // The key is the same whether a next proxy is asked or the server itself.
    const keyOptions = [...uri, ...passed]
    return {
      to,
      egress,
      server: formatSocketAddress(origin),
      uri,
      keyOptions,
      resource: resourceKey(request.method, keyOptions, request.payload),
      options: [...(nextHop === undefined ? uri : [proxyUriOption(target)]), ...passed, hopLimit],
    }
  }

  /** What the client hears of a request that failed. */
  failure(thrown: unknown): OutgoingResponse {
    const error = toAppError(thrown)
    const code = FAILURES[error.code]
    if (code === undefined) this.#options.logger.error({ err: error }, 'A request could not be forwarded')
    return { code: code ?? '5.00' }
  }

  async #exchange(way: ForwardingPlan, request: ForwardedRequest, signal: AbortSignal): Promise<OutgoingResponse> {
    const { cache, numbers, policy } = this.#options
    const { egress, resource, server, keyOptions } = way
    const asked = findOptions(request.options, OptionNumber.ETAG).map((option) => option.value)
    const stored = resource === undefined ? undefined : cache.get(resource, server)
    if (stored !== undefined && cache.isFresh(stored)) return validOr(cache.served(stored), stored.etag, asked)
    const own = stored?.etag !== undefined && !asked.some((tag) => same(tag, stored.etag)) ? [etagOption(stored.etag)] : []
    const sent: ClientRequest = { method: request.method, path: [], payload: request.payload, options: [...way.options, ...own] }
    const response = await egress.request(way.to, sent, { signal, timeoutMs: policy.serverTimeoutS * 1000 })
    const options = optionsToClient(numbers, response.options)
    if (options === undefined) return refusal('5.02', 'The response has an option that is unknown here and unsafe to forward')
    if (resource === undefined) {
      if (isSuccess(response.code) && request.method !== 'GET' && request.method !== 'FETCH') cache.invalidate(server, pathKey(way.uri))
      return { code: response.code, options, payload: response.payload }
    }
    if (response.code === '2.03') {
      const renewed = cache.revalidate(resource, server, keyOptions, options)
      return renewed === undefined ? { code: response.code, options } : validOr(renewed, stored?.etag, asked)
    }
    const whole: OutgoingResponse = { code: response.code, options, payload: response.payload }
    cache.put(resource, server, keyOptions, whole)
    return whole
  }
}

/** 2.03 where the client has the representation already (RFC 7252 §5.9.1.3). */
export function validOr(response: OutgoingResponse, etag: Uint8Array | undefined, asked: readonly Uint8Array[]): OutgoingResponse {
  if (etag === undefined || !asked.some((tag) => same(tag, etag))) return response
  const kept = (response.options ?? []).filter((option) => option.number === OptionNumber.ETAG || option.number === OptionNumber.MAX_AGE)
  return { code: '2.03', options: kept }
}

/** An error with a diagnostic payload (RFC 7252 §5.5.2). */
export function refusal(code: ResponseCode, text: string, options: readonly CoapOption[] = []): OutgoingResponse {
  return { code, options, payload: utf8(text) }
}

/** A response as this proxy would pass it on; undefined where it cannot. */
export function passedOn(numbers: ProxyOptionNumbers, response: ClientResponse): OutgoingResponse | undefined {
  const options = optionsToClient(numbers, response.options)
  return options === undefined ? undefined : { code: response.code, options, payload: response.payload }
}

function etagOption(value: Uint8Array): CoapOption {
  return { number: OptionNumber.ETAG, value }
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && equalBytes(a, b)
}
