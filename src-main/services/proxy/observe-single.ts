// Observing a resource of one server for a client: the proxy observes it itself and hands each notification on (RFC 7641 §5).
import { toAppError, type Clock, type Logger } from '#main/base/index.ts'
import { findOption, OptionNumber, uintOption, type ClientRequest, type Observation, type Responder } from '#main/wire/coap/index.ts'
import type { ResponseCache } from './cache.ts'
import type { ProxyOptionNumbers } from './options.ts'
import { Outstanding, type ProxyPolicy } from './policy.ts'
import { passedOn, refusal, type ForwardedRequest, type ForwardingPlan } from './single.ts'

const SEQUENCE_MASK = 0xffffff
/** At least so often a client has to confirm that it is there; once in 24 hours is demanded (RFC 7641 §4.5). */
const CONFIRM_EVERY_MS = 3_600_000

/** Numbers for the notifications of this proxy, rising over all of them, and over a restart (RFC 7641 §4.4). */
export class NotificationNumbers {
  #next: number

  constructor(clock: Clock) {
    this.#next = Math.floor(clock.now() / 16) & SEQUENCE_MASK
  }

  next(): ReturnType<typeof uintOption> {
    this.#next = (this.#next + 1) & SEQUENCE_MASK
    return uintOption(OptionNumber.OBSERVE, this.#next)
  }
}

/** Whether this notification is the one in a while that has to be confirmed. */
export class Liveness {
  readonly #clock: Clock
  #confirmedMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#confirmedMs = clock.monotonicMs()
  }

  isDue(): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#confirmedMs < CONFIRM_EVERY_MS) return false
    this.#confirmedMs = nowMs
    return true
  }
}

export interface ObservedServersOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly cache: ResponseCache
  readonly numbers: ProxyOptionNumbers
  readonly policy: ProxyPolicy
  readonly sequence: NotificationNumbers
}

export class ObservedServers {
  readonly #options: ObservedServersOptions
  readonly #sessions = new Map<string, Observation>()
  readonly #outstanding: Outstanding

  constructor(options: ObservedServersOptions) {
    this.#options = options
    this.#outstanding = new Outstanding(options.policy.maxObservations, options.policy.maxObservationsPerClient)
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Ends the observation that a client has under this key. Whether there was one. */
  stop(key: string): boolean {
    const observation = this.#sessions.get(key)
    this.#sessions.delete(key)
    void observation?.cancel()
    return observation !== undefined
  }

  close(): void {
    for (const key of [...this.#sessions.keys()]) this.stop(key)
  }

  /** Whether the client is observing now; if not, it is answered as if it had only asked for the state (RFC 7641 §4.1). */
  start(
    key: string,
    client: string,
    way: ForwardingPlan,
    request: ForwardedRequest,
    responder: Responder,
    failure: (thrown: unknown) => ReturnType<typeof refusal>,
  ): boolean {
    const leave = this.#outstanding.enter(client)
    if (leave === undefined) return false
    const sent: ClientRequest = { method: request.method, path: [], payload: request.payload, options: way.options }
    const observation = way.egress.observe(way.to, sent)
    this.#sessions.set(key, observation)
    const ended = (): void => {
      leave()
      if (this.#sessions.get(key) === observation) this.#sessions.delete(key)
    }
    this.#relay(observation, key, way, responder).then(
      () => {
        ended()
        responder.end()
      },
      (thrown: unknown) => {
        ended()
        this.#options.logger.debug({ err: toAppError(thrown) }, 'An observation has failed')
        responder.respondFurther(failure(thrown), () => undefined)
        responder.end()
      },
    )
    return true
  }

  async #relay(observation: Observation, key: string, way: ForwardingPlan, responder: Responder): Promise<void> {
    const { clock, cache, numbers, sequence } = this.#options
    const liveness = new Liveness(clock)
    const onGone = (): void => {
      if (this.#sessions.get(key) === observation) this.stop(key)
    }
    for await (const response of observation) {
      if (this.#sessions.get(key) !== observation) return
      const passed = passedOn(numbers, response)
      if (passed === undefined) {
        responder.respondFurther(refusal('5.02', 'The notification has an option that is unknown here and unsafe to forward'), onGone)
        return
      }
      if (way.resource !== undefined && response.code !== '2.03') cache.put(way.resource, way.server, way.keyOptions, passed)
      const isObserved = findOption(response.options, OptionNumber.OBSERVE) !== undefined
      const options = [...(passed.options ?? []), ...(isObserved ? [sequence.next()] : [])]
      responder.respondFurther({ ...passed, options }, onGone, { single: true, slot: 'state', confirmable: liveness.isDue() })
    }
  }
}
