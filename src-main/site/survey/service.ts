// The survey of a site: drift of devices, what the network has of groups already, and the watch; as core hands it to hosts.
import { KeyedFeed, type DeviceId } from '#main/base/index.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import type { DriftRow, FoundGroup, FoundVerdict, SurveyRow } from '#contract/model.ts'
import { adopt, type AdoptChoice, type Adopted } from './adopt.ts'
import { adoptEntries, removeEntries, repairLines, type EntryRef } from './drift-edits.ts'
import { FoundGroups } from './found.ts'
import { SurveyReader, type ReaderOptions, type ReadWish } from './reader.ts'
import { Readings, type ReadingsOptions } from './readings.ts'
import { createDriftWatch, type WatchChange, type WatchOptions } from './watch.ts'

export type SurveyOptions = Omit<ReadingsOptions, 'watchOf'> &
  Omit<WatchOptions, 'readings'> &
  Omit<ReaderOptions, 'readings' | 'found' | 'onChange'> & {
    readonly groups: Parameters<typeof repairLines>[0]['groups'] & Parameters<typeof adopt>[0]['groups']
  }

export interface Survey {
  readonly driftFeed: KeyedFeed<DriftRow>
  readonly feed: KeyedFeed<SurveyRow>
  /** A job has read the table, and taken in what it says. */
  tableRead(id: DeviceId, table: readonly GroupTableEntry[]): void
  setWatch(change: WatchChange): void
  /** Plan lines that bring back what has drifted. */
  repairLines(wish: {
    readonly deviceIds?: readonly DeviceId[] | undefined
    readonly groupIds?: readonly string[] | undefined
  }): readonly string[]
  adoptEntries(entries: readonly EntryRef[]): { readonly groups: number; readonly memberships: number }
  /** Gives the plan lines that remove them. */
  removeEntries(entries: readonly EntryRef[]): readonly string[]
  read(wish: ReadWish): void
  stop(): void
  /** Resolves when no reading is under way. */
  idle(): Promise<void>
  foundPage(query: { readonly offset: number; readonly limit: number; readonly verdicts?: readonly FoundVerdict[] | undefined }): {
    readonly total: number
    readonly rows: FoundGroup[]
  }
  adopt(choices?: readonly AdoptChoice[]): Adopted
  close(): Promise<void>
}

export function createSurvey(options: SurveyOptions): Survey {
  const { groups, devices, clock } = options
  const feed = new KeyedFeed<SurveyRow>((row) => row.key)
  const found = new FoundGroups()
  const watch = createDriftWatch({
    ...options,
    readings: () => readings,
    isBusy: () => options.isBusy() || reader.progress.state === 'running',
  })
  const readings: Readings = new Readings({ ...options, watchOf: (id) => watch.watchOf(id) })
  const reader: SurveyReader = new SurveyReader({ ...options, readings, found, onChange: () => show() })
  const show = (): void => feed.set({ key: 'survey', ...watch.state, reading: reader.progress })
  const ports = { groups, readings, clock }
  watch.onChange(show)
  show()
  readings.start()
  watch.start()

  return {
    driftFeed: readings.feed,
    feed,
    tableRead: (id, table) => readings.read(id, table, 'job'),
    setWatch: (change) => watch.set(change),
    repairLines: (wish) => repairLines(ports, wish),
    adoptEntries: (entries) => adoptEntries(ports, entries),
    removeEntries: (entries) => removeEntries(ports, entries),
    read: (wish) => reader.start(wish),
    stop: () => reader.stop(),
    idle: () => reader.idle(),
    foundPage({ offset, limit, verdicts }) {
      const wanted = verdicts === undefined ? undefined : new Set(verdicts)
      const all = found.judged(groups.book).filter(({ verdict }) => wanted?.has(verdict) !== false)
      return { total: all.length, rows: all.slice(offset, offset + limit) }
    },
    adopt: (choices) => adopt({ found, groups, devices, clock }, choices),
    async close() {
      reader.stop()
      await reader.idle()
      await watch.close()
      readings.close()
    },
  }
}
