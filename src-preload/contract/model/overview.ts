// The rail, the preflight checks and the problems.
import { z } from 'zod'
import { findingRow } from './rules.ts'
import { timeMs } from './states.ts'

export const step = z.enum(['site', 'devices', 'admit', 'groups', 'apply', 'test', 'handover'])
export type Step = z.infer<typeof step>

/** Open work of one step of the rail: `open` 0 with `total` > 0 is done. */
export const progressRow = z.object({ step, open: z.number().int(), total: z.number().int() })
export type ProgressRow = z.infer<typeof progressRow>

export const checkId = z.enum([
  'site-file',
  'backup',
  'disk-space',
  'clock',
  'network',
  'multicast',
  'coaps',
  'directory',
  'report-printer',
])
export type CheckId = z.infer<typeof checkId>

export const checkRow = z.object({
  check: checkId,
  verdict: z.enum(['running', 'ok', 'warning', 'failed']),
  /** Selects the sentence that explains the verdict: `preflight.<check>.<finding>`. */
  finding: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  at: timeMs,
})
export type CheckRow = z.infer<typeof checkRow>

export const problemKind = z.enum([
  'duplicate-name',
  'group-without-members',
  'group-unprotected',
  'device-without-room',
  'device-without-group',
  'device-missing',
  'device-faulty',
  'device-without-profile',
  'apply-failed',
  'test-failed',
  'check-failed',
  /** Told as one, with their count: lists of certificates are pulled. */
  'certificate-expiring',
  /** A check of the groups: `finding` says which. */
  'rule',
])
export type ProblemKind = z.infer<typeof problemKind>

export const problemRow = z.object({
  id: z.string(),
  kind: problemKind,
  severity: z.enum(['error', 'warning', 'info']),
  step,
  /** What it concerns, to jump to. */
  subject: z.object({ kind: z.enum(['device', 'group', 'room', 'job', 'check', 'site']), id: z.string(), name: z.string() }),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  /** The finding of a check that it tells, with what can be pressed. */
  finding: findingRow.pick({ id: true, source: true, rule: true, remedies: true }).optional(),
})
export type ProblemRow = z.infer<typeof problemRow>
