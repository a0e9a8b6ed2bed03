// One CoAP endpoint on one channel, client and server at once (RFC 7252). It puts the parts together and shares out what comes in.
import { AppError, type Clock, type DatagramChannel, type Logger, type Random, type SocketAddress } from '#main/base/index.ts'
import { blockBytes, szxFor } from './block.ts'
import { BackOff } from './back-off.ts'
import { BlockServer } from './block-server.ts'
import { DEFAULT_CACHE_LIMITS, ResponseCache, type CacheLimits } from './cache.ts'
import { CoapRequester } from './client.ts'
import { EchoGuard } from './echo.ts'
import { EchoMemory } from './echo-memory.ts'
import { Exchanges } from './exchange.ts'
import { GroupClient } from './group-client.ts'
import type { GroupObservation, GroupObserveOptions } from './group-observe.ts'
import { IntermediaryPort, type Intermediary } from './intermediary.ts'
import { MessageLayer, type Origin, type Seen } from './message-layer.ts'
import { ObserveClient } from './observe-client.ts'
import { ObserveServer } from './observe-server.ts'
import { OpenExchanges, type OpenExchange, type OpenExchangeListener } from './open-exchanges.ts'
import { DEFAULT_PARAMETERS, type CoapParameters } from './parameters.ts'
import { PeerTalk } from './peer-talk.ts'
import { ResourceTree } from './resource-tree.ts'
import { CoapServer, contentOf } from './server.ts'
import { isProtectedForm, SecurityPort } from './security-port.ts'
import { TokenRoutes } from './token-routes.ts'
import type { CoapCounters, TraceEvent } from './trace.ts'
import type {
  ClientRequest,
  ClientResponse,
  CoapMessage,
  GroupRequestOptions,
  MessageSecurity,
  Observation,
  ObserveOptions,
  ObservingClient,
  RequestOptions,
  TellOptions,
} from './types.ts'

export interface CoapEndpointOptions {
  /** Stays open when the endpoint closes: it belongs to whoever opened it. */
  readonly channel: DatagramChannel
  /** What it serves; by default nothing but an empty `/.well-known/core`. Several endpoints may share one. */
  readonly tree?: ResourceTree
  /** Stands before the tree: a proxy. Without one, requests that ask for a proxy are answered 5.05 (RFC 7252 §5.7.2). */
  readonly intermediary?: Intermediary
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly parameters?: Partial<CoapParameters>
  /** Keeps responses to GET and FETCH and uses them while they are fresh or valid (RFC 7252 §5.6); nothing is kept by default. */
  readonly cache?: Partial<CacheLimits>
  /** Whether the channel vouches for who the peer is, as DTLS does; nobody by default. Group requests of others are answered with care. */
  readonly isAuthenticated?: (peer: SocketAddress) => boolean
  /** Opens protected requests (OSCORE). Those that leave name what protects them (`ClientRequest.security`). */
  readonly security?: MessageSecurity
  /** Told of every message as it is sent or received. */
  readonly onTrace?: (event: TraceEvent) => void
}

export interface Holdings {
  readonly dedupEntries: number
  readonly blockwiseBytes: number
  readonly serving: number
  /** Entries in the lists of observers of what is served here. */
  readonly observers: number
  /** Observations of resources elsewhere. */
  readonly observations: number
  readonly cachedResponses: number
}

/** What header, token, options and payload marker take of a datagram besides a block, generously. */
const BLOCK_OVERHEAD_BYTES = 96

export class CoapEndpoint implements ObservingClient {
  readonly channelId: string
  readonly local: SocketAddress
  readonly #messages: MessageLayer
  readonly #blocks: BlockServer
  readonly #server: CoapServer
  readonly #exchanges: Exchanges
  readonly #requester: CoapRequester
  readonly #groups: GroupClient
  readonly #open: OpenExchanges
  readonly #routes = new TokenRoutes()
  readonly #observers: ObserveServer
  readonly #observations: ObserveClient
  readonly #talk: PeerTalk
  readonly #backOff: BackOff
  readonly #cache: ResponseCache | undefined
  readonly #relay: IntermediaryPort | undefined
  readonly #security: SecurityPort | undefined

  constructor(options: CoapEndpointOptions) {
    const { channel, clock, random } = options
    const parameters: CoapParameters = { ...DEFAULT_PARAMETERS, ...options.parameters }
    const logger = options.logger.child({ channel: channel.id })
    this.channelId = channel.id
    this.local = channel.local
    const room = Math.min(parameters.maxBlockBytes, channel.maxPayloadBytes - BLOCK_OVERHEAD_BYTES)
    const maxBlockBytes = blockBytes(szxFor(room))
    this.#messages = new MessageLayer(
      { channel, clock, random, logger, parameters, onTrace: options.onTrace },
      {
        onRequest: (message, origin, seen) => this.#onRequest(message, origin, seen),
        onResponse: (message, origin) =>
          this.#exchanges.onResponse(message, origin) ||
          this.#routes.onResponse(message, origin) ||
          this.#groups.onResponse(message, origin) ||
          this.#open.onResponse(message, origin),
        onClosed: (error) => this.#shut(error),
      },
    )
    const messages = this.#messages
    this.#blocks = new BlockServer(clock, parameters, maxBlockBytes, random.below(2 ** 32))
    this.#exchanges = new Exchanges({ messages, clock, random, parameters })
    const echoes = new EchoMemory(clock)
    this.#requester = new CoapRequester({ exchanges: this.#exchanges, clock, random, parameters, maxBlockBytes, echoes })
    this.#backOff = new BackOff(clock)
    const cache = options.cache === undefined ? undefined : new ResponseCache(clock, { ...DEFAULT_CACHE_LIMITS, ...options.cache })
    this.#cache = cache
    const client = { exchanges: this.#exchanges, requester: this.#requester, routes: this.#routes, clock, random, maxBlockBytes }
    this.#observations = new ObserveClient({ ...client, onFresh: cache === undefined ? undefined : (...fresh) => cache.store(...fresh) })
    this.#talk = new PeerTalk({ ...client, messages, parameters })
    this.#groups = new GroupClient({ messages, requester: this.#requester, clock, random, parameters, localPort: channel.local.port })
    this.#open = new OpenExchanges({ messages, clock, random, parameters, maxBlockBytes })
    const port = { channelId: channel.id, local: channel.local, clock, logger, parameters, messages, blocks: this.#blocks, maxBlockBytes }
    this.#relay = options.intermediary === undefined ? undefined : new IntermediaryPort({ ...port, intermediary: options.intermediary })
    const { security } = options
    this.#security =
      security === undefined ? undefined : new SecurityPort({ security, messages, blocks: this.#blocks, clock, random, parameters })
    const tree = options.tree ?? new ResourceTree()
    const server = { clock, random, logger, parameters, blocks: this.#blocks, messages }
    this.#observers = new ObserveServer({ ...server, contentOf })
    this.#server = new CoapServer({
      ...server,
      channelId: channel.id,
      tree,
      observers: this.#observers,
      echo: new EchoGuard(clock, random),
      isAuthenticated: options.isAuthenticated,
      blockRoomTo: channel.maxPayloadTo === undefined ? undefined : (to) => (channel.maxPayloadTo?.(to) ?? room) - BLOCK_OVERHEAD_BYTES,
    })
  }

  request(to: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse> {
    const target = this.#withZone(to)
    const cache = options?.cache === 'bypass' || request.security !== undefined ? undefined : this.#cache
    return this.#backOff.run(target, request, () => {
      if (cache === undefined) return this.#requester.request(target, request, options)
      return cache.run(target, request, (asked) => this.#requester.request(target, asked, options))
    })
  }

  observe(to: SocketAddress, request: ClientRequest, options: ObserveOptions = {}): Observation {
    return this.#observations.observe(this.#withZone(to), request, options)
  }

  tell(to: SocketAddress, request: ClientRequest, options: TellOptions = {}): Promise<void> {
    return this.#talk.tell(this.#withZone(to), request, options)
  }

  /** Whether the server takes tokens of so many bytes, found out by a trial (RFC 8974 §2.2.2). */
  supportsTokens(to: SocketAddress, tokenBytes: number, signal?: AbortSignal): Promise<boolean> {
    return this.#talk.supportsTokens(this.#withZone(to), tokenBytes, signal)
  }

  /** The request leaves when the iteration starts; each iteration is a request of its own. */
  groupRequest(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncIterable<ClientResponse> {
    return { [Symbol.asyncIterator]: () => this.#groups.request(to, request, options) }
  }

  /** Registers with every server of the group at once, and stays registered until it is cancelled (groupcomm-bis §3.7). */
  observeGroup(to: SocketAddress, request: ClientRequest, options: GroupObserveOptions = {}): GroupObservation {
    return this.#groups.observe(to, request, options)
  }

  /** One unicast request that any number of responses may answer, until the exchange is closed. */
  openExchange(to: SocketAddress, request: ClientRequest, listener: OpenExchangeListener, confirmable = true): OpenExchange {
    return this.#open.open(this.#withZone(to), request, confirmable, listener)
  }

  groupRequestBytes(request: ClientRequest): number {
    return this.#groups.bytes(request)
  }

  counters(): Readonly<CoapCounters> {
    return { ...this.#messages.counters }
  }

  /** What it holds on behalf of its peers, all of it bounded by the parameters. */
  holdings(): Holdings {
    return {
      dedupEntries: this.#messages.remembered,
      blockwiseBytes: this.#blocks.bytes + this.#requester.bytes + this.#exchanges.bytes,
      serving: this.#server.serving + (this.#relay?.serving ?? 0),
      observers: this.#observers.size,
      observations: this.#observations.size,
      cachedResponses: this.#cache?.size ?? 0,
    }
  }

  /** Ends every request with `cancelled`, answers nothing any more, and leaves the channel open. */
  close(): void {
    this.#shut(new AppError('cancelled', 'The endpoint is closed'))
  }

  /** A proxy sees what passes through before it is opened, for that is protected end to end, and what it was sent itself in its plain form. */
  #onRequest(message: CoapMessage, origin: Origin, seen: Seen): void {
    const sealed = this.#security !== undefined && isProtectedForm(message)
    const passed = sealed && this.#relay !== undefined ? this.#relay.onRequest(message, origin, seen) : message
    if (passed === undefined) return
    const opened = this.#security === undefined ? { message: passed, origin } : this.#security.onRequest(passed, origin, seen)
    if (opened === undefined) return
    const own = this.#relay === undefined ? opened.message : this.#relay.onRequest(opened.message, opened.origin, seen)
    if (own !== undefined) this.#server.onRequest(own, opened.origin, seen)
  }

  /** A link-local address without zone is meant in the channel's own, and answers will come with it (RFC 4007 §6). */
  #withZone(to: SocketAddress): SocketAddress {
    const { zone } = this.local
    return zone === undefined || to.zone !== undefined || !/^fe[89ab]/i.test(to.address) ? to : { ...to, zone }
  }

  #shut(error: AppError): void {
    this.#exchanges.close(error)
    this.#groups.close(error)
    this.#open.close(error)
    this.#observations.close(error)
    this.#talk.close(error)
    this.#observers.close()
    this.#cache?.clear()
    this.#relay?.close()
    this.#server.close()
    this.#blocks.clear()
    this.#messages.close()
  }
}
