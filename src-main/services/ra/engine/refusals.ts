// What is refused, as the audit is told of it: each one while there are few; of a flood that somebody sends to fill the disk, how many more there were.
import type { Clock } from '#main/base/index.ts'
import type { RaAuditEvent } from '../types.ts'

/** Entries at once, and how many more each minute. */
const BURST = 200
const PER_MINUTE = 30

export class RefusalLog {
  readonly #clock: Clock
  readonly #write: (actor: string, details: RaAuditEvent['details']) => void
  #room = BURST
  #atMs: number
  #left = 0

  constructor(clock: Clock, write: (actor: string, details: RaAuditEvent['details']) => void) {
    this.#clock = clock
    this.#write = write
    this.#atMs = clock.monotonicMs()
  }

  tell(actor: string, details: RaAuditEvent['details']): void {
    const now = this.#clock.monotonicMs()
    this.#room = Math.min(BURST, this.#room + ((now - this.#atMs) / 60_000) * PER_MINUTE)
    this.#atMs = now
    if (this.#room < 1) {
      this.#left += 1
      return
    }
    this.#room -= 1
    this.#write(actor, this.#left === 0 ? details : { ...details, untold: this.#left })
    this.#left = 0
  }
}
