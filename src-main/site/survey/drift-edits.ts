// What a person does about drift: apply again, take foreign entries into the project, or have them removed from their devices.
import { AppError, type Clock, type DeviceId, type GroupId } from '#main/base/index.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import { canonicalAddress, membershipKey, type GroupEngine, type MembershipRecord } from '#main/site/groups/index.ts'
import type { DriftRow } from '#contract/model.ts'
import type { Readings } from './readings.ts'

export interface EntryRef {
  readonly deviceId: DeviceId
  readonly name: string
}

export interface DriftEditPorts {
  readonly groups: Pick<GroupEngine, 'book' | 'planFeed' | 'draft'>
  readonly readings: Pick<Readings, 'feed' | 'get'>
  readonly clock: Clock
}

/** Plan lines that bring back what has drifted: missing, different, reset, or of unknown outcome. */
export function repairLines(
  { groups, readings }: Pick<DriftEditPorts, 'groups' | 'readings'>,
  wish: { readonly deviceIds?: readonly DeviceId[] | undefined; readonly groupIds?: readonly GroupId[] | undefined },
): readonly string[] {
  const chosen = wish.groupIds === undefined ? undefined : new Set(wish.groupIds)
  const rows: readonly DriftRow[] =
    wish.deviceIds === undefined ? readings.feed.rows() : wish.deviceIds.flatMap((id) => readings.feed.get(id) ?? [])
  return rows.flatMap(({ deviceId }) =>
    groups.book.cellsOfDevice(deviceId).flatMap((cell) => {
      const isOpen = cell.outcome === 'failed' || cell.outcome === 'unknown' || cell.outcome === 'sent'
      if (!isOpen || chosen?.has(cell.groupId) === false) return []
      const line = groups.planFeed.get(membershipKey(cell))
      return line?.blocked === null ? [line.id] : []
    }),
  )
}

/** The foreign entry as it was read. Throws `group.not-found` where it is not there (any more). */
function foreignEntry({ groups, readings }: DriftEditPorts, { deviceId, name }: EntryRef): GroupTableEntry {
  const entry = readings.get(deviceId)?.table.find((candidate) => candidate.name === name)
  const isOurs = groups.book
    .cellsOfDevice(deviceId)
    .some((cell) => cell.applied?.name === name || groups.book.target(cell.groupId)?.name === name)
  if (entry === undefined || isOurs)
    throw new AppError('group.not-found', `No foreign entry ${name} was read`, { details: { id: name, device: deviceId } })
  return entry
}

/**
 * Takes them into the project: a group of the name at the same address gets one more member; else the group is made where the device
 * has it. Throws `group.name-taken` where the project has a group of the name elsewhere, and what the checks of names and addresses throw.
 */
export function adoptEntries(ports: DriftEditPorts, refs: readonly EntryRef[]): { readonly groups: number; readonly memberships: number } {
  const { groups, clock } = ports
  return groups.draft((made) => {
    const created = new Map<string, { readonly id: GroupId; readonly endpoint: string }>()
    for (const ref of refs) {
      const entry = foreignEntry(ports, ref)
      const endpoint = endpointOf(entry)
      const known = groups.book.groupNamed(entry.name)
      const target = known === undefined || known.retired ? undefined : groups.book.target(known.id)
      const here = target === undefined ? created.get(entry.name) : { id: known?.id ?? '', endpoint: endpointOf(target) }
      if (here !== undefined && here.endpoint !== endpoint) {
        const { address, port } = entry
        throw new AppError('group.name-taken', `The project has ${entry.name} at another address`, {
          details: { name: entry.name, retired: false, address, port },
        })
      }
      const id = here?.id ?? made.create({ name: entry.name, coapGroupId: made.coapAt(entry.name, entry.address, entry.port) })
      if (here === undefined) created.set(entry.name, { id, endpoint })
      made.found(confirmedCell(ref.deviceId, id, entry, clock.now()))
    }
    return { groups: created.size, memberships: refs.length }
  })
}

/**
 * Has them removed: memberships that nobody wishes, of the group of that name, or of a retired one that goes when the last device has let
 * go. Gives the plan lines.
 */
export function removeEntries(ports: DriftEditPorts, refs: readonly EntryRef[]): readonly string[] {
  const { groups, clock } = ports
  return groups.draft((made) => {
    const retired = new Map<string, GroupId>()
    return refs.map((ref) => {
      const entry = foreignEntry(ports, ref)
      const known = groups.book.groupNamed(entry.name)
      const groupId = known?.id ?? retired.get(entry.name) ?? newRetired(entry.name)
      made.found({ ...confirmedCell(ref.deviceId, groupId, entry, clock.now()), desired: false })
      return membershipKey({ deviceId: ref.deviceId, groupId })
    })

    function newRetired(name: string): GroupId {
      const id = made.create({ name })
      made.retire(id)
      retired.set(name, id)
      return id
    }
  })
}

function endpointOf({ address, port }: Pick<GroupTableEntry, 'address' | 'port'>): string {
  return `${canonicalAddress(address)} ${port}`
}

/** A membership that was read at its device. */
export function confirmedCell(deviceId: DeviceId, groupId: GroupId, applied: GroupTableEntry, at: number): MembershipRecord {
  return { deviceId, groupId, desired: true, outcome: 'confirmed', at, source: 'verify', failure: null, applied }
}
