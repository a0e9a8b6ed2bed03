// What the frame says of jobs. Pure.
import type { ItemState, JobRow } from '#contract/model.ts'

/** Items that were dealt with. What a cancelled job left out was not. */
export function finishedItems(job: JobRow): number {
  const { ok, warning, failed, skipped } = job.counts
  return ok + warning + failed + (job.state === 'cancelled' ? 0 : skipped)
}

/** Nothing works on an item while its job is paused: it waits. */
export function itemStateIn(job: Pick<JobRow, 'state'> | null, state: ItemState): ItemState {
  return job?.state === 'paused' && state === 'running' ? 'pending' : state
}

/** Newest first, unfinished before finished. */
export function jobsInOrder(jobs: readonly JobRow[]): readonly JobRow[] {
  const rank = (job: JobRow): number => (job.finishedAt === null ? 0 : 1)
  return [...jobs].sort((a, b) => rank(a) - rank(b) || b.createdAt - a.createdAt)
}

/** The job that the bar shows. */
export function newestJob(jobs: readonly JobRow[]): JobRow | null {
  return jobsInOrder(jobs)[0] ?? null
}
