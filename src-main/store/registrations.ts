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

const COLUMNS = 'id, endpoint_name, sector, base, base_explicit, lifetime_s, registered_at, expires_at, attributes, links, source'
/** What a renewal may change; the links, by far the largest column, stay as they are. */
const RENEWED = ['base', 'base_explicit', 'lifetime_s', 'registered_at', 'expires_at', 'attributes', 'source']

export function createRegistrationStore(database: Database): RegistrationStore {
  const all = database.prepare<[], Row>(`SELECT ${COLUMNS} FROM registration ORDER BY rowid`)
  const assignments = [...RENEWED, 'links'].map((column) => `${column} = excluded.${column}`).join(', ')
  const save = database.prepare<Row>(
    `INSERT INTO registration (${COLUMNS})
     VALUES (@id, @endpoint_name, @sector, @base, @base_explicit, @lifetime_s, @registered_at, @expires_at, @attributes, @links, @source)
     ON CONFLICT (id) DO UPDATE SET ${assignments}`,
  )
  const renew = database.prepare<Row>(
    `UPDATE registration SET ${RENEWED.map((column) => `${column} = @${column}`).join(', ')} WHERE id = @id`,
  )
  const remove = database.prepare<[string]>('DELETE FROM registration WHERE id = ?')
  const apply = (changes: readonly RegistrationChange[]): void => {
    for (const change of changes) {
      if (change.kind === 'remove') remove.run(change.id)
      else (change.kind === 'save' ? save : renew).run(toRow(change.record))
    }
  }
  const applyAll = database.transaction(apply)
  return {
    load: () => guarded(() => all.all().map(toRecord)),
    apply: (changes) => {
      guarded(() => {
        if (database.inTransaction) apply(changes)
        else applyAll.immediate(changes)
      })
    },
    transaction: (work) => guarded(() => database.transaction(work).immediate()),
  }
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
  return { channelId: parsed.channelId, address: typeof zone === 'string' ? { address, port, zone } : { address, port } }
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
