// The plan and the jobs that carry it out.
import { z } from 'zod'
import { failure, timeMs } from './states.ts'

/** One difference between what the project wants and what a device has. */
export const planLine = z.object({
  /** The key of the membership it brings about. */
  id: z.string(),
  change: z.enum(['add', 'update', 'remove']),
  deviceId: z.string(),
  deviceName: z.string(),
  groupId: z.string(),
  groupName: z.string(),
  /** Group URI that the device shall listen to (or stops listening to). */
  uri: z.string(),
  /** The last attempt's failure. */
  failure: failure.nullable(),
  /** Why it cannot be run now, if so. */
  blocked: z.enum(['not-seen', 'no-profile', 'other-means']).nullable(),
})
export type PlanLine = z.infer<typeof planLine>

export const jobKind = z.enum(['apply', 'verify', 'identify', 'push', 'prove'])
export type JobKind = z.infer<typeof jobKind>
export const jobState = z.enum(['running', 'paused', 'done', 'cancelled'])
export type JobState = z.infer<typeof jobState>
export const itemState = z.enum(['pending', 'running', 'ok', 'warning', 'failed', 'skipped'])
export type ItemState = z.infer<typeof itemState>

export const jobRow = z.object({
  id: z.string(),
  kind: jobKind,
  title: z.string(),
  state: jobState,
  counts: z.record(itemState, z.number().int()),
  total: z.number().int(),
  createdAt: timeMs,
  finishedAt: timeMs.nullable(),
  /** Estimated time left in milliseconds while it runs. */
  remainingMs: z.number().nullable(),
  /** The job whose failed items this one tries again. */
  retryOf: z.string().nullable(),
  /** Why it paused itself: its state could not be stored. Null when nothing is wrong. */
  failure: failure.nullable(),
})
export type JobRow = z.infer<typeof jobRow>

export const jobItemRow = z.object({
  /** `<jobId> <index>` */
  key: z.string(),
  jobId: z.string(),
  index: z.number().int(),
  /** What it works on: a plan line's id or a device's id. */
  subject: z.string(),
  label: z.string(),
  state: itemState,
  attempts: z.number().int(),
  at: timeMs.nullable(),
  failure: failure.nullable(),
})
export type JobItemRow = z.infer<typeof jobItemRow>
