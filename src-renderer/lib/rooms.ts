// The rooms as a tree and as paths, from the flat rows of the feed. Pure; survives rows whose parent is missing or that form a circle.
import type { RoomRow } from '#contract/model.ts'
import { naturalKey } from './natural.ts'

export interface RoomNode {
  readonly room: RoomRow
  readonly depth: number
}

/** All rooms, parents before children, siblings by position and then by name. */
export function roomsInOrder(rooms: readonly RoomRow[]): readonly RoomNode[] {
  const ids = new Set(rooms.map((room) => room.id))
  const children = new Map<string | null, RoomRow[]>()
  for (const room of rooms) {
    const parent = room.parentId !== null && ids.has(room.parentId) ? room.parentId : null
    children.set(parent, [...(children.get(parent) ?? []), room])
  }
  const nodes: RoomNode[] = []
  const walk = (parent: string | null, depth: number): void => {
    const siblings = [...(children.get(parent) ?? [])].sort(
      (a, b) => a.position - b.position || (naturalKey(a.name) < naturalKey(b.name) ? -1 : 1),
    )
    for (const room of siblings) {
      nodes.push({ room, depth })
      walk(room.id, depth + 1)
    }
  }
  walk(null, 0)
  return nodes
}

/** A room and everything inside it. */
export function roomAndBelow(rooms: readonly RoomRow[], id: string): ReadonlySet<string> {
  const within = new Set([id])
  let size = 0
  while (size !== within.size) {
    size = within.size
    for (const room of rooms) if (room.parentId !== null && within.has(room.parentId)) within.add(room.id)
  }
  return within
}
