// The inventory as it will be after the rows read so far: what each row is matched against, and what is written in the end.
import type { DeviceId, RoomId } from '#main/base/index.ts'
import type { RoomKind } from '#contract/model.ts'
import { isCompatible, serialKey } from '../device-index.ts'
import { nextPosition, ROOM_PATH_SEPARATOR, roomPath } from '../rooms.ts'
import type { DeviceRecord, RoomRecord } from '../types.ts'
import type { RowFacts } from './row-values.ts'

const KIND_BY_DEPTH: readonly RoomKind[] = ['building', 'floor', 'room']

export class Draft {
  readonly #devices = new Map<DeviceId, DeviceRecord>()
  readonly #byEui64 = new Map<string, DeviceId>()
  readonly #bySerial = new Map<string, DeviceId>()
  readonly #byPlace = new Map<string, Set<DeviceId>>()
  readonly #rooms = new Map<RoomId, RoomRecord>()
  readonly #roomByPath = new Map<string, RoomId>()
  readonly #pathByRoom = new Map<RoomId, string>()
  readonly #changedDevices = new Set<DeviceId>()
  readonly #newRooms: RoomRecord[] = []
  readonly #makeRoomId: () => RoomId

  constructor(devices: readonly DeviceRecord[], rooms: readonly RoomRecord[], makeRoomId: () => RoomId) {
    this.#makeRoomId = makeRoomId
    for (const room of rooms) this.#rooms.set(room.id, room)
    for (const room of rooms) this.#nameRoom(room.id, roomPath(this.#rooms, room.id).join(ROOM_PATH_SEPARATOR))
    for (const device of devices) this.#index(device)
  }

  /** Devices to save. */
  get devices(): readonly DeviceRecord[] {
    return [...this.#changedDevices].map((id) => this.#devices.get(id)).filter((device) => device !== undefined)
  }

  /** Rooms to save, each after its parent. */
  get rooms(): readonly RoomRecord[] {
    return this.#newRooms
  }

  pathOf(roomId: RoomId | null): string {
    return roomId === null ? '' : (this.#pathByRoom.get(roomId) ?? '')
  }

  /** The device that a row is about: by EUI-64, then serial, then name and room. `ambiguous` where it names more than one. */
  find(facts: RowFacts): DeviceRecord | 'ambiguous' | undefined {
    const byEui64 = this.#get(facts.eui64 === undefined ? undefined : this.#byEui64.get(facts.eui64))
    const bySerial = this.#get(facts.serial === undefined ? undefined : this.#bySerial.get(serialKey(facts.serial)))
    if (byEui64 !== undefined && bySerial !== undefined && byEui64.id !== bySerial.id) return 'ambiguous'
    const found = byEui64 ?? bySerial
    // Identifiers of a device that was heard are facts; a list cannot overrule them.
    if (found !== undefined) return isPlanned(found) || isCompatible(found, identifiers(facts)) ? found : 'ambiguous'
    if (facts.name === undefined) return undefined
    const sameKey = this.#byPlace.get(placeKey(facts.name, facts.roomNames?.join(ROOM_PATH_SEPARATOR) ?? ''))
    const candidates = [...(sameKey ?? [])].map((id) => this.#devices.get(id)).filter((device) => device !== undefined)
    const fitting = candidates.filter((device) => isCompatible(device, identifiers(facts)))
    return fitting.length > 1 ? 'ambiguous' : fitting[0]
  }

  save(device: DeviceRecord): void {
    const before = this.#devices.get(device.id)
    if (before !== undefined) {
      if (before.eui64 !== null) this.#byEui64.delete(before.eui64)
      if (before.serial !== null) this.#bySerial.delete(serialKey(before.serial))
      this.#byPlace.get(placeKey(before.name, this.pathOf(before.roomId)))?.delete(before.id)
    }
    this.#index(device)
    this.#changedDevices.add(device.id)
  }

  /** The room of the path; it and those above it come into being where they are missing. */
  room(names: readonly string[]): RoomId | null {
    // A room whose own name has a slash in it is found by its whole path.
    const whole = this.#roomByPath.get(names.join(ROOM_PATH_SEPARATOR))
    if (whole !== undefined) return whole
    let parentId: RoomId | null = null
    names.forEach((name, depth) => {
      const path = names.slice(0, depth + 1).join(ROOM_PATH_SEPARATOR)
      parentId = this.#roomByPath.get(path) ?? this.#addRoom(name, path, parentId, kindAt(depth, names.length))
    })
    return parentId
  }

  #addRoom(name: string, path: string, parentId: RoomId | null, kind: RoomKind): RoomId {
    const room: RoomRecord = { id: this.#makeRoomId(), parentId, kind, name, position: nextPosition(this.#rooms.values(), parentId) }
    this.#rooms.set(room.id, room)
    this.#newRooms.push(room)
    this.#nameRoom(room.id, path)
    return room.id
  }

  #nameRoom(id: RoomId, path: string): void {
    this.#pathByRoom.set(id, path)
    // Of rooms with the same path the first one counts.
    if (!this.#roomByPath.has(path)) this.#roomByPath.set(path, id)
  }

  #index(device: DeviceRecord): void {
    this.#devices.set(device.id, device)
    if (device.eui64 !== null) this.#byEui64.set(device.eui64, device.id)
    if (device.serial !== null) this.#bySerial.set(serialKey(device.serial), device.id)
    const key = placeKey(device.name, this.pathOf(device.roomId))
    const there = this.#byPlace.get(key) ?? new Set()
    this.#byPlace.set(key, there.add(device.id))
  }

  #get(id: DeviceId | undefined): DeviceRecord | undefined {
    return id === undefined ? undefined : this.#devices.get(id)
  }
}

export function isPlanned(device: DeviceRecord): boolean {
  return device.state === 'planned' || device.state === 'expected'
}

function identifiers(facts: RowFacts): { readonly eui64: string | null; readonly serial: string | null } {
  return { eui64: facts.eui64 ?? null, serial: facts.serial ?? null }
}

function placeKey(name: string, path: string): string {
  return `${path}\n${name}`
}

/** `Building/Floor/Room`, read from its end where it is shorter and from its start where it is longer. */
function kindAt(depth: number, length: number): RoomKind {
  return KIND_BY_DEPTH[depth + Math.max(0, KIND_BY_DEPTH.length - length)] ?? 'zone'
}
