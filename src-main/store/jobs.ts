// Jobs and their items at rest: implements the JobStore port of site/jobs.
import type { ItemState } from '#contract/model.ts'
import type { JobItemRecord, JobRecord, JobStore } from '#main/site/jobs/index.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'
import { isFailure } from './shapes.ts'
import type { SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'
import { itemStates, jobKinds, jobStates } from './words.ts'

interface JobColumns {
  id: string
  kind: string
  title: string
  state: string
  created_at: number
  finished_at: number | null
  retry_of: string | null
}

interface ItemColumns {
  job_id: string
  position: number
  subject: string
  label: string
  state: string
  attempts: number
  at: number | null
  failure: string | null
}

/** Finished jobs that are read back; older ones stay in the file. */
const FINISHED_JOBS = 50

export function createJobStore(database: SiteDatabase): JobStore {
  const { raw } = database
  const columns = 'id, kind, title, state, created_at, finished_at, retry_of'
  const selectJobs = raw.prepare<[number], JobColumns>(`
    SELECT ${columns} FROM job WHERE finished_at IS NULL OR id IN
      (SELECT id FROM job WHERE finished_at IS NOT NULL ORDER BY created_at DESC, rowid DESC LIMIT ?)
    ORDER BY created_at, rowid`)
  const upsertJob = raw.prepare<[JobColumns]>(`
    INSERT INTO job (${columns}) VALUES (@id, @kind, @title, @state, @created_at, @finished_at, @retry_of)
    ON CONFLICT (id) DO UPDATE SET title = excluded.title, state = excluded.state, finished_at = excluded.finished_at`)
  const upsertItem = raw.prepare<[ItemColumns]>(`
    INSERT INTO job_item (job_id, position, subject, label, state, attempts, at, failure)
    VALUES (@job_id, @position, @subject, @label, @state, @attempts, @at, @failure)
    ON CONFLICT (job_id, position) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, at = excluded.at, failure = excluded.failure`)
  const selectItems = raw.prepare<[string, number, number], ItemColumns>(`
    SELECT job_id, position, subject, label, state, attempts, at, failure FROM job_item WHERE job_id = ? ORDER BY position LIMIT ? OFFSET ?`)
  const countItems = raw.prepare<[string], { state: string; count: number }>(
    'SELECT state, count(*) AS count FROM job_item WHERE job_id = ? GROUP BY state',
  )

  return {
    jobs: () => guarded(() => selectJobs.all(FINISHED_JOBS)).map(toJob),
    addJob: (job, items) =>
      database.transaction(() => {
        upsertJob.run(fromJob(job))
        for (const item of items) upsertItem.run(fromItem(item))
      }),
    saveJob: (job) =>
      database.transaction(() => {
        upsertJob.run(fromJob(job))
      }),
    saveItems: (items) =>
      database.transaction(() => {
        for (const item of items) upsertItem.run(fromItem(item))
      }),
    items: (jobId, page) => guarded(() => selectItems.all(jobId, page?.limit ?? -1, page?.offset ?? 0)).map(toItem),
    counts: (jobId) => toCounts(guarded(() => countItems.all(jobId))),
  }
}

function fromJob(job: JobRecord): JobColumns {
  const { id, kind, title, state, createdAt, finishedAt, retryOf } = job
  return { id, kind, title, state, created_at: createdAt, finished_at: finishedAt, retry_of: retryOf }
}

function toJob(row: JobColumns): JobRecord {
  return {
    id: row.id,
    kind: knownWord(jobKinds, row.kind),
    title: row.title,
    state: knownWord(jobStates, row.state),
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    retryOf: row.retry_of,
  }
}

function fromItem(item: JobItemRecord): ItemColumns {
  const { jobId, index, subject, label, state, attempts, at, failure } = item
  return { job_id: jobId, position: index, subject, label, state, attempts, at, failure: failure === null ? null : canonicalJson(failure) }
}

function toItem(row: ItemColumns): JobItemRecord {
  const { subject, label, attempts, at } = row
  return {
    jobId: row.job_id,
    index: row.position,
    subject,
    label,
    state: knownWord(itemStates, row.state),
    attempts,
    at,
    failure: row.failure === null ? null : fromJson(row.failure, isFailure),
  }
}

function toCounts(rows: ReadonlyArray<{ readonly state: string; readonly count: number }>): Record<ItemState, number> {
  const counts: Record<ItemState, number> = { pending: 0, running: 0, ok: 0, warning: 0, failed: 0, skipped: 0 }
  for (const row of rows) counts[knownWord(itemStates, row.state)] = row.count
  return counts
}
