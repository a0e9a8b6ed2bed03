// The security groups, protections and members of a site in memory, with the indices between them. draft-ietf-core-groupcomm-bis §2.1.4.
import { AppError, type DeviceId, type GroupId } from '#main/base/index.ts'
import type { GroupBook } from '../book.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type {
  ProtectionRecord,
  SecurityGroupId,
  SecurityGroupRecord,
  SecurityMemberRecord,
  SecurityStore,
  ToldMembership,
} from './types.ts'
import { wishesOf } from './wishes.ts'

const NO_MEMBERS: ReadonlyMap<DeviceId, SecurityMemberRecord> = new Map()
const NO_WISHES: ReadonlyMap<DeviceId, ToldMembership> = new Map()

export class SecurityCatalogue {
  readonly groups = new Map<SecurityGroupId, SecurityGroupRecord>()
  readonly protections = new Map<GroupId, ProtectionRecord>()
  readonly #members = new Map<SecurityGroupId, Map<DeviceId, SecurityMemberRecord>>()
  readonly #wishes = new Map<SecurityGroupId, ReadonlyMap<DeviceId, ToldMembership>>()
  readonly #groupsOfDevice = new Map<DeviceId, Set<SecurityGroupId>>()
  readonly #book: GroupBook
  readonly #devices: DeviceDirectory

  constructor(store: SecurityStore, book: GroupBook, devices: DeviceDirectory) {
    this.#book = book
    this.#devices = devices
    for (const group of store.securityGroups()) this.groups.set(group.id, group)
    for (const protection of store.protections()) this.protections.set(protection.groupId, protection)
    for (const member of store.securityMembers()) this.putMember(member)
    for (const id of this.groups.keys()) this.refreshWishes(id)
  }

  /** Throws `group.not-found`. */
  group(id: SecurityGroupId): SecurityGroupRecord {
    const group = this.groups.get(id)
    if (group === undefined) throw new AppError('group.not-found', `No security group ${id}`, { details: { id } })
    return group
  }

  named(name: string): SecurityGroupRecord | undefined {
    for (const group of this.groups.values()) if (group.name === name) return group
    return undefined
  }

  membersOf(id: SecurityGroupId): ReadonlyMap<DeviceId, SecurityMemberRecord> {
    return this.#members.get(id) ?? NO_MEMBERS
  }

  member(deviceId: DeviceId, id: SecurityGroupId): SecurityMemberRecord | undefined {
    return this.#members.get(id)?.get(deviceId)
  }

  putMember(member: SecurityMemberRecord): void {
    const known = this.#members.get(member.securityGroupId) ?? new Map<DeviceId, SecurityMemberRecord>()
    this.#members.set(member.securityGroupId, known.set(member.deviceId, member))
    this.#touch(member.deviceId, member.securityGroupId)
  }

  dropMember(deviceId: DeviceId, id: SecurityGroupId): void {
    this.#members.get(id)?.delete(deviceId)
  }

  dropGroup(id: SecurityGroupId): void {
    this.groups.delete(id)
    this.#members.delete(id)
    this.#wishes.delete(id)
  }

  wishes(id: SecurityGroupId): ReadonlyMap<DeviceId, ToldMembership> {
    return this.#wishes.get(id) ?? NO_WISHES
  }

  /** Application groups that are protected by it and in the project. */
  groupsOf(id: SecurityGroupId): readonly GroupId[] {
    return [...this.protections.values()].flatMap(({ groupId, securityGroupIds }) =>
      securityGroupIds.includes(id) && this.isInProject(groupId) ? [groupId] : [],
    )
  }

  isInProject(groupId: GroupId): boolean {
    return this.#book.groups.get(groupId)?.retired === false
  }

  /** Security groups that a device is or shall be in. */
  groupsOfDevice(deviceId: DeviceId): readonly SecurityGroupId[] {
    return [...(this.#groupsOfDevice.get(deviceId) ?? [])].filter(
      (id) => this.wishes(id).has(deviceId) || this.member(deviceId, id) !== undefined,
    )
  }

  /** Draws the wishes of a group anew; answers the devices whose wishes it was and is about. */
  refreshWishes(id: SecurityGroupId): ReadonlySet<DeviceId> {
    const before = this.wishes(id)
    const wishes = wishesOf(
      this.groupsOf(id).map((groupId) => ({
        name: this.#book.groups.get(groupId)?.name ?? groupId,
        members: this.#book.cellsOfGroup(groupId).flatMap(({ deviceId, desired }) => {
          const type = desired ? this.#devices.get(deviceId)?.type : undefined
          return type === undefined ? [] : [{ deviceId, type }]
        }),
      })),
    )
    this.#wishes.set(id, wishes)
    for (const deviceId of wishes.keys()) this.#touch(deviceId, id)
    return new Set([...before.keys(), ...wishes.keys()])
  }

  #touch(deviceId: DeviceId, id: SecurityGroupId): void {
    const known = this.#groupsOfDevice.get(deviceId)
    if (known === undefined) this.#groupsOfDevice.set(deviceId, new Set([id]))
    else known.add(id)
  }
}
