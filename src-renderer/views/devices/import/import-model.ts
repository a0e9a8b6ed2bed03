// What the import sheet works with: fields, the mapping remembered for files with the same header, corrections. Pure.
import type { ImportEdit, ImportField, ImportMapping, ImportPreview, ImportRow } from '#contract/model.ts'

export const importFields = ['name', 'type', 'room', 'eui64', 'serial', 'groups', 'comment'] as const satisfies readonly ImportField[]

/** Files of the same origin have the same header; letters' case and spaces around do not matter. */
export function headerSignature(columns: readonly string[]): string {
  return columns.map((column) => column.trim().toLowerCase()).join('\u001f')
}

const REMEMBERED = 20

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The mapping that was last used with this header; columns that the file does not have are left out. */
export function rememberedMapping(view: unknown, columns: readonly string[]): ImportMapping | null {
  const known = isRecord(view) ? view[headerSignature(columns)] : undefined
  if (!isRecord(known)) return null
  const mapping: ImportMapping = {}
  for (const field of importFields) {
    const column = known[field]
    if (typeof column === 'number' && Number.isInteger(column) && column >= 0 && column < columns.length) mapping[field] = column
  }
  return mapping
}

/** The view value with this mapping added; the oldest go when there are many. */
export function withMapping(view: unknown, columns: readonly string[], mapping: ImportMapping): Readonly<Record<string, unknown>> {
  const signature = headerSignature(columns)
  const others = isRecord(view) ? Object.entries(view).filter(([key]) => key !== signature) : []
  return Object.fromEntries([...others.slice(-(REMEMBERED - 1)), [signature, mapping]])
}

/** Choosing a column for a field takes it from the field that had it. */
export function mapColumn(mapping: ImportMapping, field: ImportField, column: number | null): ImportMapping {
  const kept = importFields.filter((each) => each !== field && mapping[each] !== undefined && mapping[each] !== column)
  const next: ImportMapping = Object.fromEntries(kept.map((each) => [each, mapping[each]]))
  if (column !== null) next[field] = column
  return next
}

/** A newer correction of the same cell replaces the older one. */
export function withEdit(edits: readonly ImportEdit[], edit: ImportEdit): readonly ImportEdit[] {
  return [...edits.filter((each) => each.line !== edit.line || each.field !== edit.field), edit]
}

export type ImportShown = 'all' | ImportRow['verdict']

export function rowsShown(preview: ImportPreview, shown: ImportShown): readonly ImportRow[] {
  return shown === 'all' ? preview.rows : preview.rows.filter((row) => row.verdict === shown)
}

/** The fields that have a column, in the table's order. */
export function mappedFields(preview: ImportPreview): readonly ImportField[] {
  return importFields.filter((field) => preview.mapping[field] !== undefined)
}

export function importable(preview: ImportPreview): number {
  return preview.counts.new + preview.counts.changed
}
