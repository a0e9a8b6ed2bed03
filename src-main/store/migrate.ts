// Brings a site file to the current schema. Each step is one transaction, so that a power cut leaves a whole version behind.
import { AppError } from '#main/base/index.ts'
import { migrations } from './migrations/index.ts'
import type { Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

export const CURRENT_VERSION = migrations.length

export function fileVersion(database: Database): number {
  return guarded(() => Number(database.pragma('user_version', { simple: true })))
}

/** Throws `store.newer-version` for a file that a newer release wrote: reading it by old rules would lose what they do not know. */
export function refuseNewer(database: Database): void {
  const version = fileVersion(database)
  if (version <= CURRENT_VERSION) return
  throw new AppError('store.newer-version', 'The site file was written by a newer version of this program', {
    details: { fileVersion: version, supportedVersion: CURRENT_VERSION },
  })
}

/** Runs the missing migrations up to `target`. */
export function migrate(database: Database, target = CURRENT_VERSION, steps: readonly string[] = migrations): void {
  guarded(() => {
    for (let version = fileVersion(database); version < target; version++) {
      const sql = steps[version]
      if (sql === undefined) throw new AppError('internal', `There is no migration to version ${version + 1}`)
      database
        .transaction(() => {
          database.exec(sql)
          database.pragma(`user_version = ${version + 1}`)
        })
        .immediate()
    }
  })
}
