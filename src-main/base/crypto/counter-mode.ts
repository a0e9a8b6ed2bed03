// AES in counter mode without authentication, as COSE names it (RFC 9459 §4): for group messages that a signature protects anyway.
import { createCipheriv } from 'node:crypto'
import { AppError } from '../errors.ts'
import { keyObjectOf, type AesKey } from './keys.ts'

/** The nonce that COSE has for A128CTR and its siblings in Group OSCORE; the remaining four bytes of the block count. */
export const COUNTER_NONCE_BYTES = 12
const BLOCK_BYTES = 16

/** Encrypts and decrypts: both are the same. A nonce must never serve one key twice. */
export function aesCounterMode(key: AesKey, nonce: Uint8Array, data: Uint8Array): Uint8Array {
  if (nonce.length !== COUNTER_NONCE_BYTES) {
    throw new AppError('crypto.parameter-invalid', 'The nonce has a wrong length', { details: { nonceBytes: nonce.length } })
  }
  const start = new Uint8Array(BLOCK_BYTES)
  start.set(nonce)
  return new Uint8Array(createCipheriv(`aes-${8 * key.lengthBytes}-ctr`, keyObjectOf(key), start).update(data))
}
