// Who shall be in which security group, and as what: drawn from the members of the application groups that it protects
// (draft-ietf-core-groupcomm-bis §5.1: all that listen, and those that only send).
import type { DeviceId } from '#main/base/index.ts'
import type { DeviceType } from '#contract/model.ts'
import type { SecurityRoles, ToldMembership } from './types.ts'

/** Devices that send requests to groups of their own accord. */
const SENDERS: ReadonlySet<DeviceType> = new Set<DeviceType>(['switch', 'presence-sensor', 'sensor', 'thermostat', 'unknown'])

/** Whoever has the group in its table listens to it, so everybody responds; controls and sensors ask, too. */
export function rolesOfType(type: DeviceType): SecurityRoles {
  return { requester: SENDERS.has(type), responder: true }
}

export interface WishedGroup {
  readonly name: string
  readonly members: ReadonlyArray<{ readonly deviceId: DeviceId; readonly type: DeviceType }>
}

/** What each device has to be told of one security group. */
export function wishesOf(groups: readonly WishedGroup[]): ReadonlyMap<DeviceId, ToldMembership> {
  const wishes = new Map<DeviceId, { roles: SecurityRoles; applicationGroups: string[] }>()
  for (const { name, members } of groups) {
    for (const { deviceId, type } of members) {
      const known = wishes.get(deviceId)
      if (known === undefined) wishes.set(deviceId, { roles: rolesOfType(type), applicationGroups: [name] })
      else known.applicationGroups.push(name)
    }
  }
  for (const wish of wishes.values()) wish.applicationGroups.sort()
  return wishes
}

export function sameMembership(a: ToldMembership | null, b: ToldMembership | null): boolean {
  if (a === null || b === null) return a === b
  return (
    a.roles.requester === b.roles.requester &&
    a.roles.responder === b.roles.responder &&
    a.applicationGroups.length === b.applicationGroups.length &&
    a.applicationGroups.every((name, index) => name === b.applicationGroups[index])
  )
}
