// The findings of all checks, kept up edit by edit: what has changed is marked, and a moment later only its checks are made again, with
// those of whoever shares an address or a name with it. draft-ietf-core-groupcomm-bis-18 §2.1.4.
import { KeyedFeed, type Clock, type CoapGroupId, type DeviceId, type GroupId, type Timer } from '#main/base/index.ts'
import type { DeviceDirectory, DeviceRecord, RoomRecord } from '#main/site/devices/index.ts'
import type { FindingRow, NamingSettings, SecurityFindingRow, SecurityMemberRow, GroupProtectionRow } from '#contract/model.ts'
import { ethernetGroupOf, listAt, listSize, meshGroupOf, parseList } from '../address-ranges.ts'
import { canonicalAddress } from '../address.ts'
import { DEFAULT_ALLOCATION, fitsPolicy, type AllocationPolicy } from '../allocation.ts'
import type { GroupEngine } from '../engine.ts'
import { wireNameOf } from '../naming/index.ts'
import { holds } from '../plan.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, MembershipRecord } from '../types.ts'
import { Buckets } from './buckets.ts'
import { checkCoapGroup } from './coap-checks.ts'
import { checkGroup } from './group-checks.ts'
import { roomCandidates, type RoomCandidates } from './room-candidates.ts'
import { findingOfSecurity } from './security-findings.ts'
import { checkDevice, checkSite } from './site-checks.ts'
import type { CheckedMember, CheckedSite } from './types.ts'

/** What of the security layer is looked at. */
export interface RuleSecurity {
  readonly protections: KeyedFeed<GroupProtectionRow>
  readonly members: KeyedFeed<SecurityMemberRow>
  readonly findings: KeyedFeed<SecurityFindingRow>
}

export interface RulePorts {
  readonly groups: Pick<GroupEngine, 'book' | 'applicationFeed' | 'coapFeed' | 'membershipFeed'>
  readonly devices: DeviceDirectory
  readonly security: RuleSecurity | undefined
  readonly naming: () => NamingSettings
  readonly allocation: AllocationPolicy
  readonly siteName: () => string
  /** Whether any device, or those of a channel, are behind IEEE 802.15.4 frames. */
  readonly hasMesh: () => boolean
  readonly isMesh: (channelId: string) => boolean
  /** Places of a device's group table; null: not known. */
  readonly placesOf: (deviceId: DeviceId) => number | null
  readonly clock: Clock
}

/** Floods of changes share one check. */
const CHECK_AFTER_MS = 40
/** Longer lists of addresses are not counted through: they are hardly used up. */
const COUNTED_ADDRESSES = 4096
const SITE = 'site'

export class RuleBook {
  readonly feed = new KeyedFeed<FindingRow>((row) => row.id)
  readonly #ports: RulePorts
  readonly #ends: ReadonlyArray<() => void>
  readonly #dirtyGroups = new Set<GroupId>()
  readonly #dirtyCoap = new Set<CoapGroupId>()
  readonly #dirtyDevices = new Set<DeviceId>()
  #dirtySite = true
  #timer: Timer | undefined
  /** Ids of the findings that a subject has. */
  readonly #found = new Map<string, readonly string[]>()
  readonly #coapOf = new Map<GroupId, CoapGroupId>()
  readonly #byAddress = new Buckets()
  readonly #byEthernet = new Buckets()
  readonly #byMesh = new Buckets()
  readonly #byWireName = new Buckets()
  readonly #groupsByRoom = new Buckets()
  readonly #devicesByRoom = new Buckets()
  /** What was last known of a device, to notice what matters here. */
  readonly #deviceFacts = new Map<DeviceId, string>()

  constructor(ports: RulePorts) {
    this.#ports = ports
    const { groups, devices, security } = ports
    this.#ends = [
      groups.applicationFeed.subscribe((ids) => this.#onGroups(ids)),
      groups.coapFeed.subscribe((ids) => this.#onCoapGroups(ids)),
      groups.membershipFeed.subscribe((keys) => this.#onCells(keys)),
      devices.feed.subscribe((ids) => this.#onDevices(ids)),
      ...(security === undefined
        ? []
        : [
            security.protections.subscribe((ids) => this.#mark(this.#dirtyGroups, ids)),
            security.members.subscribe((keys) => this.#onKeys(keys)),
            security.findings.subscribe((ids) => this.#onSecurityFindings(ids)),
          ]),
    ]
    this.#onDevices(devices.feed.keys())
    this.#onCoapGroups(groups.coapFeed.keys())
    this.#onGroups(groups.applicationFeed.keys())
    if (security !== undefined) this.#onSecurityFindings(security.findings.keys())
    this.flush()
  }

  /** How groups are named or addressed, or where devices are, has changed: everything is checked again. */
  settingsChanged(): void {
    this.#dirtySite = true
    this.#onCoapGroups(this.#ports.groups.coapFeed.keys())
    this.#onGroups(this.#ports.groups.applicationFeed.keys())
  }

  /** Checks now what has changed. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const site = this.#site()
    const rows: FindingRow[] = []
    const gone: string[] = []
    const put = (owner: string, found: readonly FindingRow[]): void => {
      const ids = new Set(found.map(({ id }) => id))
      for (const id of this.#found.get(owner) ?? []) if (!ids.has(id)) gone.push(id)
      if (found.length === 0) this.#found.delete(owner)
      else this.#found.set(owner, [...ids])
      rows.push(...found)
    }
    for (const id of this.#dirtyGroups) put(`group ${id}`, this.#checkGroup(id, site))
    for (const id of this.#dirtyCoap) put(`coap ${id}`, this.#checkCoap(id, site))
    for (const id of this.#dirtyDevices) put(`device ${id}`, this.#checkDevice(id))
    if (this.#dirtySite) put(SITE, checkSite(site, this.#ports.siteName(), this.#hasAddressesLeft()))
    this.#dirtyGroups.clear()
    this.#dirtyCoap.clear()
    this.#dirtyDevices.clear()
    this.#dirtySite = false
    this.#tell(rows, gone)
  }

  /** Who of the group's room could be in it. */
  candidates(group: ApplicationGroupRecord): RoomCandidates {
    const { devices, groups, naming } = this.#ports
    if (group.roomId === null) return { members: [], clients: [] }
    const free = [...this.#devicesByRoom.at(group.roomId)].flatMap((id): DeviceRecord[] => {
      const device = devices.get(id)
      return device === undefined || groups.book.cell(id, group.id)?.desired === true ? [] : [device]
    })
    return free.length === 0 ? { members: [], clients: [] } : roomCandidates(group.name, this.#path(group.roomId), free, naming().template)
  }

  close(): void {
    this.#timer?.cancel()
    for (const end of this.#ends) end()
  }

  // ---- What has changed ------------------------------------------------------------------------------------------

  #mark<Id>(dirty: Set<Id>, ids: Iterable<Id>): void {
    for (const id of ids) dirty.add(id)
    this.#timer ??= this.#ports.clock.setTimer(CHECK_AFTER_MS, () => this.flush())
  }

  #onGroups(ids: readonly GroupId[]): void {
    const { book } = this.#ports.groups
    const naming = this.#ports.naming()
    const touched = new Set<GroupId>(ids)
    const coap = new Set<CoapGroupId>()
    for (const id of ids) {
      const group = inProject(book.groups.get(id))
      const before = this.#coapOf.get(id)
      if (before !== undefined) coap.add(before)
      if (group === undefined) this.#coapOf.delete(id)
      else {
        coap.add(group.coapGroupId)
        this.#coapOf.set(id, group.coapGroupId)
      }
      const target = group === undefined ? undefined : book.target(id)
      for (const other of this.#byWireName.put(id, target === undefined ? undefined : wireNameOf(naming, target))) touched.add(other)
      this.#groupsByRoom.put(id, group?.roomId ?? undefined)
    }
    this.#mark(this.#dirtyGroups, touched)
    this.#mark(this.#dirtyCoap, coap)
  }

  #onCoapGroups(ids: readonly CoapGroupId[]): void {
    const { book } = this.#ports.groups
    const touched = new Set<CoapGroupId>(ids)
    const groups: GroupId[] = []
    for (const id of ids) {
      const coap = book.coapFeed.get(id) === undefined ? undefined : book.coap.get(id)
      const address = coap === undefined ? undefined : canonicalAddress(coap.address)
      const keys = [
        [this.#byAddress, address],
        [this.#byEthernet, address === undefined ? undefined : ethernetGroupOf(address)],
        [this.#byMesh, address === undefined ? undefined : meshGroupOf(address)],
      ] as const
      for (const [buckets, key] of keys) for (const other of buckets.put(id, key)) touched.add(other)
      groups.push(...book.groupsOn(id).map((group) => group.id))
    }
    this.#mark(this.#dirtyCoap, touched)
    if (groups.length > 0) this.#onGroups(groups)
    if (this.#ports.allocation.settings?.policy === 'list') this.#dirtySite = true
  }

  #onCells(keys: readonly string[]): void {
    for (const key of keys) {
      const [deviceId = '', groupId = ''] = key.split(' ')
      this.#dirtyDevices.add(deviceId)
      this.#dirtyGroups.add(groupId)
      const coap = this.#coapOf.get(groupId)
      if (coap !== undefined) this.#dirtyCoap.add(coap)
    }
    this.#mark(this.#dirtyGroups, [])
  }

  #onKeys(keys: readonly string[]): void {
    const { book } = this.#ports.groups
    const groups = keys.flatMap((key) => book.cellsOfDevice(key.split(' ')[0] ?? '').map(({ groupId }) => groupId))
    this.#mark(this.#dirtyGroups, groups)
  }

  #onDevices(ids: readonly DeviceId[]): void {
    const { devices, groups } = this.#ports
    for (const id of ids) {
      const device = devices.get(id)
      const facts = device === undefined ? undefined : `${device.type} ${device.channelId ?? ''} ${device.profileId ?? ''} ${device.name}`
      const room = device?.roomId ?? undefined
      const roomBefore = this.#devicesByRoom.keyOf(id)
      this.#devicesByRoom.put(id, room)
      const isSame = this.#deviceFacts.get(id) === facts
      if (facts === undefined) this.#deviceFacts.delete(id)
      else this.#deviceFacts.set(id, facts)
      if (!isSame || roomBefore !== room) {
        for (const each of [roomBefore, room]) if (each !== undefined) this.#mark(this.#dirtyGroups, this.#groupsByRoom.at(each))
      }
      if (isSame) continue
      this.#mark(this.#dirtyDevices, [id])
      for (const { groupId } of groups.book.cellsOfDevice(id)) {
        this.#dirtyGroups.add(groupId)
        const coap = this.#coapOf.get(groupId)
        if (coap !== undefined) this.#dirtyCoap.add(coap)
      }
    }
  }

  /** Found elsewhere: taken over as they are. */
  #onSecurityFindings(ids: readonly string[]): void {
    const rows: FindingRow[] = []
    const gone: string[] = []
    for (const id of ids) {
      const row = this.#ports.security?.findings.get(id)
      if (row === undefined) gone.push(id)
      else rows.push(findingOfSecurity(row))
    }
    this.#tell(rows, gone)
  }

  // ---- The checks ------------------------------------------------------------------------------------------------

  #site(): CheckedSite {
    const { naming, allocation, hasMesh, isMesh } = this.#ports
    return { naming: naming(), allocation: allocation.settings ?? DEFAULT_ALLOCATION, hasMesh: hasMesh(), isMesh }
  }

  #checkGroup(id: GroupId, site: CheckedSite): readonly FindingRow[] {
    const { book } = this.#ports.groups
    const group = inProject(book.groups.get(id))
    const target = book.target(id)
    if (group === undefined || target === undefined) return []
    const protection = this.#ports.security?.protections.get(id)
    const candidates = this.candidates(group)
    return checkGroup(
      {
        id,
        name: group.name,
        address: target.address,
        port: target.port,
        secured: protection?.mode === 'secured',
        members: this.#members(book.cellsOfGroup(id), protection),
        roomMembers: candidates.members.length,
        roomClients: candidates.clients.length,
        namesakes: this.#byWireName.company(id).map((other) => book.groups.get(other)?.name ?? other),
      },
      site,
    )
  }

  #checkCoap(id: CoapGroupId, site: CheckedSite): readonly FindingRow[] {
    const { groups, allocation } = this.#ports
    const { book } = groups
    const coap = book.coapFeed.get(id) === undefined ? undefined : book.coap.get(id)
    if (coap === undefined) return []
    const served = book.groupsOn(id).filter((group) => !group.retired)
    const members = served.flatMap((group) => this.#members(book.cellsOfGroup(group.id), undefined))
    const known = members.filter(({ channelId }) => channelId !== null).map(({ deviceId }) => deviceId)
    const names = (ids: readonly CoapGroupId[], isOther: (other: CoapGroupRecord) => boolean): readonly string[] =>
      ids.flatMap((other) => {
        const record = book.coap.get(other)
        return record !== undefined && isOther(record) ? [record.name] : []
      })
    return checkCoapGroup(
      {
        ...coap,
        fitsPolicy: !coap.allocated || fitsPolicy(allocation, coap.address),
        groups: served.map((group) => group.name),
        members,
        neededScope: known.length === 0 ? undefined : (allocation.scopeFor?.(known) ?? allocation.scope),
        sameAddress: names(this.#byAddress.company(id), () => true),
        sameEthernet: names(this.#byEthernet.company(id), (other) => other.address !== coap.address),
        sameMesh: names(this.#byMesh.company(id), (other) => ethernetGroupOf(other.address) !== ethernetGroupOf(coap.address)),
        usualPortFree: book.coapGroupsAt(coap.address, 5683).length === 0,
      },
      site,
    )
  }

  #checkDevice(id: DeviceId): readonly FindingRow[] {
    const { devices, groups, placesOf } = this.#ports
    const device = devices.get(id)
    if (device === undefined) return []
    const wanted = groups.book.cellsOfDevice(id).filter(({ desired }) => desired)
    if (wanted.length === 0) return []
    const planned = wanted.filter(({ applied }) => applied === null).length
    return checkDevice({ id, name: device.name, places: placesOf(id), wanted: wanted.length, planned })
  }

  #members(cells: readonly MembershipRecord[], protection: GroupProtectionRow | undefined): readonly CheckedMember[] {
    const { devices, groups, security } = this.#ports
    return cells.flatMap((cell): CheckedMember[] => {
      const device = cell.desired ? devices.get(cell.deviceId) : undefined
      const target = groups.book.target(cell.groupId)
      if (device === undefined || target === undefined) return []
      const { id: deviceId, name, type, channelId } = device
      const applied = cell.applied === null ? 'unknown' : holds(cell.applied, target) ? 'as-wished' : 'elsewhere'
      const isKeyless = (securityGroupId: string): boolean => security?.members.get(`${deviceId} ${securityGroupId}`)?.keys === 'none'
      const keyless = applied === 'as-wished' && protection?.mode === 'secured' && protection.securityGroupIds.some(isKeyless)
      return [{ deviceId, name, type, channelId, applied, keyless }]
    })
  }

  #hasAddressesLeft(): boolean {
    const { settings } = this.#ports.allocation
    if (settings?.policy !== 'list') return true
    const parts = parseList(settings.list)
    const size = listSize(parts)
    if (size > COUNTED_ADDRESSES) return true
    const { book } = this.#ports.groups
    for (let index = 0; index < size; index++) if (!book.isAddressInUse(listAt(parts, index))) return true
    return false
  }

  #path(roomId: string): readonly RoomRecord[] {
    const path: RoomRecord[] = []
    const rooms = this.#ports.devices.roomFeed
    for (
      let room = rooms.get(roomId);
      room !== undefined && path.every(({ id }) => id !== room?.id);
      room = rooms.get(room.parentId ?? '')
    ) {
      path.push(room)
    }
    return path
  }

  /** Tells only what is new. */
  #tell(rows: readonly FindingRow[], gone: readonly string[]): void {
    const changed = rows.filter((row) => {
      const before = this.feed.get(row.id)
      return before === undefined || JSON.stringify(before) !== JSON.stringify(row)
    })
    this.feed.setAll(changed)
    this.feed.delete(gone.filter((id) => this.feed.get(id) !== undefined))
  }
}

function inProject(group: ApplicationGroupRecord | undefined): ApplicationGroupRecord | undefined {
  return group?.retired === false ? group : undefined
}
