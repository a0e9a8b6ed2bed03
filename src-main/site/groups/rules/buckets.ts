// Who shares a feature with whom: ids by key, and with each change those whose company has changed.

const NOBODY: ReadonlySet<string> = new Set()

export class Buckets {
  readonly #keys = new Map<string, string>()
  readonly #members = new Map<string, Set<string>>()

  /** Puts the id where it belongs (undefined: nowhere) and answers everybody else in the bucket that it left and in the one that it came into. */
  put(id: string, key: string | undefined): readonly string[] {
    const before = this.#keys.get(id)
    if (before === key) return []
    const touched: string[] = []
    if (before !== undefined) {
      const left = this.#members.get(before)
      left?.delete(id)
      if (left?.size === 0) this.#members.delete(before)
      touched.push(...(left ?? []))
      this.#keys.delete(id)
    }
    if (key !== undefined) {
      const joined = this.#members.get(key) ?? new Set<string>()
      touched.push(...joined)
      this.#members.set(key, joined.add(id))
      this.#keys.set(id, key)
    }
    return touched
  }

  keyOf(id: string): string | undefined {
    return this.#keys.get(id)
  }

  at(key: string): ReadonlySet<string> {
    return this.#members.get(key) ?? NOBODY
  }

  /** Everybody else with the id's key. */
  company(id: string): readonly string[] {
    const key = this.#keys.get(id)
    return key === undefined ? [] : [...(this.#members.get(key) ?? NOBODY)].filter((other) => other !== id)
  }
}
