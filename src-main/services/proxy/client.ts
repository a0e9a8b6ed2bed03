// The client's side: a group request through a proxy, its responses told apart by the servers they come from
// (draft-tiloca-core-groupcomm-proxy-00 §5.1, §5.5; draft-ietf-core-groupcomm-proxy-07 §5.1, §5.5, §6.2).
import { AppError, formatSocketAddress, toAppError, utf8ToText, type Clock, type SocketAddress } from '#main/base/index.ts'
import {
  findBlock,
  findOption,
  findUint,
  isSentLater,
  isSuccess,
  OptionNumber,
  stringOption,
  uintOption,
  type ClientRequest,
  type ClientResponse,
  type CoapOption,
  type NotificationOrder,
  type OpenExchange,
  type OpenExchangeListener,
  type RequestOptions,
} from '#main/wire/coap/index.ts'
import { formatIpv4, formatIpv6 } from '#main/wire/ip/index.ts'
import { encodeCri, type CriAuthority } from './cri.ts'
import {
  addressOfAuthority,
  criOf,
  groupEtagOption,
  multicastSignalingOption,
  multicastTimeoutOption,
  readGroupEtag,
  readMulticastTimeout,
  readReplyFrom,
  readResponseForwarding,
  serverOf,
  SUGGESTED_OPTION_NUMBERS,
  type ProxyOptionNumbers,
  type ReplyFrom,
} from './options.ts'
import type { ProxyEgress } from './single.ts'
import { proxySchemeOptions, proxyUriOption, type CoapTarget } from './target.ts'

export interface ViaProxyOptions {
  readonly proxy: SocketAddress
  /** T' in whole seconds: how long the proxy forwards responses. 0: none are wanted. */
  readonly timeoutS: number
  /** T − T': how long after that responses may still be on their way, 5 s unless told. */
  readonly marginS?: number
  /** Which of the two protocols; -07 unless told. */
  readonly generation?: '00' | '07'
  /** How the group URI is said; `reverse`: not at all, the proxy knows from the path or host. */
  readonly style?: 'proxy-uri' | 'proxy-scheme' | 'proxy-cri' | 'reverse'
  /** Entity-tags of whole sets of responses that are held (-07 §7.3). */
  readonly groupEtags?: readonly Uint8Array[]
  /** Registers as an observer with every server (-07 §5.1.2): notifications go on until the iteration is left. */
  readonly observe?: boolean
  readonly confirmable?: boolean
  readonly numbers?: ProxyOptionNumbers
  readonly signal?: AbortSignal
}

export interface ProxiedResponse extends ClientResponse {
  /** The server that it is from; undefined where nothing says so. */
  readonly origin: SocketAddress | undefined
  /** How that server is reached, as the proxy says. */
  readonly replyFrom: ReplyFrom | undefined
  readonly groupEtag: Uint8Array | undefined
}

const DEFAULT_MARGIN_S = 5
/** Responses that nobody has taken yet, and servers whose newest notification is remembered. */
const MAX_QUEUED = 10_000

/**
 * Yields each response as it comes, until T has passed and no server is observed. Leaving the iteration earlier asks the proxy to stop (-07 §5.1.3).
 * Fails with `coap.response-error` where the proxy refuses, and with `coap.timeout` or `coap.reset` where it cannot be reached.
 */
export async function* groupRequestViaProxy(
  client: ProxyEgress,
  clock: Clock,
  group: SocketAddress,
  request: ClientRequest,
  options: ViaProxyOptions,
): AsyncGenerator<ProxiedResponse, void, undefined> {
  const { proxy, timeoutS, marginS = DEFAULT_MARGIN_S, generation = '07', signal, numbers = SUGGESTED_OPTION_NUMBERS } = options
  const queue: ProxiedResponse[] = []
  const state: { error: AppError | undefined; over: boolean } = { error: undefined, over: false }
  let wake: () => void = () => undefined
  const finish = (error?: AppError): void => {
    state.error ??= error
    state.over = true
    wake()
  }
  const observed = new Map<string, NotificationOrder>()
  /** Whether the response is news: a notification must not be older than the one before of its server (RFC 7641 §3.4). */
  const isNews = (response: ProxiedResponse): boolean => {
    const number = findUint(response.options, OptionNumber.OBSERVE)
    const from = response.origin === undefined ? '' : formatSocketAddress(response.origin)
    if (number === undefined || !isSuccess(response.code)) {
      observed.delete(from)
      return true
    }
    const order: NotificationOrder = { number, atMs: clock.monotonicMs() }
    const before = observed.get(from)
    if (before !== undefined && !isSentLater(before, order)) return false
    if (before !== undefined || observed.size < MAX_QUEUED) observed.set(from, order)
    return true
  }
  let isPastT = false
  if (signal?.aborted === true) throw new AppError('cancelled', 'The request was cancelled')
  let echo: CoapOption | undefined
  let exchange: OpenExchange
  const open = (): OpenExchange =>
    client.openExchange(proxy, composed(group, withOption(request, echo), options, numbers), listener, options.confirmable ?? true)
  const listener: OpenExchangeListener = {
    onResponse: (response) => {
      const challenge = response.code === '4.01' ? findOption(response.options, OptionNumber.ECHO) : undefined
      if (challenge !== undefined && echo === undefined) {
        // The proxy wants to see that this address is true (RFC 9175 §2.3): the request is repeated with what it sent.
        echo = challenge
        exchange.close()
        reopen()
        return
      }
      const proxied = read(response, group, generation, numbers)
      if (proxied.origin === undefined && !isSuccess(response.code)) finish(refused(response, numbers))
      else if (queue.length < MAX_QUEUED && !state.over && isNews(proxied)) queue.push(proxied)
      if (isPastT && observed.size === 0) finish()
      // One 2.03 with a Group-ETag stands for all responses.
      if (response.code === '2.03' && proxied.groupEtag !== undefined) finish()
      wake()
    },
    onFailed: finish,
  }
  const reopen = (): void => {
    try {
      exchange = open()
    } catch (thrown) {
      finish(toAppError(thrown))
    }
  }
  exchange = open()
  const timer = clock.setTimer((timeoutS + marginS) * 1000, () => {
    isPastT = true
    if (observed.size === 0) finish()
  })
  const onAbort = (): void => finish(new AppError('cancelled', 'The request was cancelled'))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    for (;;) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield await whole(client, request, next, options)
      if (state.error !== undefined) throw state.error
      if (state.over) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', onAbort)
    const stoppedEarly = !state.over || state.error?.code === 'cancelled'
    // An Early Stop Request is of -07; with -00 the token is simply given up.
    if (stoppedEarly && generation === '07') exchange.again({ method: 'GET', path: [], options: [multicastTimeoutOption(numbers, 0)] })
    exchange.close()
  }
}

/** The request to a single server that a response's Reply-From leads to, directly or through the proxy (-07 §5.5.1, §6.2). */
export function individualRequest(
  response: ProxiedResponse,
  request: ClientRequest,
  via: { readonly proxy: SocketAddress } | 'as-told',
): { readonly to: SocketAddress; readonly request: ClientRequest } {
  const { origin, replyFrom } = response
  if (origin === undefined) throw new AppError('input.invalid', 'The response does not say which server it is from')
  if (via !== 'as-told') {
    const target: CoapTarget = {
      scheme: 'coap',
      host: origin.address,
      isAddress: true,
      address: origin.address,
      ...partsOf(request, origin),
    }
    return { to: via.proxy, request: { ...withoutUri(request), options: [proxyUriOption(target), ...(request.options ?? [])] } }
  }
  if (replyFrom === undefined) return { to: origin, request }
  const to = addressOfAuthority(replyFrom.cri.authority, replyFrom.cri.scheme)
  if (to === undefined) throw new AppError('input.invalid', 'The server is named by a host name')
  const { reference } = replyFrom
  if (reference === undefined) return { to, request }
  const { authority, path } = reference
  const more: CoapOption[] = []
  if (authority !== undefined) {
    more.push(stringOption(OptionNumber.URI_HOST, hostText(authority)))
    // Without a port in the reference, none is put into the request (-07 §6.2).
    if (authority.port !== undefined) more.push(uintOption(OptionNumber.URI_PORT, authority.port))
  }
  return { to, request: { ...request, path: [...(path ?? []), ...request.path], options: [...more, ...(request.options ?? [])] } }
}

/** A request to one server through a proxy (RFC 7252 §5.7.2). */
export function requestViaProxy(
  client: ProxyEgress,
  proxy: SocketAddress,
  target: CoapTarget,
  request: ClientRequest,
  options?: RequestOptions,
): Promise<ClientResponse> {
  return client.request(proxy, { ...withoutUri(request), options: [proxyUriOption(target), ...(request.options ?? [])] }, options)
}

function composed(group: SocketAddress, request: ClientRequest, options: ViaProxyOptions, numbers: ProxyOptionNumbers): ClientRequest {
  const { generation = '07', style = 'proxy-uri', timeoutS, groupEtags = [] } = options
  const target: CoapTarget = { scheme: 'coap', host: group.address, isAddress: true, address: group.address, ...partsOf(request, group) }
  const signaling = generation === '00' ? multicastSignalingOption(numbers, timeoutS) : multicastTimeoutOption(numbers, timeoutS)
  // With no responses wanted, none are to be sent (-07 §5.1.1).
  const isSilenced = generation === '07' && timeoutS === 0 && findOption(request.options ?? [], OptionNumber.NO_RESPONSE) === undefined
  const further = [
    ...(request.options ?? []),
    signaling,
    ...(options.observe === true ? [uintOption(OptionNumber.OBSERVE, 0)] : []),
    ...(isSilenced ? [uintOption(OptionNumber.NO_RESPONSE, 26)] : []),
    ...groupEtags.map((tag) => groupEtagOption(numbers, tag)),
  ]
  return style === 'reverse'
    ? { ...request, options: further }
    : { ...withoutUri(request), options: [...uriOptions(target, style), ...further] }
}

function uriOptions(target: CoapTarget, style: 'proxy-uri' | 'proxy-scheme' | 'proxy-cri'): readonly CoapOption[] {
  if (style === 'proxy-uri') return [proxyUriOption(target)]
  if (style === 'proxy-scheme') return proxySchemeOptions(target)
  const { authority } = criOf({ address: target.host, port: target.port })
  return [{ number: OptionNumber.PROXY_CRI, value: encodeCri({ scheme: 'coap', authority, path: target.path, query: target.query }) }]
}

function read(response: ClientResponse, group: SocketAddress, generation: '00' | '07', numbers: ProxyOptionNumbers): ProxiedResponse {
  const groupEtag = readGroupEtag(numbers, response.options)
  if (generation === '00') {
    const address = readResponseForwarding(numbers, response.options)
    // The server listens where the group does (-00 §5.5).
    const origin = address === undefined ? undefined : { address, port: group.port }
    return { ...response, origin, replyFrom: undefined, groupEtag: undefined }
  }
  const replyFrom = readReplyFrom(numbers, response.options)
  return { ...response, origin: replyFrom === undefined ? undefined : serverOf(replyFrom), replyFrom, groupEtag }
}

/** Of a body of several blocks the first one came; safe methods fetch all of it from its server. */
async function whole(
  client: ProxyEgress,
  request: ClientRequest,
  response: ProxiedResponse,
  options: ViaProxyOptions,
): Promise<ProxiedResponse> {
  const block = findBlock(response.options, OptionNumber.BLOCK2)
  const isWhole = block === undefined || block === 'invalid' || !block.more
  if (isWhole || response.origin === undefined || (request.method !== 'GET' && request.method !== 'FETCH')) return response
  const single = individualRequest(response, request, options.style === 'reverse' ? 'as-told' : { proxy: options.proxy })
  const limits: RequestOptions = options.signal === undefined ? {} : { signal: options.signal }
  const full = await client.request(single.to, single.request, limits)
  return { ...response, code: full.code, options: full.options, payload: full.payload, contentFormat: full.contentFormat }
}

function refused(response: ClientResponse, numbers: ProxyOptionNumbers): AppError {
  const wanted = readMulticastTimeout(numbers, response.options)
  return new AppError('coap.response-error', 'The proxy does not forward the request', {
    details: {
      code: response.code,
      diagnostic: utf8ToText(response.payload.subarray(0, 200)) ?? '',
      ...(wanted === undefined ? {} : { multicastTimeoutS: wanted }),
    },
  })
}

function hostText(authority: CriAuthority): string {
  const { host } = authority
  if (host.kind === 'name') return host.name
  return host.bytes.length === 4 ? formatIpv4(host.bytes) : `[${formatIpv6(host.bytes)}]`
}

function partsOf(request: ClientRequest, at: SocketAddress): Pick<CoapTarget, 'port' | 'path' | 'query'> {
  return { port: at.port, path: request.path, query: request.query ?? [] }
}

function withOption(request: ClientRequest, option: CoapOption | undefined): ClientRequest {
  return option === undefined ? request : { ...request, options: [...(request.options ?? []), option] }
}

function withoutUri(request: ClientRequest): ClientRequest {
  return { ...request, path: [], query: [] }
}
