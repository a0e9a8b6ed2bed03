// An in-memory DeviceStore: what a durable one would hold, with a count of writes and failures on demand.
import type { DeviceId, RoomId } from '#main/base/index.ts'
import type { DeviceEventRecord, DeviceRecord, DeviceStore, RoomRecord } from '#main/site/devices/index.ts'

export class MemoryDeviceStore implements DeviceStore {
  readonly #rooms = new Map<RoomId, RoomRecord>()
  readonly #devices = new Map<DeviceId, DeviceRecord>()
  readonly #links = new Map<DeviceId, string>()
  #events: DeviceEventRecord[] = []
  /** Transactions that were committed. */
  transactions = 0
  /** Device records that were written, all in all. */
  deviceWrites = 0
  /** Thrown by the next write instead of doing it. */
  failNext: Error | undefined

  rooms(): readonly RoomRecord[] {
    return [...this.#rooms.values()]
  }

  saveRooms(rooms: readonly RoomRecord[]): void {
    this.#mayFail()
    for (const room of rooms) {
      if (room.parentId !== null && !this.#rooms.has(room.parentId)) throw new RangeError(`room ${room.id} is saved before its parent`)
      this.#rooms.set(room.id, room)
    }
  }

  removeRoom(id: RoomId): void {
    this.#mayFail()
    this.#rooms.delete(id)
  }

  devices(): readonly DeviceRecord[] {
    return [...this.#devices.values()]
  }

  saveDevices(devices: readonly DeviceRecord[]): void {
    this.#mayFail()
    for (const device of devices) {
      if (device.roomId !== null && !this.#rooms.has(device.roomId))
        throw new RangeError(`device ${device.id} is in a room that is not there`)
      this.#devices.set(device.id, device)
      this.deviceWrites += 1
    }
    this.#refuseTwice('eui64')
    this.#refuseTwice('serial')
  }

  removeDevices(ids: readonly DeviceId[]): void {
    this.#mayFail()
    const gone = new Set(ids)
    for (const id of gone) {
      this.#devices.delete(id)
      this.#links.delete(id)
    }
    this.#events = this.#events.filter(({ deviceId }) => !gone.has(deviceId))
  }

  links(id: DeviceId): string | undefined {
    return this.#links.get(id)
  }

  saveLinks(id: DeviceId, linkFormat: string): void {
    this.#mayFail()
    if (!this.#devices.has(id)) throw new RangeError(`links of device ${id}, which is not there`)
    this.#links.set(id, linkFormat)
  }

  addEvents(events: readonly DeviceEventRecord[]): void {
    this.#mayFail()
    for (const { deviceId } of events)
      if (!this.#devices.has(deviceId)) throw new RangeError(`an event of device ${deviceId}, which is not there`)
    this.#events.push(...events)
  }

  events(id: DeviceId, limit: number): readonly DeviceEventRecord[] {
    return this.#events
      .filter(({ deviceId }) => deviceId === id)
      .reverse()
      .slice(0, limit)
  }

  transaction<Result>(work: () => Result): Result {
    const before = { rooms: new Map(this.#rooms), devices: new Map(this.#devices), links: new Map(this.#links), events: [...this.#events] }
    try {
      const result = work()
      this.transactions += 1
      return result
    } catch (thrown) {
      restore(this.#rooms, before.rooms)
      restore(this.#devices, before.devices)
      restore(this.#links, before.links)
      this.#events = before.events
      throw thrown
    }
  }

  #refuseTwice(field: 'eui64' | 'serial'): void {
    const seen = new Set<string>()
    for (const { [field]: value } of this.#devices.values()) {
      if (value !== null && seen.has(value)) throw new RangeError(`${field} ${value} is there twice`)
      if (value !== null) seen.add(value)
    }
  }

  #mayFail(): void {
    const failure = this.failNext
    this.failNext = undefined
    if (failure !== undefined) throw failure
  }
}

function restore<Key, Value>(map: Map<Key, Value>, before: ReadonlyMap<Key, Value>): void {
  map.clear()
  for (const [key, value] of before) map.set(key, value)
}
