import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { buildRoomTree, indexRooms, roomAndBelow, walkRooms } from '../../../../src-renderer/views/groups/room-order.ts'
import { room } from '../rows.ts'

describe('the tree of rooms', () => {
  test('orders siblings by position, then by name as people count', () => {
    const tree = buildRoomTree([room('2.10'), room('2.9'), room('lobby', { position: -1 })])
    expect(tree.map((node) => node.room.id)).toEqual(['lobby', '2.9', '2.10'])
  })

  test('walks parents before children and names the way to each room', () => {
    const nodes = walkRooms(
      buildRoomTree([room('r', { parentId: 'f' }), room('f', { parentId: 'b', kind: 'floor' }), room('b', { kind: 'building' })]),
    )
    expect(nodes.map((node) => [node.room.id, node.depth, node.path])).toEqual([
      ['b', 0, 'b'],
      ['f', 1, 'b › f'],
      ['r', 2, 'b › f › r'],
    ])
  })

  test('shows every room once, whatever the parents say', () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    fc.assert(
      fc.property(fc.array(fc.option(fc.constantFrom(...ids, 'missing'), { nil: null }), { minLength: 5, maxLength: 5 }), (parents) => {
        const rooms = ids.map((id, index) => room(id, { parentId: parents[index] ?? null }))
        const walked = walkRooms(buildRoomTree(rooms)).map((node) => node.room.id)
        expect([...walked].sort()).toEqual(ids)
      }),
    )
  })

  test('finds what lies below a room', () => {
    const tree = buildRoomTree([room('b'), room('f', { parentId: 'b' }), room('r', { parentId: 'f' }), room('x')])
    expect([...roomAndBelow(tree, 'f')].sort()).toEqual(['f', 'r'])
    expect(roomAndBelow(tree, 'nowhere').size).toBe(0)
  })

  test('ranks devices without a room, or in a lost one, last', () => {
    const index = indexRooms([room('a'), room('b')])
    expect([index.rank('a'), index.rank('b'), index.rank(null), index.rank('gone')]).toEqual([0, 1, 2, 2])
    expect(index.node('gone')).toBeUndefined()
  })
})
