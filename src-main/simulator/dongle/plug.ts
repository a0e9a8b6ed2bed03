// A simulated dongle's USB plug: opened by one host at a time, pulled and put back, with a line that may be faulty.
import { AppError, type Random } from '#main/base/index.ts'
import type { Dongle } from './dongle.ts'
import { withFaults, type SerialFaults } from './faults.ts'

/** What an open port is told. */
export interface PlugUser {
  bytes(bytes: Uint8Array): void
  /** The dongle was pulled. */
  gone(): void
}

export interface PlugOptions {
  readonly path: string
  readonly dongle: Dongle
  readonly random: Random
  readonly serialNumber?: string
}

export class Plug {
  readonly path: string
  readonly serialNumber: string
  readonly #dongle: Dongle
  readonly #random: Random
  #user: PlugUser | undefined
  #faults: SerialFaults = {}
  #isPlugged = true

  constructor({ path, dongle, random, serialNumber = 'DEMO0001' }: PlugOptions) {
    this.path = path
    this.serialNumber = serialNumber
    this.#dongle = dongle
    this.#random = random
    dongle.onBytes((bytes) => this.#toHost(bytes))
  }

  get isPlugged(): boolean {
    return this.#isPlugged
  }

  get isOpen(): boolean {
    return this.#user !== undefined
  }

  setFaults(faults: SerialFaults): void {
    this.#faults = faults
  }

  open(user: PlugUser): void {
    if (!this.#isPlugged) throw new AppError('link.port-missing', `No such file or directory, cannot open ${this.path}`)
    if (this.#user !== undefined) throw new AppError('link.port-busy', 'Resource temporarily unavailable Cannot lock port')
    this.#user = user
  }

  close(user: PlugUser): void {
    if (this.#user === user) this.#user = undefined
  }

  write(bytes: Uint8Array): void {
    if (!this.#isPlugged) return
    for (const piece of withFaults(bytes, this.#faults, this.#random)) this.#dongle.write(piece)
  }

  unplug(): void {
    if (!this.#isPlugged) return
    this.#isPlugged = false
    const user = this.#user
    this.#user = undefined
    user?.gone()
  }

  /** Put back: it starts with its power. */
  replug(): void {
    if (this.#isPlugged) return
    this.#isPlugged = true
    this.#dongle.reset()
  }

  resetDongle(): void {
    if (this.#isPlugged) this.#dongle.reset()
  }

  #toHost(bytes: Uint8Array): void {
    const user = this.#user
    if (user === undefined) return
    for (const piece of withFaults(bytes, this.#faults, this.#random)) user.bytes(piece)
  }
}
