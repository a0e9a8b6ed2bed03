// ChaCha20-Poly1305 (RFC 8439) as COSE names it (RFC 9053 §4.3), where the platform has it: Electron's BoringSSL offers no cipher for it.
import { createCipheriv, createDecipheriv, getCiphers } from 'node:crypto'
import { concatBytes } from '../bytes.ts'
import { AppError } from '../errors.ts'
import type { Aead } from './aead.ts'
import { keyObjectOf, type AesKey } from './keys.ts'

const NAME = 'chacha20-poly1305'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

const native: Aead = {
  name: 'ChaCha20/Poly1305',
  coseId: 24,
  keyBytes: KEY_BYTES,
  nonceBytes: NONCE_BYTES,
  tagBytes: TAG_BYTES,
  seal(key, nonce, aad, plaintext) {
    check(key, nonce)
    const cipher = createCipheriv(NAME, keyObjectOf(key), nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(aad, { plaintextLength: plaintext.length })
    return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
  },
  open(key, nonce, aad, sealed) {
    check(key, nonce)
    const border = sealed.length - TAG_BYTES
    if (border < 0) throw new AppError('crypto.authentication-failed', 'The message is shorter than its tag')
    const decipher = createDecipheriv(NAME, keyObjectOf(key), nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(aad, { plaintextLength: border })
    decipher.setAuthTag(sealed.subarray(border))
    try {
      return concatBytes(decipher.update(sealed.subarray(0, border)), decipher.final())
    } catch {
      throw new AppError('crypto.authentication-failed', 'The message is not authentic')
    }
  },
}

function check(key: AesKey, nonce: Uint8Array): void {
  if (key.lengthBytes === KEY_BYTES && nonce.length === NONCE_BYTES) return
  throw new AppError('crypto.parameter-invalid', 'Key or nonce has a wrong length', { details: { algorithm: NAME } })
}

/** Undefined where the platform has none. */
export const chaCha20Poly1305: Aead | undefined = getCiphers().includes(NAME) ? native : undefined
