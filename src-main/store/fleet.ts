// Destinations of a site, parcels under way, what has arrived, and the writer's lease: implements the ports of site/exchange.
import { isPushTargetSettings } from '#main/site/exchange/index.ts'
import type { FleetStore, LeaseStore, StoredLease } from '#main/site/exchange/index.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'
import type { Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

interface TargetColumns {
  readonly id: string
  readonly settings: string
  readonly sealed: Uint8Array | null
  readonly created_at: number
}

interface ParcelColumns {
  readonly sha256: string
  readonly name: string
  readonly content_type: string
  readonly bytes: Uint8Array
}

interface DeliveredColumns {
  readonly sha256: string
  readonly etag: string | null
  readonly at: number
}

export function createFleetStore(database: Database): FleetStore {
  const targets = database.prepare<[], TargetColumns>('SELECT id, settings, sealed, created_at FROM push_target ORDER BY created_at, id')
  const saveTarget = database.prepare<[string, string, Uint8Array | null, number]>(`
    INSERT INTO push_target (id, settings, sealed, created_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET settings = excluded.settings, sealed = excluded.sealed`)
  const removeTarget = database.prepare<[string]>('DELETE FROM push_target WHERE id = ?')
  const parcel = database.prepare<[string, string], ParcelColumns>(
    'SELECT sha256, name, content_type, bytes FROM push_parcel WHERE sha256 = ? AND name = ?',
  )
  const saveParcel = database.prepare<[string, string, string, Uint8Array]>(
    'INSERT INTO push_parcel (sha256, name, content_type, bytes) VALUES (?, ?, ?, ?) ON CONFLICT (sha256, name) DO NOTHING',
  )
  const digests = database.prepare<[], { readonly sha256: string }>('SELECT DISTINCT sha256 FROM push_parcel')
  const removeParcel = database.prepare<[string]>('DELETE FROM push_parcel WHERE sha256 = ?')
  const delivered = database.prepare<[string, string], DeliveredColumns>(
    'SELECT sha256, etag, at FROM push_delivered WHERE target_id = ? AND name = ?',
  )
  const saveDelivered = database.prepare<[string, string, string, string | null, number]>(`
    INSERT INTO push_delivered (target_id, name, sha256, etag, at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (target_id, name) DO UPDATE SET sha256 = excluded.sha256, etag = excluded.etag, at = excluded.at`)
  const lastJob = database.prepare<[string], { readonly jobId: string; readonly revision: number; readonly at: number }>(
    'SELECT job_id AS jobId, revision, at FROM push_job WHERE target_id = ? ORDER BY at DESC, rowid DESC LIMIT 1',
  )
  const saveJob = database.prepare<[string, string, number, number]>(
    'INSERT INTO push_job (job_id, target_id, revision, at) VALUES (?, ?, ?, ?) ON CONFLICT (job_id) DO NOTHING',
  )

  return {
    targets: () =>
      guarded(() => targets.all()).map(({ id, settings, sealed, created_at: createdAt }) => ({
        id,
        settings: fromJson(settings, isPushTargetSettings),
        sealed: sealed === null ? undefined : Uint8Array.from(sealed),
        createdAt,
      })),
    saveTarget: ({ id, settings, sealed, createdAt }) => {
      guarded(() => saveTarget.run(id, canonicalJson(settings), sealed ?? null, createdAt))
    },
    removeTarget: (id) => {
      guarded(() => removeTarget.run(id))
    },
    parcel: (sha256, name) => {
      const row = guarded(() => parcel.get(sha256, name))
      return row === undefined ? undefined : { sha256, name, contentType: row.content_type, bytes: Uint8Array.from(row.bytes) }
    },
    saveParcels: (parcels) => {
      guarded(() =>
        database.transaction(() => {
          for (const { sha256, name, contentType, bytes } of parcels) saveParcel.run(sha256, name, contentType, bytes)
        })(),
      )
    },
    prune: (wanted) => {
      guarded(() =>
        database.transaction(() => {
          for (const { sha256 } of digests.all()) if (!wanted.has(sha256)) removeParcel.run(sha256)
        })(),
      )
    },
    delivered: (targetId, name) => guarded(() => delivered.get(targetId, name)),
    saveDelivered: (targetId, name, { sha256, etag, at }) => {
      guarded(() => saveDelivered.run(targetId, name, sha256, etag, at))
    },
    lastJob: (targetId) => guarded(() => lastJob.get(targetId)),
    saveJob: ({ jobId, targetId, revision, at }) => {
      guarded(() => saveJob.run(jobId, targetId, revision, at))
    },
  }
}

const leaseStates = { writer: true, 'taken-over': true, reader: true } as const

export function createLeaseStore(database: Database): LeaseStore {
  const read = database.prepare<[], Omit<StoredLease, 'state'> & { readonly state: string }>(
    'SELECT epoch, holder, since, state FROM writer_lease WHERE id = 1',
  )
  const save = database.prepare<[number, string, number, string]>(`
    INSERT INTO writer_lease (id, epoch, holder, since, state) VALUES (1, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder, since = excluded.since, state = excluded.state`)
  return {
    lease: () => {
      const row = guarded(() => read.get())
      return row === undefined ? undefined : { ...row, state: knownWord(leaseStates, row.state) }
    },
    saveLease: ({ epoch, holder, since, state }) => {
      guarded(() => save.run(epoch, holder, since, state))
    },
  }
}

/** Whatever this file was sent with before counts as a copy's from now on: no sequence number goes on (RFC 8613 Appendix B.1). */
export function forgetSender(database: Database, mark: string): void {
  guarded(() =>
    database
      .prepare<[string]>(
        'INSERT INTO oscore_writer (id, epoch, generation) VALUES (1, ?, 0) ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, generation = 0',
      )
      .run(mark),
  )
}
