// One process writes a site at a time. The lock is a write transaction held open on a small SQLite file beside the site: the
// operating system lets go of it however the process ends, so no lock is ever stale, and the holder's name stays readable.
import { hostname } from 'node:os'
import BetterSqlite3 from 'better-sqlite3'
import { AppError } from '#main/base/index.ts'
import { connect, type Database } from './site-database.ts'
import { guarded, storeFailure } from './sqlite-failure.ts'

export interface SiteLock {
  release(): void
}

/** Attempts to win when another process announces itself between our announcement and our lock. */
const ATTEMPTS = 5
const LOCK_WAIT_MS = 100

/** Takes the site for this process. Throws `site.locked` with `pid` and `host` of the holder. */
export function lockSite(sitePath: string): SiteLock {
  const database = connect(`${sitePath}.lock`, { mustExist: false })
  try {
    guarded(() => {
      database.pragma(`busy_timeout = ${LOCK_WAIT_MS}`)
      database.pragma('journal_mode = DELETE')
    })
    take(database)
  } catch (thrown) {
    const failure = isHeld(thrown) ? lockedFailure(database) : storeFailure(thrown)
    database.close()
    throw failure
  }
  return {
    release: () => {
      if (!database.open) return
      if (database.inTransaction) database.exec('ROLLBACK')
      database.close()
    },
  }
}

function take(database: Database): void {
  const stamp = `${process.pid} ${process.hrtime.bigint().toString()}`
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    database.exec('BEGIN IMMEDIATE')
    database.exec('CREATE TABLE IF NOT EXISTS holder (one INTEGER PRIMARY KEY CHECK (one = 1), pid INTEGER, host TEXT, stamp TEXT)')
    database.prepare('INSERT OR REPLACE INTO holder VALUES (1, ?, ?, ?)').run(process.pid, hostname(), stamp)
    // Readers see committed rows only, so the name is committed first and the lock taken again at once.
    database.exec('COMMIT')
    database.exec('BEGIN IMMEDIATE')
    if (database.prepare<[], { stamp: string }>('SELECT stamp FROM holder').get()?.stamp === stamp) return
    database.exec('ROLLBACK')
  }
  throw new AppError('site.locked', 'Other processes keep taking the site', { retryable: true })
}

function isHeld(thrown: unknown): boolean {
  const failure = thrown instanceof BetterSqlite3.SqliteError ? storeFailure(thrown) : thrown
  return failure instanceof AppError && failure.code === 'site.locked'
}

function lockedFailure(database: Database): AppError {
  return new AppError('site.locked', 'Another process has the site open', { retryable: true, details: holder(database) })
}

function holder(database: Database): Record<string, string | number> {
  try {
    const row = database.prepare<[], { pid: number; host: string }>('SELECT pid, host FROM holder').get()
    return row === undefined ? {} : { pid: row.pid, host: row.host }
  } catch {
    return {}
  }
}
