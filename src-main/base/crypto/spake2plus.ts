// SPAKE2+ on P-256 with SHA-256, the prover's side (RFC 9383): a password proves both sides to each other and goes over no wire.
// The arithmetic of points is @noble/curves': node:crypto has none.
import { p256 } from '@noble/curves/nist.js'
import { concatBytes, utf8 } from '../bytes.ts'
import { AppError } from '../errors.ts'
import type { Random } from '../random.ts'
import { equalInConstantTime, hkdf, sha256 } from './hash.ts'
import { HmacSha256 } from './hmac-sha256.ts'

const Point = p256.Point
const ORDER = Point.Fn.ORDER
/** RFC 9383 §4: nobody knows their discrete logarithms. */
const M = Point.fromHex('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f')
const N = Point.fromHex('03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49')
const SCALAR_BYTES = 32
/** As many bytes more than the order has bits that the remainder is evenly spread (RFC 9383 §3.2). */
const WIDE_SCALAR_BYTES = 40

export interface Spake2PlusOptions {
  readonly context: Uint8Array
  /** Identities of both sides; of no bytes where the protocol has none. */
  readonly prover?: Uint8Array
  readonly verifier?: Uint8Array
  /** 80 bytes that both sides stretched from the password: halves give w0 and w1. */
  readonly stretched: Uint8Array
  readonly random: Random
  /** Some write w0 into the transcript without its leading zero bytes. */
  readonly minimalW0?: boolean
  /** Of `SharedKey`. */
  readonly keyBytes?: number
}

export interface Spake2PlusProof {
  /** Goes to the verifier. */
  readonly confirmation: Uint8Array
  readonly sharedKey: Uint8Array
}

export class Spake2PlusProver {
  readonly #options: Spake2PlusOptions
  readonly #w0: bigint
  readonly #w1: bigint
  readonly #x: bigint
  /** shareP, 65 bytes: goes to the verifier. */
  readonly share: Uint8Array

  constructor(options: Spake2PlusOptions) {
    const { stretched, random } = options
    if (stretched.length !== 2 * WIDE_SCALAR_BYTES)
      throw new AppError('crypto.parameter-invalid', `SPAKE2+ takes ${2 * WIDE_SCALAR_BYTES} bytes of the password`)
    this.#options = options
    this.#w0 = scalarOf(stretched.subarray(0, WIDE_SCALAR_BYTES))
    this.#w1 = scalarOf(stretched.subarray(WIDE_SCALAR_BYTES))
    this.#x = scalarOf(random.bytes(WIDE_SCALAR_BYTES))
    this.share = Point.BASE.multiply(this.#x).add(M.multiply(this.#w0)).toBytes(false)
  }

  /**
   * Takes shareV and confirmV. Throws `crypto.authentication-failed` where they do not prove the same password,
   * `crypto.parameter-invalid` where the share is no point.
   */
  prove(shareV: Uint8Array, confirmV: Uint8Array): Spake2PlusProof {
    const peer = pointOf(shareV)
    const blinded = peer.subtract(N.multiply(this.#w0))
    const z = blinded.multiply(this.#x)
    const v = blinded.multiply(this.#w1)
    const main = sha256(this.#transcript(shareV, z.toBytes(false), v.toBytes(false)))
    const keys = hkdf('sha256', main, new Uint8Array(0), utf8('ConfirmationKeys'), 64)
    const expected = new HmacSha256(keys.subarray(32)).of(this.share)
    if (!equalInConstantTime(expected, confirmV))
      throw new AppError('crypto.authentication-failed', 'The other side does not know the password')
    return {
      confirmation: new HmacSha256(keys.subarray(0, 32)).of(shareV),
      sharedKey: hkdf('sha256', main, new Uint8Array(0), utf8('SharedKey'), this.#options.keyBytes ?? 32),
    }
  }

  /** RFC 9383 §3.3: each item with its length before it, in 64 bits, least significant byte first. */
  #transcript(shareV: Uint8Array, z: Uint8Array, v: Uint8Array): Uint8Array {
    const { context, prover = new Uint8Array(0), verifier = new Uint8Array(0), minimalW0 = false } = this.#options
    const w0 = Point.Fn.toBytes(this.#w0)
    const first = w0.findIndex((byte) => byte !== 0)
    const items = [context, prover, verifier, M.toBytes(false), N.toBytes(false), this.share, shareV, z, v]
    return concatBytes(...items.flatMap(prefixed), ...prefixed(minimalW0 ? w0.subarray(Math.max(first, 0)) : w0))
  }
}

function prefixed(item: Uint8Array): readonly Uint8Array[] {
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(item.length), true)
  return [length, item]
}

/** Never 0, for which the library has no multiple of a point and the protocol no use. */
function scalarOf(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  const scalar = value % ORDER
  if (scalar === 0n) throw new AppError('crypto.parameter-invalid', 'A scalar of SPAKE2+ is zero')
  return scalar
}

function pointOf(bytes: Uint8Array): InstanceType<typeof Point> {
  try {
    if (bytes.length !== 2 * SCALAR_BYTES + 1 || bytes[0] !== 4) throw new RangeError('not uncompressed')
    const point = Point.fromBytes(bytes)
    point.assertValidity()
    return point
  } catch (cause) {
    throw new AppError('crypto.parameter-invalid', 'This is not a point of the curve', { cause })
  }
}
