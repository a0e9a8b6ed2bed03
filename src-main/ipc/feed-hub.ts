// Feeds as subscribers see them: a snapshot, then deltas that carry only the last state of each key, at most ten a second.
import type { Clock, Logger, Timer } from '#main/base/index.ts'
import { feedNames, feeds as feedTable } from '#contract/feeds.ts'
import type { FeedMessage, FeedName, FeedRow } from '#contract/feeds.ts'
import type { FeedSources } from './types.ts'

export const DELTA_INTERVAL_MS = 100

type Row = FeedRow<FeedName>
export type FeedListener = (message: FeedMessage) => void

/** What a hub reads; every `KeyedFeed` is one. */
interface Source {
  rows(): readonly Row[]
  get(key: string): Row | undefined
  subscribe(listener: (keys: readonly string[]) => void): () => void
}

export interface FeedHubs {
  /** Undefined for an unknown feed. */
  subscribe(feed: unknown, listener: FeedListener): (() => void) | undefined
  close(): void
}

export interface FeedHubsOptions {
  readonly feeds: FeedSources
  readonly clock: Clock
  readonly logger: Logger
  /** Checks every row that leaves; rows that fail are logged. */
  readonly checkRows: boolean
}

export function createFeedHubs(options: FeedHubsOptions): FeedHubs {
  const hubs = new Map<unknown, FeedHub>(feedNames.map((name) => [name, new FeedHub(name, options.feeds[name], options)]))
  return {
    subscribe: (feed, listener) => hubs.get(feed)?.subscribe(listener),
    close() {
      for (const hub of hubs.values()) hub.close()
    },
  }
}

/**
 * One feed for all its subscribers: a delta is worked out once and its version is the same for everybody.
 * Invariant: a subscriber sees versions without a gap, from its snapshot's on.
 */
class FeedHub {
  readonly #name: FeedName
  readonly #source: Source
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #checkRows: boolean
  readonly #listeners = new Set<{ readonly call: FeedListener }>()
  readonly #changed = new Set<string>()
  #version = 0
  #timer: Timer | undefined
  #nextFlushMs = 0
  #leave: (() => void) | undefined

  constructor(name: FeedName, source: Source, options: Pick<FeedHubsOptions, 'clock' | 'logger' | 'checkRows'>) {
    this.#name = name
    this.#source = source
    this.#clock = options.clock
    this.#logger = options.logger
    this.#checkRows = options.checkRows
  }

  subscribe(call: FeedListener): () => void {
    // The source is followed only while somebody listens; the first listener starts from a snapshot, so nothing is missed.
    this.#leave ??= this.#source.subscribe((keys) => this.#note(keys))
    const listener = { call }
    this.#listeners.add(listener)
    const rows = this.#source.rows()
    this.#check(rows)
    this.#tell(listener, { kind: 'snapshot', version: this.#version, rows })
    return () => this.#remove(listener)
  }

  close(): void {
    this.#listeners.clear()
    this.#rest()
  }

  #note(keys: readonly string[]): void {
    for (const key of keys) this.#changed.add(key)
    this.#timer ??= this.#clock.setTimer(Math.max(0, this.#nextFlushMs - this.#clock.monotonicMs()), () => this.#flush())
  }

  #flush(): void {
    this.#timer = undefined
    this.#nextFlushMs = this.#clock.monotonicMs() + DELTA_INTERVAL_MS
    const upsert: Row[] = []
    const remove: string[] = []
    for (const key of this.#changed) {
      const row = this.#source.get(key)
      if (row === undefined) remove.push(key)
      else upsert.push(row)
    }
    this.#changed.clear()
    this.#check(upsert)
    this.#version += 1
    const message: FeedMessage = { kind: 'delta', version: this.#version, upsert, remove }
    for (const listener of [...this.#listeners]) this.#tell(listener, message)
  }

  #tell(listener: { readonly call: FeedListener }, message: FeedMessage): void {
    if (!this.#listeners.has(listener)) return
    try {
      listener.call(message)
    } catch (thrown) {
      // One subscriber's defect is not the others' loss.
      this.#logger.warn({ feed: this.#name, err: thrown }, 'feed subscriber failed and was dropped')
      this.#remove(listener)
    }
  }

  #remove(listener: { readonly call: FeedListener }): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size === 0) this.#rest()
  }

  #rest(): void {
    this.#leave?.()
    this.#leave = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#changed.clear()
  }

  #check(rows: readonly Row[]): void {
    if (!this.#checkRows) return
    const schema = feedTable[this.#name].row
    for (const row of rows) {
      const checked = schema.safeParse(row)
      if (checked.success) continue
      const paths = checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
      this.#logger.error({ feed: this.#name, paths }, 'feed row does not fit its schema')
    }
  }
}
