// The import of a device list: mapping, dry run, corrections.
import { z } from 'zod'

export const importField = z.enum(['name', 'type', 'room', 'eui64', 'serial', 'groups', 'comment'])
export type ImportField = z.infer<typeof importField>
/** Column index of the file for each field; fields without a column are absent. */
export const importMapping = z.partialRecord(importField, z.number().int().nonnegative())
export type ImportMapping = z.infer<typeof importMapping>

export const importReason = z.object({
  field: importField.nullable(),
  /** Selects the sentence: `import.reason.<reason>`. */
  reason: z.enum([
    'missing',
    'not-an-eui64',
    'unknown-type',
    'too-long',
    'duplicate-in-file',
    'no-identifier',
    'ambiguous',
    'bad-quotes',
    'group-name-invalid',
  ]),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
})
export type ImportReason = z.infer<typeof importReason>

export const importRow = z.object({
  /** 1-based line of the file where the row begins. */
  line: z.number().int(),
  verdict: z.enum(['new', 'changed', 'unchanged', 'duplicate', 'invalid']),
  values: z.partialRecord(importField, z.string()),
  reasons: z.array(importReason),
  /** For `changed`: the fields that would change. */
  changes: z.array(z.object({ field: importField, from: z.string(), to: z.string() })),
})
export type ImportRow = z.infer<typeof importRow>

export const importPreview = z.object({
  delimiter: z.string(),
  columns: z.array(z.string()),
  /** First rows of the file as they are, for the mapping pane. */
  sample: z.array(z.array(z.string())),
  mapping: importMapping,
  rows: z.array(importRow),
  counts: z.object({
    new: z.number().int(),
    changed: z.number().int(),
    unchanged: z.number().int(),
    duplicate: z.number().int(),
    invalid: z.number().int(),
  }),
})
export type ImportPreview = z.infer<typeof importPreview>

/** A cell corrected in the dry run. */
export const importEdit = z.object({ line: z.number().int(), field: importField, value: z.string().max(500) })
export type ImportEdit = z.infer<typeof importEdit>
