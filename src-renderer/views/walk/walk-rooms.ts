// Which rooms are offered for the device whose turn it is: those of the last ones first, or those that fit what was typed. Pure.
import type { RoomRow } from '#contract/model.ts'
import { roomsInOrder } from '../../lib/rooms.ts'

/** As many as there are number keys. */
const OFFERED = 9
/** Rooms one comes back to; the others offered are those that follow, as one walks. */
const RECENT = 4

export interface OfferedRoom {
  readonly id: string
  readonly name: string
  /** The rooms above it. */
  readonly above: string
}

export function offerRooms(rooms: readonly RoomRow[], recent: readonly string[], text: string): readonly OfferedRoom[] {
  const named = roomsInOrder(rooms).map(({ room }) => ({ kind: room.kind, ...namesOf(rooms, room) }))
  const places = named.filter(({ kind }) => kind === 'room' || kind === 'zone')
  const all = places.length > 0 ? places : named
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length > 0) {
    const fits = ({ name, above }: OfferedRoom): boolean => words.every((word) => `${above} ${name}`.toLowerCase().includes(word))
    return all.filter(fits).slice(0, OFFERED).map(plain)
  }
  const known = recent.flatMap((id) => all.find((room) => room.id === id) ?? [])
  const [newest] = known
  const following = all.slice(newest === undefined ? 0 : all.indexOf(newest) + 1)
  return [...new Set([...known.slice(0, RECENT), ...following, ...known, ...all])].slice(0, OFFERED).map(plain)
}

function plain({ id, name, above }: OfferedRoom): OfferedRoom {
  return { id, name, above }
}

function namesOf(rooms: readonly RoomRow[], room: RoomRow): OfferedRoom {
  const above: string[] = []
  const seen = new Set([room.id])
  for (let id = room.parentId; id !== null && !seen.has(id);) {
    seen.add(id)
    const parent = rooms.find((each) => each.id === id)
    if (parent === undefined) break
    above.unshift(parent.name)
    id = parent.parentId
  }
  return { id: room.id, name: room.name, above: above.join(' › ') }
}
