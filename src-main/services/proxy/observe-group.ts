// Observing a group for a client: notifications of each server are handed on, also after the time for responses is over
// (draft-ietf-core-groupcomm-proxy-07 §5.2.2, §5.4.2; draft-tiloca-core-groupcomm-proxy-00 §5.4).
import { formatSocketAddress, isAbort, toAppError, type Clock, type Logger, type SocketAddress, type Timer } from '#main/base/index.ts'
import {
  findOption,
  isSuccess,
  OptionNumber,
  type ClientRequest,
  type ClientResponse,
  type GroupObservation,
  type OutgoingResponse,
} from '#main/wire/coap/index.ts'
import { Liveness, type NotificationNumbers } from './observe-single.ts'
import type { ProxyPolicy } from './policy.ts'
import type { ProxyEgress } from './single.ts'

export interface ObservedGroupOptions {
  readonly way: ProxyEgress
  readonly group: SocketAddress
  readonly request: ClientRequest
  readonly timeoutS: number
  readonly policy: ProxyPolicy
  readonly clock: Clock
  readonly logger: Logger
  readonly sequence: NotificationNumbers
  /** The response as the client gets it, without the Observe option; undefined where it cannot be handed on. */
  readonly named: (response: ClientResponse) => OutgoingResponse | undefined
  readonly deliver: (response: OutgoingResponse, onGone: () => void, how: { readonly slot: string; readonly confirmable: boolean }) => void
  readonly onEnd: (stopped: boolean) => void
}

export class ObservedGroup {
  readonly isObservation = true
  readonly #options: ObservedGroupOptions
  readonly #liveness: Liveness
  /** Servers that have this proxy in their lists of observers. */
  readonly #observed = new Set<string>()
  #observation: GroupObservation | undefined
  #timer: Timer | undefined
  #isOver = false
  #responses = 0
  #bytes = 0
  #ended = false

  constructor(options: ObservedGroupOptions) {
    this.#options = options
    this.#liveness = new Liveness(options.clock)
  }

  start(): void {
    const { way, group, request, timeoutS, clock } = this.#options
    this.#observation = way.observeGroup(group, request)
    this.#timer = clock.setTimer(timeoutS * 1000, () => {
      this.#isOver = true
      this.#endIfNobody()
    })
    void this.#relay(this.#observation)
  }

  stop(): void {
    this.#end(true)
  }

  async #relay(observation: GroupObservation): Promise<void> {
    try {
      for await (const response of observation) {
        if (this.#ended) return
        this.#onResponse(response)
      }
    } catch (thrown) {
      if (!isAbort(thrown)) this.#options.logger.warn({ err: toAppError(thrown) }, 'A group could not be observed')
    }
    this.#end(false)
  }

  #onResponse(response: ClientResponse): void {
    const { policy, sequence, named, deliver } = this.#options
    const server = formatSocketAddress(response.source)
    const wasObserved = this.#observed.has(server)
    const isObserved = isSuccess(response.code) && findOption(response.options, OptionNumber.OBSERVE) !== undefined
    // After the time is over only notifications are handed on, the last one of a server among them (§5.4.2).
    if (this.#isOver && !isObserved && !wasObserved) return
    if (!wasObserved) {
      this.#responses++
      this.#bytes += response.payload.length
      if (this.#responses > policy.maxResponsesPerRequest || this.#bytes > policy.maxResponseBytesPerRequest) return
    }
    if (isObserved) this.#observed.add(server)
    else this.#observed.delete(server)
    const passed = named(response)
    if (passed !== undefined) {
      const options = [...(passed.options ?? []), ...(isObserved ? [sequence.next()] : [])]
      // A response that is no notification must not be overtaken by one: it has a slot of its own.
      const slot = isObserved ? server : `${server} ${this.#responses}`
      deliver({ ...passed, options }, () => this.#end(true), { slot, confirmable: this.#liveness.isDue() })
    }
    this.#endIfNobody()
  }

  #endIfNobody(): void {
    if (this.#isOver && this.#observed.size === 0) this.#end(false)
  }

  #end(stopped: boolean): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.cancel()
    this.#observation?.cancel()
    this.#options.onEnd(stopped)
  }
}
