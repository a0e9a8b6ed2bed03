// Group commit: requests that come close together share one transaction, and none is answered before it is durable.
import { AppError, type Clock, type Timer } from '#main/base/index.ts'
import type { RegistrationStore } from './types.ts'

interface Waiting {
  /** Does the work within the transaction; what it gives back answers the request after the commit. */
  readonly work: () => () => void
  readonly reject: (reason: unknown) => void
}

export interface CommitHooks {
  /** What was done is durable: tell it. */
  readonly committed: () => void
  /** Nothing of what was done is durable: memory must be taken from the store again. */
  readonly rolledBack: () => void
}

/** A queue that is longer is written at once: it bounds the memory of requests that wait, and the length of one commit. */
const MOST_IN_ONE_COMMIT = 256
/** When so many came in one turn of the event loop, the socket has more than it gives in one: a commit is worth waiting for them. */
const CROWD = 24

export class CommitQueue {
  readonly #store: RegistrationStore
  readonly #clock: Clock
  readonly #hooks: CommitHooks
  #waiting: Waiting[] = []
  #timer: Timer | undefined
  /** How many were waiting in the turn before. */
  #seen = 0

  constructor(store: RegistrationStore, clock: Clock, hooks: CommitHooks) {
    this.#store = store
    this.#clock = clock
    this.#hooks = hooks
  }

  /** Does the work with the next commit. Rejects with what it throws, or with the failure of the commit. */
  add<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        work: () => {
          const result = work()
          return () => resolve(result)
        },
        reject,
      }
      this.#waiting.push(waiting)
      if (this.#waiting.length >= MOST_IN_ONE_COMMIT) this.flush()
      else this.#timer ??= this.#afterInput()
    })
  }

  /** Does the work in a commit of its own, after those that wait. */
  now<Result>(work: () => Result): Result {
    this.flush()
    let result: Result
    try {
      result = this.#store.transaction(work)
    } catch (error) {
      if (!isRefusal(error)) this.#hooks.rolledBack()
      throw error
    }
    this.#hooks.committed()
    return result
  }

  /** The datagrams that wait in the socket come in first. */
  #afterInput(): Timer {
    const take = (): void => {
      const isCrowd = this.#waiting.length - this.#seen >= CROWD
      this.#seen = this.#waiting.length
      if (isCrowd) this.#timer = this.#afterInput()
      else this.flush()
    }
    return this.#clock.afterInput?.(take) ?? this.#clock.setTimer(0, () => this.flush())
  }

  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#seen = 0
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    const answers: Array<() => void> = []
    try {
      this.#store.transaction(() => {
        for (const waiting of batch) answers.push(attempt(waiting))
      })
    } catch (error) {
      this.#hooks.rolledBack()
      for (const { reject } of batch) reject(error)
      return
    }
    this.#hooks.committed()
    for (const answer of answers) answer()
  }
}

/** A request that is refused has changed nothing: the others of its commit go on. */
function attempt({ work, reject }: Waiting): () => void {
  try {
    return work()
  } catch (error) {
    if (!isRefusal(error)) throw error
    return () => reject(error)
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppError && (error.code.startsWith('rd.') || error.code === 'coap.too-large' || error.code === 'access.denied')
}
