// Exports and the hand-over checklist.
import { z } from 'zod'
import { step } from './overview.ts'
import { timeMs } from './states.ts'

export const exportFormat = z.enum(['json', 'yaml', 'csv', 'report-html', 'report-pdf', 'json-schema', 'bundle', 'td', 'ditto', 'rd-links'])
export type ExportFormat = z.infer<typeof exportFormat>

export const exportRow = z.object({
  /** Stands for the file's path. */
  handle: z.string(),
  format: exportFormat,
  fileName: z.string(),
  bytes: z.number().int(),
  sha256: z.string(),
  at: timeMs,
  /** Site revision that it shows. */
  revision: z.number().int(),
})
export type ExportRow = z.infer<typeof exportRow>

export const checklistRow = z.object({
  item: z.enum(['devices-found', 'devices-placed', 'groups-have-members', 'changes-applied', 'groups-tested', 'no-failures', 'exported']),
  step,
  open: z.number().int(),
  total: z.number().int(),
})
export type ChecklistRow = z.infer<typeof checklistRow>
