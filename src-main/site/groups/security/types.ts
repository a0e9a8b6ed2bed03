// Security groups at rest, and the ports of the security layer: the store, the Group Manager, and a device's door.
// draft-ietf-core-groupcomm-bis §2.1.3.
import type { DeviceId, GroupId } from '#main/base/index.ts'
import type { Failure, Outcome, SecurityPolicy, SecuritySuite } from '#contract/model.ts'

export type SecurityGroupId = string

export interface SecurityGroupRecord {
  readonly id: SecurityGroupId
  readonly name: string
  readonly comment: string
  readonly roomId: string | null
  readonly suite: SecuritySuite
  readonly policy: SecurityPolicy
  /** Made by the tool for the groups of a room. */
  readonly automatic: boolean
}

/** How the requests of an application group are protected. No record: nobody has chosen yet. */
export interface ProtectionRecord {
  readonly groupId: GroupId
  /** None: left unprotected, with the reason. */
  readonly securityGroupIds: readonly SecurityGroupId[]
  readonly reason: string | null
  readonly automatic: boolean
}

export interface SecurityRoles {
  readonly requester: boolean
  readonly responder: boolean
}

/** What a device was told of a security group. */
export interface ToldMembership {
  readonly roles: SecurityRoles
  /** Names of application groups, sorted. */
  readonly applicationGroups: readonly string[]
}

/** A device that was told, or that could not be. What is only wished has no record. */
export interface SecurityMemberRecord {
  readonly deviceId: DeviceId
  readonly securityGroupId: SecurityGroupId
  readonly outcome: Outcome
  readonly at: number
  readonly failure: Failure | null
  /** What it is known to hold; null: nothing. */
  readonly told: ToldMembership | null
}

/** Port: security groups at rest. Every write is durable when the call returns. */
export interface SecurityStore {
  securityGroups(): readonly SecurityGroupRecord[]
  saveSecurityGroup(group: SecurityGroupRecord): void
  removeSecurityGroup(id: SecurityGroupId): void
  protections(): readonly ProtectionRecord[]
  saveProtection(protection: ProtectionRecord): void
  removeProtection(groupId: GroupId): void
  securityMembers(): readonly SecurityMemberRecord[]
  saveSecurityMembers(members: readonly SecurityMemberRecord[]): void
  removeSecurityMember(deviceId: DeviceId, securityGroupId: SecurityGroupId): void
  transaction<Result>(work: () => Result): Result
}

export interface ManagedGroup {
  readonly name: string
  readonly generation: number
  /** In hex. */
  readonly gid: string
  readonly rekeyedAtMs: number
  readonly expiresAtMs: number
  readonly leavesWaiting: number
  readonly rekeyDueAtMs: number | undefined
}

export interface ManagedMember {
  readonly identity: string
  readonly generation: number
  readonly keys: 'current' | 'told' | 'behind'
  /** New keys are brought to it; else it has to ask. */
  readonly reachable: boolean
  readonly failures: number
}

/** Port: the Group Manager. Identities of members are device ids. Absent where keys cannot be opened. */
export interface KeyManager {
  group(name: string): ManagedGroup | undefined
  members(name: string): readonly ManagedMember[]
  /** Makes the group or brings its configuration up to date. */
  ensure(group: SecurityGroupRecord, applicationGroups: readonly string[]): void
  /** Resolves when the tool itself is a member: before any device is, so that all of them know it. */
  toolJoined(name: string): Promise<void>
  remove(name: string): void
  /** Everything that the device may join from now on; what it is in beyond that ends. */
  authorise(deviceId: DeviceId, groups: ReadonlyArray<{ readonly name: string; readonly roles: SecurityRoles }>): void
  rekey(name: string): ManagedGroup
  evict(name: string, deviceIds: readonly DeviceId[]): ManagedGroup
  /** The tool itself can protect for the group and read its answers. */
  toolIsMember(name: string): boolean
  onChange(listener: (groupName: string) => void): () => void
}

export interface DeviceDoorState {
  readonly name: string
  readonly state: 'joining' | 'joined' | 'failed'
  readonly reason: string
}

/** Port: tells a device, under the keys that it shares with this tool, which security groups it is in. */
export interface DeviceDoor {
  /** Whether it offers this at all, and how many security groups it has room for; undefined while it has not been heard. */
  offer(deviceId: DeviceId): { readonly supported: boolean; readonly places: number | null } | undefined
  isEnrolled(deviceId: DeviceId): boolean
  read(deviceId: DeviceId, signal: AbortSignal): Promise<readonly DeviceDoorState[]>
  tell(deviceId: DeviceId, name: string, what: ToldMembership, signal: AbortSignal): Promise<void>
  release(deviceId: DeviceId, name: string, signal: AbortSignal): Promise<void>
  /** Told when a device was enrolled, or what it offers became known. */
  onChange(listener: (deviceIds: readonly DeviceId[]) => void): () => void
}
