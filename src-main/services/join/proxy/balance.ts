// What goes to a pledge that has proven nothing is at most three times what came from it: a neighbour that pretends to be another one
// is not to be helped (the bound of RFC 9000 §8 and groupcomm-bis §6.3). A pledge that goes on after it was answered is taken for real:
// then the registrar's cookies (RFC 6347 §4.2.1) have to bear out that it is.
import type { Clock } from '#main/base/index.ts'

export const MAX_AMPLIFICATION = 3

interface Account {
  received: number
  sent: number
  lastMs: number
}

/** Pledges of whom nothing is known any more get no more than a cookie takes: the first answer of any registrar. */
const MAX_UNKNOWN_BYTES = 128

/** Newcomers are remembered apart from those who have gone on: a flood of pretended ones makes nobody else forgotten. */
export class AmplificationGuard {
  readonly #clock: Clock
  readonly #maxEach: number
  readonly #lifetimeMs: number
  /** Both: the longest silent first. */
  readonly #newcomers = new Map<string, Account>()
  readonly #proven = new Map<string, Account>()

  constructor(clock: Clock, maxPledges: number, lifetimeMs: number) {
    this.#clock = clock
    this.#maxEach = Math.max(1, Math.floor(maxPledges / 2))
    this.#lifetimeMs = lifetimeMs
  }

  get size(): number {
    return this.#newcomers.size + this.#proven.size
  }

  /** Whether it has gone on after an answer. */
  isProven(pledge: string): boolean {
    return this.#known(this.#proven, pledge) !== undefined
  }

  /** True where the pledge was not known. */
  received(pledge: string, bytes: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#known(this.#proven, pledge) ?? this.#known(this.#newcomers, pledge)
    const account = known ?? { received: 0, sent: 0, lastMs: nowMs }
    const isProven = this.isProven(pledge) || account.sent > 0
    account.received += bytes
    account.lastMs = nowMs
    this.#newcomers.delete(pledge)
    this.#proven.delete(pledge)
    const place = isProven ? this.#proven : this.#newcomers
    place.set(pledge, account)
    for (const [oldest, { lastMs }] of place) {
      if (place.size <= this.#maxEach && nowMs - lastMs <= this.#lifetimeMs) break
      place.delete(oldest)
    }
    return known === undefined
  }

  /** Whether so much may go to the pledge; it counts as sent then. */
  maySend(pledge: string, bytes: number): boolean {
    if (this.isProven(pledge)) return true
    const account = this.#known(this.#newcomers, pledge)
    if (account === undefined) return bytes <= MAX_UNKNOWN_BYTES
    if (account.sent + bytes > MAX_AMPLIFICATION * account.received) return false
    account.sent += bytes
    return true
  }

  #known(place: ReadonlyMap<string, Account>, pledge: string): Account | undefined {
    const account = place.get(pledge)
    return account !== undefined && this.#clock.monotonicMs() - account.lastMs <= this.#lifetimeMs ? account : undefined
  }
}
