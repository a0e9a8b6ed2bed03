// Registrations of the Resource Directory at rest: one row each, in the order of their first registration.
import type { Database } from 'better-sqlite3'
import type { JsonValue } from '#main/base/index.ts'
import type { LinkAttribute } from '#main/wire/coap/index.ts'
import type { RegistrationChange, RegistrationRecord, RegistrationSource, RegistrationStore } from '#main/services/rd/index.ts'
import { guarded } from './sqlite-failure.ts'

interface Row {
  readonly id: string
  readonly endpoint_name: string
  readonly sector: string
  readonly base: string
  readonly base_explicit: number
  readonly lifetime_s: number
  readonly registered_at: number
  readonly expires_at: number
  readonly attributes: string
  readonly links: string
  readonly source: string
}

const COLUMNS = [
  'id',
  'endpoint_name',
  'sector',
  'base',
  'base_explicit',
  'lifetime_s',
  'registered_at',
  'expires_at',
  'attributes',
  'links',
  'source',
] as const
/** What a renewal may change; the links, by far the largest column, stay as they are. */
const RENEWED = ['base', 'base_explicit', 'lifetime_s', 'registered_at', 'expires_at', 'attributes', 'source']

interface Placed {
  readonly id: string
  readonly position: number
}

export function createRegistrationStore(database: Database): RegistrationStore {
  const all = database.prepare<[], Row & Placed>(`SELECT position, ${COLUMNS.join(', ')} FROM registration ORDER BY position`)
  const places = database.prepare<[], Placed>('SELECT id, position FROM registration')
  // By position, not by name: of all statements this one runs thousands of times a second.
  const insert = database.prepare(`INSERT INTO registration (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`)
  const replace = database.prepare<Row & Placed>(updateOf([...RENEWED, 'endpoint_name', 'sector', 'links']))
  const renew = database.prepare<Row & Placed>(updateOf(RENEWED))
  const remove = database.prepare<[number, string]>('DELETE FROM registration WHERE position = ? AND id = ?')
  const shift = database.prepare<[number, number]>('UPDATE registration SET registered_at = registered_at + ?, expires_at = expires_at + ?')
  /** Undefined until they are needed, and after a transaction that came to nothing. */
  let positions: Map<string, number> | undefined

  const known = (): Map<string, number> => (positions ??= new Map(places.all().map(({ id, position }) => [id, position])))
  const save = (row: Row): void => {
    const position = known().get(row.id)
    if (position !== undefined && replace.run({ ...row, position }).changes > 0) return
    known().set(row.id, Number(insert.run(...COLUMNS.map((column) => row[column])).lastInsertRowid))
  }
  const applyOne = (change: RegistrationChange): void => {
    if (change.kind === 'shift') shift.run(change.byMs, change.byMs)
    else if (change.kind === 'save') save(toRow(change.record))
    else {
      const id = change.kind === 'remove' ? change.id : change.record.id
      const position = known().get(id)
      if (position === undefined) return
      if (change.kind === 'renew') {
        renew.run({ ...toRow(change.record), position })
        return
      }
      remove.run(position, id)
      known().delete(id)
    }
  }
  const forgetting = <Result>(work: () => Result): Result => {
    try {
      return guarded(work)
    } catch (error) {
      // What was inserted may be gone again.
      positions = undefined
      throw error
    }
  }
  const applyAll = database.transaction((changes: readonly RegistrationChange[]) => changes.forEach(applyOne))
  return {
    load: () =>
      guarded(() => {
        const rows = all.all()
        positions = new Map(rows.map(({ id, position }) => [id, position]))
        return rows.map(toRecord)
      }),
    apply: (changes) => {
      forgetting(() => {
        if (database.inTransaction) changes.forEach(applyOne)
        else applyAll.immediate(changes)
      })
    },
    transaction: (work) => forgetting(() => database.transaction(work).immediate()),
  }
}

function updateOf(columns: readonly string[]): string {
  // Both: an outer transaction may have taken the row away, and its position may be another's.
  return `UPDATE registration SET ${columns.map((column) => `${column} = @${column}`).join(', ')} WHERE position = @position AND id = @id`
}

function toRow(record: RegistrationRecord): Row {
  return {
    id: record.id,
    endpoint_name: record.endpointName,
    sector: record.sector,
    base: record.base,
    base_explicit: record.baseExplicit ? 1 : 0,
    lifetime_s: record.lifetimeS,
    registered_at: record.registeredAt,
    expires_at: record.expiresAt,
    attributes: JSON.stringify(record.attributes.map(({ name, value }) => [name, value])),
    links: record.links,
    source: JSON.stringify(record.source ?? null),
  }
}

function toRecord(row: Row): RegistrationRecord {
  return {
    id: row.id,
    endpointName: row.endpoint_name,
    sector: row.sector,
    base: row.base,
    baseExplicit: row.base_explicit === 1,
    lifetimeS: row.lifetime_s,
    registeredAt: row.registered_at,
    expiresAt: row.expires_at,
    attributes: readAttributes(row.attributes),
    links: row.links,
    source: readSource(row.source),
  }
}

function readAttributes(text: string): readonly LinkAttribute[] {
  const parsed = readJson(text)
  if (!Array.isArray(parsed)) return []
  const pairs: readonly unknown[] = parsed
  return pairs.flatMap((pair) => {
    if (!isArray(pair)) return []
    const [name, value] = pair
    return typeof name === 'string' ? [{ name, value: typeof value === 'string' ? value : null }] : []
  })
}

function readSource(text: string): RegistrationSource | undefined {
  const parsed = readJson(text)
  if (!isObject(parsed) || typeof parsed.channelId !== 'string' || !isObject(parsed.address)) return undefined
  const { address, port, zone } = parsed.address
  if (typeof address !== 'string' || typeof port !== 'number') return undefined
  const { channelId, identity } = parsed
  return {
    channelId,
    address: typeof zone === 'string' ? { address, port, zone } : { address, port },
    ...(typeof identity === 'string' ? { identity } : {}),
  }
}

function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function isObject(value: unknown): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
