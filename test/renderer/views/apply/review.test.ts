import { describe, expect, test } from 'vitest'
import { arrange, flatten, itemsOf, reviewLines, tickOf, totalsOf } from '../../../../src-renderer/views/apply/review.ts'
import { device, group, item, planLine } from '../rows.ts'

const names = {
  device: (id: string) => (id === 'd9' ? device('d9', { name: 'Lamp 9' }) : undefined),
  group: (id: string) => (id === 'g' ? group('g', { name: '2.14-light', uri: 'coap://x/gp/g' }) : undefined),
}
const running = { id: 'job', state: 'running' } as const
const nothing = new Map<string, never>()
const failure = { code: 'coap.timeout', message: 'no answer', retryable: true, details: {} }

describe('the lines of a review', () => {
  test('carry the state and the failure of their job item', () => {
    const items = itemsOf([item('a g', { state: 'failed', attempts: 2, failure })], running)
    expect(reviewLines([planLine('a', 'g')], nothing, items, names)[0]).toMatchObject({
      run: 'failed',
      attempts: 2,
      failure: { code: 'coap.timeout' },
    })
  })
  test('stay when they left the plan because they are done', () => {
    const before = planLine('a', 'g', { change: 'remove', failure })
    const [line] = reviewLines([], new Map([['a g', before]]), itemsOf([item('a g', { state: 'ok' })], running), names)
    expect(line).toMatchObject({ change: 'remove', run: 'ok', failure: null })
  })
  test('of a job that began before this window was open are told from names', () => {
    const lines = reviewLines([], nothing, itemsOf([item('d9 g', { state: 'ok' }), item('gone g2', { label: 'Somebody' })], running), names)
    expect(lines[0]).toMatchObject({ change: null, deviceName: 'Lamp 9', groupName: '2.14-light', uri: 'coap://x/gp/g' })
    expect(lines[1]).toMatchObject({ deviceName: 'Somebody', groupName: '' })
  })
  test('take the names that are gone from the label of the item', () => {
    const labelled = (label: string) => reviewLines([], nothing, itemsOf([item('d9 gone', { label })], running), names)[0]
    expect(labelled('Lamp 9 · 2.01-light')).toMatchObject({ deviceName: 'Lamp 9', groupName: '2.01-light', uri: '' })
    expect(labelled('Renamed · 2.01-light')).toMatchObject({ deviceName: 'Lamp 9', groupName: '2.01-light' })
    const [gone] = reviewLines([], nothing, itemsOf([item('x y', { label: 'Blind · 2 · west' })], running), names)
    expect(gone).toMatchObject({ deviceName: 'Blind', groupName: '2 · west' })
  })
  test('wait while their job is paused', () => {
    const items = [item('a g', { state: 'running' }), item('b g', { state: 'ok' })]
    const states = (state: 'running' | 'paused') => [...itemsOf(items, { id: 'job', state }).values()].map((one) => one.state)
    expect(states('running')).toEqual(['running', 'ok'])
    expect(states('paused')).toEqual(['pending', 'ok'])
  })
  test('take items of the asked job only', () => {
    expect(itemsOf([item('a g', { jobId: 'other' })], running).size).toBe(0)
    expect(itemsOf([item('a g')], null).size).toBe(0)
  })
})

describe('the arrangement', () => {
  const lines = reviewLines(
    [planLine('d10', 'g'), planLine('d9', 'h', { change: 'remove' }), planLine('d9', 'g'), planLine('d1', 'h')],
    nothing,
    itemsOf([item('d1 h', { state: 'failed', failure })], running),
    names,
  )
  const shape = (groups: ReturnType<typeof arrange>) =>
    groups.map((one) => [one.kind, one.title, one.change, one.lines.map((line) => line.id)])

  test('by device puts failed lines on top and additions before removals', () => {
    expect(shape(arrange(lines, 'device'))).toEqual([
      ['failed', '', null, ['d1 h']],
      ['device', 'd9', null, ['d9 g', 'd9 h']],
      ['device', 'd10', null, ['d10 g']],
    ])
  })
  test('by change gathers what happens to a group', () => {
    expect(shape(arrange(lines, 'change'))).toEqual([
      ['failed', '', null, ['d1 h']],
      ['change', 'g', 'add', ['d9 g', 'd10 g']],
      ['change', 'h', 'remove', ['d9 h']],
    ])
  })
  test('folds groups and unfolds requests into rows', () => {
    const groups = arrange(lines, 'device')
    const rows = flatten(groups, new Set(), new Set(['d9 g']))
    expect(rows.map((row) => row.key)).toEqual([
      'failed',
      'line d1 h',
      'device d9',
      'line d9 g',
      'requests d9 g',
      'line d9 h',
      'line d10 g',
    ])
    expect(flatten(groups, new Set(['device d9', 'failed']), new Set()).map((row) => row.key)).toEqual([
      'failed',
      'device d9',
      'line d10 g',
    ])
  })
})

describe('totals and ticks', () => {
  const lines = reviewLines(
    [
      planLine('a', 'g'),
      planLine('a', 'h', { change: 'remove' }),
      planLine('b', 'g', { blocked: 'not-seen' }),
      planLine('c', 'g', { change: 'update' }),
    ],
    nothing,
    nothing,
    names,
  )
  test('count what a run would take and leave out what it cannot or shall not', () => {
    expect(totalsOf(lines, new Set(['c g', 'b g']))).toEqual({
      add: 2,
      update: 1,
      remove: 1,
      blocked: 1,
      excluded: 1,
      runnable: 2,
      devices: 1,
    })
  })
  test('a group is ticked by its lines that can run', () => {
    const [a, b] = arrange(lines, 'device')
    expect(a && tickOf(a, new Set())).toBe('all')
    expect(a && tickOf(a, new Set(['a g']))).toBe('some')
    expect(a && tickOf(a, new Set(['a g', 'a h']))).toBe('none')
    expect(b && tickOf(b, new Set())).toBe('blocked')
  })
})
