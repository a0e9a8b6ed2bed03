// A device's group table as one membership sees it: which entry stands for it, and which entries should not be there.
import type { GroupTableEntry, GroupTarget } from '#main/site/devices/index.ts'
import type { GroupBook } from './book.ts'
import { holds, isDoubtful } from './plan.ts'
import type { MembershipRecord } from './types.ts'

export interface TableView {
  /** The entry under the group's present name, or under the name that it was written with. */
  readonly entry: GroupTableEntry | null
  /** Entries that stand for this membership and should not be there. Those that another group of the device has are left to it. */
  readonly unwanted: readonly GroupTableEntry[]
}

/** What to keep of it while it is not as wished: a leftover before the entry itself, or it would be forgotten with the entry in its place. */
export function openEntry({ entry, unwanted }: TableView, target: GroupTarget): GroupTableEntry | null {
  return holds(entry, target) ? (unwanted[0] ?? entry) : entry
}

export function viewTable(book: GroupBook, cell: MembershipRecord, target: GroupTarget, table: readonly GroupTableEntry[]): TableView {
  const others = book.cellsOfDevice(cell.deviceId).filter((other) => other.groupId !== cell.groupId)
  const needed = new Set(others.filter((other) => other.desired).map((other) => book.target(other.groupId)?.name))
  const claimed = new Set(others.flatMap((other) => [book.target(other.groupId)?.name, other.applied?.name]))
  const own = table.filter((entry) => !needed.has(entry.name))
  const earlierName = cell.applied?.name
  const unwanted = own.filter((entry) => {
    if (entry.name === target.name) return !cell.desired
    // An address of the site's own range under a name that no membership of the device has: left by an interrupted renaming.
    return entry.name === earlierName || (!claimed.has(entry.name) && book.isOwnAddress(entry.address))
  })
  const named = (name: string | undefined): GroupTableEntry | undefined => own.find((entry) => entry.name === name)
  // A write in doubt may have arrived under a name that the group had in between.
  const leftover = isDoubtful(cell) ? unwanted[0] : undefined
  const entry = named(target.name) ?? named(earlierName) ?? leftover ?? null
  return { entry, unwanted }
}
