// What has drifted on a device: what was applied to it against the group table that was read from it last. Pure.
// draft-ietf-core-groupcomm-bis §2.2.4.
import type { DeviceId } from '#main/base/index.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import { canonicalAddress, holds, type GroupEngine, type MembershipRecord } from '#main/site/groups/index.ts'
import type { DriftFinding } from '#contract/model.ts'

export type BookView = Pick<GroupEngine['book'], 'cellsOfDevice' | 'target' | 'groupNamed' | 'isOwnAddress'>

/**
 * The findings, those that matter most first. What the project merely plans is none: nobody has said that the device has it. The
 * memberships must have been taken in from the same table (`takeIn`); `table` is undefined where the device was never read.
 */
export function findingsOf(book: BookView, deviceId: DeviceId, table: readonly GroupTableEntry[] | undefined): readonly DriftFinding[] {
  const cells = book.cellsOfDevice(deviceId)
  const foreign = table === undefined ? [] : foreignEntries(book, cells, table)
  const findings: DriftFinding[] = []
  const paired = new Set<GroupTableEntry>()
  let lost = 0
  for (const cell of cells) {
    const finding = findingOf(book, cell, foreign)
    // That a device lacks something is said only where it was asked.
    if (finding === undefined || (finding.kind === 'missing' && table === undefined)) continue
    if (finding.kind === 'missing' && cell.failure?.code === 'profile.not-confirmed') lost++
    const renamed = finding.kind === 'differs' ? foreign.find((entry) => entry.name === finding.found?.name) : undefined
    if (renamed !== undefined) paired.add(renamed)
    findings.push(finding)
  }
  const isReset = table?.length === 0 && lost > 0
  const reset: readonly DriftFinding[] = isReset ? [{ kind: 'reset', groupId: null, groupName: '', wanted: null, found: null }] : []
  const strangers = foreign.filter((entry) => !paired.has(entry)).map((entry) => foreignFinding(book, entry))
  return [...reset, ...findings.sort((a, b) => RANK[a.kind] - RANK[b.kind]), ...strangers]
}

const RANK: Readonly<Record<DriftFinding['kind'], number>> = { reset: 0, missing: 1, differs: 2, unknown: 3, foreign: 4 }

/** Entries that stand for no membership of the device. */
export function foreignEntries(
  book: BookView,
  cells: readonly MembershipRecord[],
  table: readonly GroupTableEntry[],
): readonly GroupTableEntry[] {
  const claimed = new Set(cells.flatMap((cell) => [book.target(cell.groupId)?.name, cell.applied?.name]))
  return table.filter((entry) => !claimed.has(entry.name))
}

function findingOf(book: BookView, cell: MembershipRecord, foreign: readonly GroupTableEntry[]): DriftFinding | undefined {
  const target = book.target(cell.groupId)
  if (target === undefined) return undefined
  const { name: groupName, address, port } = target
  const about = { groupId: cell.groupId, groupName, wanted: { address, port } }
  // What is being written is in hand, not in doubt.
  if (cell.outcome === 'unknown') return { kind: 'unknown', ...about, found: cell.applied }
  if (!cell.desired || cell.outcome !== 'failed') return undefined
  if (cell.applied !== null) return holds(cell.applied, target) ? undefined : { kind: 'differs', ...about, found: cell.applied }
  // Under another name at the same address: somebody has renamed it there.
  const renamed = foreign.find((entry) => entry.port === port && canonicalAddress(entry.address) === canonicalAddress(address))
  return renamed === undefined ? { kind: 'missing', ...about, found: null } : { kind: 'differs', ...about, found: renamed }
}

function foreignFinding(book: BookView, entry: GroupTableEntry): DriftFinding {
  const group = book.groupNamed(entry.name)
  return {
    kind: 'foreign',
    groupId: group === undefined || group.retired ? null : group.id,
    groupName: entry.name,
    wanted: null,
    found: entry,
  }
}
