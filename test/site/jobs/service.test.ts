import { describe, expect, test } from 'vitest'
import { AppError, delay, seededRandom, silentLogger } from '#main/base/index.ts'
import { createJobs, type ItemContext, type ItemResult, type JobRunner, type JobService, type JobStore } from '#main/site/jobs/index.ts'
import { temporarySite } from '../../support/site-file.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

interface Bench {
  readonly clock: VirtualClock
  readonly store: JobStore
  readonly jobs: JobService
  /** A second service over the same store, as after a restart. */
  readonly restart: () => JobService
}

function bench(): Bench {
  const clock = new VirtualClock()
  const store = temporarySite().jobs
  let seed = 1
  const restart = (): JobService => createJobs({ store, clock, random: seededRandom(seed++), logger: silentLogger })
  return { clock, store, jobs: restart(), restart }
}

function runner(
  run: (subject: string, context: ItemContext) => Promise<ItemResult>,
  concurrency = 2,
  kind: JobRunner['kind'] = 'apply',
): JobRunner {
  return { kind, concurrency, run }
}

function subjects(count: number): Array<{ subject: string; label: string }> {
  return Array.from({ length: count }, (_, index) => ({ subject: `s${index}`, label: `Item ${index}` }))
}

const ok: ItemResult = { state: 'ok' }

describe('a job', () => {
  test('does every item once and tells when it is done', async () => {
    const { clock, jobs, store } = bench()
    const seen: string[] = []
    jobs.register(
      runner((subject) => {
        seen.push(subject)
        return Promise.resolve(ok)
      }),
    )
    const id = jobs.start('apply', 'Apply', subjects(25))
    const row = await clock.until(jobs.finished(id))
    expect(seen).toEqual(subjects(25).map(({ subject }) => subject))
    expect(row).toMatchObject({ state: 'done', total: 25, counts: { ok: 25, pending: 0, running: 0 }, finishedAt: clock.now() })
    expect(store.items(id).every((item) => item.state === 'ok' && item.attempts === 1)).toBe(true)
  })

  test('has at most the runner’s number of items in flight, over all jobs of that kind', async () => {
    const { clock, jobs } = bench()
    let inFlight = 0
    let most = 0
    jobs.register(
      runner(async () => {
        most = Math.max(most, ++inFlight)
        await delay(clock, 100)
        inFlight--
        return ok
      }, 3),
    )
    const first = jobs.start('apply', 'One', subjects(7))
    const second = jobs.start('apply', 'Two', subjects(7))
    await clock.until(Promise.all([jobs.finished(first), jobs.finished(second)]))
    expect(most).toBe(3)
  })

  test('keeps what each item came to: warning, skipped, and the failure that was thrown', async () => {
    const { clock, jobs } = bench()
    const timeout = new AppError('coap.timeout', 'No answer', { retryable: true, details: { tries: 5 } })
    jobs.register(
      runner((subject) => {
        if (subject === 's0')
          return Promise.resolve({ state: 'warning', failure: { code: 'x', message: 'y', retryable: false, details: {} } })
        if (subject === 's1') return Promise.resolve({ state: 'skipped' })
        return Promise.reject(subject === 's2' ? timeout : new TypeError('defect'))
      }),
    )
    const id = jobs.start('apply', 'Apply', subjects(4))
    await clock.until(jobs.finished(id))
    expect(jobs.items(id, 0, 10).map((item) => [item.state, item.failure?.code, item.failure?.retryable])).toEqual([
      ['warning', 'x', false],
      ['skipped', undefined, undefined],
      ['failed', 'coap.timeout', true],
      ['failed', 'internal', false],
    ])
    expect(jobs.items(id, 2, 1)[0]?.failure?.details).toEqual({ tries: 5 })
  })

  test('reports an item only when its result is durable', async () => {
    const { clock, jobs, store } = bench()
    jobs.register(runner(() => Promise.resolve(ok)))
    const violations: string[] = []
    jobs.itemFeed.subscribe((keys) => {
      for (const key of keys) {
        const row = jobs.itemFeed.get(key)
        if (row !== undefined && store.items(row.jobId)[row.index]?.state !== row.state) violations.push(key)
      }
    })
    await clock.until(jobs.finished(jobs.start('apply', 'Apply', subjects(10))))
    expect(violations).toEqual([])
  })

  test('of nothing is refused', () => {
    const { jobs } = bench()
    jobs.register(runner(() => Promise.resolve(ok)))
    expect(() => jobs.start('apply', 'Apply', [])).toThrow(expect.objectContaining({ code: 'job.nothing-to-do' }))
    expect(() => jobs.items('job-none', 0, 1)).toThrow(expect.objectContaining({ code: 'job.not-found' }))
  })

  test('estimates the time left from the pace, without its pauses', async () => {
    const { clock, jobs } = bench()
    jobs.register(runner(() => delay(clock, 1000).then(() => ok), 1))
    const id = jobs.start('apply', 'Apply', subjects(10))
    expect(jobs.feed.get(id)?.remainingMs).toBeNull()
    await clock.advance(4000)
    expect(jobs.feed.get(id)?.remainingMs).toBe(6000)
    jobs.pause(id)
    await clock.advance(3_600_000)
    expect(jobs.feed.get(id)).toMatchObject({ state: 'paused', remainingMs: null })
    jobs.resume(id)
    await clock.advance(2000)
    expect(jobs.feed.get(id)?.remainingMs).toBe(3000)
  })

  test('gives no estimate when the last items take longer than the pace promised', async () => {
    const { clock, jobs } = bench()
    jobs.register(runner((subject) => delay(clock, subject === 's9' ? 60_000 : 1000).then(() => ok), 1))
    const id = jobs.start('apply', 'Apply', subjects(10))
    await clock.advance(9000)
    expect(jobs.feed.get(id)?.remainingMs).toBe(1000)
    await clock.advance(1000)
    expect(jobs.feed.get(id)?.remainingMs).toBe(1000)
    await clock.advance(1)
    expect(jobs.feed.get(id)).toMatchObject({ state: 'running', remainingMs: null })
    expect((await clock.until(jobs.finished(id))).remainingMs).toBeNull()
  })

  test('has the subjects queued that are pending or running, until it is finished', async () => {
    const { clock, jobs } = bench()
    jobs.register(runner(() => delay(clock, 100).then(() => ok)))
    jobs.register(runner(() => delay(clock, 100).then(() => ok), 2, 'verify'))
    const id = jobs.start('apply', 'Apply', subjects(5))
    await clock.advance(150)
    expect([...jobs.queued('apply')]).toEqual(['s2', 's3', 's4'])
    jobs.pause(id)
    await clock.advance(1000)
    expect([...jobs.queued('apply')]).toEqual(['s4'])
    expect(jobs.queued('verify').size).toBe(0)
    jobs.resume(id)
    await clock.until(jobs.finished(id))
    expect(jobs.queued('apply').size).toBe(0)
  })
})

describe('pause, cancel, retry', () => {
  test('pause lets items in flight end and starts no other; resume goes on', async () => {
    const { clock, jobs } = bench()
    jobs.register(runner(() => delay(clock, 100).then(() => ok)))
    const id = jobs.start('apply', 'Apply', subjects(10))
    await clock.advance(150)
    jobs.pause(id)
    await clock.advance(10_000)
    expect(jobs.feed.get(id)).toMatchObject({ state: 'paused', counts: { ok: 4, pending: 6, running: 0 } })
    expect(() => jobs.pause(id)).toThrow(expect.objectContaining({ code: 'job.not-running' }))
    jobs.resume(id)
    expect((await clock.until(jobs.finished(id))).counts.ok).toBe(10)
  })

  test('cancel aborts items in flight and skips the others; what was done stays done', async () => {
    const { clock, jobs, store } = bench()
    jobs.register(runner((_subject, { signal }) => delay(clock, 100, signal).then(() => ok)))
    const id = jobs.start('apply', 'Apply', subjects(10))
    await clock.advance(250)
    jobs.cancel(id)
    const row = await clock.until(jobs.finished(id))
    expect(row).toMatchObject({ state: 'cancelled', counts: { ok: 4, skipped: 6, pending: 0, running: 0 } })
    expect(store.jobs()[0]).toMatchObject({ state: 'cancelled', finishedAt: clock.now() })
    expect(() => jobs.resume(id)).toThrow(expect.objectContaining({ code: 'job.not-running' }))
  })

  test('a cancelled job ends when the last item in flight has, and an effect that still happened is kept', async () => {
    const { clock, jobs } = bench()
    jobs.register(runner(() => delay(clock, 100).then(() => ok)))
    const id = jobs.start('apply', 'Apply', subjects(4))
    await clock.advance(50)
    jobs.cancel(id)
    expect(jobs.feed.get(id)).toMatchObject({ state: 'cancelled', finishedAt: null })
    expect((await clock.until(jobs.finished(id))).counts).toMatchObject({ ok: 2, skipped: 2 })
  })

  test('retry makes a new job of the failed items alone', async () => {
    const { clock, jobs } = bench()
    let broken = true
    jobs.register(
      runner((subject) =>
        broken && Number(subject.slice(1)) % 3 === 0 ? Promise.reject(new AppError('coap.timeout', 'No answer')) : Promise.resolve(ok),
      ),
    )
    const first = jobs.start('apply', 'Apply', subjects(9))
    await clock.until(jobs.finished(first))
    broken = false
    const second = jobs.retryFailed(first)
    const row = await clock.until(jobs.finished(second))
    expect(row).toMatchObject({ title: 'Apply', retryOf: first, total: 3, counts: { ok: 3 } })
    expect(jobs.items(second, 0, 9).map((item) => item.label)).toEqual(['Item 0', 'Item 3', 'Item 6'])
    expect(() => jobs.retryFailed(second)).toThrow(expect.objectContaining({ code: 'job.nothing-to-do' }))
  })

  test('an AbortError that nobody asked for is a failure, not a pause', async () => {
    const { clock, jobs } = bench()
    jobs.register(runner(() => Promise.reject(new DOMException('odd', 'AbortError'))))
    const row = await clock.until(jobs.finished(jobs.start('apply', 'Apply', subjects(1))))
    expect(row.counts.failed).toBe(1)
  })
})

describe('the next start of the program', () => {
  test('does again what was under way, with a higher attempt, and nothing that was done', async () => {
    const { clock, jobs, restart } = bench()
    const attempts = new Map<string, number[]>()
    const note = (subject: string, attempt: number): void => void attempts.set(subject, [...(attempts.get(subject) ?? []), attempt])
    jobs.register(
      runner((subject, { attempt }) => {
        note(subject, attempt)
        return Number(subject.slice(1)) < 3 ? Promise.resolve(ok) : new Promise(() => undefined)
      }),
    )
    const id = jobs.start('apply', 'Apply', subjects(6))
    await clock.advance(10)
    const after = restart()
    expect(after.feed.get(id)).toMatchObject({ state: 'running', counts: { ok: 3, pending: 3, running: 0 } })
    after.register(
      runner((subject, { attempt }) => {
        note(subject, attempt)
        return Promise.resolve(ok)
      }),
    )
    await clock.advance(10)
    expect(after.feed.get(id)?.counts.ok).toBe(3)
    after.resumeUnfinished()
    await clock.until(after.finished(id))
    expect([...attempts]).toEqual([
      ['s0', [1]],
      ['s1', [1]],
      ['s2', [1]],
      ['s3', [1, 2]],
      ['s4', [1, 2]],
      ['s5', [1]],
    ])
  })

  test('finds a paused job paused, and finishes one that was cancelled or complete', async () => {
    const { clock, jobs, store, restart } = bench()
    jobs.register(runner(() => new Promise(() => undefined), 9))
    const paused = jobs.start('apply', 'Paused', subjects(3))
    const cancelled = jobs.start('apply', 'Cancelled', subjects(3))
    const complete = jobs.start('apply', 'Complete', subjects(1))
    await clock.advance(1)
    jobs.pause(paused)
    jobs.cancel(cancelled)
    store.saveItems(store.items(complete).map((item) => ({ ...item, state: 'ok' })))
    expect(store.jobs().map((job) => job.finishedAt)).toEqual([null, null, null])
    const after = restart()
    after.register(runner(() => Promise.resolve(ok)))
    after.resumeUnfinished()
    await clock.advance(10)
    expect(after.feed.get(paused)).toMatchObject({ state: 'paused', counts: { pending: 3 } })
    expect(after.feed.get(cancelled)).toMatchObject({ state: 'cancelled', finishedAt: clock.now() - 10, counts: { skipped: 3 } })
    expect(after.feed.get(complete)).toMatchObject({ state: 'done' })
    after.resume(paused)
    expect((await clock.until(after.finished(paused))).counts.ok).toBe(3)
  })

  test('shows items of unfinished jobs and of the newest finished job of each kind', async () => {
    const { clock, jobs, restart } = bench()
    for (const kind of ['apply', 'verify'] as const) jobs.register(runner(() => Promise.resolve(ok), 2, kind))
    await clock.until(jobs.finished(jobs.start('apply', 'Old', subjects(2))))
    await clock.advance(1)
    const newest = jobs.start('apply', 'New', subjects(3))
    const verify = jobs.start('verify', 'Verify', subjects(1))
    await clock.until(Promise.all([jobs.finished(newest), jobs.finished(verify)]))
    const expected = [...Array.from({ length: 3 }, () => newest), verify]
    expect(jobs.itemFeed.rows().map((row) => row.jobId)).toEqual(expected)
    expect(
      restart()
        .itemFeed.rows()
        .map((row) => row.jobId),
    ).toEqual(expected)
  })

  test('close waits for a safe point, aborts what takes too long, and leaves the rest for later', async () => {
    const { clock, jobs, restart } = bench()
    jobs.register(runner((subject, { signal }) => delay(clock, subject === 's0' ? 1000 : 60_000, signal).then(() => ok)))
    const id = jobs.start('apply', 'Apply', subjects(5))
    const outcome = jobs.finished(id).catch((error: unknown) => error)
    await clock.advance(1)
    await clock.until(jobs.close())
    expect(await outcome).toMatchObject({ code: 'cancelled' })
    expect(clock.monotonicMs()).toBeLessThanOrEqual(5001)
    const after = restart()
    expect(after.feed.get(id)).toMatchObject({ state: 'running', counts: { ok: 1, pending: 4 } })
    after.register(runner(() => Promise.resolve(ok)))
    after.resumeUnfinished()
    expect((await clock.until(after.finished(id))).counts.ok).toBe(5)
  })

  test('close gives up on an item that does not obey', async () => {
    const { clock, jobs } = bench()
    jobs.register(runner(() => new Promise(() => undefined)))
    jobs.start('apply', 'Apply', subjects(1))
    await clock.advance(1)
    await clock.until(jobs.close())
    expect(clock.monotonicMs()).toBe(5001)
  })
})

describe('a store that fails', () => {
  test('pauses the jobs; resume stores first what could not be stored, and no item is done twice', async () => {
    const { clock, store } = bench()
    let full = false
    const failing: JobStore = {
      ...store,
      saveItems: (items) => {
        if (full) throw new AppError('store.disk-full', 'No room', { retryable: true })
        store.saveItems(items)
      },
    }
    const jobs = createJobs({ store: failing, clock, random: seededRandom(9), logger: silentLogger })
    const runs: string[] = []
    jobs.register(
      runner((subject) => {
        runs.push(subject)
        return delay(clock, 100).then(() => ok)
      }),
    )
    const id = jobs.start('apply', 'Apply', subjects(6))
    await clock.advance(150)
    full = true
    await clock.advance(1000)
    expect(jobs.feed.get(id)).toMatchObject({ state: 'paused', counts: { ok: 2, running: 2, pending: 2 } })
    expect(jobs.feed.get(id)?.failure).toEqual({ code: 'store.disk-full', message: 'No room', retryable: true, details: {} })
    expect(() => jobs.resume(id)).toThrow(expect.objectContaining({ code: 'store.disk-full' }))
    expect(jobs.feed.get(id)?.failure?.code).toBe('store.disk-full')
    full = false
    jobs.resume(id)
    expect(jobs.feed.get(id)).toMatchObject({ state: 'running', failure: null })
    expect((await clock.until(jobs.finished(id))).counts.ok).toBe(6)
    expect(runs).toHaveLength(6)
  })
})
