// What an entry of the journal was, as the key and the numbers of its words. Pure.
import type { HistoryRow } from '#contract/model.ts'

/** The kind of row that an area's edits are counted by; others are told without a number. */
const COUNTED: ReadonlyArray<readonly [prefix: string, kind: string]> = [
  ['devices.', 'device'],
  ['walk.', 'device'],
  ['rooms.', 'room'],
  ['groups.setMemberships', 'membership'],
  ['groups.createCoap', 'coapGroup'],
  ['groups.updateCoap', 'coapGroup'],
  ['groups.removeCoap', 'coapGroup'],
  ['groups.', 'applicationGroup'],
  ['security.protect', 'protection'],
  ['security.', 'securityGroup'],
]

export interface EditWords {
  /** Below `edits.op`. */
  readonly key: string
  readonly name: string
  readonly count: number
}

export function editWords({ op, counts, name }: Pick<HistoryRow, 'op' | 'counts' | 'name'>): EditWords {
  const kind = COUNTED.find(([prefix]) => op.startsWith(prefix))?.[1]
  return { key: op.replace('.', '_'), name: name ?? '–', count: Math.max(1, kind === undefined ? 1 : (counts[kind] ?? 1)) }
}
