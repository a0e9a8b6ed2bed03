// What the device views need to know of rooms and groups, looked up by id.
import { computed } from 'vue'
import type { ComputedRef } from 'vue'
import type { RoomRow } from '#contract/model.ts'
import { roomsInOrder } from '../../lib/rooms.ts'
import type { RoomNode } from '../../lib/rooms.ts'
import { useFeed } from '../../stores/feeds.ts'

export interface DeviceIndex {
  readonly rooms: ComputedRef<readonly RoomNode[]>
  roomName(id: string | null): string
  /** From the building down to the room. */
  roomPath(id: string | null): readonly string[]
  /** Rooms of one floor together, in their natural order; `null` for none. */
  roomSort(id: string | null): string | null
  groupNames(deviceId: string): readonly string[]
}

export function useDeviceIndex(): DeviceIndex {
  const roomFeed = useFeed('rooms')
  const groups = useFeed('applicationGroups')
  const memberships = useFeed('memberships')

  const paths = computed(() => {
    const byId = new Map<string, RoomRow>(roomFeed.rows.value.map((room) => [room.id, room]))
    const found = new Map<string, readonly string[]>()
    for (const room of roomFeed.rows.value) {
      const path: string[] = []
      const seen = new Set<string>()
      for (
        let at: RoomRow | undefined = room;
        at !== undefined && !seen.has(at.id);
        at = at.parentId === null ? undefined : byId.get(at.parentId)
      ) {
        seen.add(at.id)
        path.unshift(at.name)
      }
      found.set(room.id, path)
    }
    return found
  })
  const groupsOf = computed(() => {
    const names = new Map(groups.rows.value.map((group) => [group.id, group.name]))
    const found = new Map<string, string[]>()
    for (const membership of memberships.rows.value) {
      if (!membership.desired) continue
      const name = names.get(membership.groupId)
      if (name === undefined) continue
      const list = found.get(membership.deviceId)
      if (list === undefined) found.set(membership.deviceId, [name])
      else list.push(name)
    }
    return found
  })
  const sorts = computed(() => new Map([...paths.value].map(([id, path]) => [id, path.join(' ')])))
  const none: readonly string[] = []
  const roomPath = (id: string | null): readonly string[] => (id === null ? none : (paths.value.get(id) ?? none))

  return {
    rooms: computed(() => roomsInOrder(roomFeed.rows.value)),
    roomPath,
    roomName: (id) => roomPath(id).at(-1) ?? '',
    roomSort: (id) => (id === null ? null : (sorts.value.get(id) ?? null)),
    groupNames: (deviceId) => groupsOf.value.get(deviceId) ?? none,
  }
}
