// Time as a port: nothing outside base reads the clock or sets a timer by itself, so tests run on a virtual clock.

/** A pending timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump; use it for stamps that people read. */
  now(): number
  /** Milliseconds from an arbitrary origin that never go backwards; use it for durations and deadlines. */
  monotonicMs(): number
  /** Calls back once after `delayMs`. A pending timer does not keep the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): Timer
  /** Calls back once what has come in already is taken, sooner than any timer; where it is absent, a timer of 0 ms does. */
  afterInput?(callback: () => void): Timer
}

/** The longest delay that Node's own timer takes before it wraps to 1 ms. */
const LONGEST_NODE_DELAY_MS = 2_147_483_647

/** The system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_NODE_DELAY_MS))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  afterInput(callback) {
    const immediate = setImmediate(callback)
    return { cancel: () => clearImmediate(immediate) }
  },
}

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortReason(signal))
      return
    }
    const onAbort = (): void => {
      timer.cancel()
      reject(abortReason(signal))
    }
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return reason instanceof Error ? reason : new DOMException('The operation was aborted', 'AbortError')
}
