// A Security Context of RFC 8613: one for each pair of peers, with a name that the rooms above give it (§3).
import { AppError, importAesKey, type AesKey, type CborValue } from '#main/base/index.ts'
import { aeadOf, hashOf, type ContentEncryption } from './algorithms.ts'
import { deriveCommonIv, deriveKey, type KeySource } from './derivation.ts'
import { encodePartialIv, maxIdBytes, nonceOf } from './nonce.ts'
import { ReplayWindow } from './replay-window.ts'
import { SenderSequence, sequenceKey, type SequenceStore } from './sender-sequence.ts'
import { algorithmArray, unicastAad, type RequestBinding } from './structures.ts'

/** Input parameters (§3.2); COSE numbers: AES-CCM-16-64-128 (10) and HKDF with SHA-256 (5) unless told. */
export interface UnicastContextInput {
  /** What the peer is called in `PeerIdentity.name`. */
  readonly name: string
  readonly masterSecret: Uint8Array
  readonly masterSalt?: Uint8Array
  readonly idContext?: Uint8Array
  readonly senderId: Uint8Array
  readonly recipientId: Uint8Array
  readonly aead?: number
  readonly hkdf?: number
  /** Requests name the ID Context, too: where the peer needs it to find its context (§5.1). By default where there is one. */
  readonly sendsIdContext?: boolean
  /** What stands for the ID Context in messages, where that is not the ID Context itself (Appendix B.2). */
  readonly kidContext?: Uint8Array
}

export interface UnicastContextPorts {
  readonly sequences: SequenceStore
  /**
   * `fresh`: the keys were made just now, nothing was received with them yet. `unknown`: they were kept, and requests that were received
   * are forgotten; the first one has to prove that it is fresh (Appendix B.1.2).
   */
  readonly received: 'fresh' | 'unknown'
}

const NO_BYTES = new Uint8Array(0)
const DEFAULT_AEAD = 10
const DEFAULT_HKDF = 5

export class UnicastContext {
  readonly name: string
  readonly senderId: Uint8Array
  readonly recipientId: Uint8Array
  readonly idContext: Uint8Array | undefined
  readonly kidContext: Uint8Array | undefined
  readonly window: ReplayWindow
  /** The Echo value that the peer was asked to repeat. */
  echo: Uint8Array | undefined
  readonly #aead: ContentEncryption
  readonly #algorithms: Uint8Array
  readonly #commonIv: Uint8Array
  readonly #senderKey: AesKey
  readonly #recipientKey: AesKey
  readonly #sequence: SenderSequence
  #sendsIdContext: boolean

  /** Fails with `input.invalid` where the IDs do not fit, `crypto.unsupported` for an unknown algorithm. */
  constructor(input: UnicastContextInput, ports: UnicastContextPorts) {
    const { aead: aeadId = DEFAULT_AEAD, hkdf = DEFAULT_HKDF, masterSecret, masterSalt = NO_BYTES, idContext } = input
    const aead = aeadOf(aeadId)
    requireIds([input.senderId, input.recipientId], maxIdBytes(aead.nonceBytes))
    const source: KeySource = { hash: hashOf(hkdf), masterSecret, masterSalt, idContext }
    this.name = input.name
    this.senderId = input.senderId
    this.recipientId = input.recipientId
    this.idContext = idContext
    this.kidContext = input.kidContext ?? idContext
    this.#sendsIdContext = idContext !== undefined && (input.sendsIdContext ?? true)
    this.#aead = aead
    this.#algorithms = algorithmArray(aeadId)
    this.#commonIv = deriveCommonIv(source, aeadId, aead.nonceBytes)
    const senderKey = deriveKey(source, input.senderId, aeadId, aead.keyBytes)
    this.#senderKey = importAesKey(senderKey)
    this.#recipientKey = importAesKey(deriveKey(source, input.recipientId, aeadId, aead.keyBytes))
    const key = sequenceKey(senderKey, this.#commonIv)
    // Keys that were in use before are not fresh, whoever says so: a replay would be answered with a nonce that has served already.
    this.window = new ReplayWindow(ports.received === 'fresh' && ports.sequences.establish(key))
    this.#sequence = new SenderSequence(ports.sequences, key)
  }

  get tagBytes(): number {
    return this.#aead.tagBytes
  }

  get sendsIdContext(): boolean {
    return this.#sendsIdContext
  }

  /** Both ends know the ID Context by now: requests leave it out. */
  omitIdContext(): void {
    this.#sendsIdContext = false
  }

  /** False where the sender state is lost or used up: then only new keys help (Appendix B.2). */
  get canSend(): boolean {
    return this.#sequence.usable
  }

  /** For a context that is taken away for good: of one that has never sent no trace stays. */
  discard(): void {
    this.#sequence.forget()
  }

  /** A Partial IV that this context has never used. */
  takePartialIv(): Uint8Array {
    return encodePartialIv(this.#sequence.take())
  }

  /** `ownPartialIv` gives the nonce; without one, which only a first response may be, it is the request's. */
  seal(request: RequestBinding, ownPartialIv: Uint8Array | undefined, plaintext: Uint8Array): Uint8Array {
    const nonce = this.#nonce(ownPartialIv === undefined ? request.kid : this.senderId, ownPartialIv ?? request.partialIv)
    return this.#aead.seal(this.#senderKey, nonce, unicastAad(this.#algorithms, request), plaintext)
  }

  /** The plaintext of what the peer protected; undefined where it is not authentic. `requestNonce` where another context protected the request. */
  open(
    request: RequestBinding,
    peerPartialIv: Uint8Array | undefined,
    ciphertext: Uint8Array,
    requestNonce?: Uint8Array,
  ): Uint8Array | undefined {
    if (ciphertext.length <= this.#aead.tagBytes) return undefined
    const nonce =
      peerPartialIv === undefined ? (requestNonce ?? this.nonceOfRequest(request)) : this.#nonce(this.recipientId, peerPartialIv)
    return openOrUndefined(this.#aead, this.#recipientKey, nonce, unicastAad(this.#algorithms, request), ciphertext)
  }

  nonceOfRequest({ kid, partialIv }: RequestBinding): Uint8Array {
    return this.#nonce(kid, partialIv)
  }

  #nonce(id: Uint8Array, partialIv: Uint8Array): Uint8Array {
    return nonceOf(this.#commonIv, this.#aead.nonceBytes, id, partialIv)
  }

  toJSON(): CborValue {
    return `[context ${this.name}]`
  }
}

export function openOrUndefined(
  encryption: ContentEncryption,
  key: AesKey,
  nonce: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  try {
    return encryption.open(key, nonce, aad, ciphertext)
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'crypto.authentication-failed') return undefined
    throw thrown
  }
}

/** Sender IDs of one context differ, and fit the nonce (§3.3). */
function requireIds([sender, recipient]: readonly [Uint8Array, Uint8Array], maxBytes: number): void {
  const same = sender.length === recipient.length && sender.every((byte, index) => byte === recipient[index])
  if (!same && sender.length <= maxBytes && recipient.length <= maxBytes) return
  throw new AppError('input.invalid', 'Sender ID and Recipient ID are the same or too long', { details: { maxBytes } })
}
