// Observing a resource on all members of a group: registration by GET or FETCH to the group, repeated and followed up by unicast,
// cancelled by group or by unicast (groupcomm-bis-18 §3.7, RFC 7641 §3, RFC 8132 §2.4).
import { AppError, toAppError, type SocketAddress, type Timer } from '#main/base/index.ts'
import { toClientResponse } from './client.ts'
import { cancelled } from './security.ts'
import { challengeOf, GroupBlocks } from './group-block.ts'
import { serverKey, type GroupCall, type GroupCallContext } from './group-call.ts'
import type { Origin, Sent } from './message-layer.ts'
import { findUint, OptionNumber, uintOption } from './options.ts'
import { nonLifetimeMs } from './parameters.ts'
import type { ClientRequest, ClientResponse, CoapMessage, CoapOption } from './types.ts'

export interface GroupObserveOptions {
  /** Registers anew with the whole group at this interval; never more often than Leisure and the way there and back allow. */
  readonly reRegisterMs?: number
  /** Servers that are expected: those that have not answered `followUpAfterMs` after a registration are asked by unicast. */
  readonly members?: readonly SocketAddress[]
  readonly followUpAfterMs?: number
  /** Cancels by group, as `cancel` does, and ends the iteration with `cancelled`. */
  readonly signal?: AbortSignal
}

/** What a server has last notified. */
interface Observed {
  readonly source: SocketAddress
  sequence: number
  atMs: number
  /** It has the client in its list of observers, as far as is known. */
  active: boolean
}

const REGISTER = uintOption(OptionNumber.OBSERVE, 0)
const DEREGISTER = uintOption(OptionNumber.OBSERVE, 1)
/** RFC 7641 §3.4: half of the number space, and the time after which any number is newer. */
const HALF_SEQUENCE = 2 ** 23
const SEQUENCE_LIFETIME_MS = 128_000
/** Besides Leisure: the way to the servers and back. */
const ROUND_TRIP_MS = 2000

/**
 * An observation of a group. Iterating yields each notification with its origin, those that came too late left out; of more than
 * `maxGroupResponses` that nobody takes the oldest go. Responses of servers that do not observe come as well, without Observe option.
 */
export class GroupObservation implements AsyncIterable<ClientResponse> {
  readonly #context: GroupCallContext
  readonly #options: GroupObserveOptions
  readonly #call: GroupCall
  readonly #blocks: GroupBlocks
  readonly #startedMs: number
  readonly #servers = new Map<string, Observed>()
  readonly #queue: ClientResponse[] = []
  readonly #challenged = new Set<string>()
  readonly #unicasts = new Set<Sent>()
  readonly #timers = new Set<Timer>()
  readonly #removeAbort: () => void
  #state: 'observing' | 'cancelling' | 'over' = 'observing'
  #begun = false
  #error: AppError | undefined
  #wake: () => void = () => undefined

  constructor(context: GroupCallContext, request: ClientRequest, options: GroupObserveOptions) {
    const { clock, parameters, requester } = context
    const { signal } = options
    if (request.method !== 'GET' && request.method !== 'FETCH') {
      throw new AppError('input.invalid', 'Only GET and FETCH observe', { details: { method: request.method } })
    }
    if (signal?.aborted === true) throw cancelled(signal)
    this.#context = context
    this.#options = options
    this.#startedMs = clock.monotonicMs()
    this.#call = context.open({ onResponse: (message, origin) => this.#onResponse(message, origin), onEnd: (error) => this.#end(error) })
    this.#blocks = new GroupBlocks({
      requester,
      request,
      startedMs: () => this.#startedMs,
      maxWaiting: parameters.maxGroupResponses,
      onBody: (response) => this.#push(response),
      // The next notification brings the state that this one would have brought.
      onFailure: () => undefined,
    })
    const onAbort = (): void => {
      if (signal === undefined) return
      this.#error ??= cancelled(signal)
      this.cancel()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#removeAbort = () => signal?.removeEventListener('abort', onAbort)
    this.#call.begin(() => this.#begin())
  }

  #begin(): void {
    if (this.#state !== 'observing') return
    this.#begun = true
    try {
      this.reRegister()
    } catch (thrown) {
      this.#end(toAppError(thrown))
      return
    }
    const pauseMs = this.#shortestPauseMs()
    // Servers may answer much later; what is asked of the group next does not wait for that.
    this.#after(pauseMs, () => this.#call.giveWay())
    const { reRegisterMs } = this.#options
    if (reRegisterMs !== undefined) this.#every(Math.max(reRegisterMs, pauseMs))
  }

  /** Addresses of the servers that have the client in their lists, as far as is known. */
  get observed(): readonly SocketAddress[] {
    return [...this.#servers.values()].filter((server) => server.active).map((server) => server.source)
  }

  /** Sends the registration to the group again, same token and same Observe value: with the same Message ID only servers that missed it act. */
  reRegister(messageId: 'new' | 'same' = 'new'): void {
    if (this.#state !== 'observing' || !this.#begun) return
    this.#call.send(messageId, [REGISTER])
    const { members, followUpAfterMs } = this.#options
    if (members === undefined) return
    this.#after(Math.max(followUpAfterMs ?? 0, this.#shortestPauseMs()), () => {
      for (const member of members) if (this.#servers.get(serverKey(member))?.active !== true) this.followUp(member)
    })
  }

  /** Registers with one server by a Confirmable unicast request with the same token. */
  followUp(server: SocketAddress): void {
    if (this.#state === 'observing') this.#unicast(server, [REGISTER])
  }

  /** Deregisters from one server by unicast; the others go on. */
  cancelOne(server: SocketAddress): void {
    const known = this.#servers.get(serverKey(server))
    if (known !== undefined) known.active = false
    if (this.#state === 'observing') this.#unicast(server, [DEREGISTER])
  }

  /** Deregisters from all servers at once. A server that notifies all the same has missed it and is told by unicast. */
  cancel(): void {
    if (this.#state !== 'observing') return
    this.#state = 'cancelling'
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#blocks.stop()
    this.#removeAbort()
    this.#call.giveWay()
    this.#wake()
    if (!this.#begun) {
      this.#finish()
      return
    }
    try {
      this.#call.send('new', [DEREGISTER])
    } catch {
      // Without a Message ID to spare, each server is told when it notifies.
    }
    this.#after(nonLifetimeMs(this.#context.parameters), () => this.#finish())
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ClientResponse, void, undefined> {
    try {
      for (;;) {
        for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) yield next
        if (this.#error !== undefined) throw this.#error
        if (this.#state !== 'observing') return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      this.cancel()
    }
  }

  #onResponse(message: CoapMessage, origin: Origin): boolean {
    const sequence = findUint(message.options, OptionNumber.OBSERVE)
    const key = serverKey(origin.source)
    if (this.#state !== 'observing') {
      const known = this.#servers.get(key)
      if (sequence !== undefined && known?.active === true) {
        known.active = false
        this.#unicast(origin.source, [DEREGISTER])
      }
      return true
    }
    if (sequence === undefined) this.#servers.delete(key)
    else if (!this.#isNewer(key, origin.source, sequence)) return true
    const first = { message, source: origin.source, identity: origin.identity }
    const echo = challengeOf(first)
    if (echo !== undefined && !this.#challenged.has(key) && this.#challenged.size < this.#context.parameters.maxGroupResponses) {
      // The server registers nobody whose address is not proved: the same registration, with the proof (§6.3.1).
      this.#challenged.add(key)
      this.#unicast(origin.source, [REGISTER, echo])
      return true
    }
    const step = this.#blocks.add(first, origin.peer)
    if (step === 'whole') {
      const elapsedMs = this.#context.clock.monotonicMs() - this.#startedMs
      this.#push(toClientResponse(message.code, message.options, message.payload, origin.source, elapsedMs, origin.identity))
    } else if (step === 'full') this.#context.messages.counters.overload++
    return true
  }

  /** RFC 7641 §3.4, for each server by itself; remembers the newest. */
  #isNewer(key: string, source: SocketAddress, sequence: number): boolean {
    const nowMs = this.#context.clock.monotonicMs()
    const last = this.#servers.get(key)
    if (last === undefined) {
      if (this.#servers.size >= this.#context.parameters.maxGroupResponses) {
        this.#context.messages.counters.overload++
        return true
      }
      this.#servers.set(key, { source, sequence, atMs: nowMs, active: true })
      return true
    }
    const newer =
      (last.sequence < sequence && sequence - last.sequence < HALF_SEQUENCE) ||
      (last.sequence > sequence && last.sequence - sequence > HALF_SEQUENCE) ||
      nowMs > last.atMs + SEQUENCE_LIFETIME_MS
    if (!newer) return false
    last.sequence = sequence
    last.atMs = nowMs
    last.active = true
    return true
  }

  #push(response: ClientResponse): void {
    if (this.#state !== 'observing') return
    if (this.#queue.length >= this.#context.parameters.maxGroupResponses) {
      this.#queue.shift()
      this.#context.messages.counters.overload++
    }
    this.#queue.push(response)
    this.#wake()
  }

  #unicast(server: SocketAddress, extra: readonly CoapOption[]): void {
    const done = (): void => {
      this.#unicasts.delete(sent)
    }
    const delivery = { acknowledged: done, reset: done, timedOut: done, failed: done }
    const sent: Sent = this.#call.sendTo(server, extra, delivery)
    this.#unicasts.add(sent)
  }

  #shortestPauseMs(): number {
    return this.#context.parameters.leisureMs + ROUND_TRIP_MS
  }

  #every(intervalMs: number): void {
    this.#after(intervalMs, () => {
      try {
        this.reRegister()
      } catch {
        // Every Message ID is resting: the next interval will do.
      }
      this.#every(intervalMs)
    })
  }

  #after(delayMs: number, act: () => void): void {
    const timer = this.#context.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      act()
    })
    this.#timers.add(timer)
  }

  #end(error: AppError): void {
    this.#error ??= error
    this.#finish()
  }

  #finish(): void {
    this.#state = 'over'
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    for (const sent of this.#unicasts) sent.stop()
    this.#unicasts.clear()
    this.#blocks.stop()
    this.#removeAbort()
    this.#call.close()
    this.#wake()
  }
}
