// Items whose way is away wait; the others go on; those under way are put back when asked for, and nothing is lost.
import { describe, expect, test } from 'vitest'
import { delay, seededRandom, silentLogger } from '#main/base/index.ts'
import { createJobs } from '#main/site/jobs/index.ts'
import type { ItemResult, JobService } from '#main/site/jobs/index.ts'
import { temporarySite } from '../../support/site-file.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const ITEM_MS = 100
const subjects = Array.from({ length: 10 }, (_, index) => ({ subject: `${index % 2 === 0 ? 'near' : 'far'} ${index}`, label: '' }))
const isFar = (subject: string): boolean => subject.startsWith('far')

function bench(): { readonly clock: VirtualClock; readonly jobs: JobService; readonly runs: string[] } {
  const clock = new VirtualClock()
  const runs: string[] = []
  const jobs = createJobs({ store: temporarySite().jobs, clock, random: seededRandom(1), logger: silentLogger })
  jobs.register({
    kind: 'apply',
    concurrency: 2,
    async run(subject, { signal }): Promise<ItemResult> {
      runs.push(subject)
      await delay(clock, ITEM_MS, signal)
      return { state: 'ok' }
    },
  })
  return { clock, jobs, runs }
}

describe('held items', () => {
  test('do not start while the others are done, and start at once when they are let go', async () => {
    const { clock, jobs, runs } = bench()
    jobs.hold(isFar)
    const id = jobs.start('apply', 'Apply', subjects)
    await clock.advance(ITEM_MS * 10)
    expect(runs.every((subject) => !isFar(subject))).toBe(true)
    expect(jobs.feed.get(id)).toMatchObject({ state: 'running', counts: { ok: 5, pending: 5, running: 0 } })
    jobs.hold(() => false)
    expect((await clock.until(jobs.finished(id))).counts).toMatchObject({ ok: 10, failed: 0 })
  })

  test('under way are put back when asked for, and are tried again later', async () => {
    const { clock, jobs, runs } = bench()
    const id = jobs.start('apply', 'Apply', subjects)
    await clock.advance(ITEM_MS / 2)
    expect(jobs.feed.get(id)?.counts).toMatchObject({ running: 2 })
    jobs.hold(isFar, { abort: true })
    await clock.advance(ITEM_MS * 10)
    expect(jobs.feed.get(id)?.counts).toMatchObject({ ok: 5, pending: 5, failed: 0 })
    jobs.hold(() => false)
    expect((await clock.until(jobs.finished(id))).counts).toMatchObject({ ok: 10, failed: 0, skipped: 0 })
    expect(runs.filter((subject) => subject === 'far 1')).toHaveLength(2)
    expect(jobs.items(id, 1, 1)).toMatchObject([{ state: 'ok', attempts: 2 }])
  })

  test('are skipped when the job is cancelled meanwhile', async () => {
    const { clock, jobs } = bench()
    jobs.hold(isFar)
    const id = jobs.start('apply', 'Apply', subjects)
    await clock.advance(ITEM_MS * 10)
    jobs.cancel(id)
    expect((await clock.until(jobs.finished(id))).counts).toMatchObject({ ok: 5, skipped: 5 })
  })
})
