// The server role: requests to handlers, and their responses piggybacked, separate, or held back (RFC 7252 §5.2, §8.2;
// draft-ietf-core-groupcomm-bis-18 §3.1.2).
import { toAppError, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import type { BlockServer } from './block-server.ts'
import type { MessageContent, MessageLayer, Origin, Seen } from './message-layer.ts'
import { OptionNumber, uintOption } from './options.ts'
import type { CoapParameters } from './parameters.ts'
import { noResponseBit, readRequest, type ReadRequest } from './request-reader.ts'
import type { ResourceTree } from './resource-tree.ts'
import type { CoapMessage, CoapOption, OutgoingResponse, Resource, ResourceHandler, ResponseCode } from './types.ts'

export interface ServerOptions {
  readonly channelId: string
  readonly tree: ResourceTree
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly parameters: CoapParameters
  readonly blocks: BlockServer
  readonly messages: MessageLayer
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

export class CoapServer {
  readonly #options: ServerOptions
  readonly #timers = new Set<Timer>()
  #serving = 0
  #open = true

  constructor(options: ServerOptions) {
    this.#options = options
  }

  /** Requests that a handler or Leisure holds. */
  get serving(): number {
    return this.#serving
  }

  onRequest(message: CoapMessage, origin: Origin, seen: Seen): void {
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
    if (origin.multicast && resource.answersGroupRequests !== true) {
      this.#options.messages.counters.suppressed++
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
    this.#run(
      turn,
      handler,
      { ...read, request: step.payload === message.payload ? read.request : { ...read.request, payload: step.payload } },
      step.block1,
    )
  }

  #run(turn: Turn, handler: ResourceHandler, read: ReadRequest, block1: CoapOption | undefined): void {
    const finish = (response: OutgoingResponse | undefined): void => this.#finish(turn, response, block1)
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

  #finish(turn: Turn, response: OutgoingResponse | undefined, block1: CoapOption | undefined): void {
    if (response === undefined) {
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
      this.#respond(turn, this.#options.blocks.prepare(turn.origin.peer, turn.message, answered))
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

  #respond(turn: Turn, response: OutgoingResponse): void {
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
    const content = contentOf(message.token, response)
    if (message.type !== 'CON') messages.sendNonConfirmable(content, origin.source)
    else if (turn.separate) messages.sendConfirmable(content, origin.source, {})
    else messages.sendPiggybacked(content, message.messageId, origin.source, seen)
  }

  /** Only what is useful to the client leaves, and at a moment of its own (RFC 7252 §8.2). */
  #respondToGroup(turn: Turn, response: OutgoingResponse): void {
    const { messages, parameters, random } = this.#options
    const answers = turn.resource?.answersGroupRequests === true
    if (!answers || !response.code.startsWith('2.') || (turn.noResponse & noResponseBit(response.code)) !== 0) {
      messages.counters.suppressed++
      return
    }
    if (this.#serving >= parameters.maxServing) {
      messages.counters.overload++
      return
    }
    this.#serving++
    const content = contentOf(turn.message.token, response)
    this.#timer(random.fraction() * parameters.leisureMs, () => {
      this.#serving--
      messages.sendNonConfirmable(content, turn.origin.source)
    })
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

function contentOf(token: Uint8Array, response: OutgoingResponse): MessageContent {
  const options = response.options ?? NO_OPTIONS
  const { contentFormat } = response
  return {
    code: response.code,
    token,
    options: contentFormat === undefined ? options : [...options, contentFormatOption(contentFormat)],
    payload: response.payload ?? NO_BYTES,
  }
}

/** The common ones ready-made: nearly every response has one. */
const CONTENT_FORMATS: readonly CoapOption[] = Array.from({ length: 256 }, (_, value) => uintOption(OptionNumber.CONTENT_FORMAT, value))

function contentFormatOption(value: number): CoapOption {
  return CONTENT_FORMATS[value] ?? uintOption(OptionNumber.CONTENT_FORMAT, value)
}
