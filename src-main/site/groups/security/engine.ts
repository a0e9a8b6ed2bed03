// The security layer of a site: what a person may do to security groups and to the protection of groups, and the feeds of it.
// draft-ietf-core-groupcomm-bis §2.1.4, §2.2.2, §5.2.
import { AppError, newId, toAppError, type Clock, type DeviceId, type GroupId, type Logger, type Random } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { ItemContext, ItemResult } from '#main/site/jobs/index.ts'
import type { EvictionEffect, SecurityPolicy, SecuritySuite } from '#contract/model.ts'
import type { GroupEngine, JobItem } from '../engine.ts'
import { SecurityCatalogue } from './catalogue.ts'
import { securityGroupNames } from './defaults.ts'
import { evictionEffectOf } from './effects.ts'
import { reloadSecurity, type SecurityKeys } from './reload.ts'
import { createSecurityRunner } from './run.ts'
import { checkSecurityGroupName, DEFAULT_POLICY } from './suites.ts'
import type { DeviceDoor, KeyManager, ProtectionRecord, SecurityGroupId, SecurityGroupRecord, SecurityStore } from './types.ts'
import { SecurityViews, type SecurityFeeds } from './views.ts'

export interface SecurityOptions {
  readonly store: SecurityStore
  readonly groups: GroupEngine
  readonly devices: DeviceDirectory
  readonly door: DeviceDoor
  /** The Group Manager; undefined while its keys cannot be opened. */
  readonly manager: KeyManager | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface NewSecurityGroup {
  readonly name: string
  readonly suite?: SecuritySuite
  readonly policy?: PolicyPatch
  readonly roomId?: string | null
  readonly comment?: string
  readonly groupIds?: readonly GroupId[]
}

export type PolicyPatch = { readonly [Key in keyof SecurityPolicy]?: SecurityPolicy[Key] | undefined }

export interface SecurityGroupPatch {
  readonly name?: string | undefined
  readonly suite?: SecuritySuite | undefined
  readonly policy?: PolicyPatch | undefined
  readonly comment?: string | undefined
}

export type Protection =
  | { readonly mode: 'secured'; readonly securityGroupIds: readonly SecurityGroupId[] }
  | { readonly mode: 'nosec'; readonly reason: string }
  | { readonly mode: 'automatic' }

export interface SecurityEngine {
  readonly feeds: SecurityFeeds
  /** Throws `group.name-invalid`, `group.name-taken`, `group.not-found`. */
  create(group: NewSecurityGroup): SecurityGroupId
  /** Throws `group.not-found`, `group.name-*`, `security.name-fixed`. */
  update(id: SecurityGroupId, patch: SecurityGroupPatch): void
  /** Throws `group.in-use` while it protects a group or has members. */
  remove(id: SecurityGroupId): void
  protect(groupIds: readonly GroupId[], how: Protection): void
  /** New keys for all members, now. Throws `security.not-ready`, `security.locked`. */
  rekey(id: SecurityGroupId): number
  evictionEffect(id: SecurityGroupId, deviceIds: readonly DeviceId[]): EvictionEffect
  /** Takes devices out for good, and out of the groups that it protects. */
  evict(id: SecurityGroupId, deviceIds: readonly DeviceId[]): number
  /** How requests to a group are to be sent: the security groups that protect it by name; undefined: unprotected by choice. Throws `security.not-chosen`. */
  protectionOf(groupId: GroupId): readonly string[] | undefined
  /** What applying has to do: leaves first. Subjects are keys of members. */
  items(lineIds?: readonly string[], isQueued?: (subject: string) => boolean): readonly JobItem[]
  isSubject(subject: string): boolean
  run(subject: string, context: ItemContext): Promise<ItemResult>
  /** Takes over security groups and protections that have changed in the store under it; `meanwhile` devices and groups do so. */
  reload(keys: SecurityKeys, meanwhile: () => void): void
  close(): void
}

const ID_PREFIX = 'sec'

export function createSecurity(options: SecurityOptions): SecurityEngine {
  const { store, groups, devices, door, manager, clock, random, logger } = options
  const { book } = groups
  const catalogue = new SecurityCatalogue(store, book, devices)
  const views = new SecurityViews({ catalogue, book, devices, door, manager, clock })
  const runner = createSecurityRunner({ catalogue, views, store, groups, devices, door, manager, clock })

  let isReloading = false

  // ---- What follows from elsewhere -------------------------------------------------------------------------------

  const onGroups = (ids: readonly string[]): void => {
    const touched = new Set<SecurityGroupId>()
    const gone: GroupId[] = []
    for (const id of ids) {
      const protection = catalogue.protections.get(id)
      for (const securityGroupId of protection?.securityGroupIds ?? []) touched.add(securityGroupId)
      if (protection !== undefined && book.groups.get(id) === undefined) gone.push(id)
    }
    if (gone.length > 0) {
      attempt('protections of removed groups', () =>
        store.transaction(() => {
          for (const id of gone) store.removeProtection(id)
        }),
      )
      for (const id of gone) catalogue.protections.delete(id)
    }
    views.refreshProtections(ids)
    views.refresh(touched)
    chooseDefaults(ids)
  }
  const onCells = (keys: readonly string[]): void => {
    const concerned = new Set<GroupId>()
    for (const key of keys) {
      const [deviceId = '', groupId = ''] = key.split(' ')
      if (views.wishChanged(deviceId, groupId, book.cell(deviceId, groupId)?.desired === true)) concerned.add(groupId)
    }
    if (concerned.size === 0) return
    const touched = new Set([...concerned].flatMap((id) => catalogue.protections.get(id)?.securityGroupIds ?? []))
    views.refresh(touched)
    views.refreshProtections([...concerned])
    chooseDefaults(concerned)
  }
  const onDevices = (ids: readonly DeviceId[]): void => {
    const touched = views.devicesChanged(ids)
    if (touched.length > 0) chooseDefaults(new Set(touched.flatMap((id) => book.cellsOfDevice(id).map(({ groupId }) => groupId))))
  }
  const ends = [
    groups.applicationFeed.subscribe(onGroups),
    groups.membershipFeed.subscribe(onCells),
    groups.coapFeed.subscribe(() => views.findSoon()),
    devices.feed.subscribe(onDevices),
    devices.onRemoved((ids) => forget(ids)),
    door.onChange(onDevices),
    manager?.onChange((name) => {
      const group = catalogue.named(name)
      if (group !== undefined) views.refresh([group.id])
    }) ?? (() => undefined),
  ]

  function attempt(what: string, work: () => void): void {
    try {
      work()
    } catch (thrown) {
      logger.error({ code: toAppError(thrown).code, what }, 'the security layer could not keep something')
    }
  }

  /** Groups that nobody has chosen for get the default, once a member is known to be able to join. */
  function chooseDefaults(ids: Iterable<GroupId>): void {
    // What is there by half is no reason to choose anything.
    if (manager === undefined || isReloading) return
    const open = [...ids].filter((id) => {
      if (catalogue.protections.has(id) || !catalogue.isInProject(id)) return false
      return book.cellsOfGroup(id).some(({ desired, deviceId }) => desired && door.offer(deviceId)?.supported === true)
    })
    if (open.length > 0) attempt('default protection', () => protectByDefault(open))
  }

  function protectByDefault(ids: readonly GroupId[]): void {
    const made: SecurityGroupRecord[] = []
    const protections: ProtectionRecord[] = []
    for (const id of ids) {
      const { name, roomId } = book.group(id)
      const known = (candidate: SecurityGroupRecord): boolean => candidate.automatic && candidate.roomId === roomId && roomId !== null
      let group = [...catalogue.groups.values(), ...made].find(known)
      if (group === undefined) {
        group = { ...blank(freeName(name, roomId, made)), roomId, automatic: true }
        made.push(group)
      }
      protections.push({ groupId: id, securityGroupIds: [group.id], reason: null, automatic: true })
    }
    save(made, protections)
  }

  function freeName(name: string, roomId: string | null, made: readonly SecurityGroupRecord[]): string {
    for (const candidate of securityGroupNames(devices, { name, roomId })) {
      if (catalogue.named(candidate) === undefined && !made.some((group) => group.name === candidate)) return candidate
    }
    throw new AppError('group.name-taken', 'No name is free')
  }

  function blank(name: string): SecurityGroupRecord {
    return { id: newId(ID_PREFIX, random), name, comment: '', roomId: null, suite: 'standard', policy: DEFAULT_POLICY, automatic: false }
  }

  /** Durable first, then visible. */
  function save(made: readonly SecurityGroupRecord[], protections: readonly ProtectionRecord[]): void {
    store.transaction(() => {
      for (const group of made) store.saveSecurityGroup(group)
      for (const protection of protections) store.saveProtection(protection)
    })
    const touched = new Set(made.map(({ id }) => id))
    for (const group of made) catalogue.groups.set(group.id, group)
    for (const protection of protections) {
      for (const id of catalogue.protections.get(protection.groupId)?.securityGroupIds ?? []) touched.add(id)
      catalogue.protections.set(protection.groupId, protection)
      for (const id of protection.securityGroupIds) touched.add(id)
    }
    views.refreshProtections(protections.map(({ groupId }) => groupId))
    views.refresh(touched)
  }

  /** Removed devices lose their keys: nobody is left to tell them. */
  function forget(ids: readonly DeviceId[]): void {
    const touched = new Set<SecurityGroupId>()
    attempt('members that were removed', () => {
      for (const deviceId of ids) {
        for (const id of catalogue.groupsOfDevice(deviceId)) {
          touched.add(id)
          if (catalogue.member(deviceId, id) === undefined) continue
          store.removeSecurityMember(deviceId, id)
          catalogue.dropMember(deviceId, id)
        }
        manager?.authorise(deviceId, [])
      }
    })
    views.refresh(touched)
  }

  // ---- What a person may do --------------------------------------------------------------------------------------

  function requireManager(): KeyManager {
    if (manager === undefined) throw new AppError('security.locked', 'The keys of the security groups cannot be opened')
    return manager
  }

  function requireReady(id: SecurityGroupId): { readonly group: SecurityGroupRecord; readonly keys: KeyManager } {
    const group = catalogue.group(id)
    const keys = requireManager()
    if (keys.group(group.name) === undefined)
      throw new AppError('security.not-ready', `${group.name} has no keys yet`, { details: { group: group.name } })
    return { group, keys }
  }

  function requireFree(name: string, self?: SecurityGroupId): void {
    const namesake = catalogue.named(name)
    if (namesake !== undefined && namesake.id !== self)
      throw new AppError('group.name-taken', `There is a security group called ${name}`, { details: { name } })
  }

  function namesOf(id: SecurityGroupId): readonly string[] {
    return catalogue.groupsOf(id).flatMap((groupId) => book.groups.get(groupId)?.name ?? [])
  }

  function create(wanted: NewSecurityGroup): SecurityGroupId {
    const name = checkSecurityGroupName(wanted.name)
    requireFree(name)
    for (const groupId of wanted.groupIds ?? []) book.group(groupId)
    const group: SecurityGroupRecord = {
      ...blank(name),
      comment: wanted.comment ?? '',
      roomId: wanted.roomId ?? null,
      suite: wanted.suite ?? 'standard',
      policy: withPatch(DEFAULT_POLICY, wanted.policy),
    }
    const chosen = (wanted.groupIds ?? []).map((groupId) => ({ groupId, securityGroupIds: [group.id], reason: null, automatic: false }))
    save([group], chosen)
    return group.id
  }

  function update(id: SecurityGroupId, patch: SecurityGroupPatch): void {
    const before = catalogue.group(id)
    const name = patch.name === undefined ? before.name : checkSecurityGroupName(patch.name)
    requireFree(name, id)
    const isKnown = manager?.group(before.name) !== undefined
    if (name !== before.name && isKnown) throw new AppError('security.name-fixed', 'Members know the group by this name')
    const after: SecurityGroupRecord = {
      ...before,
      name,
      suite: patch.suite ?? before.suite,
      policy: withPatch(before.policy, patch.policy),
      comment: patch.comment ?? before.comment,
    }
    if (isKnown) manager.ensure(after, namesOf(id))
    save([after], [])
  }

  function remove(id: SecurityGroupId): void {
    const group = catalogue.group(id)
    const users = namesOf(id)
    if (users.length > 0) {
      throw new AppError('group.in-use', 'Groups are protected by it', { details: { groups: users.slice(0, 20) } })
    }
    const told = [...catalogue.membersOf(id).values()].filter((member) => member.told !== null)
    if (told.length > 0) {
      throw new AppError('group.in-use', 'Devices are members of it still', {
        details: { devices: told.slice(0, 20).map(({ deviceId }) => devices.get(deviceId)?.name ?? deviceId) },
      })
    }
    manager?.remove(group.name)
    store.transaction(() => store.removeSecurityGroup(id))
    views.removed(id)
    catalogue.dropGroup(id)
    views.findSoon()
  }

  function protect(ids: readonly GroupId[], how: Protection): void {
    for (const id of ids) book.group(id)
    if (how.mode === 'secured') for (const id of how.securityGroupIds) catalogue.group(id)
    if (how.mode === 'automatic') {
      store.transaction(() => {
        for (const id of ids) store.removeProtection(id)
      })
      const touched = new Set(ids.flatMap((id) => catalogue.protections.get(id)?.securityGroupIds ?? []))
      for (const id of ids) catalogue.protections.delete(id)
      views.refreshProtections(ids)
      views.refresh(touched)
      chooseDefaults(ids)
      return
    }
    const securityGroupIds = how.mode === 'secured' ? [...new Set(how.securityGroupIds)] : []
    const reason = how.mode === 'nosec' ? how.reason : null
    save(
      [],
      ids.map((groupId) => ({ groupId, securityGroupIds, reason, automatic: false })),
    )
  }

  function evictionEffect(id: SecurityGroupId, deviceIds: readonly DeviceId[]): EvictionEffect {
    const group = catalogue.group(id)
    const out = new Set(deviceIds)
    const members = manager?.members(group.name) ?? []
    const isMember = new Set(members.map(({ identity }) => identity))
    return evictionEffectOf({
      securityGroupName: group.name,
      losers: deviceIds.map((deviceId) => ({ deviceId, name: devices.get(deviceId)?.name ?? deviceId, isMember: isMember.has(deviceId) })),
      applicationGroups: namesOf(id),
      remaining: members.filter(({ identity }) => !out.has(identity) && devices.get(identity) !== undefined),
    })
  }

  function evict(id: SecurityGroupId, deviceIds: readonly DeviceId[]): number {
    const { group, keys } = requireReady(id)
    // New keys first: whatever goes wrong after this, the evicted ones have none.
    const { generation } = keys.evict(group.name, deviceIds)
    const out = new Set(deviceIds)
    const cells = catalogue.groupsOf(id).flatMap((groupId) => book.cellsOfGroup(groupId))
    const changes = cells.filter(({ deviceId, desired }) => desired && out.has(deviceId)).map((cell) => ({ ...cell, desired: false }))
    if (changes.length > 0) groups.setMemberships(changes.map(({ deviceId, groupId, desired }) => ({ deviceId, groupId, desired })))
    for (const deviceId of deviceIds) {
      if (devices.get(deviceId) !== undefined)
        devices.record(deviceId, { source: 'operator', event: 'evicted', params: { group: group.name } })
    }
    views.refresh([id])
    return generation
  }

  chooseDefaults(book.groups.keys())
  return {
    feeds: views.feeds,
    create,
    update,
    remove,
    protect,
    rekey(id) {
      const { group, keys } = requireReady(id)
      return keys.rekey(group.name).generation
    },
    evictionEffect,
    evict,
    protectionOf(groupId) {
      const protection = catalogue.protections.get(groupId)
      if (protection === undefined) {
        const { name } = book.group(groupId)
        throw new AppError('security.not-chosen', `Nobody has chosen how ${name} is protected`, { details: { group: name } })
      }
      if (protection.securityGroupIds.length === 0) return undefined
      return protection.securityGroupIds.flatMap((id) => catalogue.groups.get(id)?.name ?? [])
    },
    items: (lineIds, isQueued) => runner.items(lineIds, isQueued),
    reload(keys, meanwhile) {
      isReloading = true
      try {
        reloadSecurity({ store, catalogue, views, manager, namesOf }, keys, meanwhile)
      } finally {
        isReloading = false
      }
    },
    isSubject: (subject) => subject.split(' ')[1]?.startsWith(`${ID_PREFIX}-`) === true,
    run: (subject, context) => runner.run(subject, context),
    close() {
      for (const end of ends) end()
      views.close()
    },
  }
}

function withPatch(policy: SecurityPolicy, patch: PolicyPatch = {}): SecurityPolicy {
  return {
    rekeyOnJoin: patch.rekeyOnJoin ?? policy.rekeyOnJoin,
    rekeyAfterLeaves: patch.rekeyAfterLeaves ?? policy.rekeyAfterLeaves,
    rekeyWithinMinutes: patch.rekeyWithinMinutes ?? policy.rekeyWithinMinutes,
    lifetimeDays: patch.lifetimeDays ?? policy.lifetimeDays,
  }
}
