// What demo devices remember stands sealed in the site file.
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom } from '#main/base/index.ts'
import { openProgramKeyring } from '#main/core/keyring.ts'
import { sealedMemory } from '#main/core/sealed-memory.ts'
import { temporaryFolder } from '../support/site-file.ts'

const table = () => {
  const texts = new Map<string, string>()
  return {
    texts,
    load: (name: string) => texts.get(name),
    save: (name: string, text: string) => void texts.set(name, text),
    saveAll: (all: ReadonlyMap<string, string>) => {
      for (const [name, text] of all) texts.set(name, text)
    },
  }
}
const keyring = (seed: number) => openProgramKeyring({ path: join(temporaryFolder(), 'keyring.json'), random: seededRandom(seed) })

describe('the memory of demo devices', () => {
  it('stands sealed behind, and reads as it was written', async () => {
    const behind = table()
    const memory = sealedMemory(behind, await keyring(1))
    memory.save('a', '{"masterSecret":"00ff"}')
    memory.saveAll?.(new Map([['b', 'späte Worte']]))
    expect([...behind.texts.values()].join()).not.toMatch(/masterSecret|Worte/)
    expect([memory.load('a'), memory.load('b'), memory.load('c')]).toEqual(['{"masterSecret":"00ff"}', 'späte Worte', undefined])
  })

  it('is forgotten under another keyring and where it was changed; what was never sealed is read', async () => {
    const behind = table()
    const memory = sealedMemory(behind, await keyring(1))
    memory.save('a', 'text')
    expect(sealedMemory(behind, await keyring(2)).load('a')).toBeUndefined()
    behind.texts.set('a', `${behind.texts.get('a') ?? ''}00`)
    behind.texts.set('b', 'sealed:no hex')
    behind.texts.set('c', 'from before')
    expect([memory.load('a'), memory.load('b'), memory.load('c')]).toEqual([undefined, undefined, 'from before'])
  })

  it('is left as it is where there is no keyring, because then no device is given keys', () => {
    const behind = table()
    const memory = sealedMemory(behind, new AppError('security.locked', 'The keyring needs its passphrase'))
    memory.save('a', 'text')
    expect(behind.texts.get('a')).toBe('text')
  })
})
