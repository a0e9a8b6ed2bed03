// Group tables as they were read last, one row for each device.
import type { Database } from 'better-sqlite3'
import type { Reading, ReadingStore } from '#main/site/survey/index.ts'
import type { ReadingMeans } from '#contract/model.ts'
import { fromJson, knownWord } from './json.ts'
import { guarded } from './sqlite-failure.ts'

interface Row {
  readonly device_id: string
  readonly at: number
  readonly means: string
  readonly entries: number
  readonly entry_list: string
}

const MEANS: Readonly<Record<ReadingMeans, true>> = { observe: true, poll: true, job: true, survey: true }

export function createReadingStore(database: Database): ReadingStore {
  const all = database.prepare<[], Row>('SELECT device_id, at, means, entries, entry_list FROM device_reading')
  const save = database.prepare<Row>(
    'INSERT OR REPLACE INTO device_reading (device_id, at, means, entries, entry_list) VALUES (@device_id, @at, @means, @entries, @entry_list)',
  )
  const remove = database.prepare<[string]>('DELETE FROM device_reading WHERE device_id = ?')
  const saveAll = database.transaction((readings: readonly Reading[]) => {
    for (const { deviceId, at, means, entries, table } of readings) {
      const list = table.map(({ name, address, port }) => [name, address, port])
      save.run({ device_id: deviceId, at, means, entries, entry_list: JSON.stringify(list) })
    }
  })
  const removeAll = database.transaction((ids: readonly string[]) => {
    for (const id of ids) remove.run(id)
  })
  return {
    readings: () => guarded(() => all.all().map(toReading)),
    saveReadings: (readings) => guarded(() => saveAll(readings)),
    removeReadings: (ids) => guarded(() => removeAll(ids)),
  }
}

function toReading({ device_id: deviceId, at, means, entries, entry_list: list }: Row): Reading {
  const table = fromJson(list, isEntryList).map(([name, address, port]) => ({ name, address, port }))
  return { deviceId, at, means: knownWord(MEANS, means), entries, table }
}

function isEntryList(value: unknown): value is ReadonlyArray<readonly [string, string, number]> {
  return (
    Array.isArray(value) &&
    value.every(
      (item: unknown) => Array.isArray(item) && typeof item[0] === 'string' && typeof item[1] === 'string' && typeof item[2] === 'number',
    )
  )
}
