// Ticks of groups for several devices at once. Pure.
import type { MembershipChange, MembershipRow } from '#contract/model.ts'

export type Tick = 'all' | 'some' | 'none'

/** How many of the devices shall be in each group. */
export function memberCounts(memberships: readonly MembershipRow[], ids: ReadonlySet<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const each of memberships) if (each.desired && ids.has(each.deviceId)) counts.set(each.groupId, (counts.get(each.groupId) ?? 0) + 1)
  return counts
}

export function tickOf(count: number, devices: number): Tick {
  return count === 0 ? 'none' : count >= devices ? 'all' : 'some'
}

/** Only what differs from now is asked for. */
export function membershipChanges(
  wanted: ReadonlyMap<string, boolean>,
  ids: readonly string[],
  memberships: readonly MembershipRow[],
): MembershipChange[] {
  const now = new Set(memberships.filter((each) => each.desired).map((each) => each.key))
  return [...wanted].flatMap(([groupId, desired]) =>
    ids.filter((deviceId) => now.has(`${deviceId} ${groupId}`) !== desired).map((deviceId) => ({ deviceId, groupId, desired })),
  )
}
