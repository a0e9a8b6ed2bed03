// Access tokens: CBOR Web Tokens in COSE_Encrypt0 under a key that authorisation server and Group Manager share, with the OSCORE Input
// Material of the client inside (RFC 8392, RFC 9200 §5.10, RFC 9203 §3.2).
import {
  aeadByCoseId,
  CoseHeader,
  decodeCbor,
  decodeEncrypt0,
  encodeCbor,
  encodeEncrypt0,
  isCborMap,
  type AesKey,
  type CborKey,
  type CborValue,
  type Random,
} from '#main/base/index.ts'
import { Claim, Cnf, KeyParam } from './labels.ts'
import { mapOf } from './payloads.ts'
import { bytesOf, textOf, uintOf } from './reading.ts'

/** What client and Group Manager derive their OSCORE context from. */
export interface InputMaterial {
  readonly id: Uint8Array
  readonly masterSecret: Uint8Array
  readonly salt: Uint8Array
}

export interface TokenClaims {
  /** Whom the token was issued to, by the name of its context with the authorisation server. */
  readonly subject: string | undefined
  readonly audience: string | undefined
  readonly expiresAtS: number
  readonly issuedAtS: number | undefined
  readonly scope: Uint8Array
  /** New material, or the identifier of that which the client has already. */
  readonly confirmation: InputMaterial | { readonly kid: Uint8Array }
}

export const TOKEN_KEY_BYTES = 16
const AES_CCM_16_64_128 = 10
const aead = aeadByCoseId(AES_CCM_16_64_128)
const DEFAULT_HKDF = 5
const OSCORE_VERSION = 1
const MAX_TOKEN_BYTES = 8192
const NO_BYTES = new Uint8Array(0)

export function encodeToken(claims: TokenClaims, key: AesKey, random: Random): Uint8Array {
  const { confirmation } = claims
  const cnf = 'kid' in confirmation ? mapOf([[Cnf.KID, confirmation.kid]]) : mapOf([[Cnf.OSC, materialMap(confirmation)]])
  const plaintext = encodeCbor(
    mapOf([
      [Claim.SUB, claims.subject],
      [Claim.AUD, claims.audience],
      [Claim.EXP, claims.expiresAtS],
      [Claim.IAT, claims.issuedAtS],
      [Claim.CNF, cnf],
      [Claim.SCOPE, claims.scope],
    ]),
  )
  const iv = random.bytes(aead.nonceBytes)
  const protectedHeader = new Map<CborKey, CborValue>([[CoseHeader.ALG, AES_CCM_16_64_128]])
  return encodeEncrypt0({ protectedHeader, unprotectedHeader: new Map([[CoseHeader.IV, iv]]), plaintext }, aead, key, iv)
}

/** Undefined for whatever was not sealed with the key. `malformed`: it was, but says what is not understood. */
export function decodeToken(token: Uint8Array, key: AesKey): TokenClaims | 'malformed' | undefined {
  if (token.length > MAX_TOKEN_BYTES) return undefined
  let plaintext: Uint8Array
  try {
    plaintext = decodeEncrypt0(token, (_protected, unprotected) => ({
      aead,
      key,
      nonce: bytesOf(unprotected.get(CoseHeader.IV)) ?? NO_BYTES,
    })).plaintext
  } catch {
    return undefined
  }
  try {
    return readClaims(decodeCbor(plaintext)) ?? 'malformed'
  } catch {
    return 'malformed'
  }
}

function readClaims(claims: CborValue): TokenClaims | undefined {
  if (!isCborMap(claims)) return undefined
  const scope = bytesOf(claims.get(Claim.SCOPE))
  const expiresAtS = uintOf(claims.get(Claim.EXP))
  const confirmation = readConfirmation(claims.get(Claim.CNF))
  if (scope === undefined || expiresAtS === undefined || confirmation === undefined) return undefined
  return {
    subject: textOf(claims.get(Claim.SUB)),
    audience: textOf(claims.get(Claim.AUD)),
    expiresAtS,
    issuedAtS: uintOf(claims.get(Claim.IAT)),
    scope,
    confirmation,
  }
}

function readConfirmation(cnf: CborValue): TokenClaims['confirmation'] | undefined {
  if (!isCborMap(cnf)) return undefined
  const kid = bytesOf(cnf.get(Cnf.KID))
  return kid === undefined ? readMaterial(cnf.get(Cnf.OSC)) : { kid }
}

export function materialMap({ id, masterSecret, salt }: InputMaterial): CborValue {
  return mapOf([
    [KeyParam.ID, id],
    [KeyParam.MS, masterSecret],
    [KeyParam.SALT, salt],
  ])
}

/** Only the algorithms that both ends have anyway; other parameters are not understood, and so refused (RFC 9203 §4.2). */
export function readMaterial(value: CborValue): InputMaterial | undefined {
  if (!isCborMap(value)) return undefined
  const id = bytesOf(value.get(KeyParam.ID))
  const masterSecret = bytesOf(value.get(KeyParam.MS))
  const salt = value.has(KeyParam.SALT) ? bytesOf(value.get(KeyParam.SALT)) : NO_BYTES
  const known = new Map<CborKey, CborValue>([
    [KeyParam.VERSION, OSCORE_VERSION],
    [KeyParam.HKDF, DEFAULT_HKDF],
    [KeyParam.ALG, AES_CCM_16_64_128],
  ])
  const own = new Set<CborKey>([KeyParam.ID, KeyParam.MS, KeyParam.SALT])
  for (const [label, parameter] of value) if (!own.has(label) && known.get(label) !== parameter) return undefined
  if (id === undefined || masterSecret === undefined || masterSecret.length === 0 || salt === undefined) return undefined
  return { id, masterSecret, salt }
}

/** Salt and both nonces, each as a CBOR byte string (RFC 9203 §4.3). */
export function masterSaltOf(salt: Uint8Array, nonce1: Uint8Array, nonce2: Uint8Array): Uint8Array {
  const parts = [encodeCbor(salt), encodeCbor(nonce1), encodeCbor(nonce2)]
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
