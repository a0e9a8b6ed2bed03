// A client or server that can say whatever it wants: the room's own messages and keys, none of its rules.
import { concatBytes, seededRandom, sha256, type SigningKey } from '#main/base/index.ts'
import { decodeAlert } from '#main/wire/dtls/alert.ts'
import { EphemeralKey } from '#main/wire/dtls/groups.ts'
import { Inbox } from '#main/wire/dtls/inbox.ts'
import { connectionKeys, masterSecret, verifyData, type ConnectionKeys } from '#main/wire/dtls/key-schedule.ts'
import { encodeCertificateChain } from '#main/wire/dtls/messages/certificate.ts'
import { encodeSigned } from '#main/wire/dtls/messages/certificate-verify.ts'
import { encodeClientHello, type ClientHello } from '#main/wire/dtls/messages/client-hello.ts'
import { encodeClientPoint } from '#main/wire/dtls/messages/client-key-exchange.ts'
import { decodeFragments, encodeWhole, type HandshakeMessage } from '#main/wire/dtls/messages/handshake-header.ts'
import { decodeHelloVerifyRequest } from '#main/wire/dtls/messages/hello-verify-request.ts'
import { decodeServerHello } from '#main/wire/dtls/messages/server-hello.ts'
import { decodeEcdheKeyExchange } from '#main/wire/dtls/messages/server-key-exchange.ts'
import { CONTENT, HANDSHAKE } from '#main/wire/dtls/numbers.ts'
import { decodeRecords, encodeRecord, type DtlsRecord } from '#main/wire/dtls/record.ts'
import { signFor } from '#main/wire/dtls/signatures.ts'
import { SUITES } from '#main/wire/dtls/suites.ts'
import { DtlsEngine, type DtlsOutput, type DtlsServerSettings, type DtlsLimits } from '#main/wire/dtls/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import type { Peer } from './harness.ts'
import { certificateCredential, judge } from './pki.ts'

const NO_BYTES = new Uint8Array(0)
export const ATTACKER: Peer = { key: 'attacker' }

export class Attacker {
  readonly clock = new VirtualClock()
  readonly engine: DtlsEngine<Peer>
  readonly outputs: Array<DtlsOutput<Peer>> = []
  /** Datagrams of the server, oldest first. */
  readonly inbox: Uint8Array[] = []
  readonly key: SigningKey
  at: Peer = ATTACKER
  hello: ClientHello
  transcript: Uint8Array[] = []
  keys: ConnectionKeys | undefined
  serverRandom: Uint8Array = NO_BYTES
  ephemeral = new EphemeralKey('P-256')
  serverPoint: Uint8Array = NO_BYTES
  master: Uint8Array = NO_BYTES
  #sequence = 0
  #records: [number, number] = [0, 0]
  readonly #alerts: string[] = []

  constructor(server: Partial<DtlsServerSettings> = {}, limits: Partial<DtlsLimits> = {}) {
    this.engine = new DtlsEngine<Peer>({
      clock: this.clock,
      random: seededRandom(99),
      maxDatagramBytes: 1232,
      limits: { connectionIdBytes: 0, ...limits },
      server: { credential: certificateCredential('server'), clientCertificates: 'required', verifyPeer: judge, ...server },
      output: (output) => {
        if (output.kind === 'datagram') this.inbox.push(output.payload)
        else this.outputs.push(output)
      },
    })
    this.key = certificateCredential('client').key
    this.hello = {
      version: 0xfefd,
      random: seededRandom(7).bytes(32),
      sessionId: NO_BYTES,
      cookie: NO_BYTES,
      suites: [0xc0ae],
      compressions: Uint8Array.of(0),
      extensions: new Map([
        [23, NO_BYTES],
        [10, Uint8Array.of(0, 2, 0, 23)],
        [11, Uint8Array.of(1, 0)],
        [13, Uint8Array.of(0, 2, 4, 3)],
      ]),
    }
  }

  /** One message in one record of epoch 0, or of epoch 1 once there are keys. */
  say(type: number, body: Uint8Array, epoch: 0 | 1 = 0): void {
    const bytes = encodeWhole({ type, sequence: this.#sequence++, body })
    this.transcript.push(bytes)
    this.record(CONTENT.handshake, bytes, epoch)
  }

  record(type: number, fragment: Uint8Array, epoch: 0 | 1 = 0): void {
    const sequence = this.#records[epoch]++
    const plain: DtlsRecord = { type, epoch, sequence, cid: NO_BYTES, fragment }
    this.datagram(encodeRecord(epoch === 1 && this.keys !== undefined ? this.keys.write.seal(type, epoch, sequence, fragment) : plain))
  }

  datagram(bytes: Uint8Array): void {
    this.engine.receive(this.at, bytes)
  }

  get nextSequence(): number {
    return this.#sequence
  }

  /** The number of the next record of epoch 0. */
  countRecordsFrom(sequence: number): void {
    this.#records[0] = sequence
  }

  skipSequence(by: number): void {
    this.#sequence += by
  }

  /** Both hellos; afterwards the server's flight is read. */
  greet(change: (hello: ClientHello) => ClientHello = (hello) => hello): void {
    this.askForCookie()
    this.useCookie(change)
  }

  askForCookie(): void {
    this.say(HANDSHAKE.clientHello, encodeClientHello(this.hello))
    const cookie = this.messages().find(({ type }) => type === HANDSHAKE.helloVerifyRequest)
    this.hello = { ...this.hello, cookie: cookie === undefined ? NO_BYTES : decodeHelloVerifyRequest(cookie.body) }
  }

  useCookie(change: (hello: ClientHello) => ClientHello = (hello) => hello): void {
    this.hello = change(this.hello)
    this.transcript = []
    this.say(HANDSHAKE.clientHello, encodeClientHello(this.hello))
    for (const message of this.messages()) {
      this.transcript.push(encodeWhole(message))
      if (message.type === HANDSHAKE.serverHello) this.serverRandom = decodeServerHello(message.body).random
      if (message.type === HANDSHAKE.serverKeyExchange) this.serverPoint = decodeEcdheKeyExchange(message.body).parameters.point
    }
  }

  certificate(chain: readonly Uint8Array[] = chainOf('client')): void {
    this.say(HANDSHAKE.certificate, encodeCertificateChain(chain))
  }

  keyExchange(point: Uint8Array = this.ephemeral.point): void {
    this.say(HANDSHAKE.clientKeyExchange, encodeClientPoint(point))
    if (this.serverPoint.length === 0) return
    const randoms = { client: this.hello.random, server: this.serverRandom }
    this.master = masterSecret(this.ephemeral.agree(this.serverPoint), randoms, sha256(concatBytes(...this.transcript)))
    this.keys = connectionKeys('client', SUITES[0]!, this.master, randoms, { write: NO_BYTES, read: NO_BYTES })
  }

  verify(content: Uint8Array = concatBytes(...this.transcript)): void {
    this.say(HANDSHAKE.certificateVerify, encodeSigned(signFor(this.key, content)))
  }

  finished(change: (data: Uint8Array) => Uint8Array = (data) => data, epoch: 0 | 1 = 1): void {
    this.record(CONTENT.changeCipherSpec, Uint8Array.of(1))
    this.say(HANDSHAKE.finished, change(verifyData('client', this.master, concatBytes(...this.transcript))), epoch)
  }

  /** The whole of an honest handshake. */
  complete(): void {
    this.greet()
    this.certificate()
    this.keyExchange()
    this.verify()
    this.finished()
  }

  /** Plain handshake messages that the server has sent since the last look. */
  messages(): readonly HandshakeMessage[] {
    const fragments = this.#take().flatMap(({ type, epoch, fragment }) =>
      type === CONTENT.handshake && epoch === 0 ? (decodeFragments(fragment) ?? []) : [],
    )
    const messages: HandshakeMessage[] = []
    const inbox = new Inbox(fragments[0]?.sequence ?? 0)
    for (const fragment of fragments) inbox.add(fragment, 0)
    for (let message = inbox.take(); message !== undefined; message = inbox.take()) messages.push(message)
    return messages
  }

  #take(): readonly DtlsRecord[] {
    const records = this.inbox.splice(0).flatMap((datagram) => decodeRecords(datagram, 0))
    for (const record of records) {
      if (record.type !== CONTENT.alert) continue
      const content = record.epoch === 0 ? record.fragment : this.keys?.read.open(record)?.content
      this.#alerts.push(decodeAlert(content ?? NO_BYTES)?.name ?? '?')
    }
    return records
  }

  /** All alerts that the server has sent, opened where they are protected. */
  alerts(): readonly string[] {
    this.#take()
    return this.#alerts
  }

  get established(): boolean {
    return this.outputs.some(({ kind }) => kind === 'established')
  }
}

export function chainOf(name: 'client' | 'foreign' | 'expired'): readonly Uint8Array[] {
  const credential = certificateCredential(name)
  return credential.kind === 'certificate' ? credential.chain : []
}
