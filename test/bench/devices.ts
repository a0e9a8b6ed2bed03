// The device list at 10 000 rows: from the file to a subscriber's snapshot, and the filter of the window.
import Database from 'better-sqlite3'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import { createInventory } from '#main/site/devices/index.ts'
import { openSiteFile } from '#main/store/index.ts'
import { compileFilter, parseFilter } from '../../src-renderer/views/devices/device-filter.ts'
import { bigSite } from './big-site.ts'
import { contest } from './measure.ts'
import type { BenchResult } from './types.ts'

const SIZES = [100, 1000, 10_000]

export async function benchDevices(): Promise<readonly BenchResult[]> {
  const results: BenchResult[] = []
  for (const size of SIZES) results.push(await load(size))
  results.push(await filter(10_000))
  return results
}

async function load(size: number): Promise<BenchResult> {
  const site = bigSite(size)
  const file = openSiteFile(site.path, { clock: systemClock, logger: silentLogger, appVersion: '0' })
  const raw = new Database(site.path, { readonly: true })
  const select = raw.prepare('SELECT * FROM device')
  const result = await contest({
    area: 'devices',
    name: `load ${size} devices to the snapshot as JSON (baseline: SELECT of the same rows, as JSON)`,
    unit: 'ms',
    measure: () => {
      const inventory = createInventory({
        store: file.devices,
        clock: systemClock,
        random: seededRandom(1),
        logger: silentLogger,
        contacts: { client: () => undefined },
        profiles: [],
      })
      const text = JSON.stringify(inventory.feed.rows())
      inventory.close()
      return text
    },
    baseline: () => JSON.stringify(select.all()),
  })
  raw.close()
  file.close()
  site.remove()
  return result
}

async function filter(size: number): Promise<BenchResult> {
  const site = bigSite(size)
  const file = openSiteFile(site.path, { clock: systemClock, logger: silentLogger, appVersion: '0' })
  const inventory = createInventory({
    store: file.devices,
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    contacts: { client: () => undefined },
    profiles: [],
  })
  const rows = inventory.feed.rows()
  const names = new Map(inventory.rooms().map((room) => [room.id, [room.name]]))
  const context = {
    roomNames: (id: string | null) => names.get(id ?? '') ?? [],
    groupNames: () => [],
    word: (_: 'type' | 'state', value: string) => value,
  }
  const result = await contest({
    area: 'devices',
    name: `filter ${size} devices by room, type and state (baseline: a test of one lower-cased name a row)`,
    unit: 'ms',
    rounds: 31,
    measure: () => rows.filter(compileFilter(parseFilter('room:2.14 type:luminaire !state:verified panel'), context)),
    baseline: () => rows.filter((row) => row.name.toLowerCase().includes('panel')),
  })
  inventory.close()
  file.close()
  site.remove()
  return result
}
