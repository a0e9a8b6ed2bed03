// Observations as their client sees them: registration, order and age of notifications, re-registration, cancellation
// (RFC 7641 §3, RFC 7959 §2.6, RFC 8132 §2.4).
import {
  AppError,
  BoundedQueue,
  equalBytes,
  toAppError,
  type Clock,
  type Random,
  type SocketAddress,
  type Timer,
} from '#main/base/index.ts'
import { blockOption, szxFor } from './block.ts'
import { blocksThroughProxy, firstBlockOf, requestOptions, toClientResponse, unknownCritical, type CoapRequester } from './client.ts'
import { codeOfMethod } from './codes.ts'
import { echoOf } from './echo-memory.ts'
import type { Exchanges, ExchangeResponse } from './exchange.ts'
import { peerKey, type Origin } from './message-layer.ts'
import { findOption, findUint, OptionNumber, uintOption } from './options.ts'
import { isFirstOuterBlock, SentSecurity } from './outer-blocks.ts'
import { cancelled, openResponse, prepared } from './security.ts'
import type { TokenRoutes } from './token-routes.ts'
import type { ClientRequest, ClientResponse, CoapMessage, CoapOption, Observation, ObserveOptions } from './types.ts'

export interface ObserveClientOptions {
  readonly exchanges: Exchanges
  readonly requester: CoapRequester
  readonly routes: TokenRoutes
  readonly clock: Clock
  readonly random: Random
  readonly maxBlockBytes: number
  /** Told of each notification with its whole body: for a cache. */
  readonly onFresh?: ((to: SocketAddress, request: ClientRequest, response: ClientResponse) => void) | undefined
}

const REGISTER = 0
const DEREGISTER = 1
const DEFAULT_MAX_AGE_S = 60
/** Re-registration waits for a random time within these after Max-Age (RFC 7641 §3.3.1). */
const REREGISTER_MIN_MS = 5000
const REREGISTER_SPAN_MS = 10_000
/** Half of the number space, and the time after which numbers say nothing any more (§3.4). */
const HALF = 2 ** 23
const NUMBERS_HOLD_MS = 128_000
/** Notifications that nobody has taken. */
const MAX_QUEUED = 16
const NO_BYTES = new Uint8Array(0)

export interface NotificationOrder {
  readonly number: number
  readonly atMs: number
}

/** Whether a notification was sent after the freshest so far (RFC 7641 §3.4). */
export function isSentLater(freshest: NotificationOrder, incoming: NotificationOrder): boolean {
  const v1 = freshest.number
  const v2 = incoming.number
  return (v1 < v2 && v2 - v1 < HALF) || (v1 > v2 && v1 - v2 > HALF) || incoming.atMs > freshest.atMs + NUMBERS_HOLD_MS
}

export class ObserveClient {
  readonly #options: ObserveClientOptions
  readonly #observations = new Set<ClientObservation>()
  #closed: AppError | undefined

  constructor(options: ObserveClientOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#observations.size
  }

  observe(to: SocketAddress, request: ClientRequest, options: ObserveOptions): Observation {
    if (this.#closed !== undefined) throw this.#closed
    if (request.method !== 'GET' && request.method !== 'FETCH') {
      throw new AppError('input.invalid', 'Only GET and FETCH observe', { details: { method: request.method } })
    }
    if ((request.payload?.length ?? 0) > this.#options.maxBlockBytes) {
      throw new AppError('coap.too-large', 'A request that observes fits one message', { details: { bytes: request.payload?.length ?? 0 } })
    }
    const observation = new ClientObservation(this.#options, to, request, options, () => this.#observations.delete(observation))
    this.#observations.add(observation)
    observation.start()
    return observation
  }

  close(error: AppError): void {
    this.#closed = error
    for (const observation of [...this.#observations]) observation.end(error)
  }
}

class ClientObservation implements Observation {
  readonly #options: ObserveClientOptions
  readonly #to: SocketAddress
  readonly #request: ClientRequest
  readonly #observe: ObserveOptions
  readonly #onEnd: () => void
  readonly #token: Uint8Array
  readonly #security: SentSecurity | undefined
  readonly #stop = new AbortController()
  readonly #queue = new BoundedQueue<ClientResponse>(MAX_QUEUED, 'drop-oldest')
  readonly #unroute: () => void
  readonly #removeAbort: () => void
  #state: 'registering' | 'observing' | 'ended' = 'registering'
  #error: AppError | undefined
  #freshest: NotificationOrder | undefined
  #freshUntilMs = Number.NEGATIVE_INFINITY
  #startedMs: number
  #timer: Timer | undefined
  /** The fetching of the blocks that follow the first of the newest notification. */
  #fetch: AbortController | undefined
  /** The same of its outer blocks. */
  #gathering: AbortController | undefined
  /** The last representation that has an ETag, and the one whose ETag the server has been offered (§3.3.2). */
  #stored: ClientResponse | undefined
  #offered: ClientResponse | undefined
  #echo: CoapOption | undefined
  /** Iterations that wait for the next notification. */
  readonly #waiting = new Set<() => void>()

  constructor(options: ObserveClientOptions, to: SocketAddress, request: ClientRequest, observe: ObserveOptions, onEnd: () => void) {
    this.#options = options
    this.#to = to
    this.#request = request
    this.#observe = observe
    this.#onEnd = onEnd
    this.#startedMs = options.clock.monotonicMs()
    this.#token = options.exchanges.reserveToken()
    this.#security = request.security === undefined ? undefined : new SentSecurity(request.security.open())
    const peer = peerKey(to)
    this.#unroute = options.routes.add(this.#token, (received, origin) => {
      if (origin.peer !== peer) return false
      if (this.#security !== undefined && isFirstOuterBlock(received)) {
        this.#gather(this.#security, received, origin)
        return true
      }
      const opened = openResponse(this.#security, received, origin)
      // What is not authentic does not end the observation (RFC 8613 §8.4.2).
      if (opened === undefined || (this.#security !== undefined && opened.origin.identity === undefined)) return received.type !== 'ACK'
      // A response with an unknown critical option is rejected (RFC 7252 §5.4.1).
      if (unknownCritical(opened.message.options, this.#request.options ?? []) !== undefined) return false
      this.#accept({ message: opened.message, source: origin.source, identity: opened.origin.identity }, false)
      return true
    })
    const { signal } = observe
    const onAbort = (): void => {
      if (signal !== undefined) this.#error = cancelled(signal)
      void this.cancel()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#removeAbort = () => signal?.removeEventListener('abort', onAbort)
  }

  get active(): boolean {
    return this.#state === 'observing'
  }

  get fresh(): boolean {
    return this.#options.clock.monotonicMs() <= this.#freshUntilMs
  }

  start(): void {
    if (this.#observe.signal?.aborted === true) {
      this.end(cancelled(this.#observe.signal))
      return
    }
    this.#register()
  }

  async cancel(): Promise<void> {
    if (this.#state === 'ended') return
    this.#finish()
    try {
      await this.#send(DEREGISTER, [], undefined)
    } catch {
      // A server that did not hear of it gets a Reset for its next notification (§3.6).
    } finally {
      this.#options.exchanges.releaseToken(this.#token)
    }
  }

  forget(): void {
    this.end(undefined)
  }

  end(error: AppError | undefined): void {
    if (this.#state === 'ended') return
    this.#error ??= error
    this.#finish()
    this.#options.exchanges.releaseToken(this.#token)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ClientResponse, void, undefined> {
    try {
      for (;;) {
        for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) yield next
        if (this.#state === 'ended') {
          if (this.#error !== undefined) throw this.#error
          return
        }
        await new Promise<void>((resolve) => this.#waiting.add(resolve))
      }
    } finally {
      void this.cancel()
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  #finish(): void {
    this.#state = 'ended'
    this.#timer?.cancel()
    this.#unroute()
    this.#removeAbort()
    this.#fetch?.abort()
    this.#gathering?.abort()
    this.#stop.abort(new AppError('cancelled', 'The observation has ended'))
    this.#onEnd()
    this.#wake()
  }

  // ---- Registration ----------------------------------------------------------------------------------------------

  #register(): void {
    const etag = this.#stored === undefined ? undefined : findOption(this.#stored.options, OptionNumber.ETAG)
    this.#offered = this.#stored
    this.#startedMs = this.#options.clock.monotonicMs()
    this.#send(REGISTER, etag === undefined ? [] : [etag], this.#stop.signal).then(
      (response) => {
        if (this.#state === 'ended') return
        const unknown = unknownCritical(response.message.options, this.#request.options ?? [])
        if (unknown === undefined) this.#accept(response, true)
        else
          this.end(
            new AppError('coap.option-unsupported', 'The response has a critical option that is unknown here', {
              details: { option: unknown },
            }),
          )
      },
      (thrown: unknown) => this.end(toAppError(thrown)),
    )
  }

  /** All options but ETags are those of the first request (§3.3.1, §3.6). */
  async #send(observe: number, etags: readonly CoapOption[], signal: AbortSignal | undefined): Promise<ExchangeResponse> {
    const preparing = prepared(this.#request.security, this.#options.requester, this.#to, signal)
    if (preparing !== undefined) await preparing
    const response = await this.#sendOnce(observe, etags, signal)
    const challenge = response.message.code === '4.01' ? echoOf(response.message.options) : undefined
    if (challenge === undefined) return response
    // The server wants to see that the request is fresh (RFC 9175 §2.3). Asked once more, it is left at that.
    this.#echo = challenge
    return this.#sendOnce(observe, etags, signal)
  }

  #sendOnce(observe: number, etags: readonly CoapOption[], signal: AbortSignal | undefined): Promise<ExchangeResponse> {
    const { exchanges, maxBlockBytes } = this.#options
    const options = [...requestOptions(this.#request), uintOption(OptionNumber.OBSERVE, observe), ...etags]
    if (this.#echo !== undefined) options.push(this.#echo)
    const { blockBytes: wanted = blocksThroughProxy(this.#request), confirmable = true } = this.#observe
    if (wanted !== undefined) {
      options.push(blockOption(OptionNumber.BLOCK2, { num: 0, more: false, szx: szxFor(Math.min(wanted, maxBlockBytes)) }))
    }
    const content = { code: codeOfMethod(this.#request.method), options, payload: this.#request.payload ?? NO_BYTES }
    return exchanges.run(this.#to, content, { confirmable, signal, token: this.#token, security: this.#security })
  }

  // ---- Notifications ---------------------------------------------------------------------------------------------

  #accept(incoming: ExchangeResponse, isReply: boolean): void {
    const { message } = incoming
    const atMs = this.#options.clock.monotonicMs()
    const number = findUint(message.options, OptionNumber.OBSERVE)
    const success = message.code.startsWith('2.')
    if (success && number !== undefined) {
      // What answers the registration itself is the newest by that, whatever a server that began anew counts.
      const direct = isReply && message.type === 'ACK'
      const order: NotificationOrder = { number, atMs }
      if (this.#freshest !== undefined && !direct && !isSentLater(this.#freshest, order)) return
      this.#freshest = order
      this.#state = 'observing'
      this.#awaitMaxAge(message)
    }
    this.#fetch?.abort()
    this.#fetch = undefined
    // Anything but a success with the option means that the server keeps no entry (§3.2, §4.2).
    const last = !success || number === undefined
    if (firstBlockOf(incoming) !== undefined) {
      this.#fetchRest(incoming, last)
      return
    }
    this.#deliver(this.#responseOf(incoming), last)
  }

  /** A notification of which an intermediary sends only the beginning; a newer one makes the rest pointless. */
  #gather(security: SentSecurity, first: CoapMessage, origin: Origin): void {
    this.#gathering?.abort()
    const gathering = new AbortController()
    this.#gathering = gathering
    // In a later turn, after the acknowledgement of the notification.
    const whole = Promise.resolve().then(() => this.#options.exchanges.openInBlocks(security, first, origin, gathering.signal))
    whole.then(
      (response) => {
        const known = unknownCritical(response.message.options, this.#request.options ?? []) === undefined
        if (known && response.identity !== undefined && this.#gathering === gathering && this.#state !== 'ended')
          this.#accept(response, false)
      },
      // The observation stands, as with a notification that is not authentic.
      () => undefined,
    )
  }

  #awaitMaxAge(message: CoapMessage): void {
    const { clock, random } = this.#options
    const ageMs = (findUint(message.options, OptionNumber.MAX_AGE) ?? DEFAULT_MAX_AGE_S) * 1000
    this.#freshUntilMs = clock.monotonicMs() + ageMs
    this.#timer?.cancel()
    this.#timer = clock.setTimer(ageMs + REREGISTER_MIN_MS + random.fraction() * REREGISTER_SPAN_MS, () => this.#register())
  }

  /** The blocks after the first are fetched with tokens of their own; a newer notification makes that pointless (RFC 7959 §2.6). */
  #fetchRest(first: ExchangeResponse, last: boolean): void {
    const fetch = new AbortController()
    this.#fetch = fetch
    // In a later turn, after the acknowledgement of the notification.
    const rest = Promise.resolve().then(() => this.#options.requester.continueResponse(this.#request, first, this.#startedMs, fetch.signal))
    rest.then(
      (response) => {
        if (this.#fetch === fetch) this.#deliver(response, last)
      },
      (thrown: unknown) => {
        if (this.#fetch !== fetch || this.#state === 'ended') return
        // The observation stands; the state is asked for again when its age is up, or the server tells of the next.
        if (last) this.end(toAppError(thrown))
      },
    )
  }

  #responseOf({ message, source, identity }: ExchangeResponse): ClientResponse {
    const elapsedMs = this.#options.clock.monotonicMs() - this.#startedMs
    const response = toClientResponse(message.code, message.options, message.payload, source, elapsedMs, identity)
    if (response.code !== '2.03' || this.#offered === undefined) return response
    const valid = findOption(response.options, OptionNumber.ETAG)
    const offered = findOption(this.#offered.options, OptionNumber.ETAG)
    if (valid === undefined || offered === undefined || !equalBytes(valid.value, offered.value)) return response
    return { ...response, code: '2.05', payload: this.#offered.payload, contentFormat: this.#offered.contentFormat }
  }

  #deliver(response: ClientResponse, last: boolean): void {
    if (response.code === '2.05' && findOption(response.options, OptionNumber.ETAG) !== undefined) this.#stored = response
    this.#queue.push(response)
    this.#options.onFresh?.(this.#to, this.#request, response)
    if (last) this.end(undefined)
    else this.#wake()
    try {
      this.#observe.onNotification?.(response)
    } catch (thrown) {
      // A listener that fails must not end the process, nor go unnoticed: the iteration throws what it threw.
      this.end(toAppError(thrown))
    }
  }
}
