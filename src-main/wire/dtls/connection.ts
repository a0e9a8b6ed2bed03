// One association of DTLS 1.2 with a peer: epochs, anti-replay, flights with their timer, alerts (RFC 6347 §4.1, §4.2).
import { AppError, toAppError, type Clock, type Random, type Timer } from '#main/base/index.ts'
import { AlertFailure, decodeAlert, encodeAlert, type Alert, type AlertName } from './alert.ts'
import { ClientHandshake } from './client-handshake.ts'
import { FlightSender } from './flight-sender.ts'
import type { FlightPart } from './flight.ts'
import type { Handshake, HandshakeLink } from './handshake.ts'
import { Inbox } from './inbox.ts'
import type { ConnectionKeys, Role } from './key-schedule.ts'
import type { ClientHello } from './messages/client-hello.ts'
import { decodeFragments, type HandshakeMessage } from './messages/handshake-header.ts'
import { CONTENT, HANDSHAKE, MAX_PLAINTEXT_BYTES } from './numbers.ts'
import type { OpenedRecord } from './protection.ts'
import { RECORD_HEADER_BYTES, type DtlsRecord } from './record.ts'
import { RecordSequence } from './record-sequence.ts'
import { ReplayWindow } from './replay-window.ts'
import { ServerHandshake } from './server-handshake.ts'
import type { CipherSuite } from './suites.ts'
import type { DtlsClientSettings, DtlsLimits, DtlsServerSettings, DtlsSession } from './types.ts'

export interface ConnectionHooks {
  transmit(datagram: Uint8Array): void
  established(session: DtlsSession): void
  data(payload: Uint8Array): void
  /** It is over; nothing is sent or told any more. Without an error the peer has closed it. */
  ended(error: AppError | undefined): void
  newConnectionId(): Uint8Array | undefined
}

export interface ConnectionEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly limits: DtlsLimits
  readonly maxDatagramBytes: number
  readonly hooks: ConnectionHooks
  /** Another association with the peer is alive: records that cannot be read may be meant for that one. */
  readonly isBesideAnother: boolean
}

export type ConnectionStart =
  | { readonly role: 'client'; readonly settings: DtlsClientSettings }
  | {
      readonly role: 'server'
      readonly settings: DtlsServerSettings
      readonly hello: ClientHello
      readonly message: HandshakeMessage
      /** Of the hello's record: the answer's numbers go on from there (RFC 6347 §4.2.1). */
      readonly recordSequence: number
    }

/** Explicit nonce and the longest tag. */
const PROTECTION_BYTES = 8 + 16
/** Records of epoch 1 that come before its keys, and data that comes before Finished. */
const MAX_EARLY = 8
const MAX_EARLY_BYTES = 8192
const EPOCH = 1

export class Connection implements HandshakeLink {
  readonly role: Role
  readonly random: Random
  /** Tells a client's repeated hello from a new one; empty on the client's side. */
  readonly helloRandom: Uint8Array
  readonly #environment: ConnectionEnvironment
  #inbox: Inbox
  readonly #records = new RecordSequence()
  readonly #window = new ReplayWindow()
  readonly #flights: FlightSender
  readonly #deadline: Timer
  #start: ConnectionStart | undefined
  #handshake: Handshake | undefined
  #keys: ConnectionKeys | undefined
  #suite: CipherSuite | undefined
  #session: DtlsSession | undefined
  #plaintextBytes = MAX_PLAINTEXT_BYTES
  #early: DtlsRecord[] = []
  #earlyData: Uint8Array[] = []
  /** What leaves outside of flights is protected. */
  #changedCipher = false
  #waiting = false
  #taking = false
  #over = false

  constructor(environment: ConnectionEnvironment, start: ConnectionStart) {
    const { clock, random, limits, hooks, maxDatagramBytes } = environment
    this.#environment = environment
    this.role = start.role
    this.random = random
    this.#flights = new FlightSender({
      clock,
      limits,
      writer: this.#records,
      transmit: (datagram) => hooks.transmit(datagram),
      // Who takes short records alone has room for one of them, not for a datagram of several.
      sizes: () => ({
        datagramBytes: Math.min(maxDatagramBytes, RECORD_HEADER_BYTES + this.#plaintextBytes + PROTECTION_BYTES),
        plaintextBytes: this.#plaintextBytes,
      }),
    })
    this.#deadline = clock.setTimer(limits.handshakeMs, () =>
      this.#end(new AppError('dtls.timeout', 'The handshake was not finished in time', { retryable: true })),
    )
    this.helloRandom = start.role === 'server' ? start.hello.random.slice() : new Uint8Array(0)
    this.#inbox = new Inbox(start.role === 'server' ? start.message.sequence + 1 : 0)
    if (start.role === 'server') this.#records.startAt(start.recordSequence)
    this.#start = start
  }

  /** Sends the first flight. */
  begin(): void {
    const start = this.#start
    if (start === undefined) return
    this.#start = undefined
    this.#guarded(() => {
      this.#handshake =
        start.role === 'client'
          ? new ClientHandshake(this, start.settings)
          : new ServerHandshake(this, start.settings, start.hello, start.message)
    })
  }

  get session(): DtlsSession | undefined {
    return this.#session
  }

  get isOver(): boolean {
    return this.#over
  }

  /** How many bytes a payload may have. */
  get maxPayloadBytes(): number {
    const overheadBytes = RECORD_HEADER_BYTES + this.#records.expansionBytes(EPOCH)
    return Math.min(this.#plaintextBytes, this.#environment.maxDatagramBytes - overheadBytes)
  }

  /** The largest record number of the peer that was authentic. */
  get newest(): number {
    return this.#window.largest
  }

  /** Whether the record was proven to be the peer's; `onProven` is called before anything comes of it. */
  receive(record: DtlsRecord, onProven?: () => void): boolean {
    if (this.#over) return false
    if (record.epoch === 0) {
      if (this.#session === undefined) this.#guarded(() => this.#onPlain(record))
      return false
    }
    if (record.epoch !== EPOCH) return false
    if (this.#keys === undefined) {
      if (this.#hasEarlyRoom(record.fragment)) this.#early.push({ ...record, cid: record.cid.slice(), fragment: record.fragment.slice() })
      return false
    }
    if (!this.#window.accepts(record.sequence)) return false
    const opened = this.#keys.read.open(record)
    if (opened === undefined) {
      this.#guarded(() => this.#onUnreadable(record))
      return false
    }
    this.#window.mark(record.sequence)
    onProven?.()
    this.#guarded(() => this.#onOpened(opened))
    return true
  }

  /** Only with a session; false for what is too long. */
  send(payload: Uint8Array): boolean {
    if (this.#over || this.#session === undefined || payload.length > this.maxPayloadBytes) return false
    this.#write(CONTENT.applicationData, payload)
    return true
  }

  /** Tells the peer, but nobody here. */
  close(): void {
    if (this.#over) return
    this.#sendAlert('close_notify')
    this.#stop()
  }

  /** Ends without a word: the peer has forgotten it, or never proved itself. */
  abandon(): void {
    this.#stop()
  }

  // ---- What the handshake asks for ----

  sendFlight(flight: readonly FlightPart[], isLast: boolean): void {
    this.#changedCipher ||= flight.some(({ kind }) => kind === 'change-cipher-spec')
    this.#flights.send(flight, isLast)
  }

  install(keys: ConnectionKeys, suite: CipherSuite): void {
    this.#keys = keys
    this.#suite = suite
    this.#records.protect(keys.write)
  }

  limitPlaintext(bytes: number): void {
    this.#plaintextBytes = bytes
  }

  wait<Value>(promise: Promise<Value>, then: (value: Value) => void): void {
    this.#waiting = true
    // All of the peer's flight that matters is here: ours has arrived.
    this.#flights.forget()
    const goOn = (work: () => void): void => {
      this.#waiting = false
      if (this.#over) return
      this.#guarded(() => {
        work()
        this.#takeMessages()
      })
    }
    promise.then(
      (value) => goOn(() => then(value)),
      (thrown: unknown) =>
        goOn(() => {
          throw thrown
        }),
    )
  }

  established(session: DtlsSession): void {
    this.#session = session
    this.#handshake = undefined
    this.#deadline.cancel()
    if (session.role === 'client') this.#flights.forget()
    this.#environment.hooks.established(session)
    const early = this.#earlyData
    this.#earlyData = []
    for (const payload of early) if (!this.#over) this.#onData(payload)
  }

  newConnectionId(): Uint8Array | undefined {
    return this.#environment.hooks.newConnectionId()
  }

  // ---- What comes in ----

  #onPlain(record: DtlsRecord): void {
    if (record.type === CONTENT.handshake) this.#onFragments(record.fragment, 0)
    else if (record.type === CONTENT.alert) this.#onAlert(decodeAlert(record.fragment))
    // ChangeCipherSpec tells nothing that the epoch of what follows does not (RFC 6347 §4.1).
  }

  #onOpened({ type, content }: OpenedRecord): void {
    if (content.length > this.#plaintextBytes) throw new AlertFailure('record_overflow', 'A record is longer than negotiated')
    switch (type) {
      case CONTENT.applicationData:
        if (this.#session !== undefined) this.#onData(content)
        else if (this.#hasEarlyRoom(content)) this.#earlyData.push(content)
        return
      case CONTENT.handshake:
        if (this.#session === undefined) this.#onFragments(content, EPOCH)
        else this.#onLateHandshake(content)
        return
      case CONTENT.alert:
        this.#onAlert(decodeAlert(content))
        return
      case CONTENT.changeCipherSpec:
        return
      default:
        throw new AlertFailure('unexpected_message', 'A record has an unknown type')
    }
  }

  #hasEarlyRoom(bytes: Uint8Array): boolean {
    const held = [...this.#early.map(({ fragment }) => fragment), ...this.#earlyData]
    return held.length < MAX_EARLY && held.reduce((sum, { length }) => sum + length, bytes.length) <= MAX_EARLY_BYTES
  }

  #onData(payload: Uint8Array): void {
    // Whoever sends data has our last flight.
    this.#flights.forget()
    this.#environment.hooks.data(payload)
  }

  /** With a pre-shared key this is what a wrong key looks like (RFC 4279 §2); else such records are ignored (RFC 6347 §4.1.2.7). */
  #onUnreadable(record: DtlsRecord): void {
    const isFinished = record.type === CONTENT.handshake || record.type === CONTENT.withCid
    if (!isFinished || this.#session !== undefined || this.#environment.isBesideAnother) return
    if (this.#suite?.keyExchange === 'PSK')
      throw new AlertFailure('decrypt_error', 'The peer has another pre-shared key', 'dtls.peer-untrusted')
  }

  #onFragments(content: Uint8Array, epoch: number): void {
    for (const fragment of decodeFragments(content) ?? []) {
      const outcome = this.#inbox.add(fragment, epoch)
      if (outcome === 'old') this.#flights.repeatOnDemand()
    }
    this.#takeMessages()
  }

  #takeMessages(): void {
    // Messages can open records that hold further messages; those join the loop that runs.
    if (this.#taking) return
    this.#taking = true
    try {
      while (!this.#waiting && !this.#over) {
        const message = this.#inbox.take()
        if (message === undefined) break
        this.#flights.progress()
        this.#handshake?.receive(message)
        this.#openEarly()
      }
    } finally {
      this.#taking = false
    }
  }

  #openEarly(): void {
    if (this.#keys === undefined || this.#early.length === 0) return
    const early = this.#early
    this.#early = []
    for (const record of early) this.receive(record)
  }

  /** The peer repeats its last flight since ours was lost, or wants a new handshake in this session, which nobody gets (RFC 5746 §4.5). */
  #onLateHandshake(content: Uint8Array): void {
    const [fragment] = decodeFragments(content) ?? []
    if (fragment === undefined) return
    if (fragment.type === HANDSHAKE.finished) this.#flights.repeatOnDemand()
    else if (fragment.type === (this.role === 'server' ? HANDSHAKE.clientHello : HANDSHAKE.helloRequest))
      this.#sendAlert('no_renegotiation')
  }

  #onAlert(alert: Alert | undefined): void {
    if (alert === undefined) return
    if (alert.name === 'close_notify') {
      if (this.#session !== undefined) this.#sendAlert('close_notify')
      this.#end(this.#session === undefined ? new AppError('dtls.closed', 'The peer closed before the handshake was over') : undefined)
    } else if (alert.fatal) {
      const details = { alert: alert.name ?? String(alert.number) }
      this.#end(new AppError('dtls.refused', `The peer sent the alert ${details.alert}`, { details }))
    }
  }

  // ---- The end ----

  #guarded(work: () => void): void {
    try {
      work()
    } catch (thrown) {
      if (this.#over) return
      this.#sendAlert(thrown instanceof AlertFailure ? thrown.alert : 'internal_error')
      this.#end(toAppError(thrown))
    }
  }

  #sendAlert(name: AlertName): void {
    this.#write(CONTENT.alert, encodeAlert(name))
  }

  #write(type: number, content: Uint8Array): void {
    this.#environment.hooks.transmit(this.#records.seal(type, this.#changedCipher ? EPOCH : 0, content))
  }

  #end(error: AppError | undefined): void {
    if (this.#over) return
    this.#stop()
    this.#environment.hooks.ended(error)
  }

  #stop(): void {
    this.#over = true
    this.#deadline.cancel()
    this.#flights.forget()
    this.#handshake = undefined
    this.#early = []
    this.#earlyData = []
  }
}
