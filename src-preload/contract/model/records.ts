// Registrations of the directory and entries of the audit.
import { z } from 'zod'
import { timeMs } from './states.ts'

export const registrationRow = z.object({
  id: z.string(),
  endpointName: z.string(),
  sector: z.string().nullable(),
  base: z.string(),
  lifetimeS: z.number().int(),
  registeredAt: timeMs,
  expiresAt: timeMs,
  links: z.string(),
})
export type RegistrationRow = z.infer<typeof registrationRow>

export const auditEntry = z.object({
  sequence: z.number().int(),
  at: timeMs,
  actor: z.string(),
  action: z.string(),
  details: z.record(z.string(), z.unknown()),
  hash: z.string(),
})
export type AuditEntry = z.infer<typeof auditEntry>
