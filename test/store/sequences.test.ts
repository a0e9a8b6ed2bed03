// Sender Sequence Numbers never repeat: not after a crash, not in a copy, not after a restore (RFC 8613 §7.2.1, Appendix B.1).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom, systemRandom } from '#main/base/index.ts'
import { createSequenceStore, createSiteFile, openSiteFile, type DurableSequences, type SiteFile } from '#main/store/index.ts'
import { RESERVED_AT_ONCE } from '#main/wire/oscore/index.ts'
import { SenderSequence } from '../../src-main/wire/oscore/sender-sequence.ts'
import { exampleSite, storePorts, temporaryFolder } from '../support/site-file.ts'

const stale = expect.objectContaining({ code: 'oscore.sender-stale' }) as Error

interface Opened {
  readonly site: SiteFile
  readonly store: DurableSequences
  close(): void
}

function openAt(path: string, anchorFile: string): Opened {
  const site = existsSync(path) ? openSiteFile(path, storePorts()) : createSiteFile(path, exampleSite, storePorts())
  const store = createSequenceStore(site.database, { random: systemRandom, anchorFile, siteId: 'site-1' })
  return {
    site,
    store,
    close: () => {
      store.close()
      site.close()
    },
  }
}

function places(): { readonly site: string; readonly copy: string; readonly anchor: string } {
  const folder = temporaryFolder()
  return { site: join(folder, 'a.gws'), copy: join(folder, 'b.gws'), anchor: join(folder, 'program', 'anchors.db') }
}

function copyClosed(from: string, to: string): void {
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(`${to}${suffix}`, { force: true })
    if (existsSync(`${from}${suffix}`)) copyFileSync(`${from}${suffix}`, `${to}${suffix}`)
  }
}

describe('sequence numbers', () => {
  test('are reserved in blocks and go on behind the last block after a restart', () => {
    const { site, anchor } = places()
    const first = openAt(site, anchor)
    first.store.establish('k')
    const sequence = new SenderSequence(first.store, 'k')
    expect([sequence.take(), sequence.take()]).toEqual([0, 1])
    first.close()
    const second = openAt(site, anchor)
    expect(second.store.isCopy).toBe(false)
    expect(second.store.writerEpoch).toBe(first.store.writerEpoch)
    second.store.establish('k')
    expect(new SenderSequence(second.store, 'k').take()).toBe(RESERVED_AT_ONCE)
    second.close()
  })

  test('are refused for a context that nobody established, and inside a transaction that may be rolled back', () => {
    const { site, anchor } = places()
    const opened = openAt(site, anchor)
    expect(() => opened.store.reserve('unknown', 1)).toThrow(stale)
    opened.store.establish('k')
    expect(() => opened.site.transaction(() => opened.store.reserve('k', 1))).toThrow(stale)
    opened.close()
  })

  test('never go back in the file, whoever writes', () => {
    const { site, anchor } = places()
    const opened = openAt(site, anchor)
    opened.store.establish('k')
    opened.store.reserve('k', 10)
    expect(() => opened.site.database.exec('UPDATE oscore_sender SET next = 3')).toThrow()
    opened.store.forget('k')
    opened.store.establish('k')
    expect(opened.store.reserve('k', 1)).toBe(10)
    opened.close()
  })

  test('end with the number space', () => {
    const sequence = new SenderSequence({ establish: () => true, reserve: () => 2 ** 40 - 100, forget: () => undefined }, 'k')
    expect(() => sequence.take()).toThrow(expect.objectContaining({ code: 'oscore.sequence-exhausted' }) as Error)
  })
})

describe('a file that is not the one that was written last', () => {
  test('put back from an older copy gives no number of an old context, but of new ones', () => {
    const { site, copy, anchor } = places()
    const opened = openAt(site, anchor)
    opened.store.establish('k')
    opened.store.reserve('k', 10)
    opened.close()
    copyClosed(site, copy)
    const again = openAt(site, anchor)
    again.store.reserve('k', 10)
    again.close()
    copyClosed(copy, site)
    const restored = openAt(site, anchor)
    expect(restored.store.isCopy).toBe(true)
    restored.store.establish('k')
    expect(() => restored.store.reserve('k', 1)).toThrow(stale)
    restored.store.establish('fresh')
    expect(restored.store.reserve('fresh', 5)).toBe(0)
    restored.close()
  })

  test('opened on another machine, where no anchor is, gives none either', () => {
    const { site, copy, anchor } = places()
    const opened = openAt(site, anchor)
    opened.store.establish('k')
    opened.store.reserve('k', 10)
    opened.close()
    copyClosed(site, copy)
    const elsewhere = openAt(copy, `${anchor}.other`)
    expect(elsewhere.store.isCopy).toBe(true)
    expect(() => elsewhere.store.reserve('k', 1)).toThrow(stale)
    elsewhere.close()
    // The first goes on.
    const back = openAt(site, anchor)
    expect(back.store.reserve('k', 1)).toBe(10)
    back.close()
  })

  test('two copies open at once on one machine never give the same number', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 4, maxLength: 20 }), fc.nat(3), (turns, copiedAfter) => {
        const { site, copy, anchor } = places()
        const a = openAt(site, anchor)
        a.store.establish('k')
        for (let block = 0; block < copiedAfter; block++) a.store.reserve('k', 1)
        a.site.database.pragma('wal_checkpoint(TRUNCATE)')
        copyClosed(site, copy)
        const b = openAt(copy, anchor)
        const used = new Set(Array.from({ length: copiedAfter }, (_, index) => index))
        for (const turn of turns) {
          let number: number
          try {
            number = (turn ? a : b).store.reserve('k', 1)
          } catch (thrown) {
            expect(thrown).toEqual(stale)
            continue
          }
          expect(used.has(number)).toBe(false)
          used.add(number)
        }
        a.close()
        b.close()
      }),
      { numRuns: 12 },
    )
  })
})

test('a process that is killed while it sends never uses a number again', { timeout: 60_000 }, async () => {
  const { site, anchor } = places()
  openAt(site, anchor).close()
  const used = new Set<number>()
  const random = seededRandom(9)
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'sequences-child.ts'), site, anchor], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    let ready: () => void = () => undefined
    const isReady = new Promise<void>((resolve) => (ready = resolve))
    child.stdout.on('data', (chunk: Uint8Array) => {
      said += new TextDecoder().decode(chunk)
      // The first line greets; a number behind it says that the process is sending.
      if (said.split('\n').length > 2) ready()
    })
    await Promise.race([isReady, once(child, 'exit')])
    expect(child.exitCode).toBeNull()
    await new Promise((resolve) => setTimeout(resolve, 20 + random.below(80)))
    child.kill('SIGKILL')
    await once(child, 'close')
    const lines = said.split('\n').slice(1, -1)
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) {
      expect(used.has(Number(line))).toBe(false)
      used.add(Number(line))
    }
  }
})
