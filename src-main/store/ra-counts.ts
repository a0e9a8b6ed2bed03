// How many certificates, requests and expected devices the registration authority has: counted by the database, so that a look costs little.
import type { Database } from 'better-sqlite3'
import { guarded } from './sqlite-failure.ts'

export interface RaCounts {
  readonly pending: number
  readonly preRegistered: number
  /** Confirmed, neither over, revoked nor replaced. */
  readonly valid: number
  /** Of those, how many end soon: within `soonMs`, and in the last quarter of their time. */
  readonly expiring: number
  readonly expired: number
  readonly revoked: number
  /** Devices of the list with a valid certificate. */
  readonly devices: number
}

/** Devices of the list that have had a certificate, and whether one of them is good now. */
export function createCertifiedDevices(database: Database): (now: number) => ReadonlyMap<string, boolean> {
  const all = database.prepare<{ now: number }, { device: string; live: number }>(
    `SELECT device_id AS device, max(state = 'valid' AND replaced_by IS NULL AND not_after >= @now) AS live
     FROM ra_certificate WHERE device_id IS NOT NULL AND state <> 'unconfirmed' GROUP BY device_id`,
  )
  return (now) => new Map(guarded(() => all.all({ now })).map(({ device, live }) => [device, live === 1]))
}

export function createRaCounts(database: Database): (now: number, soonMs: number) => RaCounts {
  const count = database.prepare<{ now: number; soon: number }, RaCounts>(`SELECT
    (SELECT count(*) FROM ra_transaction WHERE state = 'waiting') AS pending,
    (SELECT count(*) FROM ra_pre_registration) AS preRegistered,
    count(*) FILTER (WHERE state = 'valid' AND replaced_by IS NULL AND not_after >= @now) AS valid,
    count(*) FILTER (WHERE state = 'valid' AND replaced_by IS NULL AND not_after >= @now
      AND not_after - @now < min(@soon, (not_after - not_before) / 4)) AS expiring,
    count(*) FILTER (WHERE state = 'valid' AND replaced_by IS NULL AND not_after < @now) AS expired,
    count(*) FILTER (WHERE state = 'revoked' AND replaced_by IS NULL) AS revoked,
    count(DISTINCT device_id) FILTER (WHERE state = 'valid' AND replaced_by IS NULL AND not_after >= @now) AS devices
    FROM ra_certificate`)
  const none: RaCounts = { pending: 0, preRegistered: 0, valid: 0, expiring: 0, expired: 0, revoked: 0, devices: 0 }
  return (now, soonMs) => guarded(() => count.get({ now, soon: soonMs })) ?? none
}
