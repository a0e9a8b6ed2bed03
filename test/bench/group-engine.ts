// The group engine as sites grow: opening with its plan, one edit, one room's worth of new wishes; time and memory at each size.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import { createInventory } from '#main/site/devices/index.ts'
import { createGroups } from '#main/site/groups/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import { openSiteFile } from '#main/store/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { bigSite } from './big-site.ts'
import { median, timed } from './measure.ts'
import type { BenchResult } from './types.ts'

const SIZES = [500, 1000, 2000, 5000, 10_000]
const ROUNDS = 7

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

interface Opened {
  readonly groups: GroupEngine
  close(): void
}

export async function benchGroupEngine(): Promise<readonly BenchResult[]> {
  const results: BenchResult[] = []
  for (const size of SIZES) results.push(...(await atSize(size)))
  return results
}

async function atSize(devices: number): Promise<readonly BenchResult[]> {
  const site = bigSite(devices)
  const file = openSiteFile(site.path, { clock: systemClock, logger: silentLogger, appVersion: '0' })
  const planned = open(file)
  // All lights of a room, and one group each for blinds, sensors and thermostats: as installers begin.
  planned.groups.fromRooms({ types: ['luminaire', 'blind', 'presence-sensor', 'thermostat'] })
  const count = planned.groups.book.groups.size
  planned.close()

  collect()
  const heapBefore = process.memoryUsage().heapUsed
  const held = open(file)
  const lines = held.groups.planFeed.size
  collect()
  const heap = process.memoryUsage().heapUsed - heapBefore

  const select = file.database.prepare('SELECT * FROM membership')
  const opening: number[] = []
  const reading: number[] = []
  const editing: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    reading.push(await timed(() => JSON.stringify(select.all())))
    opening.push(await timed(() => open(file).close()))
    const cell = held.groups.membershipFeed.rows()[round * 17]
    if (cell === undefined) continue
    editing.push(await timed(() => held.groups.setMemberships([{ deviceId: cell.deviceId, groupId: cell.groupId, desired: false }])))
    held.groups.setMemberships([{ deviceId: cell.deviceId, groupId: cell.groupId, desired: true }])
  }
  held.close()
  file.close()
  site.remove()
  const base = median(reading)
  const title = `${devices} devices, ${count} groups`
  return [
    row(
      `${title}: inventory, groups and a plan of ${lines} lines from the file (baseline: its memberships as JSON)`,
      median(opening),
      'ms',
      base,
    ),
    row(`${title}: one membership edited, durably`, median(editing), 'ms'),
    row(`${title}: heap of inventory, groups and plan, a device`, heap / devices / 1000, 'kB'),
  ]
}

function row(name: string, value: number, unit: string, baseline?: number): BenchResult {
  return { area: 'groups', name, value, unit, baseline, ratio: baseline === undefined ? undefined : value / baseline }
}

function open(file: SiteFile): Opened {
  const ports = { clock: systemClock, random: seededRandom(1), logger: silentLogger }
  const inventory = createInventory({ store: file.devices, contacts: { client: () => undefined }, profiles: [], ...ports })
  const groups = createGroups({
    store: file.groups,
    devices: inventory,
    allocation: { prefixId: 'site-bench', scope: 'site-local' },
    ...ports,
  })
  return {
    groups,
    close() {
      groups.close()
      inventory.close()
    },
  }
}
