// The AEADs of TLS 1.2 records: AES-128 in CCM with a tag of 8 or 16 bytes (RFC 6655) and in GCM (RFC 5288). Nonces have 12 bytes.
import { aeadByCoseId } from './aead.ts'
import { ccm } from './aes-ccm.ts'
import type { AesKey } from './keys.ts'

export type RecordAeadName = 'AES-128-CCM-8' | 'AES-128-CCM' | 'AES-128-GCM'

export interface RecordAead {
  readonly tagBytes: number
  /** The ciphertext with the tag behind it. A nonce must never serve one key twice. */
  seal(key: AesKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The plaintext; `crypto.authentication-failed` when anything was changed. */
  open(key: AesKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array
}

function ccmWith(tagBytes: number): RecordAead {
  return {
    tagBytes,
    seal: (key, nonce, aad, plaintext) => ccm.seal(key, nonce, aad, plaintext, tagBytes),
    open: (key, nonce, aad, sealed) => ccm.open(key, nonce, aad, sealed, tagBytes),
  }
}

export const recordAeads: Readonly<Record<RecordAeadName, RecordAead>> = {
  'AES-128-CCM-8': ccmWith(8),
  'AES-128-CCM': ccmWith(16),
  'AES-128-GCM': aeadByCoseId(1),
}
