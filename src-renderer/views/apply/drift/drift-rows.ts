// The drift lens in numbers and rows: which devices are listed, in which order, and what can be done about each finding.
import type { DriftFinding, DriftRow } from '#contract/model.ts'

export interface DriftTotals {
  /** Devices that have drifted. */
  readonly drifted: number
  /** Devices whose newest reading failed. */
  readonly silent: number
  readonly unread: number
  readonly asApplied: number
  /** Devices that a repair would write to. */
  readonly repairable: number
}

export function driftTotals(rows: readonly DriftRow[]): DriftTotals {
  const count = (test: (row: DriftRow) => boolean): number => rows.reduce((sum, row) => sum + (test(row) ? 1 : 0), 0)
  return {
    drifted: count(({ findings }) => findings.length > 0),
    silent: count(({ state }) => state === 'silent'),
    unread: count(({ state }) => state === 'not-read'),
    asApplied: count(({ state }) => state === 'as-applied'),
    repairable: count(({ findings }) => findings.some(isRepairable)),
  }
}

export function isRepairable({ kind }: DriftFinding): boolean {
  return kind === 'missing' || kind === 'differs' || kind === 'unknown'
}

/** Devices with findings first, then silent ones, each by name; the rest only where everything is asked for. */
export function listed(rows: readonly DriftRow[], nameOf: (id: string) => string, everything: boolean): readonly DriftRow[] {
  const rank = (row: DriftRow): number => (row.findings.length > 0 ? 0 : row.state === 'silent' ? 1 : row.state === 'not-read' ? 2 : 3)
  return rows
    .filter((row) => everything || rank(row) < 2)
    .map((row) => ({ row, rank: rank(row), name: nameOf(row.deviceId) }))
    .sort((a, b) => a.rank - b.rank || a.name.localeCompare(b.name, undefined, { numeric: true }))
    .map(({ row }) => row)
}

/** Groups in which something can be repaired, with how many devices each. */
export function driftedGroups(
  rows: readonly DriftRow[],
): ReadonlyArray<{ readonly id: string; readonly name: string; readonly devices: number }> {
  const groups = new Map<string, { readonly id: string; readonly name: string; devices: number }>()
  for (const { findings } of rows) {
    for (const finding of findings) {
      if (finding.groupId === null || !isRepairable(finding)) continue
      const known = groups.get(finding.groupId) ?? { id: finding.groupId, name: finding.groupName, devices: 0 }
      known.devices += 1
      groups.set(finding.groupId, known)
    }
  }
  return [...groups.values()].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))
}

export function endpointText(at: { readonly address: string; readonly port: number } | null): string {
  if (at === null) return ''
  return at.address.includes(':') ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`
}
