// COSE keys and messages (RFC 9052, RFC 9053), as far as credentials, tokens and OSCORE need them.
import { decodeCbor, encodeCbor, type CborKey, type CborValue } from './cbor.ts'
import { AppError } from './errors.ts'
import { exportPublicKey, importPublicKey, sign, verifySignature, type Aead } from './crypto.ts'
import type { AesKey, Curve, PrivateKey, PublicKey } from './crypto.ts'

type CborMap = ReadonlyMap<CborKey, CborValue>

/** Labels of COSE_Key maps (RFC 9052 §7.1, RFC 9053 §7). */
export const CoseKeyLabel = { KTY: 1, KID: 2, ALG: 3, CRV: -1, X: -2, Y: -3, D: -4 } as const
/** Labels of header maps (RFC 9052 §3.1). */
export const CoseHeader = { ALG: 1, CRIT: 2, CONTENT_TYPE: 3, KID: 4, IV: 5, PARTIAL_IV: 6, KID_CONTEXT: 10 } as const
export const CoseAlgorithm = { ES256: -7, EDDSA: -8, ESP256: -9, ED25519: -19 } as const

const CURVES: Readonly<Record<Curve, { readonly kty: number; readonly crv: number }>> = {
  'P-256': { kty: 2, crv: 1 },
  X25519: { kty: 1, crv: 4 },
  Ed25519: { kty: 1, crv: 6 },
}
const NO_BYTES: Uint8Array = new Uint8Array(0)

export interface CosePublicKey {
  readonly key: PublicKey
  readonly alg: number | undefined
  readonly kid: Uint8Array | undefined
}

/** Whether a decoded item is a map. */
export function isCborMap(value: CborValue | undefined): value is CborMap {
  return value instanceof Map
}

/** The public key of a decoded COSE_Key. Fails with `crypto.parameter-invalid` or, for other curves, `crypto.unsupported`. */
export function readCoseKey(value: CborValue | undefined): CosePublicKey {
  if (!isCborMap(value)) throw new AppError('crypto.parameter-invalid', 'This is not a COSE_Key')
  const kty = value.get(CoseKeyLabel.KTY)
  const crv = value.get(CoseKeyLabel.CRV)
  const curve = (Object.keys(CURVES) as Curve[]).find((name) => CURVES[name].kty === kty && CURVES[name].crv === crv)
  if (curve === undefined) throw new AppError('crypto.unsupported', 'A key of an unknown kind or curve')
  const x = value.get(CoseKeyLabel.X)
  const alg = value.get(CoseKeyLabel.ALG)
  const kid = value.get(CoseKeyLabel.KID)
  if (!(x instanceof Uint8Array) || x.length !== 32) throw new AppError('crypto.parameter-invalid', 'The key has no x coordinate')
  return {
    key: importPublicKey(curve, curve === 'P-256' ? pointOf(x, value.get(CoseKeyLabel.Y)) : x),
    alg: typeof alg === 'number' ? alg : undefined,
    kid: kid instanceof Uint8Array ? kid : undefined,
  }
}

/** y is the coordinate, or its sign where the point is compressed (RFC 9053 §7.1.1). */
function pointOf(x: Uint8Array, y: CborValue | undefined): Uint8Array {
  if (typeof y === 'boolean') return Uint8Array.of(y ? 3 : 2, ...x)
  if (y instanceof Uint8Array && y.length === 32) return Uint8Array.of(4, ...x, ...y)
  throw new AppError('crypto.parameter-invalid', 'The key has no y coordinate')
}

/** The COSE_Key map of a public key; `alg` is left out where it is undefined. */
export function coseKey(key: PublicKey, alg?: number): CborMap {
  const { kty, crv } = CURVES[key.curve]
  const raw = exportPublicKey(key)
  const entries: Array<[number, CborValue]> = [[CoseKeyLabel.KTY, kty]]
  if (alg !== undefined) entries.push([CoseKeyLabel.ALG, alg])
  entries.push([CoseKeyLabel.CRV, crv])
  if (key.curve === 'P-256') entries.push([CoseKeyLabel.X, raw.subarray(1, 33)], [CoseKeyLabel.Y, raw.subarray(33)])
  else entries.push([CoseKeyLabel.X, raw])
  return new Map(entries)
}

/** COSE_Encrypt0 as an untagged array: protected header, unprotected header, ciphertext (RFC 9052 §5.2). */
export interface CoseEncrypt0 {
  readonly protectedHeader: CborMap
  readonly unprotectedHeader: CborMap
  readonly plaintext: Uint8Array
}

export function encodeEncrypt0(message: CoseEncrypt0, aead: Aead, key: AesKey, nonce: Uint8Array, externalAad = NO_BYTES): Uint8Array {
  const header = message.protectedHeader.size === 0 ? NO_BYTES : encodeCbor(message.protectedHeader)
  const aad = encodeCbor(['Encrypt0', header, externalAad])
  return encodeCbor([header, message.unprotectedHeader, aead.seal(key, nonce, aad, message.plaintext)])
}

/** Decrypts COSE_Encrypt0, tagged (16) or not. `keyFor` names algorithm, key and nonce once the headers are known. */
export function decodeEncrypt0(
  bytes: Uint8Array,
  keyFor: (
    protectedHeader: CborMap,
    unprotectedHeader: CborMap,
  ) => { readonly aead: Aead; readonly key: AesKey; readonly nonce: Uint8Array },
  externalAad = NO_BYTES,
): CoseEncrypt0 {
  const [header, unprotectedHeader, ciphertext] = partsOf(bytes, 16, 3)
  if (!(header instanceof Uint8Array) || !isCborMap(unprotectedHeader) || !(ciphertext instanceof Uint8Array)) throw malformed()
  const protectedHeader = headerOf(header)
  const { aead, key, nonce } = keyFor(protectedHeader, unprotectedHeader)
  const plaintext = aead.open(key, nonce, encodeCbor(['Encrypt0', protectedHeader.size === 0 ? NO_BYTES : header, externalAad]), ciphertext)
  return { protectedHeader, unprotectedHeader, plaintext }
}

/** COSE_Sign1 as an untagged array (RFC 9052 §4.2). */
export interface CoseSign1 {
  readonly protectedHeader: CborMap
  readonly unprotectedHeader: CborMap
  readonly payload: Uint8Array
}

export function encodeSign1(message: CoseSign1, key: PrivateKey, externalAad = NO_BYTES): Uint8Array {
  const header = message.protectedHeader.size === 0 ? NO_BYTES : encodeCbor(message.protectedHeader)
  const signature = sign(key, encodeCbor(['Signature1', header, externalAad, message.payload]))
  return encodeCbor([header, message.unprotectedHeader, message.payload, signature])
}

/** Reads COSE_Sign1, tagged (18) or not, without looking at the signature; `isSignedBy` does. */
export function decodeSign1(bytes: Uint8Array): CoseSign1 & { isSignedBy(key: PublicKey, externalAad?: Uint8Array): boolean } {
  const [header, unprotectedHeader, payload, signature] = partsOf(bytes, 18, 4)
  if (!(header instanceof Uint8Array) || !isCborMap(unprotectedHeader)) throw malformed()
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) throw malformed()
  const protectedHeader = headerOf(header)
  // However an empty header was written, what is signed has an empty string for it (§4.4).
  const body = protectedHeader.size === 0 ? NO_BYTES : header
  return {
    protectedHeader,
    unprotectedHeader,
    payload,
    isSignedBy: (key, externalAad = NO_BYTES) => verifySignature(key, encodeCbor(['Signature1', body, externalAad, payload]), signature),
  }
}

function headerOf(bytes: Uint8Array): CborMap {
  const header = bytes.length === 0 ? new Map<CborKey, CborValue>() : decodeCbor(bytes)
  if (!isCborMap(header)) throw malformed()
  return header
}

/** The message's array without the tag of its kind, nor that of CWT (61) around it. */
function partsOf(bytes: Uint8Array, tag: number, length: number): readonly CborValue[] {
  const start = bytes[0] === 0xd8 && bytes[1] === 61 ? 2 : 0
  const item = decodeCbor(bytes.subarray(bytes[start] === (0xc0 | tag) ? start + 1 : start))
  if (!Array.isArray(item) || item.length !== length) throw malformed()
  const parts: readonly CborValue[] = item
  return parts
}

function malformed(): AppError {
  return new AppError('crypto.parameter-invalid', 'This is not a COSE message')
}
