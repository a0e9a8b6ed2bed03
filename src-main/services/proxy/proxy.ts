// The proxy as a whole: sees each request before the resources do, judges it by policy, and hands it to the forwarder it is for
// (RFC 7252 §5.7; draft-ietf-core-groupcomm-bis-18 §3.5; draft-ietf-core-groupcomm-proxy-07 §5.2, §6.1).
import {
  formatSocketAddress,
  isMulticastAddress,
  toAppError,
  toHex,
  type Clock,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  EchoGuard,
  findOption,
  OptionNumber,
  uintOption,
  type Intermediary,
  type OutgoingResponse,
  type RelayedRequest,
  type Responder,
  type Verdict,
} from '#main/wire/coap/index.ts'
import { ResponseCache } from './cache.ts'
import { GroupForwarder, wantsToObserve } from './group.ts'
import type { GroupClientSide, GroupErrand } from './group-session.ts'
import { GroupSets } from './group-set.ts'
import { NotificationNumbers, ObservedServers } from './observe-single.ts'
import {
  multicastTimeoutOption,
  readMulticastSignaling,
  readMulticastTimeout,
  SUGGESTED_OPTION_NUMBERS,
  type ProxyOptionNumbers,
} from './options.ts'
import {
  clientKey,
  DEFAULT_PROXY_POLICY,
  forwardsToGroups,
  mayReachGroup,
  mayReachServer,
  Outstanding,
  type ProxyClient,
  type ProxyPolicy,
} from './policy.ts'
import { localUriOptions, ReverseRoutes, type ReverseRoute } from './reverse.ts'
import { refusal, SingleForwarder, type ForwardedRequest, type NextHop, type ProxyEgress } from './single.ts'
import { hasProxyOption, hasUriOption, isGroupTarget, readTarget, type CoapTarget } from './target.ts'

export interface ProxyOptions {
  /** The endpoint that reaches the address; undefined where none does. */
  readonly egress: (to: SocketAddress) => ProxyEgress | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Off unless rules are given. */
  readonly policy?: Partial<ProxyPolicy>
  readonly optionNumbers?: Partial<ProxyOptionNumbers>
  /** Who a request comes from, where its channel proves it; nobody is authenticated unless told. */
  readonly identify?: (request: { readonly source: SocketAddress; readonly channelId: string }) => string | undefined
  /** The IP address that a host name stands for; names are not known unless told. */
  readonly resolve?: (name: string) => Promise<string | undefined>
  /** Further addresses and names of this host: requests for them are its own (RFC 7252 §5.10.2). */
  readonly ownAuthorities?: ReadonlyArray<{ readonly host: string; readonly port: number }>
  /** Who is in a group now, where that is known: then whole sets of responses may come from the cache (-07 §7.1). */
  readonly members?: (group: SocketAddress) => readonly SocketAddress[] | undefined
  readonly reverse?: readonly ReverseRoute[]
  readonly nextHop?: NextHop
}

const UNUSABLE_ADDRESSES: readonly string[] = ['::', '0.0.0.0', '255.255.255.255']
/** Mapped addresses would be IPv4 ones that no rule has looked at. */
const MAPPED_PREFIX = '::ffff:'
/** How long a proof of address holds. */
const ECHO_FRESHNESS_MS = 60_000
const NEEDS_TIMEOUT = 'Please use Multicast-Timeout'

export interface GroupRelay {
  readonly key: string
  readonly client: ProxyClient
  readonly target: CoapTarget
  readonly request: ForwardedRequest
  readonly side: GroupClientSide
}

export interface ProxyHoldings {
  readonly single: number
  /** Group requests, and observations of groups. */
  readonly groups: number
  readonly observations: number
  readonly cacheEntries: number
  readonly cacheBytes: number
}

export class GroupProxy implements Intermediary {
  readonly numbers: ProxyOptionNumbers
  readonly #options: ProxyOptions
  readonly #policy: ProxyPolicy
  readonly #cache: ResponseCache
  readonly #single: SingleForwarder
  readonly #groups: GroupForwarder
  readonly #observed: ObservedServers
  readonly #reverse: ReverseRoutes
  readonly #outstanding: Outstanding
  readonly #closed = new AbortController()
  readonly #echo: EchoGuard

  constructor(options: ProxyOptions) {
    const { egress, clock, random, logger, nextHop } = options
    const policy: ProxyPolicy = { ...DEFAULT_PROXY_POLICY, ...options.policy }
    const numbers: ProxyOptionNumbers = { ...SUGGESTED_OPTION_NUMBERS, ...options.optionNumbers }
    this.#options = options
    this.#echo = new EchoGuard(clock, random)
    this.#policy = policy
    this.numbers = numbers
    this.#cache = new ResponseCache(clock, policy.maxCacheEntries, policy.maxCacheBytes)
    const sets = new GroupSets(this.#cache, random, options.members ?? (() => undefined))
    const common = { egress, cache: this.#cache, numbers, policy, clock, logger, nextHop }
    this.#single = new SingleForwarder(common)
    const sequence = new NotificationNumbers(clock)
    this.#groups = new GroupForwarder({ ...common, sets, sequence })
    this.#observed = new ObservedServers({ clock, logger, cache: this.#cache, numbers, policy, sequence })
    this.#reverse = new ReverseRoutes(options.reverse ?? [])
    this.#outstanding = new Outstanding(policy.maxOutstanding, policy.maxOutstandingPerClient)
  }

  /** What it holds, all of it bounded by the policy. */
  holdings(): ProxyHoldings {
    return {
      single: this.#outstanding.total,
      groups: this.#groups.size,
      observations: this.#observed.size,
      cacheEntries: this.#cache.size,
      cacheBytes: this.#cache.bytes,
    }
  }

  close(): void {
    this.#closed.abort()
    this.#groups.close()
    this.#observed.close()
  }

  // ---- CoAP clients ----------------------------------------------------------------------------------------------

  look(request: RelayedRequest): Verdict {
    const reading = readTarget(request.options, request.local)
    if (typeof reading === 'object' && this.#isOwn(reading.target, request)) return localUriOptions(request.options, reading.target)
    if (reading !== 'absent') return 'take'
    return this.#groups.has(sessionKey(request)) || this.#reverse.find(request) !== undefined ? 'take' : 'leave'
  }

  serve(request: RelayedRequest, responder: Responder): void {
    this.#serve(request, responder).catch((thrown: unknown) => {
      this.#options.logger.error({ err: toAppError(thrown) }, 'A request could not be forwarded')
      responder.respond({ code: '5.00' })
    })
  }

  async #serve(request: RelayedRequest, responder: Responder): Promise<void> {
    const key = sessionKey(request)
    this.#observed.stop(key)
    // With the token of an observation the client registers anew or cancels (RFC 7641 §3.6): the request is then served as any other.
    const renews = this.#groups.isObservation(key) && findOption(request.options, OptionNumber.OBSERVE) !== undefined
    if (this.#groups.stop(key) && !renews) {
      if (this.#isEarlyStop(request)) {
        responder.acknowledge()
        responder.end()
      } else {
        // Neither is forwarded: responses to the one could not be told from those to the other (groupcomm-bis §3.5.2).
        responder.respond(refusal('4.00', 'This is a proxy, which was collecting responses with this Token: it cannot be used again yet'))
      }
      return
    }
    const reading = readTarget(request.options, request.local)
    if (reading === 'invalid') responder.respond(refusal('4.00', 'The options do not make a URI'))
    else if (reading === 'unsupported') responder.respond(refusal('5.05', 'Only coap URIs are forwarded'))
    else if (reading === 'absent') await this.#serveReverse(key, request, responder)
    else {
      const client = this.#clientOf(request)
      const target = await this.resolved(reading.target)
      if (isGroupTarget(target)) {
        const side = clientSide(responder)
        const proven = this.#proven(client, request)
        const refused = 'code' in proven ? proven : this.relayToGroup({ key, client, target, request: proven, side })
        if (refused !== undefined) responder.respond(refused)
        else responder.acknowledge()
      } else if (!this.#observe(key, client, target, request, responder))
        responder.respond(await this.relayToServer(client, target, request))
    }
  }

  async #serveReverse(key: string, request: RelayedRequest, responder: Responder): Promise<void> {
    const client = this.#clientOf(request)
    const found = this.#reverse.find(request)
    if (found === undefined) {
      responder.respond({ code: '4.04' })
      return
    }
    if (found.kind === 'server') {
      const isObserved = this.#observe(key, client, found.target, request, responder, true)
      if (!isObserved) responder.respond(await this.relayToServer(client, found.target, request, true))
      return
    }
    const { route, target } = found
    const group: SocketAddress = { address: target.host, port: target.port }
    if (!mayReachGroup(this.#policy, client, group)) {
      responder.respond(refusal('4.01', 'Not allowed to reach the group'))
      return
    }
    const proven = this.#proven(client, request)
    if ('code' in proven) {
      responder.respond(proven)
      return
    }
    const timeoutS = this.#reverse.collectionS(route, readMulticastTimeout(this.numbers, request.options))
    if (timeoutS === undefined) {
      responder.respond(refusal('4.00', NEEDS_TIMEOUT, [multicastTimeoutOption(this.numbers, 0)]))
      return
    }
    const replyFrom = this.#reverse.replyFrom(route)
    const errand: GroupErrand = {
      key,
      client: clientKey(client),
      target,
      request: proven,
      generation: '07',
      timeoutS,
      side: clientSide(responder),
      ...(replyFrom === undefined ? {} : { replyFrom }),
    }
    const refused = this.#groups.start(errand)
    if (refused === undefined) responder.acknowledge()
    else responder.respond(refused)
  }

  /** Whether the request was taken as a registration; if not, it is to be answered once. */
  #observe(
    key: string,
    client: ProxyClient,
    target: CoapTarget,
    request: RelayedRequest,
    responder: Responder,
    isReverse = false,
  ): boolean {
    if (!wantsToObserve(request) || this.#refusalOf(client, target, isReverse) !== undefined) return false
    const way = this.#single.plan(target, request)
    if ('refused' in way) return false
    return this.#observed.start(key, clientKey(client), way, request, responder, (thrown) => this.#single.failure(thrown))
  }

  // ---- Any clients -----------------------------------------------------------------------------------------------

  /** The target with its address, where its name is known. */
  async resolved(target: CoapTarget): Promise<CoapTarget> {
    if (target.address !== undefined) return target
    return { ...target, address: await this.#options.resolve?.(target.host) }
  }

  /** The one response. `isReverse`: whoever set up the route has thereby allowed every client to reach that server. */
  async relayToServer(client: ProxyClient, target: CoapTarget, request: ForwardedRequest, isReverse = false): Promise<OutgoingResponse> {
    const refused = this.#refusalOf(client, target, isReverse)
    if (refused !== undefined) return refused
    const leave = this.#outstanding.enter(clientKey(client))
    if (leave === undefined) return refusal('5.03', 'Too many requests are under way', [uintOption(OptionNumber.MAX_AGE, 2)])
    try {
      return await this.#single.forward(target, request, this.#closed.signal)
    } finally {
      leave()
    }
  }

  #refusalOf(client: ProxyClient, target: CoapTarget, isReverse: boolean): OutgoingResponse | undefined {
    if (!isReverse && !mayReachServer(this.#policy, client, target)) return refusal('5.05', 'Not forwarded for this client')
    const address = target.address ?? ''
    if (address === '' && this.#options.nextHop === undefined) return refusal('5.04', 'The host name is not known here')
    const isUsable = !UNUSABLE_ADDRESSES.includes(address) && !address.startsWith(MAPPED_PREFIX) && !isMulticastAddress(address)
    return isUsable ? undefined : refusal('5.05', 'Not the address of a server')
  }

  /** A refusal, or undefined where responses go to the client's side until it is ended. */
  relayToGroup(relay: GroupRelay): OutgoingResponse | undefined {
    const { key, client, target, request, side } = relay
    if (!forwardsToGroups(this.#policy)) return refusal('5.01', 'Requests are not forwarded to groups')
    const group: SocketAddress = { address: target.address ?? target.host, port: target.port }
    if (!mayReachGroup(this.#policy, client, group)) return refusal('4.01', 'Not allowed to reach the group')
    const { generations } = this.#policy
    const timeoutS = generations.includes('07') ? readMulticastTimeout(this.numbers, request.options) : undefined
    const common = { key, client: clientKey(client), target, request, side }
    if (timeoutS !== undefined) return this.#groups.start({ ...common, generation: '07', timeoutS })
    const signaledS = generations.includes('00') ? readMulticastSignaling(this.numbers, request.options) : undefined
    if (signaledS === 'invalid') return refusal('4.02', 'Multicast-Signaling is a CBOR unsigned integer of one to five bytes')
    if (signaledS !== undefined) return this.#groups.start({ ...common, generation: '00', timeoutS: signaledS })
    // -00 §5.2 wants the option as well, but has no word for its absence.
    const hint = generations.includes('07') ? [multicastTimeoutOption(this.numbers, 0)] : []
    return refusal('4.00', NEEDS_TIMEOUT, hint)
  }

  /** Nothing more is forwarded of the group request. */
  stopGroup(key: string): void {
    this.#groups.stop(key)
  }

  /** The request, or the 4.01 that asks for a proof of the client's address; a proof was for the proxy and goes no further. */
  #proven(client: ProxyClient, request: RelayedRequest): RelayedRequest | OutgoingResponse {
    if (!this.#policy.verifyAddresses || client.identity !== undefined) return request
    const peer = formatSocketAddress(client.source)
    const isFresh = this.#echo.isFresh(request.options, peer, ECHO_FRESHNESS_MS)
    if (!isFresh) return { code: '4.01', options: [this.#echo.issue(peer)] }
    return { ...request, options: request.options.filter((option) => option.number !== OptionNumber.ECHO) }
  }

  #clientOf(request: RelayedRequest): ProxyClient {
    return { source: request.source, identity: this.#options.identify?.(request) }
  }

  /** -07 §5.1.3 */
  #isEarlyStop(request: RelayedRequest): boolean {
    const { method, options } = request
    return method === 'GET' && readMulticastTimeout(this.numbers, options) === 0 && !hasProxyOption(options) && !hasUriOption(options)
  }

  #isOwn(target: CoapTarget, request: RelayedRequest): boolean {
    if (target.scheme !== 'coap') return false
    const own = [request.local, ...(request.destination === undefined ? [] : [request.destination])].map((at) => ({
      host: at.address,
      port: at.port,
    }))
    return [...own, ...(this.#options.ownAuthorities ?? [])].some((one) => one.host === target.host && one.port === target.port)
  }
}

export function createProxy(options: ProxyOptions): GroupProxy {
  return new GroupProxy(options)
}

function clientSide(responder: Responder): GroupClientSide {
  return {
    deliver: (response, onGone, how) => responder.respondFurther(response, onGone, how),
    end: (stopped) => {
      if (stopped) responder.abandon()
      else responder.end()
    },
  }
}

/** A request of a client is told from its others by the token alone (RFC 7252 §5.3.1). */
function sessionKey(request: RelayedRequest): string {
  return `${request.channelId} ${formatSocketAddress(request.source)} ${toHex(request.token)}`
}
