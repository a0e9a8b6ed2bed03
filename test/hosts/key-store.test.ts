// The system's key store as the keyring's keeper, with safeStorage as Electron's documents describe it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { seededRandom, utf8 } from '#main/base/index.ts'
import { openProgramKeyring } from '../../src-main/core/keyring.ts'
import { secretFrom, keyringOptions } from '../../src-main/hosts/keyring-options.ts'
import { systemKeyStore } from '../../src-main/hosts/electron/key-store.ts'
import { temporaryFolder } from '../support/site-file.ts'

vi.mock('electron', () => ({ safeStorage: {} }))

type Backend = 'basic_text' | 'gnome_libsecret'

function storage(backend: Backend, available = true) {
  return {
    isAsyncEncryptionAvailable: () => Promise.resolve(available),
    getSelectedStorageBackend: () => backend,
    encryptStringAsync: (text: string) => Promise.resolve(Buffer.from(text).reverse()),
    decryptStringAsync: (bytes: Buffer) => Promise.resolve({ shouldReEncrypt: false, result: Buffer.from(bytes).reverse().toString() }),
  }
}

describe('the system’s key store', () => {
  it('keeps the keyring, which opens with it alone', async () => {
    const path = join(temporaryFolder(), 'keyring.json')
    const system = systemKeyStore(storage('gnome_libsecret'), 'linux')
    const made = await openProgramKeyring({ path, random: seededRandom(1), system })
    expect(made.protection).toBe('system')
    const sealed = made.sealer.seal(utf8('secret'))
    const again = await openProgramKeyring({ path, random: seededRandom(2), system })
    expect(again.sealer.open(sealed)).toEqual(utf8('secret'))
    await expect(openProgramKeyring({ path, random: seededRandom(3) })).rejects.toMatchObject({ code: 'security.locked' })
  })

  it('that encrypts under a password everybody knows is not called a protection', async () => {
    const random = seededRandom(1)
    for (const [name, system] of [
      ['basic', systemKeyStore(storage('basic_text'), 'linux')],
      ['none', systemKeyStore(storage('gnome_libsecret', false), 'linux')],
    ] as const) {
      const path = join(temporaryFolder(), `${name}.json`)
      expect((await openProgramKeyring({ path, random, system })).protection).toBe('file')
      expect(existsSync(path)).toBe(true)
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ protection: 'file' })
    }
    expect(await systemKeyStore(storage('basic_text'), 'darwin').isAvailable?.()).toBe(true)
  })
})

describe('the passphrase of the keyring', () => {
  it('comes from a file or the environment, and an empty variable is none', () => {
    const file = join(temporaryFolder(), 'passphrase')
    writeFileSync(file, 'long enough\nnot this\n')
    expect(keyringOptions({ GROUPWRIGHT_KEYRING_PASSPHRASE_FILE: file, GROUPWRIGHT_KEYRING_PASSPHRASE: 'other' })).toEqual({
      keyring: { passphrase: 'long enough' },
    })
    expect(keyringOptions({ GROUPWRIGHT_KEYRING_PASSPHRASE: 'from here' })).toEqual({ keyring: { passphrase: 'from here' } })
    expect(keyringOptions({ GROUPWRIGHT_KEYRING_PASSPHRASE: '' })).toEqual({})
    expect(() => secretFrom({ X_FILE: '/nowhere/at/all' }, 'X')).toThrow(expect.objectContaining({ code: 'import.unreadable' }))
  })
})
