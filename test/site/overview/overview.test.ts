import { describe, expect, it } from 'vitest'
import { KeyedFeed } from '#main/base/index.ts'
import { createOverview, createPreflight } from '#main/site/overview/index.ts'
import type { OverviewSources } from '#main/site/overview/index.ts'
import type { CheckRow, RoomRow } from '#contract/model.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function sources(): OverviewSources {
  const feed = <Row>(key: keyof Row): KeyedFeed<Row> => new KeyedFeed<Row>((row) => String(row[key]))
  return {
    devices: feed('id'),
    rooms: feed<RoomRow>('id'),
    applicationGroups: feed('id'),
    memberships: feed('key'),
    plan: feed('id'),
    testRuns: feed('id'),
    exports: feed('handle'),
    checks: feed<CheckRow>('check'),
    revision: () => 1,
  }
}

const emptyGroup = { id: 'g', name: 'g', coapGroupId: 'c', roomId: null, comment: '', uri: '', members: 0, confirmed: 0 }

describe('overview', () => {
  it('draws its conclusions once for a burst of changes, and tells only rows that changed', async () => {
    const clock = new VirtualClock()
    const from = sources()
    const overview = createOverview(from, clock)
    const told: string[] = []
    overview.problems.subscribe((keys) => told.push(...keys))
    from.applicationGroups.set(emptyGroup)
    from.applicationGroups.set({ ...emptyGroup, comment: 'again' })
    expect(told).toEqual([])
    await clock.advance(1000)
    expect(told).toEqual(['group-without-members g'])
    from.applicationGroups.set({ ...emptyGroup, comment: 'once more' })
    await clock.advance(1000)
    expect(told).toEqual(['group-without-members g'])
    overview.close()
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('preflight', () => {
  it('gives every check a verdict, also one that breaks', async () => {
    const preflight = createPreflight(
      {
        'disk-space': () => ({ verdict: 'ok', finding: 'enough', params: { megabytes: 900 } }),
        clock: () => {
          throw new TypeError('no clock')
        },
      },
      new VirtualClock(),
    )
    const run = preflight.run()
    expect(preflight.feed.rows().map((row) => row.verdict)).toEqual(['running', 'running'])
    await run
    expect(preflight.feed.rows().map((row) => [row.check, row.verdict, row.finding, row.params])).toEqual([
      ['disk-space', 'ok', 'enough', { megabytes: 900 }],
      ['clock', 'failed', 'broken', { reason: 'no clock' }],
    ])
  })
})
