// Who of a group's room could be in it: devices that react as the group's name says, and those that would send to it.
import type { DeviceId } from '#main/base/index.ts'
import type { DeviceRecord, RoomRecord } from '#main/site/devices/index.ts'
import type { DeviceType } from '#contract/model.ts'
import { roomGroupNames } from '../names.ts'
import { isClient, REACTING } from './group-checks.ts'

export interface RoomCandidates {
  readonly members: readonly DeviceId[]
  readonly clients: readonly DeviceId[]
}

/** `path`: the group's room and the rooms above it; `devices`: those of the room that are not in the group. */
export function roomCandidates(
  groupName: string,
  path: readonly RoomRecord[],
  devices: readonly DeviceRecord[],
  template: string,
): RoomCandidates {
  const reacting = devices.filter(({ type }) => REACTING.has(type))
  const meant = new Set<DeviceType>([...REACTING].filter((type) => roomGroupNames(path, type, template).includes(groupName)))
  return {
    members: reacting.filter(({ type }) => meant.size === 0 || meant.has(type)).map(({ id }) => id),
    clients: devices.filter(({ type }) => isClient(type) && !REACTING.has(type) && type !== 'unknown').map(({ id }) => id),
  }
}
