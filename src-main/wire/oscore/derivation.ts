// Keys, Common IV and the keystream over countersignatures (RFC 8613 §3.2, draft-ietf-core-oscore-groupcomm-28 §2.1, §2.5.1, §4.2).
import { encodeCbor, hkdf, type HashName, type SecretKey } from '#main/base/index.ts'
import { headBytes, writeBytes } from './cbor-bytes.ts'

/** What all keys of a context are derived from. */
export interface KeySource {
  readonly hash: HashName
  readonly masterSecret: Uint8Array
  readonly masterSalt: Uint8Array
  /** ID Context, in groups the Gid. */
  readonly idContext: Uint8Array | undefined
}

const NO_BYTES = new Uint8Array(0)

function info(
  id: Uint8Array,
  idContext: Uint8Array | undefined,
  algorithm: number,
  type: 'Key' | 'IV' | 'SEKey',
  length: number,
): Uint8Array {
  return encodeCbor([id, idContext ?? null, algorithm, type, length])
}

export function deriveKey(source: KeySource, id: Uint8Array, algorithm: number, length: number): Uint8Array {
  return hkdf(source.hash, source.masterSecret, source.masterSalt, info(id, source.idContext, algorithm, 'Key', length), length)
}

export function deriveCommonIv(source: KeySource, algorithm: number, length: number): Uint8Array {
  return hkdf(source.hash, source.masterSecret, source.masterSalt, info(NO_BYTES, source.idContext, algorithm, 'IV', length), length)
}

export function deriveSignatureEncryptionKey(source: KeySource, algorithm: number, length: number): Uint8Array {
  return hkdf(source.hash, source.masterSecret, source.masterSalt, info(NO_BYTES, source.idContext, algorithm, 'SEKey', length), length)
}

/** §2.5.1. `senderKey`, `senderId` and `senderCredential` are those of the one whose messages the key protects. */
export function derivePairwiseKey(
  source: KeySource,
  sender: { readonly key: Uint8Array; readonly id: Uint8Array; readonly credential: Uint8Array },
  receiverCredential: Uint8Array,
  sharedSecret: Uint8Array,
  algorithm: number,
  length: number,
): Uint8Array {
  const secret = new Uint8Array(sender.credential.length + receiverCredential.length + sharedSecret.length)
  secret.set(sender.credential)
  secret.set(receiverCredential, sender.credential.length)
  secret.set(sharedSecret, sender.credential.length + receiverCredential.length)
  return hkdf(source.hash, secret, sender.key, info(sender.id, source.idContext, algorithm, 'Key', length), length)
}

/** §4.2. `id` is that of the one who generated the Partial IV, the ID Context that of this very message. */
export function keystreamOf(
  hash: HashName,
  signatureEncryptionKey: SecretKey,
  partialIv: Uint8Array,
  id: Uint8Array,
  gid: Uint8Array,
  isRequest: boolean,
  length: number,
): Uint8Array {
  const whole = new Uint8Array(1 + headBytes(id.length) + id.length + headBytes(gid.length) + gid.length + 3)
  whole[0] = 0x84
  let at = writeBytes(whole, 1, id)
  at = writeBytes(whole, at, gid)
  whole[at++] = isRequest ? 0xf5 : 0xf4
  // Lengths from 24 to 255: those of all signatures.
  whole[at++] = 0x18
  whole[at++] = length
  return hkdf(hash, signatureEncryptionKey, partialIv, whole.subarray(0, at), length)
}
