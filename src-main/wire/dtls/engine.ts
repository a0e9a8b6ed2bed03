// All associations of one path, without any input or output of its own: datagrams in, outputs out, time by the clock's port.
// Which association a record belongs to, cookies before any state (RFC 6347 §4.2.1), bounds, idle time-outs.
import { AppError, toHex, type Clock, type Random, type Timer } from '#main/base/index.ts'
import { AlertFailure, encodeAlert, type AlertName } from './alert.ts'
import { Connection, type ConnectionStart } from './connection.ts'
import { CookieJar } from './cookie.ts'
import { decodeClientHello, type ClientHello } from './messages/client-hello.ts'
import { decodeFragments, encodeWhole, type Fragment } from './messages/handshake-header.ts'
import { encodeHelloVerifyRequest } from './messages/hello-verify-request.ts'
import { CONTENT, DTLS_1_0, DTLS_1_2, HANDSHAKE } from './numbers.ts'
import { decodeRecords, encodeRecord, type DtlsRecord } from './record.ts'
import { SessionTable, type Association } from './session-table.ts'
import {
  DEFAULT_LIMITS,
  type DtlsClientSettings,
  type DtlsLimits,
  type DtlsOutput,
  type DtlsPeer,
  type DtlsServerSettings,
  type DtlsSession,
} from './types.ts'

export interface DtlsEngineOptions<Peer extends DtlsPeer> {
  readonly clock: Clock
  readonly random: Random
  /** Serves handshakes of others; without it none are. */
  readonly server?: DtlsServerSettings
  /** How handshakes are opened with a peer; undefined where none may be. */
  readonly client?: (peer: Peer) => DtlsClientSettings | undefined
  /** Whether a peer that has shown its cookie gets one of the places for handshakes; all do unless told. */
  readonly mayBegin?: (peer: Peer) => boolean
  readonly limits?: Partial<DtlsLimits>
  /** What the path carries in one piece. */
  readonly maxDatagramBytes: number
  readonly output: (output: DtlsOutput<Peer>) => void
}

export interface DtlsCounters {
  handshakes: number
  established: number
  failed: number
  cookies: number
  wrongCookies: number
  /** Datagrams or records that nobody could take. */
  dropped: number
  /** Payloads that were not queued. */
  refused: number
  evicted: number
}

const NO_CID = new Uint8Array(0)
const MAX_FIRST_SEQUENCE = 8

export class DtlsEngine<Peer extends DtlsPeer> {
  readonly #options: DtlsEngineOptions<Peer>
  readonly #limits: DtlsLimits
  readonly #jar: CookieJar
  readonly #table: SessionTable<Peer>
  readonly #counters: DtlsCounters = {
    handshakes: 0,
    established: 0,
    failed: 0,
    cookies: 0,
    wrongCookies: 0,
    dropped: 0,
    refused: 0,
    evicted: 0,
  }
  #sweep: Timer | undefined

  constructor(options: DtlsEngineOptions<Peer>) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#jar = new CookieJar(options.clock, options.random, this.#limits.cookieMs)
    this.#table = new SessionTable(options.clock)
  }

  counters(): Readonly<DtlsCounters> {
    return { ...this.#counters }
  }

  holdings(): { readonly halfOpen: number; readonly sessions: number } {
    return { halfOpen: this.#table.halfOpen, sessions: this.#table.open }
  }

  sessionOf(peer: Peer): DtlsSession | undefined {
    return this.#table.get(peer.key)?.current?.session
  }

  receive(peer: Peer, datagram: Uint8Array): void {
    const records = decodeRecords(datagram, this.#limits.connectionIdBytes)
    if (records.length === 0) this.#counters.dropped++
    for (const record of records) {
      if (record.type === CONTENT.withCid) this.#onIdentified(peer, record)
      else if (record.epoch === 0) this.#onPlain(peer, record)
      else this.#onProtected(peer, record)
    }
  }

  /** Begins a handshake with the peer unless there is one, or a session. False where nothing may be opened. */
  connect(peer: Peer): boolean {
    if (this.#table.get(peer.key)?.current !== undefined) return true
    const settings = this.#options.client?.(peer)
    if (settings === undefined || !this.#hasPlace()) return false
    this.#begin(peer, { role: 'client', settings })
    return true
  }

  /** Sends in the session, or keeps the payload until there is one; a failure is an output. False where it is refused at once. */
  send(peer: Peer, payload: Uint8Array): boolean {
    this.#giveUpStale(peer)
    const known = this.#table.get(peer.key)
    if (known?.current?.session !== undefined) {
      this.#table.touch(peer.key)
      known.unansweredSinceMs ??= this.#options.clock.monotonicMs()
      return known.current.send(payload)
    }
    if (known?.current === undefined && !this.connect(peer)) return this.#refuse()
    const association = this.#table.get(peer.key)
    if (association === undefined) return true
    const queuedBytes = association.queue.reduce((sum, { length }) => sum + length, 0)
    if (association.queue.length >= this.#limits.maxQueued || queuedBytes + payload.length > this.#limits.maxQueuedBytes)
      return this.#refuse()
    association.queue.push(payload.slice())
    return true
  }

  /** Ends the session with close_notify. */
  disconnect(peer: Peer): void {
    const association = this.#table.get(peer.key)
    if (association !== undefined) this.#close(association, 'us')
  }

  close(): void {
    this.#sweep?.cancel()
    this.#sweep = undefined
    for (const association of [...this.#table.all()]) this.#close(association, 'us')
  }

  #refuse(): false {
    this.#counters.refused++
    return false
  }

  // ---- Which association a record belongs to ----

  #onPlain(peer: Peer, record: DtlsRecord): void {
    if (record.type === CONTENT.handshake && record.fragment[0] === HANDSHAKE.clientHello) {
      this.#onHello(peer, record)
      return
    }
    const association = this.#table.get(peer.key)
    const connection = association?.pending ?? association?.current
    if (connection === undefined) this.#counters.dropped++
    else connection.receive(record)
  }

  #onProtected(peer: Peer, record: DtlsRecord): void {
    const association = this.#table.get(peer.key)
    if (association === undefined) {
      this.#counters.dropped++
      return
    }
    const { current, pending } = association
    if (current?.receive(record) === true) this.#heard(association)
    else pending?.receive(record)
  }

  /** RFC 9146 §6: found by its connection id, from wherever it comes. */
  #onIdentified(peer: Peer, record: DtlsRecord): void {
    const found = this.#table.byConnectionId(toHex(record.cid))
    if (found === undefined) {
      this.#counters.dropped++
      return
    }
    const { association, connection } = found
    const from = association.peer
    // The way back is that of the newest record, and only once it is proven.
    const moves = from.key !== peer.key && record.sequence > connection.newest
    const isProven = connection.receive(record, () => {
      if (moves && connection.session !== undefined && this.#table.move(association, peer))
        this.#options.output({ kind: 'moved', from, peer })
    })
    if (isProven && !connection.isOver) this.#heard(association)
  }

  #heard(association: Association<Peer>): void {
    association.unansweredSinceMs = undefined
    this.#table.touch(association.peer.key)
  }

  /** A server that was restarted ignores what it cannot read (RFC 6347 §4.1.2.7): the session would be dead for ever. */
  #giveUpStale(peer: Peer): void {
    const association = this.#table.get(peer.key)
    if (association?.current?.role !== 'client' || association.unansweredSinceMs === undefined) return
    if (this.#options.clock.monotonicMs() - association.unansweredSinceMs > this.#limits.staleMs) this.#close(association, 'stale')
  }

  // ---- Hellos ----

  #onHello(peer: Peer, record: DtlsRecord): void {
    const settings = this.#options.server
    const [fragment, ...more] = decodeFragments(record.fragment) ?? []
    const isWhole = fragment?.offset === 0 && fragment.bytes.length === fragment.length && more.length === 0
    if (settings === undefined || fragment === undefined || !isWhole || fragment.sequence > MAX_FIRST_SEQUENCE) {
      this.#counters.dropped++
      return
    }
    const hello = this.#readHello(peer, record, fragment)
    if (hello === undefined) return
    const association = this.#table.get(peer.key)
    const handshaking = association?.pending ?? (association?.current?.session === undefined ? association?.current : undefined)
    if (this.#isOfKnown(association, hello)) {
      handshaking?.receive(record)
      return
    }
    if (!this.#jar.accepts(peer.key, hello)) {
      if (hello.cookie.length > 0) this.#counters.wrongCookies++
      this.#counters.cookies++
      const body = encodeHelloVerifyRequest(this.#jar.bake(peer.key, hello))
      const message = encodeWhole({ type: HANDSHAKE.helloVerifyRequest, sequence: fragment.sequence, body })
      // The record has the hello's number, so that nothing is to be remembered (RFC 6347 §4.2.1).
      this.#reply(peer, CONTENT.handshake, record.sequence, message)
      return
    }
    // Both of us have begun; ours goes on.
    if (handshaking?.role === 'client') return
    if (handshaking === undefined && (this.#options.mayBegin?.(peer) === false || !this.#hasPlace())) {
      this.#counters.dropped++
      return
    }
    const message = { type: fragment.type, sequence: fragment.sequence, body: fragment.bytes.slice(), epoch: 0 }
    this.#begin(peer, { role: 'server', settings, hello, message, recordSequence: record.sequence })
  }

  /** Alerts to strangers are smaller than what they answer. */
  #readHello(peer: Peer, record: DtlsRecord, fragment: Fragment): ClientHello | undefined {
    try {
      const hello = decodeClientHello(fragment.bytes)
      if (hello.version > DTLS_1_2) throw new AlertFailure('protocol_version', 'The client does not speak DTLS 1.2')
      return hello
    } catch (thrown) {
      if (!(thrown instanceof AlertFailure)) throw thrown
      this.#counters.dropped++
      this.#refuseStranger(peer, record.sequence, thrown.alert)
      return undefined
    }
  }

  #refuseStranger(peer: Peer, recordSequence: number, alert: AlertName): void {
    if (this.#table.get(peer.key) === undefined) this.#reply(peer, CONTENT.alert, recordSequence, encodeAlert(alert))
  }

  #reply(peer: Peer, type: number, sequence: number, fragment: Uint8Array): void {
    const payload = encodeRecord({ type, epoch: 0, sequence, cid: NO_CID, fragment }, DTLS_1_0)
    this.#options.output({ kind: 'datagram', peer, payload })
  }

  /** A repeated hello of a handshake that runs, or a late copy of the one that the session began with. */
  #isOfKnown(association: Association<Peer> | undefined, hello: ClientHello): boolean {
    return [association?.pending, association?.current].some(
      (connection) =>
        connection?.role === 'server' &&
        connection.helloRandom.every((byte, index) => byte === hello.random[index]) &&
        (hello.cookie.length > 0 || connection.session !== undefined),
    )
  }

  // ---- Associations ----

  #begin(peer: Peer, start: ConnectionStart): void {
    const association = this.#table.at(peer)
    const isBesideAnother = association.current?.session !== undefined
    const connection: Connection = new Connection(
      {
        clock: this.#options.clock,
        random: this.#options.random,
        limits: this.#limits,
        maxDatagramBytes: this.#options.maxDatagramBytes,
        isBesideAnother,
        hooks: {
          transmit: (payload) => this.#options.output({ kind: 'datagram', peer: association.peer, payload }),
          established: (session) => this.#onEstablished(association, connection, session),
          data: (payload) => this.#onData(association, connection, payload),
          ended: (error) => this.#onEnded(association, connection, error),
          newConnectionId: () => this.#newConnectionId(association, connection),
        },
      },
      start,
    )
    this.#table.put(association, connection)
    this.#counters.handshakes++
    this.#watchIdle()
    this.#options.output({ kind: 'started', peer, role: start.role })
    connection.begin()
  }

  #newConnectionId(association: Association<Peer>, connection: Connection): Uint8Array | undefined {
    const { connectionIdBytes } = this.#limits
    if (connectionIdBytes === 0) return undefined
    // A client keeps its address for as long as it can tell; it takes the server's id and needs none.
    if (connection.role === 'client') return NO_CID
    const id = this.#options.random.bytes(connectionIdBytes)
    if (this.#table.byConnectionId(toHex(id)) !== undefined) return this.#newConnectionId(association, connection)
    this.#table.identify(association, connection, toHex(id))
    return id
  }

  #onEstablished(association: Association<Peer>, connection: Connection, session: DtlsSession): void {
    this.#counters.established++
    const replaced = this.#table.promote(association, connection)
    replaced?.abandon()
    const { peer } = association
    if (replaced !== undefined) this.#options.output({ kind: 'closed', peer, by: 'replaced' })
    this.#makeRoom(association)
    this.#options.output({ kind: 'established', peer, session })
    let unsent = 0
    for (const payload of association.queue.splice(0)) if (!connection.send(payload)) unsent++
    if (unsent > 0) {
      const error = new AppError('network.too-large', 'A payload does not fit into a record')
      this.#options.output({ kind: 'failed', peer, error, unsent })
    }
  }

  #onData(association: Association<Peer>, connection: Connection, payload: Uint8Array): void {
    const { session } = connection
    if (session !== undefined) this.#options.output({ kind: 'data', peer: association.peer, payload, session })
  }

  #onEnded(association: Association<Peer>, connection: Connection, error: AppError | undefined): void {
    const { peer } = association
    const wasPending = association.pending === connection
    this.#table.remove(association, connection)
    if (error === undefined) {
      this.#options.output({ kind: 'closed', peer, by: 'peer' })
      return
    }
    this.#counters.failed++
    const unsent = wasPending ? 0 : association.queue.splice(0).length
    this.#options.output({ kind: 'failed', peer, error, unsent })
  }

  #close(association: Association<Peer>, by: 'us' | 'idle' | 'limit' | 'stale'): void {
    const { peer, current, pending } = association
    for (const connection of [pending, current]) {
      if (connection === undefined) continue
      if (connection.session === undefined) connection.abandon()
      else connection.close()
      this.#table.remove(association, connection)
    }
    const unsent = association.queue.splice(0).length
    if (unsent > 0) this.#options.output({ kind: 'failed', peer, error: new AppError('dtls.closed', 'The session was closed'), unsent })
    this.#options.output({ kind: 'closed', peer, by })
  }

  /** Whoever leaves handshakes unfinished keeps others waiting for a moment, not until the time-out. */
  #hasPlace(): boolean {
    if (this.#table.halfOpen < this.#limits.maxHalfOpen) return true
    const oldest = this.#table.oldestHandshake()
    if (oldest === undefined || this.#options.clock.monotonicMs() - oldest.beganMs < this.#limits.halfOpenGraceMs) return false
    this.#counters.evicted++
    oldest.connection.abandon()
    this.#onEnded(
      oldest.association,
      oldest.connection,
      new AppError('dtls.busy', 'Too many handshakes are under way', { retryable: true }),
    )
    return true
  }

  #makeRoom(newest: Association<Peer>): void {
    while (this.#table.open > this.#limits.maxSessions) {
      const oldest = this.#table.longestUnused()
      if (oldest === undefined || oldest === newest) return
      this.#counters.evicted++
      this.#close(oldest, 'limit')
    }
  }

  #watchIdle(): void {
    if (this.#sweep !== undefined) return
    this.#sweep = this.#options.clock.setTimer(Math.max(1000, this.#limits.idleMs / 8), () => {
      this.#sweep = undefined
      for (const association of this.#table.unusedFor(this.#limits.idleMs)) this.#close(association, 'idle')
      if (this.#table.size > 0) this.#watchIdle()
    })
  }
}
