// Keys as certificates carry them: EC on P-256, P-384 and P-521, Ed25519, RSA, with the signatures of X.509 and CMP
// (RFC 3279, RFC 4055, RFC 5480, RFC 5758, RFC 8410). Signing keys are EC or Ed25519; RSA is verified only.
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as nodeSign,
  verify as nodeVerify,
  type KeyObject,
} from 'node:crypto'
import { fromHex } from '../bytes.ts'
import { AppError } from '../errors.ts'
import type { HashName } from './hash.ts'

/** What this program makes keys of. */
export type SigningAlgorithm = 'P-256' | 'P-384' | 'Ed25519'
/** What a certificate of somebody else may hold. */
export type VerifyingAlgorithm = SigningAlgorithm | 'P-521' | 'RSA'
export type SignatureFamily = 'ecdsa' | 'rsa' | 'rsa-pss' | 'ed25519'

export interface SignatureScheme {
  readonly family: SignatureFamily
  /** Absent for Ed25519, which hashes by itself. */
  readonly hash?: HashName
}

const objects = new WeakMap<object, KeyObject>()

/** A private key with its algorithm; shows its bytes to nobody but `exportSigningKey`. */
export class SigningKey {
  readonly algorithm: SigningAlgorithm
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array

  constructor(object: KeyObject, algorithm: SigningAlgorithm) {
    this.algorithm = algorithm
    this.spki = new Uint8Array(createPublicKey(object).export({ format: 'der', type: 'spki' }))
    objects.set(this, object)
  }

  get scheme(): SignatureScheme {
    if (this.algorithm === 'Ed25519') return { family: 'ed25519' }
    return { family: 'ecdsa', hash: this.algorithm === 'P-256' ? 'sha256' : 'sha384' }
  }

  toJSON(): string {
    return '[key]'
  }
}

export class VerifyingKey {
  readonly algorithm: VerifyingAlgorithm
  /** Of the modulus for RSA, of the field else. */
  readonly bits: number

  constructor(object: KeyObject, algorithm: VerifyingAlgorithm, bits: number) {
    this.algorithm = algorithm
    this.bits = bits
    objects.set(this, object)
  }
}

export function generateSigningKey(algorithm: SigningAlgorithm): SigningKey {
  const { privateKey } = algorithm === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: algorithm })
  return new SigningKey(privateKey, algorithm)
}

/** Takes PKCS #8 in DER, or a PEM text of PKCS #8 or SEC 1. */
export function importSigningKey(key: Uint8Array | string): SigningKey {
  const object = invalidUnless('private', () =>
    typeof key === 'string' ? createPrivateKey(key) : createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' }),
  )
  const { algorithm } = describe(object)
  if (algorithm === 'RSA' || algorithm === 'P-521')
    throw new AppError('crypto.unsupported', 'Signing keys are EC on P-256 or P-384, or Ed25519')
  return new SigningKey(object, algorithm)
}

/** PKCS #8 in DER: for the key vault alone. */
export function exportSigningKey(key: SigningKey): Uint8Array {
  return new Uint8Array(objectOf(key).export({ format: 'der', type: 'pkcs8' }))
}

/** Throws `crypto.parameter-invalid` for what is no key and `crypto.unsupported` for one of another kind. */
export function importVerifyingKey(spki: Uint8Array): VerifyingKey {
  // As text: around bytes goes an object of options, of which the library first finds out, dearly, that it is no key.
  const base64 = Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength).toString('base64')
  const object = invalidUnless('public', () => createPublicKey(`-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`))
  const { algorithm, bits } = SPKI_STARTS.find(({ start }) => start.every((byte, index) => byte === spki[index])) ?? describe(object)
  return new VerifyingKey(object, algorithm, bits)
}

/** An X.509 signature over the message by the key's own scheme; ECDSA in DER. */
export function signAs(key: SigningKey, message: Uint8Array): Uint8Array {
  // ECDSA in DER is the library's default; an options object around the key costs more than the check of its kind.
  return new Uint8Array(nodeSign(key.scheme.hash ?? null, message, objectOf(key)))
}

/** Whether the signature is the key's over the message. A scheme that does not fit the key is a wrong signature. */
export function verifyAs(key: VerifyingKey, scheme: SignatureScheme, message: Uint8Array, signature: Uint8Array): boolean {
  if (familyOf(key.algorithm) !== (scheme.family === 'rsa-pss' ? 'rsa' : scheme.family)) return false
  const object = objectOf(key)
  try {
    const padded =
      scheme.family === 'rsa-pss'
        ? { key: object, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
        : object
    return nodeVerify(scheme.hash ?? null, message, padded, signature)
  } catch {
    return false
  }
}

function familyOf(algorithm: VerifyingAlgorithm): SignatureFamily {
  if (algorithm === 'RSA') return 'rsa'
  return algorithm === 'Ed25519' ? 'ed25519' : 'ecdsa'
}

/** How the keys of most devices begin: asking the library takes longer than to verify with them. */
const SPKI_STARTS: ReadonlyArray<{ readonly start: Uint8Array; readonly algorithm: VerifyingAlgorithm; readonly bits: number }> = [
  { start: bytesOf('3059301306072a8648ce3d020106082a8648ce3d030107034200'), algorithm: 'P-256', bits: 256 },
  { start: bytesOf('3076301006072a8648ce3d020106052b81040022036200'), algorithm: 'P-384', bits: 384 },
  { start: bytesOf('302a300506032b6570032100'), algorithm: 'Ed25519', bits: 256 },
]

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0)
}

const CURVES: Readonly<Record<string, readonly [VerifyingAlgorithm, number]>> = {
  prime256v1: ['P-256', 256],
  secp384r1: ['P-384', 384],
  secp521r1: ['P-521', 521],
}

function describe(object: KeyObject): { readonly algorithm: VerifyingAlgorithm; readonly bits: number } {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = object
  if (type === 'ed25519') return { algorithm: 'Ed25519', bits: 256 }
  if (type === 'rsa') {
    // Nobody's exponent is longer than 32 bits; a long one makes each verification as dear as a signature.
    if ((details?.publicExponent ?? 0n) > 0xffff_ffffn)
      throw new AppError('crypto.unsupported', 'The public exponent of the key is too long')
    return { algorithm: 'RSA', bits: details?.modulusLength ?? 0 }
  }
  const curve = type === 'ec' ? CURVES[details?.namedCurve ?? ''] : undefined
  if (curve === undefined)
    throw new AppError('crypto.unsupported', 'This kind of key is not supported', { details: { type: type ?? null } })
  return { algorithm: curve[0], bits: curve[1] }
}

function objectOf(key: SigningKey | VerifyingKey): KeyObject {
  const object = objects.get(key)
  if (object === undefined) throw new AppError('crypto.parameter-invalid', 'This is not a key')
  return object
}

function invalidUnless<Result>(what: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    throw new AppError('crypto.parameter-invalid', `This is not a ${what} key`, { cause })
  }
}
