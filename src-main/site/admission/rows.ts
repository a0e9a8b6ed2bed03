// Pledges as the window and the command line see them.
import type { JoinStepName } from '#main/services/join/index.ts'
import type { PledgeDetail, PledgeRow, PledgeState, PledgeStep, PledgeStepDetail } from '#contract/model.ts'
import { actionsFor } from './actions.ts'
import type { Decision } from './decide.ts'
import type { Match } from './matching.ts'
import { isJoined, lastStep, stepAfter, stepNumber } from './timeline.ts'
import type { AttemptRecord, DenialRecord, PledgeRecord } from './types.ts'

export interface Seen {
  readonly record: PledgeRecord
  readonly match: Match
  readonly denial: DenialRecord | undefined
  /** What it would be told if it asked now. */
  readonly decision: Decision
  readonly now: number
}

interface ShownStep extends StepRecordShown {
  readonly code: string | null
  readonly detail: string | null
}
type StepRecordShown = Omit<PledgeStep, 'number' | 'step'> & { readonly step: JoinStepName }

export function stateOf(record: PledgeRecord, denial: DenialRecord | undefined): PledgeState {
  const [attempt] = record.attempts
  if (denial !== undefined) return 'denied'
  const last = lastStep(attempt)
  if (last === undefined) return 'joining'
  if (last.outcome === 'failed') return 'failed'
  if (last.outcome === 'waiting') return 'waiting'
  return isJoined(attempt) ? 'enrolled' : 'joining'
}

export function pledgeRow(seen: Seen): PledgeRow {
  const { record, match, denial } = seen
  const state = stateOf(record, denial)
  const [attempt] = record.attempts
  const steps = attempt === undefined ? [] : shownSteps(attempt)
  const current = steps.at(-1) ?? {
    step: 'seen',
    outcome: 'running',
    startedAt: record.firstSeenAt,
    endedAt: null,
    code: null,
    detail: null,
  }
  const { code, actions } = reasonOf(seen, state, current)
  return {
    key: record.key,
    serialNumber: record.serialNumber,
    eui64: record.eui64,
    manufacturer: record.manufacturer,
    makerKnown: record.makerKnown,
    proxy: record.proxy,
    deviceId: record.deviceId ?? match.deviceId,
    listed: match.listed,
    decision: denial === undefined ? decisionOf(record, seen.now) : 'denied',
    state,
    step: current.step,
    outcome: current.outcome,
    since: current.endedAt ?? current.startedAt,
    code,
    detail: current.detail,
    actions: [...actions],
    steps: steps.map(({ step, outcome, startedAt, endedAt }) => ({ number: stepNumber(step), step, outcome, startedAt, endedAt })),
    attempts: record.attemptCount,
    firstSeenAt: record.firstSeenAt,
    lastSeenAt: record.lastSeenAt,
  }
}

export function pledgeDetail(seen: Seen): PledgeDetail {
  const { record, match, denial, now } = seen
  const { admittance } = record
  const pledge = pledgeRow(seen)
  return {
    pledge,
    match: { verdict: match.verdict, deviceIds: [...match.deviceIds], differences: match.differences.map((each) => ({ ...each })) },
    decision:
      denial !== undefined
        ? { by: denial.by, at: denial.at, reason: denial.reason, until: null }
        : admittance === null
          ? null
          : { by: admittance.by, at: admittance.at, reason: null, until: admittance.until },
    certificateSerial: record.certificateSerial,
    attempts: record.attempts.map((attempt, index) => {
      const steps = index === 0 ? shownSteps(attempt) : attempt.steps
      return {
        number: attempt.number,
        startedAt: attempt.startedAt,
        endedAt: attempt.endedAt,
        steps: steps.map((step, place) => stepDetail(step, index === 0 && place === steps.length - 1 ? pledge : undefined, now)),
      }
    }),
  }
}

/** The current step is told as the row tells it: what a waiting device waits for may have changed since it asked. */
function stepDetail(step: ShownStep, pledge: PledgeRow | undefined, now: number): PledgeStepDetail {
  const { outcome, startedAt, endedAt, detail } = step
  const code = pledge === undefined ? step.code : pledge.code
  return {
    number: stepNumber(step.step),
    step: step.step,
    outcome,
    startedAt,
    endedAt,
    code,
    detail,
    actions: pledge === undefined ? [...actionsFor(code)] : [...pledge.actions],
    elapsedMs: Math.max(0, Math.round((endedAt ?? now) - startedAt)),
  }
}

/** What was told, and the step that must be under way after it. */
function shownSteps(attempt: AttemptRecord): readonly ShownStep[] {
  const last = lastStep(attempt)
  const next = last?.outcome === 'done' && attempt.endedAt === null ? stepAfter(last.step) : undefined
  if (last === undefined || next === undefined) return attempt.steps
  const startedAt = last.endedAt ?? last.startedAt
  return [...attempt.steps, { step: next, outcome: 'running', startedAt, endedAt: null, code: null, detail: null }]
}

function reasonOf(
  { denial, decision }: Seen,
  state: PledgeState,
  current: Pick<ShownStep, 'step' | 'outcome' | 'code'>,
): { readonly code: string | null; readonly actions: ReturnType<typeof actionsFor> } {
  if (denial !== undefined) return { code: 'join.denied', actions: actionsFor('join.denied') }
  if (state === 'waiting' && current.step === 'admitted') {
    // Let in meanwhile: it has to ask again by itself.
    if (decision.kind === 'admit') return { code: null, actions: ['wait'] }
    return { code: decision.code, actions: actionsFor(decision.code) }
  }
  return { code: current.code, actions: actionsFor(current.code) }
}

function decisionOf({ admittance }: PledgeRecord, now: number): PledgeRow['decision'] {
  return admittance === null || now >= admittance.until ? 'none' : admittance.kind
}
