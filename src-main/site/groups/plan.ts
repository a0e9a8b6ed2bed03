// What is desired against what is applied: rows, plan lines and outcomes as pure functions of one membership.
// draft-ietf-core-groupcomm-bis §2.2.4.
import type { GroupTableEntry, GroupTarget } from '#main/site/devices/index.ts'
import type { MembershipRow, NamingSettings, Outcome, PlanLine } from '#contract/model.ts'
import { canonicalAddress } from './address.ts'
import { applicationGroupUri } from './names.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, MembershipRecord } from './types.ts'

export function membershipKey(cell: { readonly deviceId: string; readonly groupId: string }): string {
  return `${cell.deviceId} ${cell.groupId}`
}

/** The parts of a membership key, or undefined when it is none. */
export function readMembershipKey(key: string): { readonly deviceId: string; readonly groupId: string } | undefined {
  const [deviceId, groupId, ...rest] = key.split(' ')
  return deviceId === undefined || groupId === undefined || rest.length > 0 ? undefined : { deviceId, groupId }
}

/** The entry that a member's group table shall hold. */
export function targetOf(group: ApplicationGroupRecord, coap: CoapGroupRecord): GroupTarget {
  return { name: group.name, address: coap.address, port: coap.port }
}

export function holds(entry: GroupTableEntry | null, target: GroupTarget): boolean {
  if (entry?.name !== target.name || entry.port !== target.port) return false
  return canonicalAddress(entry.address) === canonicalAddress(target.address)
}

/** Whether the device may hold an entry that nobody has read back. */
export function isDoubtful(cell: MembershipRecord): boolean {
  return cell.outcome === 'sent' || cell.outcome === 'unknown'
}

/** The outcome to show: what was confirmed for another target, or for another wish, is planned again. */
export function effectiveOutcome(cell: MembershipRecord, target: GroupTarget): Outcome {
  if (cell.outcome !== 'confirmed') return cell.outcome
  return cell.desired && holds(cell.applied, target) ? 'confirmed' : 'planned'
}

/** What has to be done to the device, or undefined when it is as desired. Undesired cells exist only until the device has let go. */
export function changeOf(cell: MembershipRecord, target: GroupTarget): PlanLine['change'] | undefined {
  if (!cell.desired) return 'remove'
  if (effectiveOutcome(cell, target) === 'confirmed') return undefined
  return cell.applied === null ? 'add' : 'update'
}

export function membershipRowOf(cell: MembershipRecord, target: GroupTarget): MembershipRow {
  const { deviceId, groupId, desired, at, source, failure } = cell
  return { key: membershipKey(cell), deviceId, groupId, desired, outcome: effectiveOutcome(cell, target), at, source, failure }
}

/** What a plan line needs of its device. */
export interface PlannedDevice {
  readonly name: string
  readonly blocked: PlanLine['blocked']
}

export function planLineOf(
  cell: MembershipRecord,
  target: GroupTarget,
  device: PlannedDevice,
  naming: NamingSettings,
): PlanLine | undefined {
  const change = changeOf(cell, target)
  if (change === undefined) return undefined
  const shown = change === 'remove' && cell.applied !== null ? cell.applied : target
  return {
    id: membershipKey(cell),
    change,
    deviceId: cell.deviceId,
    deviceName: device.name,
    groupId: cell.groupId,
    groupName: target.name,
    uri: applicationGroupUri(shown, shown.name, naming),
    failure: cell.failure,
    blocked: device.blocked,
  }
}

/** The cell after a person wishes otherwise; undefined when nothing is left to do for it. */
export function withWish(cell: MembershipRecord, desired: boolean, at: number): MembershipRecord | undefined {
  if (cell.desired === desired) return cell
  if (!desired && cell.applied === null && !isDoubtful(cell)) return undefined
  if (isDoubtful(cell)) return { ...cell, desired }
  // A refused or impossible write has left the device as it was read: what is applied stays confirmed.
  if (cell.applied !== null) return { ...cell, desired, outcome: 'confirmed', failure: null }
  return { ...cell, desired, outcome: 'planned', at, source: 'operator', failure: null }
}
