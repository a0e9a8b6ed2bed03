// Key pairs on P-256, Ed25519 and X25519: making, importing and exporting them in raw form, signatures and key agreement.
// Raw forms: a P-256 point is SEC 1 (65 or 33 bytes), its private key 32 bytes; the others are the 32 bytes of RFC 8032 and 7748.
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  ECDH,
  createECDH,
  generateKeyPairSync,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto'
import { concatBytes, fromHex } from '../bytes.ts'
import { AppError } from '../errors.ts'
import { derOfRaw, rawOfDer } from './ecdsa-form.ts'
import { keyObjectOf, PrivateKey, PublicKey, type Curve } from './keys.ts'

export interface KeyPair {
  readonly publicKey: PublicKey
  readonly privateKey: PrivateKey
}

/** DER around the raw key: SubjectPublicKeyInfo (RFC 5480, RFC 8410) and PKCS #8 (RFC 5958). */
interface Wrapping {
  readonly spki: Uint8Array
  readonly pkcs8: Uint8Array
}

const WRAPPINGS: Readonly<Record<Curve, Wrapping>> = {
  'P-256': {
    spki: hex('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
    pkcs8: hex('308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420'),
  },
  Ed25519: { spki: hex('302a300506032b6570032100'), pkcs8: hex('302e020100300506032b657004220420') },
  X25519: { spki: hex('302a300506032b656e032100'), pkcs8: hex('302e020100300506032b656e04220420') },
}
/** Inside a P-256 private key: the tag of the public point that follows it. */
const P256_PUBLIC_FIELD = hex('a144034200')
const P256_POINT_BYTES = 65
const RAW_BYTES = 32

export function generateKeyPair(curve: Curve): KeyPair {
  const { publicKey, privateKey } = generate(curve)
  return { publicKey: new PublicKey(publicKey, curve), privateKey: new PrivateKey(privateKey, curve) }
}

function generate(curve: Curve): ReturnType<typeof generateKeyPairSync> {
  switch (curve) {
    case 'P-256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'Ed25519':
      return generateKeyPairSync('ed25519')
    case 'X25519':
      return generateKeyPairSync('x25519')
  }
}

/** Throws `crypto.parameter-invalid` for what is not a key of that curve, points off the curve included. */
export function importPublicKey(curve: Curve, raw: Uint8Array): PublicKey {
  return invalidUnless('public', curve, () => {
    const point = curve === 'P-256' ? uncompressed(raw) : exactly(raw, RAW_BYTES)
    return new PublicKey(createPublicKey({ key: asBuffer(WRAPPINGS[curve].spki, point), format: 'der', type: 'spki' }), curve)
  })
}

export function importPrivateKey(curve: Curve, raw: Uint8Array): PrivateKey {
  return invalidUnless('private', curve, () => {
    const parts = [WRAPPINGS[curve].pkcs8, exactly(raw, RAW_BYTES)]
    if (curve === 'P-256') parts.push(P256_PUBLIC_FIELD, pointOf(raw))
    return new PrivateKey(createPrivateKey({ key: asBuffer(...parts), format: 'der', type: 'pkcs8' }), curve)
  })
}

export function publicKeyOf(key: PrivateKey): PublicKey {
  return new PublicKey(createPublicKey(keyObjectOf(key)), key.curve)
}

/** The raw public key: the uncompressed point for P-256, 32 bytes else. */
export function exportPublicKey(key: PublicKey): Uint8Array {
  return exportSpki(key).slice(key.curve === 'P-256' ? -P256_POINT_BYTES : -RAW_BYTES)
}

/** The raw private key, 32 bytes: for the key vault alone. */
export function exportPrivateKey(key: PrivateKey): Uint8Array {
  const der = keyObjectOf(key).export({ format: 'der', type: 'pkcs8' })
  const offset = WRAPPINGS[key.curve].pkcs8.length
  return new Uint8Array(der.subarray(offset, offset + RAW_BYTES))
}

/** SubjectPublicKeyInfo in DER, as certificates hold it. */
export function exportSpki(key: PublicKey): Uint8Array {
  return new Uint8Array(keyObjectOf(key).export({ format: 'der', type: 'spki' }))
}

/** How an ECDSA signature is written: `raw` is r and s of 32 bytes each (COSE), `der` is what X.509 and DTLS have. */
export type SignatureFormat = 'raw' | 'der'

/** ECDSA with SHA-256 on P-256, or Ed25519. */
export function sign(key: PrivateKey, message: Uint8Array, format: SignatureFormat = 'raw'): Uint8Array {
  requireSigning(key.curve)
  // Invariant: the library is given the key object itself. Wrapped with options it costs as much as half a signature more.
  const signature = nodeSign(digestOf(key.curve), message, keyObjectOf(key))
  return key.curve === 'P-256' && format === 'raw' ? rawOfDer(signature) : new Uint8Array(signature)
}

/** Whether the signature is the key's over the message. Any bytes may be given. */
export function verifySignature(key: PublicKey, message: Uint8Array, signature: Uint8Array, format: SignatureFormat = 'raw'): boolean {
  requireSigning(key.curve)
  const native = key.curve === 'P-256' && format === 'raw' ? derOfRaw(signature) : signature
  try {
    return native !== undefined && nodeVerify(digestOf(key.curve), message, keyObjectOf(key), native)
  } catch {
    return false
  }
}

/** The shared secret of ECDH: the x coordinate on P-256, the output of X25519. Throws for a peer's key of low order. */
export function sharedSecret(own: PrivateKey, peer: PublicKey): Uint8Array {
  if (own.curve !== peer.curve || own.curve === 'Ed25519') {
    throw new AppError('crypto.parameter-invalid', 'Keys that agree have one curve, and not a signing one')
  }
  const secret = invalidUnless('public', own.curve, () => diffieHellman({ privateKey: keyObjectOf(own), publicKey: keyObjectOf(peer) }))
  if (secret.every((byte) => byte === 0)) throw new AppError('crypto.parameter-invalid', 'The peer’s key is of low order')
  return new Uint8Array(secret)
}

function requireSigning(curve: Curve): void {
  if (curve === 'X25519') throw new AppError('crypto.parameter-invalid', 'X25519 keys cannot sign')
}

function digestOf(curve: Curve): 'sha256' | null {
  return curve === 'P-256' ? 'sha256' : null
}

function uncompressed(point: Uint8Array): Uint8Array {
  // OpenSSL would take hybrid forms and the point at infinity too.
  const compressed = point.length === 33 && (point[0] === 2 || point[0] === 3)
  if (!compressed && !(point.length === P256_POINT_BYTES && point[0] === 4)) throw new RangeError('not a SEC 1 point')
  const converted = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'uncompressed')
  return typeof converted === 'string' ? hex(converted) : new Uint8Array(converted)
}

function pointOf(privateKey: Uint8Array): Uint8Array {
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(privateKey)
  return new Uint8Array(ecdh.getPublicKey())
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new RangeError('wrong length')
  return bytes
}

function invalidUnless<Result>(what: string, curve: Curve, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    throw new AppError('crypto.parameter-invalid', `This is not a ${what} key of the curve`, { details: { curve }, cause })
  }
}

function asBuffer(...parts: readonly Uint8Array[]): Buffer {
  const bytes = concatBytes(...parts)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function hex(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array(0)
}
