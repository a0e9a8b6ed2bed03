// The feeds of the security layer, kept up from the catalogue, the Group Manager and the devices: rows that have not changed are not told again.
import { KeyedFeed, type Clock, type DeviceId, type GroupId, type Timer } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type {
  Failure,
  GroupProtectionRow,
  SecurityDeviceRow,
  SecurityFindingRow,
  SecurityGroupRow,
  SecurityMemberRow,
  SecurityPlanLine,
} from '#contract/model.ts'
import type { GroupBook } from '../book.ts'
import type { SecurityCatalogue } from './catalogue.ts'
import { memberChange, memberRow, securityMemberKey, type MemberFacts } from './member-view.ts'
import { findingsOf, type Relations } from './rules.ts'
import type { DeviceDoor, KeyManager, ManagedMember, SecurityGroupId, SecurityGroupRecord } from './types.ts'

export interface SecurityFeeds {
  readonly groups: KeyedFeed<SecurityGroupRow>
  readonly protections: KeyedFeed<GroupProtectionRow>
  readonly members: KeyedFeed<SecurityMemberRow>
  readonly devices: KeyedFeed<SecurityDeviceRow>
  readonly plan: KeyedFeed<SecurityPlanLine>
  readonly findings: KeyedFeed<SecurityFindingRow>
}

export interface ViewPorts {
  readonly catalogue: SecurityCatalogue
  readonly book: GroupBook
  readonly devices: DeviceDirectory
  readonly door: DeviceDoor
  readonly manager: KeyManager | undefined
  readonly clock: Clock
}

/** Findings are drawn anew so long after the last change at the latest. */
const FIND_AFTER_MS = 100

export class SecurityViews {
  readonly feeds: SecurityFeeds = {
    groups: new KeyedFeed((row) => row.id),
    protections: new KeyedFeed((row) => row.groupId),
    members: new KeyedFeed((row) => row.key),
    devices: new KeyedFeed((row) => row.deviceId),
    plan: new KeyedFeed((row) => row.id),
    findings: new KeyedFeed((row) => row.id),
  }
  readonly #ports: ViewPorts
  /** `<device> <group>` of every wished membership in an application group. */
  readonly #wished = new Set<string>()
  /** Why the Group Manager has not made a group. */
  readonly #failures = new Map<SecurityGroupId, Failure>()
  /** What was last known of a device, to notice what matters here. */
  readonly #deviceFacts = new Map<DeviceId, string>()
  /** Keys of the member rows of each group. */
  readonly #memberKeys = new Map<SecurityGroupId, ReadonlySet<string>>()
  #finding: Timer | undefined

  constructor(ports: ViewPorts) {
    this.#ports = ports
    for (const groupId of ports.book.groups.keys()) {
      for (const { deviceId, desired } of ports.book.cellsOfGroup(groupId)) if (desired) this.#wished.add(`${deviceId} ${groupId}`)
    }
    this.refreshProtections([...ports.book.groups.keys()])
    this.refresh(ports.catalogue.groups.keys())
    this.#find()
  }

  /** Whether a wish to be in an application group has come or gone. */
  wishChanged(deviceId: DeviceId, groupId: GroupId, desired: boolean): boolean {
    const key = `${deviceId} ${groupId}`
    if (this.#wished.has(key) === desired) return false
    if (desired) this.#wished.add(key)
    else this.#wished.delete(key)
    return true
  }

  /** Devices whose name, kind, reachability or door have changed, with all that hangs on them drawn anew. */
  devicesChanged(ids: readonly DeviceId[]): readonly DeviceId[] {
    const changed = ids.filter((id) => {
      const facts = this.#factsOf(id)
      if (this.#deviceFacts.get(id) === facts) return false
      if (facts === undefined) this.#deviceFacts.delete(id)
      else this.#deviceFacts.set(id, facts)
      return true
    })
    if (changed.length === 0) return changed
    this.refresh(new Set(changed.flatMap((id) => this.#ports.catalogue.groupsOfDevice(id))))
    return changed
  }

  refreshProtections(ids: readonly GroupId[]): void {
    const { catalogue } = this.#ports
    const rows: GroupProtectionRow[] = []
    const gone: string[] = []
    for (const groupId of ids) {
      if (!catalogue.isInProject(groupId)) {
        gone.push(groupId)
        continue
      }
      const protection = catalogue.protections.get(groupId)
      const securityGroupIds = [...(protection?.securityGroupIds ?? [])]
      const mode = protection === undefined ? 'open' : securityGroupIds.length === 0 ? 'nosec' : 'secured'
      rows.push({ groupId, mode, securityGroupIds, reason: protection?.reason ?? null, automatic: protection?.automatic ?? true })
    }
    put(this.feeds.protections, ({ groupId }) => groupId, rows)
    this.feeds.protections.delete(gone)
    this.findSoon()
  }

  /** Draws security groups anew, with their members, their plan lines and the devices in them. */
  refresh(ids: Iterable<SecurityGroupId>): void {
    const { catalogue } = this.#ports
    const devices = new Set<DeviceId>()
    const known = new Set<SecurityGroupId>()
    for (const id of ids) {
      if (!catalogue.groups.has(id)) continue
      known.add(id)
      for (const deviceId of catalogue.refreshWishes(id)) devices.add(deviceId)
    }
    if (known.size === 0) return
    this.#refreshDevices(devices)
    // Whether there is a place left hangs on all groups of a device.
    for (const deviceId of devices) {
      const row = this.feeds.devices.get(deviceId)
      if (row === undefined || row.places === null || row.needed <= row.places) continue
      for (const id of catalogue.groupsOfDevice(deviceId)) known.add(id)
    }
    for (const id of known) this.#refreshGroup(catalogue.group(id))
    this.findSoon()
  }

  removed(id: SecurityGroupId): void {
    this.feeds.groups.delete([id])
    const keys = [...(this.#memberKeys.get(id) ?? [])]
    this.#memberKeys.delete(id)
    this.feeds.members.delete(keys)
    this.feeds.plan.delete(keys)
    this.#failures.delete(id)
  }

  noteFailure(id: SecurityGroupId, failure: Failure | undefined): void {
    if (failure === undefined) this.#failures.delete(id)
    else this.#failures.set(id, failure)
  }

  facts(deviceId: DeviceId, group: SecurityGroupRecord): MemberFacts {
    const managed = this.#ports.manager?.members(group.name).find(({ identity }) => identity === deviceId)
    return this.#factsWith(deviceId, group, managed)
  }

  findSoon(): void {
    this.#finding ??= this.#ports.clock.setTimer(FIND_AFTER_MS, () => {
      this.#finding = undefined
      this.#find()
    })
  }

  close(): void {
    this.#finding?.cancel()
  }

  // ---- Inside ----------------------------------------------------------------------------------------------------

  #factsOf(id: DeviceId): string | undefined {
    const { devices, door } = this.#ports
    const device = devices.get(id)
    if (device === undefined) return undefined
    const offer = door.offer(id)
    const reach = device.at !== null && device.channelId !== null
    return JSON.stringify([device.name, device.type, reach, offer?.supported, offer?.places, door.isEnrolled(id)])
  }

  #factsWith(deviceId: DeviceId, group: SecurityGroupRecord, managed: ManagedMember | undefined): MemberFacts {
    const { catalogue, manager } = this.#ports
    return {
      deviceId,
      group,
      wish: catalogue.wishes(group.id).get(deviceId),
      record: catalogue.member(deviceId, group.id),
      managed,
      managerKnown: manager !== undefined,
    }
  }

  #refreshGroup(group: SecurityGroupRecord): void {
    const { catalogue, manager, devices } = this.#ports
    const managed = new Map(
      (manager?.members(group.name) ?? [])
        .filter(({ identity }) => devices.get(identity) !== undefined)
        .map((member) => [member.identity, member]),
    )
    const wishes = catalogue.wishes(group.id)
    const concerned = new Set([...wishes.keys(), ...catalogue.membersOf(group.id).keys(), ...managed.keys()])
    const rows: SecurityMemberRow[] = []
    const lines: SecurityPlanLine[] = []
    const settled: string[] = []
    for (const deviceId of concerned) {
      const facts = this.#factsWith(deviceId, group, managed.get(deviceId))
      rows.push(memberRow(facts))
      const line = this.#planLine(facts)
      if (line === undefined) settled.push(securityMemberKey(deviceId, group.id))
      else lines.push(line)
    }
    const present = new Set(rows.map(({ key }) => key))
    const gone = [...(this.#memberKeys.get(group.id) ?? [])].filter((key) => !present.has(key))
    this.#memberKeys.set(group.id, present)
    put(this.feeds.members, ({ key }) => key, rows)
    this.feeds.members.delete(gone)
    put(this.feeds.plan, ({ id }) => id, lines)
    this.feeds.plan.delete([...settled, ...gone].filter((key) => this.feeds.plan.get(key) !== undefined))
    put(this.feeds.groups, ({ id }) => id, [this.#groupRow(group, rows)])
  }

  #groupRow(group: SecurityGroupRecord, members: readonly SecurityMemberRow[]): SecurityGroupRow {
    const { catalogue, manager } = this.#ports
    const managed = manager?.group(group.name)
    const failure = this.#failures.get(group.id) ?? null
    const joined = members.filter(({ keys }) => keys !== 'none')
    return {
      ...group,
      outcome: managed !== undefined ? 'confirmed' : failure !== null ? 'failed' : 'planned',
      failure: managed === undefined ? failure : null,
      groupIds: [...catalogue.groupsOf(group.id)],
      generation: managed?.generation ?? null,
      gid: managed?.gid ?? null,
      rekeyedAt: managed?.rekeyedAtMs ?? null,
      expiresAt: managed === undefined ? null : Math.round(managed.expiresAtMs),
      wanted: catalogue.wishes(group.id).size,
      joined: joined.length,
      // Who has joined since was given them in the answer.
      current: joined.filter(({ desired, keys, generation }) => desired && keys !== 'behind' && generation === managed?.generation).length,
      leavesWaiting: managed?.leavesWaiting ?? 0,
      rekeyDueAt: managed?.rekeyDueAtMs === undefined ? null : Math.round(managed.rekeyDueAtMs),
      toolIsMember: managed !== undefined && manager?.toolIsMember(group.name) === true,
    }
  }

  #planLine(facts: MemberFacts): SecurityPlanLine | undefined {
    const change = memberChange(facts)
    if (change === undefined) return undefined
    const { deviceId, group, wish, record } = facts
    const about = wish ?? record?.told ?? { roles: { requester: false, responder: false }, applicationGroups: [] }
    return {
      id: securityMemberKey(deviceId, group.id),
      change,
      deviceId,
      deviceName: this.#ports.devices.get(deviceId)?.name ?? deviceId,
      securityGroupId: group.id,
      securityGroupName: group.name,
      requester: about.roles.requester,
      responder: about.roles.responder,
      applicationGroups: [...about.applicationGroups],
      failure: record?.failure ?? null,
      blocked: this.#blocked(facts, change),
    }
  }

  #blocked({ deviceId, group, record }: MemberFacts, change: SecurityPlanLine['change']): SecurityPlanLine['blocked'] {
    const { devices, door, catalogue } = this.#ports
    const device = devices.get(deviceId)
    const offer = door.offer(deviceId)
    if (device === undefined || device.at === null || device.channelId === null || offer === undefined) return 'not-seen'
    if (!offer.supported) return 'no-security'
    if (!door.isEnrolled(deviceId)) return 'not-enrolled'
    if (change !== 'join' || offer.places === null || (record?.told ?? null) !== null) return null
    const held = (id: SecurityGroupId): boolean => (catalogue.member(deviceId, id)?.told ?? null) !== null
    const mine = catalogue.groupsOfDevice(deviceId).filter((id) => catalogue.wishes(id).has(deviceId))
    const taken = mine.filter(held).length
    const before = mine.filter((id) => !held(id) && id < group.id).length
    return taken + before < offer.places ? null : 'no-place'
  }

  #refreshDevices(ids: Iterable<DeviceId>): void {
    const { catalogue, door } = this.#ports
    const rows: SecurityDeviceRow[] = []
    const gone: string[] = []
    for (const deviceId of ids) {
      const needed = catalogue.groupsOfDevice(deviceId).filter((id) => catalogue.wishes(id).has(deviceId)).length
      const offer = door.offer(deviceId)
      if (needed === 0) gone.push(deviceId)
      else {
        rows.push({
          deviceId,
          supported: offer?.supported ?? null,
          enrolled: door.isEnrolled(deviceId),
          places: offer?.places ?? null,
          needed,
        })
      }
    }
    put(this.feeds.devices, ({ deviceId }) => deviceId, rows)
    this.feeds.devices.delete(gone.filter((id) => this.feeds.devices.get(id) !== undefined))
  }

  #find(): void {
    const findings = findingsOf(this.#relations())
    const ids = new Set(findings.map(({ id }) => id))
    put(this.feeds.findings, ({ id }) => id, findings)
    this.feeds.findings.delete(this.feeds.findings.keys().filter((id) => !ids.has(id)))
  }

  #relations(): Relations {
    const { book, devices, door } = this.#ports
    return {
      groups: this.feeds.protections.rows().flatMap(({ groupId, mode, securityGroupIds, reason }) => {
        const group = book.groups.get(groupId)
        if (group === undefined) return []
        const members = book.cellsOfGroup(groupId).flatMap(({ deviceId, desired }) => {
          const device = desired ? devices.get(deviceId) : undefined
          return device === undefined ? [] : [{ deviceId, name: device.name, supported: door.offer(deviceId)?.supported ?? null }]
        })
        return [{ id: groupId, name: group.name, coapGroupId: group.coapGroupId, mode, securityGroupIds, reason, members }]
      }),
      securityGroups: this.feeds.groups.rows().map((row) => {
        const members = [...this.#ports.catalogue.wishes(row.id).values()]
        return {
          id: row.id,
          name: row.name,
          suite: row.suite,
          requesters: members.filter(({ roles }) => roles.requester).length,
          responders: members.filter(({ roles }) => roles.responder).length,
          joined: row.joined,
          behind: [...(this.#memberKeys.get(row.id) ?? [])].filter((key) => this.feeds.members.get(key)?.keys === 'behind').length,
          leavesWaiting: row.leavesWaiting,
        }
      }),
      coapGroups: book.coapFeed.rows().map(({ id, name, address }) => ({ id, name, address })),
      devices: this.feeds.devices.rows().map(({ deviceId, places, needed }) => ({
        id: deviceId,
        name: devices.get(deviceId)?.name ?? deviceId,
        places,
        needed,
      })),
    }
  }
}

/** Sets the rows that differ from those that are there. */
function put<Row extends object>(feed: KeyedFeed<Row>, keyOf: (row: Row) => string, rows: readonly Row[]): void {
  feed.setAll(
    rows.filter((row) => {
      const before = feed.get(keyOf(row))
      return before === undefined || JSON.stringify(before) !== JSON.stringify(row)
    }),
  )
}
