// Keeps an eye on group tables: observes them where devices allow it (RFC 7641), reads the others now and then, one at a time, jittered,
// and only while nothing else uses the air.
import { isAbort, toAppError, type Clock, type DeviceId, type Logger, type Random, type Timer } from '#main/base/index.ts'
import type { DeviceDirectory, DeviceRecord } from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { DriftRow, Failure, SurveyRow, WatchSettings } from '#contract/model.ts'
import { createObservations, sameTable, type TableObserver } from './observations.ts'
import type { Readings } from './readings.ts'
import { WATCH_DEFAULTS, type WatchSettingsStore } from './types.ts'

/** A device that was read this recently is not read again, unless it has said that something changed. */
const FRESH_MS = 5 * 60_000
/** After a failure; doubled with each further one. */
const RETRY_MS = 10 * 60_000
const LONGEST_RETRY_MS = 4 * 3_600_000
/** Who does not answer by then is asked again later, rather than waited for. */
const ANSWER_WITHIN_MS = 25_000
/** Timers of many laptops in one network must not beat together. */
const JITTER = 0.3

export interface WatchOptions {
  readonly devices: DeviceDirectory
  readonly groups: Pick<GroupEngine, 'book' | 'exclusive' | 'takeIn' | 'membershipFeed'>
  readonly readings: () => Readings
  readonly settings: WatchSettingsStore
  /** Whether anything else uses the air: a job, a test, a search. */
  readonly isBusy: () => boolean
  /** Whether a job is about to work on the device. */
  readonly isClaimed: (id: DeviceId) => boolean
  /** Whether the device's kind has a group table that can be read. */
  readonly hasTable: (id: DeviceId) => boolean
  readonly observer: TableObserver
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export type WatchChange = { readonly [Name in keyof WatchSettings]?: WatchSettings[Name] | undefined }

export interface DriftWatch {
  readonly state: Pick<SurveyRow, 'watch' | 'watching' | 'observing'>
  watchOf(id: DeviceId): DriftRow['watch']
  start(): void
  set(change: WatchChange): void
  onChange(listener: () => void): () => void
  close(): Promise<void>
}

export function createDriftWatch(options: WatchOptions): DriftWatch {
  const { devices, groups, settings, clock, random, logger } = options
  const listeners = new Set<() => void>()
  const stop = new AbortController()
  /** Read first: a notification says that their table has changed. */
  const urgent = new Set<DeviceId>()
  const failures = new Map<DeviceId, { readonly count: number; readonly until: number }>()
  let chosen: WatchSettings = { ...WATCH_DEFAULTS, ...settings.load() }
  let watching: SurveyRow['watching'] = chosen.on ? 'quiet' : 'off'
  let timer: Timer | undefined
  let reading: { readonly id: DeviceId; readonly done: Promise<void>; readonly abort: AbortController } | undefined

  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  const observations = createObservations({
    observer: options.observer,
    clock,
    random,
    logger,
    onTable(id, table) {
      const known = options.readings().get(id)
      if (known?.table.length === known?.entries && sameTable(known?.table, table)) options.readings().unchanged(id, 'observe')
      // Not taken for true as it is: it may be older than a write that a job has under way.
      else urgent.add(id)
    },
    onChange(id) {
      options.readings().refresh([id])
      tell()
    },
  })

  const isWatchable = (device: DeviceRecord | undefined): boolean =>
    isReachable(device) && device !== undefined && options.hasTable(device.id)
  const members = (): readonly DeviceId[] =>
    devices.all().flatMap((device) => (isWatchable(device) && groups.book.cellsOfDevice(device.id).length > 0 ? [device.id] : []))

  /** Of those that are due, who was not looked at for longest. */
  function next(): DeviceId | undefined {
    const now = clock.now()
    for (const id of urgent) {
      if (devices.get(id) === undefined) urgent.delete(id)
      else if (!options.isClaimed(id)) return id
    }
    let best: DeviceId | undefined
    let oldest = now - FRESH_MS
    for (const id of members()) {
      if (observations.isActive(id) || options.isClaimed(id)) continue
      if ((failures.get(id)?.until ?? 0) > now) continue
      const at = options.readings().get(id)?.at ?? 0
      if (at >= oldest) continue
      best = id
      oldest = at
    }
    return best
  }

  async function read(id: DeviceId, signal: AbortSignal): Promise<void> {
    const means = urgent.has(id) ? 'observe' : 'poll'
    try {
      await groups.exclusive(id, async () => {
        signal.throwIfAborted()
        const { contact, profile } = devices.contact(id)
        const patience = AbortSignal.any([signal, timeLimit(clock, ANSWER_WITHIN_MS)])
        const table = await profile.readMemberships(contact, patience)
        const before = groups.takeIn(id, table, 'verify')
        options.readings().read(id, table, means)
        if (before.differing.length > 0) logger.debug({ device: id }, 'a device differs from the project')
      })
      urgent.delete(id)
      failures.delete(id)
    } catch (thrown) {
      if (signal.aborted) return
      const error = toAppError(thrown)
      urgent.delete(id)
      const count = (failures.get(id)?.count ?? 0) + 1
      failures.set(id, { count, until: clock.now() + jittered(random, Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** (count - 1))) })
      options.readings().failed(id, isAbort(error) ? SILENT : failureOf(error))
    }
  }

  function tick(): void {
    timer = undefined
    if (!chosen.on || stop.signal.aborted) return
    const isBusy = options.isBusy()
    if (!isBusy) observations.fill(chosen.observations, members())
    const id = isBusy || reading !== undefined ? undefined : next()
    if (id !== undefined) {
      const abort = new AbortController()
      const done = read(id, abort.signal).finally(() => {
        reading = undefined
        show()
      })
      reading = { id, done, abort }
    }
    show()
    arm()
  }

  function arm(): void {
    timer?.cancel()
    timer = chosen.on ? clock.setTimer(jittered(random, 60_000 / chosen.readsPerMinute), tick) : undefined
  }

  function show(): void {
    const now = !chosen.on ? 'off' : reading !== undefined ? 'reading' : options.isBusy() ? 'busy' : 'quiet'
    if (now === watching) return
    watching = now
    tell()
  }

  return {
    get state() {
      return { watch: chosen, watching, observing: observations.size }
    },
    watchOf: (id) => {
      if (observations.isActive(id)) return 'observe'
      const device = devices.get(id)
      return chosen.on && isWatchable(device) ? 'poll' : 'none'
    },
    start() {
      arm()
    },
    set(change) {
      const before = chosen
      const { on = chosen.on, readsPerMinute = chosen.readsPerMinute, observations: most = chosen.observations } = change
      chosen = { on, readsPerMinute, observations: most }
      settings.save(chosen)
      if (!chosen.on) reading?.abort.abort()
      observations.limit(chosen.on ? chosen.observations : 0)
      arm()
      show()
      if (before.on !== chosen.on) options.readings().refresh(options.readings().feed.keys())
      tell()
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      stop.abort()
      timer?.cancel()
      reading?.abort.abort()
      listeners.clear()
      await reading?.done
      await observations.close()
    },
  }
}

const SILENT: Failure = { code: 'coap.timeout', message: 'The device did not answer in time', retryable: true, details: {} }

function failureOf(thrown: unknown): Failure {
  const { code, message, retryable, details } = toAppError(thrown)
  return { code, message, retryable, details: { ...details } }
}

/** Where it is and how to talk to it are known. */
export function isReachable(device: DeviceRecord | undefined): boolean {
  const { at = null, channelId = null, profileId = null } = device ?? {}
  return at !== null && channelId !== null && profileId !== null
}

function jittered(random: Random, ms: number): number {
  return Math.round(ms * (1 - JITTER + 2 * JITTER * random.fraction()))
}

/** A signal that aborts when the time is over. */
function timeLimit(clock: Clock, ms: number): AbortSignal {
  const over = new AbortController()
  clock.setTimer(ms, () => over.abort())
  return over.signal
}
