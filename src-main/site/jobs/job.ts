// One job in memory: its items, what is left of them, and how long that will take.
import type { AppError, Clock } from '#main/base/index.ts'
import type { Failure, ItemState, JobItemRow, JobRow } from '#contract/model.ts'
import type { JobItemRecord, JobRecord } from './types.ts'

export type Counts = Record<ItemState, number>

/** Completions that the estimate looks back on. */
const ESTIMATE_WINDOW = 64

export class Job {
  record: JobRecord
  /** Why it paused itself; in memory, because what could not be stored is the job's state. */
  failure: Failure | null = null
  /** Items whose `run` has not settled yet, with what aborts them. */
  readonly inFlight = new Map<number, AbortController>()
  readonly counts: Counts
  readonly #items: JobItemRecord[]
  readonly #completedAtMs: number[] = []
  #nextPending = 0

  constructor(record: JobRecord, items: readonly JobItemRecord[]) {
    this.record = record
    this.#items = [...items]
    this.counts = { pending: 0, running: 0, ok: 0, warning: 0, failed: 0, skipped: 0 }
    for (const item of items) this.counts[item.state]++
  }

  get items(): readonly JobItemRecord[] {
    return this.#items
  }

  get finished(): boolean {
    return this.record.finishedAt !== null
  }

  /** Nothing is left to do or to wait for. */
  get drained(): boolean {
    return this.counts.pending === 0 && this.counts.running === 0
  }

  /** The next pending items in order, not yet marked as anything else; those that are held stay where they are. */
  pending(most: number, isHeld: (subject: string) => boolean = () => false): readonly JobItemRecord[] {
    const found: JobItemRecord[] = []
    while (this.#items[this.#nextPending]?.state !== 'pending' && this.#nextPending < this.#items.length) this.#nextPending++
    for (let index = this.#nextPending; index < this.#items.length && found.length < most; index++) {
      const item = this.#items[index]
      if (item?.state === 'pending' && !isHeld(item.subject)) found.push(item)
    }
    return found
  }

  /** The pending items, skipped. */
  skipped(at: number): readonly JobItemRecord[] {
    return this.#items.filter((item) => item.state === 'pending').map((item) => ({ ...item, state: 'skipped', at }))
  }

  /** Stops the items under way whose subject is meant. */
  abort(reason: AppError, isMeant: (subject: string) => boolean = () => true): void {
    for (const [index, controller] of this.inFlight) if (isMeant(this.#items[index]?.subject ?? '')) controller.abort(reason)
  }

  /** Takes over items that the store has. */
  replace(items: readonly JobItemRecord[]): void {
    for (const item of items) {
      const old = this.#items[item.index]
      if (old === undefined) continue
      this.counts[old.state]--
      this.counts[item.state]++
      this.#items[item.index] = item
      if (item.state === 'pending') this.#nextPending = Math.min(this.#nextPending, item.index)
    }
  }

  /** Starts measuring anew: pauses do not count. */
  restartEstimate(clock: Clock): void {
    this.#completedAtMs.length = 0
    this.#completedAtMs.push(clock.monotonicMs())
  }

  noteCompletions(count: number, clock: Clock): void {
    for (let i = 0; i < count; i++) this.#completedAtMs.push(clock.monotonicMs())
    if (this.#completedAtMs.length > ESTIMATE_WINDOW) this.#completedAtMs.splice(0, this.#completedAtMs.length - ESTIMATE_WINDOW)
  }

  /** Null also when it is overdue: what the last few items wait for says nothing of the pace of the others. */
  remainingMs(nowMs: number): number | null {
    const first = this.#completedAtMs[0]
    const last = this.#completedAtMs.at(-1)
    if (this.record.state !== 'running' || this.#completedAtMs.length < 2 || first === undefined || last === undefined) return null
    const perItem = (last - first) / (this.#completedAtMs.length - 1)
    const leftMs = Math.round(perItem * (this.counts.pending + this.counts.running))
    return nowMs - last > leftMs ? null : leftMs
  }

  row(nowMs: number): JobRow {
    return toJobRow(this.record, this.counts, this.remainingMs(nowMs), this.failure)
  }
}

export function toJobRow(
  record: JobRecord,
  counts: Readonly<Counts>,
  remainingMs: number | null = null,
  failure: Failure | null = null,
): JobRow {
  const { id, kind, title, state, createdAt, finishedAt, retryOf } = record
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  return { id, kind, title, state, counts: { ...counts }, total, createdAt, finishedAt, remainingMs, retryOf, failure }
}

export function itemKey(jobId: string, index: number): string {
  return `${jobId} ${index}`
}

export function toItemRow(item: JobItemRecord): JobItemRow {
  return { key: itemKey(item.jobId, item.index), ...item }
}
