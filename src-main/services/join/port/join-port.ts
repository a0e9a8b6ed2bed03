// The registrar's join port: JPY of both versions on plain UDP, a DTLS server behind it, and a DatagramChannel in front on which CoAP
// runs. A header is kept as long as its handshake or session (draft-ietf-anima-constrained-join-proxy-20 §4.4), and before the cookie not
// at all.
import {
  AppError,
  formatSocketAddress,
  toHex,
  type ChannelCounters,
  type ChannelEvent,
  type Datagram,
  type DatagramChannel,
  type SocketAddress,
} from '#main/base/index.ts'
import { DtlsEngine, type DtlsCounters, type DtlsOutput, type DtlsSession } from '#main/wire/dtls/index.ts'
import { decodeJpy, encodeJpy, isJpyFault, type JpyVersion } from '../jpy/index.ts'
import { Rates } from '../proxy/rates.ts'
import { PledgeAddresses } from './pledge-addresses.ts'
import { ProxyShares } from './shares.ts'
import {
  DEFAULT_PORT_LIMITS,
  type JoinPath,
  type JoinPort,
  type JoinPortCounters,
  type JoinPortEvent,
  type JoinPortLimits,
  type JoinPortOptions,
} from './types.ts'

interface Peer extends JoinPath {
  /** `address|port|header`, as draft -20 §4.4 tells connections apart. */
  readonly key: string
  readonly proxyKey: string
}

/** Record header, explicit nonce and longest tag, connection id of the longest kind. */
const DTLS_OVERHEAD_BYTES = 13 + 8 + 16 + 33
/** Array, header and content are led in by so much at most (draft -20 §4.5.4). */
const CBOR_OVERHEAD_BYTES = 6
/** Joining takes minutes: nobody needs a day of silence. */
const IDLE_MS = 30 * 60_000
const HALF_OPEN_GRACE_MS = 5000

export function createJoinPort(options: JoinPortOptions): JoinPort {
  return new Port(options)
}

class Port implements JoinPort {
  readonly id: string
  readonly local: SocketAddress
  readonly maxPayloadBytes: number
  readonly #options: JoinPortOptions
  readonly #below: DatagramChannel
  readonly #limits: JoinPortLimits
  readonly #versions: ReadonlySet<JpyVersion>
  readonly #engine: DtlsEngine<Peer>
  readonly #addresses = new PledgeAddresses<Peer>()
  readonly #shares = new ProxyShares<Peer>()
  readonly #rates: Rates
  readonly #listeners = new Set<(event: ChannelEvent) => void>()
  readonly #unsubscribe: () => void
  readonly #counters: JoinPortCounters = {
    received01: 0,
    received20: 0,
    sent01: 0,
    sent20: 0,
    malformed: 0,
    proxyRate: 0,
    halfOpenRefused: 0,
    halfOpenEvicted: 0,
    sessionsEvicted: 0,
    sendErrors: 0,
  }
  /** Of the datagram that is being read. */
  #destination: SocketAddress | undefined
  #sent = 0
  #received = 0
  #dropped = 0
  #open = true

  constructor(options: JoinPortOptions) {
    const { channel, clock, random, server } = options
    this.id = options.id ?? `jpy:${channel.id}`
    this.local = channel.local
    this.#options = options
    this.#below = channel
    this.#limits = { ...DEFAULT_PORT_LIMITS, ...options.limits }
    this.#versions = new Set(options.versions ?? ['01', '20'])
    const room = channel.maxPayloadBytes - this.#limits.maxHeaderBytes - CBOR_OVERHEAD_BYTES
    const contentBytes = Math.min(this.#limits.maxContentBytes, room)
    this.maxPayloadBytes = contentBytes - DTLS_OVERHEAD_BYTES
    this.#rates = new Rates(clock, this.#limits.proxyRate, this.#limits.maxProxies)
    this.#engine = new DtlsEngine<Peer>({
      clock,
      random,
      server,
      mayBegin: (peer) => this.#hasPlace(peer),
      limits: { idleMs: IDLE_MS, ...options.dtls },
      maxDatagramBytes: contentBytes,
      output: (output) => this.#onOutput(output),
    })
    this.#unsubscribe = channel.subscribe((event) => this.#onEvent(event))
  }

  // ---- As a channel ----

  send(payload: Uint8Array, to: SocketAddress): void {
    const addressed = this.#open ? this.#addresses.at(to) : undefined
    if (addressed !== undefined && this.#engine.send(addressed.peer, payload)) {
      this.#sent++
      this.#shares.used(addressed.peer)
      return
    }
    this.#counters.sendErrors++
    const code = addressed === undefined ? 'dtls.closed' : 'network.too-large'
    const error = new AppError(code, 'The payload cannot be sent to the pledge')
    // An event of a later turn, as with a real socket.
    if (this.#open) this.#options.clock.setTimer(0, () => this.#tell({ kind: 'send-failed', to, error }))
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  joinGroup(): void {
    throw new AppError('crypto.unsupported', 'DTLS carries no multicast')
  }

  leaveGroup(): void {
    // None was ever joined.
  }

  counters(): ChannelCounters {
    return { sent: this.#sent, received: this.#received, sendErrors: this.#counters.sendErrors, dropped: this.#dropped }
  }

  close(): Promise<void> {
    if (this.#open) this.#shut(undefined)
    return Promise.resolve()
  }

  // ---- As a join port ----

  pathOf(source: SocketAddress): JoinPath | undefined {
    const peer = this.#addresses.at(source)?.peer
    return peer === undefined ? undefined : { proxy: peer.proxy, version: peer.version, header: peer.header.slice() }
  }

  maxPayloadTo(to: SocketAddress): number {
    return Math.min(this.maxPayloadBytes, this.sessionWith(to)?.maxFragmentBytes ?? this.maxPayloadBytes)
  }

  sessionWith(source: SocketAddress): DtlsSession | undefined {
    const addressed = this.#addresses.at(source)
    return addressed === undefined ? undefined : this.#engine.sessionOf(addressed.peer)
  }

  disconnect(source: SocketAddress): void {
    const addressed = this.#addresses.at(source)
    if (addressed !== undefined) this.#engine.disconnect(addressed.peer)
  }

  joinCounters(): Readonly<JoinPortCounters> {
    return { ...this.#counters }
  }

  dtlsCounters(): Readonly<DtlsCounters> {
    return this.#engine.counters()
  }

  holdings(): { readonly halfOpen: number; readonly sessions: number; readonly proxies: number } {
    return { ...this.#engine.holdings(), proxies: this.#shares.size }
  }

  // ---- What comes in ----

  #onEvent(event: ChannelEvent): void {
    if (!this.#open) return
    if (event.kind === 'closed') this.#shut(event.error)
    else if (event.kind === 'datagram') this.#onDatagram(event.datagram)
    // Which pledge it was about is not told: the pledge's and the handshake's own repetitions see to it.
    else this.#counters.sendErrors++
  }

  #onDatagram({ payload, source, destination, multicast }: Datagram): void {
    const message = decodeJpy(payload)
    if (multicast || isJpyFault(message) || message.header.length > this.#limits.maxHeaderBytes || !this.#versions.has(message.version)) {
      this.#counters.malformed++
      return
    }
    const { version, header, content } = message
    const proxyKey = formatSocketAddress(source)
    if (!this.#rates.of(proxyKey).take()) {
      this.#counters.proxyRate++
      return
    }
    this.#counters[version === '01' ? 'received01' : 'received20']++
    // The version is part of the key: the same bytes are different ways in each.
    const key = `${proxyKey}|${version}|${toHex(header)}`
    this.#destination = destination
    this.#engine.receive({ key, proxyKey, proxy: source, version, header: header.slice() }, content)
    this.#destination = undefined
  }

  /** A flood by one proxy takes that proxy's places, and of those the oldest give way. */
  #hasPlace(peer: Peer): boolean {
    if (this.#shares.halfOpen(peer.proxyKey) < this.#limits.maxHalfOpenPerProxy) return true
    const oldest = this.#shares.oldestHandshake(peer.proxyKey)
    const graceMs = this.#options.dtls?.halfOpenGraceMs ?? HALF_OPEN_GRACE_MS
    if (oldest === undefined || this.#options.clock.monotonicMs() - oldest.sinceMs < graceMs) {
      this.#counters.halfOpenRefused++
      return false
    }
    this.#counters.halfOpenEvicted++
    this.#shares.handshakeOver(oldest.peer)
    if (this.#engine.sessionOf(oldest.peer) === undefined) {
      const error = new AppError('dtls.busy', 'Too many handshakes are under way by this proxy', { retryable: true })
      this.#note({ kind: 'failed', path: oldest.peer.key, proxy: oldest.peer.proxy, error })
      this.#engine.disconnect(oldest.peer)
    }
    return true
  }

  #makeRoom(newest: Peer): void {
    while (this.#shares.sessions(newest.proxyKey) > this.#limits.maxSessionsPerProxy) {
      const oldest = this.#shares.longestUnused(newest.proxyKey)
      if (oldest === undefined || oldest.key === newest.key) return
      this.#counters.sessionsEvicted++
      this.#shares.sessionOver(oldest)
      this.#engine.disconnect(oldest)
    }
  }

  // ---- What the engine says ----

  #onOutput(output: DtlsOutput<Peer>): void {
    const { peer } = output
    switch (output.kind) {
      case 'datagram':
        this.#counters[peer.version === '01' ? 'sent01' : 'sent20']++
        this.#below.send(encodeJpy({ version: peer.version, header: peer.header, content: output.payload }), peer.proxy)
        return
      case 'data':
        this.#onData(peer, output.payload, output.session)
        return
      case 'started':
        this.#shares.begun(peer, this.#options.clock.monotonicMs())
        this.#note({ kind: 'started', path: peer.key, proxy: peer.proxy })
        return
      case 'established': {
        this.#shares.established(peer)
        const { address: source } = this.#addresses.add(peer)
        this.#note({ kind: 'established', path: peer.key, proxy: peer.proxy, source, session: output.session })
        this.#makeRoom(peer)
        return
      }
      case 'failed':
        this.#shares.handshakeOver(peer)
        this.#options.logger.info({ peer: peer.key, code: output.error.code, ...output.error.details }, 'DTLS by a join proxy failed')
        this.#note({ kind: 'failed', path: peer.key, proxy: peer.proxy, error: output.error })
        // A handshake beside a session may fail alone.
        if (this.#engine.sessionOf(peer) === undefined) this.#forget(peer)
        return
      case 'closed':
        this.#shares.handshakeOver(peer)
        this.#forget(peer)
        return
      case 'moved':
        this.#shares.handshakeOver(output.from)
        this.#shares.sessionOver(output.from)
        this.#shares.established(peer)
        this.#addresses.move(output.from.key, peer)
    }
  }

  #onData(peer: Peer, payload: Uint8Array, { identity }: DtlsSession): void {
    const addressed = this.#addresses.of(peer.key)
    if (addressed === undefined || this.#listeners.size === 0) {
      this.#dropped++
      return
    }
    this.#received++
    this.#shares.used(peer)
    const source = addressed.address
    const datagram = {
      payload,
      source,
      destination: this.#destination,
      multicast: false,
      ...(identity === undefined ? {} : { peer: identity }),
    }
    this.#tell({ kind: 'datagram', datagram })
  }

  #forget(peer: Peer): void {
    this.#shares.sessionOver(peer)
    const addressed = this.#addresses.remove(peer.key)
    if (addressed !== undefined) this.#note({ kind: 'closed', path: peer.key, proxy: peer.proxy, source: addressed.address })
  }

  #shut(error: Error | undefined): void {
    this.#open = false
    this.#unsubscribe()
    this.#engine.close()
    this.#shares.clear()
    this.#tell(error === undefined ? { kind: 'closed' } : { kind: 'closed', error })
    this.#listeners.clear()
  }

  #note(event: JoinPortEvent): void {
    try {
      this.#options.onEvent?.(event)
    } catch (thrown) {
      this.#options.logger.error({ err: thrown, channel: this.id }, 'A listener of the join port failed')
    }
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
