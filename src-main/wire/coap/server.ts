// The server role: requests to handlers, and their responses piggybacked, separate, or held back (RFC 7252 §5.2, §8.2;
// draft-ietf-core-groupcomm-bis-18 §3.1.2).
import { toAppError, type Clock, type Logger, type Random, type SocketAddress, type Timer } from '#main/base/index.ts'
import { blockOption, findBlock, szxFor } from './block.ts'
import type { BlockServer } from './block-server.ts'
import { encodeMessage } from './codec.ts'
import { isEchoChallenge, isSuppressed, leastLeisureMs, LeisurePlan, limitAmplification } from './group-leisure.ts'
import type { Delivery, MessageContent, MessageLayer, Origin, Seen } from './message-layer.ts'
import type { ObserveServer } from './observe-server.ts'
import type { Observer } from './observer.ts'
import type { EchoGuard } from './echo.ts'
import { findOption, OptionNumber, uintOption } from './options.ts'
import type { CoapParameters } from './parameters.ts'
import { noResponseBit, readRequest, type ReadRequest } from './request-reader.ts'
import type { ResourceTree } from './resource-tree.ts'
import type { CoapMessage, CoapOption, MessageProtection, OutgoingResponse, Resource, ResourceHandler, ResponseCode } from './types.ts'

export interface ServerOptions {
  readonly channelId: string
  readonly tree: ResourceTree
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly parameters: CoapParameters
  readonly blocks: BlockServer
  readonly messages: MessageLayer
  readonly observers: ObserveServer
  readonly echo: EchoGuard
  /** Whether the channel vouches for who the peer is; nobody by default. */
  readonly isAuthenticated?: ((peer: SocketAddress) => boolean) | undefined
  /** What a block may have towards a peer with whom less is agreed than the channel bears. */
  readonly blockRoomTo?: ((peer: SocketAddress) => number) | undefined
}

/** A request that is being served. */
interface Turn {
  readonly message: CoapMessage
  readonly origin: Origin
  readonly seen: Seen
  readonly resource: Resource | undefined
  readonly noResponse: number
  /** Already acknowledged by an empty message, so the response is a message of its own. */
  separate: boolean
}

const NO_BYTES = new Uint8Array(0)
const NO_OPTIONS: readonly CoapOption[] = []
const EVERY_CLASS = [2, 4, 5] as const
/** Whatever an estimate says: nobody collects responses for longer. */
const LONGEST_LEISURE_MS = 120_000

export class CoapServer {
  readonly #options: ServerOptions
  readonly #timers = new Set<Timer>()
  readonly #leisure: LeisurePlan
  #serving = 0
  #open = true

  constructor(options: ServerOptions) {
    this.#options = options
    this.#leisure = new LeisurePlan(options.clock, options.random, LONGEST_LEISURE_MS)
  }

  /** Requests that a handler or Leisure holds. */
  get serving(): number {
    return this.#serving
  }

  onRequest(message: CoapMessage, origin: Origin, seen: Seen): void {
    if (message.token.length > this.#options.parameters.maxTokenBytes) {
      // A Reset would say that extended tokens are not understood at all (RFC 8974 §2.2.2).
      this.#refuse({ message, origin, seen, resource: undefined, noResponse: 0, separate: false }, '4.00')
      return
    }
    const read = readRequest(message, origin, this.#options.channelId)
    if ('refused' in read) {
      this.#refuse({ message, origin, seen, resource: undefined, noResponse: 0, separate: false }, read.refused)
      return
    }
    const resource = this.#options.tree.find(read.request.path)
    this.#serve({ message, origin, seen, resource, noResponse: read.noResponse, separate: false }, read)
  }

  close(): void {
    this.#open = false
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  #serve(turn: Turn, read: ReadRequest): void {
    const { message, origin, resource } = turn
    const unknown = read.conditional.some((number) => resource?.criticalOptions?.includes(number) !== true)
    if (unknown) {
      this.#refuse(turn, '4.02')
      return
    }
    if (resource === undefined) {
      this.#refuse(turn, '4.04')
      return
    }
    const handler = resource.handlers[read.request.method]
    if (handler === undefined) {
      this.#refuse(turn, '4.05')
      return
    }
    if (!isProtected(resource, origin)) {
      this.#refuse(turn, '4.01')
      return
    }
    const stranger = resource.group?.authenticatedOnly === true && !this.#isAuthenticated(origin)
    if (origin.multicast && (resource.answersGroupRequests !== true || stranger)) {
      this.#options.messages.counters.suppressed++
      return
    }
    const challenge = resource.echo === undefined ? undefined : this.#options.echo.challenge(resource.echo, read.request, origin.peer)
    if (challenge !== undefined) {
      this.#respond(turn, challenge)
      return
    }
    const step = this.#options.blocks.takeBody(origin.peer, message)
    if (step.kind === 'answer') {
      this.#respond(turn, step.response)
      return
    }
    const later = this.#options.blocks.laterBlock(origin.peer, message)
    if (later !== undefined) {
      this.#respond(turn, later)
      return
    }
    if (this.#serving >= this.#options.parameters.maxServing) {
      this.#options.messages.counters.overload++
      this.#respond(turn, { code: '5.03', options: [uintOption(OptionNumber.MAX_AGE, 5)] })
      return
    }
    this.#options.messages.counters.requestsServed++
    const whole = { ...read, request: step.payload === message.payload ? read.request : { ...read.request, payload: step.payload } }
    const observer = this.#options.observers.begin(whole.request, message, origin, resource, handler)
    this.#run(turn, handler, whole, step.block1, observer)
  }

  #run(turn: Turn, handler: ResourceHandler, read: ReadRequest, block1: CoapOption | undefined, observer: Observer | undefined): void {
    const finish = (response: OutgoingResponse | undefined): void => this.#finish(turn, response, block1, observer)
    const fail = (thrown: unknown): void => {
      this.#options.logger.error({ err: toAppError(thrown), path: read.request.path }, 'A CoAP resource failed')
      finish({ code: '5.00' })
    }
    let outcome: ReturnType<ResourceHandler>
    try {
      outcome = handler(read.request)
    } catch (thrown) {
      fail(thrown)
      return
    }
    if (!(outcome instanceof Promise)) {
      finish(outcome)
      return
    }
    this.#serving++
    const acknowledgeTimer =
      turn.message.type === 'CON' ? this.#timer(this.#options.parameters.separateAfterMs, () => this.#acknowledge(turn)) : undefined
    const settled = (act: () => void): void => {
      this.#serving--
      if (acknowledgeTimer !== undefined) this.#cancel(acknowledgeTimer)
      if (this.#open) act()
    }
    outcome.then(
      (response) => settled(() => finish(response)),
      (thrown: unknown) => settled(() => fail(thrown)),
    )
  }

  #acknowledge(turn: Turn): void {
    turn.separate = true
    this.#options.messages.sendEmpty('ACK', turn.message.messageId, turn.origin.source, turn.seen)
  }

  #finish(turn: Turn, response: OutgoingResponse | undefined, block1: CoapOption | undefined, observer: Observer | undefined): void {
    if (response === undefined) {
      if (observer !== undefined) this.#options.observers.abandon(observer)
      if (turn.origin.multicast) {
        this.#options.messages.counters.suppressed++
        return
      }
      this.#options.logger.error({ code: turn.message.code }, 'A CoAP resource gave a unicast request no answer')
      this.#respond(turn, { code: '5.00' })
      return
    }
    const answered = block1 === undefined ? response : { ...response, options: [...(response.options ?? NO_OPTIONS), block1] }
    try {
      const prepared = this.#options.blocks.prepare(turn.origin.peer, this.#limited(turn, answered), answered)
      if (observer === undefined) {
        this.#respond(turn, prepared)
        return
      }
      this.#respond(turn, this.#options.observers.complete(observer, prepared, response), this.#options.observers.deliveryOf(observer))
      this.#options.observers.proceed(observer)
    } catch (thrown) {
      // The handler's answer cannot be written as a message.
      this.#options.logger.error({ err: toAppError(thrown) }, 'A CoAP response could not be sent')
      this.#respond(turn, { code: '5.00' })
    }
  }

  #refuse(turn: Turn, code: ResponseCode): void {
    // A Non-confirmable request with an unknown critical option is rejected, that is, ignored (RFC 7252 §5.4.1, §4.3).
    if (code === '4.02' && turn.message.type === 'NON') this.#options.messages.counters.ignored++
    else this.#respond(turn, { code })
  }

  #respond(turn: Turn, response: OutgoingResponse, delivery: Delivery = {}): void {
    const { message, origin, seen } = turn
    if (origin.multicast) {
      this.#respondToGroup(turn, response)
      return
    }
    const { messages } = this.#options
    if ((turn.noResponse & noResponseBit(response.code)) !== 0) {
      if (message.type === 'CON' && !turn.separate) messages.sendEmpty('ACK', message.messageId, origin.source, seen)
      return
    }
    const content = contentOf(message.token, response, origin.reply)
    if (message.type !== 'CON') messages.sendNonConfirmable(content, origin.source)
    else if (turn.separate) messages.sendConfirmable(content, origin.source, delivery)
    else messages.sendPiggybacked(content, message.messageId, origin.source, seen)
  }

  /** Only what is useful to the client leaves, and at a moment of its own (RFC 7252 §8.2). */
  #respondToGroup(turn: Turn, response: OutgoingResponse): void {
    const { messages, parameters } = this.#options
    const { message, origin, resource } = turn
    if (resource?.answersGroupRequests !== true || this.#isKept(turn, response)) {
      messages.counters.suppressed++
      return
    }
    if (this.#serving >= parameters.maxServing) {
      messages.counters.overload++
      return
    }
    this.#serving++
    const content = contentOf(message.token, response, origin.reply)
    const estimate = resource.group?.leisure
    const bytes = estimate?.responseBytes ?? encodeMessage({ type: 'NON', messageId: 0, ...content }).length
    const leisureMs = estimate === undefined ? parameters.leisureMs : leastLeisureMs(bytes, estimate.groupSize, estimate.bytesPerS)
    const membership = `${origin.destination?.address ?? ''} ${origin.peer}`
    this.#timer(this.#leisure.delayMs(membership, Math.min(leisureMs, LONGEST_LEISURE_MS)), () => {
      this.#serving--
      messages.sendNonConfirmable(content, origin.source)
    })
  }

  #isKept(turn: Turn, response: OutgoingResponse): boolean {
    // A challenge is how a client gets to be known, and an observer has to learn that it is one (groupcomm-bis §6.3.1, §3.7).
    const option = findOption(turn.message.options, OptionNumber.NO_RESPONSE)
    const owed = isEchoChallenge(response) || findOption(response.options ?? NO_OPTIONS, OptionNumber.OBSERVE) !== undefined
    const policy = { ...turn.resource?.group, ...(owed ? { answers: EVERY_CLASS } : {}) }
    return isSuppressed(response.code, policy, { present: option !== undefined, bits: turn.noResponse }, this.#isAuthenticated(turn.origin))
  }

  #isAuthenticated(origin: Origin): boolean {
    return origin.identity !== undefined || this.#options.isAuthenticated?.(origin.source) === true
  }

  /** The request as it may be answered to somebody who may be pretending to be another (groupcomm-bis §6.3). */
  #limited(turn: Turn, response: OutgoingResponse): CoapMessage {
    const { message, origin, resource } = turn
    if (!origin.multicast) return this.#fitting(message, origin, response)
    if (this.#isAuthenticated(origin)) return message
    return limitAmplification(message, encodeMessage(message).length, response, resource?.group ?? {})
  }

  /** The request as if it had asked for no larger blocks than its sender has room for. */
  #fitting(message: CoapMessage, { source }: Origin, { payload = NO_BYTES }: OutgoingResponse): CoapMessage {
    const room = this.#options.blockRoomTo?.(source)
    if (room === undefined || payload.length <= room) return message
    const szx = szxFor(room)
    const wanted = findBlock(message.options, OptionNumber.BLOCK2)
    if (wanted === 'invalid' || (wanted !== undefined && (wanted.num > 0 || wanted.szx <= szx))) return message
    const others = message.options.filter(({ number }) => number !== OptionNumber.BLOCK2)
    return { ...message, options: [...others, blockOption(OptionNumber.BLOCK2, { num: 0, more: false, szx })] }
  }

  #timer(delayMs: number, callback: () => void): Timer {
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      callback()
    })
    this.#timers.add(timer)
    return timer
  }

  #cancel(timer: Timer): void {
    timer.cancel()
    this.#timers.delete(timer)
  }
}

function isProtected({ protection }: Resource, { identity }: Origin): boolean {
  if (protection === undefined) return true
  return identity !== undefined && (protection === 'required' || protection.includes(identity.scheme))
}

export function contentOf(token: Uint8Array, response: OutgoingResponse, protection?: MessageProtection): MessageContent {
  const options = response.options ?? NO_OPTIONS
  const { contentFormat } = response
  return {
    code: response.code,
    token,
    options: contentFormat === undefined ? options : [...options, contentFormatOption(contentFormat)],
    payload: response.payload ?? NO_BYTES,
    protection,
  }
}

/** The common ones ready-made: nearly every response has one. */
const CONTENT_FORMATS: readonly CoapOption[] = Array.from({ length: 256 }, (_, value) => uintOption(OptionNumber.CONTENT_FORMAT, value))

function contentFormatOption(value: number): CoapOption {
  return CONTENT_FORMATS[value] ?? uintOption(OptionNumber.CONTENT_FORMAT, value)
}
