// The program's keyring: what seals the keys in site files, and what is to be had without it.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, systemRandom, toHex, utf8 } from '#main/base/index.ts'
import { openProgramKeyring, type KeyringOptions } from '../../src-main/core/keyring.ts'
import { temporaryFolder } from '../support/site-file.ts'

const CHEAP = { n: 1024, r: 8, p: 1 }
const secret = utf8('sixteen bytes ok')

function options(more: Partial<KeyringOptions> = {}): KeyringOptions {
  return { path: join(temporaryFolder(), 'settings/keyring.json'), random: systemRandom, cost: CHEAP, ...more }
}
async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (thrown: unknown) => (thrown instanceof AppError ? thrown.code : String(thrown)),
  )
}

describe('the keyring', () => {
  it('opens what it has sealed, in the next process too, and nothing else', async () => {
    const given = options()
    const first = await openProgramKeyring(given)
    const sealed = first.sealer.seal(secret)
    expect(toHex(sealed)).not.toContain(toHex(secret))
    expect(toHex(first.sealer.seal(secret))).not.toBe(toHex(sealed))
    expect((await openProgramKeyring(given)).sealer.open(sealed)).toEqual(secret)
    const other = await openProgramKeyring(options())
    expect(() => other.sealer.open(sealed)).toThrow(AppError)
    for (let index = 0; index < sealed.length; index++) {
      const changed = sealed.slice()
      changed[index] = (changed[index] ?? 0) ^ 1
      expect(() => first.sealer.open(changed)).toThrow(AppError)
    }
  })

  it('says that file permissions alone keep it where nothing better is there', async () => {
    const given = options()
    expect((await openProgramKeyring(given)).protection).toBe('file')
    if (process.platform !== 'win32') expect(statSync(given.path).mode & 0o077).toBe(0)
  })

  it('needs its passphrase, and stays locked without it or with another', async () => {
    const given = options({ passphrase: 'Übung macht den Meister' })
    const keyring = await openProgramKeyring(given)
    expect(keyring.protection).toBe('passphrase')
    expect(readFileSync(given.path, 'utf8')).not.toContain('"key"')
    expect(await codeOf(openProgramKeyring({ ...given, passphrase: undefined }))).toBe('security.locked')
    expect(await codeOf(openProgramKeyring({ ...given, passphrase: 'guess' }))).toBe('security.locked')
    // The same letters, composed otherwise.
    const again = await openProgramKeyring({ ...given, passphrase: 'U\u0308bung macht den Meister' })
    expect(again.sealer.open(keyring.sealer.seal(secret))).toEqual(secret)
    // Cheaper work for whoever guesses is noticed.
    writeFileSync(given.path, readFileSync(given.path, 'utf8').replace('"n":1024', '"n":2'))
    expect(await codeOf(openProgramKeyring(given))).toBe('security.locked')
  })

  it.each(['', '{}', '[1]', 'null', '{"version":1,"protection":"file","key":"00"}', '{"version":2}', 'x'.repeat(5000)])(
    'refuses %j',
    async (text) => {
      const given = options()
      await openProgramKeyring(given)
      writeFileSync(given.path, text)
      expect(await codeOf(openProgramKeyring(given))).toBe('store.corrupt')
    },
  )

  it('made by two at once is the one that was there first', async () => {
    const given = options({ random: seededRandom(1) })
    const [a, b] = await Promise.all([openProgramKeyring(given), openProgramKeyring({ ...given, random: seededRandom(2) })])
    expect(b.sealer.open(a.sealer.seal(secret))).toEqual(secret)
  })
})
