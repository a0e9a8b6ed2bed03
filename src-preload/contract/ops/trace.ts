// What went over the wire.
import { z } from 'zod'
import { traceDetail, traceEntryRow } from '../model.ts'
import { done, nothing } from './common.ts'

export const traceOps = {
  'trace.page': {
    in: z.object({ after: z.number().int().nonnegative(), limit: z.number().int().min(1).max(500) }),
    out: z.array(traceEntryRow),
  },
  'trace.detail': { in: z.object({ seq: z.number().int().positive() }), out: traceDetail },
  'trace.record': { in: z.object({ on: z.boolean() }), out: done },
  'trace.clear': { in: nothing, out: done },
  /** Writes what is kept into a pcapng file beside the exports; `handover.reveal` shows it. */
  'trace.export': { in: nothing, out: z.object({ handle: z.string(), fileName: z.string(), entries: z.number().int() }) },
} as const
