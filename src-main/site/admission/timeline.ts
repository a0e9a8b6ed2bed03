// How far a pledge has come: attempts of numbered steps, from what is told of it. Pure: every order of events has a meaning.
import { JOIN_STEPS, type JoinStep, type JoinStepName } from '#main/services/join/index.ts'
import type { AttemptRecord, PledgeRecord, StepRecord } from './types.ts'

export const MOST_ATTEMPTS = 8
const LONGEST_DETAIL = 200

export interface StepNews {
  readonly step: JoinStepName
  readonly outcome: JoinStep['outcome']
  readonly at: number
  readonly code: string | null
  readonly detail: string | null
}

type Timeline = Pick<PledgeRecord, 'attempts' | 'attemptCount' | 'failuresInRow'>

export function stepNumber(step: JoinStepName): number {
  return JOIN_STEPS.indexOf(step) + 1
}

/** What is expected to follow; undefined after the last step. */
export function stepAfter(step: JoinStepName): JoinStepName | undefined {
  return JOIN_STEPS[stepNumber(step)]
}

export function lastStep(attempt: AttemptRecord | undefined): StepRecord | undefined {
  return attempt?.steps.at(-1)
}

/** Whether it has all that a device of the site needs; keys of security groups may still follow. */
export function isJoined(attempt: AttemptRecord | undefined): boolean {
  const last = lastStep(attempt)
  return last?.outcome === 'done' && stepNumber(last.step) >= stepNumber('enrolled')
}

/** The timeline with the news in it; the same one where it is no news. */
export function withNews(timeline: Timeline, told: StepNews): Timeline {
  const [newest, ...older] = timeline.attempts
  const news = newest === undefined ? told : placed(newest, told)
  if (newest !== undefined && isSameRefusal(newest, news)) return timeline
  if (newest === undefined || beginsAnew(newest, news)) {
    const number = timeline.attemptCount + 1
    const attempt = append({ number, startedAt: news.at, endedAt: null, steps: [] }, news)
    return counted({ ...timeline, attempts: [attempt, ...timeline.attempts].slice(0, MOST_ATTEMPTS), attemptCount: number }, news)
  }
  if (isEcho(newest, news)) return timeline
  return counted({ ...timeline, attempts: [append(newest, news), ...older] }, news)
}

/** A device that failed or has joined and comes again tries anew, from wherever it begins. */
function beginsAnew(attempt: AttemptRecord, { step }: StepNews): boolean {
  const last = lastStep(attempt)
  if (last === undefined || attempt.endedAt === null) return false
  // Its security context is the one thing that follows a finished enrolment.
  return !(isJoined(attempt) && step === 'secured')
}

/** The gate has told of its refusal itself, and so does whoever asked it. */
function isSameRefusal(attempt: AttemptRecord, { step, outcome, code }: StepNews): boolean {
  const last = lastStep(attempt)
  return step === 'admitted' && last?.step === step && outcome === 'failed' && last.outcome === outcome && last.code === code
}

/** What breaks an earlier step, such as the connection, breaks the step that is under way. */
function placed(attempt: AttemptRecord, news: StepNews): StepNews {
  const last = lastStep(attempt)
  if (last === undefined || attempt.endedAt !== null || news.outcome !== 'failed') return news
  if (last.outcome === 'waiting' || stepNumber(news.step) >= stepNumber(last.step)) return news
  return { ...news, step: stepAfter(last.step) ?? last.step }
}

/** A device that waits asks again and again, each time over a new connection: that is no news. */
function isEcho(attempt: AttemptRecord, { step, outcome }: StepNews): boolean {
  const last = lastStep(attempt)
  if (last === undefined) return false
  if (stepNumber(step) < stepNumber(last.step)) return true
  return step === last.step && last.outcome === 'done' && outcome === 'done'
}

function append(attempt: AttemptRecord, { step, outcome, at: toldAt, code, detail }: StepNews): AttemptRecord {
  // News may come late, or by a clock that was set: time does not run backwards in a timeline.
  const at = attempt.steps.reduce(
    (latest, { startedAt, endedAt }) => Math.max(latest, endedAt ?? startedAt),
    Math.max(attempt.startedAt, toldAt),
  )
  const before = attempt.steps.filter((each) => each.step !== step).map((each) => (each.endedAt === null ? closed(each, at) : each))
  const same = attempt.steps.find((each) => each.step === step)
  const previousEnd = before.at(-1)?.endedAt ?? attempt.startedAt
  const isOver = outcome !== 'waiting'
  const record: StepRecord = {
    step,
    outcome,
    startedAt: same?.startedAt ?? Math.min(previousEnd, at),
    endedAt: isOver ? at : null,
    code: outcome === 'done' ? null : code,
    detail: detail?.slice(0, LONGEST_DETAIL) ?? null,
  }
  const isEnd = outcome === 'failed' || (outcome === 'done' && stepNumber(step) >= stepNumber('enrolled'))
  return { ...attempt, steps: [...before, record], endedAt: isEnd ? at : null }
}

/** What a later step has left behind is done. */
function closed(step: StepRecord, at: number): StepRecord {
  return { ...step, outcome: 'done', endedAt: at, code: null }
}

function counted(timeline: Timeline, { step, outcome }: StepNews): Timeline {
  // To be refused is no failure of the device.
  if (outcome === 'failed' && step !== 'admitted') return { ...timeline, failuresInRow: timeline.failuresInRow + 1 }
  return outcome === 'done' && step === 'enrolled' ? { ...timeline, failuresInRow: 0 } : timeline
}
