// A survey over the doubles of the group engine: devices with tables that a test tampers with, a store in memory, observations by hand.
import type { AppError } from '#main/base/index.ts'
import { seededRandom, silentLogger, type DeviceId } from '#main/base/index.ts'
import type { DiscoveryChannel, GroupTableEntry } from '#main/site/devices/index.ts'
import type { GroupOptions } from '#main/site/groups/index.ts'
import { createSurvey, type Reading, type ReadingStore, type Survey, type TableListeners } from '#main/site/survey/index.ts'
import type { WatchSettings } from '#contract/model.ts'
import { createBench, runJob, type Bench } from '../groups/doubles.ts'

export class MemoryReadingStore implements ReadingStore {
  readonly rows = new Map<string, Reading>()
  writes = 0

  readings(): readonly Reading[] {
    return [...this.rows.values()]
  }

  saveReadings(readings: readonly Reading[]): void {
    this.writes++
    for (const reading of readings) this.rows.set(reading.deviceId, reading)
  }

  removeReadings(ids: readonly string[]): void {
    for (const id of ids) this.rows.delete(id)
  }
}

export interface SurveyBench extends Bench {
  readonly survey: Survey
  readonly store2: MemoryReadingStore
  readonly settings: { saved: WatchSettings | undefined }
  /** Devices that can be observed, and who listens now. */
  readonly observable: Set<DeviceId>
  readonly observed: Map<DeviceId, { readonly listeners: TableListeners; readonly end: (thrown?: AppError) => void }>
  readonly air: { busy: boolean; claimed: Set<DeviceId> }
  readonly channels: DiscoveryChannel[]
  readonly directory: { endpoints: string; resources: string }
}

export function createSurveyBench(
  deviceCount: number,
  options: Partial<GroupOptions> = {},
  store2 = new MemoryReadingStore(),
): SurveyBench {
  const late: { survey?: Survey } = {}
  const bench = createBench(deviceCount, { ...options, onTable: (id, table) => late.survey?.tableRead(id, table) })
  const settings: SurveyBench['settings'] = { saved: undefined }
  const observable = new Set<DeviceId>()
  const observed: SurveyBench['observed'] = new Map()
  const air = { busy: false, claimed: new Set<DeviceId>() }
  const channels: DiscoveryChannel[] = []
  const directory = { endpoints: '', resources: '' }
  const survey = createSurvey({
    store: store2,
    settings: { load: () => settings.saved, save: (next) => (settings.saved = next) },
    devices: bench.devices,
    groups: bench.engine,
    channels: () => channels,
    directory: {
      async *endpoints() {
        yield await Promise.resolve(directory.endpoints)
      },
      async *resources() {
        yield await Promise.resolve(directory.resources)
      },
    },
    observer: {
      isObservable: (id) => observable.has(id),
      observe: (id, listeners, signal) =>
        new Promise((resolve, reject) => {
          const end = (thrown?: AppError): void => {
            observed.delete(id)
            if (thrown === undefined) resolve()
            else reject(thrown)
          }
          observed.set(id, { listeners, end })
          signal.addEventListener('abort', () => end(), { once: true })
        }),
    },
    hasTable: () => true,
    isBusy: () => air.busy,
    isClaimed: (id) => air.claimed.has(id),
    clock: bench.clock,
    random: seededRandom(5),
    logger: silentLogger,
  })
  late.survey = survey
  return { ...bench, survey, store2, settings, observable, observed, air, channels, directory }
}

/** Runs a repair as core does: an apply job over the lines. */
export async function repair(bench: SurveyBench, wish: Parameters<Survey['repairLines']>[0] = {}): Promise<void> {
  const lines = bench.survey.repairLines(wish)
  if (lines.length > 0) await runJob(bench.engine, 'apply', bench.engine.applyItems(lines))
}

export function verifyAll(bench: SurveyBench): Promise<unknown> {
  return runJob(bench.engine, 'verify', bench.engine.identifyItems([...bench.devices.records.keys()]))
}

export function tableOf(bench: Bench, id: DeviceId): readonly string[] {
  return [...bench.devices.fake(id).table.values()].map((entry) => `${entry.name} ${entry.address.toLowerCase()} ${entry.port}`).sort()
}

export function put(bench: Bench, id: DeviceId, entry: GroupTableEntry): void {
  bench.devices.fake(id).table.set(entry.name, entry)
}

export function kinds(bench: SurveyBench, id: DeviceId): readonly string[] {
  return bench.survey.driftFeed.get(id)?.findings.map(({ kind, groupName }) => `${kind} ${groupName}`) ?? []
}
