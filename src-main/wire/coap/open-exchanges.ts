// One unicast request, any number of responses: what a client asks of a proxy that forwards to a group. The token is kept until the
// exchange is closed, and not used again for MIN_TOKEN_REUSE_TIME (draft-ietf-core-groupcomm-proxy-07 §5.1.1, §5.5.1).
import { AppError, type Clock, type Random, type SocketAddress } from '#main/base/index.ts'
import { requestOptions, toClientResponse } from './client.ts'
import { codeOfMethod } from './codes.ts'
import { ExpiringMap } from './expiring-map.ts'
import { peerKey, type MessageContent, type MessageLayer, type Origin, type Sent } from './message-layer.ts'
import { minTokenReuseTimeMs, type CoapParameters } from './parameters.ts'
import { openResponse } from './security.ts'
import type { ClientRequest, ClientResponse, CoapMessage, ExchangeSecurity } from './types.ts'

export interface OpenExchangeListener {
  /** Each response as it comes; of a larger body the first block. */
  onResponse(response: ClientResponse): void
  /** The request did not arrive, or was rejected; nothing more follows. */
  onFailed(error: AppError): void
}

export interface OpenExchange {
  readonly token: Uint8Array
  /** Sends another request with the same token (an Early Stop Request, §5.1.3). Its delivery is not waited for. */
  again(request: ClientRequest): void
  /** Gives the token up; later responses find nobody. */
  close(): void
}

export interface OpenExchangesOptions {
  readonly messages: MessageLayer
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
  readonly maxBlockBytes: number
}

interface Entry {
  readonly peer: string
  readonly startedMs: number
  readonly listener: OpenExchangeListener
  readonly security: ExchangeSecurity | undefined
  sent: Sent | undefined
}

/** Longer than the tokens of single and group requests, so the kinds are never taken for one another. */
const TOKEN_BYTES = 6
const MAX_USED_TOKENS = 100_000
const NO_BYTES = new Uint8Array(0)

export class OpenExchanges {
  readonly #options: OpenExchangesOptions
  readonly #entries = new Map<string, Entry>()
  readonly #usedTokens: ExpiringMap<true>
  #closed: AppError | undefined

  constructor(options: OpenExchangesOptions) {
    this.#options = options
    this.#usedTokens = new ExpiringMap(minTokenReuseTimeMs(options.parameters), MAX_USED_TOKENS)
  }

  open(to: SocketAddress, request: ClientRequest, confirmable: boolean, listener: OpenExchangeListener): OpenExchange {
    if (this.#closed !== undefined) throw this.#closed
    const { clock, messages, parameters, maxBlockBytes } = this.#options
    if ((request.payload?.length ?? 0) > maxBlockBytes) {
      throw new AppError('coap.too-large', 'A request to a group fits one message', { details: { bytes: request.payload?.length ?? 0 } })
    }
    if (this.#entries.size >= parameters.maxPendingRequests) {
      throw new AppError('network.send-failed', 'Too many requests are pending', { retryable: true })
    }
    const token = this.#newToken()
    const key = tokenKey(token)
    const security = request.security?.open()
    const entry: Entry = { peer: peerKey(to), startedMs: clock.monotonicMs(), listener, security, sent: undefined }
    const close = (): void => {
      entry.sent?.stop()
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
    }
    const fail = (error: AppError): void => {
      if (this.#entries.get(key) !== entry) return
      close()
      listener.onFailed(error)
    }
    const delivery = {
      reset: () => fail(new AppError('coap.reset', 'The proxy rejected the request', { retryable: true })),
      timedOut: () => fail(new AppError('coap.timeout', 'No answer came in time', { retryable: true })),
      failed: fail,
    }
    this.#entries.set(key, entry)
    try {
      const content = contentOf(request, token, security)
      entry.sent = confirmable ? messages.sendConfirmable(content, to, delivery) : messages.sendNonConfirmable(content, to, delivery)
    } catch (thrown) {
      close()
      throw thrown
    }
    return {
      token,
      again: (next) => {
        const content = contentOf(next, token, security)
        if (confirmable) messages.sendConfirmable(content, to, {})
        else messages.sendNonConfirmable(content, to)
      },
      close,
    }
  }

  /** Whether an open exchange waited for the response. */
  onResponse(message: CoapMessage, origin: Origin): boolean {
    if (message.token.length !== TOKEN_BYTES) return false
    const entry = this.#entries.get(tokenKey(message.token))
    if (entry?.peer !== origin.peer) return false
    const opened = openResponse(entry.security, message, origin)
    if (opened === undefined) return message.type !== 'ACK'
    const elapsedMs = this.#options.clock.monotonicMs() - entry.startedMs
    const { code, options, payload } = opened.message
    entry.listener.onResponse(toClientResponse(code, options, payload, origin.source, elapsedMs, opened.origin.identity))
    return true
  }

  close(error: AppError): void {
    this.#closed = error
    for (const [key, entry] of [...this.#entries]) {
      this.#entries.delete(key)
      entry.sent?.stop()
      entry.listener.onFailed(error)
    }
  }

  #newToken(): Uint8Array {
    const nowMs = this.#options.clock.monotonicMs()
    for (;;) {
      const token = this.#options.random.bytes(TOKEN_BYTES)
      const key = tokenKey(token)
      if (this.#usedTokens.get(key, nowMs) !== undefined) continue
      this.#usedTokens.set(key, true, minTokenReuseTimeMs(this.#options.parameters), nowMs)
      return token
    }
  }
}

function contentOf(request: ClientRequest, token: Uint8Array, protection: ExchangeSecurity | undefined): MessageContent {
  const { method, payload } = request
  return { code: codeOfMethod(method), token, options: requestOptions(request), payload: payload ?? NO_BYTES, protection }
}

function tokenKey(token: Uint8Array): string {
  return String.fromCharCode(...token)
}
