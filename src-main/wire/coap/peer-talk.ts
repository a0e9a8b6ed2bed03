// Requests outside the pattern of one request and one response: those that want no answer (RFC 7967), and the trial that shows whether
// a server understands extended tokens (RFC 8974 §2.2.2).
import { AppError, type Clock, type Random, type SocketAddress, type Timer } from '#main/base/index.ts'
import { requestOptions } from './client.ts'
import { MAX_TOKEN_BYTES, PLAIN_TOKEN_BYTES } from './codec.ts'
import { codeOfMethod } from './codes.ts'
import type { Exchanges } from './exchange.ts'
import { cancelled } from './security.ts'
import { peerKey, type MessageLayer, type Sent } from './message-layer.ts'
import { OptionNumber, uintOption } from './options.ts'
import { exchangeLifetimeMs, nonLifetimeMs, type CoapParameters } from './parameters.ts'
import type { TokenRoutes } from './token-routes.ts'
import type { ClientRequest, TellOptions } from './types.ts'

export interface PeerTalkOptions {
  readonly exchanges: Exchanges
  readonly messages: MessageLayer
  readonly routes: TokenRoutes
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
  readonly maxBlockBytes: number
}

/** Not interested in 2.xx, 4.xx and 5.xx (RFC 7967 §2.1). */
const NO_RESPONSE_AT_ALL = 26
const NO_BYTES = new Uint8Array(0)

export class PeerTalk {
  readonly #options: PeerTalkOptions
  readonly #open = new Set<(error: AppError) => void>()
  #closed: AppError | undefined

  constructor(options: PeerTalkOptions) {
    this.#options = options
  }

  /** Sends a request whose response is not wanted, whatever it would be. */
  tell(to: SocketAddress, request: ClientRequest, options: TellOptions): Promise<void> {
    const { exchanges, messages, clock, parameters, maxBlockBytes } = this.#options
    const payload = request.payload ?? NO_BYTES
    if (payload.length > maxBlockBytes) {
      const details = { bytes: payload.length }
      return Promise.reject(new AppError('coap.too-large', 'A request without response fits one message', { details }))
    }
    const token = exchanges.reserveToken()
    // A server that does not know the option answers: until then the token must not belong to another request (RFC 7967 §3.2).
    const giveBack = (): void => exchanges.releaseToken(token)
    const wish = uintOption(OptionNumber.NO_RESPONSE, NO_RESPONSE_AT_ALL)
    const protection = request.security?.open()
    const content = { code: codeOfMethod(request.method), token, options: [...requestOptions(request), wish], payload, protection }
    clock.setTimer(nonLifetimeMs(parameters), giveBack)
    if (options.confirmable !== true) {
      return this.#run(options.signal, (settle) => {
        const sent = messages.sendNonConfirmable(content, to)
        settle(undefined)
        return sent
      })
    }
    return this.#run(options.signal, (settle) =>
      messages.sendConfirmable(content, to, {
        acknowledged: () => settle(undefined),
        reset: () => settle(reset()),
        timedOut: () => settle(timeout()),
        failed: (error) => settle(error),
      }),
    )
  }

  /**
   * Whether the server takes tokens of so many bytes: a trial with a Confirmable GET. The answer holds for half an hour at least and a
   * day at most. Fails with `coap.timeout` where nobody answers.
   */
  supportsTokens(to: SocketAddress, tokenBytes: number, signal?: AbortSignal): Promise<boolean> {
    if (tokenBytes <= PLAIN_TOKEN_BYTES) return Promise.resolve(true)
    const { routes, messages, clock, random, parameters } = this.#options
    if (tokenBytes > MAX_TOKEN_BYTES || parameters.maxTokenBytes < tokenBytes) {
      return Promise.reject(new AppError('input.invalid', 'Such tokens are not understood here', { details: { tokenBytes } }))
    }
    const token = random.bytes(tokenBytes)
    const peer = peerKey(to)
    let supported = false
    let timer: Timer | undefined
    let unroute = (): void => undefined
    return this.#run(signal, (settle) => {
      unroute = routes.add(token, (message, origin) => {
        if (origin.peer !== peer) return false
        // 4.00 and 5.03 come from a server that knows the extension and yet cannot take this token (§2.2.2).
        supported = message.code !== '4.00' && message.code !== '5.03'
        settle(undefined)
        return true
      })
      const options = [{ number: OptionNumber.IF_NONE_MATCH, value: NO_BYTES }]
      return messages.sendConfirmable({ code: '0.01', token, options, payload: NO_BYTES }, to, {
        acknowledged: () => {
          timer = clock.setTimer(exchangeLifetimeMs(parameters), () => settle(timeout()))
        },
        reset: () => settle(undefined),
        timedOut: () => settle(timeout()),
        failed: (error) => settle(error),
      })
    })
      .finally(() => {
        timer?.cancel()
        unroute()
      })
      .then(() => supported)
  }

  close(error: AppError): void {
    this.#closed = error
    for (const end of [...this.#open]) end(error)
  }

  /** Settles once, and stops whatever is still sent then. */
  #run(signal: AbortSignal | undefined, send: (settle: (error: AppError | undefined) => void) => Sent): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed)
        return
      }
      if (signal?.aborted === true) {
        reject(cancelled(signal))
        return
      }
      let sent: Sent | undefined
      let done = false
      const settle = (error: AppError | undefined): void => {
        if (done) return
        done = true
        this.#open.delete(settle)
        signal?.removeEventListener('abort', onAbort)
        sent?.stop()
        if (error === undefined) resolve()
        else reject(error)
      }
      const onAbort = (): void => settle(signal === undefined ? undefined : cancelled(signal))
      this.#open.add(settle)
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        sent = send(settle)
      } catch (thrown) {
        settle(thrown instanceof AppError ? thrown : new AppError('network.send-failed', String(thrown), { cause: thrown }))
      }
    })
  }
}

function timeout(): AppError {
  return new AppError('coap.timeout', 'No answer came in time', { retryable: true })
}

function reset(): AppError {
  return new AppError('coap.reset', 'The peer rejected the request', { retryable: true })
}
