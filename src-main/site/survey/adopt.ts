// Takes found groups into the project, as one edit: what a device itself has said counts as confirmed, what others say of it as a wish.
// groupcomm-bis §2.2.2.
import { AppError, type Clock, type GroupId } from '#main/base/index.ts'
import type { DeviceDirectory, GroupTarget } from '#main/site/devices/index.ts'
import { holds, type Draft, type GroupEngine, type MembershipRecord } from '#main/site/groups/index.ts'
import type { Found, FoundGroups, Member } from './found.ts'

export interface AdoptChoice {
  readonly key: string
  /** `found`: at the address where it was found; `project`: where the project has the group of the name. */
  readonly as: 'found' | 'project'
  /** Another name for it in the project. */
  readonly name?: string | undefined
}

export interface Adopted {
  readonly groups: number
  readonly memberships: number
  readonly planned: number
  readonly strangers: number
}

export interface AdoptPorts {
  readonly found: FoundGroups
  readonly groups: Pick<GroupEngine, 'book' | 'draft'>
  readonly devices: Pick<DeviceDirectory, 'get'>
  readonly clock: Clock
}

/** Throws `group.not-found` for a key that is none, `group.name-taken`, `group.address-taken` and what the checks of names and addresses throw. */
export function adopt(ports: AdoptPorts, choices?: readonly AdoptChoice[]): Adopted {
  const { found, groups } = ports
  const plain = (): readonly AdoptChoice[] =>
    found
      .judged(groups.book)
      .filter(({ verdict }) => verdict === 'new' || verdict === 'more-members')
      .map(({ key }) => ({ key, as: 'found' }))
  const sum = { groups: 0, memberships: 0, planned: 0, strangers: 0 }
  groups.draft((made) => {
    for (const choice of choices ?? plain()) {
      const group = found.get(choice.key)
      if (group === undefined) throw new AppError('group.not-found', 'No such group was found', { details: { id: choice.key } })
      const taken = adoptOne(ports, made, group, choice)
      sum.groups += taken.groups
      sum.memberships += taken.memberships
      sum.planned += taken.planned
      sum.strangers += taken.strangers
    }
  })
  return sum
}

function adoptOne(ports: AdoptPorts, made: Draft, group: Found, choice: AdoptChoice): Adopted {
  const { book } = ports.groups
  const name = choice.name ?? group.name
  const known = book.groupNamed(name)
  const inProject = known === undefined || known.retired ? undefined : { id: known.id, target: book.target(known.id) }
  const found = group.at
  let id: GroupId
  let target: GroupTarget
  if (inProject?.target !== undefined && (choice.as === 'project' || isAt(inProject.target, found))) {
    id = inProject.id
    target = inProject.target
  } else {
    if (found === null)
      throw new AppError('group.address-invalid', 'Nobody has said where the group is', {
        details: { address: '', reason: 'not-an-address' },
      })
    const coapGroupId = made.coapAt(name, found.address, found.port)
    id = inProject === undefined ? made.create({ name, coapGroupId }) : move(ports, made, inProject.id, coapGroupId)
    target = { name, ...found }
  }
  let memberships = 0
  let planned = 0
  let strangers = 0
  for (const member of group.members.values()) {
    if (member.deviceId === null || ports.devices.get(member.deviceId) === undefined) {
      strangers++
      continue
    }
    const cell = cellOf(ports, group, member, member.deviceId, id)
    if (cell === undefined) continue
    made.found(cell)
    memberships++
    if (cell.applied === null || !holds(cell.applied, target)) planned++
  }
  return { groups: inProject === undefined ? 1 : 0, memberships, planned, strangers }
}

function isAt(target: GroupTarget, at: Found['at']): boolean {
  return at !== null && target.address === at.address && target.port === at.port
}

/** The project's group is served by another CoAP group from now on; one of its own goes. */
export function move({ groups: { book } }: Pick<AdoptPorts, 'groups'>, made: Draft, id: GroupId, coapGroupId: string): GroupId {
  const group = book.group(id)
  const old = book.coap.get(group.coapGroupId)
  made.put({ ...group, coapGroupId })
  if (old !== undefined && book.isOwn(old, group)) made.dropCoap(old.id)
  return id
}

/** The membership to keep; undefined where the project has it and knows as much. */
function cellOf(
  { groups: { book }, clock }: AdoptPorts,
  group: Found,
  member: Member,
  deviceId: string,
  groupId: GroupId,
): MembershipRecord | undefined {
  const before = book.cell(deviceId, groupId)
  const entry = member.entry ?? (member.isRead && group.at !== null ? { name: group.name, ...group.at } : null)
  const base = { deviceId, groupId, desired: true, at: clock.now(), failure: null }
  if (entry !== null) {
    if (before?.desired === true && before.outcome === 'confirmed' && before.applied !== null && holds(before.applied, entry))
      return undefined
    return { ...base, applied: entry, outcome: 'confirmed', source: member.entry === null ? 'discovery' : 'verify' }
  }
  return before === undefined ? { ...base, applied: null, outcome: 'planned', source: 'discovery' } : undefined
}
