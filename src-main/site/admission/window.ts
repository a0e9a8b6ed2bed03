// The admission window: opened for a time, closed by itself. Both clocks count, so that neither a set clock nor a sleeping computer keeps it open.
import type { Clock, Timer } from '#main/base/index.ts'
import type { AdmissionStore } from './types.ts'

const MINUTE_MS = 60_000
/** A timer that comes before the wall clock says so looks again this soon. */
const LOOK_AGAIN_MS = 1000

export interface WindowState {
  readonly openedAt: number
  readonly closesAt: number
}

export class AdmissionWindow {
  readonly #clock: Clock
  readonly #store: Pick<AdmissionStore, 'setting' | 'saveSetting'>
  readonly #onClosed: () => void
  #state: WindowState | undefined
  #deadlineMs = 0
  #timer: Timer | undefined

  /** Takes up a window that was open when the program ended, if its time is not over. */
  constructor(clock: Clock, store: Pick<AdmissionStore, 'setting' | 'saveSetting'>, onClosed: () => void) {
    this.#clock = clock
    this.#store = store
    this.#onClosed = onClosed
    const kept = readState(store.setting('window'))
    const now = clock.now()
    // A wall clock that was set back meanwhile must not reopen it.
    if (kept === undefined || now >= kept.closesAt || now < kept.openedAt) {
      if (kept !== undefined) store.saveSetting('window', null)
      return
    }
    this.#begin(kept, kept.closesAt - now)
  }

  get state(): WindowState | undefined {
    return this.isOpen ? this.#state : undefined
  }

  get isOpen(): boolean {
    return this.#state !== undefined && this.#clock.monotonicMs() < this.#deadlineMs && this.#clock.now() < this.#state.closesAt
  }

  /** Opens it, or moves its end. */
  open(minutes: number): WindowState {
    const now = this.#clock.now()
    const state = { openedAt: this.state?.openedAt ?? now, closesAt: now + minutes * MINUTE_MS }
    this.#store.saveSetting('window', { ...state })
    this.#begin(state, minutes * MINUTE_MS)
    return state
  }

  /** Whether there was anything to close. */
  shut(): boolean {
    const wasOpen = this.#state !== undefined
    this.#timer?.cancel()
    this.#timer = undefined
    // Closed whatever the disk says.
    this.#state = undefined
    if (wasOpen) this.#store.saveSetting('window', null)
    return wasOpen
  }

  /** The site is closed; the window stays open for the next start. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #begin(state: WindowState, forMs: number): void {
    this.#state = state
    this.#deadlineMs = this.#clock.monotonicMs() + forMs
    this.#arm(forMs)
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(delayMs, () => {
      if (this.isOpen) {
        this.#arm(LOOK_AGAIN_MS)
        return
      }
      this.#timer = undefined
      this.#onClosed()
    })
  }
}

function readState(value: unknown): WindowState | undefined {
  if (typeof value !== 'object' || value === null || !('openedAt' in value) || !('closesAt' in value)) return undefined
  const { openedAt, closesAt } = value
  if (!Number.isSafeInteger(openedAt) || !Number.isSafeInteger(closesAt)) return undefined
  return { openedAt: Number(openedAt), closesAt: Number(closesAt) }
}
