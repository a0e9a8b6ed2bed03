// How a joining device is read: its steps as beads, what it is called, who needs a person first. Pure.
import type { JoinAction, JoinStepWord, PledgeRow, PledgeState, PledgeStep, ScanResult } from '#contract/model.ts'
import type { Tone } from '../../../components/ui/index.ts'

export const joinSteps = [
  'seen',
  'connected',
  'admitted',
  'voucher',
  'trusts-us',
  'anchors',
  'certificate',
  'enrolled',
  'secured',
] as const satisfies readonly JoinStepWord[]

export type BeadLook = 'done' | 'running' | 'waiting' | 'failed' | 'ahead' | 'skipped'

export interface Bead {
  readonly step: JoinStepWord
  /** Of the timeline; null for what has not been or was left out. */
  readonly number: number | null
  readonly look: BeadLook
}

/** Every step in its order; those that others have overtaken were left out. */
export function beadsOf(steps: readonly PledgeStep[]): readonly Bead[] {
  const known = new Map(steps.map((step) => [step.step, step]))
  const last = joinSteps.reduce((latest, step, index) => (known.has(step) ? index : latest), -1)
  return joinSteps.map((step, index) => {
    const found = known.get(step)
    if (found !== undefined) return { step, number: found.number, look: found.outcome }
    return { step, number: null, look: index < last ? 'skipped' : 'ahead' }
  })
}

export const beadTones: Readonly<Record<BeadLook, Tone>> = {
  done: 'confirmed',
  running: 'working',
  waiting: 'sent',
  failed: 'failed',
  ahead: 'planned',
  skipped: 'planned',
}

/** By what people call it: the planned device, else what stands on its label, else the beginning of its key. */
export function pledgeName({ serialNumber, eui64, key }: PledgeRow, deviceName: string | undefined): string {
  return deviceName ?? serialNumber ?? eui64 ?? key.slice(0, 8)
}

/** Whoever needs a person comes first; who is through comes last. */
const ORDER: Readonly<Record<PledgeState, number>> = { failed: 0, waiting: 1, joining: 2, denied: 3, enrolled: 4 }

export function inOrder(rows: readonly PledgeRow[]): readonly PledgeRow[] {
  // By the first time that each was seen, so that rows do not jump while devices knock again.
  return rows.toSorted((a, b) => ORDER[a.state] - ORDER[b.state] || a.firstSeenAt - b.firstSeenAt || (a.key < b.key ? -1 : 1))
}

export const pledgeStates = ['failed', 'waiting', 'joining', 'enrolled', 'denied'] as const satisfies readonly PledgeState[]
export type PledgeFilter = 'all' | PledgeState

export function matchesPledge(row: PledgeRow, only: PledgeFilter, text: string, deviceName: string | undefined): boolean {
  if (only !== 'all' && row.state !== only) return false
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return true
  return [deviceName, row.serialNumber, row.eui64, row.manufacturer, row.key].some(
    (value) => value?.toLowerCase().includes(wanted) === true,
  )
}

/** Since when the step that counts has been running. */
export function elapsedMs(row: Pick<PledgeRow, 'since'>, now: number): number {
  return Math.max(0, now - row.since)
}

/** What a person reads only: nothing in the program does it. */
const ADVICE: ReadonlySet<JoinAction> = new Set(['unlock-keys', 'check-network', 'check-clock', 'power-cycle', 'wait'])

export function isAdvice(action: JoinAction): boolean {
  return ADVICE.has(action)
}

const SCAN_TONES: Readonly<Record<ScanResult['outcome'], Tone>> = {
  listed: 'confirmed',
  'listed-unplanned': 'sent',
  created: 'confirmed',
  assigned: 'confirmed',
  'already-listed': 'planned',
  'already-joined': 'planned',
  'waiting-admitted': 'confirmed',
  denied: 'failed',
  mismatch: 'failed',
  told: 'planned',
  unreadable: 'failed',
}

export function scanTone({ outcome }: Pick<ScanResult, 'outcome'>): Tone {
  return SCAN_TONES[outcome]
}

/** Only what the scan itself has put on the list can be taken back. */
export function canUndo({ outcome, entryId }: Pick<ScanResult, 'outcome' | 'entryId'>): boolean {
  return entryId !== null && ['listed', 'listed-unplanned', 'created', 'assigned', 'waiting-admitted'].includes(outcome)
}

/** The lists behind admission. */
export type ListName = 'labels' | 'denied' | 'vouchers'

/** In pairs, as it is printed on labels. */
export function pairs(hex: string | null): string {
  return hex === null ? '' : (hex.match(/../g) ?? []).join('-')
}
