// The server's lists of observers and the notifications to them (RFC 7641 §4, RFC 8132 §2.4, RFC 7959 §2.6,
// draft-ietf-core-groupcomm-bis-18 §3.7).
import { sha256, toAppError, toHex, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import type { BlockServer } from './block-server.ts'
import type { Delivery, MessageContent, MessageLayer, Origin, Resumption } from './message-layer.ts'
import { ObserveLanes } from './observe-lanes.ts'
import { ObserveSubjects } from './observe-subjects.ts'
import type { Observer } from './observer.ts'
import { findOption, findUint, OptionNumber, uintOption } from './options.ts'
import type { CoapParameters } from './parameters.ts'
import type { CoapMessage, IncomingRequest, MessageProtection, OutgoingResponse, Resource, ResourceHandler } from './types.ts'

export interface ObserveServerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly parameters: CoapParameters
  readonly blocks: BlockServer
  readonly messages: MessageLayer
  readonly contentOf: (token: Uint8Array, response: OutgoingResponse, reply: MessageProtection | undefined) => MessageContent
}

const REGISTER = 0
const DEREGISTER = 1
const SEQUENCE_MASK = 0xffffff
const DEFAULT_MAX_AGE_S = 60
/** Between Non-confirmable notifications to a client whose round-trip time is unknown (§4.5.1). */
const UNKNOWN_RTT_MS = 3000
/** Times observeBurstMs, until a notification within a burst is Confirmable. */
const CONFIRM_IN_BURST = 10
/** A FETCH with a larger body is answered, but not kept for observing. */
const MAX_KEPT_PAYLOAD_BYTES = 4096

export class ObserveServer {
  readonly #options: ObserveServerOptions
  /** Those not confirmed for longest first. */
  readonly #observers = new Map<string, Observer>()
  readonly #lanes: ObserveLanes
  readonly #subjects: ObserveSubjects
  #sequence: number
  #sweeper: Timer | undefined

  constructor(options: ObserveServerOptions) {
    this.#options = options
    this.#subjects = new ObserveSubjects({
      changed: (observer) => this.#touch(observer),
      ended: (observer, code) => this.#farewell(observer, { code }),
    })
    this.#lanes = new ObserveLanes(options.parameters.nstart, (observer) => this.#onTurn(observer))
    // Numbers go on rising over a restart while fewer than 64 notifications leave a second (§4.4).
    this.#sequence = Math.floor(options.clock.now() / 16) & SEQUENCE_MASK
  }

  get size(): number {
    return this.#observers.size
  }

  /** Before the handler runs, so that no change falls between its answer and the entry. Undefined where nobody comes to observe. */
  begin(
    request: IncomingRequest,
    message: CoapMessage,
    origin: Origin,
    resource: Resource,
    handler: ResourceHandler,
  ): Observer | undefined {
    const { observable } = resource
    if (observable === undefined || (request.method !== 'GET' && request.method !== 'FETCH')) return undefined
    const option = findOption(message.options, OptionNumber.OBSERVE)
    if (option === undefined || option.value.length > 3) return undefined
    const key = `${origin.peer} ${toHex(message.token)}`
    const wish = findUint(message.options, OptionNumber.OBSERVE)
    if (wish === DEREGISTER) {
      this.#remove(this.#observers.get(key))
      return undefined
    }
    const later = (findUint(message.options, OptionNumber.BLOCK2) ?? 0) >= 16
    if (wish !== REGISTER || later || request.payload.length > MAX_KEPT_PAYLOAD_BYTES) return undefined
    const known = this.#observers.get(key)
    const observer = known ?? this.#add(key, message, request, handler, origin)
    if (observer === undefined) return undefined
    if (observer.subject?.source !== observable) {
      this.#subjects.leave(observer)
      this.#subjects.join(observer, observable)
    }
    observer.message = message
    observer.request = request
    observer.handler = handler
    observer.established = false
    observer.group = origin.multicast
    observer.reply = origin.reply
    return observer
  }

  /** The initial response as it goes out, of a large one the first block, with the Observe option where the client is an observer now. */
  complete(observer: Observer, response: OutgoingResponse, whole: OutgoingResponse): OutgoingResponse {
    if (!this.#isListed(observer)) return response
    if (!response.code.startsWith('2.')) {
      this.#remove(observer)
      return response
    }
    observer.established = true
    observer.state = stateOf(observer, whole)
    if (response.code !== '2.03') observer.contentFormat = response.contentFormat ?? 'none'
    const nowMs = this.#options.clock.monotonicMs()
    observer.lastSentMs = nowMs
    this.#confirmed(observer, nowMs)
    return this.#numbered(response)
  }

  /** The initial response has left: what changed meanwhile follows it. */
  proceed(observer: Observer): void {
    if (observer.changed && this.#isListed(observer)) this.#enqueue(observer)
  }

  /** What becomes of an initial response in a message of its own, which is a notification as any other (§4.5). */
  deliveryOf(observer: Observer): Delivery {
    const gone = (): void => this.#remove(observer)
    return { reset: gone, timedOut: gone, failed: gone }
  }

  /** The registering request gets no answer. */
  abandon(observer: Observer): void {
    if (!observer.established) this.#remove(observer)
  }

  close(): void {
    for (const observer of [...this.#observers.values()]) this.#delist(observer)
    this.#lanes.clear()
  }

  // ---- The list --------------------------------------------------------------------------------------------------

  #add(key: string, message: CoapMessage, request: IncomingRequest, handler: ResourceHandler, origin: Origin): Observer | undefined {
    const { parameters, messages } = this.#options
    if (this.#observers.size >= parameters.maxObservers || this.#lanes.count(origin.peer) >= parameters.maxObserversPerPeer) {
      // §4.1: unwilling to add an entry, the server answers as if nothing had been asked but the state.
      messages.counters.overload++
      return undefined
    }
    const observer: Observer = {
      key,
      lane: this.#lanes.join(origin.peer),
      to: origin.source,
      reply: origin.reply,
      message,
      request,
      handler,
      subject: undefined,
      group: origin.multicast,
      established: false,
      contentFormat: undefined,
      changed: false,
      busy: false,
      state: undefined,
      uncertain: false,
      mustConfirm: false,
      lastSentMs: Number.NEGATIVE_INFINITY,
      confirmedMs: this.#options.clock.monotonicMs(),
      last: undefined,
      sent: undefined,
      timer: undefined,
    }
    this.#observers.set(key, observer)
    this.#sweeper ??= this.#options.clock.setTimer(parameters.observeLivenessMs, () => this.#sweep())
    return observer
  }

  #isListed(observer: Observer): boolean {
    return this.#observers.get(observer.key) === observer
  }

  #remove(observer: Observer | undefined): void {
    if (observer !== undefined && this.#delist(observer)) this.#lanes.leave(observer)
  }

  /** Takes the entry out of the list, while its place among the peer's notifications stays. */
  #delist(observer: Observer): boolean {
    if (!this.#isListed(observer)) return false
    this.#observers.delete(observer.key)
    this.#subjects.leave(observer)
    observer.sent?.stop()
    observer.timer?.cancel()
    if (this.#observers.size === 0) {
      this.#sweeper?.cancel()
      this.#sweeper = undefined
    }
    return true
  }

  /** Entries that nothing has confirmed for long get the state again, Confirmable, to see whether anybody is there (§4.5). */
  #sweep(): void {
    const { clock, parameters } = this.#options
    this.#sweeper = undefined
    const nowMs = clock.monotonicMs()
    let next = nowMs + parameters.observeLivenessMs
    for (const observer of [...this.#observers.values()]) {
      const dueMs = observer.confirmedMs + parameters.observeLivenessMs
      if (dueMs > nowMs) {
        next = dueMs
        break
      }
      observer.mustConfirm = true
      this.#confirmed(observer, nowMs)
      this.#touch(observer)
    }
    this.#sweeper = clock.setTimer(next - nowMs, () => this.#sweep())
  }

  #confirmed(observer: Observer, nowMs: number): void {
    observer.confirmedMs = nowMs
    this.#observers.delete(observer.key)
    this.#observers.set(observer.key, observer)
  }

  // ---- Notifications ---------------------------------------------------------------------------------------------

  #touch(observer: Observer): void {
    observer.changed = true
    if (observer.established) this.#enqueue(observer)
  }

  #enqueue(observer: Observer): void {
    // One that is busy looks for changes when it is done: states in between are skipped (§4.5.2).
    if (!observer.busy) this.#lanes.enqueue(observer)
  }

  #onTurn(observer: Observer): void {
    const { clock, random, parameters } = this.#options
    observer.timer?.cancel()
    observer.timer = undefined
    if (observer.last !== undefined) this.#sendLast(observer, observer.last)
    else if (observer.group) observer.timer = clock.setTimer(random.fraction() * parameters.leisureMs, () => this.#make(observer))
    else this.#make(observer)
  }

  #release(observer: Observer): void {
    this.#lanes.release(observer)
    if (this.#isListed(observer) && observer.established && observer.changed) this.#enqueue(observer)
  }

  #make(observer: Observer, resumption?: Resumption): void {
    observer.changed = false
    const fail = (thrown: unknown): void => {
      this.#options.logger.error({ err: toAppError(thrown), path: observer.request.path }, 'An observed CoAP resource failed')
      this.#deliver(observer, { code: '5.00' }, resumption)
    }
    let outcome: ReturnType<ResourceHandler>
    try {
      outcome = observer.handler(observer.request)
    } catch (thrown) {
      fail(thrown)
      return
    }
    if (outcome instanceof Promise) outcome.then((response) => this.#deliver(observer, response, resumption), fail)
    else this.#deliver(observer, outcome, resumption)
  }

  #deliver(observer: Observer, response: OutgoingResponse | undefined, resumption: Resumption | undefined): void {
    if (!this.#isListed(observer)) return
    if (response === undefined && observer.group) {
      this.#release(observer)
      return
    }
    const answer = response ?? { code: '5.00' }
    if (!answer.code.startsWith('2.')) {
      this.#farewell(observer, answer)
      return
    }
    // §4.2: the representation keeps the format that the client was given first.
    const format = answer.contentFormat ?? 'none'
    if (answer.code !== '2.03' && observer.contentFormat !== undefined && format !== observer.contentFormat) {
      this.#farewell(observer, { code: '4.06' })
      return
    }
    if (answer.code !== '2.03') observer.contentFormat = format
    const state = stateOf(observer, answer)
    const known = state !== undefined && state === observer.state && !observer.uncertain && !observer.mustConfirm
    if (known && resumption === undefined) {
      this.#release(observer)
      return
    }
    observer.state = state
    try {
      const prepared = this.#options.blocks.prepare(observer.lane.peer, observer.message, answer)
      this.#send(observer, this.#options.contentOf(observer.message.token, this.#numbered(prepared), observer.reply), resumption)
    } catch (thrown) {
      this.#options.logger.error({ err: toAppError(thrown) }, 'A notification could not be sent')
      this.#farewell(observer, { code: '5.00' })
    }
  }

  /** The last notification of an entry, when its turn comes: not a success, so without the Observe option (§4.2). */
  #farewell(observer: Observer, response: OutgoingResponse): void {
    if (!observer.established) {
      this.#remove(observer)
      return
    }
    if (!this.#delist(observer)) return
    observer.last = response
    if (observer.busy) this.#sendLast(observer, response)
    else this.#lanes.enqueue(observer)
  }

  #sendLast(observer: Observer, response: OutgoingResponse): void {
    const done = (): void => this.#lanes.leave(observer)
    const delivery: Delivery = { acknowledged: done, reset: done, timedOut: done, failed: done }
    try {
      this.#options.messages.sendConfirmable(
        this.#options.contentOf(observer.message.token, response, observer.reply),
        observer.to,
        delivery,
      )
    } catch (thrown) {
      this.#options.logger.error({ err: toAppError(thrown) }, 'A notification could not be sent')
      done()
    }
  }

  /** Changes that follow each other closely go Non-confirmable, and the last of them again Confirmable (§4.5). */
  #send(observer: Observer, content: MessageContent, resumption: Resumption | undefined): void {
    const { clock, messages, parameters } = this.#options
    const nowMs = clock.monotonicMs()
    // However long a burst lasts, whoever is said to observe has to show now and then that it does.
    const overdue = nowMs - observer.confirmedMs >= CONFIRM_IN_BURST * parameters.observeBurstMs
    const inBurst = nowMs - observer.lastSentMs < parameters.observeBurstMs && !observer.mustConfirm && !overdue
    observer.sent?.stop()
    observer.lastSentMs = nowMs
    if (!inBurst || resumption !== undefined) {
      observer.sent = messages.sendConfirmable(
        content,
        observer.to,
        this.#confirmableDelivery(observer, nowMs, resumption !== undefined),
        resumption,
      )
      return
    }
    observer.uncertain = true
    observer.sent = messages.sendNonConfirmable(content, observer.to, {
      reset: () => this.#remove(observer),
      failed: () => this.#remove(observer),
    })
    observer.timer = clock.setTimer(observer.lane.rttMs ?? UNKNOWN_RTT_MS, () => {
      observer.timer = clock.setTimer(parameters.observeBurstMs, () => {
        observer.mustConfirm = true
        this.#touch(observer)
      })
      this.#release(observer)
    })
  }

  #confirmableDelivery(observer: Observer, sentMs: number, again: boolean): Delivery {
    const { clock, parameters } = this.#options
    return {
      acknowledged: () => {
        const nowMs = clock.monotonicMs()
        // An acknowledgement after a retransmission says nothing of the round-trip time.
        if (!again && nowMs - sentMs < parameters.ackTimeoutMs) observer.lane.rttMs = nowMs - sentMs
        observer.mustConfirm = false
        observer.uncertain = false
        this.#confirmed(observer, nowMs)
        this.#release(observer)
      },
      reset: () => this.#remove(observer),
      timedOut: () => this.#remove(observer),
      failed: () => this.#remove(observer),
      // §4.5.2: what would be transmitted again is the state of now.
      supersede: (resumption) => {
        if (!observer.changed) return false
        this.#make(observer, resumption)
        return true
      },
    }
  }

  #numbered(response: OutgoingResponse): OutgoingResponse {
    this.#sequence = (this.#sequence + 1) & SEQUENCE_MASK
    const options = [...(response.options ?? []), uintOption(OptionNumber.OBSERVE, this.#sequence)]
    // §4.3.1: the age up to which the state may be taken for the actual one is always said.
    if (findOption(options, OptionNumber.MAX_AGE) === undefined) options.push(uintOption(OptionNumber.MAX_AGE, DEFAULT_MAX_AGE_S))
    return { ...response, options }
  }
}

/** What tells one response from another, for resources that tell of differences alone. */
function stateOf(observer: Observer, response: OutgoingResponse): string | undefined {
  if (observer.subject?.source.onlyDifferences !== true) return undefined
  return `${response.code} ${response.contentFormat ?? ''} ${toHex(sha256(response.payload ?? new Uint8Array(0)))}`
}
