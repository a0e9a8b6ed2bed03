// Rooms, devices, groups and memberships as the three lenses look at them, from the feeds.
import { computed } from 'vue'
import type { ComputedRef } from 'vue'
import type { ApplicationGroupRow, CoapGroupRow, DeviceRow, MembershipRow, RoomRow } from '#contract/model.ts'
import { useFeed } from '../../stores/feeds.ts'
import { buildColumns, membershipKey, type Lookup } from './matrix-model.ts'
import { buildRoomTree, indexRooms, type RoomIndex, type RoomNode } from './room-order.ts'

export interface GroupData {
  readonly ready: ComputedRef<boolean>
  readonly rooms: ComputedRef<readonly RoomRow[]>
  readonly tree: ComputedRef<readonly RoomNode[]>
  readonly index: ComputedRef<RoomIndex>
  readonly devices: ComputedRef<readonly DeviceRow[]>
  /** In the order of their rooms. */
  readonly groups: ComputedRef<readonly ApplicationGroupRow[]>
  readonly coapGroups: ComputedRef<readonly CoapGroupRow[]>
  readonly memberships: ComputedRef<readonly MembershipRow[]>
  readonly lookup: Lookup
  device(id: string): DeviceRow | undefined
  group(id: string | null): ApplicationGroupRow | undefined
  coapGroup(id: string | undefined): CoapGroupRow | undefined
}

export function useGroups(): GroupData {
  const rooms = useFeed('rooms')
  const devices = useFeed('devices')
  const groups = useFeed('applicationGroups')
  const coapGroups = useFeed('coapGroups')
  const memberships = useFeed('memberships')
  const index = computed(() => indexRooms(rooms.rows.value))
  return {
    ready: computed(
      () => rooms.ready.value && devices.ready.value && groups.ready.value && coapGroups.ready.value && memberships.ready.value,
    ),
    rooms: computed(() => rooms.rows.value),
    tree: computed(() => buildRoomTree(rooms.rows.value)),
    index,
    devices: computed(() => devices.rows.value),
    groups: computed(() => buildColumns(groups.rows.value, index.value)),
    coapGroups: computed(() => coapGroups.rows.value),
    memberships: computed(() => memberships.rows.value),
    lookup: (deviceId, groupId) => memberships.byKey(membershipKey(deviceId, groupId)),
    device: (id) => devices.byKey(id),
    group: (id) => (id === null ? undefined : groups.byKey(id)),
    coapGroup: (id) => (id === undefined ? undefined : coapGroups.byKey(id)),
  }
}
