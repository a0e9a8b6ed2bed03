// The algorithms of OSCORE and Group OSCORE by their COSE numbers (RFC 9053, RFC 9459, RFC 9864; draft-ietf-core-oscore-groupcomm-28 §2.1).
import {
  aeads,
  aesCounterMode,
  AppError,
  chaCha20Poly1305,
  COUNTER_NONCE_BYTES,
  type Aead,
  type Curve,
  type HashName,
} from '#main/base/index.ts'

/** How content is encrypted; without a tag (`tagBytes` 0) only where a signature protects it, too. */
export type ContentEncryption = Aead

function counterMode(coseId: number, keyBits: 128 | 192 | 256): ContentEncryption {
  return {
    name: `A${keyBits}CTR`,
    coseId,
    keyBytes: keyBits / 8,
    nonceBytes: COUNTER_NONCE_BYTES,
    tagBytes: 0,
    seal: (key, nonce, _aad, plaintext) => aesCounterMode(key, nonce, plaintext),
    open: (key, nonce, _aad, sealed) => aesCounterMode(key, nonce, sealed),
  }
}

const authenticated = new Map<number, ContentEncryption>(
  [...aeads, ...(chaCha20Poly1305 === undefined ? [] : [chaCha20Poly1305])].map((aead) => [aead.coseId, aead]),
)
const unauthenticated = new Map(
  [counterMode(-65_534, 128), counterMode(-65_533, 192), counterMode(-65_532, 256)].map((mode) => [mode.coseId, mode]),
)

/** AEAD algorithms that can be used here: ChaCha20-Poly1305 where the platform has it. */
export const SUPPORTED_AEADS: readonly number[] = [...authenticated.keys()]

export function aeadOf(coseId: number): ContentEncryption {
  return authenticated.get(coseId) ?? unsupported('AEAD', coseId)
}

/** Of the group mode: also AES-CTR, never AES-CBC (§2.1.7). */
export function groupEncryptionOf(coseId: number): ContentEncryption {
  return authenticated.get(coseId) ?? unauthenticated.get(coseId) ?? unsupported('group encryption', coseId)
}

/** By the HMAC's COSE number, as in OSCORE contexts, or by that of `direct+HKDF` (RFC 9053 §6.1.2). */
const HASHES = new Map<number, HashName>([
  [5, 'sha256'],
  [6, 'sha384'],
  [7, 'sha512'],
  [-10, 'sha256'],
  [-11, 'sha512'],
])

export function hashOf(coseId: number): HashName {
  return HASHES.get(coseId) ?? unsupported('HKDF', coseId)
}

export interface SignatureAlgorithm {
  readonly coseId: number
  readonly curve: Curve
  readonly bytes: number
}

/** EdDSA and ES256 by their old numbers and by those of RFC 9864: whichever the group has goes into what is signed. */
const SIGNATURES = new Map<number, Curve>([
  [-8, 'Ed25519'],
  [-19, 'Ed25519'],
  [-7, 'P-256'],
  [-9, 'P-256'],
])

export function signatureOf(coseId: number): SignatureAlgorithm {
  return { coseId, curve: SIGNATURES.get(coseId) ?? unsupported('signature', coseId), bytes: 64 }
}

/** ECDH-SS with HKDF-256 or HKDF-512 (RFC 9053 §6.3.1); aiocoap announces the signature's number for P-256, which is taken as it is. */
const AGREEMENTS = new Set([-27, -28, -7])

export function requireAgreement(coseId: number): number {
  return AGREEMENTS.has(coseId) ? coseId : unsupported('key agreement', coseId)
}

function unsupported(what: string, coseId: number): never {
  throw new AppError('crypto.unsupported', `Unknown ${what} algorithm`, { details: { coseId } })
}
