// Forwarding to a group: whether a request goes there, and by which way: the cache, the next proxy, or the group itself, once or to observe
// (draft-tiloca-core-groupcomm-proxy-00 §5.2; draft-ietf-core-groupcomm-proxy-07 §5.2, §7.3, §8).
import { equalBytes, formatSocketAddress, type SocketAddress } from '#main/base/index.ts'
import { findUint, OptionNumber, uintOption, type CoapOption, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { resourceKey } from './cache.ts'
import { ChainedGroupRequest } from './chain.ts'
import { adapted, groupOf, GroupSession, withReplyFrom, type GroupErrand, type GroupForwarderOptions } from './group-session.ts'
import { ObservedGroup } from './observe-group.ts'
import { criOf, groupEtagOption, multicastSignalingOption, readGroupEtags } from './options.ts'
import { Outstanding } from './policy.ts'
import { nextHopLimit, optionsToServer } from './relayed-options.ts'
import { passedOn, refusal, type ForwardedRequest, type ProxyEgress } from './single.ts'
import { uriOptionsOf } from './target.ts'

/** A group request is one message: no body in blocks can be sent to a group. */
const MAX_PAYLOAD_BYTES = 1024

export class GroupForwarder {
  readonly #options: GroupForwarderOptions
  readonly #sessions = new Map<string, { readonly isObservation?: boolean; stop(): void }>()
  readonly #outstanding: Outstanding

  constructor(options: GroupForwarderOptions) {
    this.#options = options
    this.#outstanding = new Outstanding(options.policy.maxGroupRequests, options.policy.maxGroupRequestsPerClient)
  }

  get size(): number {
    return this.#sessions.size
  }

  has(key: string): boolean {
    return this.#sessions.has(key)
  }

  /** Whether what is under way under this key goes on until it is cancelled. */
  isObservation(key: string): boolean {
    return this.#sessions.get(key)?.isObservation === true
  }

  /** Ends the forwarding of responses early (-07 §5.2.3). Whether there was any. */
  stop(key: string): boolean {
    const session = this.#sessions.get(key)
    session?.stop()
    return session !== undefined
  }

  close(): void {
    for (const session of [...this.#sessions.values()]) session.stop()
  }

  /** A refusal, or undefined where responses will follow. */
  start(errand: GroupErrand): OutgoingResponse | undefined {
    const { policy, numbers, nextHop, egress } = this.#options
    const { request, target } = errand
    if (target.scheme !== 'coap' || target.port === 5684) return refusal('5.05', 'Groups are reached by coap URIs only')
    if (request.payload.length > MAX_PAYLOAD_BYTES) return refusal('4.13', 'A group request fits one message')
    const block = findUint(request.options, OptionNumber.BLOCK2) ?? 0
    if (block >= 16) return refusal('4.00', 'Later blocks are asked of the server that sent the first')
    const hopLimit = nextHopLimit(request.options, policy.initialHopLimit)
    if (hopLimit === 'invalid') return refusal('4.00', 'Hop-Limit is one byte from 1 to 255')
    if (hopLimit === 'exhausted') return refusal('5.08', 'Hop limit reached')
    const passed = optionsToServer(numbers, request.options)
    if (passed === undefined) return refusal('4.02', 'An option is unknown here and unsafe to forward')
    const timeoutS = Math.min(errand.timeoutS, policy.maxTimeoutS)
    const observes = timeoutS > 0 && wantsToObserve(request)
    const cached = errand.generation === '07' && timeoutS > 0 && !observes ? this.#fromCache(errand, passed) : undefined
    if (cached === 'served') return undefined
    const to: SocketAddress = nextHop?.to ?? groupOf(target)
    const way = egress(to)
    if (way === undefined) return refusal('5.05', 'No way to the group')
    const leave = this.#outstanding.enter(errand.client)
    if (leave === undefined)
      return refusal('5.03', 'Too many group requests are under way', [uintOption(OptionNumber.MAX_AGE, timeoutS || 1)])
    const onEnd = (): void => {
      leave()
      this.#sessions.delete(errand.key)
    }
    if (nextHop !== undefined) {
      const chained = new ChainedGroupRequest({
        errand,
        options: [...passed, hopLimit],
        numbers,
        way,
        nextHop,
        timeoutS,
        observes,
        sequence: this.#options.sequence,
        policy,
        clock: this.#options.clock,
        onEnd,
      })
      const refused = chained.start()
      if (refused === undefined) this.#sessions.set(errand.key, chained)
      else onEnd()
      return refused
    }
    const session = observes
      ? this.#observation(errand, way, [...passed, hopLimit], timeoutS, onEnd)
      : new GroupSession(this.#options, errand, way, [...passed, hopLimit], timeoutS, onEnd)
    this.#sessions.set(errand.key, session)
    session.start()
    return undefined
  }

  #observation(errand: GroupErrand, way: ProxyEgress, options: readonly CoapOption[], timeoutS: number, onEnd: () => void): ObservedGroup {
    const { policy, clock, logger, sequence, numbers } = this.#options
    const { target, request, generation, side } = errand
    const signaling = generation === '00' ? [multicastSignalingOption(numbers, errand.timeoutS)] : []
    return new ObservedGroup({
      way,
      group: groupOf(target),
      request: { method: request.method, path: [], payload: request.payload, options: [...uriOptionsOf(target), ...options, ...signaling] },
      timeoutS,
      policy,
      clock,
      logger,
      sequence,
      named: (response) => {
        const passed = passedOn(numbers, response)
        if (passed === undefined || generation === '00') return passed
        const named = withReplyFrom(passed, numbers, { cri: criOf(response.source), reference: undefined })
        return adapted(named, errand, numbers, formatSocketAddress(response.source))
      },
      deliver: (response, onGone, how) => side.deliver(response, onGone, how),
      onEnd: (stopped) => {
        side.end(stopped)
        onEnd()
      },
    })
  }

  /** Answers from the cache alone where that is complete (-07 §7.1, §7.3). */
  #fromCache(errand: GroupErrand, passed: readonly CoapOption[]): 'served' | undefined {
    const { sets, numbers } = this.#options
    const { target, request, side } = errand
    const resource = resourceKey(request.method, [...uriOptionsOf(target), ...passed], request.payload)
    const complete = resource === undefined ? undefined : sets.complete(groupOf(target), resource)
    if (complete === undefined) return undefined
    const tag = groupEtagOption(numbers, complete.tag)
    if (readGroupEtags(numbers, request.options).some((asked) => equalBytes(asked, complete.tag))) {
      const maxAge = uintOption(OptionNumber.MAX_AGE, Math.floor(complete.residualMs / 1000))
      side.deliver({ code: '2.03', options: [tag, maxAge] }, () => undefined)
    } else {
      for (const { server, response } of complete.responses) {
        const named = adapted(response, errand, numbers, server)
        side.deliver({ ...named, options: [...(named.options ?? []), tag] }, () => undefined)
      }
    }
    side.end(false)
    return 'served'
  }
}

/** Registration by GET or FETCH (RFC 7641 §2, RFC 8132 §2.4). */
export function wantsToObserve(request: ForwardedRequest): boolean {
  return (request.method === 'GET' || request.method === 'FETCH') && findUint(request.options, OptionNumber.OBSERVE) === 0
}
