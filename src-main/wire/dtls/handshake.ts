// What both sides' handshakes have in common: the way out to the connection, numbered messages, the transcript (RFC 6347 §4.2.6).
import { equalInConstantTime, type PeerIdentity, type Random } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'
import type { FlightPart } from './flight.ts'
import type { GroupName } from './groups.ts'
import { exportKey, fingerprint, verifyData, type ConnectionIds, type ConnectionKeys, type Randoms, type Role } from './key-schedule.ts'
import { encodeWhole, type HandshakeMessage } from './messages/handshake-header.ts'
import { HANDSHAKE } from './numbers.ts'
import type { CipherSuite } from './suites.ts'
import type { DtlsSession, PeerCredential, PeerQuestion, PeerVerifier, Verdict } from './types.ts'

/** The connection as a handshake sees it; a version's handshake needs no more. */
export interface HandshakeLink {
  readonly random: Random
  /** Sends a flight; it is repeated until the next message comes, the last one only when the peer asks. */
  sendFlight(flight: readonly FlightPart[], isLast: boolean): void
  /** Records of epoch 1 can be read and written from now on. */
  install(keys: ConnectionKeys, suite: CipherSuite): void
  /** Records hold no more plaintext from now on. */
  limitPlaintext(bytes: number): void
  /** Takes no further message until the promise settles. */
  wait<Value>(promise: Promise<Value>, then: (value: Value) => void): void
  established(session: DtlsSession): void
  /** A connection id that routes to this connection, empty for none; undefined where the extension is not spoken. */
  newConnectionId(): Uint8Array | undefined
}

export interface Handshake {
  receive(message: HandshakeMessage): void
}

/** Where transcripts are put together, one after the other: to hash one needs it in one piece, and only for as long as that takes. */
let desk = new Uint8Array(4096)

/** Messages in order of their numbers, and what both sides have said so far. */
export class Conversation {
  #said: Uint8Array[] = []
  #length = 0
  #next: number

  constructor(next: number) {
    this.#next = next
  }

  heard(message: Omit<HandshakeMessage, 'epoch'>): void {
    const whole = encodeWhole(message)
    this.#said.push(whole)
    this.#length += whole.length
  }

  say(type: number, body: Uint8Array, epoch: 0 | 1 = 0): FlightPart {
    const message = { type, sequence: this.#next++, body }
    this.heard(message)
    return { kind: 'message', epoch, ...message }
  }

  /** A hello that was not verified counts for nothing. */
  forget(): void {
    this.#said = []
    this.#length = 0
  }

  /** To be used at once: the next transcript, whosever it is, takes the same place. */
  bytes(): Uint8Array {
    if (this.#length > desk.length) desk = new Uint8Array(2 * this.#length)
    let offset = 0
    for (const message of this.#said) {
      desk.set(message, offset)
      offset += message.length
    }
    return desk.subarray(0, offset)
  }
}

/** Finished of that side over the messages so far. */
export function finishedBody(side: Role, master: Uint8Array, conversation: Conversation): Uint8Array {
  return verifyData(side, master, conversation.bytes())
}

/** The proof that both sides have seen the same messages (RFC 5246 §7.4.9). */
export function requireFinished(message: HandshakeMessage, side: Role, master: Uint8Array, conversation: Conversation): void {
  if (!equalInConstantTime(finishedBody(side, master, conversation), message.body))
    throw new AlertFailure('decrypt_error', 'Finished does not fit the messages before')
}

export function requireType(message: HandshakeMessage, ...types: readonly number[]): void {
  // Finished proves itself by the keys of epoch 1, and nothing else may come under them.
  const wantedEpoch = message.type === HANDSHAKE.finished ? 1 : 0
  if (types.includes(message.type) && message.epoch === wantedEpoch) return
  throw new AlertFailure('unexpected_message', 'A handshake message comes out of turn')
}

/** Asks for a verdict on the peer and goes on with its identity. */
export function judgePeer(
  link: HandshakeLink,
  verifier: PeerVerifier | undefined,
  question: PeerQuestion,
  goOn: (identity: PeerIdentity) => void,
): void {
  if (verifier === undefined) throw new AlertFailure('certificate_unknown', 'Nobody judges certificates here', 'dtls.peer-untrusted')
  const decide = (verdict: Verdict): void => {
    if (!verdict.ok) throw new AlertFailure(verdict.alert, verdict.reason, 'dtls.peer-untrusted')
    goOn(identityOf(question.credential, verdict.name))
  }
  const verdict = verifier(question)
  if (verdict instanceof Promise) link.wait(verdict, decide)
  else decide(verdict)
}

function identityOf(credential: PeerCredential, name: string | undefined): PeerIdentity {
  if (credential.kind === 'public-key') return { scheme: 'dtls-public-key', name: name ?? `sha256:${fingerprint(credential.spki)}` }
  const [endEntity = new Uint8Array(0)] = credential.chain
  return { scheme: 'dtls-certificate', name: name ?? `sha256:${fingerprint(endEntity)}`, certificates: credential.chain }
}

/** What the two sides have settled on. */
export interface Settled {
  readonly suite: CipherSuite
  readonly extendedMasterSecret: boolean
  readonly maxFragmentBytes: number
  /** Of both directions; undefined where either side has none (RFC 9146 §3). */
  readonly connectionIds: ConnectionIds | undefined
}

/** What the handshake has drawn and proven. */
export interface Proven {
  readonly group: GroupName | undefined
  readonly identity: PeerIdentity | undefined
  readonly master: Uint8Array
  readonly randoms: Randoms
  readonly firstFinished: Uint8Array
}

export function sessionOf(role: Role, settled: Settled, proven: Proven): DtlsSession {
  const { suite, extendedMasterSecret, maxFragmentBytes, connectionIds } = settled
  const { group, identity, master, randoms, firstFinished } = proven
  return {
    role,
    suite: suite.name,
    group,
    identity,
    extendedMasterSecret,
    maxFragmentBytes,
    connectionIds: connectionIds !== undefined,
    firstFinished,
    exportKey: (label, context, length) => exportKey(master, randoms, label, context, length),
  }
}
