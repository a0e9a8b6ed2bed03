// Brings rows of the project back, step by step. Where nothing has happened to a row since, it becomes exactly what it was; where the network
// has told of it, only what a person had decided comes back: what a device holds is not undone by undoing the wish.
import type { HistoryKind, Restored } from '#main/site/history/index.ts'
import { withWish } from '#main/site/groups/index.ts'
import { fromMembership, toMembership, type MembershipColumns } from './groups.ts'
import type { JournalKind, JournalRow, JournalTable, JournalTables } from './journal.ts'
import type { SiteDatabase } from './site-database.ts'

/** One row, from what it is thought to be to what it shall be. */
export interface JournalChange {
  readonly kind: JournalKind
  readonly key: string
  readonly before: JournalRow | null
  readonly after: JournalRow | null
}

export interface Restorer {
  /** To be called within a transaction. */
  run(steps: readonly JournalChange[], at: number, isUndo: boolean): Restored
}

/** States that a device has before the network has told anything of it. */
const UNHEARD: ReadonlySet<unknown> = new Set(['planned', 'expected'])
/** What the network tells of a device. */
const HEARD_COLUMNS = ['model', 'profile_id', 'endpoint_name', 'address', 'port', 'zone', 'channel_id', 'last_heard_at'] as const

export function createRestorer(database: SiteDatabase, tables: JournalTables): Restorer {
  const { raw } = database
  const rows = new Map<JournalKind, RowAccess>()
  const access = (kind: JournalKind): RowAccess => {
    const known = rows.get(kind) ?? new RowAccess(database, tables[kind])
    rows.set(kind, known)
    return known
  }
  const count = (sql: string): ((...values: string[]) => number) => {
    const statement = raw.prepare<string[], { n: number }>(`SELECT COUNT(*) AS n FROM ${sql}`)
    return (...values) => statement.get(...values)?.n ?? 0
  }
  const cellsOfGroup = count('membership WHERE group_id = ?')
  const cellsOfDevice = count('membership WHERE device_id = ?')
  const groupsOn = count('application_group WHERE coap_group_id = ?')
  const told = count('security_member WHERE security_group_id = ? AND told IS NOT NULL')
  const keysOf = count('device_enrolment WHERE device_id = ?')
  const selectNamesakes = raw.prepare<[string, string | number | null, string | number | null], { id: string }>(
    'SELECT id FROM device WHERE id <> ? AND (eui64 = ? OR lower(serial) = lower(?))',
  )

  class Run {
    readonly touched = new Map<HistoryKind, Set<string>>()
    kept = 0
    withoutKeys = 0
    readonly #at: number
    readonly #isUndo: boolean

    constructor(at: number, isUndo: boolean) {
      this.#at = at
      this.#isUndo = isUndo
    }

    step({ kind, key, before, after }: JournalChange): void {
      if (kind !== 'links' && kind !== 'event') this.touch(kind, key)
      const now = access(kind).read(key)
      if (kind === 'membership') this.#membership(key, now, before, after)
      else if (kind === 'links' || kind === 'event') this.#beside(kind, now, after)
      else if (after === null) this.#takeAway(kind, key, now, before)
      else if (now === null) this.#bringBack(kind, key, before, after)
      else access(kind).write(same(now, before) ? after : merged(tables[kind], now, before, after))
    }

    touch(kind: HistoryKind, key: string): void {
      const keys = this.touched.get(kind) ?? new Set<string>()
      this.touched.set(kind, keys.add(key))
    }

    /** Wishes come and go; what a device was seen to hold stays until it is seen otherwise. */
    #membership(key: string, now: JournalRow | null, before: JournalRow | null, after: JournalRow | null): void {
      const cells = access('membership')
      if (same(now, before)) {
        if (after === null) cells.remove(key)
        else cells.write(after)
        return
      }
      const desired = after?.desired === 1
      if (now === null) {
        if (after !== null && desired)
          cells.write({
            ...after,
            ...{ outcome: 'planned', at: this.#at, source: 'operator', failure: null },
            ...{ applied_name: null, applied_address: null, applied_port: null },
          })
        return
      }
      const present = toMembership(columnsOfMembership(now))
      const wished = withWish(present, desired, this.#at)
      if (wished === undefined) cells.remove(key)
      else cells.write({ ...fromMembership(wished) })
    }

    /** Links and history of a device go and come with it. */
    #beside(kind: 'links' | 'event', now: JournalRow | null, after: JournalRow | null): void {
      if (now === null && after !== null) access(kind).write(after)
    }

    #takeAway(kind: HistoryKind, key: string, now: JournalRow | null, before: JournalRow | null): void {
      if (now === null) return
      const table = access(kind)
      // What a person had removed goes again; what he had only entered stays once the network has told of it.
      const isHeard = kind === 'device' && this.#isUndo && (cellsOfDevice(key) > 0 || !sameFacts(tables.device, now, before))
      if (isHeard) this.kept += 1
      // Devices hold entries of the group: it is retired, and goes when the last one has let go.
      else if (kind === 'applicationGroup' && cellsOfGroup(key) > 0) table.write({ ...now, retired: 1 })
      else if (kind === 'coapGroup' && groupsOn(key) > 0) return
      else if (kind === 'securityGroup' && told(key) > 0) this.kept += 1
      else table.remove(key)
    }

    #bringBack(kind: HistoryKind, key: string, before: JournalRow | null, after: JournalRow): void {
      // A device that the network has made one with another is not parted from it again.
      if (kind === 'device' && before !== null) return
      access(kind).write(kind === 'device' ? this.#withNamesake(key, after) : after)
      if (kind === 'device' && !UNHEARD.has(after.state) && keysOf(key) === 0) this.withoutKeys += 1
    }

    /** A removed device that was heard again stands in the list under another id: it is this one. */
    #withNamesake(key: string, after: JournalRow): JournalRow {
      const devices = access('device')
      let whole = after
      for (const { id } of selectNamesakes.all(key, after.eui64 ?? null, after.serial ?? null)) {
        const other = devices.read(id)
        if (other === null) continue
        const heard = Object.fromEntries(HEARD_COLUMNS.map((column) => [column, other[column] ?? null]))
        const state = UNHEARD.has(after.state) ? { state: other.state, state_at: other.state_at, state_source: other.state_source } : {}
        whole = { ...whole, ...definedOnly(heard), ...definedOnly(state) }
        devices.remove(id)
        this.touch('device', id)
      }
      return whole
    }

    /** What no step can tell by itself: retired groups that nobody holds, rows of devices and groups that are not there. */
    settle(): void {
      const cells = access('membership')
      for (const key of this.touched.get('membership') ?? []) {
        const [deviceId = '', groupId = ''] = key.split(' ')
        const isWhole = access('device').read(deviceId) !== null && access('applicationGroup').read(groupId) !== null
        if (!isWhole && cells.read(key) !== null) cells.remove(key)
      }
      for (const key of [...(this.touched.get('applicationGroup') ?? [])]) {
        const group = access('applicationGroup').read(key)
        if (group?.retired !== 1 || cellsOfGroup(key) > 0) continue
        access('applicationGroup').remove(key)
        const coapKey = String(group.coap_group_id)
        const coap = access('coapGroup').read(coapKey)
        if (coap?.allocated !== 1 || coap.name !== group.name || groupsOn(coapKey) > 0) continue
        access('coapGroup').remove(coapKey)
        this.touch('coapGroup', coapKey)
      }
    }
  }

  return {
    run(steps, at, isUndo) {
      raw.pragma('defer_foreign_keys = ON')
      const run = new Run(at, isUndo)
      for (const step of steps) run.step(step)
      run.settle()
      const { touched, kept, withoutKeys } = run
      return { touched, kept, withoutKeys }
    },
  }
}

/** Rows of one table by the journal's key. */
class RowAccess {
  readonly #select
  readonly #upsert
  readonly #delete
  readonly #table: JournalTable

  constructor({ raw }: SiteDatabase, table: JournalTable) {
    this.#table = table
    const { keys, columns } = table
    const match = keys.map((column) => `${column} = ?`).join(' AND ')
    const others = columns.filter((column) => !keys.includes(column))
    this.#select = raw.prepare<string[], Record<string, string | number | null>>(
      `SELECT ${columns.join(', ')} FROM ${table.table} WHERE ${match}`,
    )
    this.#delete = raw.prepare<string[]>(`DELETE FROM ${table.table} WHERE ${match}`)
    this.#upsert = raw.prepare<Array<string | number | null>>(`
      INSERT INTO ${table.table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
      ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`)
  }

  read(key: string): JournalRow | null {
    return this.#select.get(...this.#parts(key)) ?? null
  }

  write(row: JournalRow): void {
    this.#upsert.run(...this.#table.columns.map((column) => row[column] ?? null))
  }

  remove(key: string): void {
    this.#delete.run(...this.#parts(key))
  }

  #parts(key: string): readonly string[] {
    return this.#table.keys.length === 1 ? [key] : key.split(' ')
  }
}

function same(a: JournalRow | null, b: JournalRow | null): boolean {
  if (a === null || b === null) return a === b
  return Object.keys({ ...a, ...b }).every((column) => (a[column] ?? null) === (b[column] ?? null))
}

function sameFacts({ columns, wished }: JournalTable, a: JournalRow, b: JournalRow | null): boolean {
  return b !== null && columns.every((column) => wished.includes(column) || (a[column] ?? null) === (b[column] ?? null))
}

/** What the edit had changed comes back; everything else stays as it is now. */
function merged({ wished }: JournalTable, now: JournalRow, before: JournalRow | null, after: JournalRow): JournalRow {
  const back = wished.filter((column) => before === null || (before[column] ?? null) !== (after[column] ?? null))
  return { ...now, ...Object.fromEntries(back.map((column) => [column, after[column] ?? null])) }
}

function definedOnly(row: Readonly<Record<string, string | number | null | undefined>>): JournalRow {
  return Object.fromEntries(Object.entries(row).flatMap(([name, value]) => (value === undefined || value === null ? [] : [[name, value]])))
}

function columnsOfMembership(row: JournalRow): MembershipColumns {
  const text = (name: string): string => String(row[name] ?? '')
  const maybe = (name: string): string | null => (row[name] === null || row[name] === undefined ? null : String(row[name]))
  const port = row.applied_port
  return {
    device_id: text('device_id'),
    group_id: text('group_id'),
    desired: row.desired === 1 ? 1 : 0,
    outcome: text('outcome'),
    at: Number(row.at ?? 0),
    source: text('source'),
    failure: maybe('failure'),
    applied_name: maybe('applied_name'),
    applied_address: maybe('applied_address'),
    applied_port: typeof port === 'number' ? port : null,
  }
}
