// Undo and redo: which entry is next, what is told of it, and who has to take over what came back.
import { AppError, KeyedFeed, toAppError, type Clock, type Logger } from '#main/base/index.ts'
import type { HistoryReply, HistoryRow } from '#contract/model.ts'
import type { HistoryAction, HistoryEntry, HistoryFollower, HistoryKind, HistoryStore, Restored, Touched } from './types.ts'

export interface HistoryPorts {
  readonly store: HistoryStore
  readonly clock: Clock
  readonly logger: Logger
  /** In the order in which they depend on each other. */
  readonly followers: readonly HistoryFollower[]
  /** Devices that the plan has something to do with, of what was touched. */
  readonly devicesToApply: (touched: Touched) => number
  /** Both limits of what is kept from one opening to the next. */
  readonly keep?: { readonly entries: number; readonly changes: number }
}

export interface History {
  /** The newest entries; the rest is asked for by `list`. */
  readonly feed: KeyedFeed<HistoryRow>
  /** What the work edits before it returns is one entry. Within another action it is part of that one. */
  action<Result>(action: Omit<HistoryAction, 'at' | 'final'> & { readonly final?: boolean }, work: () => Result): Result
  /**
   * Undoes the newest edit, or all from the newest one back to the given one. `check` may throw for an entry: then nothing is undone.
   * Throws `history.nothing`.
   */
  undo(id?: number, check?: (entry: HistoryEntry) => void): HistoryReply
  /** Does again what was undone last, or all up to the given one. Throws `history.nothing`. */
  redo(id?: number, check?: (entry: HistoryEntry) => void): HistoryReply
  /** Newest first. */
  list(page: { readonly offset: number; readonly limit: number }): { readonly entries: readonly HistoryRow[]; readonly total: number }
}

const KEEP = { entries: 1000, changes: 200_000 }
/** As many as a sheet shows at once. */
const SHOWN = 100

export function createHistory(ports: HistoryPorts): History {
  const { store, clock, followers, logger } = ports
  const feed = new KeyedFeed<HistoryRow>((row) => row.key)
  try {
    store.trim(ports.keep ?? KEEP)
  } catch (thrown) {
    logger.warn({ code: toAppError(thrown).code }, 'old entries of the journal could not be removed')
  }
  let entries = store.entries()
  feed.reset(rows(0, SHOWN))

  function rows(offset: number, limit: number): readonly HistoryRow[] {
    const end = Math.max(0, entries.length - offset)
    return entries
      .slice(Math.max(0, end - limit), end)
      .reverse()
      .map(rowOf)
  }

  function show(): void {
    const wanted = rows(0, SHOWN)
    const keys = new Set(wanted.map(({ key }) => key))
    feed.delete(feed.keys().filter((key) => !keys.has(key)))
    feed.setAll(wanted.filter((row) => feed.get(row.key)?.state !== row.state || row.counts !== feed.get(row.key)?.counts))
  }

  function added(entry: HistoryEntry): void {
    // A new edit takes away what could be done again.
    entries = [...(hasEdits(entry) ? entries.filter(({ state }) => state !== 'undone') : entries), entry]
    show()
  }

  function set(id: number, state: HistoryEntry['state']): void {
    entries = entries.map((entry) => (entry.id === id ? { ...entry, state } : entry))
  }

  /** Entries to go through, in that order. */
  function wanted(state: 'done' | 'undone', id: number | undefined): readonly HistoryEntry[] {
    const open = entries.filter((entry) => entry.state === state)
    const ordered = state === 'done' ? open.toReversed() : open
    const last = id === undefined ? 0 : ordered.findIndex((entry) => entry.id === id)
    const chosen = last < 0 ? [] : ordered.slice(0, last + 1)
    if (chosen.length === 0) {
      throw new AppError('history.nothing', state === 'done' ? 'There is nothing to undo' : 'There is nothing to do again', {
        details: { direction: state === 'done' ? 'undo' : 'redo', ...(id === undefined ? {} : { id }) },
      })
    }
    return chosen
  }

  function go(from: 'done' | 'undone', id: number | undefined, check: (entry: HistoryEntry) => void = () => undefined): HistoryReply {
    const chosen = wanted(from, id)
    for (const entry of chosen) check(entry)
    for (const follower of followers) follower.flush?.()
    const touched = new Map<HistoryKind, Set<string>>()
    let kept = 0
    let withoutKeys = 0
    const passed: HistoryEntry[] = []
    try {
      for (const entry of chosen) {
        const restored: Restored = from === 'done' ? store.undo(entry.id, clock.now()) : store.redo(entry.id, clock.now())
        kept += restored.kept
        withoutKeys += restored.withoutKeys
        for (const [kind, keys] of restored.touched) touched.set(kind, (touched.get(kind) ?? new Set<string>()).union(keys))
        const state = from === 'done' ? 'undone' : 'done'
        set(entry.id, state)
        passed.push({ ...entry, state })
      }
    } finally {
      // Whatever was brought back before a failure is in the store: memory follows it in any case.
      if (passed.length > 0) {
        for (const follower of followers) follower.adopt(touched)
        show()
      }
    }
    return { entries: passed.map(rowOf), devicesToApply: ports.devicesToApply(touched), kept, withoutKeys }
  }

  return {
    feed,
    action({ op, actor, final = false }, work) {
      store.begin({ op, actor, at: clock.now(), final })
      let succeeded = false
      try {
        const result = work()
        succeeded = true
        return result
      } finally {
        const entry = store.end(succeeded)
        if (entry !== undefined) added(entry)
      }
    },
    undo: (id, check) => go('done', id, check),
    redo: (id, check) => go('undone', id, check),
    list: ({ offset, limit }) => ({ entries: rows(offset, limit), total: entries.length }),
  }
}

function hasEdits({ counts }: HistoryEntry): boolean {
  return Object.keys(counts).length > 0
}

function rowOf({ id, at, actor, op, state, counts, name }: HistoryEntry): HistoryRow {
  return { key: String(id), entry: id, at, actor, op, state, counts, name }
}
