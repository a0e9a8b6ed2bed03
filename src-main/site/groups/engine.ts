// The group configuration engine: what a person may do to groups, each as one durable edit of the book.
// draft-ietf-core-groupcomm-bis §2.2.2 and §2.2.4.
import {
  AppError,
  newId,
  type Clock,
  type CoapGroupId,
  type DeviceId,
  type GroupId,
  type KeyedFeed,
  type Logger,
  type Random,
} from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { JobRunner } from '#main/site/jobs/index.ts'
import type { ApplicationGroupRow, CoapGroupRow, DeviceType, MembershipChange, MembershipRow, PlanLine } from '#contract/model.ts'
import { readGroupAddress } from './address.ts'
import { allocateAddress, type AllocationPolicy } from './allocation.ts'
import { createApplyRunner } from './apply.ts'
import { GroupBook, type Edit } from './book.ts'
import { trackFaults } from './faults.ts'
import { planRoomGroups } from './from-rooms.ts'
import { createKeyedLock } from './keyed-lock.ts'
import { checkGroupName, checkGroupPort } from './names.ts'
import { orderedLines } from './order.ts'
import { membershipKey, withWish } from './plan.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, GroupStore, MembershipRecord } from './types.ts'
import { createIdentifyRunner, createVerifyRunner } from './verify.ts'

export interface GroupOptions {
  readonly store: GroupStore
  readonly devices: DeviceDirectory
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly allocation: AllocationPolicy
  /** Told after each edit of the project, not after facts from the network. */
  readonly onProjectChange?: () => void
}

export interface NewApplicationGroup {
  readonly name: string
  /** Absent: a new CoAP group of the same name with an allocated address. */
  readonly coapGroupId?: CoapGroupId | undefined
  readonly roomId?: string | null
  readonly comment?: string
  readonly members?: readonly DeviceId[]
}

export interface JobItem {
  readonly subject: string
  readonly label: string
}

export interface GroupEngine {
  readonly applicationFeed: KeyedFeed<ApplicationGroupRow>
  readonly coapFeed: KeyedFeed<CoapGroupRow>
  readonly membershipFeed: KeyedFeed<MembershipRow>
  readonly planFeed: KeyedFeed<PlanLine>
  /** Runners of the jobs `apply` (subjects: plan line ids), `verify` and `identify` (subjects: device ids). */
  readonly runners: readonly JobRunner[]
  readonly book: GroupBook
  createApplication(group: NewApplicationGroup): GroupId
  updateApplication(id: GroupId, patch: GroupPatch): void
  removeApplication(id: GroupId): void
  createCoap(group: { readonly name: string; readonly address?: string | undefined; readonly port?: number }): CoapGroupId
  updateCoap(id: CoapGroupId, patch: CoapPatch): void
  removeCoap(id: CoapGroupId): void
  setMemberships(changes: readonly MembershipChange[]): void
  /** Puts devices into groups by name, as an imported list asks; groups that are not there are made. */
  assign(pairs: ReadonlyArray<{ readonly deviceId: DeviceId; readonly groupName: string }>): void
  fromRooms(wish: { readonly types: readonly DeviceType[]; readonly roomIds?: readonly string[] | undefined }): {
    groups: number
    memberships: number
  }
  /** The requests behind plan lines as text; unknown and unsupported lines have none. */
  requests(lineIds: readonly string[]): ReadonlyArray<{ lineId: string; requests: string[] }>
  /** Items of an apply job: the given lines or all that can be run, devices in turn, removals first. */
  applyItems(lineIds?: readonly string[]): readonly JobItem[]
  /** Items of a verify job: every device that is in one of the groups or may still be. */
  verifyItems(groupIds: readonly GroupId[]): readonly JobItem[]
  identifyItems(ids: readonly DeviceId[]): readonly JobItem[]
  /** For how long `identify` lets devices show themselves from now on. */
  setIdentifySeconds(seconds: number): void
  close(): void
}

export interface GroupPatch {
  readonly name?: string | undefined
  readonly coapGroupId?: CoapGroupId | undefined
  readonly roomId?: string | null | undefined
  readonly comment?: string | undefined
}

export interface CoapPatch {
  readonly name?: string | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
}

const DEFAULT_PORT = 5683

export function createGroups(options: GroupOptions): GroupEngine {
  const { store, devices, clock, random, allocation } = options
  const book = new GroupBook(store, devices, allocation)
  const locks = createKeyedLock()
  const faults = trackFaults(devices, clock)
  let identifySeconds = 10
  const subscriptions = [
    devices.feed.subscribe((ids) => book.devicesChanged(ids)),
    devices.roomFeed.subscribe((ids) => {
      const gone = new Set(ids.filter((id) => devices.roomFeed.get(id) === undefined))
      const groups = gone.size === 0 ? [] : [...book.groups.values()].filter((group) => group.roomId !== null && gone.has(group.roomId))
      if (groups.length > 0) book.commit({ groups: groups.map((group) => ({ ...group, roomId: null })) })
    }),
    devices.onRemoved((ids) => {
      const cells = ids.flatMap((id) => book.cellsOfDevice(id))
      if (cells.length > 0) book.commit({ removedCells: cells })
    }),
  ]

  function edit(change: Edit): void {
    book.commit(change)
    options.onProjectChange?.()
  }

  function allocated(): string {
    return allocateAddress(allocation, random, (address) => book.isAddressInUse(address))
  }

  function requireFreeCoapName(name: string, self?: CoapGroupId): void {
    const other = book.coapGroupNamed(name)
    if (other !== undefined && other.id !== self) throw taken('name', name)
  }

  function requireFreeAddress(address: string, port: number, self?: CoapGroupId): void {
    for (const group of book.coap.values()) {
      if (group.id === self || group.address !== address || group.port !== port) continue
      throw new AppError('group.address-taken', `${address} port ${port} is that of ${group.name}`, {
        details: { address, port, group: group.name },
      })
    }
  }

  function newCoap(name: string): CoapGroupRecord {
    let free = name
    for (let suffix = 2; book.coapGroupNamed(free) !== undefined; suffix++) free = `${name}-${suffix}`
    return { id: newId('coap', random), name: checkGroupName(free), address: allocated(), port: DEFAULT_PORT, allocated: true }
  }

  function newCell(deviceId: DeviceId, groupId: GroupId): MembershipRecord {
    if (devices.get(deviceId) === undefined) throw new AppError('device.not-found', `No device ${deviceId}`, { details: { id: deviceId } })
    return { deviceId, groupId, desired: true, outcome: 'planned', at: clock.now(), source: 'operator', failure: null, applied: null }
  }

  /** The cells to save and to drop so that the memberships become as wished. */
  function wishes(changes: readonly MembershipChange[]): Required<Pick<Edit, 'cells' | 'removedCells'>> {
    const after = new Map<string, { ref: MembershipChange; cell: MembershipRecord | undefined }>()
    for (const change of changes) {
      const key = membershipKey(change)
      const known = after.get(key)
      const before = known === undefined ? book.cell(change.deviceId, change.groupId) : known.cell
      let cell: MembershipRecord | undefined
      if (before !== undefined) cell = withWish(before, change.desired, clock.now())
      else if (change.desired) cell = newCell(change.deviceId, change.groupId)
      after.set(key, { ref: change, cell })
    }
    const cells: MembershipRecord[] = []
    const removedCells: MembershipRecord[] = []
    for (const { ref, cell } of after.values()) {
      const before = book.cell(ref.deviceId, ref.groupId)
      if (cell === undefined && before !== undefined) removedCells.push(before)
      if (cell !== undefined && cell !== before) cells.push(cell)
    }
    return { cells, removedCells }
  }

  function createApplication(group: NewApplicationGroup): GroupId {
    const name = checkGroupName(group.name)
    const namesake = book.groupNamed(name)
    if (namesake !== undefined && !namesake.retired) throw taken('name', name)
    const coap = group.coapGroupId === undefined ? reusableCoap(namesake) : book.coapGroup(group.coapGroupId)
    const served = coap ?? newCoap(name)
    // A retired group of the name comes back to life: devices tell groups apart by name only.
    const id = namesake?.id ?? newId('group', random)
    const record: ApplicationGroupRecord = {
      id,
      name,
      coapGroupId: served.id,
      roomId: group.roomId ?? null,
      comment: group.comment ?? '',
      retired: false,
    }
    const members = wishes((group.members ?? []).map((deviceId) => ({ deviceId, groupId: id, desired: true })))
    const left = reusableCoap(namesake)
    const removedCoap = left === undefined || left.id === served.id ? [] : [left.id]
    edit({ coap: coap === undefined ? [served] : [], removedCoap, groups: [record], ...members })
    return id
  }

  function reusableCoap(namesake: ApplicationGroupRecord | undefined): CoapGroupRecord | undefined {
    const own = namesake === undefined ? undefined : book.coap.get(namesake.coapGroupId)
    return own !== undefined && namesake !== undefined && book.isOwn(own, namesake) ? own : undefined
  }

  function updateApplication(id: GroupId, patch: GroupPatch): void {
    const before = book.group(id)
    const name = patch.name === undefined ? before.name : checkGroupName(patch.name)
    const namesake = book.groupNamed(name)
    if (namesake !== undefined && namesake.id !== id) throw taken('name', name, namesake.retired)
    const oldCoap = book.coapGroup(before.coapGroupId)
    const newCoapId = patch.coapGroupId === undefined ? oldCoap.id : book.coapGroup(patch.coapGroupId).id
    const own = book.isOwn(oldCoap, before)
    const group: ApplicationGroupRecord = {
      ...before,
      name,
      coapGroupId: newCoapId,
      roomId: patch.roomId === undefined ? before.roomId : patch.roomId,
      comment: patch.comment ?? before.comment,
    }
    const followsName = own && newCoapId === oldCoap.id && name !== before.name && book.coapGroupNamed(name) === undefined
    edit({
      groups: [group],
      coap: followsName ? [{ ...oldCoap, name }] : [],
      removedCoap: own && newCoapId !== oldCoap.id ? [oldCoap.id] : [],
    })
  }

  function removeApplication(id: GroupId): void {
    const group = book.group(id)
    const members = wishes(book.cellsOfGroup(id).map(({ deviceId }) => ({ deviceId, groupId: id, desired: false })))
    edit({ groups: [{ ...group, retired: true }], ...members })
  }

  function createCoap(group: { readonly name: string; readonly address?: string | undefined; readonly port?: number }): CoapGroupId {
    const name = checkGroupName(group.name)
    requireFreeCoapName(name)
    const port = checkGroupPort(group.port ?? DEFAULT_PORT)
    const address = group.address === undefined ? allocated() : readGroupAddress(group.address)
    requireFreeAddress(address, port)
    const id = newId('coap', random)
    edit({ coap: [{ id, name, address, port, allocated: group.address === undefined }] })
    return id
  }

  function updateCoap(id: CoapGroupId, patch: CoapPatch): void {
    const before = book.coapGroup(id)
    const name = patch.name === undefined ? before.name : checkGroupName(patch.name)
    requireFreeCoapName(name, id)
    const port = patch.port === undefined ? before.port : checkGroupPort(patch.port)
    const address = patch.address === undefined ? before.address : readGroupAddress(patch.address)
    requireFreeAddress(address, port, id)
    edit({ coap: [{ id, name, address, port, allocated: before.allocated && address === before.address }] })
  }

  function removeCoap(id: CoapGroupId): void {
    book.coapGroup(id)
    const users = book.groupsOn(id)
    if (users.length > 0) {
      throw new AppError('group.in-use', 'Application groups are served by it', {
        details: { groups: users.slice(0, 20).map((group) => group.name) },
      })
    }
    edit({ removedCoap: [id] })
  }

  function setMemberships(changes: readonly MembershipChange[]): void {
    for (const change of changes) book.group(change.groupId)
    const change = wishes(changes)
    if (change.cells.length + change.removedCells.length > 0) edit(change)
  }

  function assign(pairs: ReadonlyArray<{ readonly deviceId: DeviceId; readonly groupName: string }>): void {
    const ids = new Map([...book.groups.values()].filter((group) => !group.retired).map((group) => [group.name, group.id]))
    const named = pairs.map((pair) => ({ deviceId: pair.deviceId, name: checkGroupName(pair.groupName) }))
    for (const { deviceId } of named) newCell(deviceId, '')
    const changes = named.map(({ deviceId, name }) => {
      const groupId = ids.get(name) ?? createApplication({ name })
      ids.set(name, groupId)
      return { deviceId, groupId, desired: true }
    })
    if (changes.length > 0) setMemberships(changes)
  }

  function fromRooms(wish: { readonly types: readonly DeviceType[]; readonly roomIds?: readonly string[] | undefined }): {
    groups: number
    memberships: number
  } {
    let groups = 0
    let memberships = 0
    for (const planned of planRoomGroups(devices, [...book.groups.values()], wish)) {
      const known = planned.groupId === undefined ? undefined : book.group(planned.groupId)
      const id = known?.id ?? createApplication({ name: planned.name, roomId: planned.roomId })
      if (known === undefined) groups++
      else if (known.roomId === null) updateApplication(id, { roomId: planned.roomId })
      const missing = planned.members.filter((deviceId) => book.cell(deviceId, id)?.desired !== true)
      memberships += missing.length
      setMemberships(missing.map((deviceId) => ({ deviceId, groupId: id, desired: true })))
    }
    return { groups, memberships }
  }

  function requests(lineIds: readonly string[]): ReadonlyArray<{ lineId: string; requests: string[] }> {
    return lineIds.map((lineId) => {
      const line = book.planFeed.get(lineId)
      const cell = line === undefined ? undefined : book.cell(line.deviceId, line.groupId)
      const target = line === undefined ? undefined : book.target(line.groupId)
      if (line === undefined || cell === undefined || target === undefined || line.blocked !== null) return { lineId, requests: [] }
      const { profile } = devices.contact(line.deviceId)
      const renamed = line.change === 'update' && cell.applied !== null && cell.applied.name !== target.name ? cell.applied : undefined
      const about = line.change === 'remove' ? (cell.applied ?? target) : target
      return {
        lineId,
        requests: [...profile.describe(line.change, about), ...(renamed === undefined ? [] : profile.describe('remove', renamed))],
      }
    })
  }

  function deviceItems(ids: Iterable<DeviceId>): readonly JobItem[] {
    return [...ids].map((id) => ({ subject: id, label: devices.get(id)?.name ?? id }))
  }

  return {
    applicationFeed: book.applicationFeed,
    coapFeed: book.coapFeed,
    membershipFeed: book.membershipFeed,
    planFeed: book.planFeed,
    book,
    runners: [
      createApplyRunner({ book, devices, clock, locks, faults, logger: options.logger }),
      createVerifyRunner({ book, devices, clock, locks, faults }),
      createIdentifyRunner({ devices, locks, seconds: () => identifySeconds }),
    ],
    createApplication,
    updateApplication,
    removeApplication,
    createCoap,
    updateCoap,
    removeCoap,
    setMemberships,
    assign,
    fromRooms,
    requests,
    applyItems: (lineIds) => orderedLines(book.planFeed, lineIds),
    verifyItems: (groupIds) =>
      deviceItems(new Set(groupIds.flatMap((id) => book.cellsOfGroup(book.group(id).id).map((cell) => cell.deviceId)))),
    identifyItems: (ids) => deviceItems(new Set(ids)),
    setIdentifySeconds: (seconds) => {
      identifySeconds = seconds
    },
    close: () => subscriptions.forEach((end) => end()),
  }
}

function taken(what: 'name', name: string, retired = false): AppError {
  return new AppError('group.name-taken', `A group has the ${what} ${name} already`, { details: { name, retired } })
}
