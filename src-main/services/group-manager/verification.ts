// The key that takes the encryption from countersignatures, for those who verify them from outside the group
// (draft-ietf-core-oscore-groupcomm-28 §2.1.9; key-groupcomm-oscore-21 §9.6).
import { aeads, chaCha20Poly1305, encodeCbor, hkdf, type HashName } from '#main/base/index.ts'
import type { GroupState } from './group-state.ts'

const HASHES = new Map<number, HashName>([
  [5, 'sha256'],
  [6, 'sha384'],
  [7, 'sha512'],
])
const COUNTER_KEY_BYTES = new Map([
  [-65_534, 16],
  [-65_533, 24],
  [-65_532, 32],
])

/** Undefined in a group without signatures. */
export function signatureEncryptionKeyOf({ stored, secrets }: GroupState): Uint8Array | undefined {
  const { groupMode, hkdf: hmac } = stored.configuration
  if (groupMode === undefined) return undefined
  const { encryption } = groupMode
  const aead = [...aeads, ...(chaCha20Poly1305 === undefined ? [] : [chaCha20Poly1305])].find(({ coseId }) => coseId === encryption)
  const keyBytes = aead?.keyBytes ?? COUNTER_KEY_BYTES.get(encryption) ?? 16
  const info = encodeCbor([new Uint8Array(0), stored.gid, encryption, 'SEKey', keyBytes])
  return hkdf(HASHES.get(hmac) ?? 'sha256', secrets.masterSecret, secrets.masterSalt, info, keyBytes)
}
