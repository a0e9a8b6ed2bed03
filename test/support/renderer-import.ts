// A dry run of an import in the window's double: enough of it to show every verdict.
import type { ImportField, ImportMapping, ImportPreview, ImportReason, ImportRow } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'

const guesses: Readonly<Record<string, ImportField>> = {
  name: 'name',
  type: 'type',
  room: 'room',
  'eui-64': 'eui64',
  serial: 'serial',
  groups: 'groups',
  comment: 'comment',
}

export function previewOf({ text, delimiter, mapping: wanted, edits }: OpInput<'devices.importPreview'>): ImportPreview {
  const separator = delimiter ?? (text.includes(';') ? ';' : ',')
  const [header = [], ...lines] = text
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(separator))
  const guessed: ImportMapping = {}
  header.forEach((column, index) => {
    const field = guesses[column.trim().toLowerCase()]
    if (field !== undefined) guessed[field] = index
  })
  const mapping = wanted ?? guessed
  const counts = { new: 0, changed: 0, unchanged: 0, duplicate: 0, invalid: 0 }
  const rows = lines.map((cells, index): ImportRow => {
    const line = index + 2
    const values: Partial<Record<ImportField, string>> = {}
    for (const [field, column] of Object.entries(mapping)) values[field as ImportField] = cells[column] ?? ''
    for (const edit of edits ?? []) if (edit.line === line) values[edit.field] = edit.value
    const reasons: ImportReason[] = []
    if (!/^[0-9a-f]{16}$/i.test(values.eui64 ?? '')) reasons.push({ field: 'eui64', reason: 'not-an-eui64', params: {} })
    if (values.type === 'lamp post') reasons.push({ field: 'type', reason: 'unknown-type', params: {} })
    const verdict =
      reasons.length > 0 ? 'invalid' : index % 11 === 5 ? 'duplicate' : index % 7 === 2 ? 'changed' : index % 13 === 0 ? 'unchanged' : 'new'
    if (verdict === 'duplicate') reasons.push({ field: null, reason: 'duplicate-in-file', params: { line: 2 } })
    counts[verdict] += 1
    return {
      line,
      verdict,
      values,
      reasons,
      changes: verdict === 'changed' ? [{ field: 'room', from: '2.12', to: values.room ?? '' }] : [],
    }
  })
  return { delimiter: separator, columns: header, sample: lines.slice(0, 5), mapping, rows, counts }
}
