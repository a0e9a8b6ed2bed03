// The devices' memory behind a short delay: a group request to a thousand devices is one write, not a thousand.
import type { Logger, Schedule, Timer } from '#main/base/index.ts'
import type { DemoMemory } from './demo-device.ts'

/** Less than the shortest way over the radio: what a device confirms is written before the answer arrives. */
const WRITE_DELAY_MS = 2

export class WriteBehindMemory implements DemoMemory {
  readonly #memory: DemoMemory
  readonly #schedule: Schedule
  readonly #logger: Logger
  #pending = new Map<string, string>()
  #timer: Timer | undefined

  constructor(memory: DemoMemory, schedule: Schedule, logger: Logger) {
    this.#memory = memory
    this.#schedule = schedule
    this.#logger = logger
  }

  load(endpointName: string): string | undefined {
    return this.#pending.get(endpointName) ?? this.#memory.load(endpointName)
  }

  save(endpointName: string, text: string): void {
    this.#pending.set(endpointName, text)
    this.#timer ??= this.#schedule.setTimer(WRITE_DELAY_MS, () => this.flush())
  }

  saveNow(endpointName: string, text: string): void {
    this.#memory.save(endpointName, text)
    this.#pending.delete(endpointName)
  }

  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const texts = this.#pending
    if (texts.size === 0) return
    this.#pending = new Map()
    try {
      if (this.#memory.saveAll !== undefined) this.#memory.saveAll(texts)
      else for (const [endpointName, text] of texts) this.#memory.save(endpointName, text)
    } catch (error) {
      this.#logger.warn({ error, devices: texts.size }, 'the memory of demo devices could not be written')
    }
  }
}
