// What a device's group table, as it was just read, says of the memberships that the project knows: facts, and what has drifted.
// draft-ietf-core-groupcomm-bis §2.2.4.
import { AppError, type DeviceId } from '#main/base/index.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import type { FactSource, Failure } from '#contract/model.ts'
import type { GroupBook } from './book.ts'
import { toFailure } from './faults.ts'
import { holds, isDoubtful, membershipKey } from './plan.ts'
import { viewTable } from './table.ts'
import type { MembershipRecord } from './types.ts'

/** Told of a table that was read from its device. */
export type TableListener = (deviceId: DeviceId, table: readonly GroupTableEntry[]) => void

export interface TableVerdict {
  /** Memberships that the project knows of the device. */
  readonly memberships: number
  /** Names of groups whose membership is not as the project wants it. */
  readonly differing: readonly string[]
}

interface Fact {
  readonly at: number
  readonly source: FactSource
}

/** Keeps what the table says. What it merely says again is not written again, unless `always`. */
export function takeIn(
  book: GroupBook,
  deviceId: DeviceId,
  table: readonly GroupTableEntry[],
  fact: Fact,
  { always = false }: { readonly always?: boolean } = {},
): TableVerdict {
  const cells: MembershipRecord[] = []
  const removedCells: MembershipRecord[] = []
  const before = book.cellsOfDevice(deviceId)
  for (const cell of before) {
    const after = observed(book, cell, table, fact)
    if (after === undefined) removedCells.push(cell)
    else if (always || isNews(cell, after)) cells.push(after)
  }
  if (cells.length + removedCells.length > 0) book.commit({ cells, removedCells })
  const left = book.cellsOfDevice(deviceId)
  const differing = left.filter((cell) => book.planFeed.get(membershipKey(cell)) !== undefined)
  return { memberships: left.length, differing: differing.map((cell) => book.target(cell.groupId)?.name ?? cell.groupId) }
}

/** What the table says of one membership: the cell to keep, or undefined where the device has let go as wished. */
function observed(book: GroupBook, cell: MembershipRecord, table: readonly GroupTableEntry[], fact: Fact): MembershipRecord | undefined {
  const target = book.target(cell.groupId)
  if (target === undefined) return cell
  const view = viewTable(book, cell, target, table)
  const applied = view.entry
  const known = { ...cell, ...fact, applied }
  if (!cell.desired) return applied === null ? undefined : { ...known, outcome: 'confirmed', failure: null }
  // The write has arrived, but what it was to replace is there still.
  const leftover = isDoubtful(cell) ? view.unwanted[0] : view.unwanted.find(({ name }) => name === cell.applied?.name)
  if (holds(applied, target) && leftover !== undefined)
    return { ...known, applied: leftover, outcome: cell.outcome === 'failed' ? 'failed' : 'planned' }
  if (holds(applied, target)) return { ...known, outcome: 'confirmed', failure: null }
  const drifted = cell.outcome === 'confirmed' && holds(cell.applied, target)
  if (drifted) return { ...known, outcome: 'failed', failure: driftFailure([target.name]) }
  // A write in doubt has been answered by the table: it has not arrived.
  return { ...known, outcome: isDoubtful(cell) || cell.outcome === 'confirmed' ? 'planned' : cell.outcome }
}

function isNews(before: MembershipRecord, after: MembershipRecord): boolean {
  const [a, b] = [before.applied, after.applied]
  const sameEntry = a === b || (a !== null && b !== null && a.name === b.name && a.address === b.address && a.port === b.port)
  return !sameEntry || before.outcome !== after.outcome || (before.failure === null) !== (after.failure === null)
}

export function driftFailure(groups: readonly string[]): Failure {
  return toFailure(
    new AppError('profile.not-confirmed', 'The group table of the device is not what the project wants', {
      retryable: true,
      details: { groups: groups.slice(0, 20) },
    }),
  )
}
