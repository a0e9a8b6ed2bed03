// The engine over a real site file: its constraints hold, and what is stored is what is shown.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger } from '#main/base/index.ts'
import { createGroups } from '#main/site/groups/index.ts'
import { temporarySite } from '../../support/site-file.ts'
import { apply, createBench, type Bench } from './doubles.ts'
import { actualTables, desiredTables, DEVICES, play, shown, step, withFates } from './steps.ts'
import type { GroupStore } from '#main/site/groups/index.ts'

function storedBench(deviceCount: number): Bench<GroupStore> {
  const bench = createBench(deviceCount)
  const site = temporarySite()
  site.devices.saveDevices(bench.devices.all())
  bench.engine.close()
  const { clock, devices } = bench
  const store = site.groups
  return {
    clock,
    devices,
    store,
    engine: createGroups({ store, devices, clock, random: seededRandom(7), logger: silentLogger, allocation: { prefixId: 'site-1' } }),
  }
}

describe('groups in a site file', () => {
  it('converge from any interleaving of edits, faults and restarts', async () => {
    let bench = storedBench(DEVICES)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        for (const one of steps) bench = await play(bench, one)
        withFates(bench, ['ok'])
        for (let round = 0; round < 3 && bench.engine.planFeed.size > 0; round++) expect(await apply(bench)).toEqual(new Map())
        expect(bench.engine.planFeed.rows()).toEqual([])
        expect(actualTables(bench)).toEqual(desiredTables(bench))
        const { store, devices, clock } = bench
        const fresh = createGroups({
          store,
          devices,
          clock,
          random: seededRandom(3),
          logger: silentLogger,
          allocation: { prefixId: 'site-1' },
        })
        fresh.close()
        expect(shown(bench)).toEqual(shown({ engine: fresh }))
      }),
      { numRuns: 30 },
    )
  }, 120_000)

  it('are planned for 2 000 devices in 300 groups at once', () => {
    const bench = storedBench(2000)
    const ids = Array.from({ length: 300 }, (_, index) => bench.engine.createApplication({ name: `g${index}` }))
    const wishes = Array.from({ length: 6000 }, (_, index) => ({
      deviceId: `d${1 + (index % 2000)}`,
      groupId: ids[(index * 7) % 300]!,
      desired: true,
    }))
    bench.engine.setMemberships(wishes)
    expect(bench.engine.planFeed.size).toBe(6000)
    const { store, devices, clock } = bench
    const fresh = createGroups({ store, devices, clock, random: seededRandom(3), logger: silentLogger, allocation: { prefixId: 'site-1' } })
    expect(fresh.planFeed.size).toBe(6000)
  })
})
