// The groups of a site in memory: indices over what the store holds, and the feeds, kept up to date edit by edit so that the cost of
// an edit is that of what it touches. draft-ietf-core-groupcomm-bis §2.1.4.
import { type CoapGroupId, type DeviceId, type GroupId, AppError, KeyedFeed } from '#main/base/index.ts'
import type { DeviceDirectory, GroupTarget } from '#main/site/devices/index.ts'
import type { ApplicationGroupRow, CoapGroupRow, MembershipRow, NamingSettings, PlanLine } from '#contract/model.ts'
import { canonicalAddress, scopeOf } from './address.ts'
import { ethernetGroupOf } from './address-ranges.ts'
import { isOwnAddress, type AllocationPolicy } from './allocation.ts'
import { count, indexed, unindex } from './book-index.ts'
import { GroupCatalogue } from './catalogue.ts'
import type { CellRef, Edit } from './edit.ts'
import { applicationGroupUri, coapGroupUri } from './names.ts'
import { DEFAULT_NAMING } from './naming/index.ts'
import { isDoubtful, membershipKey, membershipRowOf, planLineOf, targetOf, type PlannedDevice } from './plan.ts'
import { editFromStore, type BookKeys } from './reload.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, GroupStore, MembershipRecord } from './types.ts'

export type { Edit } from './edit.ts'

interface GroupCounts {
  members: number
  confirmed: number
}

const NO_CELLS: ReadonlyMap<string, MembershipRecord> = new Map()

export class GroupBook {
  readonly applicationFeed = new KeyedFeed<ApplicationGroupRow>((row) => row.id)
  readonly coapFeed = new KeyedFeed<CoapGroupRow>((row) => row.id)
  readonly membershipFeed = new KeyedFeed<MembershipRow>((row) => row.key)
  readonly planFeed = new KeyedFeed<PlanLine>((line) => line.id)
  readonly #catalogue = new GroupCatalogue()
  readonly #store: GroupStore
  readonly #devices: DeviceDirectory
  readonly #byDevice = new Map<DeviceId, Map<GroupId, MembershipRecord>>()
  readonly #byGroup = new Map<GroupId, Map<DeviceId, MembershipRecord>>()
  readonly #counts = new Map<GroupId, GroupCounts>()
  readonly #groupCounts = new Map<DeviceId, number>()
  /** How many groups and device tables hold an address. */
  readonly #addressUse = new Map<string, number>()
  /** How many groups' frames go to a link-layer group. */
  readonly #linkUse = new Map<string, number>()

  readonly #allocation: AllocationPolicy
  /** How names of groups travel in requests. */
  readonly naming: () => NamingSettings

  constructor(
    store: GroupStore,
    devices: DeviceDirectory,
    allocation: AllocationPolicy,
    naming: () => NamingSettings = () => DEFAULT_NAMING,
  ) {
    this.#allocation = allocation
    this.naming = naming
    this.#store = store
    this.#devices = devices
    for (const group of store.coapGroups()) this.#putCoap(group)
    for (const group of store.applicationGroups()) this.#catalogue.putGroup(group)
    // A write that was under way when the program ended may have reached the device or not.
    const interrupted = store.memberships().filter((cell) => cell.outcome === 'sent')
    if (interrupted.length > 0) store.saveMemberships(interrupted.map((cell) => ({ ...cell, outcome: 'unknown' as const })))
    const cells = store.memberships()
    for (const cell of cells) this.#putCell(cell)
    this.#refreshCells(cells)
    this.#refreshGroups(this.groups.keys())
    this.#refreshCoap(this.coap.keys())
    this.#refreshCounts(new Set(cells.map((cell) => cell.deviceId)))
  }

  get coap(): ReadonlyMap<CoapGroupId, CoapGroupRecord> {
    return this.#catalogue.coap
  }

  get groups(): ReadonlyMap<GroupId, ApplicationGroupRecord> {
    return this.#catalogue.groups
  }

  cell(deviceId: DeviceId, groupId: GroupId): MembershipRecord | undefined {
    return this.#byDevice.get(deviceId)?.get(groupId)
  }

  cellsOfDevice(deviceId: DeviceId): readonly MembershipRecord[] {
    return [...(this.#byDevice.get(deviceId) ?? NO_CELLS).values()]
  }

  cellsOfGroup(groupId: GroupId): readonly MembershipRecord[] {
    return [...(this.#byGroup.get(groupId) ?? NO_CELLS).values()]
  }

  /** The group that is in the project under this id. Throws `group.not-found`. */
  group(id: GroupId): ApplicationGroupRecord {
    const group = this.groups.get(id)
    if (group === undefined || group.retired) throw new AppError('group.not-found', `No application group ${id}`, { details: { id } })
    return group
  }

  coapGroup(id: CoapGroupId): CoapGroupRecord {
    const group = this.coap.get(id)
    if (group === undefined) throw new AppError('group.not-found', `No CoAP group ${id}`, { details: { id } })
    return group
  }

  target(groupId: GroupId): GroupTarget | undefined {
    const group = this.groups.get(groupId)
    const coap = group === undefined ? undefined : this.coap.get(group.coapGroupId)
    return group === undefined || coap === undefined ? undefined : targetOf(group, coap)
  }

  isAddressInUse(address: string): boolean {
    return this.#addressUse.has(canonicalAddress(address)) || this.#allocation.holds?.has(address) === true
  }

  /** Whether frames to a group that there is go to the same link-layer group. */
  isAddressCrowded(address: string): boolean {
    return this.#linkUse.has(ethernetGroupOf(address))
  }

  /** The names of groups travel otherwise from now on: their URIs are drawn anew. */
  namingChanged(): void {
    this.#refreshCells([...this.groups.keys()].flatMap((id) => this.cellsOfGroup(id)))
    this.#refreshGroups(this.groups.keys())
  }

  /** Whether only this tool can have given the address to a device. */
  isOwnAddress(address: string): boolean {
    return isOwnAddress(this.#allocation, address)
  }

  groupNamed(name: string): ApplicationGroupRecord | undefined {
    return this.#catalogue.groupNamed(name)
  }

  coapGroupNamed(name: string): CoapGroupRecord | undefined {
    return this.#catalogue.coapGroupNamed(name)
  }

  coapGroupsAt(address: string, port: number): readonly CoapGroupRecord[] {
    return this.#catalogue.coapGroupsAt(address, port)
  }

  /** Application groups served by a CoAP group, retired ones too. */
  groupsOn(coapGroupId: CoapGroupId): readonly ApplicationGroupRecord[] {
    return this.#catalogue.groupsOn(coapGroupId)
  }

  /** Makes the edit durable, then visible. Retired groups that nobody holds any more go with it. */
  commit(edit: Edit): void {
    const whole = this.#withFinishedRetirements(edit)
    this.#allocation.holds?.before(whole, this)
    this.#store.transaction(() => this.#save(whole))
    this.#show(whole)
  }

  /** Takes over what has changed in the store under it. */
  reload(keys: BookKeys): void {
    const edit = editFromStore(this.#store, this, keys)
    this.#allocation.holds?.before(edit, this)
    this.#show(edit)
  }

  #show(edit: Required<Edit>): void {
    const touched = this.#remember(edit)
    this.#allocation.holds?.after(edit)
    this.#refreshCells(touched.cells)
    this.#refreshGroups(touched.groups)
    this.#refreshCoap(touched.coap)
    this.#refreshCounts(touched.devices)
  }

  /** Plan lines follow a device's name and reachability. */
  devicesChanged(ids: readonly DeviceId[]): void {
    for (const id of ids) {
      const cells = this.#byDevice.get(id)
      if (cells === undefined) continue
      const device = this.#plannedDevice(id)
      const changed = [...cells.keys()].some((groupId) => {
        const line = this.planFeed.get(membershipKey({ deviceId: id, groupId }))
        return line !== undefined && (line.deviceName !== device.name || line.blocked !== device.blocked)
      })
      if (changed) this.#refreshCells([...cells.values()])
    }
  }

  #save(edit: Required<Edit>): void {
    for (const group of edit.coap) this.#store.saveCoapGroup(group)
    for (const group of edit.groups) this.#store.saveApplicationGroup(group)
    if (edit.cells.length > 0) this.#store.saveMemberships(edit.cells)
    if (edit.removedCells.length > 0) this.#store.removeMemberships(edit.removedCells)
    for (const id of edit.removedGroups) this.#store.removeApplicationGroup(id)
    for (const id of edit.removedCoap) this.#store.removeCoapGroup(id)
  }

  #remember(edit: Required<Edit>): { cells: CellRef[]; groups: Set<GroupId>; coap: Set<CoapGroupId>; devices: Set<DeviceId> } {
    const groups = new Set<GroupId>([...edit.groups.map((group) => group.id), ...edit.removedGroups])
    const coap = new Set<CoapGroupId>([...edit.coap.map((group) => group.id), ...edit.removedCoap])
    for (const group of edit.groups) {
      coap.add(group.coapGroupId)
      coap.add(this.groups.get(group.id)?.coapGroupId ?? group.coapGroupId)
    }
    for (const group of edit.coap) this.#putCoap(group)
    for (const group of edit.groups) this.#catalogue.putGroup(group)
    for (const group of edit.coap) for (const served of this.groupsOn(group.id)) groups.add(served.id)
    // Whatever a group's target depends on has changed: all of its cells are looked at, and no others.
    const cells: CellRef[] = [...groups].flatMap((id) => this.cellsOfGroup(id))
    for (const cell of edit.cells) this.#putCell(cell)
    for (const cell of edit.removedCells) this.#dropCell(cell)
    cells.push(...edit.cells, ...edit.removedCells)
    for (const cell of [...edit.cells, ...edit.removedCells]) groups.add(cell.groupId)
    for (const id of edit.removedGroups) {
      coap.add(this.groups.get(id)?.coapGroupId ?? '')
      this.#catalogue.dropGroup(id)
    }
    for (const id of edit.removedCoap) this.#dropCoap(id)
    return { cells, groups, coap, devices: new Set([...edit.cells, ...edit.removedCells].map((cell) => cell.deviceId)) }
  }

  #withFinishedRetirements(edit: Edit): Required<Edit> {
    const { coap = [], removedCoap = [], groups = [], removedGroups = [], cells = [], removedCells = [] } = edit
    const gone = new Set(removedGroups)
    const after = new Map(groups.map((group) => [group.id, group]))
    const concerned = new Set([...after.keys(), ...removedCells.map((cell) => cell.groupId)])
    const leaving = new Set(removedCells.map(membershipKey))
    const coming = new Set(cells.map((cell) => cell.groupId))
    for (const id of concerned) {
      const group = after.get(id) ?? this.groups.get(id)
      if (group?.retired !== true || coming.has(id)) continue
      if (this.cellsOfGroup(id).every((cell) => leaving.has(membershipKey(cell)))) gone.add(id)
    }
    const goneCoap = new Set(removedCoap)
    for (const id of gone) {
      const group = after.get(id) ?? this.groups.get(id)
      const own = group === undefined ? undefined : this.coap.get(group.coapGroupId)
      if (own === undefined || group === undefined || !this.isOwn(own, group)) continue
      const rebound = groups.some((other) => other.coapGroupId === own.id && !gone.has(other.id))
      if (!rebound) goneCoap.add(own.id)
    }
    return {
      coap,
      cells,
      removedCells,
      groups: groups.filter((group) => !gone.has(group.id)),
      removedGroups: [...gone],
      removedCoap: [...goneCoap],
    }
  }

  /** Whether the CoAP group was made for this application group and serves no other. */
  isOwn(coap: CoapGroupRecord, group: ApplicationGroupRecord): boolean {
    return coap.allocated && coap.name === group.name && this.groupsOn(coap.id).every((other) => other.id === group.id)
  }

  #putCoap(group: CoapGroupRecord): void {
    this.#dropCoap(group.id)
    this.#catalogue.putCoap(group)
    this.#useAddress(group.address, 1)
    count(this.#linkUse, ethernetGroupOf(group.address), 1)
  }

  #dropCoap(id: CoapGroupId): void {
    const old = this.#catalogue.dropCoap(id)
    if (old === undefined) return
    this.#useAddress(old.address, -1)
    count(this.#linkUse, ethernetGroupOf(old.address), -1)
  }

  #putCell(cell: MembershipRecord): void {
    this.#dropCell(cell)
    indexed(this.#byDevice, cell.deviceId).set(cell.groupId, cell)
    indexed(this.#byGroup, cell.groupId).set(cell.deviceId, cell)
    if (cell.applied !== null) this.#useAddress(cell.applied.address, 1)
  }

  #dropCell(ref: CellRef): void {
    const old = this.cell(ref.deviceId, ref.groupId)
    if (old === undefined) return
    unindex(this.#byDevice, ref.deviceId, ref.groupId)
    unindex(this.#byGroup, ref.groupId, ref.deviceId)
    if (old.applied !== null) this.#useAddress(old.applied.address, -1)
  }

  #useAddress(text: string, by: 1 | -1): void {
    count(this.#addressUse, canonicalAddress(text), by)
  }

  #plannedDevice(id: DeviceId): PlannedDevice {
    const device = this.#devices.get(id)
    if (device === undefined) return { name: id, blocked: 'not-seen' }
    if (device.at === null || device.channelId === null) return { name: device.name, blocked: 'not-seen' }
    const withProfile = this.#devices.hasGroupTable?.(id) === false ? 'other-means' : null
    return { name: device.name, blocked: device.profileId === null ? 'no-profile' : withProfile }
  }

  #refreshCells(refs: readonly CellRef[]): void {
    const rows: MembershipRow[] = []
    const lines: PlanLine[] = []
    const goneRows: string[] = []
    const goneLines: string[] = []
    const devices = new Map<DeviceId, PlannedDevice>()
    for (const ref of uniqueCells(refs)) {
      const key = membershipKey(ref)
      const cell = this.cell(ref.deviceId, ref.groupId)
      const target = this.target(ref.groupId)
      const row = cell === undefined || target === undefined ? undefined : membershipRowOf(cell, target)
      this.#count(ref.groupId, this.membershipFeed.get(key), row)
      if (cell === undefined || target === undefined || row === undefined) {
        goneRows.push(key)
        goneLines.push(key)
        continue
      }
      rows.push(row)
      const device = devices.get(ref.deviceId) ?? this.#plannedDevice(ref.deviceId)
      devices.set(ref.deviceId, device)
      const line = planLineOf(cell, target, device, this.naming())
      if (line === undefined) goneLines.push(key)
      else lines.push(line)
    }
    this.membershipFeed.setAll(rows)
    this.membershipFeed.delete(goneRows)
    this.planFeed.setAll(lines)
    this.planFeed.delete(goneLines)
  }

  #count(groupId: GroupId, before: MembershipRow | undefined, after: MembershipRow | undefined): void {
    const counts = this.#counts.get(groupId) ?? { members: 0, confirmed: 0 }
    counts.members += Number(after?.desired ?? false) - Number(before?.desired ?? false)
    counts.confirmed += Number(isConfirmed(after)) - Number(isConfirmed(before))
    this.#counts.set(groupId, counts)
  }

  #refreshGroups(ids: Iterable<GroupId>): void {
    const rows: ApplicationGroupRow[] = []
    const gone: string[] = []
    for (const id of ids) {
      const group = this.groups.get(id)
      const coap = group === undefined ? undefined : this.coap.get(group.coapGroupId)
      if (group === undefined) this.#counts.delete(id)
      if (group === undefined || coap === undefined || group.retired) {
        gone.push(id)
        continue
      }
      const { name, coapGroupId, roomId, comment } = group
      const { members, confirmed } = this.#counts.get(id) ?? { members: 0, confirmed: 0 }
      rows.push({ id, name, coapGroupId, roomId, comment, uri: applicationGroupUri(coap, name, this.naming()), members, confirmed })
    }
    this.applicationFeed.setAll(rows)
    this.applicationFeed.delete(gone)
  }

  #refreshCoap(ids: Iterable<CoapGroupId>): void {
    const rows: CoapGroupRow[] = []
    const gone: string[] = []
    for (const id of ids) {
      const group = this.coap.get(id)
      const served = this.groupsOn(id)
      // What only retired groups still use is no part of the project any more.
      if (group === undefined || (served.length > 0 && served.every((other) => other.retired))) {
        gone.push(id)
        continue
      }
      const { name, address, port, allocated } = group
      rows.push({ id, name, address, port, allocated, scope: scopeOf(address), uri: coapGroupUri(group) })
    }
    this.coapFeed.setAll(rows)
    this.coapFeed.delete(gone)
  }

  /** Tells the inventory, as a whole, when the number of groups of a device has changed. */
  #refreshCounts(ids: Iterable<DeviceId>): void {
    let changed = false
    for (const id of ids) {
      const count = this.cellsOfDevice(id).filter((cell) => cell.desired).length
      if (count === (this.#groupCounts.get(id) ?? 0)) continue
      changed = true
      if (count === 0) this.#groupCounts.delete(id)
      else this.#groupCounts.set(id, count)
    }
    if (changed) this.#devices.setGroupCounts(new Map(this.#groupCounts))
  }

  /** Whether every desired membership of the device is confirmed and nothing else is left on it. */
  isSettled(deviceId: DeviceId): boolean {
    return this.cellsOfDevice(deviceId).every((cell) => !isDoubtful(cell) && !this.planFeed.get(membershipKey(cell)))
  }
}

function isConfirmed(row: MembershipRow | undefined): boolean {
  return row?.desired === true && row.outcome === 'confirmed'
}

function uniqueCells(refs: readonly CellRef[]): Iterable<CellRef> {
  return new Map(refs.map((ref) => [membershipKey(ref), ref])).values()
}
