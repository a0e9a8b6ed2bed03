// What is sent to devices as jobs, and the test bench.
import { z } from 'zod'
import { jobItemRow, testAction } from '../model.ts'
import { done, id, ids, jobReply } from './common.ts'

export const jobOps = {
  'plan.requests': {
    in: z.object({ lineIds: ids }),
    out: z.array(z.object({ lineId: id, requests: z.array(z.string()) })),
  },
  'apply.start': { in: z.object({ lineIds: ids.optional() }), out: jobReply },
  'jobs.pause': { in: z.object({ jobId: id }), out: done },
  'jobs.resume': { in: z.object({ jobId: id }), out: done },
  'jobs.cancel': { in: z.object({ jobId: id }), out: done },
  'jobs.retryFailed': { in: z.object({ jobId: id }), out: jobReply },
  'jobs.items': {
    in: z.object({ jobId: id, offset: z.number().int().nonnegative(), limit: z.number().int().min(1).max(500) }),
    out: z.array(jobItemRow),
  },
  'test.actions': { in: z.object({ groupId: id }), out: z.array(testAction) },
  'test.run': {
    in: z.object({ groupId: id, action: z.string().max(40), repeats: z.number().int().min(1).max(20).default(1) }),
    out: z.object({ runId: id }),
  },
  /** Tests groups one after the other, as a job; without ids those that are not proven yet. */
  'test.prove': { in: z.object({ groupIds: ids.optional() }), out: jobReply },
  'test.seen': { in: z.object({ runId: id, deviceId: id, seen: z.boolean().nullable() }), out: done },
} as const
