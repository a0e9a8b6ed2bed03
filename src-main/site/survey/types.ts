// What the survey keeps and what it asks of its surroundings.
import type { DeviceId } from '#main/base/index.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import type { Failure, ReadingMeans, WatchSettings } from '#contract/model.ts'

/** A group table as it was read last. */
export interface Reading {
  readonly deviceId: DeviceId
  readonly at: number
  readonly means: ReadingMeans
  readonly table: readonly GroupTableEntry[]
  /** Entries of the whole table, of which the first are kept. */
  readonly entries: number
}

/** An attempt that failed, where none has succeeded since. */
export interface FailedReading {
  readonly at: number
  readonly failure: Failure
}

/** Port: readings at rest. Every write is durable when the call returns. */
export interface ReadingStore {
  readings(): readonly Reading[]
  saveReadings(readings: readonly Reading[]): void
  removeReadings(ids: readonly DeviceId[]): void
}

/** Port: settings of the watch at rest. */
export interface WatchSettingsStore {
  load(): WatchSettings | undefined
  save(settings: WatchSettings): void
}

/** Off until somebody wants it: it takes air time. */
export const WATCH_DEFAULTS: WatchSettings = { on: false, readsPerMinute: 6, observations: 32 }
