// A key vault in memory, as the program's keyring is one on disk: AES-256-GCM, the purpose bound to what is sealed.
import { aeadByCoseId, AppError, concatBytes, importAesKey, utf8, type Random } from '#main/base/index.ts'
import type { KeyProtection, KeyVault } from '#main/services/ra/index.ts'

/** A256GCM (RFC 9053 §4.1). */
const GCM = aeadByCoseId(3)

export function vaultOfKey(bytes: Uint8Array, random: Random, protection: KeyProtection): KeyVault {
  const key = importAesKey(bytes)
  return {
    protection,
    seal(purpose, secret) {
      const nonce = random.bytes(GCM.nonceBytes)
      return Promise.resolve(concatBytes(nonce, GCM.seal(key, nonce, utf8(purpose), secret)))
    },
    open(purpose, sealed) {
      try {
        return Promise.resolve(GCM.open(key, sealed.subarray(0, GCM.nonceBytes), utf8(purpose), sealed.subarray(GCM.nonceBytes)))
      } catch (thrown) {
        return Promise.reject(
          thrown instanceof Error ? thrown : new AppError('crypto.authentication-failed', 'The secret cannot be opened'),
        )
      }
    },
  }
}
