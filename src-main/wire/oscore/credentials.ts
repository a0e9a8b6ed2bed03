// Authentication credentials of a group's members: CCS, CWT and X.509 (draft-ietf-core-oscore-groupcomm-28 §2.4). Their bytes are never
// written anew: they are part of what is signed and of the keys.
import {
  AppError,
  CoseAlgorithm,
  CoseHeader,
  coseKey,
  decodeCbor,
  encodeCbor,
  encodeSign1,
  isCborMap,
  publicKeyOfCertificate,
  readCoseKey,
  type CborKey,
  type CborValue,
  type PrivateKey,
  type PublicKey,
} from '#main/base/index.ts'
import { byteString } from './cbor-bytes.ts'

/** COSE header parameters that name the format (cred_fmt). */
export const CredentialFormat = { CWT: 13, CCS: 14, X5BAG: 32, X5CHAIN: 33 } as const

export interface Credential {
  readonly bytes: Uint8Array
  /** The same as a CBOR byte string, as external_aad has it. */
  readonly encoded: Uint8Array
  readonly publicKey: PublicKey
  readonly alg: number | undefined
}

const CNF = 8
const SUB = 2
const EXP = 4
const COSE_KEY = 1

/** Fails with `oscore.credential-invalid` for everything that is no credential of that format with a key that is understood here. */
export function readCredential(bytes: Uint8Array, format: number): Credential {
  try {
    const { key, alg } = keyIn(bytes, format)
    return { bytes, encoded: byteString(bytes), publicKey: key, alg }
  } catch (cause) {
    throw new AppError('oscore.credential-invalid', 'The credential cannot be used', { details: { format }, cause })
  }
}

function keyIn(bytes: Uint8Array, format: number): { readonly key: PublicKey; readonly alg: number | undefined } {
  switch (format) {
    case CredentialFormat.CCS:
      return keyInClaims(decodeCbor(bytes))
    case CredentialFormat.CWT:
      return keyInClaims(decodeCbor(payloadOfCwt(decodeCbor(bytes))))
    case CredentialFormat.X5BAG:
    case CredentialFormat.X5CHAIN:
      return { key: publicKeyOfCertificate(bytes), alg: undefined }
    default:
      throw new AppError('crypto.unsupported', 'Unknown credential format')
  }
}

function keyInClaims(claims: CborValue): { readonly key: PublicKey; readonly alg: number | undefined } {
  const cnf = isCborMap(claims) ? claims.get(CNF) : undefined
  if (!isCborMap(cnf)) throw new AppError('cbor.invalid', 'The credential names no key')
  return readCoseKey(cnf.get(COSE_KEY))
}

/** A signed CWT without tag (RFC 8392 §7.1). Whether its signature is worth anything the Group Manager has judged. */
function payloadOfCwt(item: CborValue): Uint8Array {
  const parts: readonly CborValue[] = Array.isArray(item) ? item : []
  const payload = parts.length === 4 ? parts[2] : undefined
  if (!(payload instanceof Uint8Array)) throw new AppError('cbor.invalid', 'This is not a signed CWT')
  return payload
}

interface ClaimOptions {
  readonly alg?: number
  readonly subject?: string
  readonly expiresAtS?: number
}

/** An untagged CCS for a key: with `alg`, which some peers insist on, and with a subject where one is given. */
export function makeCcs(key: PublicKey, options: ClaimOptions = {}): Uint8Array {
  const claims = new Map<CborKey, CborValue>()
  if (options.subject !== undefined) claims.set(SUB, options.subject)
  if (options.expiresAtS !== undefined) claims.set(EXP, options.expiresAtS)
  claims.set(CNF, new Map<CborKey, CborValue>([[COSE_KEY, coseKey(key, options.alg ?? usualAlgorithm(key))]]))
  return encodeCbor(claims)
}

/** The same claims as an untagged CWT, signed by its issuer (RFC 8392 §7.1). */
export function makeCwt(key: PublicKey, issuer: PrivateKey, options: ClaimOptions = {}): Uint8Array {
  const protectedHeader = new Map<CborKey, CborValue>([[CoseHeader.ALG, usualAlgorithm(issuer) ?? null]])
  return encodeSign1({ protectedHeader, unprotectedHeader: new Map(), payload: makeCcs(key, options) }, issuer)
}

function usualAlgorithm({ curve }: PublicKey | PrivateKey): number | undefined {
  return curve === 'Ed25519' ? CoseAlgorithm.EDDSA : curve === 'P-256' ? CoseAlgorithm.ES256 : undefined
}
