// The face of cryptography: with random.ts the only place that reaches node:crypto. Nothing here needs more than BoringSSL has.
export * from './crypto/hash.ts'
export { AesKey, importAesKey, PrivateKey, PublicKey, type Curve } from './crypto/keys.ts'
export { aeadByCoseId, aeads, type Aead } from './crypto/aead.ts'
export { unwrapKey, wrapKey } from './crypto/key-wrap.ts'
export {
  exportPrivateKey,
  exportPublicKey,
  exportSpki,
  generateKeyPair,
  importPrivateKey,
  importPublicKey,
  publicKeyOf,
  sharedSecret,
  sign,
  verifySignature,
  type KeyPair,
  type SignatureFormat,
} from './crypto/curves.ts'

import { nativeCcm } from './crypto/aes-ccm.ts'
import { nativeKeyWrap } from './crypto/key-wrap.ts'

/** Which way each mode takes on this machine: for the diagnostics. */
export const cryptoPaths: Readonly<Record<'aesCcm' | 'keyWrap', 'native' | 'portable'>> = {
  aesCcm: nativeCcm === undefined ? 'portable' : 'native',
  keyWrap: nativeKeyWrap === undefined ? 'portable' : 'native',
}
