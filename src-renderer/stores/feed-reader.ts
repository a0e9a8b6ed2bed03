// The rows of one feed, kept from a snapshot and its deltas (contract: feeds.ts). Pure, so that it can be tested without a window.

/** A feed message without its feed's name: what the reader needs of it. */
export type RowsMessage<Row> =
  | { readonly kind: 'snapshot'; readonly version: number; readonly rows: readonly Row[] }
  | { readonly kind: 'delta'; readonly version: number; readonly upsert: readonly Row[]; readonly remove: readonly string[] }

/** `ignored`: an old delta that the snapshot already holds. `gap`: a delta is missing, so the rows can no longer be trusted. */
export type ReadResult = 'applied' | 'ignored' | 'gap'

export class FeedReader<Row> {
  readonly #keyOf: (row: Row) => string
  readonly #byKey = new Map<string, Row>()
  #version: number | null = null
  #rows: readonly Row[] = []

  constructor(keyOf: (row: Row) => string) {
    this.#keyOf = keyOf
  }

  get rows(): readonly Row[] {
    return this.#rows
  }

  get(key: string): Row | undefined {
    return this.#byKey.get(key)
  }

  read(message: RowsMessage<Row>): ReadResult {
    if (message.kind === 'snapshot') {
      this.#byKey.clear()
      for (const row of message.rows) this.#byKey.set(this.#keyOf(row), row)
    } else {
      if (this.#version === null || message.version > this.#version + 1) return 'gap'
      if (message.version <= this.#version) return 'ignored'
      for (const key of message.remove) this.#byKey.delete(key)
      for (const row of message.upsert) this.#byKey.set(this.#keyOf(row), row)
    }
    this.#version = message.version
    // One array for each batch: 10 000 references are copied in well under a millisecond.
    this.#rows = [...this.#byKey.values()]
    return 'applied'
  }

  /** Forgets the version, so that nothing but a snapshot is taken next. The rows stay visible until then. */
  restart(): void {
    this.#version = null
  }
}
