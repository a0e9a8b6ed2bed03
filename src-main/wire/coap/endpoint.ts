// One CoAP endpoint on one channel, client and server at once (RFC 7252). It puts the parts together and shares out what comes in.
import { AppError, type Clock, type DatagramChannel, type Logger, type Random, type SocketAddress } from '#main/base/index.ts'
import { blockBytes, szxFor } from './block.ts'
import { BlockServer } from './block-server.ts'
import { CoapRequester } from './client.ts'
import { Exchanges } from './exchange.ts'
import { GroupClient } from './group-client.ts'
import { MessageLayer } from './message-layer.ts'
import { DEFAULT_PARAMETERS, type CoapParameters } from './parameters.ts'
import { ResourceTree } from './resource-tree.ts'
import { CoapServer } from './server.ts'
import type { CoapCounters, TraceEvent } from './trace.ts'
import type { ClientRequest, ClientResponse, CoapClient, GroupRequestOptions, RequestOptions } from './types.ts'

export interface CoapEndpointOptions {
  /** Stays open when the endpoint closes: it belongs to whoever opened it. */
  readonly channel: DatagramChannel
  /** What it serves; by default nothing but an empty `/.well-known/core`. Several endpoints may share one. */
  readonly tree?: ResourceTree
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly parameters?: Partial<CoapParameters>
  /** Told of every message as it is sent or received. */
  readonly onTrace?: (event: TraceEvent) => void
}

/** What header, token, options and payload marker take of a datagram besides a block, generously. */
const BLOCK_OVERHEAD_BYTES = 96

export class CoapEndpoint implements CoapClient {
  readonly channelId: string
  readonly local: SocketAddress
  readonly #messages: MessageLayer
  readonly #blocks: BlockServer
  readonly #server: CoapServer
  readonly #exchanges: Exchanges
  readonly #requester: CoapRequester
  readonly #groups: GroupClient

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
        onRequest: (message, origin, seen) => this.#server.onRequest(message, origin, seen),
        onResponse: (message, origin) => this.#exchanges.onResponse(message, origin) || this.#groups.onResponse(message, origin),
        onClosed: (error) => this.#shut(error),
      },
    )
    const messages = this.#messages
    this.#blocks = new BlockServer(clock, parameters, maxBlockBytes)
    this.#exchanges = new Exchanges({ messages, clock, random, parameters })
    this.#requester = new CoapRequester({ exchanges: this.#exchanges, clock, random, parameters, maxBlockBytes })
    this.#groups = new GroupClient({ messages, requester: this.#requester, clock, random, parameters })
    const tree = options.tree ?? new ResourceTree()
    this.#server = new CoapServer({ channelId: channel.id, tree, clock, random, logger, parameters, blocks: this.#blocks, messages })
  }

  request(to: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse> {
    return this.#requester.request(this.#withZone(to), request, options)
  }

  /** The request leaves when the iteration starts; each iteration is a request of its own. */
  groupRequest(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncIterable<ClientResponse> {
    return { [Symbol.asyncIterator]: () => this.#groups.request(to, request, options) }
  }

  groupRequestBytes(request: ClientRequest): number {
    return this.#groups.bytes(request)
  }

  counters(): Readonly<CoapCounters> {
    return { ...this.#messages.counters }
  }

  /** What it holds on behalf of its peers, all of it bounded by the parameters. */
  holdings(): { readonly dedupEntries: number; readonly blockwiseBytes: number; readonly serving: number } {
    return { dedupEntries: this.#messages.remembered, blockwiseBytes: this.#blocks.bytes, serving: this.#server.serving }
  }

  /** Ends every request with `cancelled`, answers nothing any more, and leaves the channel open. */
  close(): void {
    this.#shut(new AppError('cancelled', 'The endpoint is closed'))
  }

  /** A link-local address without zone is meant in the channel's own, and answers will come with it (RFC 4007 §6). */
  #withZone(to: SocketAddress): SocketAddress {
    const { zone } = this.local
    return zone === undefined || to.zone !== undefined || !/^fe[89ab]/i.test(to.address) ? to : { ...to, zone }
  }

  #shut(error: AppError): void {
    this.#exchanges.close(error)
    this.#groups.close(error)
    this.#server.close()
    this.#blocks.clear()
    this.#messages.close()
  }
}
