// Group requests: one Non-confirmable message, sent again if need be; responses by token from any source
// (draft-ietf-core-groupcomm-bis-18 §3.1). What becomes of the responses is their collector's affair.
import { AppError, type Clock, type Random, type SocketAddress } from '#main/base/index.ts'
import { requestOptions, type CoapRequester } from './client.ts'
import { encodeMessage } from './codec.ts'
import { codeOfMethod } from './codes.ts'
import type { GroupCall, GroupCallContext, GroupCallListener } from './group-call.ts'
import { collect } from './group-collect.ts'
import { GroupObservation, type GroupObserveOptions } from './group-observe.ts'
import { GroupPacing, type GroupTurn } from './group-pacing.ts'
import { GROUP_TOKEN_BYTES, GroupTokens, tokenKey } from './group-tokens.ts'
import { refuseCoapsPort } from './group-uri.ts'
import { peerKey, type Delivery, type MessageContent, type MessageLayer, type Origin, type Sent } from './message-layer.ts'
import type { CoapParameters } from './parameters.ts'
import { openResponse } from './security.ts'
import type { ClientRequest, ClientResponse, CoapMessage, CoapOption, ExchangeSecurity, GroupRequestOptions } from './types.ts'

export interface GroupClientOptions {
  readonly messages: MessageLayer
  readonly requester: CoapRequester
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
  /** The port that responses come back to. */
  readonly localPort: number
}

const NO_BYTES = new Uint8Array(0)

export class GroupClient {
  readonly #options: GroupClientOptions
  readonly #tokens: GroupTokens
  readonly #pacing: GroupPacing
  readonly #listeners = new Map<string, GroupCallListener>()
  #closed: AppError | undefined

  constructor(options: GroupClientOptions) {
    this.#options = options
    this.#tokens = new GroupTokens(options)
    this.#pacing = new GroupPacing(options.clock, options.parameters)
  }

  /** The size of the datagram; of a protected one at most. */
  bytes(request: ClientRequest): number {
    const plain = encodeMessage({ type: 'NON', messageId: 0, ...contentOf(request, new Uint8Array(GROUP_TOKEN_BYTES), []) }).length
    return plain + (request.security?.overheadBytes ?? 0)
  }

  /** Sends the request when the iteration starts, and yields responses until the deadline, the expected servers or the signal end it. */
  request(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncGenerator<ClientResponse, void, undefined> {
    return collect(this.#context(to, request), request, options)
  }

  /** Registers with every server of the group at once (§3.7). */
  observe(to: SocketAddress, request: ClientRequest, options: GroupObserveOptions): GroupObservation {
    return new GroupObservation(this.#context(to, request), request, options)
  }

  /** Takes a token; nothing is sent yet. Fails with `group.port-reserved`, or as the endpoint was closed. */
  open(to: SocketAddress, request: ClientRequest, listener: GroupCallListener): GroupCall {
    refuseCoapsPort(to.port)
    if (this.#closed !== undefined) throw this.#closed
    const { messages } = this.#options
    const token = this.#tokens.take()
    const key = tokenKey(token)
    const security = request.security?.open()
    let turn: GroupTurn | undefined
    let messageId: number | undefined
    let sent: Sent | undefined
    let last: MessageContent | undefined
    const heard: GroupCallListener = {
      onResponse: (message, origin) => {
        const opened = openResponse(security, message, origin)
        if (opened === undefined) return true
        turn?.answered()
        return listener.onResponse(opened.message, opened.origin)
      },
      onEnd: (error) => listener.onEnd(error),
    }
    this.#listeners.set(key, heard)
    return {
      begin: (act) => {
        turn = this.#pacing.enter(peerKey(to), act)
      },
      send: (which, extra = []) => {
        if (messageId === undefined || which === 'new') messageId = this.#tokens.takeMessageId()
        else this.#tokens.touchMessageId(messageId)
        sent?.stop()
        const delivery: Delivery = { failed: (error) => listener.onEnd(error) }
        // To those that missed it, the same message: also what protects it is the same (draft-ietf-core-oscore-groupcomm-28 §7.1).
        if (last === undefined || which === 'new') last = sealed(contentOf(request, token, extra, security))
        sent = messages.sendNonConfirmable(last, to, delivery, messageId)
        this.#pacing.sent(peerKey(to), this.bytes(request))
      },
      sendTo: (server, extra, delivery) => messages.sendConfirmable(contentOf(request, token, extra, security), server, delivery),
      giveWay: () => turn?.leave(),
      close: () => {
        sent?.stop()
        if (this.#listeners.get(key) === heard) this.#listeners.delete(key)
        this.#tokens.release(token)
        turn?.leave()
      },
    }
  }

  /** Whether a call waits for responses with that token at the port that they came to (§3.1.4). */
  onResponse(message: CoapMessage, origin: Origin): boolean {
    if (this.#listeners.size === 0) return false
    if (origin.destination !== undefined && origin.destination.port !== this.#options.localPort) return false
    return this.#listeners.get(tokenKey(message.token))?.onResponse(message, origin) ?? false
  }

  #context(to: SocketAddress, request: ClientRequest): GroupCallContext {
    return { ...this.#options, open: (listener) => this.open(to, request, listener) }
  }

  close(error: AppError): void {
    this.#closed = error
    this.#pacing.close()
    for (const listener of [...this.#listeners.values()]) listener.onEnd(error)
  }
}

/** Options of `extra` take the place of those with their number. */
function contentOf(request: ClientRequest, token: Uint8Array, extra: readonly CoapOption[], protection?: ExchangeSecurity): MessageContent {
  const replaced = new Set(extra.map((option) => option.number))
  const options = [...requestOptions(request).filter((option) => !replaced.has(option.number)), ...extra]
  return { code: codeOfMethod(request.method), token, options, payload: request.payload ?? NO_BYTES, protection }
}

/** What leaves, made once. */
function sealed(content: MessageContent): MessageContent {
  const outer = content.protection === undefined ? content : content.protection.protect(content)
  if (outer === undefined) throw new AppError('network.send-failed', 'The message could not be protected')
  return outer
}
