// Tells the gate how each device fares, and remembers of each what later requests need. Bounded: the longest silent is forgotten first.
import type { Clock } from '#main/base/index.ts'
import type { JoinGate, JoinStep, JoinStepName, PledgeIdentity } from '../types.ts'

export type StepFacts = Partial<Pick<JoinStep, 'code' | 'detail' | 'certificateSerial' | 'atMs'>>

/** What the registrar knows of a pledge between its requests. */
export interface PledgeState {
  /** It has refused our voucher, and has not asked for another since. */
  hasRefusedVoucher: boolean
  /** Hex, of the certificate that it got last. */
  lastSerial: string | undefined
  /** What was told since it came: things that each request or each block of one would say again. */
  readonly told: Set<string>
}

const MAX_REMEMBERED = 4096
const MAX_DETAIL = 200
/** Of one failure of one device: whoever comes again and again fills no list. */
const SAME_FAILURE_EVERY_MS = 10_000

export class Journal {
  readonly #gate: JoinGate
  readonly #clock: Clock
  readonly #states = new Map<string, PledgeState>()
  readonly #failures = new Map<string, { readonly text: string; readonly atMs: number }>()

  constructor(gate: JoinGate, clock: Clock) {
    this.#gate = gate
    this.#clock = clock
  }

  get size(): number {
    return this.#states.size
  }

  note(pledge: PledgeIdentity, step: JoinStepName, outcome: JoinStep['outcome'], facts: StepFacts = {}): void {
    const { detail, ...others } = facts
    if (outcome === 'failed' && this.#isRepeated(pledge.key, `${step} ${facts.code ?? ''} ${detail ?? ''}`)) return
    this.#gate.note({
      pledge,
      step,
      outcome,
      atMs: Math.floor(this.#clock.now()),
      ...others,
      ...(detail === undefined || detail === '' ? {} : { detail: cut(detail) }),
    })
  }

  /** The same once for each time that the pledge connects. */
  noteOnce(pledge: PledgeIdentity, step: JoinStepName, outcome: JoinStep['outcome'], facts: StepFacts = {}): void {
    const { told } = this.stateOf(pledge)
    const text = `${step} ${outcome} ${facts.code ?? ''}`
    if (told.has(text)) return
    for (const older of told) if (older.startsWith(`${step} `)) told.delete(older)
    told.add(text)
    this.note(pledge, step, outcome, facts)
  }

  stateOf({ key }: PledgeIdentity): PledgeState {
    const state = this.#states.get(key) ?? { hasRefusedVoucher: false, lastSerial: undefined, told: new Set<string>() }
    this.#states.delete(key)
    dropOldest(this.#states)
    this.#states.set(key, state)
    return state
  }

  #isRepeated(key: string, text: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const last = this.#failures.get(key)
    if (last?.text === text && nowMs - last.atMs < SAME_FAILURE_EVERY_MS) return true
    this.#failures.delete(key)
    dropOldest(this.#failures)
    this.#failures.set(key, { text, atMs: nowMs })
    return false
  }
}

function dropOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys()
  if (map.size >= MAX_REMEMBERED && oldest !== undefined) map.delete(oldest)
}

/** At most so many characters, none of them one that moves the cursor or half a pair. */
export function cut(text: string): string {
  return text
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_DETAIL)
    .replace(/[\uD800-\uDBFF]$/, '')
}
