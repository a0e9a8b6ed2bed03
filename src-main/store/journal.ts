// Notes each row of the project that an action of a person changes, as it was and as it became, and writes that within the transaction that
// changes it: after a crash the journal and the project agree.
import type { HistoryAction, HistoryKind } from '#main/site/history/index.ts'
import { canonicalJson } from './json.ts'
import { PROJECT_COLUMNS, type Database, type SiteDatabase, type TransactionWatcher } from './site-database.ts'

/** What the journal holds of a row: its columns. */
export type JournalRow = Readonly<Record<string, string | number | null>>
/** Rows that go with a removed device: brought back with it, but no edits of their own. */
export type JournalKind = HistoryKind | 'links' | 'event'

export interface JournalTable {
  readonly table: string
  readonly keys: readonly string[]
  readonly columns: readonly string[]
  /** Columns that a person decides on; the others are facts, or follow from these. */
  readonly wished: readonly string[]
  readonly only?: 'delete'
  readonly where?: string
}

const TABLES: Readonly<Record<JournalKind, Omit<JournalTable, 'columns' | 'wished'>>> = {
  room: { table: 'room', keys: ['id'] },
  device: { table: 'device', keys: ['id'] },
  links: { table: 'device_links', keys: ['device_id'], only: 'delete' },
  event: { table: 'device_event', keys: ['sequence'], only: 'delete' },
  coapGroup: { table: 'coap_group', keys: ['id'] },
  applicationGroup: { table: 'application_group', keys: ['id'] },
  membership: { table: 'membership', keys: ['device_id', 'group_id'] },
  securityGroup: { table: 'security_group', keys: ['id'] },
  protection: { table: 'group_protection', keys: ['group_id'] },
  template: { table: 'room_template', keys: ['id'] },
  templateUse: { table: 'room_template_use', keys: ['room_id'] },
  details: { table: 'meta', keys: ['key'], where: `= 'details'` },
}
/** Tables in which the network writes too: there only what a person decides on counts as an edit. */
const SHARED: ReadonlySet<string> = new Set(['device', 'membership'])

export type JournalTables = Readonly<Record<JournalKind, JournalTable>>

export function journalTables(raw: Database): JournalTables {
  const columnsOf = raw.prepare<[string], { name: string }>('SELECT name FROM pragma_table_info(?)')
  const whole = (kind: JournalKind): JournalTable => {
    const frame = TABLES[kind]
    const columns = columnsOf.all(frame.table).map(({ name }) => name)
    const wished = SHARED.has(frame.table) ? (PROJECT_COLUMNS[frame.table] ?? columns) : columns
    return { ...frame, columns, wished }
  }
  return {
    room: whole('room'),
    device: whole('device'),
    links: whole('links'),
    event: whole('event'),
    coapGroup: whole('coapGroup'),
    applicationGroup: whole('applicationGroup'),
    membership: whole('membership'),
    securityGroup: whole('securityGroup'),
    protection: whole('protection'),
    template: whole('template'),
    templateUse: whole('templateUse'),
    details: whole('details'),
  }
}

interface Note {
  readonly kind: JournalKind
  readonly key: string
  readonly before: string | null
  readonly after: string | null
}

interface Running {
  readonly action: HistoryAction
  id: number | undefined
  position: number
  readonly counts: Map<string, number>
  name: string | null
}

const NOT_COUNTED: ReadonlySet<string> = new Set(['links', 'event'])

export class ProjectJournal implements TransactionWatcher {
  readonly #raw: Database
  readonly #notes: Note[] = []
  #running: Running | undefined
  #depth = 0
  readonly #insertEntry
  readonly #updateEntry
  readonly #insertChange
  readonly #groupName
  readonly #forgetUndone

  constructor(database: SiteDatabase, tables: JournalTables) {
    const { raw } = database
    this.#raw = raw
    this.#insertEntry = raw.prepare<[number, string, string, string]>(
      `INSERT INTO history_entry (at, actor, op, state, counts, name) VALUES (?, ?, ?, ?, '{}', NULL)`,
    )
    this.#updateEntry = raw.prepare<[string, string | null, number]>('UPDATE history_entry SET counts = ?, name = ? WHERE id = ?')
    this.#insertChange = raw.prepare<[number, number, string, string, string | null, string | null]>(
      'INSERT INTO history_change (entry_id, position, kind, row_key, before, after) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#groupName = raw.prepare<[string], { name: string }>('SELECT name FROM application_group WHERE id = ?')
    this.#forgetUndone = raw.prepare(`DELETE FROM history_entry WHERE state = 'undone'`)
    this.#listen(tables)
    database.watchTransactions(this)
  }

  /** Actions within an action belong to it. */
  begin(action: HistoryAction): void {
    this.#depth += 1
    this.#running ??= { action, id: undefined, position: 0, counts: new Map(), name: null }
  }

  /** The id of the entry, where the outermost action has ended and there is one. */
  end(database: SiteDatabase, succeeded: boolean): number | undefined {
    this.#depth -= 1
    const running = this.#running
    if (this.#depth > 0 || running === undefined) return undefined
    // What cannot be undone stands in the journal also where it left no trace in the project itself.
    if (running.action.final && succeeded && running.id === undefined) database.transaction(() => this.#open(running))
    this.#running = undefined
    return running.id
  }

  mark(): number {
    return this.#notes.length
  }

  rolledBack(mark: number): void {
    this.#notes.length = Math.min(this.#notes.length, mark)
  }

  beforeCommit(): void {
    const running = this.#running
    const notes = this.#notes.splice(0)
    if (running === undefined || notes.length === 0) return
    // What was undone before a new edit cannot be done again after it.
    if (running.id === undefined) this.#forgetUndone.run()
    const id = this.#open(running)
    for (const { kind, key, before, after } of notes) {
      this.#insertChange.run(id, running.position++, kind, key, before, after)
      if (NOT_COUNTED.has(kind) || before === after) continue
      running.counts.set(kind, (running.counts.get(kind) ?? 0) + 1)
      running.name ??= this.#nameOf(kind, key, after ?? before)
    }
    this.#updateEntry.run(canonicalJson(Object.fromEntries(running.counts)), running.name, id)
  }

  /** Memberships and protections are told by the name of their group. */
  #nameOf(kind: JournalKind, key: string, row: string | null): string | null {
    const groupId = kind === 'membership' ? key.split(' ')[1] : kind === 'protection' ? key : undefined
    return groupId === undefined ? nameIn(row) : (this.#groupName.get(groupId)?.name ?? null)
  }

  #open(running: Running): number {
    if (running.id !== undefined) return running.id
    const { at, actor, op, final } = running.action
    running.id = Number(this.#insertEntry.run(at, actor, op, final ? 'final' : 'done').lastInsertRowid)
    return running.id
  }

  /** Triggers of this connection alone, as those that count the revision. */
  #listen(tables: JournalTables): void {
    this.#raw.function('journal_runs', { directOnly: false }, () => (this.#running === undefined ? 0 : 1))
    this.#raw.function('journal_note', { directOnly: false }, (kind: unknown, key: unknown, before: unknown, after: unknown) => {
      if (isKind(tables, kind)) this.#notes.push({ kind, key: String(key), before: textOf(before), after: textOf(after) })
      return null
    })
    for (const kind of Object.keys(tables)) {
      if (!isKind(tables, kind)) continue
      const { table, keys, columns, wished, only, where } = tables[kind]
      const key = (row: string): string => keys.map((column) => `${row}.${column}`).join(` || ' ' || `)
      const whole = (row: string): string => `json_object(${columns.map((column) => `'${column}', ${row}.${column}`).join(', ')})`
      const applies = (row: string): string => `journal_runs()${where === undefined ? '' : ` AND ${row}.${keys[0] ?? ''} ${where}`}`
      const note = (row: string, before: string, after: string): string =>
        `BEGIN SELECT journal_note('${kind}', ${key(row)}, ${before}, ${after}); END;`
      this.#raw.exec(`CREATE TEMP TRIGGER ${table}_journal_delete AFTER DELETE ON main.${table} WHEN ${applies('OLD')}
        ${note('OLD', whole('OLD'), 'NULL')}`)
      if (only === 'delete') continue
      const differs = wished.map((column) => `OLD.${column} IS NOT NEW.${column}`).join(' OR ')
      this.#raw.exec(`
        CREATE TEMP TRIGGER ${table}_journal_insert AFTER INSERT ON main.${table} WHEN ${applies('NEW')} ${note('NEW', 'NULL', whole('NEW'))}
        CREATE TEMP TRIGGER ${table}_journal_update AFTER UPDATE ON main.${table} WHEN ${applies('NEW')} AND (${differs})
          ${note('NEW', whole('OLD'), whole('NEW'))}`)
    }
    // A retired group may be gone, with the CoAP group that was its own, before the retirement is undone.
    const { columns } = tables.coapGroup
    const coap = `json_object(${columns.map((column) => `'${column}', ${column}`).join(', ')})`
    this.#raw.exec(`CREATE TEMP TRIGGER application_group_journal_retire AFTER UPDATE ON main.application_group
      WHEN journal_runs() AND NEW.retired <> 0 AND OLD.retired = 0
      BEGIN SELECT journal_note('coapGroup', id, ${coap}, ${coap}) FROM main.coap_group WHERE id = NEW.coap_group_id; END;`)
  }
}

export function isKind(tables: JournalTables, kind: unknown): kind is JournalKind {
  return typeof kind === 'string' && Object.hasOwn(tables, kind)
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function nameIn(row: string | null): string | null {
  const value: unknown = row === null ? null : JSON.parse(row)
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' ? value.name : null
}
