// Addresses in quarantine: no group has them any more, but a device may still listen there, because a write to it is in doubt or because
// it was taken out of the project as it was. Nobody else gets them until it is known (draft-ietf-core-groupcomm-bis §2.2.4).
import type { CoapGroupId, DeviceId, GroupId } from '#main/base/index.ts'
import { canonicalAddress } from './address.ts'
import type { Edit } from './edit.ts'
import { isDoubtful } from './plan.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, MembershipRecord } from './types.ts'

export interface AddressHold {
  readonly address: string
  readonly deviceId: DeviceId
  readonly deviceName: string
  readonly groupId: GroupId
  readonly since: number
}

export interface HoldPorts {
  /** At rest; durable when it returns. */
  readonly save: (holds: readonly AddressHold[]) => void
  readonly now: () => number
  /** Whether the project has the device. */
  readonly isKnown: (deviceId: DeviceId) => boolean
  /** Its name, or the last that it had. */
  readonly nameOf: (deviceId: DeviceId) => string
}

/** What of the book is needed to see what an edit lets go. */
export interface HeldBook {
  readonly coap: ReadonlyMap<CoapGroupId, CoapGroupRecord>
  readonly groups: ReadonlyMap<GroupId, ApplicationGroupRecord>
  groupsOn(id: CoapGroupId): readonly ApplicationGroupRecord[]
  cellsOfGroup(id: GroupId): readonly MembershipRecord[]
}

/** So many are remembered; the oldest go first. Far more than a site has devices that vanish. */
const MOST_HOLDS = 20_000

export class AddressHolds {
  readonly #holds = new Map<string, AddressHold>()
  readonly #byAddress = new Map<string, Set<string>>()
  readonly #ports: HoldPorts

  constructor(holds: readonly AddressHold[], ports: HoldPorts) {
    this.#ports = ports
    for (const hold of holds) this.#put(hold)
  }

  has(address: string): boolean {
    return this.#byAddress.has(canonicalAddress(address))
  }

  all(): readonly AddressHold[] {
    return [...this.#holds.values()]
  }

  /** Keeps what the edit would let go too early; to be called before the edit is made. */
  before(edit: Required<Edit>, book: HeldBook): void {
    const added: AddressHold[] = []
    // What this very edit makes certain needs no hold.
    const certain = this.#certain(edit)
    const hold = (cell: MembershipRecord, address: string): void => {
      const { deviceId, groupId } = cell
      if (certain.has(`${deviceId} ${groupId}`)) return
      const deviceName = this.#ports.nameOf(deviceId)
      added.push({ address: canonicalAddress(address), deviceId, deviceName, groupId, since: this.#ports.now() })
    }
    const holdDoubtful = (groupId: GroupId, address: string): void => {
      for (const cell of book.cellsOfGroup(groupId)) if (isDoubtful(cell)) hold(cell, address)
    }
    for (const id of [...edit.coap.map((group) => group.id), ...edit.removedCoap]) {
      const old = book.coap.get(id)
      const stays = edit.coap.some((group) => group.id === id && group.address === old?.address)
      if (old !== undefined && !stays) for (const group of book.groupsOn(id)) holdDoubtful(group.id, old.address)
    }
    for (const group of edit.groups) {
      const old = book.groups.get(group.id)
      const left = old === undefined || old.coapGroupId === group.coapGroupId ? undefined : book.coap.get(old.coapGroupId)
      if (left !== undefined) holdDoubtful(group.id, left.address)
    }
    for (const ref of edit.removedCells) {
      if (this.#ports.isKnown(ref.deviceId)) continue
      const cell = book.cellsOfGroup(ref.groupId).find(({ deviceId }) => deviceId === ref.deviceId)
      if (cell === undefined) continue
      if (cell.applied !== null) hold(cell, cell.applied.address)
      const target = book.coap.get(book.groups.get(ref.groupId)?.coapGroupId ?? '')
      if (isDoubtful(cell) && target !== undefined) hold(cell, target.address)
    }
    if (added.length === 0) return
    for (const entry of added) this.#put(entry)
    this.#ports.save(this.all())
  }

  /** Lets go what the edit has made certain: the device's table was read. */
  after(edit: Required<Edit>): void {
    if (this.#holds.size === 0) return
    const certain = this.#certain(edit)
    this.#drop((hold) => certain.has(`${hold.deviceId} ${hold.groupId}`))
  }

  /** Somebody has made sure. */
  release(addresses: readonly string[]): void {
    const sure = new Set(addresses.map(canonicalAddress))
    this.#drop((hold) => sure.has(hold.address))
  }

  /** Memberships whose devices were read: `<device> <group>`. */
  #certain(edit: Required<Edit>): ReadonlySet<string> {
    const read = edit.cells.filter((cell) => !isDoubtful(cell))
    const gone = edit.removedCells.filter((cell) => this.#ports.isKnown(cell.deviceId))
    return new Set([...read, ...gone].map(({ deviceId, groupId }) => `${deviceId} ${groupId}`))
  }

  #drop(isCertain: (hold: AddressHold) => boolean): void {
    const gone = [...this.#holds].filter(([, hold]) => isCertain(hold))
    if (gone.length === 0) return
    for (const [key, hold] of gone) this.#forget(key, hold)
    this.#ports.save(this.all())
  }

  #forget(key: string, hold: AddressHold): void {
    this.#holds.delete(key)
    const keys = this.#byAddress.get(hold.address)
    keys?.delete(key)
    if (keys?.size === 0) this.#byAddress.delete(hold.address)
  }

  #put(hold: AddressHold): void {
    const key = `${hold.address} ${hold.deviceId} ${hold.groupId}`
    if (this.#holds.has(key)) return
    this.#holds.set(key, hold)
    const keys = this.#byAddress.get(hold.address) ?? new Set<string>()
    this.#byAddress.set(hold.address, keys.add(key))
    const [oldest] = this.#holds
    if (this.#holds.size > MOST_HOLDS && oldest !== undefined) this.#forget(...oldest)
  }
}
