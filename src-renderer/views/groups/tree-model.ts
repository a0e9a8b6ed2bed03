// The tree lens as a flat list of lines: rooms with their devices below them, as far as they are unfolded.
import type { DeviceRow } from '#contract/model.ts'
import { compareNames, type RoomNode } from './room-order.ts'

export interface TreeRoom {
  readonly kind: 'room'
  readonly key: string
  readonly node: RoomNode | null
  readonly depth: number
  /** Devices in the room itself, and with everything below it. */
  readonly own: number
  readonly total: number
  readonly open: boolean
  readonly foldable: boolean
}
export interface TreeDevice {
  readonly kind: 'device'
  readonly key: string
  readonly device: DeviceRow
  readonly depth: number
}
export type TreeLine = TreeRoom | TreeDevice

export const UNPLACED = 'room -'

export function buildTreeLines(tree: readonly RoomNode[], devices: Iterable<DeviceRow>, folded: ReadonlySet<string>): readonly TreeLine[] {
  const known = new Set<string>()
  const collect = (nodes: readonly RoomNode[]): void => {
    for (const node of nodes) {
      known.add(node.room.id)
      collect(node.children)
    }
  }
  collect(tree)
  const byRoom = new Map<string | null, DeviceRow[]>()
  for (const device of devices) {
    const room = device.roomId !== null && known.has(device.roomId) ? device.roomId : null
    const there = byRoom.get(room)
    if (there === undefined) byRoom.set(room, [device])
    else there.push(device)
  }
  const totals = new Map<string, number>()
  const count = (node: RoomNode): number => {
    const total = (byRoom.get(node.room.id)?.length ?? 0) + node.children.reduce((sum, child) => sum + count(child), 0)
    totals.set(node.room.id, total)
    return total
  }
  tree.forEach(count)

  const lines: TreeLine[] = []
  const addDevices = (room: string | null, depth: number): void => {
    for (const device of (byRoom.get(room) ?? []).sort((a, b) => compareNames(a.name, b.name)))
      lines.push({ kind: 'device', key: device.id, device, depth })
  }
  const addRoom = (node: RoomNode): void => {
    const key = `room ${node.room.id}`
    const own = byRoom.get(node.room.id)?.length ?? 0
    const foldable = own > 0 || node.children.length > 0
    const open = foldable && !folded.has(key)
    lines.push({ kind: 'room', key, node, depth: node.depth, own, total: totals.get(node.room.id) ?? own, open, foldable })
    if (!open) return
    node.children.forEach(addRoom)
    addDevices(node.room.id, node.depth + 1)
  }
  tree.forEach(addRoom)
  const unplaced = byRoom.get(null)?.length ?? 0
  if (unplaced > 0) {
    const open = !folded.has(UNPLACED)
    lines.push({ kind: 'room', key: UNPLACED, node: null, depth: 0, own: unplaced, total: unplaced, open, foldable: true })
    if (open) addDevices(null, 1)
  }
  return lines
}
