// What was last read of each device, when and by which means, and the `drift` rows that follow from it and from the book of groups.
import { KeyedFeed, toAppError, type Clock, type DeviceId, type Logger, type Timer } from '#main/base/index.ts'
import type { DeviceDirectory, GroupTableEntry } from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { DriftRow, Failure, ReadingMeans } from '#contract/model.ts'
import { findingsOf } from './findings.ts'
import type { FailedReading, Reading, ReadingStore } from './types.ts'

/** More entries than any device is known to have; of a longer table the first are kept. */
const ENTRIES_KEPT = 64
const FINDINGS_SHOWN = 40
/** How long readings are held back, so that a job over many devices is not a chatty disk as well. */
const WRITE_AFTER_MS = 3000

export interface ReadingsOptions {
  readonly store: ReadingStore
  readonly devices: Pick<DeviceDirectory, 'get' | 'onRemoved'>
  readonly groups: Pick<GroupEngine, 'book' | 'membershipFeed'>
  readonly clock: Clock
  readonly logger: Logger
  /** How the device is kept an eye on now. */
  readonly watchOf: (id: DeviceId) => DriftRow['watch']
}

export class Readings {
  readonly feed = new KeyedFeed<DriftRow>((row) => row.deviceId)
  readonly #options: ReadingsOptions
  readonly #readings = new Map<DeviceId, Reading>()
  readonly #failed = new Map<DeviceId, FailedReading>()
  readonly #unsaved = new Set<DeviceId>()
  readonly #ends: ReadonlyArray<() => void>
  #writeTimer: Timer | undefined

  constructor(options: ReadingsOptions) {
    this.#options = options
    const { store, devices, groups } = options
    const gone: DeviceId[] = []
    for (const reading of store.readings()) {
      if (devices.get(reading.deviceId) === undefined) gone.push(reading.deviceId)
      else this.#readings.set(reading.deviceId, reading)
    }
    if (gone.length > 0) store.removeReadings(gone)
    this.#ends = [
      groups.membershipFeed.subscribe((keys) => this.refresh(new Set(keys.map((key) => key.split(' ', 1)[0] ?? '')))),
      devices.onRemoved((ids) => this.#forget(ids)),
    ]
  }

  /** Shows every device that has memberships or was read; to be called once, when the watch stands. */
  start(): void {
    const members = this.#options.groups.membershipFeed.rows().map((row) => row.deviceId)
    this.refresh(new Set([...members, ...this.#readings.keys()]))
  }

  get(id: DeviceId): Reading | undefined {
    return this.#readings.get(id)
  }

  failureOf(id: DeviceId): FailedReading | undefined {
    return this.#failed.get(id)
  }

  /** The table was read; what it says of memberships has been taken in. */
  read(deviceId: DeviceId, table: readonly GroupTableEntry[], means: ReadingMeans): void {
    const reading = { deviceId, at: this.#options.clock.now(), means, table: table.slice(0, ENTRIES_KEPT), entries: table.length }
    this.#failed.delete(deviceId)
    this.#keep(reading)
  }

  /** The device has said that its table is still as it was read. */
  unchanged(deviceId: DeviceId, means: ReadingMeans): void {
    const reading = this.#readings.get(deviceId)
    if (reading === undefined) return
    this.#failed.delete(deviceId)
    this.#keep({ ...reading, at: this.#options.clock.now(), means })
  }

  failed(deviceId: DeviceId, failure: Failure): void {
    this.#failed.set(deviceId, { at: this.#options.clock.now(), failure })
    this.refresh([deviceId])
  }

  refresh(ids: Iterable<DeviceId>): void {
    const rows: DriftRow[] = []
    const gone: DeviceId[] = []
    for (const id of ids) {
      const row = this.#row(id)
      if (row === undefined) gone.push(id)
      else rows.push(row)
    }
    this.feed.setAll(rows)
    this.feed.delete(gone)
  }

  flush(): void {
    this.#writeTimer?.cancel()
    this.#writeTimer = undefined
    const changed = [...this.#unsaved].flatMap((id) => this.#readings.get(id) ?? [])
    this.#unsaved.clear()
    if (changed.length === 0) return
    try {
      this.#options.store.saveReadings(changed)
    } catch (thrown) {
      // They are known in this session; the next one shows when each device was read before.
      this.#options.logger.error({ code: toAppError(thrown).code }, 'readings of devices could not be stored')
    }
  }

  close(): void {
    for (const end of this.#ends) end()
    this.flush()
  }

  #keep(reading: Reading): void {
    this.#readings.set(reading.deviceId, reading)
    this.#unsaved.add(reading.deviceId)
    this.#writeTimer ??= this.#options.clock.setTimer(WRITE_AFTER_MS, () => this.flush())
    this.refresh([reading.deviceId])
  }

  #forget(ids: readonly DeviceId[]): void {
    for (const id of ids) {
      this.#readings.delete(id)
      this.#failed.delete(id)
      this.#unsaved.delete(id)
    }
    this.#options.store.removeReadings(ids)
    this.feed.delete(ids)
  }

  #row(deviceId: DeviceId): DriftRow | undefined {
    const { devices, groups, watchOf } = this.#options
    const reading = this.#readings.get(deviceId)
    const failed = this.#failed.get(deviceId)
    const isMember = groups.book.cellsOfDevice(deviceId).length > 0
    if (devices.get(deviceId) === undefined || (!isMember && reading === undefined && failed === undefined)) return undefined
    const findings = findingsOf(groups.book, deviceId, reading?.table)
    const state = failed !== undefined ? 'silent' : findings.length > 0 ? 'differs' : reading === undefined ? 'not-read' : 'as-applied'
    return {
      deviceId,
      state,
      readAt: reading?.at ?? null,
      means: reading?.means ?? null,
      entries: reading?.entries ?? null,
      watch: watchOf(deviceId),
      failedAt: failed?.at ?? null,
      failure: failed?.failure ?? null,
      findings: findings.slice(0, FINDINGS_SHOWN),
      more: Math.max(0, findings.length - FINDINGS_SHOWN),
    }
  }
}
