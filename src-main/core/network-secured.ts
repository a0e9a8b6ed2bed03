// CoAP over DTLS beside a channel of plain CoAP (RFC 7252 §9.1): a port of its own, the same resources, and sessions that can be ended.
import type { AppError, Clock, DatagramChannel, Logger, PeerIdentity, Random, SocketAddress } from '#main/base/index.ts'
import type { CoapClient, CoapEndpoint } from '#main/wire/coap/index.ts'
import {
  createDtlsChannel,
  type AddressedPeer,
  type DtlsChannel,
  type DtlsClientSettings,
  type DtlsEvent,
  type DtlsLimits,
  type DtlsPeer,
  type DtlsServerSettings,
  type DtlsSession,
} from '#main/wire/dtls/index.ts'
import type { JoinDoor } from './network-join.ts'

/** How this program proves who it is, and whom it believes. Asked at each handshake: a credential may be renewed meanwhile. */
export interface Guard {
  readonly server: DtlsServerSettings
  readonly client: (to: SocketAddress) => DtlsClientSettings | undefined
  /** Told of handshakes and sessions. */
  readonly onEvent?: (event: DtlsEvent<DtlsPeer>) => void
  /** Opens a join port too. */
  readonly join?: JoinDoor
}

/** What listens with DTLS, or why it does not. */
export interface SecuredListening {
  /** Of the channel beside which it is. */
  readonly channelId: string
  readonly local: SocketAddress | undefined
  readonly failure: AppError | undefined
}

export interface SecuredPorts {
  readonly channel: DatagramChannel
  readonly kind: 'system' | 'mesh'
  readonly guard: Guard
  readonly serve: (channel: DatagramChannel) => CoapEndpoint
  /** Bounds what is under way, as on the channel beside. */
  readonly bounded: (endpoint: CoapEndpoint) => CoapClient
  /** Sends group requests: DTLS has no groups (§9.1). */
  readonly plain: CoapClient
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const PREFIX = 'coaps:'
const SYSTEM_LIMITS: Partial<DtlsLimits> = { maxHalfOpen: 128, maxSessions: 2048 }
/** A flight of certificates takes some dozen frames of 802.15.4, and the channel is everybody's: nine seconds before it is repeated (RFC 7925 §11). */
const MESH_LIMITS: Partial<DtlsLimits> = { ...SYSTEM_LIMITS, retransmitMs: 9000, handshakeMs: 180_000 }

/** The name of the secured channel beside another. */
export function securedId(channelId: string): string {
  return `${PREFIX}${channelId}`
}

/** The channel beside which that one is; undefined where it is not secured. */
export function besideOf(channelId: string): string | undefined {
  return channelId.startsWith(PREFIX) ? channelId.slice(PREFIX.length) : undefined
}

export class SecuredPlace {
  readonly client: CoapClient
  readonly #channel: DatagramChannel
  readonly #dtls: DtlsChannel
  readonly #endpoint: CoapEndpoint
  /** Who is at the other end of each session; as many as the limits let there be. */
  readonly #peers = new Map<string, { readonly address: SocketAddress; readonly identity: PeerIdentity }>()

  constructor({ channel, kind, guard, serve, bounded, plain, clock, random, logger }: SecuredPorts) {
    const id = securedId(plain.channelId)
    this.#channel = channel
    this.#dtls = createDtlsChannel({
      channel,
      id,
      server: guard.server,
      client: guard.client,
      limits: kind === 'mesh' ? MESH_LIMITS : SYSTEM_LIMITS,
      onEvent: (event) => {
        this.#follow(event)
        guard.onEvent?.(event)
      },
      clock,
      random,
      logger,
    })
    this.#endpoint = serve(this.#dtls)
    const own = bounded(this.#endpoint)
    this.client = {
      channelId: id,
      request: (to, request, options) => own.request(to, request, options),
      groupRequest: (to, request, options) => plain.groupRequest(to, request, options),
      groupRequestBytes: (request) => plain.groupRequestBytes(request),
    }
  }

  get local(): SocketAddress {
    return this.#channel.local
  }

  sessionWith(peer: SocketAddress): DtlsSession | undefined {
    return this.#dtls.sessionWith(peer)
  }

  disconnect(peer: SocketAddress): void {
    this.#dtls.disconnect(peer)
  }

  /** Ends the sessions of those who are not to be believed any more. */
  end(isRefused: (identity: PeerIdentity) => boolean): void {
    for (const { address, identity } of [...this.#peers.values()]) if (isRefused(identity)) this.#dtls.disconnect(address)
  }

  async close(): Promise<void> {
    this.#endpoint.close()
    await this.#dtls.close()
    await this.#channel.close()
  }

  #follow(event: DtlsEvent<AddressedPeer>): void {
    switch (event.kind) {
      case 'established':
        if (event.session.identity !== undefined) {
          this.#peers.set(event.peer.key, { address: event.peer.address, identity: event.session.identity })
        }
        return
      case 'moved': {
        const known = this.#peers.get(event.from.key)
        this.#peers.delete(event.from.key)
        if (known !== undefined) this.#peers.set(event.peer.key, { ...known, address: event.peer.address })
        return
      }
      case 'closed':
        // A session that another took the place of is told of before the new one.
        this.#peers.delete(event.peer.key)
        return
      case 'failed':
        // A handshake beside a session that goes on may fail, too.
        if (this.#dtls.sessionWith(event.peer.address) === undefined) this.#peers.delete(event.peer.key)
        return
      case 'started':
        return
    }
  }
}

const USUAL_PORTS: Readonly<Record<string, number>> = { coap: 5683, coaps: 5684 }

/** `coaps://[::1]`, with the port where that is not the usual one. */
export function uriOf(scheme: 'coap' | 'coaps' | 'jpy', { address, port }: SocketAddress): string {
  const host = address.includes(':') ? `[${address}]` : address
  return `${scheme}://${host}${port === USUAL_PORTS[scheme] ? '' : `:${port}`}`
}
