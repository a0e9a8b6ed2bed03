// Who is let in: policy, window, lists and decisions as one pure function (RFC 8995 §5.2: the registrar authorises the pledge before it asks for a voucher).
import type { GateVerdict } from '#main/services/join/index.ts'
import type { FailureCode } from '#contract/failures.ts'
import type { AdmissionPolicy } from '#contract/model.ts'
import type { Match } from './matching.ts'
import type { DenialRecord, PledgeRecord } from './types.ts'

/** The window may open at any moment; people decide sooner than that. */
export const RETRY_CLOSED_S = 60
export const RETRY_DECISION_S = 20
export const RETRY_EXHAUSTED_S = 300
/** Failures in a row after which a device is asked to pause, and the pause. */
export const MOST_FAILURES = 12
const PAUSE_MS = RETRY_EXHAUSTED_S * 1000

export interface Circumstances {
  readonly policy: AdmissionPolicy
  readonly isOpen: boolean
  readonly denial: DenialRecord | undefined
  readonly match: Match
  readonly now: number
}

export type Decision =
  | { readonly kind: 'admit'; readonly why: 'list' | 'admitted-before' }
  | { readonly kind: 'wait'; readonly code: FailureCode; readonly retryAfterS: number }
  | { readonly kind: 'deny'; readonly code: FailureCode }

export function decide(pledge: PledgeRecord, { policy, isOpen, denial, match, now }: Circumstances): Decision {
  if (denial !== undefined) return deny('join.denied')
  if (policy.mode === 'closed') return deny('join.site-closed')
  // A person's word begins the count anew.
  if (isExhausted(pledge, now)) return wait('join.too-many-attempts', RETRY_EXHAUSTED_S)
  if (isAdmitted(pledge, now)) return { kind: 'admit', why: 'admitted-before' }
  // Without a trusted manufacturer anybody may claim any name: no list lets that in.
  if (!pledge.makerKnown) return stranger(policy, 'join.maker-unknown')
  switch (match.verdict) {
    case 'names-two-devices':
    case 'name-differs':
    case 'duplicate-in-list':
      return wait('join.identity-conflict', RETRY_DECISION_S)
    case 'joined-already':
      return wait('join.duplicate-device', RETRY_DECISION_S)
    case 'unlisted':
      return stranger(policy, 'join.awaits-decision')
    case 'matched':
      if (policy.mode === 'ask') return wait('join.awaits-decision', RETRY_DECISION_S)
      return isOpen ? { kind: 'admit', why: 'list' } : wait('join.window-closed', RETRY_CLOSED_S)
  }
}

export function verdictOf(decision: Decision): GateVerdict {
  return decision.kind === 'admit' ? { kind: 'admit' } : decision
}

/** A person's or the list's word holds for a time, and for what was known of the manufacturer when it was given. */
function isAdmitted({ admittance, makerKnown }: PledgeRecord, now: number): boolean {
  if (admittance === null || now >= admittance.until || now < admittance.at - PAUSE_MS) return false
  return makerKnown || admittance.unknownMaker
}

function isExhausted({ failuresInRow, attempts }: PledgeRecord, now: number): boolean {
  const endedAt = attempts.find((attempt) => attempt.endedAt !== null)?.endedAt ?? null
  return failuresInRow >= MOST_FAILURES && endedAt !== null && now - endedAt < PAUSE_MS && now >= endedAt
}

function stranger({ unlistedMayWait }: AdmissionPolicy, code: FailureCode): Decision {
  return unlistedMayWait ? wait(code, RETRY_DECISION_S) : deny('join.not-listed')
}

function wait(code: FailureCode, retryAfterS: number): Decision {
  return { kind: 'wait', code, retryAfterS }
}

function deny(code: FailureCode): Decision {
  return { kind: 'deny', code }
}
