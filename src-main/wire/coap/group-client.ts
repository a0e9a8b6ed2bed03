// Group requests: one Non-confirmable message, responses by token from any source (draft-ietf-core-groupcomm-bis-18 §3.1).
import { AppError, formatSocketAddress, type Clock, type Random, type SocketAddress } from '#main/base/index.ts'
import { firstBlockOf, requestOptions, toClientResponse, type CoapRequester } from './client.ts'
import { encodeMessage } from './codec.ts'
import { codeOfMethod } from './codes.ts'
import { cancelled } from './exchange.ts'
import { ExpiringMap } from './expiring-map.ts'
import type { MessageLayer, Origin } from './message-layer.ts'
import { minTokenReuseTimeMs, type CoapParameters } from './parameters.ts'
import type { ClientRequest, ClientResponse, CoapMessage, GroupRequestOptions } from './types.ts'

export interface GroupClientOptions {
  readonly messages: MessageLayer
  readonly requester: CoapRequester
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
}

interface Collection {
  onResponse(message: CoapMessage, origin: Origin): void
  end(error: AppError): void
}

/** Short, because a group request should fit one 802.15.4 frame; random, because only the token tells a response (§3.1.4). */
const TOKEN_BYTES = 4
/** Of DTLS, which does not protect groups (groupcomm-bis §2.2.1.2, RFC 7252 §6.2). */
const COAPS_PORT = 5684
/** Tokens remembered lest they be used again: 400 requests a second for MIN_TOKEN_REUSE_TIME. */
const MAX_USED_TOKENS = 200_000
const NO_BYTES = new Uint8Array(0)

export class GroupClient {
  readonly #options: GroupClientOptions
  readonly #collections = new Map<string, Collection>()
  /** Tokens that must not be used again yet. */
  readonly #usedTokens: ExpiringMap<true>
  #closed: AppError | undefined

  constructor(options: GroupClientOptions) {
    this.#options = options
    this.#usedTokens = new ExpiringMap(minTokenReuseTimeMs(options.parameters), MAX_USED_TOKENS)
  }

  /** The size of the datagram. */
  bytes(request: ClientRequest): number {
    return encodeMessage({ type: 'NON', messageId: 0, ...contentOf(request, new Uint8Array(TOKEN_BYTES)) }).length
  }

  /** Sends the request when the iteration starts, and yields responses until the deadline, the expected number or the signal ends it. */
  async *request(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncGenerator<ClientResponse, void, undefined> {
    if (to.port === COAPS_PORT) {
      throw new AppError('group.port-reserved', 'Port 5684 is for DTLS, which does not protect groups', {
        details: { address: formatSocketAddress(to) },
      })
    }
    if (this.#closed !== undefined) throw this.#closed
    const { signal } = options
    if (signal?.aborted === true) throw cancelled(signal)
    const { clock, parameters, messages, requester } = this.#options
    const startedMs = clock.monotonicMs()
    const queue: ClientResponse[] = []
    const sources = new Set<string>()
    const stop = new AbortController()
    const state: { ended: boolean; error: AppError | undefined } = { ended: false, error: undefined }
    let wake: () => void = () => undefined
    const end = (why?: AppError): void => {
      state.error ??= why
      state.ended = true
      wake()
    }
    const deliver = (response: ClientResponse, peer: string): void => {
      if (state.ended) return
      if (queue.length >= parameters.maxGroupResponses) {
        messages.counters.overload++
        return
      }
      queue.push(response)
      sources.add(peer)
      if (options.expected !== undefined && sources.size >= options.expected) end()
      else wake()
    }
    let continuing = 0
    const onResponse = (message: CoapMessage, origin: Origin): void => {
      if (state.ended) return
      const first = { message, source: origin.source }
      if (firstBlockOf(first) === undefined) {
        deliver(
          toClientResponse(message.code, message.options, message.payload, origin.source, clock.monotonicMs() - startedMs),
          origin.peer,
        )
        return
      }
      if (continuing >= parameters.maxGroupResponses) {
        messages.counters.overload++
        return
      }
      continuing++
      requester.continueResponse(request, first, startedMs, stop.signal).then(
        (response) => {
          continuing--
          deliver(response, origin.peer)
        },
        // A server whose rest cannot be had counts as not having answered.
        () => {
          continuing--
        },
      )
    }
    const token = this.#newToken()
    const key = tokenKey(token)
    const onAbort = (): void => end(signal === undefined ? undefined : cancelled(signal))
    const timer = clock.setTimer(options.deadlineMs, () => end())
    this.#collections.set(key, { onResponse, end })
    signal?.addEventListener('abort', onAbort, { once: true })
    const sent = messages.sendNonConfirmable(contentOf(request, token), to, { failed: (failure) => end(failure) })
    try {
      for (;;) {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next
        if (state.error !== undefined) throw state.error
        if (state.ended) return
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      state.ended = true
      this.#collections.delete(key)
      sent.stop()
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
      stop.abort()
    }
  }

  /** Whether a collection waits for responses with that token. */
  onResponse(message: CoapMessage, origin: Origin): boolean {
    if (this.#collections.size === 0) return false
    const collection = this.#collections.get(tokenKey(message.token))
    collection?.onResponse(message, origin)
    return collection !== undefined
  }

  close(error: AppError): void {
    this.#closed = error
    for (const collection of this.#collections.values()) collection.end(error)
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

function contentOf(
  request: ClientRequest,
  token: Uint8Array,
): { code: string; token: Uint8Array; options: ReturnType<typeof requestOptions>; payload: Uint8Array } {
  return { code: codeOfMethod(request.method), token, options: requestOptions(request), payload: request.payload ?? NO_BYTES }
}

function tokenKey(token: Uint8Array): string {
  return String.fromCharCode(...token)
}
