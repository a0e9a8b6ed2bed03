// Which devices each room has and of which type, kept up as devices move; tells whose rooms have changed.
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { RoomDevice } from './roles.ts'

export class RoomDevices {
  readonly #places = new Map<string, RoomDevice & { readonly roomId: string }>()
  readonly #byRoom = new Map<string, Map<string, RoomDevice>>()
  readonly #listeners = new Set<(roomIds: readonly string[]) => void>()
  readonly #devices: DeviceDirectory
  readonly #end: () => void

  constructor(devices: DeviceDirectory) {
    this.#devices = devices
    this.#take(devices.all().map(({ id }) => id))
    this.#end = devices.feed.subscribe((ids) => {
      const rooms = this.#take(ids)
      if (rooms.length > 0) for (const listener of this.#listeners) listener(rooms)
    })
  }

  of(roomId: string): readonly RoomDevice[] {
    return [...(this.#byRoom.get(roomId)?.values() ?? [])]
  }

  onChange(listener: (roomIds: readonly string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#end()
    this.#listeners.clear()
  }

  #take(ids: readonly string[]): readonly string[] {
    const rooms = new Set<string>()
    for (const id of ids) {
      const device = this.#devices.get(id)
      const before = this.#places.get(id)
      const roomId = device?.roomId ?? undefined
      if (before?.roomId === roomId && before?.type === device?.type) continue
      if (before !== undefined) {
        this.#byRoom.get(before.roomId)?.delete(id)
        this.#places.delete(id)
        rooms.add(before.roomId)
      }
      if (device === undefined || roomId === undefined) continue
      const place = { id, type: device.type, roomId }
      this.#places.set(id, place)
      const there = this.#byRoom.get(roomId) ?? new Map<string, RoomDevice>()
      this.#byRoom.set(roomId, there.set(id, place))
      rooms.add(roomId)
    }
    return [...rooms]
  }
}
