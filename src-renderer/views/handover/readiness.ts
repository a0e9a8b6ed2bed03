// Whether a site is ready to be handed over, and whether what was exported still shows it.
import type { ChecklistRow, ExportFormat, ExportRow } from '#contract/model.ts'

const order: ReadonlyArray<ChecklistRow['item']> = [
  'devices-found',
  'devices-placed',
  'groups-have-members',
  'changes-applied',
  'groups-tested',
  'no-failures',
  'exported',
]

/** `idle`: there is nothing of the kind yet, which is not the same as done. */
export type ChecklistState = 'done' | 'open' | 'idle'

export interface ChecklistLine extends ChecklistRow {
  readonly state: ChecklistState
}

export function checklistLines(rows: Iterable<ChecklistRow>): readonly ChecklistLine[] {
  return [...rows]
    .sort((a, b) => order.indexOf(a.item) - order.indexOf(b.item))
    .map((row) => ({ ...row, state: row.open > 0 ? 'open' : row.total > 0 || row.item === 'no-failures' ? 'done' : 'idle' }))
}

/** The first line that is not done is the one next thing to do. */
export function nextOpen(lines: readonly ChecklistLine[]): ChecklistLine | undefined {
  return lines.find((line) => line.state !== 'done')
}

export const exportFormats: readonly ExportFormat[] = [
  'report-pdf',
  'report-html',
  'bundle',
  'json',
  'yaml',
  'csv',
  'td',
  'ditto',
  'rd-links',
  'json-schema',
]

export interface ExportLine extends ExportRow {
  /** Whether the site changed since; a schema does not depend on the site. */
  readonly stale: boolean
}

/** Newest first. */
export function exportLines(rows: Iterable<ExportRow>, siteRevision: number | null): readonly ExportLine[] {
  return [...rows]
    .sort((a, b) => b.at - a.at || (a.handle < b.handle ? 1 : -1))
    .map((row) => ({ ...row, stale: row.format !== 'json-schema' && siteRevision !== null && row.revision !== siteRevision }))
}

/** A size as people read it, in the units of 1000 that file managers use. */
export function sizeParts(bytes: number): { readonly value: number; readonly unit: 'byte' | 'kilobyte' | 'megabyte' } {
  if (bytes < 1000) return { value: bytes, unit: 'byte' }
  if (bytes < 1_000_000) return { value: bytes / 1000, unit: 'kilobyte' }
  return { value: bytes / 1_000_000, unit: 'megabyte' }
}

export interface ReportParts {
  /** The document without its style elements. */
  readonly html: string
  readonly css: string
}

/** Takes the style sheets out of a report, because the window's content policy lets no inline style through: they are adopted instead. */
export function splitReport(html: string): ReportParts {
  const sheets: string[] = []
  const without = html.replace(/<style\b[^>]*>([\s\S]*?)<\/style>/gi, (_all, css: string) => {
    sheets.push(css)
    return ''
  })
  return { html: without, css: sheets.join('\n') }
}
