// Puts the fragments of packets together (RFC 4944 §5.3): a few at a time, each for a limited time, as a small node can.

interface Partial {
  readonly key: number
  readonly arrived: Set<number>
  readonly deadlineUs: number
}

const TIMEOUT_US = 2_000_000
const MOST_PARTIALS = 16

export class Reassembly {
  readonly #partials = new Map<number, Partial>()
  #lost = 0

  /** Packets given up because a fragment was missing. */
  get lost(): number {
    return this.#lost
  }

  /** Takes a fragment; true where it made the packet whole. */
  take(key: number, index: number, count: number, nowUs: number): boolean {
    if (count === 1) return true
    for (const [old, partial] of this.#partials) {
      if (partial.deadlineUs > nowUs) break
      this.#partials.delete(old)
      this.#lost++
    }
    let partial = this.#partials.get(key)
    if (partial === undefined) {
      if (this.#partials.size >= MOST_PARTIALS) return false
      partial = { key, arrived: new Set(), deadlineUs: nowUs + TIMEOUT_US }
      this.#partials.set(key, partial)
    }
    partial.arrived.add(index)
    if (partial.arrived.size < count) return false
    this.#partials.delete(key)
    return true
  }

  clear(): void {
    this.#partials.clear()
  }
}
