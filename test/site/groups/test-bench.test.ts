// The group test bench: heard, silent but changed, not changed, unreachable, unreadable, rejected; times and evidence.
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, silentLogger } from '#main/base/index.ts'
import { createTestBench, type TestBench } from '#main/site/groups/index.ts'
import { median, spread } from '#main/site/groups/statistics.ts'
import type { TestRunRow } from '#contract/model.ts'
import { apply, createBench, type Bench, type ScriptedAnswer } from './doubles.ts'

function benchOf(bench: Bench): TestBench {
  const { engine: groups, devices, store, clock } = bench
  return createTestBench({ groups, devices, store, clock, random: seededRandom(2), logger: silentLogger, leisureMs: 1000 })
}

async function lit(count: number): Promise<Bench & { groupId: string; tests: TestBench }> {
  const bench = createBench(count)
  const members = [...bench.devices.records.keys()]
  const groupId = bench.engine.createApplication({ name: '2.14-light', members })
  await apply(bench)
  return { ...bench, groupId, tests: benchOf(bench) }
}

function answer(number: number, afterMs: number, code?: `4.${string}`): ScriptedAnswer {
  return { source: { address: `2001:DB8:0:0::${number.toString(16)}`, port: 5683 }, afterMs, ...(code === undefined ? {} : { code }) }
}

function verdicts(row: TestRunRow): Record<string, string> {
  return Object.fromEntries(row.members.map((member) => [member.deviceId, member.verdict]))
}

describe('a group test', () => {
  it('sends one multicast to the group, takes times from the answers, and ends as soon as all were heard', async () => {
    const { tests, groupId, devices, clock, engine, store } = await lit(3)
    devices.client.answers = () => [answer(1, 120), answer(2, 300), answer(3, 40)]
    const started = clock.monotonicMs()
    const row = await clock.until(tests.run(groupId, 'on', 1).finished)
    expect(clock.monotonicMs() - started).toBe(300)
    expect(devices.client.sent).toHaveLength(1)
    expect(devices.client.sent[0]?.to).toMatchObject({ address: engine.book.target(groupId)?.address, port: 5683 })
    expect(row).toMatchObject({ state: 'done', spreadMs: 260, medianMs: 120, messageBytes: 12, repeat: 1, groupName: '2.14-light' })
    expect(row.uri).toBe(`${engine.applicationFeed.get(groupId)?.uri}/state`)
    expect(row.members.map((member) => [member.verdict, member.answerMs])).toEqual([
      ['heard', 120],
      ['heard', 300],
      ['heard', 40],
    ])
    expect(store.testRuns(9)).toEqual([row])
    expect(devices.get('d1')?.state).toBe('verified')
  })

  it('reads the silent members back by unicast and says what each came to', async () => {
    const { tests, groupId, devices, clock } = await lit(7)
    devices.client.answers = () => [answer(1, 100), answer(2, 200, '4.04')]
    devices.fake('d3').state = () => 'as-commanded'
    devices.fake('d4').state = () => 'different'
    devices.fake('d5').state = () => 'unreadable'
    devices.fake('d6').state = () => {
      throw new AppError('coap.timeout', 'silence')
    }
    devices.fake('d7').state = () => {
      throw new AppError('coap.response-error', 'refused', { details: { code: '4.05' } })
    }
    const row = await clock.until(tests.run(groupId, 'on', 1).finished)
    expect(verdicts(row)).toEqual({
      d1: 'heard',
      d2: 'rejected',
      d3: 'silent-changed',
      d4: 'not-changed',
      d5: 'unreadable',
      d6: 'unreachable',
      d7: 'rejected',
    })
    expect(row.members[1]?.code).toBe('4.04')
    expect(row.members[6]?.code).toBe('4.05')
    expect(devices.get('d3')?.state).toBe('verified')
    expect(devices.get('d4')?.state).toBe('configured')
    expect(devices.facts.filter((entry) => entry.fact.event === 'test-failed').map((entry) => entry.id)).toEqual([
      'd2',
      'd4',
      'd5',
      'd6',
      'd7',
    ])
  })

  it('gives up a reading that takes too long', async () => {
    const { tests, groupId, devices, clock } = await lit(1)
    devices.profile.readBack = (_contact?: unknown, _action?: unknown, _group?: unknown, signal?: AbortSignal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new AppError('cancelled', 'aborted'))))
    const started = clock.monotonicMs()
    const row = await clock.until(tests.run(groupId, 'on', 1).finished)
    expect(verdicts(row)).toEqual({ d1: 'unreachable' })
    expect(clock.monotonicMs() - started).toBeLessThan(20_000)
  })

  it('counts in how many repeats each member was heard; the widest spread counts', async () => {
    const { tests, groupId, devices, clock } = await lit(2)
    devices.client.answers = (repeat) => (repeat === 2 ? [answer(1, 10)] : [answer(1, 10), answer(2, 10 + repeat * 100)])
    const row = await clock.until(tests.run(groupId, 'on', 3).finished)
    expect(row.members.map((member) => member.heardCount)).toEqual([3, 2])
    expect(row).toMatchObject({ repeats: 3, repeat: 3, spreadMs: 300 })
    expect(devices.client.sent).toHaveLength(3)
  })

  it('is not ended early or confused by strangers that answer, or by a member that answers twice', async () => {
    const { tests, groupId, devices, clock } = await lit(2)
    devices.client.answers = () => [answer(99, 5), answer(98, 6), answer(1, 10), answer(1, 20), answer(2, 400)]
    const row = await clock.until(tests.run(groupId, 'on', 1).finished)
    expect(row.members.map((member) => member.answerMs)).toEqual([10, 400])
    expect(row.members).toHaveLength(2)
    expect(row.strangers).toBe(2)
  })

  it('counts each stranger once: a device that was removed and still has the group, not a member that the action does not concern', async () => {
    const { tests, groupId, devices, clock, engine } = await lit(2)
    devices.add(7, { type: 'switch' })
    engine.setMemberships([{ deviceId: 'd7', groupId, desired: true }])
    devices.remove(['d2'])
    devices.client.answers = () => [answer(2, 5), answer(7, 6), answer(1, 400)]
    const row = await clock.until(tests.run(groupId, 'on', 3).finished)
    expect(verdicts(row)).toEqual({ d1: 'heard' })
    expect(row.strangers).toBe(1)
  })

  it('expects nothing of members that the action does not concern, and does not wait for those that cannot be asked', async () => {
    const bench = createBench(1)
    bench.devices.add(2, { type: 'switch' })
    bench.devices.add(3, { at: null })
    bench.devices.add(4, { profileId: null })
    const groupId = bench.engine.createApplication({ name: 'a', members: ['d1', 'd2', 'd3', 'd4'] })
    const tests = benchOf(bench)
    expect(tests.actions(groupId)).toEqual([
      { id: 'on', label: 'On', members: 1 },
      { id: 'blink', label: 'Blink', members: 2 },
    ])
    bench.devices.client.answers = () => [answer(1, 10)]
    const row = await bench.clock.until(tests.run(groupId, 'on', 1).finished)
    expect(verdicts(row)).toEqual({ d1: 'heard', d3: 'unreachable', d4: 'unreadable' })
    expect(bench.clock.monotonicMs()).toBe(10)
  })

  it('is refused without members and without a fitting action', async () => {
    const { tests, groupId, engine } = await lit(1)
    const codeOf = (work: () => unknown): unknown => {
      try {
        return work()
      } catch (thrown) {
        return thrown instanceof AppError ? thrown.code : thrown
      }
    }
    expect(codeOf(() => tests.run(groupId, 'dance', 1))).toBe('test.no-action')
    expect(codeOf(() => tests.run(engine.createApplication({ name: 'empty' }), 'on', 1))).toBe('group.no-members')
    expect(codeOf(() => tests.run('group-x', 'on', 1))).toBe('group.not-found')
    expect(codeOf(() => tests.seen('test-x', 'd1', true))).toBe('test.not-found')
  })

  it('that the network fails is a failed test, and the next one goes ahead', async () => {
    const { tests, groupId, devices, clock } = await lit(1)
    devices.client.failure = new AppError('network.send-failed', 'no route')
    const first = tests.run(groupId, 'on', 1)
    const row = await clock.until(first.finished)
    expect(row).toMatchObject({ state: 'failed', failure: { code: 'network.send-failed' } })
    devices.client.failure = undefined
    devices.client.answers = () => [answer(1, 10)]
    expect(await clock.until(tests.run(groupId, 'on', 1).finished)).toMatchObject({ state: 'done' })
  })

  it('that cannot be shown is a failed test, also at its very beginning, and the next ones go ahead', async () => {
    const { tests, groupId, devices, clock, store } = await lit(1)
    devices.client.answers = () => [answer(1, 10)]
    // Shown: both when asked for, then the first after its repeat, while it reads back, and when it has ended.
    for (const failing of [1, 3, 4, 5]) {
      let calls = 0
      const end = tests.feed.subscribe(() => {
        if (++calls === failing) throw new AppError('internal', 'A listener broke')
      })
      const [broken, next] = [tests.run(groupId, 'on', 1), tests.run(groupId, 'on', 1)]
      const row = await clock.until(broken.finished)
      expect(await clock.until(next.finished)).toMatchObject({ state: 'done' })
      end()
      expect(row).toMatchObject({ state: 'failed', failure: { code: 'internal', message: 'A listener broke' } })
      expect(tests.feed.get(row.id)).toEqual(row)
      expect(store.testRuns(99)).toContainEqual(row)
    }
    await tests.close()
  })

  it('whose evidence cannot be kept is a failed test; the next one goes ahead, and closing succeeds', async () => {
    const { tests, groupId, devices, clock, store } = await lit(1)
    devices.client.answers = () => [answer(1, 10)]
    store.beforeWrite = () => {
      throw new AppError('store.disk-full', 'full')
    }
    const { runId, finished } = tests.run(groupId, 'on', 1)
    expect(await clock.until(finished)).toMatchObject({ state: 'failed', failure: { code: 'store.disk-full' } })
    expect(tests.feed.get(runId)).toMatchObject({ state: 'failed', failure: { code: 'store.disk-full' } })
    store.beforeWrite = () => undefined
    expect(await clock.until(tests.run(groupId, 'on', 1).finished)).toMatchObject({ state: 'done', failure: null })
    const end = tests.feed.subscribe(() => {
      throw new AppError('internal', 'Every listener breaks')
    })
    const { finished: last } = tests.run(groupId, 'on', 1)
    await clock.until(tests.close())
    expect(await last).toMatchObject({ state: 'failed', failure: { message: 'Every listener breaks' } })
    end()
  })

  it('that an earlier version kept without a count of strangers has none', async () => {
    const bench = await lit(1)
    const row = await bench.clock.until(bench.tests.run(bench.groupId, 'on', 1).finished)
    const { strangers, ...kept } = row
    expect(strangers).toBe(0)
    bench.store.testRuns = () => [kept as TestRunRow]
    expect(benchOf(bench).feed.rows()).toEqual([row])
  })

  it('keeps what a person saw, also when ticked while it runs', async () => {
    const { tests, groupId, devices, clock, store } = await lit(2)
    devices.client.answers = () => [answer(1, 10), answer(2, 500)]
    const { runId, finished } = tests.run(groupId, 'on', 1)
    await clock.advance(100)
    tests.seen(runId, 'd1', true)
    await clock.until(finished)
    tests.seen(runId, 'd2', false)
    expect(tests.feed.get(runId)?.members.map((member) => member.seen)).toEqual([true, false])
    expect(store.testRuns(1)[0]?.members.map((member) => member.seen)).toEqual([true, false])
  })

  it('shows the newest fifty only, also after a restart', async () => {
    const bench = await lit(1)
    bench.devices.client.answers = () => [answer(1, 10)]
    for (let count = 0; count < 60; count++) await bench.clock.until(bench.tests.run(bench.groupId, 'on', 1).finished)
    expect(bench.tests.feed.size).toBe(50)
    expect(benchOf(bench).feed.size).toBe(50)
  })

  it('stops when the site closes', async () => {
    const { tests, groupId, clock } = await lit(1)
    const { finished } = tests.run(groupId, 'on', 5)
    const closing = tests.close()
    expect(await clock.until(finished)).toMatchObject({ state: 'failed', failure: { code: 'cancelled' } })
    await closing
  })
})

describe('figures', () => {
  it('are null without values', () => {
    expect([median([]), spread([])]).toEqual([null, null])
    expect([median([5, 1, 3]), median([4, 1, 2, 3]), spread([5, 1, 3])]).toEqual([3, 2.5, 4])
  })
})
