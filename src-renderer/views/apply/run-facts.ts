// Which apply job the review shows, and what it came to. A retry is told together with the runs that it tries again.
import type { JobRow, PlanLine } from '#contract/model.ts'

/** The unfinished apply job, else the newest finished one. */
export function applyJob(jobs: readonly JobRow[]): JobRow | null {
  const own = jobs.filter((job) => job.kind === 'apply').sort((a, b) => b.createdAt - a.createdAt)
  return own.find((job) => job.finishedAt === null) ?? own[0] ?? null
}

export interface Shown {
  /** What the job worked on. */
  readonly subjects: ReadonlySet<string>
  readonly plan: ReadonlyArray<Pick<PlanLine, 'id'> & { readonly blocked: string | null }>
  readonly excluded: ReadonlySet<string>
  /** The finished job that a person put away. */
  readonly dismissed: string | null
}

/** A finished job steps back as soon as there is something new to run; what was blocked or left out is not new. */
export function isShown(job: JobRow | null, { subjects, plan, excluded, dismissed }: Shown): boolean {
  if (job === null) return false
  if (job.finishedAt === null) return true
  return job.id !== dismissed && plan.every((line) => subjects.has(line.id) || line.blocked !== null || excluded.has(line.id))
}

export interface RunResult {
  readonly confirmed: number
  readonly failed: number
  readonly remarks: number
  readonly skipped: number
  /** Not reached, because the job was cancelled. */
  readonly left: number
}

export function resultOf(job: JobRow, jobs: readonly JobRow[]): RunResult {
  const byId = new Map(jobs.map((one) => [one.id, one]))
  const { failed, skipped, pending, running } = job.counts
  let { ok: confirmed, warning: remarks } = job.counts
  const walked = new Set([job.id])
  for (let before = job.retryOf; before !== null && !walked.has(before);) {
    walked.add(before)
    const earlier = byId.get(before)
    if (earlier === undefined) break
    confirmed += earlier.counts.ok
    remarks += earlier.counts.warning
    before = earlier.retryOf
  }
  // What a cancelled job did not reach is kept as skipped.
  const cancelled = job.state === 'cancelled'
  return { confirmed, failed, remarks, skipped: cancelled ? 0 : skipped, left: pending + running + (cancelled ? skipped : 0) }
}
