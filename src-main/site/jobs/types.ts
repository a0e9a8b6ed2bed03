// Jobs: persisted batches whose items are each done once, that can be stopped, tried again and resumed.
import type { JobId, KeyedFeed } from '#main/base/index.ts'
import type { Failure, ItemState, JobItemRow, JobKind, JobRow, JobState } from '#contract/model.ts'

export interface JobRecord {
  readonly id: JobId
  readonly kind: JobKind
  readonly title: string
  readonly state: JobState
  readonly createdAt: number
  readonly finishedAt: number | null
  readonly retryOf: JobId | null
}

export interface JobItemRecord {
  readonly jobId: JobId
  readonly index: number
  readonly subject: string
  readonly label: string
  readonly state: ItemState
  readonly attempts: number
  readonly at: number | null
  readonly failure: Failure | null
}

/** Port: jobs at rest. Every write is durable when the call returns. */
export interface JobStore {
  /** Unfinished jobs and the newest finished ones, oldest first. */
  jobs(): readonly JobRecord[]
  addJob(job: JobRecord, items: readonly JobItemRecord[]): void
  saveJob(job: JobRecord): void
  saveItems(items: readonly JobItemRecord[]): void
  /** In order; all of them, or one page. */
  items(jobId: JobId, page?: { readonly offset: number; readonly limit: number }): readonly JobItemRecord[]
  /** How many items are in each state. */
  counts(jobId: JobId): Readonly<Record<ItemState, number>>
}

/** What one item came to. A throw is `failed` with the thrown failure; `cancelled` leaves the item pending. */
export interface ItemResult {
  readonly state: 'ok' | 'warning' | 'skipped'
  readonly failure?: Failure
}

export interface ItemContext {
  readonly jobId: JobId
  readonly index: number
  /** 1 for the first try; more after a restart in the middle of it. */
  readonly attempt: number
  readonly signal: AbortSignal
}

/** How the items of one kind of job are done. Items may be started again after a crash, so `run` looks before it writes. */
export interface JobRunner {
  readonly kind: JobKind
  /** Items in flight at once. */
  readonly concurrency: number
  run(subject: string, context: ItemContext): Promise<ItemResult>
}

export interface JobService {
  readonly feed: KeyedFeed<JobRow>
  readonly itemFeed: KeyedFeed<JobItemRow>
  register(runner: JobRunner): void
  /** Persists the job, then works on it. Throws `job.nothing-to-do` without items. */
  start(kind: JobKind, title: string, items: ReadonlyArray<{ readonly subject: string; readonly label: string }>): JobId
  pause(id: JobId): void
  resume(id: JobId): void
  cancel(id: JobId): void
  /** A new job of the failed items. */
  retryFailed(id: JobId): JobId
  items(id: JobId, offset: number, limit: number): readonly JobItemRow[]
  /** Subjects that unfinished jobs of the kind still have to do. */
  queued(kind: JobKind): ReadonlySet<string>
  /** Goes on with what was running when the program ended. Called once all runners are registered and the network is up. */
  resumeUnfinished(): void
  /**
   * From now on items whose subject is held wait; with `abort` those under way are stopped and wait too. Items that are held no longer start at once.
   */
  hold(isHeld: (subject: string) => boolean, options?: { readonly abort?: boolean }): void
  /** Resolves when the job has finished (done or cancelled). */
  finished(id: JobId): Promise<JobRow>
  /** Stops starting items and waits for those in flight; the jobs go on at the next start. */
  close(): Promise<void>
}
