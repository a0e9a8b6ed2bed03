// A read model that others may follow: rows by key, and which keys changed.

/** Holds the current rows; listeners are told the keys of each change and look the rows up when they need them. */
export class KeyedFeed<Row> {
  readonly #keyOf: (row: Row) => string
  readonly #rows = new Map<string, Row>()
  readonly #listeners = new Set<(keys: readonly string[]) => void>()

  constructor(keyOf: (row: Row) => string) {
    this.#keyOf = keyOf
  }

  get size(): number {
    return this.#rows.size
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key)
  }

  keys(): readonly string[] {
    return [...this.#rows.keys()]
  }

  rows(): readonly Row[] {
    return [...this.#rows.values()]
  }

  /** Inserts or replaces one row. */
  set(row: Row): void {
    this.setAll([row])
  }

  /** Inserts or replaces rows as one change. */
  setAll(rows: readonly Row[]): void {
    if (rows.length === 0) return
    const keys = rows.map((row) => this.#keyOf(row))
    rows.forEach((row, index) => this.#rows.set(keys[index] ?? '', row))
    this.#tell(keys)
  }

  delete(keys: readonly string[]): void {
    const gone = keys.filter((key) => this.#rows.delete(key))
    if (gone.length > 0) this.#tell(gone)
  }

  /** Replaces everything. */
  reset(rows: readonly Row[]): void {
    const keys = new Set(this.#rows.keys())
    this.#rows.clear()
    for (const row of rows) {
      const key = this.#keyOf(row)
      this.#rows.set(key, row)
      keys.add(key)
    }
    if (keys.size > 0) this.#tell([...keys])
  }

  /** Calls back with the keys of each change; the returned function ends it. */
  subscribe(listener: (keys: readonly string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(keys: readonly string[]): void {
    const failures: unknown[] = []
    for (const listener of this.#listeners) {
      try {
        listener(keys)
      } catch (thrown) {
        failures.push(thrown)
      }
    }
    // Everybody has been told before anybody's failure goes on.
    if (failures.length > 0) throw failures[0]
  }
}
