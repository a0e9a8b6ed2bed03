// The server's side of a DTLS 1.2 handshake, from the verified ClientHello on (RFC 6347 §4.2.4, RFC 5246 §7.3, RFC 4279 §2, RFC 8422 §2).
import { concatBytes, sha256, type PeerIdentity } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'
import { certificateBody, peerCredentialOf, pskName, spkiOf } from './credentials.ts'
import type { FlightPart } from './flight.ts'
import { EphemeralKey, groupId } from './groups.ts'
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
import { encodeCertificateRequest } from './messages/certificate-request.ts'
import { decodeCertificateVerify } from './messages/certificate-verify.ts'
import { RANDOM_BYTES, type ClientHello } from './messages/client-hello.ts'
import { decodeClientPoint, decodePskIdentity } from './messages/client-key-exchange.ts'
import type { HandshakeMessage } from './messages/handshake-header.ts'
import { encodeServerHello } from './messages/server-hello.ts'
import { encodeEcdheKeyExchange, encodeEcdheParameters, encodePskHint } from './messages/server-key-exchange.ts'
import { DTLS_1_2, ECDSA_SIGN, HANDSHAKE } from './numbers.ts'
import { chooseForServer, type ServerChoice } from './negotiation.ts'
import { OFFERED_SCHEMES, requireSignature, signFor } from './signatures.ts'
import type { Credential, DtlsServerSettings, PeerCredential } from './types.ts'

type Awaited = 'certificate' | 'key-exchange' | 'verify' | 'finished' | 'nothing'

const NO_CONNECTION_IDS = { write: new Uint8Array(0), read: new Uint8Array(0) }
/** What stands in for the key of an identity that is not known. */
const UNKNOWN_KEY_BYTES = 16

export class ServerHandshake implements Handshake {
  readonly #link: HandshakeLink
  readonly #settings: DtlsServerSettings
  readonly #conversation: Conversation
  readonly #choice: ServerChoice
  readonly #randoms: Randoms
  #awaited: Awaited
  #ephemeral: EphemeralKey | undefined
  #peer: PeerCredential | undefined
  #identity: PeerIdentity | undefined
  #master: Uint8Array = new Uint8Array(0)

  /** Sends the first flight. Throws the alert of a hello that cannot be served. */
  constructor(link: HandshakeLink, settings: DtlsServerSettings, hello: ClientHello, message: HandshakeMessage) {
    this.#link = link
    this.#settings = settings
    // The answer takes up the number that a HelloVerifyRequest before it would have left (RFC 6347 §4.2.2).
    this.#conversation = new Conversation(message.sequence)
    this.#conversation.heard(message)
    this.#choice = chooseForServer(hello, settings, () => link.newConnectionId())
    this.#randoms = { client: hello.random.slice(), server: link.random.bytes(RANDOM_BYTES) }
    this.#awaited = this.#choice.asksCertificate ? 'certificate' : 'key-exchange'
    link.limitPlaintext(this.#choice.maxFragmentBytes)
    link.sendFlight(this.#firstFlight(), false)
  }

  receive(message: HandshakeMessage): void {
    switch (this.#awaited) {
      case 'certificate':
        requireType(message, HANDSHAKE.certificate)
        this.#onCertificate(message)
        return
      case 'key-exchange':
        requireType(message, HANDSHAKE.clientKeyExchange)
        this.#onKeyExchange(message)
        return
      case 'verify':
        requireType(message, HANDSHAKE.certificateVerify)
        this.#onVerify(message)
        return
      case 'finished':
        requireType(message, HANDSHAKE.finished)
        this.#onFinished(message)
        return
      case 'nothing':
        throw new AlertFailure('unexpected_message', 'The handshake is over')
    }
  }

  #firstFlight(): readonly FlightPart[] {
    const { suite, answer, asksCertificate } = this.#choice
    const say = (type: number, body: Uint8Array): FlightPart => this.#conversation.say(type, body)
    const sessionId = new Uint8Array(0)
    const hello = { version: DTLS_1_2, random: this.#randoms.server, sessionId, suite: suite.id, compression: 0, extensions: answer }
    const flight = [say(HANDSHAKE.serverHello, encodeServerHello(hello))]
    const { credential, psk } = this.#settings
    if (suite.keyExchange === 'PSK') {
      if (psk?.hint !== undefined) flight.push(say(HANDSHAKE.serverKeyExchange, encodePskHint(psk.hint)))
    } else if (credential !== undefined) {
      flight.push(say(HANDSHAKE.certificate, certificateBody(credential)))
      flight.push(say(HANDSHAKE.serverKeyExchange, this.#keyExchange(credential)))
    }
    if (asksCertificate) {
      const request = encodeCertificateRequest({ certificateTypes: [ECDSA_SIGN], schemes: OFFERED_SCHEMES, authorities: [] })
      flight.push(say(HANDSHAKE.certificateRequest, request))
    }
    flight.push(say(HANDSHAKE.serverHelloDone, new Uint8Array(0)))
    return flight
  }

  #keyExchange(credential: Credential): Uint8Array {
    this.#ephemeral = new EphemeralKey(this.#choice.group)
    const parameters = { group: groupId(this.#choice.group), point: this.#ephemeral.point }
    const signed = concatBytes(this.#randoms.client, this.#randoms.server, encodeEcdheParameters(parameters))
    return encodeEcdheKeyExchange(parameters, signFor(credential.key, signed))
  }

  #onCertificate(message: HandshakeMessage): void {
    this.#peer = peerCredentialOf(this.#choice.clientCertificateType, message.body)
    if (this.#peer === undefined && this.#settings.clientCertificates === 'required')
      throw new AlertFailure('handshake_failure', 'The client shows no certificate', 'dtls.peer-untrusted')
    this.#conversation.heard(message)
    this.#awaited = 'key-exchange'
  }

  #onKeyExchange(message: HandshakeMessage): void {
    const { suite, extendedMasterSecret, connectionIds = NO_CONNECTION_IDS } = this.#choice
    const premaster = suite.keyExchange === 'PSK' ? this.#pskSecret(message.body) : this.#agreedSecret(message.body)
    this.#conversation.heard(message)
    const sessionHash = extendedMasterSecret ? sha256(this.#conversation.bytes()) : undefined
    this.#master = masterSecret(premaster, this.#randoms, sessionHash)
    this.#awaited = this.#peer === undefined ? 'finished' : 'verify'
    this.#link.install(connectionKeys('server', suite, this.#master, this.#randoms, connectionIds), suite)
  }

  #agreedSecret(body: Uint8Array): Uint8Array {
    if (this.#ephemeral === undefined) throw new AlertFailure('internal_error', 'There is no ephemeral key')
    const secret = this.#ephemeral.agree(decodeClientPoint(body))
    this.#ephemeral = undefined
    return secret
  }

  #pskSecret(body: Uint8Array): Uint8Array {
    const identity = decodePskIdentity(body)
    this.#identity = { scheme: 'dtls-psk', name: pskName(identity) }
    return pskPremaster(this.#settings.psk?.keyOf(identity) ?? this.#link.random.bytes(UNKNOWN_KEY_BYTES))
  }

  #onVerify(message: HandshakeMessage): void {
    const credential = this.#peer
    if (credential === undefined) throw new AlertFailure('unexpected_message', 'Nothing is to be verified')
    requireSignature(spkiOf(credential), decodeCertificateVerify(message.body), this.#conversation.bytes())
    this.#conversation.heard(message)
    this.#awaited = 'finished'
    judgePeer(this.#link, this.#settings.verifyPeer, { credential, peerRole: 'client', serverName: undefined }, (identity) => {
      this.#identity = identity
    })
  }

  #onFinished(message: HandshakeMessage): void {
    requireFinished(message, 'client', this.#master, this.#conversation)
    this.#conversation.heard(message)
    this.#awaited = 'nothing'
    const finished = this.#conversation.say(HANDSHAKE.finished, finishedBody('server', this.#master, this.#conversation), 1)
    this.#link.sendFlight([{ kind: 'change-cipher-spec' }, finished], true)
    const proven = {
      group: this.#choice.suite.keyExchange === 'PSK' ? undefined : this.#choice.group,
      identity: this.#identity,
      master: this.#master,
      randoms: this.#randoms,
      firstFinished: message.body.slice(),
    }
    this.#link.established(sessionOf('server', this.#choice, proven))
  }
}
