// The tree of rooms: paths, and the checks that keep it a tree.
import { AppError, type RoomId } from '#main/base/index.ts'
import type { RoomRecord } from './types.ts'

export const ROOM_PATH_SEPARATOR = '/'

/** The names from the top of the tree down to the room. */
export function roomPath(rooms: ReadonlyMap<RoomId, RoomRecord>, id: RoomId | null): readonly string[] {
  const names: string[] = []
  const seen = new Set<RoomId>()
  // A file edited by hand could hold a circle; it must not hang us.
  for (let room = id === null ? undefined : rooms.get(id); room !== undefined && !seen.has(room.id);) {
    names.unshift(room.name)
    seen.add(room.id)
    room = room.parentId === null ? undefined : rooms.get(room.parentId)
  }
  return names
}

export function requireRoom(rooms: ReadonlyMap<RoomId, RoomRecord>, id: RoomId): RoomRecord {
  const room = rooms.get(id)
  if (room === undefined) throw new AppError('room.not-found', 'There is no such room', { details: { id } })
  return room
}

/** Throws `room.cycle` where the new parent is the room itself or lies below it. */
export function checkParent(rooms: ReadonlyMap<RoomId, RoomRecord>, id: RoomId, parentId: RoomId | null): void {
  const seen = new Set<RoomId>()
  for (let above = parentId; above !== null; above = rooms.get(above)?.parentId ?? null) {
    if (above === id) throw new AppError('room.cycle', 'A room cannot lie inside itself', { details: { id, parentId } })
    if (seen.has(above)) return
    seen.add(above)
  }
}

/** The place after the last room below the same parent. */
export function nextPosition(rooms: Iterable<RoomRecord>, parentId: RoomId | null): number {
  let position = 0
  for (const room of rooms) if (room.parentId === parentId) position = Math.max(position, room.position + 1)
  return position
}
