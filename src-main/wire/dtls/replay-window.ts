// Which records of an epoch were received (RFC 6347 §4.1.2.6): a window of 64 behind the largest.

const HALF = 32

export class ReplayWindow {
  #largest = -1
  /** Bit i of the first: the largest less i was received; of the second: the largest less 32 less i. */
  #near = 0
  #far = 0

  get largest(): number {
    return this.#largest
  }

  /** Whether the number is new: neither received before nor too old to tell. */
  accepts(sequence: number): boolean {
    const behind = this.#largest - sequence
    if (behind < 0) return true
    if (behind < HALF) return (this.#near & (1 << behind)) === 0
    return behind < 2 * HALF && (this.#far & (1 << (behind - HALF))) === 0
  }

  /** Only what was authentic is marked. */
  mark(sequence: number): void {
    const ahead = sequence - this.#largest
    if (ahead > 0) {
      this.#advance(ahead)
      this.#largest = sequence
      this.#near |= 1
    } else if (-ahead < HALF) this.#near |= 1 << -ahead
    else if (-ahead < 2 * HALF) this.#far |= 1 << (-ahead - HALF)
  }

  #advance(by: number): void {
    if (by >= 2 * HALF) {
      this.#near = 0
      this.#far = 0
    } else if (by >= HALF) {
      this.#far = by === HALF ? this.#near : this.#near << (by - HALF)
      this.#near = 0
    } else {
      this.#far = (this.#far << by) | (this.#near >>> (HALF - by))
      this.#near <<= by
    }
  }
}
