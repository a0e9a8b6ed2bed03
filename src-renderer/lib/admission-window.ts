// The admission window as a clock reads it. Pure.
import type { AdmissionRow } from '#contract/model.ts'

export interface WindowLook {
  readonly isOpen: boolean
  readonly leftMs: number
  /** How much of it is left, from 1 to 0. */
  readonly share: number
  /** The last minute, or the last tenth of a short one. */
  readonly isEnding: boolean
}

/** It closes by itself: what the core has not said yet is seen here. */
export function windowLook(row: Pick<AdmissionRow, 'window' | 'openedAt' | 'closesAt'>, now: number): WindowLook {
  const { window, openedAt, closesAt } = row
  if (window === 'closed' || closesAt === null) return { isOpen: false, leftMs: 0, share: 0, isEnding: false }
  const leftMs = Math.max(0, closesAt - now)
  const whole = Math.max(1, closesAt - (openedAt ?? now))
  return { isOpen: leftMs > 0, leftMs, share: Math.min(1, leftMs / whole), isEnding: leftMs <= Math.min(60_000, whole / 4) }
}
