// An MPL forwarder's trickle for each multicast packet (RFC 7731 §5.4, §10.3; RFC 6206 §4.2).
import type { Random } from '#main/base/index.ts'
import type { EventQueue } from './event-queue.ts'

export interface MplParameters {
  /** DATA_MESSAGE_IMIN. */
  readonly minIntervalMs: number
  /** DATA_MESSAGE_IMAX as doublings. */
  readonly doublings: number
  /** DATA_MESSAGE_K: as many copies heard in an interval keep a forwarder silent; Infinity never does. */
  readonly redundancy: number
  /** DATA_MESSAGE_TIMER_EXPIRATIONS: intervals for each packet. */
  readonly expirations: number
}

/** What Thread routers use: two copies, 64 ms apart at most, whatever is heard. */
export const THREAD_MPL: MplParameters = { minIntervalMs: 64, doublings: 0, redundancy: Infinity, expirations: 2 }

/** Packets that a node remembers so as not to take them twice. */
const MOST_REMEMBERED = 64

interface Message {
  /** Copies heard in the present interval. */
  heard: number
  isDone: boolean
}

export class MplForwarder {
  readonly #parameters: MplParameters
  readonly #events: EventQueue
  readonly #random: Random
  readonly #messages = new Map<number, Message>()

  constructor(parameters: MplParameters, events: EventQueue, random: Random) {
    this.#parameters = parameters
    this.#events = events
    this.#random = random
  }

  /** Remembers the packet; false where it is known. */
  isNew(key: number): boolean {
    if (this.#messages.has(key)) return false
    if (this.#messages.size >= MOST_REMEMBERED) {
      const [oldest] = this.#messages.keys()
      if (oldest !== undefined) this.#messages.delete(oldest)
    }
    this.#messages.set(key, { heard: 0, isDone: false })
    return true
  }

  heardAgain(key: number): void {
    const message = this.#messages.get(key)
    if (message !== undefined) message.heard++
  }

  /** Sends the packet once in each interval, at a random moment of its second half, unless enough copies were heard. */
  start(key: number, send: () => void): void {
    const message = this.#messages.get(key)
    if (message !== undefined) this.#interval(message, this.#parameters.minIntervalMs * 1000, 0, send)
  }

  clear(): void {
    for (const message of this.#messages.values()) message.isDone = true
    this.#messages.clear()
  }

  #interval(message: Message, lengthUs: number, expired: number, send: () => void): void {
    if (message.isDone || expired >= this.#parameters.expirations) return
    message.heard = 0
    const sendUs = lengthUs * (0.5 + 0.5 * this.#random.fraction())
    this.#events.after(sendUs, () => {
      if (!message.isDone && message.heard < this.#parameters.redundancy) send()
      this.#events.after(lengthUs - sendUs, () => {
        const mostUs = this.#parameters.minIntervalMs * 1000 * 2 ** this.#parameters.doublings
        this.#interval(message, Math.min(lengthUs * 2, mostUs), expired + 1, send)
      })
    })
  }
}
