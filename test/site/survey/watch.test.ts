import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { apply } from '../groups/doubles.ts'
import { createSurveyBench, kinds, type SurveyBench } from './doubles.ts'

const open: SurveyBench[] = []
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.survey.close()
})

/** Devices with one confirmed group, whose readings are old enough to be read again; `reads` counts readings of each. */
async function benchWith(devices: number): Promise<SurveyBench & { readonly reads: Map<string, number> }> {
  const bench = createSurveyBench(devices)
  open.push(bench)
  bench.engine.createApplication({ name: 'a', members: [...bench.devices.records.keys()] })
  await apply(bench)
  await bench.clock.advance(3_600_000)
  const reads = new Map<string, number>()
  for (const id of bench.devices.records.keys()) {
    bench.devices.fake(id).fate = (operation) => {
      if (operation === 'read') reads.set(id, (reads.get(id) ?? 0) + 1)
      return 'ok'
    }
  }
  return { ...bench, reads }
}

function total(reads: ReadonlyMap<string, number>): number {
  return [...reads.values()].reduce((sum, count) => sum + count, 0)
}

describe('the watch', () => {
  it('takes no air time until it is switched on', async () => {
    const bench = await benchWith(3)
    await bench.clock.advance(3_600_000)
    expect(total(bench.reads)).toBe(0)
    expect(bench.survey.feed.get('survey')).toMatchObject({ watching: 'off', watch: { on: false } })
  })

  it('reads one device at a time, at most so many in a minute, each before any twice', async () => {
    const bench = await benchWith(20)
    bench.survey.setWatch({ on: true, readsPerMinute: 4 })
    await bench.clock.advance(60_000)
    expect(total(bench.reads)).toBeLessThanOrEqual(6)
    expect(total(bench.reads)).toBeGreaterThanOrEqual(2)
    await bench.clock.advance(6 * 60_000)
    expect(total(bench.reads)).toBeLessThanOrEqual(4 * 7 * 1.5)
    expect(Math.max(...bench.reads.values()) - Math.min(...bench.reads.values(), bench.reads.size < 20 ? 0 : 99)).toBeLessThanOrEqual(1)
    expect(bench.survey.driftFeed.get('d1')?.watch).toBe('poll')
  })

  it('finds by polling what somebody changed at a device, and says so', async () => {
    const bench = await benchWith(2)
    bench.devices.fake('d2').table.clear()
    bench.survey.setWatch({ on: true, readsPerMinute: 10 })
    await bench.clock.advance(60_000)
    expect(kinds(bench, 'd2')).toEqual(['reset ', 'missing a'])
    expect(bench.survey.driftFeed.get('d2')).toMatchObject({ means: 'poll', state: 'differs' })
    expect(bench.engine.planFeed.size).toBe(1)
  })

  it('does not read while jobs, tests or searches use the air, nor devices that a job is about to work on', async () => {
    const bench = await benchWith(2)
    bench.air.busy = true
    bench.survey.setWatch({ on: true, readsPerMinute: 20 })
    await bench.clock.advance(300_000)
    expect(total(bench.reads)).toBe(0)
    expect(bench.survey.feed.get('survey')?.watching).toBe('busy')
    bench.air.busy = false
    bench.air.claimed.add('d1')
    await bench.clock.advance(300_000)
    expect(bench.reads.get('d1')).toBeUndefined()
    expect(bench.reads.get('d2')).toBeGreaterThan(0)
  })

  it('does not read again what is fresh', async () => {
    const bench = await benchWith(1)
    bench.survey.setWatch({ on: true, readsPerMinute: 60 })
    await bench.clock.advance(240_000)
    expect(total(bench.reads)).toBe(1)
  })

  it('shows a silent device as silent, with what was known of it and from when, and asks it ever more seldom', async () => {
    const bench = await benchWith(1)
    const before = bench.survey.driftFeed.get('d1')!
    let asked = 0
    bench.devices.fake('d1').fate = () => {
      asked++
      return 'lost'
    }
    bench.survey.setWatch({ on: true, readsPerMinute: 60 })
    await bench.clock.advance(30_000)
    expect(bench.survey.driftFeed.get('d1')).toMatchObject({
      state: 'silent',
      readAt: before.readAt,
      means: 'job',
      failure: { code: 'coap.timeout' },
    })
    await bench.clock.advance(24 * 3_600_000)
    expect(asked).toBeLessThan(20)
    bench.devices.fake('d1').fate = () => 'ok'
    await bench.clock.advance(6 * 3_600_000)
    expect(bench.survey.driftFeed.get('d1')).toMatchObject({ state: 'as-applied', failure: null, failedAt: null })
  })

  it('is remembered, and ends at once when it is switched off', async () => {
    const bench = await benchWith(3)
    bench.survey.setWatch({ on: true, readsPerMinute: 30 })
    expect(bench.settings.saved).toEqual({ on: true, readsPerMinute: 30, observations: 32 })
    await bench.clock.advance(10_000)
    bench.survey.setWatch({ on: false })
    const before = total(bench.reads)
    await bench.clock.advance(3_600_000)
    expect(total(bench.reads)).toBe(before)
  })
})

describe('observed devices (RFC 7641)', () => {
  it('are observed instead of polled, so many at once, a few registrations at a time', async () => {
    const bench = await benchWith(10)
    for (const id of bench.devices.records.keys()) bench.observable.add(id)
    bench.survey.setWatch({ on: true, readsPerMinute: 60, observations: 4 })
    await bench.clock.advance(1500)
    expect(bench.observed.size).toBeLessThanOrEqual(4)
    await bench.clock.advance(10_000)
    expect(bench.observed.size).toBe(4)
    for (const [id, { listeners }] of bench.observed) listeners.onTable([...bench.devices.fake(id).table.values()])
    expect(bench.survey.feed.get('survey')?.observing).toBe(4)
    const before = new Map(bench.reads)
    await bench.clock.advance(1_200_000)
    for (const id of bench.observed.keys()) expect(bench.reads.get(id)).toBe(before.get(id))
    for (const id of bench.observed.keys()) expect(bench.survey.driftFeed.get(id)?.watch).toBe('observe')
  })

  it('say that nothing has changed: the reading is as new as that, without a request', async () => {
    const bench = await benchWith(1)
    bench.observable.add('d1')
    bench.survey.setWatch({ on: true, readsPerMinute: 60 })
    await bench.clock.advance(2000)
    const before = total(bench.reads)
    bench.observed.get('d1')!.listeners.onTable([...bench.devices.fake('d1').table.values()])
    expect(bench.survey.driftFeed.get('d1')).toMatchObject({ means: 'observe', readAt: bench.clock.now(), watch: 'observe' })
    await bench.clock.advance(60_000)
    expect(total(bench.reads)).toBe(before)
  })

  it('are read after a notification that says something new: what counts is what is read', async () => {
    const bench = await benchWith(1)
    bench.observable.add('d1')
    bench.survey.setWatch({ on: true, readsPerMinute: 30 })
    await bench.clock.advance(3000)
    const listener = bench.observed.get('d1')!.listeners
    listener.onTable([...bench.devices.fake('d1').table.values()])
    listener.onTable([])
    // The notification was late: the device has its entry still.
    expect(kinds(bench, 'd1')).toEqual([])
    await bench.clock.advance(5000)
    expect(kinds(bench, 'd1')).toEqual([])
    bench.devices.fake('d1').table.clear()
    listener.onTable([])
    await bench.clock.advance(5000)
    expect(kinds(bench, 'd1')).toEqual(['reset ', 'missing a'])
    expect(bench.survey.driftFeed.get('d1')?.means).toBe('observe')
  })

  it('are polled when the observation ends or is refused, and registered again after a pause that grows', async () => {
    const bench = await benchWith(1)
    bench.observable.add('d1')
    bench.survey.setWatch({ on: true, readsPerMinute: 30 })
    await bench.clock.advance(3000)
    bench.observed.get('d1')!.end(new AppError('coap.response-error', 'No'))
    await bench.clock.advance(20_000)
    expect(bench.observed.size).toBe(0)
    expect(bench.survey.driftFeed.get('d1')?.watch).toBe('poll')
    await bench.clock.advance(120_000)
    expect(bench.observed.size).toBe(1)
    bench.observed.get('d1')!.end(new AppError('coap.response-error', 'No'))
    await bench.clock.advance(70_000)
    expect(bench.observed.size).toBe(0)
  })

  it('are let go when the watch is switched off or closed', async () => {
    const bench = await benchWith(2)
    bench.observable.add('d1').add('d2')
    bench.survey.setWatch({ on: true, readsPerMinute: 60 })
    await bench.clock.advance(5000)
    expect(bench.observed.size).toBe(2)
    bench.survey.setWatch({ on: false })
    await bench.clock.advance(10)
    expect(bench.observed.size).toBe(0)
  })
})
