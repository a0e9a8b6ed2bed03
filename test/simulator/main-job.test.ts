// The main job behind a simulated dongle on the modelled radio, on a virtual clock: everybody is found, every group is confirmed and proven,
// with as much on the channel at once as it bears.
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger } from '#main/base/index.ts'
import type { Registration } from '#main/services/rd/index.ts'
import type { DongleSiteOptions } from '#main/simulator/index.ts'
import { allCoapNodes, applyImport, createDiscovery, createInventory } from '#main/site/devices/index.ts'
import { createGroups, createTestBench } from '#main/site/groups/index.ts'
import { budgeted } from '../../src-main/core/channel-budget.ts'
import { demoProfile } from '../site/devices/fixtures.ts'
import { apply } from '../site/groups/doubles.ts'
import { MemoryGroupStore } from '../support/memory-group-store.ts'
import { MemoryDeviceStore } from '../support/memory-stores.ts'
import { dongleBench } from './dongle-harness.ts'

interface JobTimes {
  readonly heard: number
  readonly discoveryMs: number
  readonly groups: number
  readonly confirmed: number
  readonly applyMs: number
  readonly proven: number
  readonly testMs: number
}

async function mainJob(options: Partial<DongleSiteOptions>): Promise<JobTimes> {
  const bench = dongleBench({ lossPercent: 1, ...options })
  const { clock, site, endpoint, directory } = bench
  const carriesMulticast = options.dongle !== 'slip'
  await bench.up()
  const client = budgeted(endpoint, { requestsAtOnce: 4, besideGroupRequests: 2 })
  const contacts = { client: (channelId: string) => (channelId === client.channelId ? client : undefined) }
  const common = { clock, random: seededRandom(3), logger: silentLogger, profiles: [demoProfile] }
  const inventory = createInventory({ ...common, store: new MemoryDeviceStore(), contacts })
  const known = () => inventory.all().flatMap(({ at }) => (at === null ? [] : [at]))
  const channel = { client, allNodes: carriesMulticast ? allCoapNodes('mesh') : [], slow: { bytesPerS: 4000 }, known }
  const discovery = createDiscovery({ ...common, inventory, channels: () => [channel] })
  const arrive = ({ endpointName, base, links, source }: Registration): void =>
    discovery.registrationArrived({ endpointName, base, links, channelId: source?.channelId, source: source?.address })
  // Quick devices have registered while the dongle came up.
  directory.list(0, directory.size).forEach(arrive)
  directory.onChange(({ kind, registration }) => {
    if (kind === 'registered') arrive(registration)
  })
  const checks = { groupNames: () => [], checkGroupName: (name: string) => name, assignGroups: () => undefined }
  applyImport(inventory, { ...common, ...checks }, { text: site.deviceList() })

  const startedMs = clock.monotonicMs()
  discovery.start({ seconds: 4 })
  await clock.until(discovery.idle())
  const discoveryMs = clock.monotonicMs() - startedMs
  const heard = inventory.all().filter(({ profileId }) => profileId !== null).length

  const store = new MemoryGroupStore()
  const groups = createGroups({ ...common, store, devices: inventory, allocation: { prefixId: 'site', scope: 'realm-local' } })
  groups.fromRooms({ types: ['luminaire', 'blind', 'thermostat'] })
  const beforeApplyMs = clock.monotonicMs()
  for (let round = 0; round < 3; round++) {
    const failed = await clock.until(apply({ engine: groups }))
    if (failed.size === 0) break
  }
  const applyMs = clock.monotonicMs() - beforeApplyMs
  const rows = groups.applicationFeed.rows().filter(({ members }) => members > 0)

  const tests = createTestBench({
    ...common,
    groups,
    devices: inventory,
    store,
    leisureMs: 1000,
    carriesMulticast: () => carriesMulticast,
  })
  const beforeTestsMs = clock.monotonicMs()
  let proven = 0
  for (const { id } of rows) {
    const [action] = tests.actions(id)
    for (let round = 0; action !== undefined && round < 3; round++) {
      const run = await clock.until(tests.run(id, action.id, 1).finished)
      if (!run.members.every(({ verdict }) => verdict === 'heard' || verdict === 'silent-changed')) continue
      proven++
      break
    }
  }
  await tests.close()
  groups.close()
  await discovery.close()
  inventory.close()
  return {
    heard,
    discoveryMs,
    groups: rows.length,
    confirmed: rows.filter(({ id, members }) => groups.applicationFeed.get(id)?.confirmed === members).length,
    applyMs,
    proven,
    testMs: clock.monotonicMs() - beforeTestsMs,
  }
}

describe('the main job on the modelled radio', () => {
  it.each([1, 2, 3])(
    'finds all of 200 devices, and confirms and proves every group (seed %i)',
    async (seed) => {
      const job = await mainJob({ radio: 'real', devices: 200, seed })
      expect(job.heard).toBe(200)
      expect([job.confirmed, job.proven]).toEqual([job.groups, job.groups])
      expect(job.discoveryMs).toBeLessThan(60_000)
      expect(job.applyMs).toBeLessThan(60_000)
      expect(job.testMs / job.groups).toBeLessThan(3000)
    },
    120_000,
  )

  it('does the same behind a border router without multicast: found as they register, tested one by one', async () => {
    const job = await mainJob({ radio: 'real', devices: 60, dongle: 'slip' })
    expect(job).toMatchObject({ heard: 60, confirmed: job.groups, proven: job.groups })
  }, 120_000)

  it('does the same at 10 % loss of frames', async () => {
    const job = await mainJob({ radio: 'real', devices: 60, lossPercent: 10 })
    expect(job).toMatchObject({ heard: 60, confirmed: job.groups, proven: job.groups })
  }, 120_000)
})
