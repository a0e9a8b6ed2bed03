// Looks at a file before it is trusted as a site: what it is, by its first bytes, without opening it as a database.
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { AppError, utf8ToText } from '#main/base/index.ts'
import { newestBackup } from './backups.ts'
import { APPLICATION_ID } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

/** SQLite's file format: magic, and big-endian fields of the 100-byte header (sqlite.org/fileformat2.html §1.3). */
const HEADER_BYTES = 100
const MAGIC = 'SQLite format 3\0'
const OFFSET_APPLICATION_ID = 68

/** Throws `site.not-found`, `store.not-a-site`, `store.read-only` or `store.corrupt` unless the file can be a site. */
export function inspectSiteFile(path: string): void {
  const stats = guarded(() => statSync(path, { throwIfNoEntry: false }))
  if (stats === undefined) throw new AppError('site.not-found', 'The site file does not exist')
  if (!stats.isFile()) throw new AppError('store.not-a-site', 'This is not a file')
  const header = readHeader(path)
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
  if (header.length < HEADER_BYTES || utf8ToText(header.subarray(0, MAGIC.length)) !== MAGIC) throw strangerOrWreck(path)
  if (view.getUint32(OFFSET_APPLICATION_ID) !== APPLICATION_ID) throw new AppError('store.not-a-site', 'This database is not a site file')
}

/** A site file is damaged: names the newest backup, which can be opened instead. */
export function corrupt(path: string, message: string, cause?: unknown): AppError {
  const backup = newestBackup(path)?.path
  return new AppError('store.corrupt', message, { details: { backup: backup ?? null }, cause })
}

/** A file that has a site's backups beside it was a site once. */
function strangerOrWreck(path: string): AppError {
  if (newestBackup(path) !== undefined) return corrupt(path, 'The site file has lost its header')
  return new AppError('store.not-a-site', 'The file is not a site file')
}

function readHeader(path: string): Uint8Array {
  return guarded(() => {
    const descriptor = openSync(path, 'r')
    try {
      const header = new Uint8Array(HEADER_BYTES)
      return header.subarray(0, readSync(descriptor, header, 0, HEADER_BYTES, 0))
    } finally {
      closeSync(descriptor)
    }
  })
}
