// Nothing lost and nothing done twice over kill -9 at any moment: real processes, a real file.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { seededRandom, systemClock, systemRandom } from '#main/base/index.ts'
import { openSiteFile } from '#main/store/index.ts'
import { storePorts, temporaryFolder } from '../../support/site-file.ts'

const ITEMS = 200
const KILLS = 15
const CONCURRENCY = 4
const CHILD = join(import.meta.dirname, 'kill-child.ts')

/** Runs the child; kills it a moment after its n-th line. Answers whether it ended by itself. */
function runChild(site: string, log: string, kill?: { readonly afterLines: number; readonly delayMs: number }): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, site, log, String(ITEMS)], { stdio: ['ignore', 'pipe', 'pipe'] })
    // A child that hangs must not outlive the test.
    onTestFinished(() => void child.kill('SIGKILL'))
    let lines = 0
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const before = lines
      lines += text.split('\n').length - 1
      if (kill !== undefined && before < kill.afterLines && lines >= kill.afterLines) setTimeout(() => child.kill('SIGKILL'), kill.delayMs)
    })
    child.on('exit', (code, signal) => {
      if (signal === 'SIGKILL' || code === 0) resolve(signal === null)
      else reject(new Error(`child ended with ${String(code)}: ${errors}`))
    })
  })
}

test(
  `${ITEMS} items survive ${KILLS} kills: each is done, and none that was reported done is done again`,
  { timeout: 120_000 },
  async () => {
    const seed = systemRandom.below(1_000_000)
    const random = seededRandom(seed)
    const folder = temporaryFolder()
    const site = join(folder, 'site.gws')
    const log = join(folder, 'effects.log')
    let kills = 0
    for (let round = 0; round < KILLS; round++) {
      const ended = await runChild(site, log, { afterLines: 1 + random.below(20), delayMs: random.below(8) })
      if (!ended) kills++
    }
    expect(await runChild(site, log)).toBe(true)
    expect(kills, `seed ${seed}`).toBeGreaterThanOrEqual(10)

    const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
    const done = new Set<string>()
    const effects = new Set<string>()
    const attempts = new Map<string, number>()
    const again: string[] = []
    for (const line of lines) {
      const [what = '', subject = '', attempt = ''] = line.split(' ')
      if (what === 'start') {
        if (done.has(subject)) again.push(subject)
        // Killed between the durable start and the run: an attempt may be counted that left no line.
        expect(Number(attempt)).toBeGreaterThan(attempts.get(subject) ?? 0)
        attempts.set(subject, Number(attempt))
      }
      if (what === 'effect') effects.add(subject)
      if (what === 'ok') done.add(subject)
    }
    expect(again, `seed ${seed}`).toEqual([])
    expect(effects.size).toBe(ITEMS)
    const starts = lines.filter((line) => line.startsWith('start')).length
    expect(starts).toBeLessThanOrEqual(ITEMS + kills * CONCURRENCY)

    const file = openSiteFile(site, storePorts(systemClock))
    const job = file.jobs.jobs()[0]
    expect(job?.state).toBe('done')
    expect(file.jobs.counts(job?.id ?? '')).toMatchObject({ ok: ITEMS, pending: 0, running: 0, failed: 0 })
    file.close()
    expect(existsSync(`${site}-wal`)).toBe(false)
  },
)
