// What SQLite and the file system say, as failures with a code. The only place that knows their error codes.
import BetterSqlite3 from 'better-sqlite3'
import type { FailureCode } from '#contract/failures.ts'
import { AppError } from '#main/base/index.ts'

const BY_PREFIX: ReadonlyArray<readonly [prefix: string, code: FailureCode, retryable: boolean]> = [
  ['SQLITE_FULL', 'store.disk-full', true],
  ['SQLITE_READONLY', 'store.read-only', false],
  ['SQLITE_PERM', 'store.read-only', false],
  ['SQLITE_CORRUPT', 'store.corrupt', false],
  ['SQLITE_NOTADB', 'store.corrupt', false],
  ['SQLITE_BUSY', 'site.locked', true],
  ['SQLITE_LOCKED', 'site.locked', true],
  ['SQLITE_IOERR', 'store.io', true],
  ['SQLITE_CANTOPEN', 'store.io', true],
]

/** Uniqueness that people can break by what they type, by the columns that SQLite names. */
const BY_UNIQUE_COLUMN: Readonly<Record<string, FailureCode>> = {
  'device.eui64': 'device.duplicate',
  'device.serial': 'device.duplicate',
  'coap_group.name': 'group.name-taken',
  'coap_group.address, coap_group.port': 'group.address-taken',
}

const BY_SYSTEM_CODE: Readonly<Record<string, FailureCode>> = {
  ENOSPC: 'store.disk-full',
  EDQUOT: 'store.disk-full',
  EROFS: 'store.read-only',
  EACCES: 'store.read-only',
  EPERM: 'store.read-only',
  ENOENT: 'site.not-found',
}

/** The failure that a thrown value of SQLite or of the file system stands for; anything else comes back as it is. */
export function storeFailure(thrown: unknown): unknown {
  if (thrown instanceof BetterSqlite3.SqliteError) return sqliteFailure(thrown)
  if (!(thrown instanceof Error) || !('syscall' in thrown) || !('code' in thrown) || typeof thrown.code !== 'string') return thrown
  const code = BY_SYSTEM_CODE[thrown.code] ?? 'store.io'
  return new AppError(code, `File access failed: ${thrown.message}`, { cause: thrown, details: { reason: thrown.code } })
}

function sqliteFailure(error: InstanceType<typeof BetterSqlite3.SqliteError>): AppError {
  const columns = /^UNIQUE constraint failed: (.+)$/.exec(error.message)?.[1]
  const clash = columns === undefined ? undefined : BY_UNIQUE_COLUMN[columns]
  if (clash !== undefined) return new AppError(clash, 'The value is taken', { cause: error, details: { columns: columns ?? '' } })
  const known = BY_PREFIX.find(([prefix]) => error.code.startsWith(prefix))
  const options = { cause: error, retryable: known?.[2] ?? false, details: { reason: error.code } }
  return new AppError(known?.[1] ?? 'internal', `SQLite failed: ${error.message}`, options)
}

/** Runs work on a file or a database; what it throws has a code. */
export function guarded<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (thrown) {
    throw storeFailure(thrown)
  }
}
