// Signature schemes of certificates and raw public keys: ECDSA (RFC 5246 §7.4.1.4.1, RFC 8422 §5.1.3) and Ed25519 (RFC 8422 §5.10).
import { importVerifyingKey, signAs, toAppError, verifyAs, type SignatureScheme, type SigningKey } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'
import type { Signed } from './messages/certificate-verify.ts'

const ECDSA_SHA256 = 0x0403
const ECDSA_SHA384 = 0x0503
const ECDSA_SHA512 = 0x0603
const ED25519 = 0x0807

const SCHEMES: ReadonlyMap<number, SignatureScheme> = new Map([
  [ECDSA_SHA256, { family: 'ecdsa', hash: 'sha256' } as const],
  [ECDSA_SHA384, { family: 'ecdsa', hash: 'sha384' } as const],
  [ECDSA_SHA512, { family: 'ecdsa', hash: 'sha512' } as const],
  [ED25519, { family: 'ed25519' } as const],
])

/** What is offered, best first. */
export const OFFERED_SCHEMES: readonly number[] = [...SCHEMES.keys()]

const OF_KEY: Readonly<Record<SigningKey['algorithm'], number>> = { 'P-256': ECDSA_SHA256, 'P-384': ECDSA_SHA384, Ed25519: ED25519 }

/** Whether the peer, who takes these schemes, can verify what the key signs. */
export function canSignFor(key: SigningKey, schemes: readonly number[]): boolean {
  return schemes.includes(OF_KEY[key.algorithm])
}

export function signFor(key: SigningKey, content: Uint8Array): Signed {
  return { scheme: OF_KEY[key.algorithm], signature: signAs(key, content) }
}

/** Throws `decrypt_error` where the signature is not the key's (RFC 5246 §7.4.8). */
export function requireSignature(spki: Uint8Array, signed: Signed, content: Uint8Array): void {
  const scheme = SCHEMES.get(signed.scheme)
  if (scheme === undefined) throw new AlertFailure('illegal_parameter', 'The signature’s scheme was not offered')
  if (!verifyAs(keyOf(spki), scheme, content, signed.signature)) {
    throw new AlertFailure('decrypt_error', 'The signature is not that of the certificate’s key')
  }
}

function keyOf(spki: Uint8Array): ReturnType<typeof importVerifyingKey> {
  try {
    return importVerifyingKey(spki)
  } catch (thrown) {
    const unsupported = toAppError(thrown).code === 'crypto.unsupported'
    throw new AlertFailure(unsupported ? 'unsupported_certificate' : 'bad_certificate', 'The certificate’s key cannot be used')
  }
}
