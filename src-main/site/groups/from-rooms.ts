// Groups from rooms: for each room and device type that has devices, which group it is and who belongs into it.
import type { DeviceId, GroupId } from '#main/base/index.ts'
import type { DeviceDirectory, RoomRecord } from '#main/site/devices/index.ts'
import type { DeviceType } from '#contract/model.ts'
import { roomGroupNames } from './names.ts'
import type { ApplicationGroupRecord } from './types.ts'

export interface RoomGroup {
  readonly roomId: string
  readonly name: string
  /** The group that is to be completed; absent: a new one. */
  readonly groupId: GroupId | undefined
  readonly members: readonly DeviceId[]
}

/** Rooms below a chosen room count as chosen. A group of the right name that has no room, or this one, is completed. */
export function planRoomGroups(
  devices: Pick<DeviceDirectory, 'all' | 'rooms'>,
  groups: readonly ApplicationGroupRecord[],
  wish: { readonly types: readonly DeviceType[]; readonly roomIds?: readonly string[] | undefined },
  template = '',
): readonly RoomGroup[] {
  const rooms = new Map(devices.rooms().map((room) => [room.id, room]))
  const chosen = wish.roomIds === undefined ? undefined : new Set(wish.roomIds)
  const types = new Set(wish.types)
  const byName = new Map(groups.map((group) => [group.name, group]))
  const byRoom = Map.groupBy(
    groups.filter((group) => !group.retired),
    (group) => group.roomId,
  )
  const placed = devices.all().filter((device) => device.roomId !== null && types.has(device.type))
  const planned: RoomGroup[] = []
  for (const [key, members] of Map.groupBy(placed, (device) => `${device.roomId ?? ''} ${device.type}`)) {
    const [roomId = ''] = key.split(' ')
    const path = pathUp(rooms, roomId)
    const type = members[0]?.type
    if (type === undefined || path.length === 0 || (chosen !== undefined && !path.some((room) => chosen.has(room.id)))) continue
    const { name, group } = nameFor(path, type, byName, byRoom.get(roomId) ?? [], template)
    const made: RoomGroup = { roomId, name, groupId: group?.id, members: members.map((device) => device.id) }
    planned.push(made)
    // A group without a room now has this one: another room of the same name does not get it too.
    byName.set(name, group === undefined ? { id: '', name, coapGroupId: '', roomId, comment: '', retired: false } : { ...group, roomId })
  }
  return planned
}

function nameFor(
  path: readonly RoomRecord[],
  type: DeviceType,
  byName: ReadonlyMap<string, ApplicationGroupRecord>,
  ofRoom: readonly ApplicationGroupRecord[],
  template: string,
): { readonly name: string; readonly group: ApplicationGroupRecord | undefined } {
  const names = roomGroupNames(path, type, template)
  const last = names.at(-1) ?? type
  const ranked = ofRoom.map((group) => ({ group, rank: rankOf(group.name, names, last) })).filter(({ rank }) => rank >= 0)
  const [best] = ranked.sort((a, b) => a.rank - b.rank)
  if (best !== undefined) return { name: best.group.name, group: best.group }
  for (const name of candidates(names, last)) {
    const group = byName.get(name)
    if (group === undefined || group.retired) return { name, group: undefined }
    if (group.roomId === null) return { name, group }
  }
  return { name: last, group: undefined }
}

/** The names in their order, then the last of them with a number: without an end, because some number is always free. */
function* candidates(names: readonly string[], last: string): Generator<string> {
  yield* names
  for (let number = 2; ; number++) yield `${last}-${number}`
}

/** The place of a name among the candidates; -1 when it is none. */
function rankOf(name: string, names: readonly string[], last: string): number {
  const rank = names.indexOf(name)
  if (rank >= 0) return rank
  const number = name.startsWith(`${last}-`) ? /^[1-9]\d{0,8}$/.exec(name.slice(last.length + 1)) : null
  return number === null || number[0] === '1' ? -1 : names.length + Number(number[0])
}

/** The room and the rooms above it; ends where a link is broken or comes round. */
function pathUp(rooms: ReadonlyMap<string, RoomRecord>, roomId: string): readonly RoomRecord[] {
  const path: RoomRecord[] = []
  for (
    let room = rooms.get(roomId);
    room !== undefined && !path.includes(room);
    room = room.parentId === null ? undefined : rooms.get(room.parentId)
  ) {
    path.push(room)
  }
  return path
}
