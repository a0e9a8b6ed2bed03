// The pledges in memory. Invariant: bounded, and strangers push out strangers only: who is listed, let in or joined stays.
import type { PledgeRecord } from './types.ts'

/** `stranger`: its manufacturer is not known, so anybody could make up thousands; `unlisted`: a true device that nobody expects. */
export type Standing = 'kept' | 'unlisted' | 'stranger'

export type Limits = Readonly<Record<Standing, number>>
export const LIMITS: Limits = { kept: 20_000, unlisted: 10_000, stranger: 500 }

export class PledgeBook {
  readonly #limits: Limits
  readonly #records = new Map<string, PledgeRecord>()
  /** Keys of each standing, the longest unheard first. */
  readonly #order: Readonly<Record<Standing, Map<string, true>>> = { kept: new Map(), unlisted: new Map(), stranger: new Map() }
  #dropped = 0

  constructor(limits: Limits = LIMITS) {
    this.#limits = limits
  }

  get size(): number {
    return this.#records.size
  }

  /** How many were pushed out since the start. */
  get dropped(): number {
    return this.#dropped
  }

  get(key: string): PledgeRecord | undefined {
    return this.#records.get(key)
  }

  all(): IterableIterator<PledgeRecord> {
    return this.#records.values()
  }

  /** Puts it last in its standing; gives the keys that had to go for it. */
  put(record: PledgeRecord, standing: Standing): readonly string[] {
    for (const order of Object.values(this.#order)) order.delete(record.key)
    this.#records.set(record.key, record)
    const order = this.#order[standing]
    order.set(record.key, true)
    const gone: string[] = []
    for (const key of order.keys()) {
      if (order.size <= this.#limits[standing]) break
      this.remove(key)
      gone.push(key)
    }
    this.#dropped += gone.length
    return gone
  }

  remove(key: string): boolean {
    for (const order of Object.values(this.#order)) order.delete(key)
    return this.#records.delete(key)
  }
}
