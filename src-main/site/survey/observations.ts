// Observations of group tables (RFC 7641): so many at once, made anew when they have ended, with pauses after failures. While one stands,
// its client registers again whenever Max-Age is over (§3.3.1).
import { isAbort, toAppError, type Clock, type DeviceId, type Logger, type Random } from '#main/base/index.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import { canonicalAddress } from '#main/site/groups/index.ts'

/** Of what a device says: the first time and whenever its table changes. */
export interface TableListeners {
  readonly onTable: (table: readonly GroupTableEntry[]) => void
}

/** Port: who can have its table observed. */
export interface TableObserver {
  /** Whether the device says that its group table can be observed (`obs`, RFC 7641 §6). */
  isObservable(id: DeviceId): boolean
  /** Registers, and resolves when the observation has ended; aborting cancels it. Rejects where it cannot be made. */
  observe(id: DeviceId, listeners: TableListeners, signal: AbortSignal): Promise<void>
}

export interface ObservationOptions {
  readonly observer: TableObserver
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onTable: (id: DeviceId, table: readonly GroupTableEntry[]) => void
  /** The device is observed from now on, or no longer. */
  readonly onChange: (id: DeviceId) => void
}

export interface Observations {
  readonly size: number
  isActive(id: DeviceId): boolean
  /** Observes more of the devices, up to the limit; a few with each call, so that registrations do not come in a burst. */
  fill(limit: number, candidates: readonly DeviceId[]): void
  /** Ends what is beyond. */
  limit(count: number): void
  close(): Promise<void>
}

interface Entry {
  readonly abort: AbortController
  active: boolean
  done: Promise<void>
}

const REGISTRATIONS_AT_ONCE = 2
/** One that has ended is made again after a pause, longer after each failure in a row. */
const PAUSE_MS = 60_000
const LONGEST_PAUSE_MS = 4 * 3_600_000

export function createObservations(options: ObservationOptions): Observations {
  const { observer, clock, random, logger } = options
  const entries = new Map<DeviceId, Entry>()
  const paused = new Map<DeviceId, { readonly count: number; readonly untilMs: number }>()

  function begin(id: DeviceId): void {
    const abort = new AbortController()
    const entry: Entry = { abort, active: false, done: Promise.resolve() }
    entries.set(id, entry)
    entry.done = follow(id, entry)
  }

  async function follow(id: DeviceId, entry: Entry): Promise<void> {
    let failed = false
    try {
      await observer.observe(
        id,
        {
          onTable: (table) => {
            if (entry.abort.signal.aborted) return
            if (!entry.active) {
              entry.active = true
              paused.delete(id)
              options.onChange(id)
            }
            options.onTable(id, table)
          },
        },
        entry.abort.signal,
      )
      failed = !entry.active
    } catch (thrown) {
      const error = toAppError(thrown)
      failed = !isAbort(error) && !entry.abort.signal.aborted
      if (failed) logger.debug({ device: id, code: error.code }, 'a group table is not observed')
    }
    const count = failed ? (paused.get(id)?.count ?? 0) + 1 : 0
    if (failed)
      paused.set(id, {
        count,
        untilMs: clock.monotonicMs() + Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** (count - 1)) * (0.7 + 0.6 * random.fraction()),
      })
    if (entries.get(id) === entry) entries.delete(id)
    options.onChange(id)
  }

  return {
    get size() {
      return [...entries.values()].filter(({ active }) => active).length
    },
    isActive: (id) => entries.get(id)?.active === true,
    fill(limit, candidates) {
      const known = new Set(candidates)
      for (const [id, entry] of entries) if (!known.has(id)) entry.abort.abort()
      for (const id of paused.keys()) if (!known.has(id)) paused.delete(id)
      let begun = 0
      for (const id of candidates) {
        if (entries.size >= limit || begun >= REGISTRATIONS_AT_ONCE) return
        if (entries.has(id) || (paused.get(id)?.untilMs ?? 0) > clock.monotonicMs() || !observer.isObservable(id)) continue
        begin(id)
        begun++
      }
    },
    limit(count) {
      for (const entry of [...entries.values()].slice(count)) entry.abort.abort()
    },
    async close() {
      const open = [...entries.values()]
      for (const entry of open) entry.abort.abort()
      await Promise.all(open.map(({ done }) => done))
    },
  }
}

/** Whether both have the same entries, in whatever order. */
export function sameTable(a: readonly GroupTableEntry[] | undefined, b: readonly GroupTableEntry[]): boolean {
  if (a?.length !== b.length) return false
  const keys = new Set(a.map(keyOf))
  return b.every((entry) => keys.has(keyOf(entry)))
}

function keyOf({ name, address, port }: GroupTableEntry): string {
  return `${canonicalAddress(address)} ${port} ${name}`
}
