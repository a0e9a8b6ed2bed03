// What "Groups from rooms" would make: one group for each room and device type that has devices.
import type { ApplicationGroupRow, DeviceRow, DeviceType } from '#contract/model.ts'

export interface TypeCount {
  readonly type: DeviceType
  /** Devices of the type that stand in a room. */
  readonly devices: number
  /** Rooms that have such devices: as many groups come of it. */
  readonly rooms: number
}

/** The types that stand in rooms, most devices first. */
export function countTypes(devices: Iterable<DeviceRow>): readonly TypeCount[] {
  const byType = new Map<DeviceType, { devices: number; rooms: Set<string> }>()
  for (const device of devices) {
    if (device.roomId === null) continue
    const entry = byType.get(device.type) ?? { devices: 0, rooms: new Set<string>() }
    entry.devices++
    entry.rooms.add(device.roomId)
    byType.set(device.type, entry)
  }
  return [...byType]
    .map(([type, entry]) => ({ type, devices: entry.devices, rooms: entry.rooms.size }))
    .sort((a, b) => b.devices - a.devices || a.type.localeCompare(b.type))
}

/**
 * For each type the rooms in which nothing is missing: a group of the room has all such devices of the room. What the group is called
 * does not matter, because it may have been renamed.
 */
export function countComplete(
  devices: Iterable<DeviceRow>,
  groups: Iterable<ApplicationGroupRow>,
  wanted: (deviceId: string, groupId: string) => boolean,
): ReadonlyMap<DeviceType, number> {
  const groupsOf = Map.groupBy(groups, (group) => group.roomId)
  const placed = Map.groupBy(devices, (device) => `${device.roomId ?? ''} ${device.type}`)
  const complete = new Map<DeviceType, number>()
  for (const members of placed.values()) {
    const first = members[0]
    if (first === undefined || first.roomId === null) continue
    const found = (groupsOf.get(first.roomId) ?? []).some((group) => members.every((device) => wanted(device.id, group.id)))
    if (found) complete.set(first.type, (complete.get(first.type) ?? 0) + 1)
  }
  return complete
}

export function totalOf(
  counts: readonly TypeCount[],
  chosen: ReadonlySet<DeviceType>,
): { readonly groups: number; readonly memberships: number } {
  const taken = counts.filter((count) => chosen.has(count.type))
  return {
    groups: taken.reduce((sum, count) => sum + count.rooms, 0),
    memberships: taken.reduce((sum, count) => sum + count.devices, 0),
  }
}

/** What an installer groups by room: things that act together. A wall switch or a sensor has nobody to react with. */
export function suggestedTypes(counts: readonly TypeCount[]): ReadonlySet<DeviceType> {
  const acting: readonly DeviceType[] = ['luminaire', 'blind', 'thermostat', 'actuator']
  const found = counts.filter((count) => acting.includes(count.type)).map((count) => count.type)
  return new Set(found.length > 0 ? found : counts.slice(0, 1).map((count) => count.type))
}
