// What the frame says of jobs. Pure.
import type { JobRow } from '#contract/model.ts'

/** Items that will not run any more in this job. */
export function finishedItems(job: JobRow): number {
  const { ok, warning, failed, skipped } = job.counts
  return ok + warning + failed + skipped
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
