// What another site export has that the project has not, and the other way round. Rows are the same by id, else by what devices and
// groups are told apart by: EUI-64, serial number, endpoint name; names. Pure; the caller has read and checked the export.
import type { DeviceType, RoomKind, SiteDifference } from '#contract/model.ts'

/** A site as both sides have it. */
export interface SiteSnapshot {
  readonly rooms: readonly SnapshotRoom[]
  readonly devices: readonly SnapshotDevice[]
  readonly coapGroups: ReadonlyArray<{ readonly id: string; readonly name: string; readonly address: string; readonly port: number }>
  readonly applicationGroups: readonly SnapshotGroup[]
  readonly memberships: ReadonlyArray<{ readonly deviceId: string; readonly groupId: string; readonly desired: boolean }>
}

export interface SnapshotRoom {
  readonly id: string
  readonly parentId: string | null
  readonly kind: RoomKind
  readonly name: string
}

export interface SnapshotDevice {
  readonly id: string
  readonly name: string
  readonly type: DeviceType
  readonly roomId: string | null
  readonly eui64: string | null
  readonly serial: string | null
  readonly endpointName: string | null
  readonly comment: string
}

export interface SnapshotGroup {
  readonly id: string
  readonly name: string
  readonly coapGroupId: string
  readonly roomId: string | null
  readonly comment: string
  readonly retired: boolean
}

/** A difference and the rows behind it: there, in the export, and here, in the project. */
export interface Difference extends SiteDifference {
  readonly thereId: string | null
  readonly hereId: string | null
}

/** Which row there is which one here. */
export interface Correspondence {
  readonly rooms: ReadonlyMap<string, string>
  readonly devices: ReadonlyMap<string, string>
  readonly groups: ReadonlyMap<string, string>
}

export interface Comparison {
  readonly differences: readonly Difference[]
  readonly same: Correspondence
}

export function differencesOf(here: SiteSnapshot, there: SiteSnapshot): Comparison {
  const paths = { here: pathsOf(here.rooms), there: pathsOf(there.rooms) }
  const groupsHere = here.applicationGroups.filter(({ retired }) => !retired)
  const groupsThere = there.applicationGroups.filter(({ retired }) => !retired)
  const rooms = matched(here.rooms, there.rooms, [(room, side) => paths[side].get(room.id)])
  const devices = matched(here.devices, there.devices, [
    (device) => device.eui64 ?? undefined,
    (device) => device.serial?.toLowerCase(),
    (device) => device.endpointName ?? undefined,
  ])
  const groups = matched(groupsHere, groupsThere, [(group) => group.name])
  const pathHere = (id: string | null): string => (id === null ? '' : (paths.here.get(id) ?? ''))
  const pathThere = (id: string | null): string => (id === null ? '' : (paths.there.get(id) ?? ''))
  const endpoints = { here: endpointsOf(here), there: endpointsOf(there) }
  const differences = [
    ...compared('room', here.rooms, there.rooms, rooms, {
      nameHere: ({ id }) => pathHere(id),
      nameThere: ({ id }) => pathThere(id),
      fields: (a, b) => [field('kind', a.kind, b.kind), field('path', pathHere(a.id), pathThere(b.id))],
    }),
    ...compared('device', here.devices, there.devices, devices, {
      nameHere: ({ name }) => name,
      nameThere: ({ name }) => name,
      fields: (a, b) => [
        field('name', a.name, b.name),
        field('type', a.type, b.type),
        field('room', pathHere(a.roomId), pathThere(b.roomId)),
        field('comment', a.comment, b.comment),
      ],
    }),
    ...compared('group', groupsHere, groupsThere, groups, {
      nameHere: ({ name }) => name,
      nameThere: ({ name }) => name,
      fields: (a, b) => [
        field('name', a.name, b.name),
        field('address', endpoints.here.get(a.coapGroupId) ?? '', endpoints.there.get(b.coapGroupId) ?? ''),
        field('room', pathHere(a.roomId), pathThere(b.roomId)),
        field('comment', a.comment, b.comment),
      ],
    }),
    ...memberships(here, there, { rooms, devices, groups }),
  ]
  return { differences, same: { rooms, devices, groups } }
}

interface Words<Row> {
  readonly nameHere: (row: Row) => string
  readonly nameThere: (row: Row) => string
  readonly fields: (here: Row, there: Row) => ReadonlyArray<ReturnType<typeof field>>
}

function* compared<Row extends { readonly id: string }>(
  kind: Difference['kind'],
  here: readonly Row[],
  there: readonly Row[],
  same: ReadonlyMap<string, string>,
  { nameHere, nameThere, fields }: Words<Row>,
): Generator<Difference> {
  const byId = new Map(here.map((row) => [row.id, row]))
  for (const row of there) {
    const mine = byId.get(same.get(row.id) ?? '')
    if (mine === undefined) {
      yield { id: `${kind} + ${row.id}`, kind, change: 'added', name: nameThere(row), fields: [], thereId: row.id, hereId: null }
      continue
    }
    const changed = fields(mine, row).filter((one) => one.here !== one.there)
    if (changed.length > 0)
      yield { id: `${kind} ~ ${row.id}`, kind, change: 'changed', name: nameHere(mine), fields: changed, thereId: row.id, hereId: mine.id }
  }
  const kept = new Set(same.values())
  for (const row of here)
    if (!kept.has(row.id))
      yield { id: `${kind} - ${row.id}`, kind, change: 'removed', name: nameHere(row), fields: [], thereId: null, hereId: row.id }
}

function* memberships(here: SiteSnapshot, there: SiteSnapshot, same: Correspondence): Generator<Difference> {
  const names = {
    devices: new Map([...there.devices, ...here.devices].map(({ id, name }) => [id, name])),
    groups: new Map([...there.applicationGroups, ...here.applicationGroups].map(({ id, name }) => [id, name])),
  }
  const nameOf = (deviceId: string, groupId: string): string =>
    `${names.devices.get(deviceId) ?? deviceId} · ${names.groups.get(groupId) ?? groupId}`
  const wanted = here.memberships.filter(({ desired }) => desired)
  const mine = new Set(wanted.map(({ deviceId, groupId }) => `${deviceId} ${groupId}`))
  const met = new Set<string>()
  for (const { deviceId, groupId, desired } of there.memberships) {
    if (!desired) continue
    const key = `${same.devices.get(deviceId) ?? ''} ${same.groups.get(groupId) ?? ''}`
    met.add(key)
    const id = `${deviceId} ${groupId}`
    if (!mine.has(key))
      yield {
        kind: 'membership',
        fields: [],
        id: `membership + ${id}`,
        change: 'added',
        name: nameOf(deviceId, groupId),
        thereId: id,
        hereId: null,
      }
  }
  for (const { deviceId, groupId } of wanted) {
    const id = `${deviceId} ${groupId}`
    if (!met.has(id))
      yield {
        kind: 'membership',
        fields: [],
        id: `membership - ${id}`,
        change: 'removed',
        name: nameOf(deviceId, groupId),
        thereId: null,
        hereId: id,
      }
  }
}

/** By id, then by each of the features in turn; a row stands for one other at most. */
function matched<Row extends { readonly id: string }>(
  here: readonly Row[],
  there: readonly Row[],
  features: ReadonlyArray<(row: Row, side: 'here' | 'there') => string | undefined>,
): ReadonlyMap<string, string> {
  const same = new Map<string, string>()
  const taken = new Set<string>()
  for (const feature of [(row: Row): string => row.id, ...features]) {
    const byFeature = new Map<string, string>()
    for (const row of here) {
      const value = feature(row, 'here')
      if (value !== undefined && !taken.has(row.id) && !byFeature.has(value)) byFeature.set(value, row.id)
    }
    for (const row of there) {
      const value = same.has(row.id) ? undefined : feature(row, 'there')
      const mine = value === undefined ? undefined : byFeature.get(value)
      if (mine === undefined || taken.has(mine)) continue
      same.set(row.id, mine)
      taken.add(mine)
    }
  }
  return same
}

function pathsOf(rooms: readonly SnapshotRoom[]): ReadonlyMap<string, string> {
  const byId = new Map(rooms.map((room) => [room.id, room]))
  return new Map(
    rooms.map(({ id }) => {
      const names: string[] = []
      const seen = new Set<string>()
      for (let room = byId.get(id); room !== undefined && !seen.has(room.id); room = byId.get(room.parentId ?? '')) {
        seen.add(room.id)
        names.unshift(room.name)
      }
      return [id, names.join(' / ')]
    }),
  )
}

function endpointsOf({ coapGroups }: SiteSnapshot): ReadonlyMap<string, string> {
  return new Map(coapGroups.map(({ id, address, port }) => [id, address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`]))
}

function field(name: string, here: string, there: string): { readonly field: string; readonly here: string; readonly there: string } {
  return { field: name, here: here.slice(0, 500), there: there.slice(0, 500) }
}
