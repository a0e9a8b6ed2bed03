// A group request that goes to the next proxy of a chain, once or to observe (draft-ietf-core-groupcomm-proxy-07 §8).
import { toAppError, toHex, type Clock, type Timer } from '#main/base/index.ts'
import {
  findOption,
  findUint,
  isSentLater,
  isSuccess,
  OptionNumber,
  uintOption,
  type ClientRequest,
  type ClientResponse,
  type CoapOption,
  type NotificationOrder,
  type OpenExchange,
  type OutgoingResponse,
} from '#main/wire/coap/index.ts'
import type { GroupErrand } from './group-session.ts'
import { Liveness, type NotificationNumbers } from './observe-single.ts'
import {
  multicastTimeoutOption,
  readMulticastTimeout,
  readReplyFrom,
  replyFromOption,
  serverOf,
  type ProxyOptionNumbers,
} from './options.ts'
import type { ProxyPolicy } from './policy.ts'
import { passedOn, refusal, type NextHop, type ProxyEgress } from './single.ts'
import { proxyUriOption } from './target.ts'

export interface ChainedOptions {
  readonly errand: GroupErrand
  /** Those of the client's request that go on. */
  readonly options: readonly CoapOption[]
  readonly numbers: ProxyOptionNumbers
  readonly way: ProxyEgress
  readonly nextHop: NextHop
  readonly timeoutS: number
  /** Registers with the next hop, and hands its notifications on beyond the time (§8.1.1, §8.2.1). */
  readonly observes: boolean
  readonly sequence: NotificationNumbers
  readonly policy: ProxyPolicy
  readonly clock: Clock
  readonly onEnd: () => void
}

export class ChainedGroupRequest {
  readonly isObservation: boolean
  readonly #options: ChainedOptions
  readonly #liveness: Liveness
  /** The newest notification of each server, by its Reply-From. */
  readonly #observed = new Map<string, NotificationOrder>()
  #exchange: OpenExchange | undefined
  #timer: Timer | undefined
  #responses = 0
  #bytes = 0
  #isOver = false
  #ended = false

  constructor(options: ChainedOptions) {
    this.#options = options
    this.isObservation = options.observes
    this.#liveness = new Liveness(options.clock)
  }

  /** A refusal, or undefined where the request has left. */
  start(): OutgoingResponse | undefined {
    const { errand, options, numbers, way, nextHop, timeoutS, clock, observes } = this.#options
    if (errand.generation !== '07') return refusal('5.05', 'Proxies in a chain need Multicast-Timeout')
    // T'' leaves the time that a response takes back to the client (§8.1): at least a second of it must remain.
    const shorterS = timeoutS === 0 ? 0 : timeoutS - Math.ceil(nextHop.roundTripS)
    if (timeoutS > 0 && shorterS < 1) return this.#tooShort(1)
    const { method, payload } = errand.request
    const request: ClientRequest = {
      method,
      path: [],
      payload,
      options: [
        proxyUriOption(errand.target),
        ...options,
        multicastTimeoutOption(numbers, shorterS),
        ...(observes ? [uintOption(OptionNumber.OBSERVE, 0)] : []),
      ],
    }
    try {
      this.#exchange = way.openExchange(nextHop.to, request, {
        onResponse: (response) => this.#onResponse(response),
        onFailed: (error) => {
          if (error.code !== 'cancelled') this.#deliver({ code: error.code === 'coap.timeout' ? '5.04' : '5.02' })
          this.#end(false)
        },
      })
    } catch (thrown) {
      return { code: toAppError(thrown).code === 'coap.too-large' ? '4.13' : '5.02' }
    }
    this.#timer = clock.setTimer(timeoutS * 1000, () => {
      this.#isOver = true
      this.#endIfNobody()
    })
    return undefined
  }

  /** At the client's wish, which the next hop is told of with the same token (§8.1.2). */
  stop(): void {
    if (this.#ended) return
    this.#exchange?.again({ method: 'GET', path: [], options: [multicastTimeoutOption(this.#options.numbers, 0)] })
    this.#end(true)
  }

  #onResponse(response: ClientResponse): void {
    if (this.#ended) return
    const { numbers } = this.#options
    const wanted = response.code === '5.05' ? readMulticastTimeout(numbers, response.options) : undefined
    if (wanted !== undefined) {
      // The next hop names the time that it needs; with our own leg added it is passed back (§8.1).
      this.#deliver(this.#tooShort(wanted))
      this.#end(false)
      return
    }
    // Reply-From stays as the last proxy has set it, unless this one stands in for the servers as well (§8.2).
    const own = response.options.filter((option) => option.number !== numbers.multicastTimeout)
    const passed = this.#standingIn(passedOn(numbers, { ...response, options: own }) ?? { code: '5.02' })
    const from = findOption(response.options, numbers.replyFrom)
    const server = from === undefined ? '' : toHex(from.value)
    const wasObserved = this.#observed.has(server)
    const isObserved = this.#options.observes && this.#isNotification(server, response)
    if (isObserved === 'late' || (this.#isOver && !isObserved && !wasObserved)) return
    if (isObserved) this.#deliver({ ...passed, options: [...(passed.options ?? []), this.#options.sequence.next()] }, server)
    else this.#deliver(passed)
    this.#endIfNobody()
  }

  /** TARGET_NEW for TARGET_OLD (§8.2): requests to the one are forwarded as the other says. */
  #standingIn(response: OutgoingResponse): OutgoingResponse {
    const { errand, numbers } = this.#options
    const options = response.options ?? []
    const old = errand.replyFrom === undefined ? undefined : readReplyFrom(numbers, options)
    const server = old === undefined ? undefined : serverOf(old)
    if (errand.replyFrom === undefined || server === undefined) return response
    const others = options.filter((option) => option.number !== numbers.replyFrom)
    return { ...response, options: [...others, replyFromOption(numbers, errand.replyFrom(server))] }
  }

  /** Keeps account of who is observed; `late` where a newer notification has been here before (RFC 7641 §3.4). */
  #isNotification(server: string, response: ClientResponse): boolean | 'late' {
    const number = findUint(response.options, OptionNumber.OBSERVE)
    if (number === undefined || !isSuccess(response.code)) {
      this.#observed.delete(server)
      return false
    }
    const order: NotificationOrder = { number, atMs: this.#options.clock.monotonicMs() }
    const before = this.#observed.get(server)
    if (before !== undefined && !isSentLater(before, order)) return 'late'
    if (before === undefined && this.#observed.size >= this.#options.policy.maxResponsesPerRequest) return false
    this.#observed.set(server, order)
    return true
  }

  #endIfNobody(): void {
    if (this.#isOver && this.#observed.size === 0) this.#end(false)
  }

  #tooShort(nextS: number): OutgoingResponse {
    const { numbers, nextHop } = this.#options
    const option = multicastTimeoutOption(numbers, nextS + Math.ceil(nextHop.roundTripS))
    return refusal('5.05', 'Multicast-Timeout is too short for the proxies on the way', [option])
  }

  /** `slot`: of a notification, which counts against no bound, since the client may end them at any time. */
  #deliver(response: OutgoingResponse, slot?: string): void {
    if (this.#ended || this.#options.timeoutS === 0) return
    const { policy, errand } = this.#options
    if (slot !== undefined) {
      errand.side.deliver(response, () => this.stop(), { slot, confirmable: this.#liveness.isDue() })
      return
    }
    this.#responses++
    this.#bytes += response.payload?.length ?? 0
    if (this.#responses > policy.maxResponsesPerRequest || this.#bytes > policy.maxResponseBytesPerRequest) this.#end(false)
    else errand.side.deliver(response, () => this.stop())
  }

  #end(stopped: boolean): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.cancel()
    this.#exchange?.close()
    this.#options.errand.side.end(stopped)
    this.#options.onEnd()
  }
}
