// A ring of backups in a folder beside the site file: numbered, so that a clock that jumps cannot reorder them.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import type { Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

export interface BackupFile {
  readonly path: string
  readonly number: number
  readonly revision: number
  readonly reason: string
}

const FILE_NAME = /^(\d{6})-r(\d+)-([a-z0-9-]{1,40})\.[^.]+$/

/** The folder `<name>.backups` beside the file. */
export function backupFolder(sitePath: string): string {
  return join(dirname(sitePath), `${basename(sitePath, extname(sitePath))}.backups`)
}

/** Oldest first; what is not a backup is not looked at. */
export function listBackups(sitePath: string): readonly BackupFile[] {
  const folder = backupFolder(sitePath)
  if (!existsSync(folder)) return []
  return guarded(() => readdirSync(folder))
    .map((name) => ({ name, match: FILE_NAME.exec(name) }))
    .filter(({ match }) => match !== null)
    .map(({ name, match }) => ({
      path: join(folder, name),
      number: Number(match?.[1]),
      revision: Number(match?.[2]),
      reason: match?.[3] ?? '',
    }))
    .sort((a, b) => a.number - b.number)
}

export function newestBackup(sitePath: string): BackupFile | undefined {
  return listBackups(sitePath).at(-1)
}

/** Writes a complete copy, durable when this returns, and lets go of the oldest beyond `keep`. */
export function writeBackup(database: Database, sitePath: string, reason: string, revision: number, keep: number): string {
  const existing = listBackups(sitePath)
  const number = String((existing.at(-1)?.number ?? 0) + 1).padStart(6, '0')
  const word =
    reason
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 40) || 'backup'
  const path = join(backupFolder(sitePath), `${number}-r${revision}-${word}${extname(sitePath) || '.db'}`)
  guarded(() => {
    mkdirSync(dirname(path), { recursive: true })
    const partial = `${path}.partial`
    rmSync(partial, { force: true })
    database.prepare('VACUUM INTO ?').run(partial)
    syncToDisk(partial)
    renameSync(partial, path)
    for (const old of existing.slice(0, Math.max(0, existing.length + 1 - keep))) rmSync(old.path, { force: true })
  })
  return path
}

function syncToDisk(path: string): void {
  const descriptor = openSync(path, 'r+')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
