// Transactions of the registration authority with servers above it, as they are kept over restarts.
import type { Database } from 'better-sqlite3'
import type { UpstreamRecord, UpstreamState, UpstreamStore } from '#main/services/ra/index.ts'
import { knownWord } from './json.ts'
import { guarded } from './sqlite-failure.ts'

interface UpstreamRow {
  readonly id: string
  readonly server: string
  readonly requester: string
  readonly operation: string
  readonly state: string
  readonly request_hash: string
  readonly sealed: Uint8Array | null
  readonly fail_info: string | null
  readonly why: string
  readonly until_at: number
}

const STATES: Readonly<Record<UpstreamState, true>> = { queued: true, answered: true, failed: true, running: true, done: true, sent: true }

export function createUpstreamStore(database: Database): UpstreamStore {
  const all = database.prepare<[], UpstreamRow>('SELECT * FROM ra_upstream ORDER BY rowid')
  const save = database.prepare<UpstreamRow>(
    `INSERT INTO ra_upstream (id, server, requester, operation, state, request_hash, sealed, fail_info, why, until_at)
     VALUES (@id, @server, @requester, @operation, @state, @request_hash, @sealed, @fail_info, @why, @until_at)
     ON CONFLICT (id) DO UPDATE SET server = excluded.server, requester = excluded.requester, operation = excluded.operation,
       state = excluded.state, request_hash = excluded.request_hash, sealed = excluded.sealed, fail_info = excluded.fail_info,
       why = excluded.why, until_at = excluded.until_at`,
  )
  const remove = database.prepare<[string]>('DELETE FROM ra_upstream WHERE id = ?')
  return {
    upstreamRecords: () => guarded(() => all.all().map(fromRow)),
    saveUpstream: (record) => {
      guarded(() => save.run(toRow(record)))
    },
    removeUpstream: (id) => {
      guarded(() => remove.run(id))
    },
  }
}

function toRow({ id, server, requester, operation, state, requestHash, sealed, failInfo, why, untilAt }: UpstreamRecord): UpstreamRow {
  return {
    id,
    server,
    requester,
    operation,
    state,
    request_hash: requestHash,
    sealed: sealed ?? null,
    fail_info: failInfo ?? null,
    why,
    until_at: untilAt,
  }
}

function fromRow({ id, server, requester, operation, state, request_hash, sealed, fail_info, why, until_at }: UpstreamRow): UpstreamRecord {
  return {
    id,
    server,
    requester,
    operation,
    state: knownWord(STATES, state),
    requestHash: request_hash,
    sealed: sealed === null ? undefined : new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.byteLength),
    failInfo: fail_info ?? undefined,
    why,
    untilAt: until_at,
  }
}
