// What happened in the directory, told when it is durable.
import type { Logger } from '#main/base/index.ts'
import type { DirectoryEvent, Registration, RegistrationRecord } from './types.ts'

export class DirectoryEvents {
  readonly #logger: Logger
  readonly #listeners = new Set<(event: DirectoryEvent) => void>()
  /** Of the transaction in hand. */
  #events: DirectoryEvent[] = []
  #version = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Grows with each commit that changed something. */
  get version(): number {
    return this.#version
  }

  subscribe(listener: (event: DirectoryEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  note(kind: DirectoryEvent['kind'], record: RegistrationRecord, previous?: RegistrationRecord): void {
    this.#events.push({ kind, registration: shown(record), ...(previous === undefined ? {} : { previous: shown(previous) }) })
  }

  /** Tells what is durable now. Listeners may call back into the directory. */
  tellAll(): void {
    const events = this.#events
    if (events.length === 0) return
    this.#events = []
    this.#version++
    for (const event of events) for (const listener of this.#listeners) this.#tell(listener, event)
  }

  /** Nothing of it has happened. */
  takeBack(): void {
    this.#events = []
    this.#version++
  }

  close(): void {
    this.#listeners.clear()
  }

  #tell(listener: (event: DirectoryEvent) => void, event: DirectoryEvent): void {
    try {
      listener(event)
    } catch (error) {
      this.#logger.error({ error }, 'a listener of the directory failed')
    }
  }
}

export function shown(record: RegistrationRecord): Registration {
  return { ...record, location: `/rd/${record.id}` }
}
