// The journal of project edits.
import { z } from 'zod'
import { timeMs } from './states.ts'

export const historyRow = z.object({
  key: z.string(),
  /** Its number; grows with each edit. */
  entry: z.number().int(),
  at: timeMs,
  actor: z.string(),
  /** The op that edited the project. */
  op: z.string(),
  /** `final`: cannot be undone, because keys were changed. */
  state: z.enum(['done', 'undone', 'final']),
  /** Changed rows by kind (`device`, `membership`, …). */
  counts: z.record(z.string(), z.number().int()),
  /** The name of what it was about first. */
  name: z.string().nullable(),
})
export type HistoryRow = z.infer<typeof historyRow>

/** What undo or redo came to. */
export const historyReply = z.object({
  /** In the order in which they were undone or done again. */
  entries: z.array(historyRow),
  /** Devices that have to be applied to, so that the building follows the project. */
  devicesToApply: z.number().int(),
  /** Rows that stay, because the network has told of them since. */
  kept: z.number().int(),
  /** Devices that came back without the keys that they shared with this tool. */
  withoutKeys: z.number().int(),
})
export type HistoryReply = z.infer<typeof historyReply>
