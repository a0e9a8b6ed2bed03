// What makers have told of devices, at rest: one row for each pledge, the oldest let go.
import { makerLog, type MakerLog } from '#contract/model.ts'
import { canonicalJson, fromJson } from './json.ts'
import type { Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

export interface KeptMakerLogs {
  get(pledgeKey: string): MakerLog | undefined
  save(pledgeKey: string, log: MakerLog): void
}

/** Of so many devices; a site has no more. */
const KEPT = 20_000

export function createMakerLogs(database: Database): KeptMakerLogs {
  const select = database.prepare<[string], { log: string }>('SELECT log FROM maker_log WHERE pledge_key = ?')
  const upsert = database.prepare<[string, number, string]>(`
    INSERT INTO maker_log (pledge_key, told_at, log) VALUES (?, ?, ?)
    ON CONFLICT (pledge_key) DO UPDATE SET told_at = excluded.told_at, log = excluded.log`)
  const prune = database.prepare<[number]>(
    'DELETE FROM maker_log WHERE pledge_key IN (SELECT pledge_key FROM maker_log ORDER BY told_at DESC LIMIT -1 OFFSET ?)',
  )
  return {
    get: (pledgeKey) => {
      const row = guarded(() => select.get(pledgeKey))
      return row === undefined ? undefined : fromJson(row.log, isLog)
    },
    save(pledgeKey, log) {
      guarded(() => upsert.run(pledgeKey, log.at, canonicalJson(log)))
      guarded(() => prune.run(KEPT))
    },
  }
}

function isLog(value: unknown): value is MakerLog {
  return makerLog.safeParse(value).success
}
