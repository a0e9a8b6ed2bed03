// The client role towards one peer: requests with bodies of any size, both ways in blocks where they need it (RFC 7252 §5, RFC 7959).
import { AppError, concatBytes, equalBytes, type Clock, type PeerIdentity, type Random, type SocketAddress } from '#main/base/index.ts'
import { blockBytes, blockOption, findBlock, MAX_BLOCK_NUMBER, szxFor, type Block } from './block.ts'
import { codeOfMethod, isResponseCode, isSuccess } from './codes.ts'
import { echoOf, type EchoMemory } from './echo-memory.ts'
import type { Exchanges, ExchangeResponse } from './exchange.ts'
import { findOption, findUint, isCritical, OptionNumber, stringOption, uintOption } from './options.ts'
import { peerKey } from './message-layer.ts'
import type { CoapParameters } from './parameters.ts'
import { ReassemblyBudget, type Share } from './reassembly-budget.ts'
import { prepared } from './security.ts'
import type { ClientRequest, ClientResponse, CoapOption, RequestOptions, RequestSecurity } from './types.ts'

export interface ClientOptions {
  readonly exchanges: Exchanges
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
  readonly maxBlockBytes: number
  readonly echoes: EchoMemory
}

/** One request under way: what all its messages have in common. */
interface Errand {
  readonly to: SocketAddress
  readonly code: string
  readonly options: readonly CoapOption[]
  readonly confirmable: boolean
  readonly signal: AbortSignal | undefined
  readonly startedMs: number
  /** Largest block that is sent or asked for. */
  readonly blockBytes: number
  /** Said to the server before it answers, where the caller wants smaller blocks than it may choose itself. */
  readonly early: readonly CoapOption[]
  /** The Echo value that its messages carry (RFC 9175 §2.3). */
  readonly echo: { value: CoapOption | undefined }
  readonly security: { by: RequestSecurity | undefined }
}

const NO_BYTES = new Uint8Array(0)
const NO_OPTIONS: readonly CoapOption[] = []
/** A representation that keeps changing while its blocks are fetched is given up on. */
const MAX_RESTARTS = 3

/** Options of a response that this client understands (RFC 7252 §5.4.1). */
const KNOWN_CRITICAL = new Set<number>([OptionNumber.BLOCK1, OptionNumber.BLOCK2])

export class CoapRequester {
  readonly #options: ClientOptions
  readonly #budget: ReassemblyBudget

  constructor(options: ClientOptions) {
    this.#options = options
    this.#budget = new ReassemblyBudget(options.parameters)
  }

  /** Bytes held of responses that are being put together. */
  get bytes(): number {
    return this.#budget.bytes
  }

  async request(to: SocketAddress, request: ClientRequest, options: RequestOptions = {}): Promise<ClientResponse> {
    const { clock } = this.#options
    const limit = timeLimit(clock, options)
    const errand: Errand = {
      to,
      code: codeOfMethod(request.method),
      options: requestOptions(request),
      confirmable: options.confirmable ?? true,
      signal: limit.signal,
      startedMs: clock.monotonicMs(),
      ...this.#blocksOf(options.blockBytes ?? blocksThroughProxy(request)),
      echo: { value: request.security === undefined ? this.#options.echoes.take(to) : undefined },
      security: { by: request.security },
    }
    try {
      const preparing = prepared(request.security, this, to, limit.signal)
      if (preparing !== undefined) await preparing
      const payload = request.payload ?? NO_BYTES
      if (payload.length <= errand.blockBytes)
        return await this.#complete(errand, await this.#exchange(errand, payload, errand.early), payload)
      const tag: CoapOption = { number: OptionNumber.REQUEST_TAG, value: this.#options.random.bytes(4) }
      const tagged: Errand = { ...errand, options: [...errand.options, tag] }
      return await this.#complete(tagged, await this.#sendInBlocks(tagged, payload), NO_BYTES)
    } finally {
      limit.release()
    }
  }

  /** Fetches what follows the first block of a response to a group request, from the one who sent it (groupcomm-bis §3.8). */
  async continueResponse(request: ClientRequest, first: ExchangeResponse, startedMs: number, signal: AbortSignal): Promise<ClientResponse> {
    const errand: Errand = {
      to: first.source,
      code: codeOfMethod(request.method),
      options: requestOptions(request),
      confirmable: true,
      signal,
      startedMs,
      ...this.#blocksOf(blocksThroughProxy(request)),
      echo: { value: undefined },
      security: { by: first.identity === undefined ? request.security : request.security?.towards(first.identity) },
    }
    return this.#complete(errand, first, request.payload ?? NO_BYTES)
  }

  #blocksOf(wanted: number | undefined): Pick<Errand, 'blockBytes' | 'early'> {
    const { maxBlockBytes } = this.#options
    if (wanted === undefined) return { blockBytes: maxBlockBytes, early: NO_OPTIONS }
    const szx = szxFor(Math.min(wanted, maxBlockBytes))
    return { blockBytes: blockBytes(szx), early: [blockOption(OptionNumber.BLOCK2, { num: 0, more: false, szx })] }
  }

  /** The payload in Block1 messages, the errand's Request-Tag in each (RFC 9175 §3.4); the response to the last. */
  async #sendInBlocks(errand: Errand, payload: Uint8Array): Promise<ExchangeResponse> {
    if (payload.length > this.#options.parameters.maxBodyBytes) {
      throw new AppError('coap.too-large', 'The request body is too large', { details: { bytes: payload.length } })
    }
    let szx = szxFor(errand.blockBytes)
    let offset = 0
    let restarts = 0
    for (;;) {
      const size = blockBytes(szx)
      const block: Block = { num: offset / size, more: offset + size < payload.length, szx }
      if (block.num > MAX_BLOCK_NUMBER) throw new AppError('coap.too-large', 'The peer wants blocks too small for the body')
      const extra = [blockOption(OptionNumber.BLOCK1, block), ...errand.early]
      if (offset === 0) extra.push(uintOption(OptionNumber.SIZE1, payload.length))
      const response = await this.#exchange(errand, payload.subarray(offset, offset + size), extra)
      const { code, options } = response.message
      const echoed = findBlock(options, OptionNumber.BLOCK1)
      const smaller = echoed !== undefined && echoed !== 'invalid' && echoed.szx < szx ? echoed.szx : undefined
      if (code === '4.13' && offset === 0 && smaller !== undefined) {
        // The server takes the body, but in smaller blocks (RFC 7959 §2.9.3).
        szx = smaller
        continue
      }
      if (code === '4.08' && offset > 0 && restarts < MAX_RESTARTS) {
        // The server has lost the blocks before this one (RFC 7959 §2.9.2): all of them once more.
        restarts++
        offset = 0
        continue
      }
      // A server without memory of the body does each block as it comes, and says so by a final code and no more bit (§2.3).
      const stateless = isSuccess(code) && echoed !== undefined && echoed !== 'invalid' && !echoed.more
      if (!block.more || (code !== '2.31' && !stateless)) return response
      offset += size
      szx = smaller ?? szx
    }
  }

  /** The response with its whole body: the blocks that follow a first one are fetched (RFC 7959 §2.4). */
  async #complete(errand: Errand, first: ExchangeResponse, payload: Uint8Array): Promise<ClientResponse> {
    let start = first
    for (let restarts = 0; restarts <= MAX_RESTARTS; restarts++) {
      const block = firstBlockOf(start)
      if (block === undefined) return this.#response(errand, start, start.message.payload)
      const body = await this.#fetchRest(errand, start, block, payload)
      if (body !== undefined) return this.#response(errand, start, body)
      if (errand.code !== '0.01') break
      start = await this.#exchange(errand, payload, errand.early)
    }
    throw new AppError('coap.message-invalid', 'The representation changed while its blocks were fetched', { retryable: true })
  }

  /** The whole body, or undefined where the representation changed meanwhile. */
  async #fetchRest(errand: Errand, first: ExchangeResponse, block: Block, payload: Uint8Array): Promise<Uint8Array | undefined> {
    const share = this.#budget.open(peerKey(first.source))
    try {
      return await this.#collect(errand, first, block, payload, share)
    } finally {
      share.release()
    }
  }

  async #collect(
    errand: Errand,
    first: ExchangeResponse,
    block: Block,
    payload: Uint8Array,
    share: Share,
  ): Promise<Uint8Array | undefined> {
    const announced = findUint(first.message.options, OptionNumber.SIZE2) ?? 0
    const etag = findOption(first.message.options, OptionNumber.ETAG)?.value
    const parts = [first.message.payload]
    let length = first.message.payload.length
    let { szx, more } = block
    if (more && length !== blockBytes(szx)) throw broken('A block is shorter than its size')
    share.take(length)
    // Larger blocks than are wanted here are followed by smaller ones (late negotiation, RFC 7959 §2.4).
    szx = Math.min(szx, szxFor(errand.blockBytes))
    while (more) {
      if (Math.max(length, announced) > this.#options.parameters.maxBodyBytes) {
        throw new AppError('coap.too-large', 'The response body is too large', { details: { bytes: Math.max(length, announced) } })
      }
      const num = length / blockBytes(szx)
      if (num > MAX_BLOCK_NUMBER) throw new AppError('coap.too-large', 'The response body has too many blocks')
      // A FETCH is told apart by its payload, which is therefore repeated; other bodies have been delivered (RFC 8132 §2, RFC 7959 §3.3).
      const repeated = errand.code === '0.05' ? payload : NO_BYTES
      const next = await this.#exchange(errand, repeated, [blockOption(OptionNumber.BLOCK2, { num, more: false, szx })])
      const got = findBlock(next.message.options, OptionNumber.BLOCK2)
      if (next.message.code !== first.message.code || got === undefined || got === 'invalid') return undefined
      const nextTag = findOption(next.message.options, OptionNumber.ETAG)?.value
      if (etag === undefined ? nextTag !== undefined : nextTag === undefined || !equalBytes(etag, nextTag)) return undefined
      if (got.szx > szx || got.num * blockBytes(got.szx) !== length) throw broken('A block out of its turn')
      if (got.more && next.message.payload.length !== blockBytes(got.szx)) throw broken('A block is shorter than its size')
      if (next.message.payload.length > blockBytes(got.szx)) throw broken('A block is longer than its size')
      share.take(next.message.payload.length)
      parts.push(next.message.payload)
      length += next.message.payload.length
      szx = got.szx
      more = got.more
    }
    return concatBytes(...parts)
  }

  async #exchange(errand: Errand, payload: Uint8Array, extra: readonly CoapOption[]): Promise<ExchangeResponse> {
    const response = await this.#exchangeOnce(errand, payload, extra)
    const challenge = echoOf(response.message.options)
    if (challenge === undefined) return response
    const { by } = errand.security
    if (response.message.code !== '4.01') {
      if (by === undefined) this.#options.echoes.keep(errand.to, challenge)
      return response
    }
    // Of a group, who asks is answered alone (draft-ietf-core-oscore-groupcomm-28 §9).
    if (response.identity !== undefined) errand.security.by = by?.towards(response.identity)
    // RFC 9175 §2.3: the server wants to see that the request is fresh. Asked once more, it is left at that.
    errand.echo.value = challenge
    return this.#exchangeOnce(errand, payload, extra)
  }

  async #exchangeOnce(errand: Errand, payload: Uint8Array, extra: readonly CoapOption[]): Promise<ExchangeResponse> {
    const { value } = errand.echo
    const options = extra.length === 0 && value === undefined ? errand.options : [...errand.options, ...extra]
    const response = await this.#options.exchanges.run(
      errand.to,
      { code: errand.code, options: value === undefined ? options : [...options, value], payload },
      { confirmable: errand.confirmable, signal: errand.signal, security: errand.security.by?.open() },
    )
    const unknown = unknownCritical(response.message.options, errand.options)
    if (unknown !== undefined) {
      throw new AppError('coap.option-unsupported', 'The response has a critical option that is unknown here', {
        details: { option: unknown },
      })
    }
    return response
  }

  #response(errand: Errand, { message, source, identity }: ExchangeResponse, payload: Uint8Array): ClientResponse {
    const elapsedMs = this.#options.clock.monotonicMs() - errand.startedMs
    return toClientResponse(message.code, message.options, payload, source, elapsedMs, identity)
  }
}

/**
 * The number of a critical option that makes a response unusable here (RFC 7252 §5.4.1). What answers a request that was forwarded with its
 * protection is protected, too, and is for the client behind this proxy to open (RFC 8613 §10).
 */
export function unknownCritical(options: readonly CoapOption[], asked: readonly CoapOption[]): number | undefined {
  const unknown = options.find((option) => isCritical(option.number) && !KNOWN_CRITICAL.has(option.number))?.number
  if (unknown !== OptionNumber.OSCORE || findOption(asked, OptionNumber.OSCORE) === undefined) return unknown
  return undefined
}

export function toClientResponse(
  code: string,
  options: readonly CoapOption[],
  payload: Uint8Array,
  source: SocketAddress,
  elapsedMs: number,
  peer?: PeerIdentity,
): ClientResponse {
  if (!isResponseCode(code)) throw broken('Not a response code')
  const response = { code, options, payload, contentFormat: findUint(options, OptionNumber.CONTENT_FORMAT), source, elapsedMs }
  return peer === undefined ? response : { ...response, peer }
}

const OF_A_PROXY = new Set<number>([
  OptionNumber.PROXY_URI,
  OptionNumber.PROXY_SCHEME,
  OptionNumber.PROXY_CRI,
  OptionNumber.PROXY_SCHEME_NUMBER,
])

/** What is protected end to end is longer than its block, and a proxy must not have to cut it up once more (RFC 8613 §4.1.3.4). */
export function blocksThroughProxy({ security, options = NO_OPTIONS }: ClientRequest): number | undefined {
  return security !== undefined && options.some(({ number }) => OF_A_PROXY.has(number)) ? 512 : undefined
}

/** Whether the response is the first of several blocks. */
export function firstBlockOf(response: ExchangeResponse): Block | undefined {
  const block = findBlock(response.message.options, OptionNumber.BLOCK2)
  return block !== undefined && block !== 'invalid' && block.more && block.num === 0 ? block : undefined
}

/** The options of a request in the order of their numbers, as far as its fields give them. */
export function requestOptions(request: ClientRequest): CoapOption[] {
  const options: CoapOption[] = []
  for (const segment of request.path) options.push(stringOption(OptionNumber.URI_PATH, segment))
  if (request.contentFormat !== undefined) options.push(uintOption(OptionNumber.CONTENT_FORMAT, request.contentFormat))
  for (const part of request.query ?? []) options.push(stringOption(OptionNumber.URI_QUERY, part))
  if (request.accept !== undefined) options.push(uintOption(OptionNumber.ACCEPT, request.accept))
  if (request.options !== undefined) options.push(...request.options)
  return options
}

interface TimeLimit {
  readonly signal: AbortSignal | undefined
  release(): void
}

/** The caller's signal and time limit as one signal; the limit makes a `coap.timeout`. */
function timeLimit(clock: Clock, options: RequestOptions): TimeLimit {
  const { timeoutMs, signal } = options
  if (timeoutMs === undefined) return { signal, release: () => undefined }
  const controller = new AbortController()
  const timer = clock.setTimer(timeoutMs, () =>
    controller.abort(new AppError('coap.timeout', 'No answer came in time', { retryable: true })),
  )
  const onAbort = (): void => controller.abort(signal?.reason)
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    release: () => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    },
  }
}

function broken(what: string): AppError {
  return new AppError('coap.message-invalid', what)
}
