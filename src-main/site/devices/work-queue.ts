// Bounded work by key: each key waits or runs at most once, and only so many run at a time.

export interface WorkQueueOptions<Job> {
  readonly concurrency: number
  /** Keys that may wait; more are refused. */
  readonly capacity: number
  /** Must not reject. */
  run(job: Job): Promise<void>
}

export class WorkQueue<Job> {
  readonly #options: WorkQueueOptions<Job>
  readonly #waiting = new Map<string, Job>()
  readonly #running = new Set<string>()
  #idleWaiters: Array<() => void> = []

  constructor(options: WorkQueueOptions<Job>) {
    this.#options = options
  }

  /** Newer work replaces what waits under the same key. False where the queue is full or the key is being worked on. */
  offer(key: string, job: Job): boolean {
    if (this.#running.has(key)) return false
    if (!this.#waiting.has(key) && this.#waiting.size >= this.#options.capacity) return false
    this.#waiting.set(key, job)
    this.#pump()
    return true
  }

  get isBusy(): boolean {
    return this.#waiting.size + this.#running.size > 0
  }

  /** Resolves as soon as nothing waits and nothing runs. */
  idle(): Promise<void> {
    if (this.#waiting.size + this.#running.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  /** Drops what waits. */
  clear(): void {
    this.#waiting.clear()
    this.#tellIdle()
  }

  #pump(): void {
    for (const [key, job] of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return
      this.#waiting.delete(key)
      this.#running.add(key)
      void this.#options.run(job).finally(() => {
        this.#running.delete(key)
        this.#pump()
        this.#tellIdle()
      })
    }
  }

  #tellIdle(): void {
    if (this.#waiting.size + this.#running.size > 0) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const resolve of waiters) resolve()
  }
}
