// Apply, verify and identify against devices with faults: what is known is said, nothing is done twice.
import { describe, expect, it } from 'vitest'
import { silentLogger, seededRandom } from '#main/base/index.ts'
import { createGroups } from '#main/site/groups/index.ts'
import { apply, createBench, runJob, runnerOf, type Bench, type Fate } from './doubles.ts'

/** Lets a device answer everything but the given operation. */
function failing(bench: Bench, id: string, operation: 'read' | 'write' | 'remove', fate: Fate): void {
  bench.devices.fake(id).fate = (asked) => (asked === operation ? fate : 'ok')
}

describe('apply', () => {
  it('writes, reads back, and moves the device to configured; a second job has nothing to do', async () => {
    const bench = createBench(3)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1', 'd2', 'd3'] })
    expect(await apply(bench)).toEqual(new Map())
    expect(bench.engine.planFeed.size).toBe(0)
    expect(bench.engine.applicationFeed.get(groupId)).toMatchObject({ members: 3, confirmed: 3 })
    expect(bench.engine.membershipFeed.get(`d2 ${groupId}`)).toMatchObject({ outcome: 'confirmed', source: 'apply', failure: null })
    expect([...bench.devices.records.values()].map((device) => device.state)).toEqual(['configured', 'configured', 'configured'])
    expect(bench.engine.applyItems()).toEqual([])
  })

  it('leaves lines to the unfinished job that has them already', () => {
    const bench = createBench(3)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1', 'd2', 'd3'] })
    const queued = new Set([`d2 ${groupId}`])
    const isQueued = (subject: string): boolean => queued.has(subject)
    expect(bench.engine.applyItems(undefined, isQueued).map((item) => item.subject)).toEqual([`d1 ${groupId}`, `d3 ${groupId}`])
    expect(bench.engine.applyItems([`d2 ${groupId}`, `d3 ${groupId}`], isQueued).map((item) => item.subject)).toEqual([`d3 ${groupId}`])
    expect(bench.engine.applyItems([`d2 ${groupId}`], isQueued)).toEqual([])
  })

  it('shows sent while the write is under way', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const outcomes: unknown[] = []
    bench.engine.membershipFeed.subscribe(() => outcomes.push(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome))
    await apply(bench)
    expect(outcomes).toEqual(['sent', 'confirmed'])
  })

  it('reads first: what the device has already is confirmed without a write', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const target = bench.engine.book.target(groupId)!
    bench.devices.fake('d1').table.set('a', target)
    await apply(bench)
    expect(bench.devices.fake('d1').log).toEqual([])
    expect(bench.engine.planFeed.size).toBe(0)
  })

  it('calls a write whose answer was lost unknown, and finds out the next time without writing again', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    failing(bench, 'd1', 'write', 'answer-lost')
    const failed = await apply(bench)
    expect([...failed.values()].map((error) => error.code)).toEqual(['coap.timeout'])
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)).toMatchObject({ outcome: 'unknown', failure: { code: 'coap.timeout' } })
    bench.devices.fake('d1').fate = () => 'ok'
    await apply(bench)
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('confirmed')
    expect(bench.devices.fake('d1').log).toEqual(['write a'])
  })

  it('does not call a write failed because the device was silent the next time', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    failing(bench, 'd1', 'write', 'lost')
    await apply(bench)
    bench.devices.fake('d1').fate = () => 'lost'
    await apply(bench)
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('unknown')
  })

  it('calls a refused write failed, with the code of the refusal', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    failing(bench, 'd1', 'write', 'refused')
    await apply(bench)
    const row = bench.engine.membershipFeed.get(`d1 ${groupId}`)
    expect(row).toMatchObject({ outcome: 'failed', failure: { code: 'coap.response-error', details: { code: '4.03' } } })
    expect(bench.engine.planFeed.get(`d1 ${groupId}`)?.failure?.code).toBe('coap.response-error')
  })

  it('calls a membership failed that could not be tried, because nothing was sent', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    failing(bench, 'd1', 'read', 'lost')
    await apply(bench)
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('failed')
    expect(bench.devices.fake('d1').log).toEqual([])
  })

  it('does not believe an answer: an acknowledged write that does not read back is not confirmed', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const fake = bench.devices.fake('d1')
    fake.table.set = () => fake.table
    const failed = await apply(bench)
    expect([...failed.values()].map((error) => error.code)).toEqual(['profile.not-confirmed'])
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('failed')
    expect(bench.devices.get('d1')?.state).toBe('seen')
  })

  it('makes a device faulty by repeated failure only, and configured again by success', async () => {
    const bench = createBench(1)
    bench.engine.createApplication({ name: 'a', members: ['d1'] })
    bench.devices.fake('d1').fate = () => 'lost'
    await apply(bench)
    expect(bench.devices.get('d1')?.state).toBe('seen')
    await apply(bench)
    expect(bench.devices.get('d1')?.state).toBe('faulty')
    bench.devices.fake('d1').fate = () => 'ok'
    await apply(bench)
    expect(bench.devices.get('d1')?.state).toBe('configured')
  })

  it('waits for a silent device once in a job, not once for each of its lines', async () => {
    const bench = createBench(1)
    for (const name of ['a', 'b', 'c']) bench.engine.createApplication({ name, members: ['d1'] })
    let asked = 0
    bench.devices.fake('d1').fate = () => {
      asked++
      return 'lost'
    }
    expect((await apply(bench)).size).toBe(3)
    expect(asked).toBe(1)
    expect(bench.devices.get('d1')?.state).toBe('seen')
  })

  it('never has two requests in flight to one device', async () => {
    const bench = createBench(2)
    for (const name of ['a', 'b', 'c', 'd', 'e']) bench.engine.createApplication({ name, members: ['d1', 'd2'] })
    await apply(bench)
    expect(bench.devices.fake('d1').mostInFlight).toBe(1)
    expect(bench.devices.fake('d1').table.size).toBe(5)
  })

  it('renames in a full table, where the new entry has no place before the old one is gone', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'old', members: ['d1'] })
    bench.devices.fake('d1').places = 1
    await apply(bench)
    bench.engine.updateApplication(groupId, { name: 'new' })
    expect(bench.engine.requests([`d1 ${groupId}`])).toEqual([
      { lineId: `d1 ${groupId}`, requests: ['PUT /groups/new', 'DELETE /groups/old'] },
    ])
    expect(await apply(bench)).toEqual(new Map())
    expect([...bench.devices.fake('d1').table.keys()]).toEqual(['new'])
  })

  it('makes removals first, so that a full table has room', async () => {
    const bench = createBench(1)
    const a = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    bench.devices.fake('d1').places = 1
    await apply(bench)
    bench.engine.createApplication({ name: 'b', members: ['d1'] })
    bench.engine.setMemberships([{ deviceId: 'd1', groupId: a, desired: false }])
    expect(await apply(bench)).toEqual(new Map())
    expect([...bench.devices.fake('d1').table.keys()]).toEqual(['b'])
  })

  it('swaps two names on a device without losing either', async () => {
    const bench = createBench(1)
    const a = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const b = bench.engine.createApplication({ name: 'b', members: ['d1'] })
    await apply(bench)
    bench.engine.updateApplication(a, { name: 'x' })
    bench.engine.updateApplication(b, { name: 'a' })
    bench.engine.updateApplication(a, { name: 'b' })
    expect(await apply(bench)).toEqual(new Map())
    const table = bench.devices.fake('d1').table
    expect([...table.keys()].sort()).toEqual(['a', 'b'])
    expect(table.get('b')?.address.toLowerCase()).toBe(bench.engine.book.target(a)?.address)
  })

  it('cleans up the name that an interrupted renaming left, also after another renaming', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'one', members: ['d1'] })
    await apply(bench)
    bench.engine.updateApplication(groupId, { name: 'two' })
    failing(bench, 'd1', 'write', 'answer-lost')
    await apply(bench)
    bench.engine.updateApplication(groupId, { name: 'three' })
    bench.devices.fake('d1').fate = () => 'ok'
    await apply(bench)
    expect([...bench.devices.fake('d1').table.keys()]).toEqual(['three'])
    expect(bench.engine.planFeed.size).toBe(0)
  })

  it('keeps a wish that was changed while the write was under way', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const running = apply(bench)
    await Promise.resolve()
    bench.engine.setMemberships([{ deviceId: 'd1', groupId, desired: false }])
    await running
    await apply(bench)
    expect(bench.devices.fake('d1').table.size).toBe(0)
    expect(bench.store.memberships()).toEqual([])
  })

  it('leaves a line untouched when it is cancelled before anything was sent, and in doubt when it was cancelled later', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const early = new AbortController()
    early.abort()
    await runJob(bench.engine, 'apply', bench.engine.applyItems(), early.signal)
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('planned')
    const late = new AbortController()
    bench.devices.fake('d1').fate = (operation) => {
      if (operation === 'write') late.abort()
      return 'ok'
    }
    const failed = await runJob(bench.engine, 'apply', bench.engine.applyItems(), late.signal)
    expect([...failed.values()].map((error) => error.code)).toEqual(['cancelled'])
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)).toMatchObject({ outcome: 'unknown', failure: null })
  })

  it('takes a write that was under way when the program ended for unknown, and resumes without writing twice', async () => {
    const bench = createBench(1)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    // The program ends in the middle of the write: the store holds `sent`, the device has the entry.
    const [cell] = bench.store.memberships()
    bench.store.saveMemberships([{ ...cell!, outcome: 'sent' }])
    bench.devices.fake('d1').table.set('a', bench.engine.book.target(groupId)!)
    bench.engine.close()
    const { clock, devices, store } = bench
    const engine = createGroups({ store, devices, clock, random: seededRandom(1), logger: silentLogger, allocation: { prefixId: 's' } })
    expect(engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('unknown')
    await apply({ engine })
    expect(engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('confirmed')
    expect(bench.devices.fake('d1').log).toEqual([])
  })

  it('skips subjects that are no open line', async () => {
    const { engine } = createBench(1)
    const context = { jobId: 'j', index: 0, attempt: 1, signal: new AbortController().signal }
    for (const subject of ['', 'x', 'd1 nothing', 'a b c'])
      expect(await runnerOf(engine, 'apply').run(subject, context)).toEqual({ state: 'skipped' })
  })
})

describe('verify', () => {
  it('confirms what is there and moves the device to verified', async () => {
    const bench = createBench(2)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1', 'd2'] })
    await apply(bench)
    expect(await runJob(bench.engine, 'verify', bench.engine.verifyItems([groupId]))).toEqual(new Map())
    expect(bench.devices.get('d1')?.state).toBe('verified')
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)).toMatchObject({ outcome: 'confirmed', source: 'verify' })
  })

  it('shows drift as failed, plans it again, and apply repairs only the difference', async () => {
    const bench = createBench(2)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1', 'd2'] })
    await apply(bench)
    bench.devices.fake('d1').table.clear()
    const context = { jobId: 'j', index: 0, attempt: 1, signal: new AbortController().signal }
    const result = await runnerOf(bench.engine, 'verify').run('d1', context)
    expect(result).toMatchObject({ state: 'warning', failure: { code: 'profile.not-confirmed', details: { groups: ['a'] } } })
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('failed')
    expect(bench.engine.planFeed.rows()).toMatchObject([{ id: `d1 ${groupId}`, change: 'add' }])
    await apply(bench)
    expect(bench.devices.fake('d1').log).toEqual(['write a', 'write a'])
    expect(bench.devices.fake('d2').log).toEqual(['write a'])
    expect(bench.engine.planFeed.size).toBe(0)
  })

  it('settles doubt in both directions without writing', async () => {
    const bench = createBench(2)
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1', 'd2'] })
    failing(bench, 'd1', 'write', 'answer-lost')
    failing(bench, 'd2', 'write', 'lost')
    await apply(bench)
    for (const id of ['d1', 'd2']) bench.devices.fake(id).fate = () => 'ok'
    await runJob(bench.engine, 'verify', bench.engine.verifyItems([groupId]))
    expect(bench.engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('confirmed')
    expect(bench.engine.membershipFeed.get(`d2 ${groupId}`)?.outcome).toBe('planned')
  })
})

describe('identify', () => {
  it('lets each device show itself', async () => {
    const bench = createBench(2)
    await runJob(bench.engine, 'identify', bench.engine.identifyItems(['d1', 'd2', 'd1']))
    expect([bench.devices.fake('d1').identified, bench.devices.fake('d2').identified]).toEqual([1, 1])
  })
})
