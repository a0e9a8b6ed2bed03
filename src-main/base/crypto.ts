// The face of cryptography: with random.ts the only place that reaches node:crypto. Nothing here needs more than BoringSSL has.
export * from './crypto/hash.ts'
export { AesKey, importAesKey, importSecretKey, PrivateKey, PublicKey, SecretKey, type Curve } from './crypto/keys.ts'
export { aeadByCoseId, aeads, type Aead } from './crypto/aead.ts'
export { chaCha20Poly1305 } from './crypto/chacha.ts'
export { aesCounterMode, COUNTER_NONCE_BYTES } from './crypto/counter-mode.ts'
export { publicKeyOfCertificate } from './crypto/certificate-key.ts'
export { isCertificateFrom, selfSignedCertificate, type OwnCertificate } from './crypto/certificate-issue.ts'
export { spkiOfCertificate } from './crypto/certificate-spki.ts'
export { recordAeads, type RecordAead, type RecordAeadName } from './crypto/record-aead.ts'
export { Spake2PlusProver, type Spake2PlusOptions, type Spake2PlusProof } from './crypto/spake2plus.ts'
export { tlsPrf } from './crypto/tls-prf.ts'
export { HmacSha256 } from './crypto/hmac-sha256.ts'
export { generateAgreementKey, type AgreementCurve, type AgreementKey } from './crypto/agreement.ts'
export { toX25519PrivateKey, toX25519PublicKey } from './crypto/montgomery.ts'
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
export { rawOfDer } from './crypto/ecdsa-form.ts'
export { pbkdf2 } from './crypto/pbkdf2.ts'
export * from './crypto/pki-keys.ts'

import { nativeCcm } from './crypto/aes-ccm.ts'
import { nativeKeyWrap } from './crypto/key-wrap.ts'

/** Which way each mode takes on this machine: for the diagnostics. */
export const cryptoPaths: Readonly<Record<'aesCcm' | 'keyWrap', 'native' | 'portable'>> = {
  aesCcm: nativeCcm === undefined ? 'portable' : 'native',
  keyWrap: nativeKeyWrap === undefined ? 'portable' : 'native',
}
