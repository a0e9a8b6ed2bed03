// Each operation as one edit of the groups. The same is done to a twin of them for the preview and to themselves when it is run.
// draft-ietf-core-groupcomm-bis §2.2.4.
import { AppError, type DeviceId, type GroupId } from '#main/base/index.ts'
import type { MaintenanceOperation } from '#contract/model.ts'
import type { GroupEngine } from '../engine.ts'
import type { MaintenanceDevices, MaintenanceSecurity } from './types.ts'

export type MaintainedGroups = Pick<
  GroupEngine,
  'book' | 'draft' | 'updateApplication' | 'removeApplication' | 'updateCoap' | 'setMemberships'
>

export interface PerformPorts {
  readonly groups: MaintainedGroups
  readonly security: Pick<MaintenanceSecurity, 'protectionOf' | 'protect' | 'rekey' | 'keyedGroupsOf' | 'evict'>
  readonly devices: MaintenanceDevices
  /** Who does it, for the authority's audit. */
  readonly actor: string
  readonly get: (id: DeviceId) => { readonly name: string; readonly roomId: string | null; readonly comment: string } | undefined
}

/** Throws what the engine's edits throw, `device.not-found` and `input.invalid`. */
export function perform(operation: MaintenanceOperation, ports: PerformPorts): void {
  const { groups, security } = ports
  switch (operation.kind) {
    case 'members': {
      const { groupId, add, remove } = operation
      const wish = (ids: readonly DeviceId[], desired: boolean) => ids.map((deviceId) => ({ deviceId, groupId, desired }))
      groups.setMemberships([...wish(add, true), ...wish(remove, false)])
      return
    }
    case 'rename':
      groups.updateApplication(operation.groupId, { name: operation.name })
      return
    case 'move': {
      const { coapGroupId } = groups.book.group(operation.groupId)
      const { address, port } = operation
      const isOpen = address === undefined && port === undefined
      groups.updateCoap(coapGroupId, isOpen ? { allocate: 'address' } : { address, port })
      return
    }
    case 'uri':
      groups.updateApplication(operation.groupId, { name: operation.name, coapGroupId: operation.coapGroupId })
      return
    case 'split':
      split(operation, ports)
      return
    case 'merge':
      merge(operation, ports)
      return
    case 'security':
      groups.book.group(operation.groupId)
      security.protect([operation.groupId], [operation.securityGroupId])
      return
    case 'rekey':
      security.rekey(operation.securityGroupId)
      return
    case 'replace':
      replace(operation, ports)
      return
    case 'retire':
      groups.removeApplication(operation.groupId)
      return
  }
}

function split(operation: Extract<MaintenanceOperation, { kind: 'split' }>, { groups, security }: PerformPorts): void {
  const { groupId, name, members, sameCoapGroup } = operation
  const group = groups.book.group(groupId)
  for (const deviceId of members) {
    if (groups.book.cell(deviceId, groupId)?.desired === true) continue
    throw new AppError('input.invalid', 'Only members of the group can leave with the new one', { details: { deviceId, groupId } })
  }
  const made = groups.draft((draft) => {
    const id = draft.create({ name, roomId: group.roomId, members, ...(sameCoapGroup ? { coapGroupId: group.coapGroupId } : {}) })
    draft.wish(members.map((deviceId) => ({ deviceId, groupId, desired: false })))
    return id
  })
  const protection = security.protectionOf(groupId)
  if (protection.length > 0) security.protect([made], protection)
}

function merge({ into, groupIds }: Extract<MaintenanceOperation, { kind: 'merge' }>, { groups }: PerformPorts): void {
  const others = [...new Set(groupIds)].filter((id) => id !== into)
  if (others.length === 0) throw new AppError('input.invalid', 'A group is merged with others', { details: { into } })
  groups.book.group(into)
  const members = others.flatMap((id) => desiredOf(groups, groups.book.group(id).id))
  groups.draft((draft) => {
    draft.wish([...new Set(members)].map((deviceId) => ({ deviceId, groupId: into, desired: true })))
    for (const id of others) {
      draft.put({ ...groups.book.group(id), retired: true })
      draft.wish(groups.book.cellsOfGroup(id).map(({ deviceId }) => ({ deviceId, groupId: id, desired: false })))
    }
  })
}

function replace(
  operation: Extract<MaintenanceOperation, { kind: 'replace' }>,
  { groups, security, devices, actor, get }: PerformPorts,
): void {
  const { deviceId, byId } = operation
  const [old, by] = [get(deviceId), get(byId)]
  if (old === undefined || by === undefined || deviceId === byId) {
    throw new AppError('device.not-found', 'A device is replaced by another one', { details: { id: old === undefined ? deviceId : byId } })
  }
  const taken = groups.book.cellsOfDevice(deviceId).flatMap(({ groupId, desired }) => (desired ? [groupId] : []))
  const certificates = devices.certificatesOf(deviceId)
  // Whoever has the old device in hand gets neither keys nor a word from here on: first of all, whatever becomes of the rest.
  for (const id of security.keyedGroupsOf(deviceId)) security.evict(id, [deviceId])
  if (certificates.length > 0) devices.revoke(certificates, actor)
  if (taken.length > 0) groups.setMemberships(taken.map((groupId) => ({ deviceId: byId, groupId, desired: true })))
  devices.remove(deviceId)
  devices.rename(byId, { name: old.name, roomId: old.roomId, comment: old.comment })
}

function desiredOf({ book }: MaintainedGroups, groupId: GroupId): readonly DeviceId[] {
  return book.cellsOfGroup(groupId).flatMap(({ deviceId, desired }) => (desired ? [deviceId] : []))
}
