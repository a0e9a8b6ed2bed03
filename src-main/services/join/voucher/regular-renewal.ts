// Renews vouchers while the program runs (draft-ietf-anima-rfc8366bis §10.1): soon after the start, for the laptop was shut, and then twice a day.
import { isAbort, toAppError, type AppError, type Clock, type Timer } from '#main/base/index.ts'
import type { VoucherDesk } from './desk.ts'
import type { RenewalOutcome } from './renewal.ts'

export interface RegularRenewal {
  readonly desk: Pick<VoucherDesk, 'renew'>
  readonly clock: Clock
  /** Told of each round that found something to renew. */
  readonly onRenewed?: (outcomes: readonly RenewalOutcome[]) => void
  /** Told where a round could not be made at all; a site that works offline is no trouble. */
  readonly onTrouble?: (error: AppError) => void
}

const FIRST_MS = 60_000
const EVERY_MS = 12 * 3_600_000

/** The returned function ends it; a round under way is broken off. */
export function renewRegularly({ desk, clock, onRenewed, onTrouble }: RegularRenewal): () => void {
  const ending = new AbortController()
  let timer: Timer
  const round = async (): Promise<void> => {
    try {
      const outcomes = await desk.renew(ending.signal)
      if (outcomes.length > 0 && !ending.signal.aborted) onRenewed?.(outcomes)
    } catch (thrown) {
      const failure = toAppError(thrown)
      if (!isAbort(failure) && failure.code !== 'voucher.offline') onTrouble?.(failure)
    }
    if (!ending.signal.aborted) timer = clock.setTimer(EVERY_MS, () => void round())
  }
  timer = clock.setTimer(FIRST_MS, () => void round())
  return () => {
    ending.abort()
    timer.cancel()
  }
}
