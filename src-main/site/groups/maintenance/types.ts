// Ports of maintenance: what it needs of the security layer, of devices, and of a place for operations that are under way.
import type { DeviceId, GroupId } from '#main/base/index.ts'
import type { MaintenanceKind, SecurityPlanLine } from '#contract/model.ts'
import type { SecurityGroupId } from '../security/index.ts'

/** Port: the security layer of groups, as far as maintenance asks it. */
export interface MaintenanceSecurity {
  /** Security groups that protect a group. */
  protectionOf(groupId: GroupId): readonly SecurityGroupId[]
  nameOf(id: SecurityGroupId): string
  /** Throws `group.not-found`. */
  protect(groupIds: readonly GroupId[], ids: readonly SecurityGroupId[]): void
  /** New keys for all members, now. Throws `security.not-ready`, `security.locked`. */
  rekey(id: SecurityGroupId): void
  /** What new keys cost. */
  rekeyingOf(id: SecurityGroupId): { readonly messages: number; readonly airTimeMs: number; readonly unreachable: readonly DeviceId[] }
  /** Security groups that have keys and that the device is a member of. */
  keyedGroupsOf(deviceId: DeviceId): readonly SecurityGroupId[]
  evict(id: SecurityGroupId, deviceIds: readonly DeviceId[]): void
  /** What devices have to be told yet, by `<deviceId> <securityGroupId>`. */
  readonly plan: {
    rows(): readonly SecurityPlanLine[]
    get(id: string): SecurityPlanLine | undefined
    subscribe(listener: (ids: readonly string[]) => void): () => void
  }
}

/** Port: what it does to devices besides their memberships. */
export interface MaintenanceDevices {
  rename(id: DeviceId, patch: { readonly name: string; readonly roomId: string | null; readonly comment: string }): void
  remove(id: DeviceId): void
  /** Certificates of the device that are valid now. */
  certificatesOf(id: DeviceId): readonly string[]
  revoke(serials: readonly string[], actor: string): void
}

/** What stays on record of an operation until every device has been told. */
export interface MaintenanceRecord {
  readonly id: string
  readonly kind: MaintenanceKind
  readonly name: string
  readonly at: number
  readonly jobId: string | null
  /** Subjects of plan lines, each with the number of its phase. */
  readonly phases: Readonly<Record<string, number>>
}

/** Port: records at rest. Durable when it returns. */
export interface MaintenanceStore {
  load(): readonly MaintenanceRecord[]
  save(records: readonly MaintenanceRecord[]): void
}
