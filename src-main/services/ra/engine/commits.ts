// Group commit: requests that come together share one durable write, and none is answered before it.
import type { Clock, Timer } from '#main/base/index.ts'
import type { RaStore } from '../types.ts'

interface Waiting {
  /** Does the work; what it gives back settles the request after the commit. */
  readonly run: () => () => void
  readonly reject: (reason: unknown) => void
}

/** The length of one commit, and the memory of requests that wait for it. */
const MOST_IN_ONE_COMMIT = 128

export class CommitQueue {
  readonly #store: RaStore
  readonly #clock: Clock
  #waiting: Waiting[] = []
  #timer: Timer | undefined

  constructor(store: RaStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** With the next commit. Rejects with what the work throws, which then leaves nothing, or with the failure of the commit. */
  add<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      const run = (): (() => void) => {
        try {
          const result = this.#store.transaction(work)
          return () => resolve(result)
        } catch (thrown) {
          return () => reject(thrown instanceof Error ? thrown : new TypeError(String(thrown)))
        }
      }
      this.#waiting.push({ run, reject })
      if (this.#waiting.length >= MOST_IN_ONE_COMMIT) this.flush()
      else this.#timer ??= this.#clock.setTimer(0, () => this.flush())
    })
  }

  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length === 0) return
    let settle: Array<() => void>
    try {
      settle = this.#store.transaction(() => batch.map(({ run }) => run()))
    } catch (thrown) {
      settle = batch.map(
        ({ reject }) =>
          () =>
            reject(thrown),
      )
    }
    for (const one of settle) one()
  }
}
