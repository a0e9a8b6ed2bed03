import { describe, expect, test } from 'vitest'
import type { MembershipRow } from '#contract/model.ts'
import {
  buildColumns,
  buildLines,
  cellMark,
  changesFor,
  countByRoom,
  devicesOfLines,
  inBatches,
  isInRange,
  membershipKey,
  moveCursor,
  paintChanges,
  strokeValue,
} from '../../../../src-renderer/views/groups/matrix-model.ts'
import { indexRooms } from '../../../../src-renderer/views/groups/room-order.ts'
import { device, group, membership, room } from '../rows.ts'

const rooms = indexRooms([room('1.1'), room('1.2', { position: 1 })])
const devices = [
  device('L10', { roomId: '1.1' }),
  device('L9', { roomId: '1.1' }),
  device('B1', { roomId: '1.2', type: 'blind', serial: 'GW-77' }),
  device('free'),
]
const all = { text: '', type: null }
const lines = buildLines(devices, rooms, all, new Set(), 'No room')

function lookupIn(...rows: readonly MembershipRow[]) {
  const byKey = new Map(rows.map((row) => [row.key, row]))
  return (deviceId: string, groupId: string) => byKey.get(membershipKey(deviceId, groupId))
}

describe('the lines of the matrix', () => {
  test('stand below their rooms in room order, devices without a room last', () => {
    expect(lines.map((line) => line.key)).toEqual(['room 1.1', 'L9', 'L10', 'room 1.2', 'B1', 'room -', 'free'])
  })

  test('leave out rooms in which the filter finds nothing', () => {
    const found = buildLines(devices, rooms, { text: 'gw-77', type: null }, new Set(), 'No room')
    expect(found.map((line) => line.key)).toEqual(['room 1.2', 'B1'])
    expect(buildLines(devices, rooms, { text: '', type: 'blind' }, new Set(), '').length).toBe(2)
    expect(buildLines(devices, rooms, { text: '1.1 L9', type: null }, new Set(), '').map((line) => line.key)).toEqual(['room 1.1', 'L9'])
  })

  test('fold to the room alone, which still stands for its devices', () => {
    const folded = buildLines(devices, rooms, all, new Set(['1.1']), 'No room')
    expect(folded[0]).toMatchObject({ kind: 'room', collapsed: true, deviceIds: ['L9', 'L10'] })
    expect(folded[1]?.key).toBe('room 1.2')
  })

  test('columns stand in the order of their rooms', () => {
    const columns = buildColumns(
      [group('z', { roomId: '1.1' }), group('a'), group('b2', { roomId: '1.2' }), group('b10', { roomId: '1.2' })],
      rooms,
    )
    expect(columns.map((column) => column.id)).toEqual(['z', 'b2', 'b10', 'a'])
    expect(buildColumns(columns, rooms, 'B1').map((column) => column.id)).toEqual(['b10'])
  })
})

describe('a cell', () => {
  test('shows the outcome of a wanted membership', () => {
    expect(cellMark(membership('d', 'g', { outcome: 'sent' }))).toBe('sent')
    expect(cellMark(undefined)).toBe('none')
  })

  test('shows a removal until the device has confirmed it', () => {
    const leaving = (outcome: MembershipRow['outcome']) => cellMark(membership('d', 'g', { desired: false, outcome }))
    expect([leaving('planned'), leaving('sent'), leaving('failed'), leaving('unknown'), leaving('confirmed')]).toEqual([
      'to-remove',
      'removal-sent',
      'removal-failed',
      'removal-unknown',
      'none',
    ])
  })

  test('of a room counts the wanted memberships of its shown devices', () => {
    const counts = countByRoom(
      [membership('L9', 'g'), membership('L10', 'g', { desired: false }), membership('B1', 'g'), membership('gone', 'g')],
      lines,
    )
    expect(counts.get('room 1.1 g')).toBe(1)
    expect(counts.get('room 1.2 g')).toBe(1)
    expect(counts.size).toBe(2)
  })
})

describe('painting', () => {
  const columns = [group('g'), group('h')]

  test('changes only cells that are not so yet', () => {
    const changes = paintChanges(
      { fromRow: 2, toRow: 1, fromColumn: 0, toColumn: 0 },
      lines,
      columns,
      lookupIn(membership('L9', 'g')),
      true,
    )
    expect(changes).toEqual([{ deviceId: 'L10', groupId: 'g', desired: true }])
  })

  test('on the line of a room takes all of its devices', () => {
    const changes = paintChanges({ fromRow: 0, toRow: 0, fromColumn: 0, toColumn: 1 }, lines, columns, lookupIn(), true)
    expect(changes.map((change) => `${change.deviceId} ${change.groupId}`)).toEqual(['L9 g', 'L9 h', 'L10 g', 'L10 h'])
  })

  test('across the head of the next room does not take that whole room in', () => {
    expect(devicesOfLines(lines, 1, 3)).toEqual(['L9', 'L10'])
    const folded = buildLines(devices, rooms, all, new Set(['1.2']), '')
    expect(devicesOfLines(folded, 1, 3)).toEqual(['L9', 'L10', 'B1'])
  })

  test('fills unless all that it begins on is filled', () => {
    const half = lookupIn(membership('L9', 'g'))
    expect(strokeValue(1, 0, lines, columns, half)).toBe(false)
    expect(strokeValue(0, 0, lines, columns, half)).toBe(true)
    expect(strokeValue(0, 0, lines, columns, lookupIn(membership('L9', 'g'), membership('L10', 'g')))).toBe(false)
    expect(strokeValue(1, 0, lines, columns, lookupIn(membership('L9', 'g', { desired: false })))).toBe(true)
  })

  test('takes a removal back', () => {
    expect(changesFor(['L9'], ['g'], lookupIn(membership('L9', 'g', { desired: false })), true)).toHaveLength(1)
    expect(changesFor(['L9'], ['g'], lookupIn(), false)).toEqual([])
  })

  test('knows its range in any direction', () => {
    const range = { fromRow: 5, toRow: 2, fromColumn: 3, toColumn: 4 }
    expect(isInRange(range, 3, 3)).toBe(true)
    expect(isInRange(range, 1, 3)).toBe(false)
    expect(isInRange(null, 1, 3)).toBe(false)
  })

  test('is sent in calls of a size that the contract takes', () => {
    expect(inBatches([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]])
    expect(inBatches([])).toEqual([])
  })
})

describe('the cursor', () => {
  const size = { rows: 10, columns: 4, page: 6 }
  test('stays inside the grid', () => {
    expect(moveCursor({ row: 0, column: 0 }, 'up', size)).toEqual({ row: 0, column: 0 })
    expect(moveCursor({ row: 9, column: 3 }, 'right', size)).toEqual({ row: 9, column: 3 })
    expect(moveCursor({ row: 5, column: 1 }, 'page-down', size)).toEqual({ row: 9, column: 1 })
    expect(moveCursor({ row: 5, column: 1 }, 'end', size)).toEqual({ row: 9, column: 3 })
    expect(moveCursor({ row: 5, column: 1 }, 'row-start', size)).toEqual({ row: 5, column: 0 })
  })
  test('finds its way back when the grid shrank, and rests when it is empty', () => {
    expect(moveCursor({ row: 99, column: 99 }, 'left', size)).toEqual({ row: 9, column: 3 })
    expect(moveCursor({ row: 3, column: 3 }, 'down', { rows: 0, columns: 0, page: 5 })).toEqual({ row: 0, column: 0 })
  })
})
