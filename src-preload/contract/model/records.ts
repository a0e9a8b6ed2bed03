// Entries of the audit.
import { z } from 'zod'
import { timeMs } from './states.ts'

export const auditEntry = z.object({
  sequence: z.number().int(),
  at: timeMs,
  actor: z.string(),
  action: z.string(),
  details: z.record(z.string(), z.unknown()),
  hash: z.string(),
})
export type AuditEntry = z.infer<typeof auditEntry>
