// Makes a room what its plan says: groups first, those that share after those they share with, then who is in them and who can read them.
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { MembershipChange, TemplateGroup } from '#contract/model.ts'
import type { GroupChange, RoomFacts, RoomPlan } from './plan.ts'
import type { ProtectionPort, TemplateProtection, TemplateRecord, TemplateUse, TemplateUseGroup } from './types.ts'

export interface ApplyPorts {
  readonly groups: GroupEngine
  readonly protection: ProtectionPort
}

/** `only`: of memberships those of these devices alone. Answers what the room has now. */
export function applyRoom(
  template: TemplateRecord,
  room: RoomFacts,
  { change, division }: RoomPlan,
  { groups, protection }: ApplyPorts,
  only?: ReadonlySet<string>,
): TemplateUse {
  const ids = new Map<string, string>()
  const byKey = new Map(template.groups.map((group) => [group.key, group]))
  const ordered = change.groups.toSorted((a, b) => Number(sharesCoap(byKey, a)) - Number(sharesCoap(byKey, b)))
  for (const each of ordered) {
    const id = settle(each)
    if (id !== undefined) ids.set(each.key, id)
  }
  const wishes = change.groups.flatMap((each) => (each.change === 'retire' ? [] : wishesOf(each, ids.get(each.key), only)))
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
    if (id === undefined || group === undefined || !isNews || only !== undefined) return
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
    const joined = new Set(before.filter((id) => !taken(each.leaves, only).includes(id)))
    for (const id of taken(each.joins, only)) joined.add(id)
    const name = each.change === 'keep' ? (room.use?.groups[each.key]?.name ?? each.name) : each.name
    return [[each.key, { groupId, name, joined: [...joined] }]]
  }
}

function sharesCoap(byKey: ReadonlyMap<string, TemplateGroup>, { key }: GroupChange): boolean {
  return (byKey.get(key)?.coapWith ?? null) !== null
}

function taken(ids: readonly string[], only: ReadonlySet<string> | undefined): readonly string[] {
  return only === undefined ? ids : ids.filter((id) => only.has(id))
}

function wishesOf(each: GroupChange, groupId: string | undefined, only: ReadonlySet<string> | undefined): readonly MembershipChange[] {
  if (groupId === undefined) return []
  return [
    ...taken(each.joins, only).map((deviceId) => ({ deviceId, groupId, desired: true })),
    ...taken(each.leaves, only).map((deviceId) => ({ deviceId, groupId, desired: false })),
  ]
}
