// The registrar's join port beside a channel of plain CoAP: pledges behind join proxies come there, and find the same resources
// (draft-ietf-anima-constrained-join-proxy-20 §4.4).
import type { Clock, DatagramChannel, Logger, Random, SocketAddress } from '#main/base/index.ts'
import { createJoinPort, type JoinPort, type JoinPortEvent } from '#main/services/join/index.ts'
import type { CoapEndpoint } from '#main/wire/coap/index.ts'
import type { DtlsLimits, DtlsServerSettings, DtlsSession } from '#main/wire/dtls/index.ts'

/** How pledges are received. */
export interface JoinDoor {
  readonly server: DtlsServerSettings
  readonly onEvent: (event: JoinPortEvent) => void
}

export interface JoinPorts {
  readonly channel: DatagramChannel
  /** Of the channel beside. */
  readonly channelId: string
  readonly kind: 'system' | 'mesh'
  readonly door: JoinDoor
  readonly serve: (channel: DatagramChannel) => CoapEndpoint
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const PREFIX = 'jpy:'
/** As over coaps (network-secured.ts): the radio is slow, and everybody's. */
const MESH_DTLS: Partial<DtlsLimits> = { retransmitMs: 9000, handshakeMs: 180_000 }

export function joinId(channelId: string): string {
  return `${PREFIX}${channelId}`
}

export class JoinPlace {
  readonly id: string
  readonly #channel: DatagramChannel
  readonly #port: JoinPort
  readonly #endpoint: CoapEndpoint

  constructor({ channel, channelId, kind, door, serve, clock, random, logger }: JoinPorts) {
    this.id = joinId(channelId)
    this.#channel = channel
    this.#port = createJoinPort({
      channel,
      id: this.id,
      server: door.server,
      onEvent: door.onEvent,
      ...(kind === 'mesh' ? { dtls: MESH_DTLS } : {}),
      clock,
      random,
      logger,
    })
    this.#endpoint = serve(this.#port)
  }

  get local(): SocketAddress {
    return this.#channel.local
  }

  sessionWith(pledge: SocketAddress): DtlsSession | undefined {
    return this.#port.sessionWith(pledge)
  }

  disconnect(pledge: SocketAddress): void {
    this.#port.disconnect(pledge)
  }

  async close(): Promise<void> {
    this.#endpoint.close()
    await this.#port.close()
    await this.#channel.close()
  }
}
