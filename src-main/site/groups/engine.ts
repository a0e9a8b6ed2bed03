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
import type { DeviceDirectory, GroupTableEntry } from '#main/site/devices/index.ts'
import type { JobRunner } from '#main/site/jobs/index.ts'
import type {
  ApplicationGroupRow,
  CoapGroupRow,
  DeviceType,
  FactSource,
  MembershipChange,
  MembershipRow,
  NamingSettings,
  PlanLine,
} from '#contract/model.ts'
import { readGroupAddress } from './address.ts'
import { allocateAddress, allocatePort, type AllocationPolicy } from './allocation.ts'
import { createApplyRunner } from './apply.ts'
import { GroupBook, type Edit } from './book.ts'
import { Draft, nameTaken, type NewApplicationGroup } from './draft.ts'
import { trackFaults } from './faults.ts'
import { planRoomGroups } from './from-rooms.ts'
import { createKeyedLock } from './keyed-lock.ts'
import { stillDevices, twinStore } from './maintenance/twin.ts'
import { checkGroupName, checkGroupPort, DEFAULT_PORT } from './names.ts'
import { orderedLines } from './order.ts'
import type { ApplicationGroupRecord, GroupStore } from './types.ts'
import { takeIn, type TableListener, type TableVerdict } from './take-in.ts'
import { createIdentifyRunner, createVerifyRunner } from './verify.ts'

export interface GroupOptions {
  readonly store: GroupStore
  readonly devices: DeviceDirectory
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly allocation: AllocationPolicy
  /** How names of groups travel; in the path unless told. */
  readonly naming?: () => NamingSettings
  /** Told after each edit of the project, not after facts from the network. */
  readonly onProjectChange?: () => void
  /** Told of each group table that a job has read from its device, once what it says of the memberships is kept. */
  readonly onTable?: TableListener
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
  createCoap(group: { readonly name: string; readonly address?: string | undefined; readonly port?: number | undefined }): CoapGroupId
  updateCoap(id: CoapGroupId, patch: CoapPatch): void
  removeCoap(id: CoapGroupId): void
  setMemberships(changes: readonly MembershipChange[]): void
  /** What is done to the draft becomes durable as a whole, or not at all. */
  draft<Result>(work: (draft: Draft) => Result): Result
  /** Takes in a device's group table that was just read, as a verification does. To be called within `exclusive`. */
  takeIn(deviceId: DeviceId, table: readonly GroupTableEntry[], source: FactSource): TableVerdict
  /** Puts devices into groups by name, as an imported list asks; groups that are not there are made. */
  assign(pairs: ReadonlyArray<{ readonly deviceId: DeviceId; readonly groupName: string }>): void
  fromRooms(wish: { readonly types: readonly DeviceType[]; readonly roomIds?: readonly string[] | undefined }): {
    groups: number
    memberships: number
  }
  /** The requests behind plan lines as text; unknown and unsupported lines have none. */
  requests(lineIds: readonly string[]): ReadonlyArray<{ lineId: string; requests: string[] }>
  /**
   * Items of an apply job: the given lines or all that can be run, devices in turn, removals first. Lines that `isQueued` finds in an
   * unfinished job are left to it.
   */
  applyItems(lineIds?: readonly string[], isQueued?: (subject: string) => boolean): readonly JobItem[]
  /** Items of a verify job: every device that is in one of the groups or may still be. */
  verifyItems(groupIds: readonly GroupId[]): readonly JobItem[]
  identifyItems(ids: readonly DeviceId[]): readonly JobItem[]
  /** For how long `identify` lets devices show themselves from now on. */
  setIdentifySeconds(seconds: number): void
  /** The groups as they are now, to try what an edit would come to: nothing is kept, nobody is told. */
  twin(): GroupEngine
  /** Runs work with a device when nothing else is under way with it. */
  exclusive<Result>(id: DeviceId, work: () => Promise<Result>): Promise<Result>
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
  /** Another address by the policy of the site, another port by it. */
  readonly allocate?: 'address' | 'port' | undefined
}

export function createGroups(options: GroupOptions): GroupEngine {
  const { store, devices, clock, random, allocation } = options
  const book = new GroupBook(store, devices, allocation, options.naming)
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

  /** What is done to the draft becomes durable as a whole, or not at all. */
  function draft<Result>(work: (draft: Draft) => Result): Result {
    const made = new Draft({ book, devices, clock, random, allocation })
    const result = work(made)
    const change = made.edit()
    if (change !== undefined) edit(change)
    return result
  }

  function allocated(members: readonly DeviceId[] = []): string {
    const isCrowded = (address: string): boolean => book.isAddressCrowded(address)
    return allocateAddress(allocation, random, { isInUse: (address) => book.isAddressInUse(address), isCrowded, members })
  }

  function allocatedPort(): number {
    const taken = new Set([...book.coap.values()].map((group) => group.port))
    return allocatePort(allocation, random, (port) => taken.has(port), DEFAULT_PORT)
  }

  function membersOn(id: CoapGroupId): readonly DeviceId[] {
    const cells = book.groupsOn(id).flatMap((group) => book.cellsOfGroup(group.id))
    return cells.filter((cell) => cell.desired).map((cell) => cell.deviceId)
  }

  function requireFreeCoapName(name: string, self?: CoapGroupId): void {
    const other = book.coapGroupNamed(name)
    if (other !== undefined && other.id !== self) throw nameTaken(name)
  }

  function requireFreeAddress(address: string, port: number, self?: CoapGroupId): void {
    for (const group of book.coapGroupsAt(address, port)) {
      if (group.id === self) continue
      throw new AppError('group.address-taken', `${address} port ${port} is that of ${group.name}`, {
        details: { address, port, group: group.name },
      })
    }
  }

  function createApplication(group: NewApplicationGroup): GroupId {
    return draft((made) => made.create(group))
  }

  function updateApplication(id: GroupId, patch: GroupPatch): void {
    const before = book.group(id)
    const name = patch.name === undefined ? before.name : checkGroupName(patch.name)
    const namesake = book.groupNamed(name)
    if (namesake !== undefined && namesake.id !== id) throw nameTaken(name, namesake.retired)
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
    draft((made) => {
      made.put({ ...book.group(id), retired: true })
      made.wish(book.cellsOfGroup(id).map(({ deviceId }) => ({ deviceId, groupId: id, desired: false })))
    })
  }

  function createCoap(group: {
    readonly name: string
    readonly address?: string | undefined
    readonly port?: number | undefined
  }): CoapGroupId {
    const name = checkGroupName(group.name)
    requireFreeCoapName(name)
    const port = checkGroupPort(group.port ?? allocatedPort())
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
    const chosenPort = patch.allocate === 'port' ? allocatedPort() : patch.port
    const port = chosenPort === undefined ? before.port : checkGroupPort(chosenPort)
    const chosen = patch.allocate === 'address' ? allocated(membersOn(id)) : patch.address
    const address = chosen === undefined ? before.address : readGroupAddress(chosen)
    requireFreeAddress(address, port, id)
    edit({
      coap: [{ id, name, address, port, allocated: patch.allocate === 'address' || (before.allocated && address === before.address) }],
    })
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
    draft((made) => made.wish(changes))
  }

  function assign(pairs: ReadonlyArray<{ readonly deviceId: DeviceId; readonly groupName: string }>): void {
    draft((made) => made.wish(pairs.map(({ deviceId, groupName }) => ({ deviceId, groupId: made.named(groupName), desired: true }))))
  }

  function fromRooms(wish: { readonly types: readonly DeviceType[]; readonly roomIds?: readonly string[] | undefined }): {
    groups: number
    memberships: number
  } {
    return draft((made) => {
      let groups = 0
      let memberships = 0
      for (const { groupId, name, roomId, members } of planRoomGroups(
        devices,
        [...book.groups.values()],
        wish,
        options.naming?.().template,
      )) {
        const known = groupId === undefined ? undefined : book.group(groupId)
        const id = known?.id ?? made.create({ name, roomId })
        if (known === undefined) groups++
        else if (known.roomId === null) made.put({ ...known, roomId })
        const missing = members.filter((deviceId) => book.cell(deviceId, id)?.desired !== true)
        memberships += missing.length
        made.wish(missing.map((deviceId) => ({ deviceId, groupId: id, desired: true })))
      }
      return { groups, memberships }
    })
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
      createApplyRunner({ book, devices, clock, locks, faults, logger: options.logger, onTable: options.onTable }),
      createVerifyRunner({ book, devices, clock, locks, faults, onTable: options.onTable }),
      createIdentifyRunner({ devices, locks, seconds: () => identifySeconds }),
    ],
    createApplication,
    updateApplication,
    removeApplication,
    createCoap,
    updateCoap,
    removeCoap,
    setMemberships,
    draft,
    takeIn: (deviceId, table, source) => takeIn(book, deviceId, table, { at: clock.now(), source }),
    assign,
    fromRooms,
    requests,
    applyItems: (lineIds, isQueued) => orderedLines(book.planFeed, lineIds, isQueued),
    verifyItems: (groupIds) =>
      deviceItems(new Set(groupIds.flatMap((id) => book.cellsOfGroup(book.group(id).id).map((cell) => cell.deviceId)))),
    identifyItems: (ids) => deviceItems(new Set(ids)),
    setIdentifySeconds: (seconds) => {
      identifySeconds = seconds
    },
    exclusive: (id, work) => locks.run(id, work),
    twin: () => twinOf(options, book),
    close: () => subscriptions.forEach((end) => end()),
  }
}

/** What is written to it is gone with it; addresses in quarantine are no concern of a trial. */
function twinOf(options: GroupOptions, book: GroupBook): GroupEngine {
  const { clock, random, logger, naming } = options
  const allocation = { ...options.allocation, holds: undefined }
  return createGroups({
    ...{ store: twinStore(book), devices: stillDevices(options.devices), clock, random, logger, allocation },
    ...(naming === undefined ? {} : { naming }),
  })
}
