// One request to one peer and its one response, by token: NSTART, time limits, cancellation (RFC 7252 §4.7, §5.3). Blocks are above this.
import { AppError, type Clock, type PeerIdentity, type Random, type SocketAddress, type Timer } from '#main/base/index.ts'
import { peerKey, type MessageContent, type MessageLayer, type Origin, type Sent } from './message-layer.ts'
import { exchangeLifetimeMs, maxTransmitWaitMs, type CoapParameters } from './parameters.ts'
import { ProbingRate } from './probing-rate.ts'
import { ReassemblyBudget } from './reassembly-budget.ts'
import { isFirstOuterBlock, SentSecurity, wholeOf } from './outer-blocks.ts'
import { cancelled, openResponse } from './security.ts'
import type { CoapMessage, ExchangeSecurity } from './types.ts'

export interface ExchangeOptions {
  readonly confirmable: boolean
  readonly signal: AbortSignal | undefined
  /** A reserved token to use; one of this layer's own otherwise. */
  readonly token?: Uint8Array | undefined
  readonly security?: ExchangeSecurity | undefined
}

export interface ExchangeResponse {
  readonly message: CoapMessage
  readonly source: SocketAddress
  readonly identity?: PeerIdentity | undefined
}

interface Exchange {
  readonly peer: string
  readonly content: MessageContent
  readonly to: SocketAddress
  readonly options: ExchangeOptions
  readonly security: SentSecurity | undefined
  readonly resolve: (response: ExchangeResponse) => void
  readonly reject: (error: AppError) => void
  sent: Sent | undefined
  timer: Timer | undefined
  /** Holds one of the peer's NSTART places. */
  outstanding: boolean
  done: boolean
  removeAbort: () => void
}

interface Lane {
  outstanding: number
  /** First come, first served. */
  readonly waiting: Set<Exchange>
}

const TOKEN_BYTES = 4

export interface ExchangesOptions {
  readonly messages: MessageLayer
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
}

export class Exchanges {
  readonly #options: ExchangesOptions
  readonly #byToken = new Map<number, Exchange>()
  readonly #lanes = new Map<string, Lane>()
  /** Tokens that somebody keeps beyond one exchange. */
  readonly #reserved = new Set<number>()
  readonly #probing: ProbingRate
  readonly #budget: ReassemblyBudget
  #pending = 0
  #closed: AppError | undefined

  constructor(options: ExchangesOptions) {
    this.#options = options
    this.#probing = new ProbingRate(options.clock, options.parameters)
    this.#budget = new ReassemblyBudget(options.parameters)
  }

  /** Bytes held of protected responses that are being put together. */
  get bytes(): number {
    return this.#budget.bytes
  }

  /** A token that no exchange will get until it is released. */
  reserveToken(): Uint8Array {
    const token = this.#newToken()
    this.#reserved.add(tokenNumber(token))
    return token
  }

  releaseToken(token: Uint8Array): void {
    this.#reserved.delete(tokenNumber(token))
  }

  /** Sends the request when its turn comes; the token is this layer's affair. */
  run(to: SocketAddress, request: Omit<MessageContent, 'token'>, options: ExchangeOptions): Promise<ExchangeResponse> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed)
        return
      }
      if (options.signal?.aborted === true) {
        reject(cancelled(options.signal))
        return
      }
      if (this.#pending >= this.#options.parameters.maxPendingRequests) {
        reject(new AppError('network.send-failed', 'Too many requests are pending', { retryable: true }))
        return
      }
      const { security: given } = options
      const security = given === undefined || given instanceof SentSecurity ? given : new SentSecurity(given)
      const exchange: Exchange = {
        peer: peerKey(to),
        content: { ...request, token: options.token ?? this.#newToken(), protection: security },
        to,
        options,
        security,
        resolve,
        reject,
        sent: undefined,
        timer: undefined,
        outstanding: false,
        done: false,
        removeAbort: () => undefined,
      }
      this.#add(exchange)
    })
  }

  /** Whether an exchange waited for the response. */
  onResponse(message: CoapMessage, origin: Origin): boolean {
    if (message.token.length !== TOKEN_BYTES) return false
    const exchange = this.#byToken.get(tokenNumber(message.token))
    // The source must be the one that was asked (§5.3.2).
    if (exchange?.peer !== origin.peer) return false
    const { security } = exchange
    if (security?.sent !== undefined && isFirstOuterBlock(message)) {
      this.#finish(exchange)
      this.#probing.heard(exchange.peer)
      this.openInBlocks(security, message, origin, exchange.options.signal).then(exchange.resolve, exchange.reject)
      return true
    }
    const opened = openResponse(security, message, origin)
    // What is not authentic is received and dropped; the exchange goes on waiting (RFC 8613 §8.4).
    if (opened === undefined) return message.type !== 'ACK'
    this.#finish(exchange)
    this.#probing.heard(exchange.peer)
    exchange.resolve({ message: opened.message, source: origin.source, identity: opened.origin.identity })
    return true
  }

  /** The response whose first outer block this is, opened; `security` has protected the request. */
  async openInBlocks(
    security: SentSecurity,
    first: CoapMessage,
    origin: Origin,
    signal: AbortSignal | undefined,
  ): Promise<ExchangeResponse> {
    const { sent } = security
    if (sent === undefined) throw new AppError('internal', 'Nothing was asked')
    const share = this.#budget.open(origin.peer)
    try {
      const ask = async (request: Omit<MessageContent, 'token'>): Promise<CoapMessage> =>
        (await this.run(origin.source, request, { confirmable: true, signal })).message
      const opened = openResponse(security, await wholeOf(sent, first, share, ask), origin)
      if (opened === undefined) {
        throw new AppError('coap.message-invalid', 'The response that came in blocks is not authentic', { retryable: true })
      }
      return { message: opened.message, source: origin.source, identity: opened.origin.identity }
    } finally {
      share.release()
    }
  }

  /** Ends every exchange with the error; later ones fail at once. */
  close(error: AppError): void {
    this.#closed = error
    const all = new Set(this.#byToken.values())
    for (const exchange of all) this.#fail(exchange, error)
    this.#lanes.clear()
  }

  #add(exchange: Exchange): void {
    this.#pending++
    this.#byToken.set(tokenNumber(exchange.content.token), exchange)
    const { signal } = exchange.options
    if (signal !== undefined) {
      const onAbort = (): void => this.#fail(exchange, cancelled(signal))
      signal.addEventListener('abort', onAbort, { once: true })
      exchange.removeAbort = () => signal.removeEventListener('abort', onAbort)
    }
    this.#enter(exchange)
  }

  #enter(exchange: Exchange): void {
    let lane = this.#lanes.get(exchange.peer)
    if (lane === undefined) {
      lane = { outstanding: 0, waiting: new Set() }
      this.#lanes.set(exchange.peer, lane)
    }
    if (lane.outstanding < this.#options.parameters.nstart) this.#start(exchange, lane)
    else lane.waiting.add(exchange)
  }

  #start(exchange: Exchange, lane: Lane): void {
    const { messages, clock, parameters } = this.#options
    const waitMs = exchange.options.confirmable ? 0 : this.#probing.waitMs(exchange.peer)
    if (waitMs > 0) {
      // It takes no place meanwhile: Confirmable requests have a back-off of their own and need not wait behind it.
      exchange.timer = clock.setTimer(waitMs, () => this.#enter(exchange))
      return
    }
    lane.outstanding++
    exchange.outstanding = true
    const delivery = {
      acknowledged: () => {
        // The response comes separately; until then the peer may be sent the next request (§4.7).
        exchange.timer = clock.setTimer(exchangeLifetimeMs(parameters), () => this.#fail(exchange, timeout()))
        this.#giveWay(exchange)
      },
      reset: () => this.#fail(exchange, new AppError('coap.reset', 'The peer rejected the request', { retryable: true })),
      timedOut: () => this.#fail(exchange, timeout()),
      failed: (error: AppError) => this.#fail(exchange, error),
    }
    try {
      if (exchange.options.confirmable) {
        exchange.sent = messages.sendConfirmable(exchange.content, exchange.to, delivery)
      } else {
        this.#probing.sent(exchange.peer, exchange.content)
        exchange.sent = messages.sendNonConfirmable(exchange.content, exchange.to, delivery)
        exchange.timer = clock.setTimer(maxTransmitWaitMs(parameters), () => this.#fail(exchange, timeout()))
      }
    } catch (thrown) {
      this.#fail(exchange, thrown instanceof AppError ? thrown : new AppError('network.send-failed', String(thrown), { cause: thrown }))
    }
  }

  #fail(exchange: Exchange, error: AppError): void {
    if (exchange.done) return
    this.#finish(exchange)
    exchange.reject(error)
  }

  #finish(exchange: Exchange): void {
    exchange.done = true
    this.#pending--
    this.#byToken.delete(tokenNumber(exchange.content.token))
    exchange.sent?.stop()
    exchange.timer?.cancel()
    exchange.removeAbort()
    this.#giveWay(exchange)
  }

  /** Gives up the place among the peer's outstanding interactions, and lets the next one go. */
  #giveWay(exchange: Exchange): void {
    const lane = this.#lanes.get(exchange.peer)
    if (lane === undefined) return
    lane.waiting.delete(exchange)
    if (exchange.outstanding) {
      exchange.outstanding = false
      lane.outstanding--
    }
    while (lane.outstanding < this.#options.parameters.nstart) {
      const next = lane.waiting.values().next().value
      if (next === undefined) break
      lane.waiting.delete(next)
      if (this.#closed === undefined) this.#start(next, lane)
    }
    if (lane.outstanding === 0 && lane.waiting.size === 0 && this.#lanes.get(exchange.peer) === lane) this.#lanes.delete(exchange.peer)
  }

  #newToken(): Uint8Array {
    for (;;) {
      const token = this.#options.random.bytes(TOKEN_BYTES)
      if (!this.#byToken.has(tokenNumber(token)) && !this.#reserved.has(tokenNumber(token))) return token
    }
  }
}

function tokenNumber(token: Uint8Array): number {
  return (((token[0] ?? 0) << 24) | ((token[1] ?? 0) << 16) | ((token[2] ?? 0) << 8) | (token[3] ?? 0)) >>> 0
}

function timeout(): AppError {
  return new AppError('coap.timeout', 'No answer came in time', { retryable: true })
}
