// Requests that an intermediary takes before the resources do, and the way back to the client: one response or many with the request's
// token (RFC 7252 §5.7; draft-ietf-core-groupcomm-proxy-07 §5.4). What it forwards, and to whom, is the intermediary's affair.
import { toAppError, type Clock, type Logger, type PeerIdentity, type SocketAddress, type Timer } from '#main/base/index.ts'
import { blockBytes, blockOption, findBlock, szxFor } from './block.ts'
import type { BlockServer } from './block-server.ts'
import { methodOfCode } from './codes.ts'
import type { MessageContent, MessageLayer, Origin, Seen, Sent } from './message-layer.ts'
import { findOption, findUint, OptionNumber, uintOption } from './options.ts'
import type { CoapParameters } from './parameters.ts'
import { noResponseBit } from './request-reader.ts'
import type { CoapMessage, CoapOption, Method, OutgoingResponse } from './types.ts'

/** A request as an intermediary sees it: with its token, and with no option interpreted. */
export interface RelayedRequest {
  readonly method: Method
  readonly token: Uint8Array
  readonly confirmable: boolean
  readonly options: readonly CoapOption[]
  readonly payload: Uint8Array
  readonly source: SocketAddress
  readonly destination: SocketAddress | undefined
  readonly channelId: string
  /** Who the client is, where DTLS or OSCORE has proven it. */
  readonly peer?: PeerIdentity
  /** The address of the endpoint that it came to. */
  readonly local: SocketAddress
}

/** Told when the client shows that it wants no more: by a Reset, or by acknowledging nothing. */
export type ClientGone = () => void

export interface FurtherResponse {
  /** Sent Confirmable whatever the request was: to learn whether the client is still there (RFC 7641 §4.5). */
  readonly confirmable?: boolean
  /** Takes the place of a response of the same slot that still waits for its turn: only the newest state counts. */
  readonly slot?: string
  /** The only representation that the request stands for: its later blocks may be asked for. */
  readonly single?: boolean
}

export interface Responder {
  /** The one response, in blocks where it needs them. */
  respond(response: OutgoingResponse): void
  /** One of several responses; of a body too large for one message only the first block. */
  respondFurther(response: OutgoingResponse, onGone: ClientGone, how?: FurtherResponse): void
  /** Acknowledges a Confirmable request without an answer; responses then come as messages of their own. */
  acknowledge(): void
  /** No further response follows; those that wait for their turn are still sent. */
  end(): void
  /** The client wants no more: what waits is dropped as well. */
  abandon(): void
}

/** `take`: served by the intermediary. `leave`: by the resources. Options: by the resources, as if the request had come with these. */
export type Verdict = 'take' | 'leave' | readonly CoapOption[]

/** Stands between clients and other servers. It sees each unicast request before the resources do. */
export interface Intermediary {
  look(request: RelayedRequest): Verdict
  serve(request: RelayedRequest, responder: Responder): void
}

export interface IntermediaryPortOptions {
  readonly intermediary: Intermediary
  readonly channelId: string
  readonly local: SocketAddress
  readonly clock: Clock
  readonly logger: Logger
  readonly parameters: CoapParameters
  readonly messages: MessageLayer
  readonly blocks: BlockServer
  readonly maxBlockBytes: number
}

const NO_BYTES = new Uint8Array(0)
const NO_OPTIONS: readonly CoapOption[] = []
/** Of one request: sent responses whose Reset is listened for, and responses that wait for an acknowledgement of those before. */
const MAX_WATCHED = 64
const MAX_QUEUED = 1024

export class IntermediaryPort {
  readonly #options: IntermediaryPortOptions
  readonly #turns = new Set<Turn>()

  constructor(options: IntermediaryPortOptions) {
    this.#options = options
  }

  /** Requests whose responses are not all sent. */
  get serving(): number {
    return this.#turns.size
  }

  /** The request that the resources shall serve; undefined where the intermediary has taken it. */
  onRequest(message: CoapMessage, origin: Origin, seen: Seen): CoapMessage | undefined {
    const method = methodOfCode(message.code)
    if (origin.multicast || method === undefined) return message
    const { intermediary, channelId, local, blocks, parameters, logger, messages } = this.#options
    const request: RelayedRequest = {
      method,
      token: message.token,
      confirmable: message.type === 'CON',
      options: message.options,
      payload: message.payload,
      source: origin.source,
      destination: origin.destination,
      channelId,
      local,
      ...(origin.identity === undefined ? {} : { peer: origin.identity }),
    }
    const verdict = intermediary.look(request)
    if (verdict === 'leave') return message
    if (verdict !== 'take') return { ...message, options: verdict }
    const turn = new Turn(this.#options, message, origin, seen, () => this.#turns.delete(turn))
    const step = blocks.takeBody(origin.peer, message)
    if (step.kind === 'answer') {
      turn.answer(step.response)
      return undefined
    }
    const later = blocks.laterBlock(origin.peer, message)
    if (later !== undefined) {
      turn.answer(later)
      return undefined
    }
    if (this.#turns.size >= parameters.maxServing) {
      messages.counters.overload++
      turn.answer({ code: '5.03', options: [uintOption(OptionNumber.MAX_AGE, 5)] })
      return undefined
    }
    this.#turns.add(turn)
    turn.begin(step.block1)
    try {
      intermediary.serve({ ...request, payload: step.payload }, turn)
    } catch (thrown) {
      logger.error({ err: toAppError(thrown) }, 'An intermediary failed')
      turn.respond({ code: '5.00' })
    }
    return undefined
  }

  close(): void {
    for (const turn of [...this.#turns]) turn.drop()
  }
}

interface Queued {
  readonly slot: string | undefined
  readonly content: MessageContent
  readonly onGone: ClientGone
}

/** One request on its way, and its responses on theirs. */
class Turn implements Responder {
  readonly #options: IntermediaryPortOptions
  readonly #message: CoapMessage
  readonly #origin: Origin
  readonly #seen: Seen
  readonly #onEnd: () => void
  readonly #noResponse: number
  readonly #watched: Sent[] = []
  readonly #queue: Queued[] = []
  #block1: CoapOption | undefined
  #timer: Timer | undefined
  #underWay = false
  #acknowledged: boolean
  #ended = false

  constructor(options: IntermediaryPortOptions, message: CoapMessage, origin: Origin, seen: Seen, onEnd: () => void) {
    this.#options = options
    this.#message = message
    this.#origin = origin
    this.#seen = seen
    this.#onEnd = onEnd
    this.#noResponse = findUint(message.options, OptionNumber.NO_RESPONSE) ?? 0
    this.#acknowledged = message.type !== 'CON'
  }

  begin(block1: CoapOption | undefined): void {
    this.#block1 = block1
    if (this.#acknowledged) return
    this.#timer = this.#options.clock.setTimer(this.#options.parameters.separateAfterMs, () => this.acknowledge())
  }

  /** A response of this endpoint itself. */
  answer(response: OutgoingResponse): void {
    this.#one(response)
    this.end()
  }

  respond(response: OutgoingResponse): void {
    if (this.#ended) return
    const { blocks, logger } = this.#options
    const tagged = this.#block1 === undefined ? response : { ...response, options: [...(response.options ?? NO_OPTIONS), this.#block1] }
    try {
      this.#one(blocks.prepare(this.#origin.peer, this.#message, tagged))
    } catch (thrown) {
      logger.error({ err: toAppError(thrown) }, 'A forwarded response could not be sent')
      this.#one({ code: '5.02' })
    }
    this.end()
  }

  respondFurther(response: OutgoingResponse, onGone: ClientGone, how: FurtherResponse = {}): void {
    if (this.#ended || this.#isSuppressed(response)) return
    this.acknowledge()
    const { slot } = how
    const part = how.single === true ? this.#kept(response) : this.#firstBlock(response)
    const content = this.#content(part)
    if (this.#message.type !== 'CON' && how.confirmable !== true) {
      const sent = this.#options.messages.sendNonConfirmable(content, this.#origin.source, { reset: onGone })
      this.#watched.push(sent)
      if (this.#watched.length > MAX_WATCHED) this.#watched.shift()?.stop()
      return
    }
    const before = slot === undefined ? -1 : this.#queue.findIndex((queued) => queued.slot === slot)
    if (before >= 0) {
      this.#queue[before] = { content, onGone, slot }
      return
    }
    if (this.#queue.length >= MAX_QUEUED) {
      this.#options.messages.counters.overload++
      return
    }
    this.#queue.push({ content, onGone, slot })
    this.#sendNext()
  }

  acknowledge(): void {
    this.#timer?.cancel()
    if (this.#acknowledged) return
    this.#acknowledged = true
    this.#options.messages.sendEmpty('ACK', this.#message.messageId, this.#origin.source, this.#seen)
  }

  end(): void {
    if (this.#ended) return
    // Also a request that gets no response at all has been received.
    this.acknowledge()
    this.drop()
  }

  /** Ends without another word. */
  drop(): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.cancel()
    // What still waits for its turn is sent, each once those before are acknowledged; Resets of the rest are heard no more.
    for (const sent of this.#watched) sent.stop()
    this.#watched.length = 0
    this.#onEnd()
  }

  abandon(): void {
    this.#queue.length = 0
    this.end()
  }

  /** Confirmable responses leave one after the other: the client is owed NSTART, too (RFC 7252 §4.7). */
  #sendNext(): void {
    if (this.#underWay) return
    const next = this.#queue.shift()
    if (next === undefined) return
    this.#underWay = true
    const proceed = (): void => {
      this.#underWay = false
      this.#sendNext()
    }
    const gone = (): void => {
      this.#queue.length = 0
      this.#underWay = false
      next.onGone()
    }
    this.#options.messages.sendConfirmable(next.content, this.#origin.source, {
      acknowledged: proceed,
      reset: gone,
      timedOut: gone,
      failed: gone,
    })
  }

  #one(response: OutgoingResponse): void {
    const { messages } = this.#options
    if (this.#isSuppressed(response)) {
      this.acknowledge()
      return
    }
    this.#timer?.cancel()
    const content = this.#content(response)
    if (this.#message.type !== 'CON') messages.sendNonConfirmable(content, this.#origin.source)
    else if (this.#acknowledged) messages.sendConfirmable(content, this.#origin.source, {})
    else messages.sendPiggybacked(content, this.#message.messageId, this.#origin.source, this.#seen)
    this.#acknowledged = true
  }

  #isSuppressed(response: OutgoingResponse): boolean {
    return (this.#noResponse & noResponseBit(response.code)) !== 0
  }

  /** The first block of a representation that is kept for the later ones, which are no notifications (RFC 7959 §2.6). */
  #kept(response: OutgoingResponse): OutgoingResponse {
    const { options = NO_OPTIONS } = response
    const state = { ...response, options: options.filter((option) => option.number !== OptionNumber.OBSERVE) }
    const first = this.#options.blocks.prepare(this.#origin.peer, this.#message, state)
    return { ...first, options: [...(first.options ?? NO_OPTIONS), ...options.filter((option) => option.number === OptionNumber.OBSERVE)] }
  }

  #firstBlock(response: OutgoingResponse): OutgoingResponse {
    const { payload, options = NO_OPTIONS } = response
    const wanted = findBlock(this.#message.options, OptionNumber.BLOCK2)
    const szx = Math.min(szxFor(this.#options.maxBlockBytes), wanted === undefined || wanted === 'invalid' ? 6 : wanted.szx)
    const size = blockBytes(szx)
    if (payload === undefined || payload.length <= size || findOption(options, OptionNumber.BLOCK2) !== undefined) return response
    const block = blockOption(OptionNumber.BLOCK2, { num: 0, more: true, szx })
    return { ...response, payload: payload.subarray(0, size), options: [...options, block, uintOption(OptionNumber.SIZE2, payload.length)] }
  }

  #content(response: OutgoingResponse): MessageContent {
    const { options = NO_OPTIONS, contentFormat } = response
    return {
      code: response.code,
      token: this.#message.token,
      options: contentFormat === undefined ? options : [...options, uintOption(OptionNumber.CONTENT_FORMAT, contentFormat)],
      payload: response.payload ?? NO_BYTES,
      protection: this.#origin.reply,
    }
  }
}
