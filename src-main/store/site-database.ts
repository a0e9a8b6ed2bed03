// One SQLite connection to a site file: pragmas, transactions, and the project's revision, which grows inside the transaction
// that changes the project, whoever makes the change.
import BetterSqlite3 from 'better-sqlite3'
import { guarded } from './sqlite-failure.ts'

export type Database = BetterSqlite3.Database

/** `GWST`: tells a site file from every other SQLite file. */
export const APPLICATION_ID = 0x47575354

/** How long a statement waits for a reader elsewhere (a backup tool, a second window's file list). */
const BUSY_TIMEOUT_MS = 2000

/** Opens the database itself; nothing is read yet. `store.io` where the system refuses. */
export function connect(path: string, options: { readonly mustExist: boolean; readonly readonly?: boolean }): Database {
  return guarded(
    () => new BetterSqlite3(path, { fileMustExist: options.mustExist, readonly: options.readonly ?? false, timeout: BUSY_TIMEOUT_MS }),
  )
}

/** A database of the file's bytes, which are changed: in memory there is no write-ahead log (header bytes 18 and 19, format 1). */
export function inMemory(bytes: Buffer): Database {
  bytes.fill(1, 18, 20)
  return new BetterSqlite3(bytes, { readonly: true })
}

/** Columns that make up the project: what the installer decides, not what the network says. */
export const PROJECT_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  room: ['parent_id', 'kind', 'name', 'position'],
  device: ['name', 'type', 'room_id', 'eui64', 'serial', 'comment'],
  coap_group: ['name', 'address', 'port'],
  application_group: ['name', 'coap_group_id', 'room_id', 'comment', 'retired'],
  membership: ['desired'],
  security_group: ['name', 'suite', 'policy', 'comment'],
  group_protection: ['security_groups', 'reason'],
  room_template: ['record'],
  room_template_use: ['record'],
}

/** Told of the transactions of a connection, to write along with them. */
export interface TransactionWatcher {
  /** How much it has noted: what was noted after this is void when the work is rolled back. */
  mark(): number
  rolledBack(mark: number): void
  /** Inside the outermost transaction, after its work. */
  beforeCommit(): void
}

export class SiteDatabase {
  readonly raw: Database
  readonly #readRevision: BetterSqlite3.Statement<[], { value: string }>
  readonly #writeRevision: BetterSqlite3.Statement<[string]>
  readonly #listeners = new Set<() => void>()
  #projectChanged = false
  #watcher: TransactionWatcher | undefined

  /** Takes over a connection whose schema is the current one. */
  constructor(raw: Database) {
    this.raw = raw
    guarded(() => this.#watchProject())
    this.#readRevision = raw.prepare(`SELECT value FROM meta WHERE key = 'revision'`)
    this.#writeRevision = raw.prepare(
      `INSERT INTO meta (key, value) VALUES ('revision', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    )
  }

  get revision(): number {
    return guarded(() => Number(this.#readRevision.get()?.value ?? '0'))
  }

  /** Counts a change of the project that is not in its tables. */
  bumpRevision(): void {
    this.transaction(() => {
      this.#projectChanged = true
    })
  }

  /** Called after each transaction that changed the project. */
  onRevision(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  watchTransactions(watcher: TransactionWatcher): void {
    this.#watcher = watcher
  }

  /** All of the work is durable when this returns, or none of it. Inner transactions belong to the outermost one. */
  transaction<Result>(work: () => Result): Result {
    const mark = this.#watcher?.mark() ?? 0
    try {
      return this.#transaction(work)
    } catch (thrown) {
      this.#watcher?.rolledBack(mark)
      throw thrown
    }
  }

  #transaction<Result>(work: () => Result): Result {
    if (this.raw.inTransaction) return guarded(this.raw.transaction(work))
    this.#takeMark()
    const counted = this.raw.transaction(() => {
      const value = work()
      this.#watcher?.beforeCommit()
      const grown = this.#takeMark()
      if (grown) this.#writeRevision.run(String(Number(this.#readRevision.get()?.value ?? '0') + 1))
      return { value, grown }
    })
    const { value, grown } = guarded(() => counted.immediate())
    if (grown) for (const listener of this.#listeners) listener()
    return value
  }

  #takeMark(): boolean {
    const changed = this.#projectChanged
    this.#projectChanged = false
    return changed
  }

  /** Triggers of this connection alone: the file stays readable by any SQLite tool. */
  #watchProject(): void {
    this.raw.function('project_changed', { directOnly: false }, () => {
      this.#projectChanged = true
      return null
    })
    for (const [table, columns] of Object.entries(PROJECT_COLUMNS)) {
      const differs = columns.map((column) => `OLD.${column} IS NOT NEW.${column}`).join(' OR ')
      this.raw.exec(`
        CREATE TEMP TRIGGER ${table}_project_insert AFTER INSERT ON main.${table} BEGIN SELECT project_changed(); END;
        CREATE TEMP TRIGGER ${table}_project_delete AFTER DELETE ON main.${table} BEGIN SELECT project_changed(); END;
        CREATE TEMP TRIGGER ${table}_project_update AFTER UPDATE ON main.${table} WHEN ${differs} BEGIN SELECT project_changed(); END;`)
    }
  }
}
