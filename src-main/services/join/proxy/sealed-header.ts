// The header that a stateless proxy hides its state in (draft-ietf-anima-constrained-join-proxy-20 §4.5.5, §4.5.6): encrypted and
// authenticated by AES-CCM with a tag of 64 bits (§7), under a key that nobody else has and that changes (§4.5.5).
//
//   | generation (1) | synthetic nonce (8) | family, link, port, IID (12) | tag (8) |    29 bytes
//
// Invariant: one pledge has one header as long as the key lasts, for the registrar takes another header for another connection (§4.4).
// So there can be no sequence number in it; the nonce comes from what is sealed, as in RFC 5297, and never serves two plaintexts.
import {
  aeadByCoseId,
  AppError,
  concatBytes,
  HmacSha256,
  importAesKey,
  type AesKey,
  type Clock,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { packPledge, unpackPledge, type LinkNumbers } from './pledge-address.ts'

export const SEALED_HEADER_BYTES = 29

export interface HeaderKeyTimes {
  /** The key changes after that; 24 hours is what §4.5.5 recommends. */
  readonly keyMs: number
  /** How long headers of the key before are still taken: what was under way, and its repetitions. */
  readonly graceMs: number
}

export const DEFAULT_KEY_TIMES: HeaderKeyTimes = { keyMs: 24 * 3_600_000, graceMs: 120_000 }

interface Generation {
  readonly number: number
  readonly key: AesKey
  readonly nonces: HmacSha256
}

/** AES-CCM-16-64-128. */
const aead = aeadByCoseId(10)
const NONCE_BYTES = 8
const NONCE_PADDING = new Uint8Array(aead.nonceBytes - NONCE_BYTES)

export class HeaderSeal {
  readonly #clock: Clock
  readonly #random: Random
  readonly #times: HeaderKeyTimes
  readonly #links: LinkNumbers
  #current: Generation
  #previous: Generation | undefined
  #changedMs: number

  constructor(clock: Clock, random: Random, links: LinkNumbers, times: HeaderKeyTimes = DEFAULT_KEY_TIMES) {
    this.#clock = clock
    this.#random = random
    this.#links = links
    this.#times = times
    this.#current = this.#generate(random.below(256))
    this.#changedMs = clock.monotonicMs()
  }

  /** Undefined for what is no neighbour. */
  seal(pledge: SocketAddress): Uint8Array | undefined {
    const packed = packPledge(pledge, this.#links)
    if (packed === undefined) return undefined
    this.#rotate()
    const { number, key, nonces } = this.#current
    const generation = Uint8Array.of(number)
    const nonce = nonces.of(concatBytes(generation, packed)).subarray(0, NONCE_BYTES)
    return concatBytes(generation, nonce, aead.seal(key, concatBytes(NONCE_PADDING, nonce), generation, packed))
  }

  /** Undefined for a header that was not made here, was changed, or is of a key that is gone. */
  open(header: Uint8Array): SocketAddress | undefined {
    if (header.length !== SEALED_HEADER_BYTES) return undefined
    this.#rotate()
    const generation = [this.#current, this.#previous].find((one) => one?.number === header[0])
    if (generation === undefined) return undefined
    const nonce = header.subarray(1, 1 + NONCE_BYTES)
    try {
      const packed = aead.open(generation.key, concatBytes(NONCE_PADDING, nonce), header.subarray(0, 1), header.subarray(1 + NONCE_BYTES))
      return unpackPledge(packed, this.#links)
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'crypto.authentication-failed') return undefined
      throw thrown
    }
  }

  #rotate(): void {
    const nowMs = this.#clock.monotonicMs()
    const ageMs = nowMs - this.#changedMs
    if (ageMs >= this.#times.keyMs) {
      // After a long silence nothing of the old key is under way.
      this.#previous = ageMs < this.#times.keyMs + this.#times.graceMs ? this.#current : undefined
      this.#current = this.#generate((this.#current.number + 1) % 256)
      this.#changedMs = nowMs
    } else if (this.#previous !== undefined && ageMs >= this.#times.graceMs) this.#previous = undefined
  }

  #generate(number: number): Generation {
    return { number, key: importAesKey(this.#random.bytes(16)), nonces: new HmacSha256(this.#random.bytes(32)) }
  }
}
