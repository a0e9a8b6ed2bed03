// What applying a template to a room would change, against what the project wants now. Pure.
import type { ApplicationGroupRecord } from '#main/site/groups/index.ts'
import { renderName } from '#main/site/groups/index.ts'
import type { RoomRecord } from '#main/site/devices/index.ts'
import type { TemplateChange, TemplateGroup } from '#contract/model.ts'
import { divideRoles, type RoleDivision, type RoomDevice } from './roles.ts'
import type { TemplateRecord, TemplateUse } from './types.ts'

export interface RoomFacts {
  /** From the room upwards. */
  readonly path: readonly RoomRecord[]
  readonly devices: readonly RoomDevice[]
  /** What the room has of this template already. */
  readonly use: TemplateUse | undefined
}

/** What is looked up in the project's groups; names that earlier rooms of the same run will take count as taken. */
export interface GroupFacts {
  named(name: string): ApplicationGroupRecord | undefined
  byId(id: string): ApplicationGroupRecord | undefined
  isMember(deviceId: string, groupId: string): boolean
  readonly spokenFor: Set<string>
}

export type GroupChange = TemplateChange['groups'][number]

export interface RoomPlan {
  readonly change: TemplateChange
  readonly division: RoleDivision
}

export function planRoom(template: TemplateRecord, room: RoomFacts, groups: GroupFacts): RoomPlan {
  const [here] = room.path
  const division = divideRoles(template, room.devices, room.use?.roles ?? {})
  const changes = template.groups.map((group) => planGroup(group, room, division, groups))
  const gone = Object.entries(room.use?.groups ?? {}).flatMap(([key, { groupId, joined }]): readonly GroupChange[] => {
    const known = groups.byId(groupId)
    if (template.groups.some((group) => group.key === key) || known === undefined || known.retired) return []
    return [
      {
        key,
        groupId,
        name: known.name,
        change: 'retire',
        before: null,
        joins: [],
        leaves: joined.filter((id) => groups.isMember(id, groupId)),
      },
    ]
  })
  return {
    division,
    change: {
      roomId: here?.id ?? '',
      roomName: here?.name ?? '',
      groups: [...changes, ...gone],
      undecided: [...division.undecided],
      counts: [...division.counts],
    },
  }
}

function planGroup(group: TemplateGroup, room: RoomFacts, division: RoleDivision, groups: GroupFacts): GroupChange {
  const [here] = room.path
  const name = nameOf(group, room)
  const mapped = room.use?.groups[group.key]
  const own = mapped === undefined ? undefined : groups.byId(mapped.groupId)
  const wanted = [...division.roles].filter(([, role]) => group.roles.includes(role)).map(([id]) => id)
  const memberships = (groupId: string | null): Pick<GroupChange, 'joins' | 'leaves'> => ({
    joins: wanted.filter((id) => groupId === null || !groups.isMember(id, groupId)),
    leaves: groupId === null ? [] : (mapped?.joined ?? []).filter((id) => !wanted.includes(id) && groups.isMember(id, groupId)),
  })
  if (own !== undefined && !own.retired) {
    const isRenamed = own.name === mapped?.name && name !== own.name && isFree(name, groups)
    if (isRenamed) groups.spokenFor.add(name)
    return {
      key: group.key,
      groupId: own.id,
      name: isRenamed ? name : own.name,
      change: isRenamed ? 'rename' : 'keep',
      before: isRenamed ? own.name : null,
      ...memberships(own.id),
    }
  }
  const namesake = groups.named(name)
  const isHere = namesake?.retired === false && (namesake.roomId === null || namesake.roomId === here?.id) && !groups.spokenFor.has(name)
  if (isHere) {
    groups.spokenFor.add(name)
    return { key: group.key, groupId: namesake.id, name, change: 'adopt', before: null, ...memberships(namesake.id) }
  }
  if (!isFree(name, groups)) return { key: group.key, groupId: null, name, change: 'taken', before: null, joins: [], leaves: [] }
  groups.spokenFor.add(name)
  return { key: group.key, groupId: null, name, change: 'create', before: null, ...memberships(null) }
}

function isFree(name: string, groups: GroupFacts): boolean {
  return groups.named(name)?.retired !== false && !groups.spokenFor.has(name)
}

/** The name for this room; a part that the room has not is left out. */
function nameOf({ name, key }: TemplateGroup, { path }: RoomFacts): string {
  const clean = (text: string): string =>
    text
      .normalize('NFC')
      .replace(/[^\p{L}\p{N}._~-]+/gu, '-')
      .replace(/^-+|-+$/g, '')
  const rendered = renderName(name, { rooms: path, function: key }, clean)
  if (rendered !== undefined) return rendered
  const without = name.replace(/\{(?:building|floor)\}[-_. ]*/g, '')
  return renderName(without, { rooms: path, function: key }, clean) ?? `${clean(path[0]?.name ?? '')}-${key}`
}
