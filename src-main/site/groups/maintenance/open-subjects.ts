// Which subjects of an operation still have to be told, followed change by change: an operation may have as many as the site has devices.
import { FIRST_STOP } from './phases.ts'
import type { MaintenanceRecord } from './types.ts'

export class OpenSubjects {
  readonly record: MaintenanceRecord
  readonly total: number
  readonly #isOpen: (subject: string) => boolean
  readonly #open = new Set<string>()
  readonly #starts = new Set<string>()

  constructor(record: MaintenanceRecord, isOpen: (subject: string) => boolean) {
    const subjects = Object.keys(record.phases)
    this.record = record
    this.total = subjects.length
    this.#isOpen = isOpen
    this.update(subjects)
  }

  get all(): ReadonlySet<string> {
    return this.#open
  }

  /** Those that bring something: what is taken away waits for them. */
  get starts(): ReadonlySet<string> {
    return this.#starts
  }

  /** Whether any of the subjects is one of the operation's. */
  update(subjects: readonly string[]): boolean {
    let isConcerned = false
    for (const subject of subjects) {
      const phase = Object.hasOwn(this.record.phases, subject) ? this.record.phases[subject] : undefined
      if (phase === undefined) continue
      isConcerned = true
      const isOpen = this.#isOpen(subject)
      for (const set of phase < FIRST_STOP ? [this.#open, this.#starts] : [this.#open]) {
        if (isOpen) set.add(subject)
        else set.delete(subject)
      }
    }
    return isConcerned
  }
}
