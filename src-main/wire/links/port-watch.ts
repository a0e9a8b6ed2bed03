// Hot plug: the list looked at again and again on the clock (no system tells through serialport), and what has changed in it.
import type { Clock, Timer } from '#main/base/index.ts'
import { listBare } from './port-listing.ts'
import type { SerialBinding } from './line-serial.ts'
import { describePort, type PortEntry } from './ports.ts'
import { thisPortSystem, type PortSystem } from './port-system.ts'

export interface PortChange {
  readonly appeared: readonly PortEntry[]
  readonly vanished: readonly PortEntry[]
}

export interface PortWatchOptions {
  readonly clock: Clock
  readonly system?: PortSystem
  readonly binding?: SerialBinding
  readonly everyMs?: number
}

const EVERY_MS = 2_000

/** Looks only while somebody listens. */
export class PortWatch {
  readonly #options: PortWatchOptions
  readonly #listeners = new Set<(change: PortChange) => void>()
  #known: ReadonlyMap<string, PortEntry> | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined

  constructor(options: PortWatchOptions) {
    this.#options = options
  }

  /** The ports as last seen. */
  get ports(): readonly PortEntry[] {
    return [...(this.#known?.values() ?? [])]
  }

  subscribe(listener: (change: PortChange) => void): () => void {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) void this.look()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#timer?.cancel()
      this.#timer = undefined
      this.#known = undefined
    }
  }

  /** Looks now. The first look tells nobody of what was there already. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<void> {
    const { system = thisPortSystem, binding, clock, everyMs = EVERY_MS } = this.#options
    this.#timer?.cancel()
    const bare = await listBare(system, binding)
    const now = new Map(bare.ports.map((port) => [`${port.path} ${port.serialNumber ?? ''}`, describePort(port, system)]))
    const before = this.#known ?? now
    if (this.#listeners.size === 0) return
    this.#known = now
    this.#timer = clock.setTimer(everyMs, () => void this.look())
    const appeared = [...now].filter(([key]) => !before.has(key)).map(([, entry]) => entry)
    const vanished = [...before].filter(([key]) => !now.has(key)).map(([, entry]) => entry)
    if (appeared.length === 0 && vanished.length === 0) return
    for (const listener of [...this.#listeners]) listener({ appeared, vanished })
  }
}
