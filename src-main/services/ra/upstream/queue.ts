// Requests that wait for a server which cannot be reached: tried again with growing pauses, bounded in number and time.
import { AppError, toAppError, type Clock, type Timer } from '#main/base/index.ts'
import { Refusal, toRefusal } from '../cmp/status.ts'
import type { UpstreamLimits } from './types.ts'

export type QueuedAnswer =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'answered'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly refusal: Refusal }

export interface NewEntry {
  readonly id: string
  readonly requester: string
  readonly requestHash: string
  /** What it holds in memory. */
  readonly bytes: number
  /** One attempt; fails with `ra.upstream-unreachable` where another one is worth it. */
  readonly attempt: () => Promise<Uint8Array>
}

interface Entry extends NewEntry {
  answer: QueuedAnswer
  timer: Timer | undefined
  pauseS: number
  readonly untilMs: number
}

export interface QueueOptions {
  readonly clock: Clock
  readonly limits: UpstreamLimits
  /** Told when nobody has fetched an answer in time. */
  readonly onLapse: (entry: { readonly id: string }) => void
}

const MAX_PAUSE_S = 600

export class UpstreamQueue {
  readonly #options: QueueOptions
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(options: QueueOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  get(id: string): { readonly requester: string; readonly requestHash: string; state(): QueuedAnswer } | undefined {
    const entry = this.#entries.get(id)
    return entry === undefined ? undefined : { requester: entry.requester, requestHash: entry.requestHash, state: () => entry.answer }
  }

  /** Throws `Refusal` systemUnavail where the queue is full. */
  add(entry: NewEntry): void {
    const { clock, limits } = this.#options
    if (this.#entries.size >= limits.queued || this.#bytes + entry.bytes > limits.queuedBytes)
      throw new Refusal('systemUnavail', 'Too many requests wait for the server')
    const kept: Entry = {
      ...entry,
      answer: { kind: 'waiting' },
      timer: undefined,
      pauseS: limits.retryS,
      untilMs: clock.monotonicMs() + limits.queueS * 1000,
    }
    this.#entries.set(entry.id, kept)
    this.#bytes += entry.bytes
    this.#later(kept)
  }

  remove(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.timer?.cancel()
    this.#bytes -= entry.bytes
    this.#entries.delete(id)
  }

  close(): void {
    for (const id of [...this.#entries.keys()]) this.remove(id)
  }

  #later(entry: Entry): void {
    entry.timer = this.#options.clock.setTimer(entry.pauseS * 1000, () => {
      this.#try(entry).catch((thrown: unknown) => {
        entry.answer = { kind: 'failed', refusal: new Refusal('systemFailure', toAppError(thrown).message, thrown) }
      })
    })
    entry.pauseS = Math.min(entry.pauseS * 2, MAX_PAUSE_S)
  }

  async #try(entry: Entry): Promise<void> {
    const { clock, limits } = this.#options
    try {
      entry.answer = { kind: 'answered', bytes: await entry.attempt() }
    } catch (thrown) {
      const unreachable = thrown instanceof AppError && thrown.code === 'ra.upstream-unreachable'
      if (unreachable && clock.monotonicMs() < entry.untilMs) {
        if (this.#entries.has(entry.id)) this.#later(entry)
        return
      }
      const refusal = toRefusal(thrown) ?? new Refusal(unreachable ? 'systemUnavail' : 'systemFailure', toAppError(thrown).message, thrown)
      entry.answer = { kind: 'failed', refusal }
    }
    // Nobody fetches an answer for ever.
    entry.timer = clock.setTimer(limits.queueS * 1000, () => {
      this.remove(entry.id)
      this.#options.onLapse(entry)
    })
  }
}
