// DTLS as a DatagramChannel over any other: CoAP runs on it unchanged, and learns with each datagram who sent it (RFC 7252 §9.1).
import {
  AppError,
  formatSocketAddress,
  type ChannelCounters,
  type ChannelEvent,
  type Clock,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { DtlsEngine, type DtlsCounters } from './engine.ts'
import { RECORD_HEADER_BYTES } from './record.ts'
import {
  DEFAULT_LIMITS,
  type DtlsClientSettings,
  type DtlsEvent,
  type DtlsLimits,
  type DtlsOutput,
  type DtlsServerSettings,
  type DtlsSession,
} from './types.ts'

export interface AddressedPeer {
  readonly key: string
  readonly address: SocketAddress
}

export interface DtlsChannelOptions {
  /** Stays open when this channel closes: it belongs to whoever opened it. */
  readonly channel: DatagramChannel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Accepts handshakes. */
  readonly server?: DtlsServerSettings
  /** Opens them as soon as something is to be sent to an address without a session. */
  readonly client?: DtlsClientSettings | ((to: SocketAddress) => DtlsClientSettings | undefined)
  readonly limits?: Partial<DtlsLimits>
  /** By default `dtls:` and the id of the channel below. */
  readonly id?: string
  readonly onEvent?: (event: DtlsEvent<AddressedPeer>) => void
}

export interface DtlsChannel extends DatagramChannel {
  /** Begins a handshake before there is something to send. */
  connect(to: SocketAddress): void
  disconnect(to: SocketAddress): void
  sessionWith(peer: SocketAddress): DtlsSession | undefined
  dtlsCounters(): Readonly<DtlsCounters>
  holdings(): { readonly halfOpen: number; readonly sessions: number }
}

/** Explicit nonce and the longest tag. */
const PROTECTION_BYTES = 8 + 16
const MAX_CID_OVERHEAD_BYTES = 33

export function createDtlsChannel(options: DtlsChannelOptions): DtlsChannel {
  return new Channel(options)
}

class Channel implements DtlsChannel {
  readonly id: string
  readonly local: SocketAddress
  readonly maxPayloadBytes: number
  readonly #below: DatagramChannel
  readonly #options: DtlsChannelOptions
  readonly #engine: DtlsEngine<AddressedPeer>
  readonly #listeners = new Set<(event: ChannelEvent) => void>()
  readonly #unsubscribe: () => void
  /** Of the datagram that is being read. */
  #destination: SocketAddress | undefined
  #sent = 0
  #received = 0
  #sendErrors = 0
  #dropped = 0
  #open = true

  constructor(options: DtlsChannelOptions) {
    const { channel, clock, random, server, client, limits } = options
    this.id = options.id ?? `dtls:${channel.id}`
    this.local = channel.local
    this.#below = channel
    this.#options = options
    const cidBytes = (limits?.connectionIdBytes ?? DEFAULT_LIMITS.connectionIdBytes) > 0 ? MAX_CID_OVERHEAD_BYTES : 0
    this.maxPayloadBytes = channel.maxPayloadBytes - RECORD_HEADER_BYTES - PROTECTION_BYTES - cidBytes
    this.#engine = new DtlsEngine<AddressedPeer>({
      clock,
      random,
      ...(server === undefined ? {} : { server }),
      ...(client === undefined ? {} : { client: typeof client === 'function' ? ({ address }) => client(address) : () => client }),
      ...(limits === undefined ? {} : { limits }),
      maxDatagramBytes: channel.maxPayloadBytes,
      output: (output) => this.#onOutput(output),
    })
    this.#unsubscribe = channel.subscribe((event) => this.#onEvent(event))
  }

  send(payload: Uint8Array, to: SocketAddress): void {
    if (!this.#open) {
      this.#sendErrors++
      return
    }
    if (this.#engine.send(peerAt(to), payload)) {
      this.#sent++
      return
    }
    const fits = payload.length <= this.maxPayloadBytes && this.sessionWith(to) === undefined
    const code = !fits ? 'network.too-large' : this.#options.client === undefined ? 'dtls.closed' : 'dtls.busy'
    this.#fail(to, new AppError(code, 'The payload cannot be sent in a DTLS session', { retryable: fits }))
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** DTLS has no groups (RFC 7252 §9.1): multicast is for OSCORE. */
  joinGroup(): void {
    throw new AppError('crypto.unsupported', 'DTLS carries no multicast')
  }

  leaveGroup(): void {
    // None was ever joined.
  }

  counters(): ChannelCounters {
    return { sent: this.#sent, received: this.#received, sendErrors: this.#sendErrors, dropped: this.#dropped }
  }

  connect(to: SocketAddress): void {
    this.#engine.connect(peerAt(to))
  }

  disconnect(to: SocketAddress): void {
    this.#engine.disconnect(peerAt(to))
  }

  sessionWith(peer: SocketAddress): DtlsSession | undefined {
    return this.#engine.sessionOf(peerAt(peer))
  }

  /** What max_fragment_length leaves (RFC 6066 §4). */
  maxPayloadTo(to: SocketAddress): number {
    return Math.min(this.maxPayloadBytes, this.sessionWith(to)?.maxFragmentBytes ?? this.maxPayloadBytes)
  }

  dtlsCounters(): Readonly<DtlsCounters> {
    return this.#engine.counters()
  }

  holdings(): { readonly halfOpen: number; readonly sessions: number } {
    return this.#engine.holdings()
  }

  close(): Promise<void> {
    if (this.#open) {
      this.#engine.close()
      this.#shut(undefined)
    }
    return Promise.resolve()
  }

  #onEvent(event: ChannelEvent): void {
    if (!this.#open) return
    if (event.kind === 'closed') this.#shut(event.error)
    else if (event.kind === 'datagram') {
      const { payload, source, destination, multicast } = event.datagram
      if (multicast) {
        this.#dropped++
        return
      }
      this.#destination = destination
      this.#engine.receive(peerAt(source), payload)
      this.#destination = undefined
    } else if (this.#engine.sessionOf(peerAt(event.to)) !== undefined) this.#tell(event)
    // Before there is a session, the handshake's own repetitions see to it.
  }

  #onOutput(output: DtlsOutput<AddressedPeer>): void {
    switch (output.kind) {
      case 'datagram':
        this.#below.send(output.payload, output.peer.address)
        return
      case 'data': {
        const { identity } = output.session
        const peer = identity === undefined ? {} : { peer: identity }
        const { payload } = output
        if (this.#listeners.size === 0) this.#dropped++
        else this.#received++
        const datagram = { payload, source: output.peer.address, destination: this.#destination, multicast: false, ...peer }
        this.#tell({ kind: 'datagram', datagram })
        return
      }
      case 'failed':
        for (let left = output.unsent; left > 0; left--) this.#fail(output.peer.address, output.error)
        this.#options.logger.info({ peer: output.peer.key, code: output.error.code, ...output.error.details }, 'DTLS failed')
        break
      case 'started':
      case 'established':
      case 'closed':
      case 'moved':
        break
    }
    this.#options.onEvent?.(output)
  }

  /** An event of a later turn, as with a real socket. */
  #fail(to: SocketAddress, error: AppError): void {
    this.#sendErrors++
    this.#options.clock.setTimer(0, () => this.#tell({ kind: 'send-failed', to, error }))
  }

  #shut(error: Error | undefined): void {
    this.#open = false
    this.#unsubscribe()
    this.#engine.close()
    this.#tell(error === undefined ? { kind: 'closed' } : { kind: 'closed', error })
    this.#listeners.clear()
  }

  #tell(event: ChannelEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (thrown) {
        this.#options.logger.error({ err: thrown, channel: this.id }, 'A listener of the channel failed')
      }
    }
  }
}

function peerAt(address: SocketAddress): AddressedPeer {
  return { key: formatSocketAddress(address), address }
}
