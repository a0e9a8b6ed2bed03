// Takes differences to another export over into the project, through the same edits that a person has. Memberships come as a wish: what a
// device holds is read, never believed.
import { AppError, toAppError, type DeviceId, type GroupId, type RoomId } from '#main/base/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { MembershipChange } from '#contract/model.ts'
import { move } from './adopt.ts'
import type { Comparison, Difference, SiteSnapshot } from './difference.ts'

export interface TakePorts {
  readonly inventory: Pick<Inventory, 'create' | 'update' | 'remove' | 'createRoom' | 'updateRoom' | 'removeRoom'>
  readonly groups: Pick<GroupEngine, 'book' | 'draft' | 'removeApplication' | 'setMemberships' | 'updateApplication'>
}

export interface Taken {
  readonly taken: number
  readonly left: ReadonlyArray<{ readonly id: string; readonly code: string; readonly message: string }>
}

const ORDER: Readonly<Record<Difference['change'], number>> = { added: 0, changed: 1, removed: 2 }

/** What cannot be taken is told with its reason, and the rest is. */
export function takeDifferences(ports: TakePorts, there: SiteSnapshot, { differences, same }: Comparison, ids: readonly string[]): Taken {
  const chosen = new Set(ids)
  const wanted = differences.filter(({ id }) => chosen.has(id))
  const known = new Set(wanted.map(({ id }) => id))
  const left: Array<Taken['left'][number]> = ids
    .filter((id) => !known.has(id))
    .map((id) => ({ id, code: 'input.invalid', message: 'There is no such difference any more' }))
  const taking = new Taking(ports, there, same)
  let taken = 0
  const attempt = (difference: Difference, work: () => void): void => {
    try {
      work()
      taken++
    } catch (thrown) {
      const { code, message } = toAppError(thrown)
      left.push({ id: difference.id, code, message })
    }
  }
  const inOrder = (kind: Difference['kind']): readonly Difference[] =>
    wanted.filter((one) => one.kind === kind).sort((a, b) => ORDER[a.change] - ORDER[b.change])
  for (const one of taking.parentsFirst(inOrder('room').filter(({ change }) => change !== 'removed'))) attempt(one, () => taking.room(one))
  for (const one of inOrder('device')) attempt(one, () => taking.device(one))
  for (const one of inOrder('group')) attempt(one, () => taking.group(one))
  for (const one of inOrder('membership')) attempt(one, () => taking.membership(one))
  taking.finish()
  // Deepest first: a room goes when nothing is in it.
  for (const one of inOrder('room')
    .filter(({ change }) => change === 'removed')
    .toReversed())
    attempt(one, () => taking.room(one))
  return { taken, left }
}

class Taking {
  readonly #ports: TakePorts
  readonly #there: {
    readonly rooms: Rows<'rooms'>
    readonly devices: Rows<'devices'>
    readonly groups: Rows<'applicationGroups'>
    readonly coap: Rows<'coapGroups'>
  }
  readonly #rooms: Map<string, RoomId>
  readonly #devices: Map<string, DeviceId>
  readonly #groups: Map<string, GroupId>
  readonly #memberships: MembershipChange[] = []

  constructor(ports: TakePorts, there: SiteSnapshot, same: Comparison['same']) {
    this.#ports = ports
    this.#there = {
      rooms: byId(there.rooms),
      devices: byId(there.devices),
      groups: byId(there.applicationGroups),
      coap: byId(there.coapGroups),
    }
    this.#rooms = new Map(same.rooms)
    this.#devices = new Map(same.devices)
    this.#groups = new Map(same.groups)
  }

  parentsFirst(differences: readonly Difference[]): readonly Difference[] {
    const depth = ({ thereId }: Difference): number => {
      let steps = 0
      for (let room = this.#there.rooms.get(thereId ?? ''); room !== undefined && steps < 64; steps++)
        room = this.#there.rooms.get(room.parentId ?? '')
      return steps
    }
    return [...differences].sort((a, b) => depth(a) - depth(b))
  }

  room({ change, thereId, hereId }: Difference): void {
    const { inventory } = this.#ports
    if (change === 'removed') {
      inventory.removeRoom(hereId ?? '')
      return
    }
    const row = required(this.#there.rooms.get(thereId ?? ''))
    const parentId = row.parentId === null ? null : (this.#rooms.get(row.parentId) ?? null)
    if (hereId === null) this.#rooms.set(row.id, inventory.createRoom({ parentId, kind: row.kind, name: row.name }))
    else inventory.updateRoom(hereId, { name: row.name, kind: row.kind, parentId })
  }

  device({ change, thereId, hereId }: Difference): void {
    const { inventory } = this.#ports
    if (change === 'removed') {
      inventory.remove([hereId ?? ''])
      return
    }
    const { name, type, comment, eui64, serial, ...row } = required(this.#there.devices.get(thereId ?? ''))
    const roomId = row.roomId === null ? null : (this.#rooms.get(row.roomId) ?? null)
    if (hereId === null) this.#devices.set(row.id, inventory.create({ name, type, roomId, eui64, serial, comment }))
    else inventory.update([hereId], { name, type, roomId, comment })
  }

  group({ change, thereId, hereId, fields }: Difference): void {
    const { groups } = this.#ports
    if (change === 'removed') {
      groups.removeApplication(hereId ?? '')
      return
    }
    const row = required(this.#there.groups.get(thereId ?? ''))
    const { address, port } = required(this.#there.coap.get(row.coapGroupId))
    const roomId = row.roomId === null ? null : (this.#rooms.get(row.roomId) ?? null)
    const { name, comment } = row
    if (hereId === null) {
      const id = groups.draft((made) => made.create({ name, coapGroupId: made.coapAt(name, address, port), roomId, comment }))
      this.#groups.set(row.id, id)
      return
    }
    if (fields.some(({ field }) => field === 'address'))
      groups.draft((made) => move({ groups }, made, hereId, made.coapAt(name, address, port)))
    groups.updateApplication(hereId, { name, roomId, comment })
  }

  membership({ change, thereId, hereId }: Difference): void {
    const [deviceId = '', groupId = ''] = (thereId ?? hereId ?? '').split(' ')
    const device = change === 'added' ? this.#devices.get(deviceId) : deviceId
    const group = change === 'added' ? this.#groups.get(groupId) : groupId
    if (device === undefined) throw new AppError('device.not-found', 'The device is not in the project', { details: { id: deviceId } })
    if (group === undefined || this.#ports.groups.book.groups.get(group)?.retired !== false)
      throw new AppError('group.not-found', 'The group is not in the project', { details: { id: groupId } })
    // A device that goes in the same step takes its memberships with it.
    if (change === 'removed' && this.#ports.groups.book.cell(device, group) === undefined) return
    this.#memberships.push({ deviceId: device, groupId: group, desired: change === 'added' })
  }

  finish(): void {
    if (this.#memberships.length > 0) this.#ports.groups.setMemberships(this.#memberships)
  }
}

type Rows<Name extends keyof SiteSnapshot> = ReadonlyMap<string, SiteSnapshot[Name][number]>

function byId<Row extends { readonly id: string }>(rows: readonly Row[]): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [row.id, row]))
}

function required<Row>(row: Row | undefined): Row {
  if (row === undefined)
    throw new AppError('import.schema-invalid', 'The export refers to a row that it does not have', { details: { count: 1, issues: [] } })
  return row
}
