// Tells several listeners of an event; one that throws is logged and hinders nobody.
import type { Logger } from '#main/base/index.ts'

export class Fanout<Event> {
  readonly #logger: Logger
  #listeners: ReadonlyArray<(event: Event) => void> = []

  constructor(logger: Logger) {
    this.#logger = logger
  }

  get size(): number {
    return this.#listeners.length
  }

  add(listener: (event: Event) => void): () => void {
    // A new array each time: an ongoing round keeps the listeners it began with.
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
    }
  }

  tell(event: Event): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (thrown) {
        this.#logger.error({ err: thrown }, 'A listener of a channel failed')
      }
    }
  }
}
