// The system's key store by Electron's asynchronous safeStorage: Keychain, DPAPI, libsecret or KWallet.
import { safeStorage } from 'electron'
import { AppError, fromHex, toHex } from '#main/base/index.ts'
import type { SystemKeyStore } from '#main/core.ts'

/** Parts of Electron that it stands on. */
type Storage = Pick<
  typeof safeStorage,
  'isAsyncEncryptionAvailable' | 'getSelectedStorageBackend' | 'encryptStringAsync' | 'decryptStringAsync'
>

export function systemKeyStore(storage: Storage = safeStorage, platform: NodeJS.Platform = process.platform): SystemKeyStore {
  return {
    async isAvailable() {
      if (!(await storage.isAsyncEncryptionAvailable())) return false
      // Without a password manager Linux encrypts under a password that everybody knows: that is no protection, and is not called one.
      return platform !== 'linux' || !['basic_text', 'unknown'].includes(storage.getSelectedStorageBackend())
    },
    async wrap(plain) {
      return new Uint8Array(await storage.encryptStringAsync(toHex(plain)))
    },
    async unwrap(wrapped) {
      const { result } = await storage.decryptStringAsync(Buffer.from(wrapped))
      const key = fromHex(result)
      if (key === undefined) throw new AppError('security.locked', 'The key store of the system gives back something else')
      return key
    },
  }
}
