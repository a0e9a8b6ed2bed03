// Undo and redo of project edits.
import { z } from 'zod'
import { historyReply, historyRow } from '../model.ts'
import { page } from './common.ts'

const backTo = z.object({ id: z.number().int().positive().optional() })

export const historyOps = {
  /** The newest edit, or with an id all from the newest one back to that one. */
  'history.undo': { in: backTo, out: historyReply },
  /** What was undone last, or with an id all up to that one. */
  'history.redo': { in: backTo, out: historyReply },
  /** Newest first. */
  'history.list': { in: page, out: z.object({ entries: z.array(historyRow), total: z.number().int() }) },
} as const
