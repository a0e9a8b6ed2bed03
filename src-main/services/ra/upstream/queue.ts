// Requests that wait for a server which cannot be reached: tried again with growing pauses, bounded in number and time, kept over restarts.
import { AppError, toAppError, type Clock, type Timer } from '#main/base/index.ts'
import type { BodyType } from '../cmp/body.ts'
import { Refusal, toRefusal } from '../cmp/status.ts'
import type { UpstreamKeeper } from './keeper.ts'
import type { UpstreamLimits } from './types.ts'

export type QueuedAnswer =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'answered'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly refusal: Refusal }

export interface NewEntry {
  readonly id: string
  /** Name of the server. */
  readonly server: string
  readonly operation: BodyType
  readonly requester: string
  readonly requestHash: string
  /** The device's message. */
  readonly request: Uint8Array
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
  readonly keeper: UpstreamKeeper
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

  countOf(isTheirs: (requester: string) => boolean): number {
    let count = 0
    for (const { requester } of this.#entries.values()) if (isTheirs(requester)) count++
    return count
  }

  get(id: string): { readonly requester: string; readonly requestHash: string; state(): QueuedAnswer } | undefined {
    const entry = this.#entries.get(id)
    return entry === undefined ? undefined : { requester: entry.requester, requestHash: entry.requestHash, state: () => entry.answer }
  }

  /** Durable when it resolves. Throws `Refusal` systemUnavail where the queue is full. */
  async add(entry: NewEntry): Promise<void> {
    const { limits } = this.#options
    if (this.#entries.size >= limits.queued || this.#bytes + entry.request.length > limits.queuedBytes)
      throw new Refusal('systemUnavail', 'Too many requests wait for the server')
    const kept = this.#keep(entry, { kind: 'waiting' }, limits.queueS * 1000)
    this.#later(kept)
    await this.#save(kept, 'queued', entry.request)
  }

  /** After a restart. */
  takeUp(entry: NewEntry, answer: QueuedAnswer, leftMs: number): void {
    const kept = this.#keep(entry, answer, leftMs)
    if (answer.kind === 'waiting') this.#later(kept)
    else this.#lapseLater(kept)
  }

  /** Waiting requests of theirs: who asks anew has forgotten its last request. */
  removeWaitingOf(requester: string): void {
    for (const { id, requester: whose, answer } of [...this.#entries.values()])
      if (whose === requester && answer.kind === 'waiting') this.remove(id)
  }

  /** The device has been told how it ended, and nothing follows: it stays for a while, for the answer may be lost. */
  delivered(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.timer?.cancel()
    this.#lapseLater(entry, this.#options.limits.idleS)
  }

  /** Gone; what is kept of it is the caller's to remove, for its transaction may go on. */
  forget(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    entry.timer?.cancel()
    this.#bytes -= entry.request.length
    this.#entries.delete(id)
  }

  remove(id: string): void {
    this.forget(id)
    this.#options.keeper.remove(id)
  }

  close(): void {
    for (const id of [...this.#entries.keys()]) this.forget(id)
  }

  #keep(entry: NewEntry, answer: QueuedAnswer, leftMs: number): Entry {
    const { clock, limits } = this.#options
    const kept: Entry = { ...entry, answer, timer: undefined, pauseS: limits.retryS, untilMs: clock.monotonicMs() + leftMs }
    this.#entries.set(entry.id, kept)
    this.#bytes += entry.request.length
    return kept
  }

  #later(entry: Entry): void {
    entry.timer = this.#options.clock.setTimer(entry.pauseS * 1000, () => {
      this.#try(entry).catch((thrown: unknown) => {
        entry.answer = { kind: 'failed', refusal: new Refusal('systemFailure', toAppError(thrown).message, thrown) }
        this.#lapseLater(entry)
      })
    })
    entry.pauseS = Math.min(entry.pauseS * 2, MAX_PAUSE_S)
  }

  async #try(entry: Entry): Promise<void> {
    const { clock } = this.#options
    let answer: Exclude<QueuedAnswer, { kind: 'waiting' }>
    try {
      answer = { kind: 'answered', bytes: await entry.attempt() }
    } catch (thrown) {
      const unreachable = thrown instanceof AppError && thrown.code === 'ra.upstream-unreachable'
      if (unreachable && clock.monotonicMs() < entry.untilMs) {
        if (this.#entries.get(entry.id) === entry) this.#later(entry)
        return
      }
      const refusal = toRefusal(thrown) ?? new Refusal(unreachable ? 'systemUnavail' : 'systemFailure', toAppError(thrown).message, thrown)
      answer = { kind: 'failed', refusal }
    }
    if (this.#entries.get(entry.id) !== entry) return
    // Durable first: a device that has polled it out of here must find its transaction after a restart.
    await this.#save(
      entry,
      answer.kind,
      answer.kind === 'answered' ? answer.bytes : undefined,
      answer.kind === 'failed' ? answer.refusal : undefined,
    )
    entry.answer = answer
    this.#lapseLater(entry)
  }

  /** Nobody fetches an answer for ever. */
  #lapseLater(entry: Entry, keepS = this.#options.limits.queueS): void {
    const { clock, onLapse } = this.#options
    if (this.#entries.get(entry.id) !== entry) return
    entry.timer = clock.setTimer(keepS * 1000, () => {
      this.remove(entry.id)
      onLapse(entry)
    })
  }

  async #save(entry: Entry, state: 'queued' | 'answered' | 'failed', bytes?: Uint8Array, refusal?: Refusal): Promise<void> {
    const { clock, limits, keeper } = this.#options
    const { id, server, operation, requester, requestHash } = entry
    const keepMs = state === 'queued' ? Math.max(0, entry.untilMs - clock.monotonicMs()) : limits.queueS * 1000
    await keeper.save(
      {
        id,
        server,
        operation,
        requester,
        requestHash,
        state,
        failInfo: refusal?.failInfo,
        why: refusal?.message ?? '',
        untilAt: Math.round(clock.now() + keepMs),
      },
      bytes,
    )
  }
}
