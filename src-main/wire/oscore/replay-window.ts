// Which sequence numbers of a peer were received (RFC 8613 §7.4): a window of 32 behind the largest. One that was lost is invalid until
// a fresh request has proved where the peer stands (RFC 8613 Appendix B.1.2, draft-ietf-core-oscore-groupcomm-28 §2.6.1, §9).

export const WINDOW_SIZE = 32
const ALL = -1

export class ReplayWindow {
  #largest = -1
  /** Bit i: the largest less i was received. */
  #received = 0
  #valid: boolean

  constructor(valid: boolean) {
    this.#valid = valid
  }

  /** False where it is not known what was received before: nothing must be accepted but what is proved fresh. */
  get valid(): boolean {
    return this.#valid
  }

  get largest(): number {
    return this.#largest
  }

  /** Whether the number is new: neither received before nor too old to tell. */
  accepts(number: number): boolean {
    if (number > this.#largest) return true
    const behind = this.#largest - number
    return behind < WINDOW_SIZE && (this.#received & (1 << behind)) === 0
  }

  /** Only what was authentic is marked. */
  mark(number: number): void {
    if (number > this.#largest) {
      const ahead = number - this.#largest
      this.#received = ahead >= WINDOW_SIZE ? 1 : (this.#received << ahead) | 1
      this.#largest = number
      return
    }
    const behind = this.#largest - number
    if (behind < WINDOW_SIZE) this.#received |= 1 << behind
  }

  /** A fresh request has the number: the window becomes valid, and nothing below is accepted any more. */
  restart(number: number): void {
    this.#largest = number
    this.#received = ALL
    this.#valid = true
  }

  invalidate(): void {
    this.#valid = false
  }
}
