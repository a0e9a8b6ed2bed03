import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { apply, runJob } from '../groups/doubles.ts'
import { createSurveyBench, kinds, MemoryReadingStore, put, repair, tableOf, verifyAll, type SurveyBench } from './doubles.ts'

const open: SurveyBench[] = []
function benchOf(...args: Parameters<typeof createSurveyBench>): SurveyBench {
  const bench = createSurveyBench(...args)
  open.push(bench)
  return bench
}
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.survey.close()
})

async function applied(devices = 2, groups = ['a', 'b']): Promise<SurveyBench> {
  const bench = benchOf(devices)
  const members = [...bench.devices.records.keys()]
  for (const name of groups) bench.engine.createApplication({ name, members })
  expect(await apply(bench)).toEqual(new Map())
  return bench
}

describe('drift of a device', () => {
  it('is none after an apply, and the row says when it was read and by which means', async () => {
    const bench = await applied()
    const row = bench.survey.driftFeed.get('d1')!
    expect(row).toMatchObject({ state: 'as-applied', means: 'job', entries: 2, findings: [], watch: 'none', failure: null })
    expect(row.readAt).toBe(bench.clock.now())
  })

  it('tells an unread device from one that is as applied, and shows nothing of what is merely planned', () => {
    const bench = benchOf(1)
    bench.engine.createApplication({ name: 'a', members: ['d1'] })
    expect(bench.survey.driftFeed.get('d1')).toMatchObject({ state: 'not-read', readAt: null, means: null, findings: [] })
  })

  it('names what is missing, at another address or port, under another name, and what is foreign', async () => {
    const bench = await applied(1, ['a', 'b', 'c', 'e'])
    const { table } = bench.devices.fake('d1')
    const c = table.get('c')!
    table.delete('a')
    table.set('b', { ...table.get('b')!, port: 61_616 })
    table.delete('c')
    table.set('renamed', { ...c, name: 'renamed', address: c.address })
    table.set('e', { ...table.get('e')!, address: 'ff05::db8:7' })
    put(bench, 'd1', { name: 'stranger', address: 'ff05::db8:9', port: 5683 })
    await verifyAll(bench)
    expect(kinds(bench, 'd1')).toEqual(['missing a', 'differs b', 'differs c', 'differs e', 'foreign stranger'])
    const found = bench.survey.driftFeed.get('d1')!.findings.find(({ groupName }) => groupName === 'c')!.found
    expect(found?.name).toBe('renamed')
    expect(bench.survey.driftFeed.get('d1')!.state).toBe('differs')
  })

  it('calls an empty table where memberships were confirmed a reset, and no device is called so that never had any', async () => {
    const bench = await applied(2)
    bench.devices.fake('d1').table.clear()
    await verifyAll(bench)
    expect(kinds(bench, 'd1')).toEqual(['reset ', 'missing a', 'missing b'])
    expect(kinds(bench, 'd2')).toEqual([])
    bench.devices.add(9)
    const groupId = bench.engine.applicationFeed.rows()[0]!.id
    bench.engine.setMemberships([{ deviceId: 'd9', groupId, desired: true }])
    await verifyAll(bench)
    expect(kinds(bench, 'd9')).toEqual([])
  })

  it('shows an unknown outcome until somebody has read', async () => {
    const bench = benchOf(1)
    bench.engine.createApplication({ name: 'a', members: ['d1'] })
    bench.devices.fake('d1').fate = (operation) => (operation === 'write' ? 'answer-lost' : 'ok')
    await apply(bench)
    expect(kinds(bench, 'd1')).toEqual(['unknown a'])
    await verifyAll(bench)
    expect(kinds(bench, 'd1')).toEqual([])
  })

  it('is kept with its time over a restart, and forgotten with its device', async () => {
    const readings = new MemoryReadingStore()
    const first = benchOf(1, {}, readings)
    first.engine.createApplication({ name: 'a', members: ['d1'] })
    await apply(first)
    const { readAt } = first.survey.driftFeed.get('d1')!
    await first.survey.close()
    const again = benchOf(1, { store: first.store, devices: first.devices }, readings)
    expect(readings.rows.get('d1')?.at).toBe(readAt)
    again.devices.remove(['d1'])
    expect(readings.rows.size).toBe(0)
    expect(again.survey.driftFeed.size).toBe(0)
  })

  it('writes readings of a whole job in few transactions', async () => {
    const bench = await applied(50)
    await bench.clock.advance(10_000)
    expect(bench.store2.rows.size).toBe(50)
    expect(bench.store2.writes).toBeLessThanOrEqual(2)
  })
})

describe('repair', () => {
  it('applies what has drifted on one device alone, of one group alone, or everything', async () => {
    const bench = await applied(3)
    for (const id of ['d1', 'd2', 'd3']) bench.devices.fake(id).table.clear()
    await verifyAll(bench)
    await repair(bench, { deviceIds: ['d1'] })
    expect([tableOf(bench, 'd1').length, tableOf(bench, 'd2').length]).toEqual([2, 0])
    const groupId = bench.engine.applicationFeed.rows().find(({ name }) => name === 'a')!.id
    await repair(bench, { groupIds: [groupId] })
    expect(tableOf(bench, 'd2')).toHaveLength(1)
    await repair(bench)
    expect(bench.engine.planFeed.size).toBe(0)
    expect(bench.survey.driftFeed.rows().flatMap(({ findings }) => findings)).toEqual([])
  })

  it('leaves what is planned but was never applied to Apply', async () => {
    const bench = await applied(1, ['a'])
    bench.engine.createApplication({ name: 'later', members: ['d1'] })
    bench.devices.fake('d1').table.clear()
    await verifyAll(bench)
    await repair(bench)
    expect([...bench.devices.fake('d1').table.keys()]).toEqual(['a'])
  })

  it('adopts a foreign entry as it was read: nothing is left to apply', async () => {
    const bench = await applied(2, ['a'])
    for (const id of ['d1', 'd2']) put(bench, id, { name: 'hall', address: 'ff05::db8:1', port: 61_616 })
    await verifyAll(bench)
    expect(bench.survey.adoptEntries([{ deviceId: 'd1', name: 'hall' }])).toEqual({ groups: 1, memberships: 1 })
    expect(bench.survey.adoptEntries([{ deviceId: 'd2', name: 'hall' }])).toEqual({ groups: 0, memberships: 1 })
    expect(bench.engine.planFeed.rows()).toEqual([])
    expect(bench.engine.applicationFeed.rows().find(({ name }) => name === 'hall')).toMatchObject({ members: 2, confirmed: 2 })
    expect(kinds(bench, 'd1')).toEqual([])
  })

  it('does not adopt what the project has elsewhere, nor what was not read', async () => {
    const bench = await applied(2, ['a'])
    bench.engine.createApplication({ name: 'hall', members: ['d2'] })
    put(bench, 'd1', { name: 'hall', address: 'ff05::db8:1', port: 5683 })
    await verifyAll(bench)
    expect(() => bench.survey.adoptEntries([{ deviceId: 'd1', name: 'hall' }])).toThrow(/another address/)
    expect(() => bench.survey.adoptEntries([{ deviceId: 'd1', name: 'a' }])).toThrow(AppError)
    expect(() => bench.survey.adoptEntries([{ deviceId: 'd1', name: 'nobody' }])).toThrow(AppError)
  })

  it('removes foreign entries, also under names of the project, and leaves no group behind', async () => {
    const bench = await applied(2, ['a'])
    bench.engine.createApplication({ name: 'only-2', members: ['d2'] })
    await apply(bench)
    put(bench, 'd1', { name: 'only-2', address: 'ff05::db8:1', port: 5683 })
    put(bench, 'd1', { name: 'stranger', address: 'ff05::db8:2', port: 5683 })
    await verifyAll(bench)
    const lines = bench.survey.removeEntries([
      { deviceId: 'd1', name: 'only-2' },
      { deviceId: 'd1', name: 'stranger' },
    ])
    expect(await runJob(bench.engine, 'apply', bench.engine.applyItems(lines))).toEqual(new Map())
    expect([...bench.devices.fake('d1').table.keys()]).toEqual(['a'])
    expect(bench.engine.applicationFeed.rows().map(({ name }) => name)).toEqual(['a', 'only-2'])
    expect(bench.store.applicationGroups()).toHaveLength(2)
    expect(bench.engine.coapFeed.size).toBe(2)
    expect(bench.engine.planFeed.size).toBe(0)
  })
})
