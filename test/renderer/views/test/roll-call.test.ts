import { describe, expect, test } from 'vitest'
import { indexRooms } from '../../../../src-renderer/views/groups/room-order.ts'
import { groupStanding, judgement, lossOf, reacted, rollCall, runsOf, tally } from '../../../../src-renderer/views/test/roll-call.ts'
import { proofCases, proofRun, proofTypeOf } from '../../../support/proof-cases.ts'
import { at, device, group, member, membership, room, testRun } from '../rows.ts'

const rooms = indexRooms([room('1.1'), room('1.2', { position: 1 })])
const devices = new Map(
  [device('L10', { roomId: '1.1' }), device('L9', { roomId: '1.1' }), device('S1', { roomId: '1.2' })].map((row) => [row.id, row]),
)

describe('the roll call', () => {
  test('shows the wanted members in room order before the first run', () => {
    const call = rollCall(
      group('g'),
      undefined,
      [
        membership('S1', 'g'),
        membership('L10', 'g'),
        membership('L9', 'g'),
        membership('L9', 'other'),
        membership('S2', 'g', { desired: false }),
      ],
      devices,
      rooms,
    )
    expect(call.map((one) => [one.path, one.tiles.map((tile) => tile.name)])).toEqual([
      ['1.1', ['L9', 'L10']],
      ['1.2', ['S1']],
    ])
  })
  test('shows the members of the run, also those that are gone since', () => {
    const call = rollCall(group('g'), testRun('r', [member('gone'), member('L9')]), [membership('S1', 'g')], devices, rooms)
    expect(call.flatMap((one) => one.tiles.map((tile) => tile.name))).toEqual(['L9', 'gone'])
    expect(call.at(-1)?.path).toBeNull()
  })
  test('is empty without a group', () => {
    expect(rollCall(undefined, undefined, [], devices, rooms)).toEqual([])
  })
})

describe('the sums of a run', () => {
  const run = testRun(
    'r',
    [
      member('a', { verdict: 'heard', heardCount: 3 }),
      member('b', { verdict: 'silent-changed', heardCount: 1 }),
      member('c', { verdict: 'not-changed', heardCount: 0, seen: true }),
      member('d', { verdict: 'heard', heardCount: 2, seen: false }),
    ],
    { repeats: 3, repeat: 3 },
  )
  test('tally the verdicts', () => {
    expect(tally(run)).toMatchObject({ heard: 2, 'silent-changed': 1, 'not-changed': 1, waiting: 0 })
  })
  test('count as reacted what was heard, read back or seen, and believe the person over the reading', () => {
    expect(reacted(run)).toBe(3)
  })
  test('give the loss over the repeats sent so far', () => {
    expect(lossOf(run)).toBeCloseTo(0.5)
    expect(lossOf(testRun('r', [member('a')], { repeat: 0 }))).toBeNull()
    expect(lossOf(testRun('r', [], { repeat: 1 }))).toBeNull()
  })
  test('judge each verdict', () => {
    expect([judgement('heard'), judgement('unreadable'), judgement('rejected'), judgement('waiting')]).toEqual([
      'good',
      'doubtful',
      'bad',
      'waiting',
    ])
  })
  test('runs of a group come newest first', () => {
    const runs = [testRun('1', []), testRun('2', [], { startedAt: at + 5 }), testRun('3', [], { groupId: 'x' })]
    expect(runsOf(runs, 'g').map((one) => one.id)).toEqual(['2', '1'])
    expect(runsOf(runs, null)).toEqual([])
  })
})

describe('what the runs say of a group', () => {
  const words = { untested: 'none', outdated: 'none', failed: 'bad', proven: 'good' } as const
  test.each(proofCases)('is what the core says of it: $name', ({ runs, cells, uri, expected }) => {
    expect(groupStanding(runs, { uri, memberships: cells, typeOf: proofTypeOf })).toBe(words[expected])
  })
  test('tells of a run under way, and of one that could not be made', () => {
    const group = { uri: '', memberships: [], typeOf: proofTypeOf }
    expect(groupStanding([proofRun([], { state: 'sending' }), proofRun([])], group)).toBe('running')
    expect(groupStanding([proofRun([], { state: 'failed' })], group)).toBe('bad')
  })
})
