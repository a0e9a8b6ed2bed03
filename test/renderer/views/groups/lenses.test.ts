import { describe, expect, test } from 'vitest'
import { countComplete, countTypes, suggestedTypes, totalOf } from '../../../../src-renderer/views/groups/from-rooms.ts'
import { layerNotes, tallyMembers } from '../../../../src-renderer/views/groups/layer-notes.ts'
import { buildRoomTree } from '../../../../src-renderer/views/groups/room-order.ts'
import { buildTreeLines, UNPLACED } from '../../../../src-renderer/views/groups/tree-model.ts'
import { coapGroup, device, group, membership, room } from '../rows.ts'

describe('groups from rooms', () => {
  const devices = [
    device('a', { roomId: '1' }),
    device('b', { roomId: '1' }),
    device('c', { roomId: '2' }),
    device('d', { roomId: '2', type: 'switch' }),
    device('lost', { roomId: null }),
  ]
  test('counts rooms and devices for each type that stands in a room', () => {
    expect(countTypes(devices)).toEqual([
      { type: 'luminaire', devices: 3, rooms: 2 },
      { type: 'switch', devices: 1, rooms: 1 },
    ])
  })
  test('totals what the chosen types come to', () => {
    expect(totalOf(countTypes(devices), new Set(['luminaire', 'switch']))).toEqual({ groups: 3, memberships: 4 })
    expect(totalOf(countTypes(devices), new Set())).toEqual({ groups: 0, memberships: 0 })
  })
  test('knows where nothing is missing, whatever the group is called', () => {
    const groups = [group('renamed', { roomId: '1' }), group('half', { roomId: '2' }), group('elsewhere', { roomId: '9' })]
    const wanted = new Set(['a renamed', 'b renamed', 'd half', 'c elsewhere'])
    const complete = countComplete(devices, groups, (deviceId, groupId) => wanted.has(`${deviceId} ${groupId}`))
    expect([...complete]).toEqual([
      ['luminaire', 1],
      ['switch', 1],
    ])
  })
  test('suggests the types that act, or else the most frequent one', () => {
    expect([...suggestedTypes(countTypes(devices))]).toEqual(['luminaire'])
    expect([...suggestedTypes([{ type: 'switch', devices: 2, rooms: 1 }])]).toEqual(['switch'])
    expect(suggestedTypes([]).size).toBe(0)
  })
})

describe('notes on the layers of a group', () => {
  const settled = tallyMembers([membership('a', 'g', { outcome: 'confirmed' })])
  const names = (notes: ReturnType<typeof layerNotes>) => notes.map((note) => `${note.line}:${note.note}`)

  test('say nothing of a group in order', () => {
    expect(layerNotes(group('g'), coapGroup('c-g'), [group('g')], settled)).toEqual([])
  })
  test('stand on the line they concern', () => {
    const tally = tallyMembers([
      membership('a', 'g', { outcome: 'failed' }),
      membership('b', 'g', { outcome: 'sent' }),
      membership('c', 'g', { desired: false, outcome: 'planned' }),
      membership('d', 'g', { desired: false, outcome: 'confirmed' }),
    ])
    expect(tally).toEqual({ wanted: 2, confirmed: 0, failed: 1, open: 1, leaving: 1 })
    const other = group('h', { coapGroupId: 'c-g' })
    expect(names(layerNotes(group('g'), coapGroup('c-g', { scope: 'link-local', port: 5700 }), [group('g'), other], tally))).toEqual([
      'members:members-failed',
      'members:members-open',
      'members:members-leaving',
      'address:address-shared',
      'scope:scope-link-local',
      'port:port-unusual',
    ])
  })
  test('warn of a group that nobody is in, and live without its CoAP group', () => {
    expect(names(layerNotes(group('g'), undefined, [], tallyMembers([])))).toEqual(['members:no-members'])
  })
})

describe('the tree lens', () => {
  const tree = buildRoomTree([room('b', { kind: 'building' }), room('r1', { parentId: 'b' }), room('r2', { parentId: 'b', position: 1 })])
  const devices = [device('x', { roomId: 'r1' }), device('y', { roomId: 'gone' }), device('z')]

  test('shows rooms with what they hold, and devices without a room at the end', () => {
    const lines = buildTreeLines(tree, devices, new Set())
    expect(lines.map((line) => `${'  '.repeat(line.depth)}${line.key}`)).toEqual([
      'room b',
      '  room r1',
      '    x',
      '  room r2',
      UNPLACED,
      '  y',
      '  z',
    ])
    expect(lines[0]).toMatchObject({ own: 0, total: 1, open: true })
    expect(lines[3]).toMatchObject({ foldable: false, open: false })
  })
  test('hides what is folded and still counts it', () => {
    const lines = buildTreeLines(tree, devices, new Set(['room b', UNPLACED]))
    expect(lines.map((line) => line.key)).toEqual(['room b', UNPLACED])
    expect(lines.map((line) => (line.kind === 'room' ? line.total : 0))).toEqual([1, 2])
  })
})
