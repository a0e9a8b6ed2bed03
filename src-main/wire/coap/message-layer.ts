// Messages on a channel: Message IDs, retransmission of Confirmable messages, deduplication, acknowledgement and reset (RFC 7252 §4).
import {
  AppError,
  isMulticastAddress,
  type ChannelEvent,
  type Clock,
  type Datagram,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
  type Timer,
} from '#main/base/index.ts'
import { encodeMessage, findFault, parseChecked, PLAIN_TOKEN_BYTES, readHeader } from './codec.ts'
import { EMPTY_CODE, isRequestCode, isResponseCode } from './codes.ts'
import { DedupStore } from './dedup.ts'
import { FIRST_GROUP_MESSAGE_ID } from './group-tokens.ts'
import { findOption, OptionNumber } from './options.ts'
import { exchangeLifetimeMs, nonLifetimeMs, type CoapParameters } from './parameters.ts'
import { newCounters, type CoapCounters, type TraceEvent } from './trace.ts'
import type { CoapMessage, CoapOption, MessageContent, Origin } from './types.ts'

export type { MessageContent, Origin } from './types.ts'

/** What becomes of a message that was sent. */
export interface Delivery {
  acknowledged?(): void
  reset?(): void
  timedOut?(): void
  failed?(error: AppError): void
  /** Asked before each retransmission; true takes over: nothing more is sent of this message (RFC 7641 §4.5.2). */
  supersede?(resumption: Resumption): boolean
}

/** Where the retransmission of a message that superseded another goes on. */
export interface Resumption {
  readonly retransmissions: number
  readonly timeoutMs: number
}

export interface MessageUser {
  /** `seen` is for the reply to it. */
  onRequest(message: CoapMessage, origin: Origin, seen: Seen): void
  /** Whether anybody waited for it. */
  onResponse(message: CoapMessage, origin: Origin): boolean
  onClosed(error: AppError): void
}

export interface MessageLayerOptions {
  readonly channel: DatagramChannel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly parameters: CoapParameters
  readonly onTrace?: ((event: TraceEvent) => void) | undefined
}

/** A sent message that an ACK or RST may still refer to. */
export interface Sent {
  /** Forgets it: no more transmissions, no more news. */
  stop(): void
}

interface Pending extends Sent {
  readonly peer: string
  readonly token: Uint8Array
  readonly delivery: Delivery
}

/** Where deduplication remembers a message. */
export type Seen = number

const NO_BYTES = new Uint8Array(0)
const NO_OPTIONS: readonly CoapOption[] = []

export class MessageLayer {
  readonly counters: CoapCounters = newCounters()
  readonly #options: MessageLayerOptions
  readonly #user: MessageUser
  readonly #pending = new Map<string, Pending>()
  readonly #seen: DedupStore
  readonly #exchangeLifetimeMs: number
  readonly #nonLifetimeMs: number
  readonly #extendedTokens: boolean
  readonly #unsubscribe: () => void
  #nextMessageId: number
  #open = true

  constructor(options: MessageLayerOptions, user: MessageUser) {
    this.#options = options
    this.#user = user
    const { parameters } = options
    this.#extendedTokens = parameters.maxTokenBytes > PLAIN_TOKEN_BYTES
    this.#exchangeLifetimeMs = exchangeLifetimeMs(parameters)
    this.#nonLifetimeMs = nonLifetimeMs(parameters)
    this.#seen = new DedupStore({ maxEntries: parameters.maxDedupEntries, maxBytes: parameters.maxDedupBytes })
    this.#nextMessageId = options.random.below(FIRST_GROUP_MESSAGE_ID)
    this.#unsubscribe = options.channel.subscribe((event) => this.#onEvent(event))
  }

  /** Message IDs remembered, for tests of the bound. */
  get remembered(): number {
    return this.#seen.size
  }

  // ---- Sending ---------------------------------------------------------------------------------------------------

  /** Sends a Confirmable message, again and again until it is acknowledged, reset, or given up (RFC 7252 §4.2). */
  sendConfirmable(plain: MessageContent, to: SocketAddress, delivery: Delivery, resumption?: Resumption): Sent {
    const { clock, random, parameters } = this.#options
    const content = protectedForm(plain)
    if (content === undefined) return this.#unsent(delivery)
    const messageId = this.#takeMessageId(peerKey(to))
    const message: CoapMessage = { type: 'CON', messageId, ...content }
    const bytes = encodeMessage(message, this.#extendedTokens)
    let timeoutMs = resumption?.timeoutMs ?? parameters.ackTimeoutMs * (1 + random.fraction() * (parameters.ackRandomFactor - 1))
    let retransmissions = resumption?.retransmissions ?? 0
    let timer: Timer
    const onTimer = (): void => {
      if (retransmissions >= parameters.maxRetransmit) {
        pending.stop()
        this.counters.timeouts++
        delivery.timedOut?.()
        return
      }
      retransmissions++
      timeoutMs *= 2
      if (delivery.supersede?.({ retransmissions, timeoutMs }) === true) {
        pending.stop()
        return
      }
      timer = clock.setTimer(timeoutMs, onTimer)
      this.counters.retransmissions++
      this.#transmit(bytes, to, message, 'again')
    }
    const pending = this.#watch(to, messageId, content.token, delivery, () => timer.cancel())
    timer = clock.setTimer(timeoutMs, onTimer)
    this.#transmit(bytes, to, message, 'first')
    return pending
  }

  /** Sends a Non-confirmable message; with a delivery, a Reset of it is heard until `stop`. Group requests bring Message IDs of their own. */
  sendNonConfirmable(plain: MessageContent, to: SocketAddress, delivery?: Delivery, messageId = this.#takeMessageId(peerKey(to))): Sent {
    const content = protectedForm(plain)
    if (content === undefined) return this.#unsent(delivery)
    const message: CoapMessage = { type: 'NON', messageId, ...content }
    const bytes = encodeMessage(message, this.#extendedTokens)
    const pending = delivery === undefined ? NOTHING_PENDING : this.#watch(to, messageId, content.token, delivery, () => undefined)
    this.#transmit(bytes, to, message, 'first')
    return pending
  }

  /** Answers in the acknowledgement of a Confirmable message, and remembers it for duplicates. */
  sendPiggybacked(plain: MessageContent, messageId: number, to: SocketAddress, seen: Seen): void {
    const content = protectedForm(plain)
    if (content === undefined) this.sendEmpty('ACK', messageId, to, seen)
    else this.#reply({ type: 'ACK', messageId, ...content }, to, seen)
  }

  /** An Acknowledgement (also of a duplicate to come) or Reset without content. */
  sendEmpty(type: 'ACK' | 'RST', messageId: number, to: SocketAddress, seen: Seen | undefined): void {
    if (type === 'RST') this.counters.resetsSent++
    this.#reply({ type, messageId, code: EMPTY_CODE, token: NO_BYTES, options: NO_OPTIONS, payload: NO_BYTES }, to, seen)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#unsubscribe()
    for (const pending of [...this.#pending.values()]) pending.stop()
    this.#seen.clear()
  }

  /** Nothing may leave: the news of it comes in a later turn, as with a real failure to send. */
  #unsent(delivery: Delivery | undefined): Sent {
    this.counters.ignored++
    const error = new AppError('network.send-failed', 'The message could not be protected')
    const timer = this.#options.clock.setTimer(0, () => delivery?.failed?.(error))
    return { stop: () => timer.cancel() }
  }

  #reply(message: CoapMessage, to: SocketAddress, seen: Seen | undefined): void {
    const bytes = encodeMessage(message, this.#extendedTokens)
    if (seen !== undefined) this.#seen.setReply(seen, peerKey(to), message.messageId, bytes)
    this.#transmit(bytes, to, message, 'first')
  }

  #transmit(bytes: Uint8Array, to: SocketAddress, message: CoapMessage | undefined, note: TraceEvent['note']): void {
    if (!this.#open) return
    this.counters.messagesSent++
    this.#options.channel.send(bytes, to)
    if (this.#options.onTrace !== undefined)
      this.#trace('sent', to, this.#options.channel.local, bytes, isMulticastAddress(to.address), message ?? parseChecked(bytes), note)
  }

  #watch(to: SocketAddress, messageId: number, token: Uint8Array, delivery: Delivery, cancelTimer: () => void): Pending {
    const peer = peerKey(to)
    const key = messageKey(peer, messageId)
    const pending: Pending = {
      peer,
      token,
      delivery,
      stop: () => {
        cancelTimer()
        if (this.#pending.get(key) === pending) this.#pending.delete(key)
      },
    }
    this.#pending.set(key, pending)
    return pending
  }

  #takeMessageId(peer: string): number {
    // An ID that still waits for its acknowledgement is passed over.
    for (let tries = 0; tries < FIRST_GROUP_MESSAGE_ID; tries++) {
      const messageId = this.#nextMessageId
      this.#nextMessageId = (messageId + 1) % FIRST_GROUP_MESSAGE_ID
      if (this.#pending.size === 0 || !this.#pending.has(messageKey(peer, messageId))) return messageId
    }
    throw new AppError('network.send-failed', 'Every Message ID of this peer is in use', { retryable: true })
  }

  // ---- Receiving -------------------------------------------------------------------------------------------------

  #onEvent(event: ChannelEvent): void {
    switch (event.kind) {
      case 'datagram':
        try {
          this.#onDatagram(event.datagram)
        } catch (thrown) {
          // Invariant: no datagram may end the process; whatever escapes from the handling of one is a defect to be logged.
          this.#options.logger.error({ channel: this.#options.channel.id, err: thrown }, 'A datagram could not be handled')
        }
        return
      case 'send-failed':
        this.#onSendFailed(event.to, event.error)
        return
      case 'closed':
        this.#user.onClosed(new AppError('network.down', 'The channel is closed', event.error === undefined ? {} : { cause: event.error }))
    }
  }

  #onDatagram(datagram: Datagram): void {
    const { payload: bytes, source, destination, multicast } = datagram
    this.counters.messagesReceived++
    if (findFault(bytes, this.#extendedTokens) !== undefined) {
      this.#onMalformed(datagram)
      return
    }
    const message = parseChecked(bytes)
    const origin: Origin = { source, peer: peerKey(source), destination, multicast, identity: datagram.peer }
    if (message.type === 'ACK' || message.type === 'RST') {
      this.#traceReceived(datagram, message, 'first')
      this.#onAcknowledgement(message, origin)
      return
    }
    const nowMs = this.#options.clock.monotonicMs()
    const before = this.#seen.find(origin.peer, message.messageId, nowMs)
    if (before !== undefined) {
      this.#traceReceived(datagram, message, 'again')
      this.counters.duplicates++
      // Each copy of a Confirmable message is acknowledged as the first was (§4.2); duplicates of others are ignored (§4.3).
      const reply = message.type === 'CON' ? this.#seen.reply(before) : undefined
      if (reply !== undefined) this.#transmit(reply, source, undefined, 'again')
      return
    }
    this.#traceReceived(datagram, message, 'first')
    // A Confirmable message must not be sent to a group (§8.1), and none is answered to one.
    if (multicast && (message.type === 'CON' || !isRequestCode(message.code))) {
      this.counters.ignored++
      return
    }
    const seen = this.#seen.add(
      origin.peer,
      message.messageId,
      message.type === 'CON' ? this.#exchangeLifetimeMs : this.#nonLifetimeMs,
      nowMs,
    )
    this.#onNew(message, origin, seen)
  }

  #onNew(message: CoapMessage, origin: Origin, seen: Seen): void {
    if (isRequestCode(message.code)) {
      this.#user.onRequest(message, origin, seen)
      return
    }
    const wanted = isResponseCode(message.code) && this.#user.onResponse(message, origin)
    if (!wanted) this.counters.ignored++
    // A separate response is acknowledged; one that nobody waits for, a ping, and a code of a reserved class are rejected (§4.2, §4.3).
    if (message.type === 'CON') this.sendEmpty(wanted ? 'ACK' : 'RST', message.messageId, origin.source, seen)
    // A server that notifies of an observation forgotten here learns of it (RFC 7641 §3.6).
    else if (!wanted && findOption(message.options, OptionNumber.OBSERVE) !== undefined)
      this.sendEmpty('RST', message.messageId, origin.source, seen)
  }

  #onAcknowledgement(message: CoapMessage, origin: Origin): void {
    const pending = this.#pending.get(messageKey(origin.peer, message.messageId))
    // Requests in ACK or RST, content in RST, and whatever came by multicast are errors that are ignored (§4.2).
    const sound = !origin.multicast && (message.code === EMPTY_CODE || (message.type === 'ACK' && isResponseCode(message.code)))
    if (pending === undefined || !sound) {
      // OpenThread's server answers a group request in an ACK with the group's Message ID: the token says whose response it is.
      const isToGroup = pending === undefined && sound && message.messageId >= FIRST_GROUP_MESSAGE_ID && isResponseCode(message.code)
      const isTaken = isToGroup && this.#user.onResponse(message, origin)
      if (!isTaken) this.counters.ignored++
      return
    }
    if (message.type === 'RST') {
      this.counters.resetsReceived++
      pending.stop()
      pending.delivery.reset?.()
      return
    }
    if (message.code !== EMPTY_CODE && !sameToken(message.token, pending.token)) {
      this.counters.ignored++
      return
    }
    pending.stop()
    // A response that nobody takes leaves its request waiting for another, as an empty acknowledgement does.
    if (message.code !== EMPTY_CODE && this.#user.onResponse(message, origin)) return
    pending.delivery.acknowledged?.()
  }

  #onMalformed(datagram: Datagram): void {
    this.counters.malformed++
    this.#traceReceived(datagram, undefined, 'malformed')
    const header = readHeader(datagram.payload)
    // A Confirmable message with a format error is rejected; of anything else nobody hears (§4.2, §4.3).
    if (header?.type === 'CON' && !datagram.multicast) this.sendEmpty('RST', header.messageId, datagram.source, undefined)
  }

  #onSendFailed(to: SocketAddress, cause: Error): void {
    const peer = peerKey(to)
    // Why a secured connection did not come about is worth more than that nothing was sent.
    const isTold = cause instanceof AppError && cause.code.startsWith('dtls.')
    const error = isTold ? cause : new AppError('network.send-failed', cause.message, { cause, retryable: true })
    for (const pending of [...this.#pending.values()]) {
      if (pending.peer !== peer) continue
      pending.stop()
      pending.delivery.failed?.(error)
    }
  }

  #traceReceived(datagram: Datagram, message: CoapMessage | undefined, note: TraceEvent['note']): void {
    if (this.#options.onTrace !== undefined)
      this.#trace(
        'received',
        datagram.source,
        datagram.destination ?? this.#options.channel.local,
        datagram.payload,
        datagram.multicast,
        message,
        note,
      )
  }

  #trace(
    direction: TraceEvent['direction'],
    peer: SocketAddress,
    local: SocketAddress,
    datagram: Uint8Array,
    multicast: boolean,
    message: CoapMessage | undefined,
    note: TraceEvent['note'],
  ): void {
    try {
      const atMs = this.#options.clock.now()
      this.#options.onTrace?.({ direction, peer, local, atMs, bytes: datagram.length, datagram, multicast, message, note })
    } catch (thrown) {
      this.#options.logger.error({ channel: this.#options.channel.id, err: thrown }, 'A trace listener failed')
    }
  }
}

function protectedForm(content: MessageContent): MessageContent | undefined {
  return content.protection === undefined ? content : content.protection.protect(content)
}

const NOTHING_PENDING: Sent = { stop: () => undefined }

/** The key that a peer has in every table. */
export function peerKey(at: SocketAddress): string {
  return at.zone === undefined ? `${at.address} ${at.port}` : `${at.address}%${at.zone} ${at.port}`
}

function messageKey(peer: string, messageId: number): string {
  return `${peer} ${messageId}`
}

export function sameToken(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}
