// Makes a room what its plan says: groups first, those that share after those they share with, then who is in them and who can read them.
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { MembershipChange, TemplateGroup } from '#contract/model.ts'
import type { GroupChange, RoomFacts, RoomPlan } from './plan.ts'
import type { ProtectionPort, TemplateProtection, TemplateRecord, TemplateUse, TemplateUseGroup } from './types.ts'

export interface ApplyPorts {
  readonly groups: GroupEngine
  readonly protection: ProtectionPort
}

/** Answers what the room has now. */
export function applyRoom(
  template: TemplateRecord,
  room: RoomFacts,
  { change, division }: RoomPlan,
  { groups, protection }: ApplyPorts,
): TemplateUse {
  const ids = new Map<string, string>()
  const byKey = new Map(template.groups.map((group) => [group.key, group]))
  const ordered = change.groups.toSorted((a, b) => Number(sharesCoap(byKey, a)) - Number(sharesCoap(byKey, b)))
  for (const each of ordered) {
    const id = settle(each)
    if (id !== undefined) ids.set(each.key, id)
  }
  const wishes = change.groups.flatMap((each) => (each.change === 'retire' ? [] : wishesOf(each, ids.get(each.key))))
  if (wishes.length > 0) groups.setMemberships(wishes)
  for (const each of change.groups) protect(each)
  return {
    roomId: change.roomId,
    templateId: template.id,
    version: template.version,
    roles: Object.fromEntries(Object.entries(room.use?.roles ?? {}).filter(([id]) => division.roles.has(id))),
    groups: Object.fromEntries(change.groups.flatMap((each) => useOf(each))),
  }

  function settle(each: GroupChange): string | undefined {
    const coapGroupId = coapOf(byKey.get(each.key))
    switch (each.change) {
      case 'create':
        return groups.createApplication({ name: each.name, roomId: change.roomId, ...(coapGroupId === undefined ? {} : { coapGroupId }) })
      case 'adopt':
      case 'rename':
      case 'keep': {
        if (each.groupId === null) return undefined
        const now = groups.book.group(each.groupId)
        const patch = {
          ...(each.change === 'rename' ? { name: each.name } : {}),
          ...(now.roomId === change.roomId ? {} : { roomId: change.roomId }),
          ...(coapGroupId === undefined || coapGroupId === now.coapGroupId ? {} : { coapGroupId }),
        }
        if (Object.keys(patch).length > 0) groups.updateApplication(each.groupId, patch)
        return each.groupId
      }
      case 'retire':
        if (each.groupId !== null) groups.removeApplication(each.groupId)
        return undefined
      case 'taken':
        return undefined
    }
  }

  /** The CoAP group that it shares; undefined: its own. */
  function coapOf(group: TemplateGroup | undefined): string | undefined {
    const other = group?.coapWith === undefined || group.coapWith === null ? undefined : ids.get(group.coapWith)
    return other === undefined ? undefined : groups.book.group(other).coapGroupId
  }

  function protect(each: GroupChange): void {
    const [id, group] = [ids.get(each.key), byKey.get(each.key)]
    // What a person chose for a group since stays, until the template itself says something new.
    const isNews = each.change === 'create' || each.change === 'adopt' || room.use?.version !== template.version
    if (id === undefined || group === undefined || !isNews) return
    const how = protectionOf(group)
    if (how !== undefined) protection.protect(id, how)
  }

  function protectionOf({ security }: TemplateGroup): TemplateProtection | undefined {
    if (security.mode !== 'with') return security
    const other = ids.get(security.group)
    const securityGroupIds = other === undefined ? [] : protection.of(other)
    return securityGroupIds.length === 0 ? undefined : { mode: 'secured', securityGroupIds }
  }

  function useOf(each: GroupChange): ReadonlyArray<readonly [string, TemplateUseGroup]> {
    const groupId = ids.get(each.key)
    if (groupId === undefined) return []
    const before = room.use?.groups[each.key]?.joined ?? []
    const joined = new Set(before.filter((id) => !each.leaves.includes(id)))
    for (const id of each.joins) joined.add(id)
    const name = each.change === 'keep' ? (room.use?.groups[each.key]?.name ?? each.name) : each.name
    return [[each.key, { groupId, name, joined: [...joined] }]]
  }
}

function sharesCoap(byKey: ReadonlyMap<string, TemplateGroup>, { key }: GroupChange): boolean {
  return (byKey.get(key)?.coapWith ?? null) !== null
}

function wishesOf(each: GroupChange, groupId: string | undefined): readonly MembershipChange[] {
  if (groupId === undefined) return []
  return [
    ...each.joins.map((deviceId) => ({ deviceId, groupId, desired: true })),
    ...each.leaves.map((deviceId) => ({ deviceId, groupId, desired: false })),
  ]
}

/**
 * Puts devices of a room into those groups that the room has already, by their roles; the groups themselves stay as they are, also where the
 * template has a newer version. Answers what the room has now.
 */
export function placeDevices(
  template: TemplateRecord,
  use: TemplateUse,
  ids: ReadonlyMap<string, string | undefined>,
  groups: GroupEngine,
): TemplateUse {
  const wishes: MembershipChange[] = []
  const kept = Object.entries(use.groups).map(([key, own]) => {
    const roles = template.groups.find((group) => group.key === key)?.roles
    if (roles === undefined || groups.book.groups.get(own.groupId)?.retired !== false) return [key, own] as const
    const joined = new Set(own.joined)
    for (const [deviceId, role] of ids) {
      const isMember = groups.book.cell(deviceId, own.groupId)?.desired === true
      const belongs = role !== undefined && roles.includes(role)
      if (belongs && !isMember) wishes.push({ deviceId, groupId: own.groupId, desired: true })
      // Whoever joined by hand does not leave by the template.
      if (!belongs && isMember && own.joined.includes(deviceId)) wishes.push({ deviceId, groupId: own.groupId, desired: false })
      if (!belongs) joined.delete(deviceId)
      else if (!isMember) joined.add(deviceId)
    }
    return [key, { ...own, joined: [...joined] }] as const
  })
  if (wishes.length > 0) groups.setMemberships(wishes)
  return { ...use, groups: Object.fromEntries(kept) }
}
