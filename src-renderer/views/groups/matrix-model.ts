// The matrix of devices and application groups as plain data: rows, columns, cells, and what painting over them changes.
// A row of a room stands for all of its shown devices.
import type { ApplicationGroupRow, DeviceRow, DeviceType, MembershipChange, MembershipRow, Outcome } from '#contract/model.ts'
import { compareNames, type RoomIndex } from './room-order.ts'

export interface RoomLine {
  readonly kind: 'room'
  readonly key: string
  /** Null: the devices without a room. */
  readonly roomId: string | null
  readonly name: string
  readonly path: string
  readonly deviceIds: readonly string[]
  readonly collapsed: boolean
}
export interface DeviceLine {
  readonly kind: 'device'
  readonly key: string
  readonly device: DeviceRow
}
export type MatrixLine = RoomLine | DeviceLine

export interface MatrixFilter {
  readonly text: string
  readonly type: DeviceType | null
}

const NO_ROOM = '-'
export const roomKey = (roomId: string | null): string => roomId ?? NO_ROOM
export const membershipKey = (deviceId: string, groupId: string): string => `${deviceId} ${groupId}`

/** Every word must be found in the name, room, serial number or EUI-64. */
export function matchesFilter(device: DeviceRow, roomPath: string, filter: MatrixFilter): boolean {
  if (filter.type !== null && device.type !== filter.type) return false
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return true
  const hay = `${device.name} ${roomPath} ${device.serial ?? ''} ${device.eui64 ?? ''}`.toLowerCase()
  return words.every((word) => hay.includes(word))
}

export function buildLines(
  devices: Iterable<DeviceRow>,
  rooms: RoomIndex,
  filter: MatrixFilter,
  collapsed: ReadonlySet<string>,
  noRoomName: string,
): readonly MatrixLine[] {
  const byRoom = new Map<string, DeviceRow[]>()
  for (const device of devices) {
    const node = rooms.node(device.roomId)
    if (!matchesFilter(device, node?.path ?? '', filter)) continue
    const key = roomKey(node?.room.id ?? null)
    const there = byRoom.get(key)
    if (there === undefined) byRoom.set(key, [device])
    else there.push(device)
  }
  const lines: MatrixLine[] = []
  const add = (roomId: string | null, name: string, path: string): void => {
    const key = roomKey(roomId)
    const there = byRoom.get(key)
    if (there === undefined) return
    there.sort((a, b) => compareNames(a.name, b.name))
    const isCollapsed = collapsed.has(key)
    lines.push({
      kind: 'room',
      key: `room ${key}`,
      roomId,
      name,
      path,
      deviceIds: there.map((device) => device.id),
      collapsed: isCollapsed,
    })
    if (!isCollapsed) for (const device of there) lines.push({ kind: 'device', key: device.id, device })
  }
  for (const node of rooms.nodes) add(node.room.id, node.room.name, node.path)
  add(null, noRoomName, noRoomName)
  return lines
}

/** Groups stand in the order of their rooms, so that the matrix of a well-kept site is a diagonal. */
export function buildColumns(groups: Iterable<ApplicationGroupRow>, rooms: RoomIndex, text = ''): readonly ApplicationGroupRow[] {
  const wanted = text.trim().toLowerCase()
  return [...groups]
    .filter((group) => wanted === '' || group.name.toLowerCase().includes(wanted))
    .sort((a, b) => rooms.rank(a.roomId) - rooms.rank(b.roomId) || compareNames(a.name, b.name))
}

/** How a cell is drawn: an outcome for a wanted membership, a removal while the device still has an unwanted one. */
export type CellMark = 'none' | Outcome | 'to-remove' | 'removal-sent' | 'removal-failed' | 'removal-unknown'

export function cellMark(membership: MembershipRow | undefined): CellMark {
  if (membership === undefined) return 'none'
  if (membership.desired) return membership.outcome
  switch (membership.outcome) {
    case 'planned':
      return 'to-remove'
    case 'sent':
      return 'removal-sent'
    case 'failed':
      return 'removal-failed'
    case 'unknown':
      return 'removal-unknown'
    case 'confirmed':
      return 'none'
  }
}

export type Lookup = (deviceId: string, groupId: string) => MembershipRow | undefined

/** Wanted memberships for each room line and group, counted over the shown devices in one pass. */
export function countByRoom(memberships: Iterable<MembershipRow>, lines: readonly MatrixLine[]): ReadonlyMap<string, number> {
  const roomOf = new Map<string, string>()
  for (const line of lines) if (line.kind === 'room') for (const id of line.deviceIds) roomOf.set(id, line.key)
  const counts = new Map<string, number>()
  for (const membership of memberships) {
    if (!membership.desired) continue
    const room = roomOf.get(membership.deviceId)
    if (room === undefined) continue
    const key = `${room} ${membership.groupId}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** Two corners of a rectangle of cells, in any order. */
export interface CellRange {
  readonly fromRow: number
  readonly fromColumn: number
  readonly toRow: number
  readonly toColumn: number
}

export function orderRange(range: CellRange): CellRange {
  return {
    fromRow: Math.min(range.fromRow, range.toRow),
    toRow: Math.max(range.fromRow, range.toRow),
    fromColumn: Math.min(range.fromColumn, range.toColumn),
    toColumn: Math.max(range.fromColumn, range.toColumn),
  }
}

export function isInRange(range: CellRange | null, row: number, column: number): boolean {
  if (range === null) return false
  const { fromRow, toRow, fromColumn, toColumn } = orderRange(range)
  return row >= fromRow && row <= toRow && column >= fromColumn && column <= toColumn
}

/**
 * The devices that a run of lines stands for. A line of a room counts when it stands alone or is folded; within a larger run its
 * devices have lines of their own, and dragging past the head of the next room must not take that whole room in.
 */
export function devicesOfLines(lines: readonly MatrixLine[], fromRow: number, toRow: number): readonly string[] {
  const ids = new Set<string>()
  for (let row = fromRow; row <= toRow; row++) {
    const line = lines[row]
    if (line?.kind === 'device') ids.add(line.device.id)
    else if (line !== undefined && (line.collapsed || fromRow === toRow)) for (const id of line.deviceIds) ids.add(id)
  }
  return [...ids]
}

/** What painting `desired` over a range changes; cells that are so already are left out. */
export function paintChanges(
  range: CellRange,
  lines: readonly MatrixLine[],
  columns: readonly ApplicationGroupRow[],
  lookup: Lookup,
  desired: boolean,
): readonly MembershipChange[] {
  const { fromRow, toRow, fromColumn, toColumn } = orderRange(range)
  const groups = columns.slice(fromColumn, toColumn + 1)
  return changesFor(
    devicesOfLines(lines, fromRow, toRow),
    groups.map((group) => group.id),
    lookup,
    desired,
  )
}

export function changesFor(
  deviceIds: readonly string[],
  groupIds: readonly string[],
  lookup: Lookup,
  desired: boolean,
): readonly MembershipChange[] {
  const changes: MembershipChange[] = []
  for (const deviceId of deviceIds)
    for (const groupId of groupIds)
      if ((lookup(deviceId, groupId)?.desired ?? false) !== desired) changes.push({ deviceId, groupId, desired })
  return changes
}

/** What a stroke that begins in this cell paints: it fills unless everything there is filled already. */
export function strokeValue(
  row: number,
  column: number,
  lines: readonly MatrixLine[],
  columns: readonly ApplicationGroupRow[],
  lookup: Lookup,
): boolean {
  const group = columns[column]
  if (group === undefined) return true
  return devicesOfLines(lines, row, row).some((id) => !(lookup(id, group.id)?.desired ?? false))
}

export type Direction = 'up' | 'down' | 'left' | 'right' | 'page-up' | 'page-down' | 'row-start' | 'row-end' | 'start' | 'end'

/** Where the cursor goes; it stays inside the grid. */
export function moveCursor(
  at: { readonly row: number; readonly column: number },
  direction: Direction,
  size: { readonly rows: number; readonly columns: number; readonly page: number },
): { readonly row: number; readonly column: number } {
  const lastRow = Math.max(0, size.rows - 1)
  const lastColumn = Math.max(0, size.columns - 1)
  const clamp = (value: number, max: number): number => Math.min(max, Math.max(0, value))
  switch (direction) {
    case 'up':
      return { row: clamp(at.row - 1, lastRow), column: clamp(at.column, lastColumn) }
    case 'down':
      return { row: clamp(at.row + 1, lastRow), column: clamp(at.column, lastColumn) }
    case 'left':
      return { row: clamp(at.row, lastRow), column: clamp(at.column - 1, lastColumn) }
    case 'right':
      return { row: clamp(at.row, lastRow), column: clamp(at.column + 1, lastColumn) }
    case 'page-up':
      return { row: clamp(at.row - size.page, lastRow), column: clamp(at.column, lastColumn) }
    case 'page-down':
      return { row: clamp(at.row + size.page, lastRow), column: clamp(at.column, lastColumn) }
    case 'row-start':
      return { row: clamp(at.row, lastRow), column: 0 }
    case 'row-end':
      return { row: clamp(at.row, lastRow), column: lastColumn }
    case 'start':
      return { row: 0, column: 0 }
    case 'end':
      return { row: lastRow, column: lastColumn }
  }
}

/** Splits changes into calls that the contract takes. */
export function inBatches<Item>(items: readonly Item[], size = 50_000): ReadonlyArray<readonly Item[]> {
  const batches: Array<readonly Item[]> = []
  for (let from = 0; from < items.length; from += size) batches.push(items.slice(from, from + size))
  return batches
}
