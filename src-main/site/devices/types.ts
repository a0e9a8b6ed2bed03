// Devices and rooms as the site's other rooms see them, and the ports that the store implements.
import type { DeviceId, Eui64, KeyedFeed, RoomId, SocketAddress } from '#main/base/index.ts'
import type { DeviceEvent, DeviceRow, DeviceState, DeviceType, FactSource, Failure, RoomKind, RoomRow } from '#contract/model.ts'
import type { DeviceContact, DeviceProfile } from './profile.ts'

export interface RoomRecord {
  readonly id: RoomId
  readonly parentId: RoomId | null
  readonly kind: RoomKind
  readonly name: string
  readonly position: number
}

export interface DeviceRecord {
  readonly id: DeviceId
  readonly name: string
  readonly type: DeviceType
  readonly roomId: RoomId | null
  readonly state: DeviceState
  readonly stateAt: number
  readonly stateSource: FactSource
  readonly eui64: Eui64 | null
  readonly serial: string | null
  readonly model: string | null
  readonly profileId: string | null
  readonly endpointName: string | null
  /** Where it was heard last, and on which channel. */
  readonly at: SocketAddress | null
  readonly channelId: string | null
  readonly lastHeardAt: number | null
  readonly comment: string
}

export interface DeviceEventRecord extends Omit<DeviceEvent, 'failure'> {
  readonly deviceId: DeviceId
  readonly failure: Failure | null
}

/** Port: rooms and devices at rest. Every write is durable when the call returns. */
export interface DeviceStore {
  rooms(): readonly RoomRecord[]
  saveRooms(rooms: readonly RoomRecord[]): void
  removeRoom(id: RoomId): void
  devices(): readonly DeviceRecord[]
  saveDevices(devices: readonly DeviceRecord[]): void
  removeDevices(ids: readonly DeviceId[]): void
  /** Link-format text of `/.well-known/core` as the device sent it. */
  links(id: DeviceId): string | undefined
  saveLinks(id: DeviceId, linkFormat: string): void
  addEvents(events: readonly DeviceEventRecord[]): void
  /** Newest first. */
  events(id: DeviceId, limit: number): readonly DeviceEventRecord[]
  /** Runs `work` as one transaction: all of it is durable, or none. */
  transaction<Result>(work: () => Result): Result
}

/** A fact about a device, with its time and its source. */
export interface DeviceFact {
  readonly source: FactSource
  readonly event: string
  readonly params?: Readonly<Record<string, string | number>>
  readonly failure?: Failure
}

/** What the group engine and the test bench may ask of the inventory. */
export interface DeviceDirectory {
  readonly feed: KeyedFeed<DeviceRow>
  readonly roomFeed: KeyedFeed<RoomRow>
  get(id: DeviceId): DeviceRecord | undefined
  all(): readonly DeviceRecord[]
  rooms(): readonly RoomRecord[]
  /** Where and how to talk to it. Throws `device.not-found`, `device.no-address`, `device.no-profile`, `network.down`. */
  contact(id: DeviceId): { readonly contact: DeviceContact; readonly profile: DeviceProfile }
  /** False where its groups are set by other means; true also where nothing is known of it. */
  hasGroupTable?(id: DeviceId): boolean
  /** Moves a device to a state and writes the fact into its history. */
  setState(id: DeviceId, state: DeviceState, fact: DeviceFact): void
  /** Writes a fact into its history without moving it. */
  record(id: DeviceId, fact: DeviceFact): void
  /** The number of desired groups changed (shown in its row). */
  setGroupCounts(counts: ReadonlyMap<DeviceId, number>): void
  /** Told after devices were removed. */
  onRemoved(listener: (ids: readonly DeviceId[]) => void): () => void
}
