// The client's side of a DTLS 1.2 handshake (RFC 6347 §4.2.4, RFC 5246 §7.3, RFC 4279 §2, RFC 8422 §2).
import { concatBytes, sha256, type PeerIdentity } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'
import { readServerChoice, helloExtensions, type AcceptedChoice } from './client-offer.ts'
import { certificateBody, peerCredentialOf, pskName, spkiOf } from './credentials.ts'
import type { FlightPart } from './flight.ts'
import { EphemeralKey, GROUP_NAMES, groupById } from './groups.ts'
import {
  Conversation,
  finishedBody,
  judgePeer,
  requireFinished,
  requireType,
  sessionOf,
  type Handshake,
  type HandshakeLink,
} from './handshake.ts'
import { connectionKeys, masterSecret, pskPremaster, type Randoms } from './key-schedule.ts'
import { encodeSigned } from './messages/certificate-verify.ts'
import { decodeCertificateRequest } from './messages/certificate-request.ts'
import { encodeClientHello, RANDOM_BYTES, type ClientHello } from './messages/client-hello.ts'
import { encodeClientPoint, encodePskIdentity } from './messages/client-key-exchange.ts'
import type { HandshakeMessage } from './messages/handshake-header.ts'
import { decodeHelloVerifyRequest } from './messages/hello-verify-request.ts'
import { decodeServerHello } from './messages/server-hello.ts'
import { decodeEcdheKeyExchange, decodePskHint, encodeEcdheParameters } from './messages/server-key-exchange.ts'
import { encodeCertificateChain } from './messages/certificate.ts'
import { DTLS_1_2, ECDSA_SIGN, HANDSHAKE } from './numbers.ts'
import { canSignFor, requireSignature, signFor } from './signatures.ts'
import { suitesNamed } from './suites.ts'
import type { Credential, DtlsClientSettings, PeerCredential } from './types.ts'

type Awaited = 'hello' | 'certificate' | 'key-exchange' | 'hint' | 'request' | 'done' | 'finished' | 'nothing'

const EMPTY = new Uint8Array(0)
const NO_CONNECTION_IDS = { write: EMPTY, read: EMPTY }
/** A server changes its secret at most once within a handshake. */
const MAX_COOKIES = 3

export class ClientHandshake implements Handshake {
  readonly #link: HandshakeLink
  readonly #settings: DtlsClientSettings
  readonly #conversation = new Conversation(0)
  #hello: ClientHello
  #awaited: Awaited = 'hello'
  #cookies = 0
  #choice: AcceptedChoice | undefined
  #serverRandom: Uint8Array = EMPTY
  #peer: PeerCredential | undefined
  #ephemeral: { readonly own: EphemeralKey; readonly peerPoint: Uint8Array } | undefined
  /** Set where the server asks for a certificate; `credential` is what it can take of ours. */
  #asked: { readonly credential: Credential | undefined } | undefined
  #identity: PeerIdentity | undefined
  #master: Uint8Array = EMPTY
  #firstFinished: Uint8Array = EMPTY

  /** Sends the first flight. */
  constructor(link: HandshakeLink, settings: DtlsClientSettings) {
    this.#link = link
    this.#settings = settings
    const suites = suitesNamed(settings.suites).filter(({ keyExchange }) =>
      keyExchange === 'PSK' ? settings.psk !== undefined : settings.verifyPeer !== undefined,
    )
    if (suites.length === 0)
      throw new AlertFailure('insufficient_security', 'Neither a pre-shared key nor a judge of certificates is given')
    this.#hello = {
      version: DTLS_1_2,
      random: link.random.bytes(RANDOM_BYTES),
      sessionId: EMPTY,
      cookie: EMPTY,
      suites: suites.map(({ id }) => id),
      compressions: Uint8Array.of(0),
      extensions: helloExtensions(settings, suites, link.newConnectionId()),
    }
    this.#sendHello()
  }

  #sendHello(): void {
    this.#conversation.forget()
    this.#link.sendFlight([this.#conversation.say(HANDSHAKE.clientHello, encodeClientHello(this.#hello))], false)
  }

  receive(message: HandshakeMessage): void {
    switch (this.#awaited) {
      case 'hello':
        requireType(message, HANDSHAKE.helloVerifyRequest, HANDSHAKE.serverHello)
        if (message.type === HANDSHAKE.serverHello) this.#onServerHello(message)
        else this.#onCookie(message)
        return
      case 'certificate':
        requireType(message, HANDSHAKE.certificate)
        this.#onCertificate(message)
        return
      case 'key-exchange':
        requireType(message, HANDSHAKE.serverKeyExchange)
        this.#onKeyExchange(message)
        return
      case 'hint':
        requireType(message, HANDSHAKE.serverKeyExchange, HANDSHAKE.serverHelloDone)
        if (message.type === HANDSHAKE.serverHelloDone) this.#onDone(message)
        else this.#onHint(message)
        return
      case 'request':
        requireType(message, HANDSHAKE.certificateRequest, HANDSHAKE.serverHelloDone)
        if (message.type === HANDSHAKE.serverHelloDone) this.#onDone(message)
        else this.#onRequest(message)
        return
      case 'done':
        requireType(message, HANDSHAKE.serverHelloDone)
        this.#onDone(message)
        return
      case 'finished':
        requireType(message, HANDSHAKE.finished)
        this.#onFinished(message)
        return
      case 'nothing':
        throw new AlertFailure('unexpected_message', 'The handshake is over')
    }
  }

  #onCookie(message: HandshakeMessage): void {
    if (++this.#cookies > MAX_COOKIES) throw new AlertFailure('unexpected_message', 'The server wants one cookie after another')
    this.#hello = { ...this.#hello, cookie: decodeHelloVerifyRequest(message.body).slice() }
    this.#sendHello()
  }

  #onServerHello(message: HandshakeMessage): void {
    const hello = decodeServerHello(message.body)
    const choice = readServerChoice(this.#hello, hello, this.#settings)
    this.#choice = choice
    this.#serverRandom = hello.random.slice()
    this.#conversation.heard(message)
    this.#link.limitPlaintext(choice.maxFragmentBytes)
    this.#awaited = choice.suite.keyExchange === 'PSK' ? 'hint' : 'certificate'
  }

  #onCertificate(message: HandshakeMessage): void {
    this.#peer = peerCredentialOf(this.#chosen().serverCertificateType, message.body)
    if (this.#peer === undefined) throw new AlertFailure('bad_certificate', 'The server shows no certificate', 'dtls.peer-untrusted')
    this.#conversation.heard(message)
    this.#awaited = 'key-exchange'
  }

  #onKeyExchange(message: HandshakeMessage): void {
    const { parameters, signed } = decodeEcdheKeyExchange(message.body)
    const group = groupById(parameters.group)
    if (group === undefined || !(this.#settings.groups ?? GROUP_NAMES).includes(group))
      throw new AlertFailure('illegal_parameter', 'The server takes a group that was not offered')
    if (this.#peer === undefined) throw new AlertFailure('unexpected_message', 'The server has shown no certificate')
    const content = concatBytes(this.#hello.random, this.#serverRandom, encodeEcdheParameters(parameters))
    requireSignature(spkiOf(this.#peer), signed, content)
    this.#ephemeral = { own: new EphemeralKey(group), peerPoint: parameters.point.slice() }
    this.#conversation.heard(message)
    this.#awaited = 'request'
  }

  /** Which key is meant is settled already. */
  #onHint(message: HandshakeMessage): void {
    decodePskHint(message.body)
    this.#conversation.heard(message)
    this.#awaited = 'done'
  }

  #onRequest(message: HandshakeMessage): void {
    const { certificateTypes, schemes } = decodeCertificateRequest(message.body)
    const { credential } = this.#settings
    const fits =
      credential !== undefined &&
      (this.#chosen().clientCertificateType === 0) === (credential.kind === 'certificate') &&
      certificateTypes.includes(ECDSA_SIGN) &&
      canSignFor(credential.key, schemes)
    this.#asked = { credential: fits ? credential : undefined }
    this.#conversation.heard(message)
    this.#awaited = 'done'
  }

  #onDone(message: HandshakeMessage): void {
    if (message.body.length > 0) throw new AlertFailure('decode_error', 'ServerHelloDone has content')
    this.#conversation.heard(message)
    this.#awaited = 'finished'
    if (this.#peer === undefined) {
      this.#answer()
      return
    }
    const question = { credential: this.#peer, peerRole: 'server', serverName: this.#settings.serverName } as const
    judgePeer(this.#link, this.#settings.verifyPeer, question, (identity) => {
      this.#identity = identity
      this.#answer()
    })
  }

  #answer(): void {
    const { suite, extendedMasterSecret, connectionIds = NO_CONNECTION_IDS } = this.#chosen()
    const flight: FlightPart[] = []
    const say = (type: number, body: Uint8Array, epoch: 0 | 1 = 0): number => flight.push(this.#conversation.say(type, body, epoch))
    if (this.#asked !== undefined) {
      const { credential } = this.#asked
      say(HANDSHAKE.certificate, credential === undefined ? encodeCertificateChain([]) : certificateBody(credential))
    }
    const { keyExchange, premaster } = this.#keyExchange()
    say(HANDSHAKE.clientKeyExchange, keyExchange)
    const sessionHash = extendedMasterSecret ? sha256(this.#conversation.bytes()) : undefined
    this.#master = masterSecret(premaster, this.#randoms(), sessionHash)
    if (this.#asked?.credential !== undefined)
      say(HANDSHAKE.certificateVerify, encodeSigned(signFor(this.#asked.credential.key, this.#conversation.bytes())))
    flight.push({ kind: 'change-cipher-spec' })
    this.#firstFinished = finishedBody('client', this.#master, this.#conversation)
    say(HANDSHAKE.finished, this.#firstFinished, 1)
    this.#link.install(connectionKeys('client', suite, this.#master, this.#randoms(), connectionIds), suite)
    this.#link.sendFlight(flight, false)
  }

  #keyExchange(): { readonly keyExchange: Uint8Array; readonly premaster: Uint8Array } {
    const { psk } = this.#settings
    if (this.#ephemeral !== undefined) {
      const { own, peerPoint } = this.#ephemeral
      return { keyExchange: encodeClientPoint(own.point), premaster: own.agree(peerPoint) }
    }
    if (psk === undefined) throw new AlertFailure('internal_error', 'There is no pre-shared key')
    this.#identity = { scheme: 'dtls-psk', name: pskName(psk.identity) }
    return { keyExchange: encodePskIdentity(psk.identity), premaster: pskPremaster(psk.key) }
  }

  #onFinished(message: HandshakeMessage): void {
    requireFinished(message, 'server', this.#master, this.#conversation)
    this.#awaited = 'nothing'
    const proven = {
      group: this.#ephemeral?.own.group,
      identity: this.#identity,
      master: this.#master,
      randoms: this.#randoms(),
      firstFinished: this.#firstFinished,
    }
    this.#link.established(sessionOf('client', this.#chosen(), proven))
  }

  #randoms(): Randoms {
    return { client: this.#hello.random, server: this.#serverRandom }
  }

  #chosen(): AcceptedChoice {
    if (this.#choice === undefined) throw new AlertFailure('internal_error', 'Nothing is negotiated yet')
    return this.#choice
  }
}
