// The inventory: devices and rooms of the site in memory, every change first durable in the store, then told to followers.
import {
  AppError,
  formatSocketAddress,
  KeyedFeed,
  newId,
  parseEui64,
  toAppError,
  type DeviceId,
  type RoomId,
  type Timer,
} from '#main/base/index.ts'
import { parseLinkFormat } from '#main/wire/coap/index.ts'
import type { DeviceDetail, DeviceRow, DeviceState, RoomRow } from '#contract/model.ts'
import { DeviceIndex } from './device-index.ts'
import { hear, type Hearing } from './hearing.ts'
import { eventOf, given, roomRow } from './inventory-rows.ts'
import type { DevicePatch, Inventory, InventoryChanges, InventoryOptions, NewDevice, RoomPatch } from './inventory-types.ts'
import { checkParent, nextPosition, requireRoom } from './rooms.ts'
import type { DeviceEventRecord, DeviceFact, DeviceRecord, RoomRecord } from './types.ts'

/** Newest events that a device's detail shows. */
const HISTORY_LENGTH = 200
/** How long times of hearing are held back, so that a chatty network does not become a chatty disk. */
const TOUCH_WRITE_MS = 5000
/** Strangers are not added beyond this: anybody on the network can make up names. */
const MOST_DEVICES = 50_000

export function createInventory(options: InventoryOptions): Inventory {
  return new StoredInventory(options)
}

class StoredInventory implements Inventory {
  readonly feed = new KeyedFeed<DeviceRow>((row) => row.id)
  readonly roomFeed = new KeyedFeed<RoomRow>((row) => row.id)
  readonly #options: InventoryOptions
  readonly #devices = new DeviceIndex()
  readonly #rooms = new Map<RoomId, RoomRecord>()
  readonly #profiles: ReadonlyMap<string, InventoryOptions['profiles'][number]>
  readonly #removalListeners = new Set<(ids: readonly DeviceId[]) => void>()
  /** Devices whose time of hearing is newer in memory than in the store. */
  readonly #touched = new Set<DeviceId>()
  /** The identity failure told last, so that each one stands in the history once. */
  readonly #toldFailures = new Map<DeviceId, string>()
  #groupCounts: ReadonlyMap<DeviceId, number> = new Map()
  #touchTimer: Timer | undefined

  constructor(options: InventoryOptions) {
    this.#options = options
    this.#profiles = new Map(options.profiles.map((profile) => [profile.id, profile]))
    for (const room of options.store.rooms()) this.#rooms.set(room.id, room)
    for (const device of options.store.devices()) this.#devices.put(device)
    this.roomFeed.reset([...this.#rooms.values()].map(roomRow))
    this.feed.reset(this.all().map((device) => this.#row(device)))
  }

  // ---- Reading ---------------------------------------------------------------------------------------------------

  get(id: DeviceId): DeviceRecord | undefined {
    return this.#devices.get(id)
  }

  all(): readonly DeviceRecord[] {
    return this.#devices.all()
  }

  rooms(): readonly RoomRecord[] {
    return [...this.#rooms.values()]
  }

  links(id: DeviceId): string | undefined {
    return this.#options.store.links(id)
  }

  byEndpointName(endpointName: string): DeviceRecord | undefined {
    return this.#devices.byEndpointName(endpointName)
  }

  detail(id: DeviceId): DeviceDetail {
    this.#require(id)
    const history = this.#options.store.events(id, HISTORY_LENGTH)
    return {
      id,
      resources: this.#resources(id),
      history: history.map(({ at, source, event, params, failure }) => ({ at, source, event, params: { ...params }, failure })),
    }
  }

  contact(id: DeviceId): ReturnType<Inventory['contact']> {
    const device = this.#require(id)
    const details = { id, name: device.name }
    if (device.at === null || device.channelId === null)
      throw new AppError('device.no-address', `${device.name} was not heard yet`, { details })
    const profile = device.profileId === null ? undefined : this.#profiles.get(device.profileId)
    if (profile === undefined) throw new AppError('device.no-profile', `No profile says how to talk to ${device.name}`, { details })
    const client = this.#options.contacts.client(device.channelId)
    if (client === undefined) {
      throw new AppError('network.down', `The channel of ${device.name} is not up`, {
        retryable: true,
        details: { ...details, channel: device.channelId },
      })
    }
    const serial = device.serial === null ? {} : { serial: device.serial }
    return { contact: { client, at: device.at, deviceId: id, ...serial }, profile }
  }

  hasGroupTable(id: DeviceId): boolean {
    const profileId = this.#devices.get(id)?.profileId ?? null
    return profileId === null || this.#profiles.get(profileId)?.groupTable !== 'none'
  }

  onRemoved(listener: (ids: readonly DeviceId[]) => void): () => void {
    this.#removalListeners.add(listener)
    return () => this.#removalListeners.delete(listener)
  }

  // ---- Facts from others -----------------------------------------------------------------------------------------

  setState(id: DeviceId, state: DeviceState, fact: DeviceFact): void {
    const device = this.#require(id)
    const at = this.#options.clock.now()
    this.commit({ devices: [{ ...device, state, stateAt: at, stateSource: fact.source }], events: [eventOf(id, at, fact)] })
  }

  record(id: DeviceId, fact: DeviceFact): void {
    this.#require(id)
    this.commit({ events: [eventOf(id, this.#options.clock.now(), fact)] })
  }

  setGroupCounts(counts: ReadonlyMap<DeviceId, number>): void {
    const before = this.#groupCounts
    this.#groupCounts = counts
    this.feed.setAll(
      this.all()
        .filter(({ id }) => (before.get(id) ?? 0) !== (counts.get(id) ?? 0))
        .map((device) => this.#row(device)),
    )
  }

  heard(hearing: Hearing): { readonly id: DeviceId; readonly added: boolean } {
    const now = this.#options.clock.now()
    const result = hear(this.#devices, hearing, now, () => newId('dev', this.#options.random))
    if (result.added && this.#devices.size >= MOST_DEVICES) {
      throw new AppError('input.too-large', 'The site has as many devices as it can have', { details: { limit: MOST_DEVICES } })
    }
    const events = this.#freshFailures(result.id, result.events)
    const newLinks = hearing.links !== undefined && (result.added || this.#options.store.links(result.id) !== hearing.links)
    if (result.devices.length > 0 || events.length > 0 || newLinks) {
      this.commit({
        devices: result.devices,
        removed: result.absorbed,
        events,
        links: newLinks ? [{ id: result.id, text: hearing.links }] : [],
      })
    }
    if (result.devices.length === 0) this.#touch(result.id, now)
    return { id: result.id, added: result.added }
  }

  // ---- Devices of the plan ---------------------------------------------------------------------------------------

  create(device: NewDevice): DeviceId {
    if (device.roomId !== null) requireRoom(this.#rooms, device.roomId)
    const eui64 = given(device.eui64) === null ? null : parseEui64(device.eui64 ?? '')
    if (eui64 === undefined)
      throw new AppError('input.invalid', 'Not an EUI-64', { details: { field: 'eui64', value: device.eui64 ?? '' } })
    const serial = given(device.serial)
    this.#refuseDuplicate('eui64', eui64, eui64 === null ? undefined : this.#devices.byEui64(eui64))
    this.#refuseDuplicate('serial', serial, serial === null ? undefined : this.#devices.bySerial(serial))
    const at = this.#options.clock.now()
    const id = newId('dev', this.#options.random)
    const state = eui64 === null && serial === null ? 'planned' : 'expected'
    const { name, type, roomId, comment } = device
    const unheard = { model: null, profileId: null, endpointName: null, at: null, channelId: null, lastHeardAt: null }
    this.commit({
      devices: [{ id, name, type, roomId, state, stateAt: at, stateSource: 'operator', eui64, serial, comment, ...unheard }],
      events: [eventOf(id, at, { source: 'operator', event: 'created' })],
    })
    return id
  }

  update(ids: readonly DeviceId[], patch: DevicePatch): void {
    if (patch.roomId !== undefined && patch.roomId !== null) requireRoom(this.#rooms, patch.roomId)
    const at = this.#options.clock.now()
    const devices: DeviceRecord[] = []
    const events: DeviceEventRecord[] = []
    for (const id of new Set(ids)) {
      const before = this.#require(id)
      const after: DeviceRecord = {
        ...before,
        name: patch.name ?? before.name,
        type: patch.type ?? before.type,
        roomId: patch.roomId === undefined ? before.roomId : patch.roomId,
        comment: patch.comment ?? before.comment,
      }
      const told = this.#edits(before, after).map((fact) => eventOf(id, at, fact))
      if (told.length > 0) devices.push(after)
      events.push(...told)
    }
    this.commit({ devices, events })
  }

  remove(ids: readonly DeviceId[]): void {
    const wanted = [...new Set(ids)]
    for (const id of wanted) this.#require(id)
    this.commit({ removed: wanted })
  }

  // ---- Rooms -----------------------------------------------------------------------------------------------------

  createRoom(room: { readonly parentId: RoomId | null; readonly kind: RoomRecord['kind']; readonly name: string }): RoomId {
    if (room.parentId !== null) requireRoom(this.#rooms, room.parentId)
    const id = newId('room', this.#options.random)
    this.commit({ rooms: [{ id, ...room, position: nextPosition(this.#rooms.values(), room.parentId) }] })
    return id
  }

  updateRoom(id: RoomId, patch: RoomPatch): void {
    const before = requireRoom(this.#rooms, id)
    const parentId = patch.parentId === undefined ? before.parentId : patch.parentId
    const moved = parentId !== before.parentId
    if (moved && parentId !== null) requireRoom(this.#rooms, parentId)
    if (moved) checkParent(this.#rooms, id, parentId)
    const position = moved ? nextPosition(this.#rooms.values(), parentId) : before.position
    this.commit({ rooms: [{ id, parentId, position, kind: patch.kind ?? before.kind, name: patch.name ?? before.name }] })
  }

  removeRoom(id: RoomId): void {
    const room = requireRoom(this.#rooms, id)
    const rooms = this.rooms().filter((other) => other.parentId === id).length
    const devices = this.all().filter((device) => device.roomId === id).length
    if (rooms > 0 || devices > 0)
      throw new AppError('room.not-empty', `${room.name} is not empty`, { details: { name: room.name, rooms, devices } })
    this.#options.store.removeRoom(id)
    this.#rooms.delete(id)
    this.roomFeed.delete([id])
  }

  reload({ rooms, devices }: Parameters<Inventory['reload']>[0]): void {
    const { store, clock } = this.#options
    const roomsNow = store.rooms().filter(({ id }) => rooms.has(id))
    const devicesNow = store.devices().filter(({ id }) => devices.has(id))
    const goneRooms = [...rooms].filter((id) => roomsNow.every((room) => room.id !== id))
    const stay = new Set(devicesNow.map(({ id }) => id))
    const gone = [...devices].filter((id) => !stay.has(id) && this.#devices.get(id) !== undefined)
    for (const room of roomsNow) this.#rooms.set(room.id, room)
    const facts = devicesNow.flatMap((device) =>
      this.#edits(this.#devices.get(device.id) ?? device, device).map((fact) => ({ device, fact })),
    )
    for (const device of devicesNow) this.#devices.put(device)
    for (const id of goneRooms) this.#rooms.delete(id)
    for (const id of gone) this.#forget(id)
    this.feed.delete(gone)
    this.roomFeed.setAll(roomsNow.map(roomRow))
    this.feed.setAll(devicesNow.map((device) => this.#row(device)))
    this.roomFeed.delete(goneRooms)
    if (gone.length > 0) for (const listener of this.#removalListeners) listener(gone)
    this.commit({ events: facts.map(({ device, fact }) => eventOf(device.id, clock.now(), fact)) })
  }

  // ---- Writing ---------------------------------------------------------------------------------------------------

  commit(changes: InventoryChanges): void {
    const { rooms = [], devices = [], events = [], links = [], removed = [] } = changes
    if (rooms.length + devices.length + events.length + links.length + removed.length === 0) return
    const { store } = this.#options
    store.transaction(() => {
      if (removed.length > 0) store.removeDevices(removed)
      if (rooms.length > 0) store.saveRooms(rooms)
      if (devices.length > 0) store.saveDevices(devices)
      for (const { id, text } of links) store.saveLinks(id, text)
      if (events.length > 0) store.addEvents(events)
    })
    // Invariant: memory changes only after the store has taken all of it.
    for (const id of removed) this.#forget(id)
    for (const room of rooms) this.#rooms.set(room.id, room)
    for (const device of devices) this.#devices.put(device)
    for (const { id } of devices) this.#touched.delete(id)
    this.feed.delete(removed)
    this.roomFeed.setAll(rooms.map(roomRow))
    this.feed.setAll(devices.map((device) => this.#row(device)))
    if (removed.length > 0) for (const listener of this.#removalListeners) listener(removed)
  }

  flush(): void {
    this.#touchTimer?.cancel()
    this.#touchTimer = undefined
    const devices = [...this.#touched].map((id) => this.#devices.get(id)).filter((device) => device !== undefined)
    this.commit({ devices })
  }

  close(): void {
    this.flush()
    this.#removalListeners.clear()
  }

  #touch(id: DeviceId, at: number): void {
    const device = this.#devices.get(id)
    if (device === undefined) return
    this.#devices.put({ ...device, lastHeardAt: at })
    this.#touched.add(id)
    this.#touchTimer ??= this.#options.clock.setTimer(TOUCH_WRITE_MS, () => {
      try {
        this.flush()
      } catch (thrown) {
        // The times are still in memory and go out with the next hearing; a full disk is told by whatever a person does next.
        this.#options.logger.warn({ code: toAppError(thrown).code }, 'Times of hearing could not be written')
      }
    })
  }

  #forget(id: DeviceId): void {
    this.#devices.delete(id)
    this.#touched.delete(id)
    this.#toldFailures.delete(id)
  }

  // ---- Small helpers ---------------------------------------------------------------------------------------------

  #require(id: DeviceId): DeviceRecord {
    const device = this.#devices.get(id)
    if (device === undefined) throw new AppError('device.not-found', 'There is no such device', { details: { id } })
    return device
  }

  #refuseDuplicate(field: string, value: string | null, other: DeviceRecord | undefined): void {
    if (other === undefined || value === null) return
    throw new AppError('device.duplicate', `${other.name} already has this ${field}`, {
      details: { field, value, deviceId: other.id, name: other.name },
    })
  }

  #freshFailures(id: DeviceId, events: readonly DeviceEventRecord[]): readonly DeviceEventRecord[] {
    return events.filter(({ event, failure }) => {
      if (event !== 'identity-unread' || failure === null) return true
      if (this.#toldFailures.get(id) === failure.code) return false
      this.#toldFailures.set(id, failure.code)
      return true
    })
  }

  #edits(before: DeviceRecord, after: DeviceRecord): readonly DeviceFact[] {
    const facts: DeviceFact[] = []
    const roomName = after.roomId === null ? '' : (this.#rooms.get(after.roomId)?.name ?? '')
    if (after.name !== before.name) facts.push({ source: 'operator', event: 'renamed', params: { from: before.name, to: after.name } })
    if (after.type !== before.type) facts.push({ source: 'operator', event: 'type-changed', params: { from: before.type, to: after.type } })
    if (after.roomId !== before.roomId) facts.push({ source: 'operator', event: 'moved', params: { room: roomName } })
    if (after.comment !== before.comment) facts.push({ source: 'operator', event: 'comment-changed' })
    return facts
  }

  #resources(id: DeviceId): DeviceDetail['resources'] {
    try {
      return parseLinkFormat(this.#options.store.links(id) ?? '').map(({ href, attributes }) => ({
        href,
        attributes: attributes.map((attribute) => ({ ...attribute })),
      }))
    } catch {
      // What a device sent is kept as it came; links that cannot be read are shown as none.
      return []
    }
  }

  #row(device: DeviceRecord): DeviceRow {
    const { id, name, type, roomId, state, stateAt, stateSource, eui64, serial, model, profileId, endpointName, lastHeardAt, comment } =
      device
    const address = device.at === null ? null : formatSocketAddress(device.at)
    const groups = this.#groupCounts.get(id) ?? 0
    return {
      id,
      name,
      type,
      roomId,
      state,
      stateAt,
      stateSource,
      eui64,
      serial,
      model,
      profileId,
      endpointName,
      address,
      lastHeardAt,
      groups,
      comment,
    }
  }
}
