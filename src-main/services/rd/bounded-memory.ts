// A map that keeps to a number of entries and to a number of bytes: the longest unchanged go first.

export class BoundedMemory<Value> {
  readonly #entries = new Map<string, Value>()
  readonly #maxEntries: number
  readonly #maxBytes: number
  readonly #bytesOf: (value: Value) => number
  #bytes = 0

  constructor(maxEntries: number, maxBytes: number, bytesOf: (value: Value) => number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
    this.#bytesOf = bytesOf
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: Value): void {
    this.delete(key)
    this.#entries.set(key, value)
    this.#bytes += this.#bytesOf(value)
    while (this.#entries.size > this.#maxEntries || this.#bytes > this.#maxBytes) {
      const oldest = this.#entries.keys().next()
      if (oldest.done === true) return
      this.delete(oldest.value)
    }
  }

  delete(key: string): void {
    const known = this.#entries.get(key)
    if (known === undefined) return
    this.#entries.delete(key)
    this.#bytes -= this.#bytesOf(known)
  }
}
