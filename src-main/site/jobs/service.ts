// Runs persisted batches. What an item came to is durable before anybody hears of it; what was under way when the program
// ended is done again, and nothing else is.
import type { Clock, JobId, Logger, Random, Timer } from '#main/base/index.ts'
import { AppError, KeyedFeed, newId, toAppError } from '#main/base/index.ts'
import type { JobItemRow, JobKind, JobRow } from '#contract/model.ts'
import { closed, notFound, toFailure } from './failures.ts'
import { Job, itemKey, toItemRow, toJobRow } from './job.ts'
import { outcomeOf } from './outcome.ts'
import type { JobItemRecord, JobRunner, JobService, JobStore } from './types.ts'

export interface JobPorts {
  readonly store: JobStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** How long `close` lets items end by themselves before it aborts them, and how long it then waits for them to obey. */
const CLOSE_GRACE_MS = 3000
const CLOSE_ABORT_MS = 2000
/** Estimates are looked at again after this time at the latest. */
const ESTIMATE_SHOWN_MS = 60_000
/** Finished jobs kept in the feed. */
const FINISHED_IN_FEED = 50

interface Settled {
  readonly job: Job
  readonly item: JobItemRecord
}

interface Waiter {
  readonly resolve: (row: JobRow) => void
  readonly reject: (reason: AppError) => void
}

export function createJobs(ports: JobPorts): JobService {
  return new Jobs(ports)
}

class Jobs implements JobService {
  readonly feed = new KeyedFeed<JobRow>((row) => row.id)
  readonly itemFeed = new KeyedFeed<JobItemRow>((row) => row.key)
  readonly #store: JobStore
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  readonly #runners = new Map<JobKind, JobRunner>()
  /** Unfinished jobs in the order of their making. */
  readonly #jobs = new Map<JobId, Job>()
  /** The newest finished job of each kind: its items are in the feed. */
  readonly #newestFinished = new Map<JobKind, JobId>()
  readonly #waiters = new Map<JobId, Waiter[]>()
  /** When the estimates shown run out. */
  readonly #estimates = new Map<JobId, Timer>()
  /** What runs came to, on its way into the store. */
  #settled: Settled[] = []
  #flushPlanned = false
  #closing = false
  #begun = false
  #isHeld: (subject: string) => boolean = () => false
  #onIdle: (() => void) | undefined

  constructor({ store, clock, random, logger }: JobPorts) {
    this.#store = store
    this.#clock = clock
    this.#random = random
    this.#logger = logger
    this.#load()
  }

  register(runner: JobRunner): void {
    this.#runners.set(runner.kind, runner)
  }

  start(kind: JobKind, title: string, items: ReadonlyArray<{ readonly subject: string; readonly label: string }>): JobId {
    return this.#begin(kind, title, items, null)
  }

  pause(id: JobId): void {
    const job = this.#unfinished(id, 'running')
    this.#saveState(job, 'paused')
    this.#show(job)
  }

  resume(id: JobId): void {
    const job = this.#unfinished(id, 'paused')
    // What could not be stored when the disk was full comes first, and again fails loudly.
    this.#storeSettled()
    this.#saveState(job, 'running')
    job.restartEstimate(this.#clock)
    this.#show(job)
    this.#finishIfDrained(job)
    this.#flush()
  }

  cancel(id: JobId): void {
    const job = this.#unfinished(id, 'running', 'paused')
    this.#saveState(job, 'cancelled')
    this.#saveItems(job, job.skipped(this.#clock.now()))
    job.abort(new AppError('cancelled', 'The job was cancelled'))
    this.#show(job)
    this.#finishIfDrained(job)
  }

  retryFailed(id: JobId): JobId {
    const row = this.#row(id)
    const failed = (this.#jobs.get(id)?.items ?? this.#store.items(id)).filter((item) => item.state === 'failed')
    if (row.finishedAt === null) throw new AppError('job.not-running', 'The job is still under way', { retryable: true })
    return this.#begin(row.kind, row.title, failed, id)
  }

  items(id: JobId, offset: number, limit: number): readonly JobItemRow[] {
    this.#row(id)
    const job = this.#jobs.get(id)
    const items = job === undefined ? this.#store.items(id, { offset, limit }) : job.items.slice(offset, offset + limit)
    return items.map(toItemRow)
  }

  queued(kind: JobKind): ReadonlySet<string> {
    const jobs = [...this.#jobs.values()].filter((job) => job.record.kind === kind)
    const waiting = jobs.flatMap((job) => job.items.filter((item) => item.state === 'pending' || item.state === 'running'))
    return new Set(waiting.map((item) => item.subject))
  }

  resumeUnfinished(): void {
    this.#begun = true
    for (const job of this.#jobs.values()) {
      if (job.record.state !== 'running') continue
      this.#logger.info({ job: job.record.id, items: job.counts.pending }, 'job goes on')
      job.restartEstimate(this.#clock)
    }
    this.#flush()
  }

  hold(isHeld: (subject: string) => boolean, { abort = false } = {}): void {
    this.#isHeld = isHeld
    if (abort) for (const job of this.#jobs.values()) job.abort(new AppError('cancelled', 'The way to the device is away'), isHeld)
    if (this.#begun) this.#planFlush()
  }

  finished(id: JobId): Promise<JobRow> {
    const row = this.feed.get(id)
    if (row === undefined) return Promise.reject(notFound(id))
    if (row.finishedAt !== null) return Promise.resolve(row)
    if (this.#closing) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), { resolve, reject }])
    })
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#flush()
    if (!(await this.#idle(CLOSE_GRACE_MS))) {
      for (const job of this.#jobs.values()) job.abort(new AppError('cancelled', 'The program ends'))
      if (!(await this.#idle(CLOSE_ABORT_MS)))
        this.#logger.warn({}, 'job items did not end when asked to; they are done again at the next start')
    }
    for (const timer of this.#estimates.values()) timer.cancel()
    this.#estimates.clear()
    for (const waiter of [...this.#waiters.values()].flat()) waiter.reject(closed())
    this.#waiters.clear()
  }

  /** Brings back what the last run of the program left: items under way then are pending again. */
  #load(): void {
    for (const record of this.#store.jobs()) {
      if (record.finishedAt !== null) {
        this.feed.set(toJobRow(record, this.#store.counts(record.id)))
        this.#newestFinished.set(record.kind, record.id)
        continue
      }
      const job = new Job(record, this.#store.items(record.id))
      this.#jobs.set(record.id, job)
      const state = record.state === 'cancelled' ? 'skipped' : 'pending'
      const torn = job.items.filter((item) => item.state === 'running').map((item) => ({ ...item, state }) as const)
      this.#saveItems(job, torn)
      this.#show(job)
      this.itemFeed.setAll(job.items.map(toItemRow))
    }
    for (const id of this.#newestFinished.values()) this.itemFeed.setAll(this.#store.items(id).map(toItemRow))
    for (const job of [...this.#jobs.values()]) this.#finishIfDrained(job)
  }

  #begin(
    kind: JobKind,
    title: string,
    subjects: ReadonlyArray<{ readonly subject: string; readonly label: string }>,
    retryOf: JobId | null,
  ): JobId {
    if (subjects.length === 0) throw new AppError('job.nothing-to-do', 'The job has no items')
    if (!this.#runners.has(kind)) throw new AppError('internal', `Nothing runs jobs of the kind ${kind}`)
    if (this.#closing) throw closed()
    this.#begun = true
    const id: JobId = newId('job', this.#random)
    const items = subjects.map(({ subject, label }, index): JobItemRecord => ({
      jobId: id,
      index,
      subject,
      label,
      state: 'pending',
      attempts: 0,
      at: null,
      failure: null,
    }))
    const job = new Job({ id, kind, title, state: 'running', createdAt: this.#clock.now(), finishedAt: null, retryOf }, items)
    this.#store.addJob(job.record, items)
    this.#jobs.set(id, job)
    job.restartEstimate(this.#clock)
    this.#show(job)
    this.itemFeed.setAll(items.map(toItemRow))
    this.#planFlush()
    return id
  }

  /** Results of one turn are stored together with the starts that follow them. */
  #planFlush(): void {
    if (this.#flushPlanned) return
    this.#flushPlanned = true
    queueMicrotask(() => {
      this.#flushPlanned = false
      this.#flush()
    })
  }

  #flush(): void {
    try {
      this.#storeSettled()
      if (!this.#closing) this.#startPending()
    } catch (thrown) {
      this.#halt(toAppError(thrown))
    }
    this.#tellIdle()
  }

  /** The store fails: work that cannot be recorded must not go on. People resume it when there is room again. */
  #halt(failure: AppError): void {
    this.#logger.error({ failure }, 'jobs are paused: their state cannot be stored')
    for (const job of this.#jobs.values()) {
      if (job.record.state !== 'running') continue
      job.record = { ...job.record, state: 'paused' }
      job.failure = toFailure(failure)
      this.#show(job)
    }
  }

  /** Shows the job as it is, and once more when its estimate has run out: nothing else may happen in the meantime. */
  #show(job: Job): JobRow {
    const { id } = job.record
    const row = job.row(this.#clock.monotonicMs())
    this.#estimates.get(id)?.cancel()
    this.#estimates.delete(id)
    if (row.remainingMs !== null && !job.finished && !this.#closing) {
      this.#estimates.set(
        id,
        this.#clock.setTimer(Math.min(row.remainingMs + 1, ESTIMATE_SHOWN_MS), () => this.#show(job)),
      )
    }
    this.feed.set(row)
    return row
  }

  #storeSettled(): void {
    if (this.#settled.length === 0) return
    const settled = this.#settled
    this.#store.saveItems(settled.map(({ item }) => item))
    this.#settled = []
    for (const job of new Set(settled.map((entry) => entry.job))) {
      const items = settled.filter((entry) => entry.job === job).map(({ item }) => item)
      for (const item of items) job.inFlight.delete(item.index)
      job.replace(items)
      job.noteCompletions(items.filter((item) => item.state !== 'pending').length, this.#clock)
      this.itemFeed.setAll(items.map(toItemRow))
      this.#show(job)
    }
    for (const job of new Set(settled.map((entry) => entry.job))) this.#finishIfDrained(job)
  }

  #startPending(): void {
    const starts: Array<{ readonly job: Job; readonly runner: JobRunner; readonly item: JobItemRecord }> = []
    const free = new Map<JobKind, number>()
    for (const job of this.#jobs.values()) {
      const runner = this.#runners.get(job.record.kind)
      if (runner === undefined || job.record.state !== 'running') continue
      const places = free.get(runner.kind) ?? runner.concurrency - this.#inFlightOf(runner.kind)
      const items = job.pending(Math.max(0, places), this.#isHeld)
      free.set(runner.kind, places - items.length)
      for (const item of items) {
        starts.push({ job, runner, item: { ...item, state: 'running', attempts: item.attempts + 1, at: this.#clock.now(), failure: null } })
      }
    }
    if (starts.length === 0) return
    this.#store.saveItems(starts.map(({ item }) => item))
    for (const { job, item } of starts) {
      job.replace([item])
      job.inFlight.set(item.index, new AbortController())
    }
    this.itemFeed.setAll(starts.map(({ item }) => toItemRow(item)))
    for (const job of new Set(starts.map((start) => start.job))) this.#show(job)
    for (const { job, runner, item } of starts) void this.#run(job, runner, item)
  }

  #inFlightOf(kind: JobKind): number {
    let count = 0
    for (const job of this.#jobs.values()) if (job.record.kind === kind) count += job.inFlight.size
    return count
  }

  async #run(job: Job, runner: JobRunner, item: JobItemRecord): Promise<void> {
    const signal = job.inFlight.get(item.index)?.signal ?? AbortSignal.abort()
    const outcome = await outcomeOf(runner, item, signal, this.#logger)
    const state = outcome.state === 'cancelled' ? (job.record.state === 'cancelled' ? 'skipped' : 'pending') : outcome.state
    this.#settled.push({ job, item: { ...item, state, at: this.#clock.now(), failure: outcome.failure ?? null } })
    this.#planFlush()
  }

  #finishIfDrained(job: Job): void {
    if (!job.drained || job.finished) return
    const { id, kind } = job.record
    const state = job.record.state === 'cancelled' ? 'cancelled' : 'done'
    const record = { ...job.record, state, finishedAt: this.#clock.now() } as const
    this.#store.saveJob(record)
    job.record = record
    this.#jobs.delete(id)
    const row = this.#show(job)
    this.#replaceNewestFinished(kind, id)
    for (const waiter of this.#waiters.get(id) ?? []) waiter.resolve(row)
    this.#waiters.delete(id)
  }

  #replaceNewestFinished(kind: JobKind, id: JobId): void {
    const before = this.#newestFinished.get(kind)
    this.#newestFinished.set(kind, id)
    if (before !== undefined) {
      const total = this.feed.get(before)?.total ?? 0
      this.itemFeed.delete(Array.from({ length: total }, (_, index) => itemKey(before, index)))
    }
    const finished = this.feed.rows().filter((row) => row.finishedAt !== null)
    const newest = new Set(this.#newestFinished.values())
    this.feed.delete(
      finished
        .slice(0, Math.max(0, finished.length - FINISHED_IN_FEED))
        .map((row) => row.id)
        .filter((old) => !newest.has(old)),
    )
  }

  #saveState(job: Job, state: JobRow['state']): void {
    const record = { ...job.record, state }
    this.#store.saveJob(record)
    job.record = record
    job.failure = null
  }

  #saveItems(job: Job, items: readonly JobItemRecord[]): void {
    if (items.length === 0) return
    this.#store.saveItems(items)
    job.replace(items)
    this.itemFeed.setAll(items.map(toItemRow))
  }

  #row(id: JobId): JobRow {
    const row = this.feed.get(id)
    if (row === undefined) throw notFound(id)
    return row
  }

  #unfinished(id: JobId, ...states: ReadonlyArray<JobRow['state']>): Job {
    const { state } = this.#row(id)
    const job = this.#jobs.get(id)
    if (job === undefined || !states.includes(state)) {
      throw new AppError('job.not-running', 'The job is not in a state that allows this', { details: { state } })
    }
    return job
  }

  get #busy(): boolean {
    return this.#settled.length > 0 || [...this.#jobs.values()].some((job) => job.inFlight.size > 0)
  }

  #tellIdle(): void {
    if (!this.#busy) this.#onIdle?.()
  }

  /** Whether nothing is in flight any more, at the latest after `limitMs`. */
  #idle(limitMs: number): Promise<boolean> {
    if (!this.#busy) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(limitMs, () => {
        this.#onIdle = undefined
        resolve(!this.#busy)
      })
      this.#onIdle = () => {
        this.#onIdle = undefined
        timer.cancel()
        resolve(true)
      }
    })
  }
}
