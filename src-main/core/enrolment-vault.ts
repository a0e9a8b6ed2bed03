// The program's keyring as the registration authority's key vault: one key ring seals whatever a site file keeps secret.
import { AppError, concatBytes, equalBytes, utf8 } from '#main/base/index.ts'
import type { KeyProtection, KeyVault } from '#main/services/ra/index.ts'
import type { Keyring, KeyringProtection } from './keyring.ts'

/** A key that file permissions alone keep is called what it is. */
const PROTECTIONS: Readonly<Record<KeyringProtection, KeyProtection>> = { system: 'system', passphrase: 'passphrase', file: 'unprotected' }
const LONGEST_PURPOSE_BYTES = 255

/** What is sealed begins with its purpose, so that nothing sealed for one can be opened as another. */
export function vaultOf({ protection, sealer }: Keyring): KeyVault {
  return {
    protection: PROTECTIONS[protection],
    async seal(purpose, secret) {
      return Promise.resolve(sealer.seal(concatBytes(headOf(purpose), secret)))
    },
    async open(purpose, sealed) {
      const head = headOf(purpose)
      const plain = await Promise.resolve(sealer.open(sealed))
      if (!equalBytes(plain.subarray(0, head.length), head)) {
        throw new AppError('crypto.authentication-failed', 'The secret was sealed for another purpose')
      }
      return plain.slice(head.length)
    },
  }
}

function headOf(purpose: string): Uint8Array {
  const text = utf8(purpose)
  if (text.length > LONGEST_PURPOSE_BYTES) throw new AppError('internal', 'The purpose of a secret is too long')
  return concatBytes(Uint8Array.of(text.length), text)
}
