// The inventory as core, discovery and the import see it.
import type { Clock, DeviceId, Logger, Random, RoomId } from '#main/base/index.ts'
import type { CoapClient } from '#main/wire/coap/index.ts'
import type { DeviceDetail, DeviceType, RoomKind } from '#contract/model.ts'
import type { Hearing } from './hearing.ts'
import type { DeviceProfile } from './profile.ts'
import type { DeviceDirectory, DeviceEventRecord, DeviceRecord, DeviceStore, RoomRecord } from './types.ts'

/** Port: the CoAP client of each channel that is up. */
export interface ContactBook {
  client(channelId: string): CoapClient | undefined
}

export interface InventoryOptions {
  readonly store: DeviceStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly contacts: ContactBook
  readonly profiles: readonly DeviceProfile[]
}

export interface NewDevice {
  readonly name: string
  readonly type: DeviceType
  readonly roomId: RoomId | null
  readonly eui64: string | null
  readonly serial: string | null
  readonly comment: string
}

export interface DevicePatch {
  readonly name?: string | undefined
  readonly type?: DeviceType | undefined
  readonly roomId?: RoomId | null | undefined
  readonly comment?: string | undefined
}

export interface RoomPatch {
  readonly name?: string | undefined
  readonly kind?: RoomKind | undefined
  readonly parentId?: RoomId | null | undefined
}

/** Records that are written together: all of them, or none. */
export interface InventoryChanges {
  readonly rooms?: readonly RoomRecord[]
  readonly devices?: readonly DeviceRecord[]
  readonly events?: readonly DeviceEventRecord[]
  readonly links?: ReadonlyArray<{ readonly id: DeviceId; readonly text: string }>
  readonly removed?: readonly DeviceId[]
}

export interface Inventory extends DeviceDirectory {
  /** Resources and history. Throws `device.not-found`. */
  detail(id: DeviceId): DeviceDetail
  /** Link-format text as it was received last. */
  links(id: DeviceId): string | undefined
  byEndpointName(endpointName: string): DeviceRecord | undefined
  /** Adds a planned device. Throws `input.invalid`, `room.not-found`, `device.duplicate`. */
  create(device: NewDevice): DeviceId
  /** Throws `device.not-found`, `room.not-found`; then nothing has changed. */
  update(ids: readonly DeviceId[], patch: DevicePatch): void
  remove(ids: readonly DeviceId[]): void
  createRoom(room: { readonly parentId: RoomId | null; readonly kind: RoomKind; readonly name: string }): RoomId
  /** Throws `room.not-found`, `room.cycle`. */
  updateRoom(id: RoomId, patch: RoomPatch): void
  /** Throws `room.not-found`, and `room.not-empty` while devices or rooms are in it. */
  removeRoom(id: RoomId): void
  /** A device was heard: it is found in the plan, or added to it as an unplanned one. */
  heard(hearing: Hearing): { readonly id: DeviceId; readonly added: boolean }
  /** Writes records as they are, as one transaction; for the import, which has checked them. */
  commit(changes: InventoryChanges): void
  /** Takes over what has changed in the store under it: rooms and devices that came, went or are others now. */
  reload(ids: { readonly rooms: ReadonlySet<RoomId>; readonly devices: ReadonlySet<DeviceId> }): void
  /** Writes what was held back (times of hearing). */
  flush(): void
  close(): void
}
