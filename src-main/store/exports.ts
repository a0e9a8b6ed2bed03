// The files that were handed over: what, when, of which revision, and their digest.
import type { ExportRecord, ExportStore } from '#main/site/exchange/index.ts'
import { knownWord } from './json.ts'
import type { SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'
import { exportFormats } from './words.ts'

type ExportColumns = Omit<ExportRecord, 'format'> & { format: string }

const MOST_LISTED = 500

export function createExportStore(database: SiteDatabase): ExportStore {
  const select = database.raw.prepare<[number], ExportColumns>(
    'SELECT handle, format, path, bytes, sha256, at, revision FROM export ORDER BY at DESC, rowid DESC LIMIT ?',
  )
  const insert = database.raw.prepare<[ExportColumns]>(`
    INSERT INTO export (handle, format, path, bytes, sha256, at, revision) VALUES (@handle, @format, @path, @bytes, @sha256, @at, @revision)`)
  return {
    list: (limit = MOST_LISTED) =>
      guarded(() => select.all(Math.max(0, limit))).map((row) => ({ ...row, format: knownWord(exportFormats, row.format) })),
    add: (record) =>
      database.transaction(() => {
        insert.run({ ...record })
      }),
  }
}
