// Who is refused whatever else holds: pledges by their certificate, devices by serial number or EUI-64.
import { AppError } from '#main/base/index.ts'
import type { AdmissionStore, DenialRecord } from './types.ts'

const MOST_DENIALS = 50_000

export class DenyList {
  readonly #store: Pick<AdmissionStore, 'denials' | 'saveDenials' | 'removeDenials'>
  readonly #denials = new Map<string, DenialRecord>()

  constructor(store: Pick<AdmissionStore, 'denials' | 'saveDenials' | 'removeDenials'>) {
    this.#store = store
    for (const denial of store.denials()) this.#denials.set(denial.subject, denial)
  }

  of(subjects: readonly string[]): DenialRecord | undefined {
    if (this.#denials.size === 0) return undefined
    return subjects.map((subject) => this.#denials.get(subject)).find((denial) => denial !== undefined)
  }

  /** Newest first. */
  all(): readonly DenialRecord[] {
    return [...this.#denials.values()].sort((a, b) => b.at - a.at)
  }

  add(denials: readonly DenialRecord[]): void {
    if (this.#denials.size + denials.length > MOST_DENIALS)
      throw new AppError('input.too-large', 'The deny list is full', { details: { most: MOST_DENIALS } })
    this.#store.saveDenials(denials)
    for (const denial of denials) this.#denials.set(denial.subject, denial)
  }

  /** Gives those that were there. */
  remove(subjects: readonly string[]): readonly string[] {
    const there = subjects.filter((subject) => this.#denials.has(subject))
    if (there.length > 0) this.#store.removeDenials(there)
    for (const subject of there) this.#denials.delete(subject)
    return there
  }
}
