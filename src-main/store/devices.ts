// Rooms and devices at rest: implements the DeviceStore port of site/devices.
import type { DeviceId, RoomId, SocketAddress } from '#main/base/index.ts'
import type { DeviceEventRecord, DeviceRecord, DeviceStore, RoomRecord } from '#main/site/devices/index.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'
import { isFailure, isParams } from './shapes.ts'
import type { SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'
import { deviceStates, deviceTypes, factSources, roomKinds } from './words.ts'

interface RoomColumns {
  id: string
  parent_id: string | null
  kind: string
  name: string
  position: number
}

interface DeviceColumns {
  id: string
  name: string
  type: string
  room_id: string | null
  state: string
  state_at: number
  state_source: string
  eui64: string | null
  serial: string | null
  model: string | null
  profile_id: string | null
  endpoint_name: string | null
  address: string | null
  port: number | null
  zone: string | null
  channel_id: string | null
  last_heard_at: number | null
  comment: string
}

interface EventColumns {
  device_id: string
  at: number
  source: string
  event: string
  params: string
  failure: string | null
}

const DEVICE_COLUMNS = [
  ...['id', 'name', 'type', 'room_id', 'state', 'state_at', 'state_source', 'eui64', 'serial', 'model', 'profile_id'],
  ...['endpoint_name', 'address', 'port', 'zone', 'channel_id', 'last_heard_at', 'comment'],
] as const

/** Events kept for each device; older ones make room. */
const MOST_EVENTS_PER_DEVICE = 500

export function createDeviceStore(database: SiteDatabase): DeviceStore {
  const { raw } = database
  const selectRooms = raw.prepare<[], RoomColumns>('SELECT id, parent_id, kind, name, position FROM room ORDER BY position, id')
  const upsertRoom = raw.prepare<[RoomColumns]>(`
    INSERT INTO room (id, parent_id, kind, name, position) VALUES (@id, @parent_id, @kind, @name, @position)
    ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, kind = excluded.kind, name = excluded.name, position = excluded.position`)
  const deleteRoom = raw.prepare<[string]>('DELETE FROM room WHERE id = ?')
  const selectDevices = raw.prepare<[], DeviceColumns>(`SELECT ${DEVICE_COLUMNS.join(', ')} FROM device ORDER BY rowid`)
  const upsertDevice = raw.prepare<[DeviceColumns]>(`
    INSERT INTO device (${DEVICE_COLUMNS.join(', ')}) VALUES (${DEVICE_COLUMNS.map((column) => `@${column}`).join(', ')})
    ON CONFLICT (id) DO UPDATE SET ${DEVICE_COLUMNS.slice(1)
      .map((column) => `${column} = excluded.${column}`)
      .join(', ')}`)
  const deleteDevice = raw.prepare<[string]>('DELETE FROM device WHERE id = ?')
  const selectLinks = raw.prepare<[string], { link_format: string }>('SELECT link_format FROM device_links WHERE device_id = ?')
  const upsertLinks = raw.prepare<[string, string]>(`
    INSERT INTO device_links (device_id, link_format) VALUES (?, ?)
    ON CONFLICT (device_id) DO UPDATE SET link_format = excluded.link_format`)
  const insertEvent = raw.prepare<[EventColumns]>(`
    INSERT INTO device_event (device_id, at, source, event, params, failure) VALUES (@device_id, @at, @source, @event, @params, @failure)`)
  const trimEvents = raw.prepare<[string, string, number]>(`
    DELETE FROM device_event WHERE device_id = ? AND sequence <=
      (SELECT sequence FROM device_event WHERE device_id = ? ORDER BY sequence DESC LIMIT 1 OFFSET ?)`)
  const selectEvents = raw.prepare<[string, number], EventColumns>(`
    SELECT device_id, at, source, event, params, failure FROM device_event WHERE device_id = ? ORDER BY sequence DESC LIMIT ?`)

  return {
    rooms: () => guarded(() => selectRooms.all()).map(toRoom),
    saveRooms: (rooms) =>
      database.transaction(() => {
        // A child may stand before its parent in the list.
        raw.pragma('defer_foreign_keys = ON')
        for (const room of rooms) upsertRoom.run(fromRoom(room))
      }),
    removeRoom: (id) =>
      database.transaction(() => {
        deleteRoom.run(id)
      }),
    devices: () => guarded(() => selectDevices.all()).map(toDevice),
    saveDevices: (devices) =>
      database.transaction(() => {
        for (const device of devices) upsertDevice.run(fromDevice(device))
      }),
    removeDevices: (ids) =>
      database.transaction(() => {
        for (const id of ids) deleteDevice.run(id)
      }),
    links: (id) => guarded(() => selectLinks.get(id))?.link_format,
    saveLinks: (id, linkFormat) =>
      database.transaction(() => {
        upsertLinks.run(id, linkFormat)
      }),
    addEvents: (events) =>
      database.transaction(() => {
        for (const event of events) insertEvent.run(fromEvent(event))
        for (const id of new Set(events.map((event) => event.deviceId))) trimEvents.run(id, id, MOST_EVENTS_PER_DEVICE)
      }),
    events: (id, limit) => guarded(() => selectEvents.all(id, Math.max(0, limit))).map(toEvent),
    transaction: (work) => database.transaction(work),
  }
}

function fromRoom(room: RoomRecord): RoomColumns {
  return { id: room.id, parent_id: room.parentId, kind: room.kind, name: room.name, position: room.position }
}

function toRoom(row: RoomColumns): RoomRecord {
  return { id: row.id, parentId: row.parent_id, kind: knownWord(roomKinds, row.kind), name: row.name, position: row.position }
}

function fromDevice(device: DeviceRecord): DeviceColumns {
  return {
    id: device.id,
    name: device.name,
    type: device.type,
    room_id: device.roomId,
    state: device.state,
    state_at: device.stateAt,
    state_source: device.stateSource,
    eui64: device.eui64,
    serial: device.serial,
    model: device.model,
    profile_id: device.profileId,
    endpoint_name: device.endpointName,
    address: device.at?.address ?? null,
    port: device.at?.port ?? null,
    zone: device.at?.zone ?? null,
    channel_id: device.channelId,
    last_heard_at: device.lastHeardAt,
    comment: device.comment,
  }
}

function toDevice(row: DeviceColumns): DeviceRecord {
  const id: DeviceId = row.id
  const roomId: RoomId | null = row.room_id
  return {
    id,
    name: row.name,
    type: knownWord(deviceTypes, row.type),
    roomId,
    state: knownWord(deviceStates, row.state),
    stateAt: row.state_at,
    stateSource: knownWord(factSources, row.state_source),
    eui64: row.eui64,
    serial: row.serial,
    model: row.model,
    profileId: row.profile_id,
    endpointName: row.endpoint_name,
    at: toAddress(row),
    channelId: row.channel_id,
    lastHeardAt: row.last_heard_at,
    comment: row.comment,
  }
}

function toAddress({ address, port, zone }: DeviceColumns): SocketAddress | null {
  if (address === null || port === null) return null
  return zone === null ? { address, port } : { address, port, zone }
}

function fromEvent(event: DeviceEventRecord): EventColumns {
  return {
    device_id: event.deviceId,
    at: event.at,
    source: event.source,
    event: event.event,
    params: canonicalJson(event.params),
    failure: event.failure === null ? null : canonicalJson(event.failure),
  }
}

function toEvent(row: EventColumns): DeviceEventRecord {
  return {
    deviceId: row.device_id,
    at: row.at,
    source: knownWord(factSources, row.source),
    event: row.event,
    params: fromJson(row.params, isParams),
    failure: row.failure === null ? null : fromJson(row.failure, isFailure),
  }
}
