// An edit of the book in the making: what a person asks for at once becomes durable at once, however many groups it takes.
// draft-ietf-core-groupcomm-bis §2.2.2.
import { AppError, newId, type Clock, type CoapGroupId, type DeviceId, type GroupId, type Random } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { MembershipChange } from '#contract/model.ts'
import { readGroupAddress } from './address.ts'
import { allocateAddress, allocatePort, type AllocationPolicy } from './allocation.ts'
import type { Edit, GroupBook } from './book.ts'
import { checkGroupName, checkGroupPort, DEFAULT_PORT } from './names.ts'
import { membershipKey, withWish } from './plan.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, MembershipRecord } from './types.ts'

export interface NewApplicationGroup {
  readonly name: string
  /** Absent: a new CoAP group of the same name with an allocated address. */
  readonly coapGroupId?: CoapGroupId | undefined
  readonly roomId?: string | null
  readonly comment?: string
  readonly members?: readonly DeviceId[]
}

export interface DraftPorts {
  readonly book: GroupBook
  readonly devices: Pick<DeviceDirectory, 'get'>
  readonly clock: Clock
  readonly random: Random
  readonly allocation: AllocationPolicy
}

export class Draft {
  readonly #ports: DraftPorts
  readonly #coap: CoapGroupRecord[] = []
  readonly #removedCoap: CoapGroupId[] = []
  readonly #groups = new Map<GroupId, ApplicationGroupRecord>()
  /** New groups by name, and what new CoAP groups have taken. */
  readonly #named = new Map<string, GroupId>()
  readonly #coapNames = new Set<string>()
  readonly #addresses = new Set<string>()
  /** Memberships as they shall be; undefined: gone. */
  readonly #cells = new Map<string, { readonly ref: MembershipChange; readonly cell: MembershipRecord | undefined }>()

  constructor(ports: DraftPorts) {
    this.#ports = ports
  }

  /** A new group, or a retired one of the name that comes back to life: devices tell groups apart by name only. */
  create(group: NewApplicationGroup): GroupId {
    const { book, random } = this.#ports
    const name = checkGroupName(group.name)
    const namesake = book.groupNamed(name)
    if ((namesake !== undefined && !namesake.retired) || this.#named.has(name)) throw nameTaken(name)
    const left = this.#own(namesake)
    const served = (group.coapGroupId === undefined ? left : this.#coapGroup(group.coapGroupId)) ?? this.#newCoap(name, group.members ?? [])
    const id = namesake?.id ?? newId('group', random)
    const { roomId = null, comment = '' } = group
    this.put({ id, name, coapGroupId: served.id, roomId, comment, retired: false })
    this.#named.set(name, id)
    if (left !== undefined && left.id !== served.id) this.#removedCoap.push(left.id)
    this.wish((group.members ?? []).map((deviceId) => ({ deviceId, groupId: id, desired: true })))
    return id
  }

  /** The group of the name that is in the project, or a new one. */
  named(name: string): GroupId {
    const checked = checkGroupName(name)
    const known = this.#ports.book.groupNamed(checked)
    return known?.retired === false ? known.id : (this.#named.get(checked) ?? this.create({ name: checked }))
  }

  put(group: ApplicationGroupRecord): void {
    this.#groups.set(group.id, group)
  }

  /** Takes a group that this edit has made out of the project again: only its removal from devices is left to do. */
  retire(id: GroupId): void {
    const group = this.#groups.get(id)
    if (group !== undefined) this.put({ ...group, retired: true })
  }

  /** The CoAP group at that address and port, or a new one of the name, else of a name like it. Throws as the checks of address, port and name do. */
  coapAt(name: string, address: string, port: number): CoapGroupId {
    const { book, random } = this.#ports
    const at = { address: readGroupAddress(address), port: checkGroupPort(port) }
    const isHere = (group: CoapGroupRecord): boolean => group.address === at.address && group.port === at.port
    const known = book.coapGroupsAt(at.address, at.port)[0] ?? this.#coap.find(isHere)
    if (known !== undefined) return known.id
    const group = { id: newId('coap', random), name: this.#freeCoapName(name), ...at, allocated: false }
    this.#coap.push(group)
    this.#coapNames.add(group.name)
    this.#addresses.add(at.address)
    return group.id
  }

  /** A CoAP group that serves no application group any more once this edit is done. */
  dropCoap(id: CoapGroupId): void {
    this.#removedCoap.push(id)
  }

  /** A membership as it was found at its device: a fact, not a wish. */
  found(cell: MembershipRecord): void {
    this.#cells.set(membershipKey(cell), { ref: cell, cell })
  }

  /** Changes what memberships shall be. Throws `device.not-found`. */
  wish(changes: readonly MembershipChange[]): void {
    const { book, clock } = this.#ports
    for (const change of changes) {
      const key = membershipKey(change)
      const known = this.#cells.get(key)
      const before = known === undefined ? book.cell(change.deviceId, change.groupId) : known.cell
      let cell: MembershipRecord | undefined
      if (before !== undefined) cell = withWish(before, change.desired, clock.now())
      else if (change.desired) cell = this.#newCell(change)
      this.#cells.set(key, { ref: change, cell })
    }
  }

  /** The edit, or undefined when it would change nothing. */
  edit(): Edit | undefined {
    const cells: MembershipRecord[] = []
    const removedCells: MembershipRecord[] = []
    for (const { ref, cell } of this.#cells.values()) {
      const before = this.#ports.book.cell(ref.deviceId, ref.groupId)
      if (cell === undefined && before !== undefined) removedCells.push(before)
      if (cell !== undefined && cell !== before) cells.push(cell)
    }
    const edit = { coap: this.#coap, removedCoap: this.#removedCoap, groups: [...this.#groups.values()], cells, removedCells }
    return Object.values(edit).some((rows) => rows.length > 0) ? edit : undefined
  }

  #newCoap(name: string, members: readonly DeviceId[]): CoapGroupRecord {
    const { book, random, allocation } = this.#ports
    const free = this.#freeCoapName(name)
    const isInUse = (text: string): boolean => book.isAddressInUse(text) || this.#addresses.has(text)
    const address = allocateAddress(allocation, random, { isInUse, isCrowded: (text) => book.isAddressCrowded(text), members })
    const isTaken = (port: number): boolean => [...book.coap.values(), ...this.#coap].some((other) => other.port === port)
    const port = allocatePort(allocation, random, isTaken, DEFAULT_PORT)
    const group = { id: newId('coap', random), name: free, address, port, allocated: true }
    this.#coap.push(group)
    this.#coapNames.add(group.name)
    this.#addresses.add(address)
    return group
  }

  #coapGroup(id: CoapGroupId): CoapGroupRecord {
    return this.#coap.find((made) => made.id === id) ?? this.#ports.book.coapGroup(id)
  }

  #freeCoapName(name: string): string {
    const isTaken = (text: string): boolean => this.#ports.book.coapGroupNamed(text) !== undefined || this.#coapNames.has(text)
    let free = name
    for (let suffix = 2; isTaken(free); suffix++) free = `${name}-${suffix}`
    return checkGroupName(free)
  }

  #newCell({ deviceId, groupId }: MembershipChange): MembershipRecord {
    const { devices, clock } = this.#ports
    if (devices.get(deviceId) === undefined) throw new AppError('device.not-found', `No device ${deviceId}`, { details: { id: deviceId } })
    return { deviceId, groupId, desired: true, outcome: 'planned', at: clock.now(), source: 'operator', failure: null, applied: null }
  }

  /** The CoAP group that a retired group has left behind for itself alone. */
  #own(namesake: ApplicationGroupRecord | undefined): CoapGroupRecord | undefined {
    const { book } = this.#ports
    const own = namesake === undefined ? undefined : book.coap.get(namesake.coapGroupId)
    return own !== undefined && namesake !== undefined && book.isOwn(own, namesake) ? own : undefined
  }
}

export function nameTaken(name: string, retired = false): AppError {
  return new AppError('group.name-taken', `A group has the name ${name} already`, { details: { name, retired } })
}
