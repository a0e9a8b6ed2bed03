// Small forms of the inventory: rows of rooms, events of devices, texts without their margins.
import type { DeviceId } from '#main/base/index.ts'
import type { RoomRow } from '#contract/model.ts'
import type { DeviceEventRecord, DeviceFact, RoomRecord } from './types.ts'

export function roomRow({ id, parentId, kind, name, position }: RoomRecord): RoomRow {
  return { id, parentId, kind, name, position }
}

export function eventOf(deviceId: DeviceId, at: number, fact: DeviceFact): DeviceEventRecord {
  return { deviceId, at, source: fact.source, event: fact.event, params: { ...fact.params }, failure: fact.failure ?? null }
}

/** The text without its margins; null where nothing is left. */
export function given(text: string | null): string | null {
  const trimmed = text?.trim() ?? ''
  return trimmed === '' ? null : trimmed
}
