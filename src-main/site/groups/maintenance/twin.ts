// The groups as they would be: a store of copies, and devices that are only looked at.
import { KeyedFeed } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, GroupStore, MembershipRecord } from '../types.ts'

export interface TwinSource {
  readonly coap: ReadonlyMap<string, CoapGroupRecord>
  readonly groups: ReadonlyMap<string, ApplicationGroupRecord>
  cellsOfGroup(id: string): readonly MembershipRecord[]
}

/** What is written to it is gone with it. */
export function twinStore(source: TwinSource): GroupStore {
  const coap = new Map(source.coap)
  const groups = new Map(source.groups)
  const keyOf = (cell: { readonly deviceId: string; readonly groupId: string }): string => `${cell.deviceId} ${cell.groupId}`
  const cells = new Map([...groups.keys()].flatMap((id) => source.cellsOfGroup(id)).map((cell) => [keyOf(cell), cell]))
  return {
    coapGroups: () => [...coap.values()],
    saveCoapGroup: (group) => void coap.set(group.id, group),
    removeCoapGroup: (id) => void coap.delete(id),
    applicationGroups: () => [...groups.values()],
    saveApplicationGroup: (group) => void groups.set(group.id, group),
    removeApplicationGroup: (id) => void groups.delete(id),
    memberships: () => [...cells.values()],
    saveMemberships: (saved) => {
      for (const cell of saved) cells.set(keyOf(cell), cell)
    },
    removeMemberships: (keys) => {
      for (const key of keys) cells.delete(keyOf(key))
    },
    testRuns: () => [],
    saveTestRun: () => undefined,
    transaction: (work) => work(),
  }
}

/** Devices as they are: nobody is told anything through it, and nobody hears of them. */
export function stillDevices(devices: DeviceDirectory): DeviceDirectory {
  return {
    feed: new KeyedFeed((row) => row.id),
    roomFeed: new KeyedFeed((row) => row.id),
    get: (id) => devices.get(id),
    all: () => devices.all(),
    rooms: () => devices.rooms(),
    contact: (id) => devices.contact(id),
    setState: () => undefined,
    record: () => undefined,
    setGroupCounts: () => undefined,
    onRemoved: () => () => undefined,
  }
}
