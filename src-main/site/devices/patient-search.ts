// Looking for devices on a medium of low rate: everybody is asked once, and again only when the answers have dried up, for on a mesh of
// 250 kbit/s a second question meets the answers to the first (groupcomm-bis-18 §3.6.1, RFC 7252 §8.2).
import { delay, type Clock, type SocketAddress } from '#main/base/index.ts'
import { DEFAULT_LEISURE_MS, leastLeisureMs } from '#main/wire/coap/index.ts'

export interface PatientSearchOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The search lasts so long at least, unless everybody who is expected was heard. */
  readonly atLeastMs: number
  /** What the medium carries of responses, in bytes a second; undefined where it carries no multicast. */
  readonly bytesPerS: number | undefined
  /** Devices that the site has, and those of them that were not heard yet. */
  readonly expected: () => { readonly all: number; readonly missing: number }
  /** Addresses of devices that were not heard yet. */
  readonly reachable: () => readonly SocketAddress[]
  /** Counts up with whoever is heard for the first time. */
  readonly news: () => number
  /** Whether somebody who was heard is still being asked who it is. */
  readonly isBusy: () => boolean
  /** One multicast request, whose answers count for so long. */
  readonly askAll: (deadlineMs: number) => void
  /** Resolves with its answer or without; never rejects. */
  readonly askOne: (to: SocketAddress) => Promise<void>
  /** Told by when the search will probably end. */
  readonly onDeadline: (inMs: number) => void
}

/** S of the leisure formula: links of a device, headers included. */
const ANSWER_BYTES = 160
/** However long answers come, whoever invents some must not keep the search going. */
const LONGEST_MS = 180_000
const MOST_ROUNDS = 6
/** Of those missing who have an address, so many are asked one by one where multicast reaches them, too. */
const FEW = 16
const MOST_ASKED = 2
const ASKED_AT_ONCE = 4
const LOOK_MS = 250
const LEAST_QUIET_MS = 1500
/** Gaps between answers are exponential where their moments are drawn evenly: one in fifty is four times the mean. */
const GAPS = 4
/** Registrations come when they come: for so long none has to come before they count as dried up. */
const QUIET_REGISTRATIONS_MS = 5000

/** Resolves when the search is over, or its signal aborts. */
export async function searchPatiently(options: PatientSearchOptions): Promise<void> {
  const { clock, signal, atLeastMs, bytesPerS, expected, news } = options
  const startedMs = clock.monotonicMs()
  const untilMs = startedMs + LONGEST_MS
  const elapsedMs = (): number => clock.monotonicMs() - startedMs
  const asked = new Map<string, number>()
  try {
    for (let round = 1; !signal.aborted && clock.monotonicMs() < untilMs; round++) {
      const before = news()
      const spreadMs = spreadOf(options)
      if (bytesPerS !== undefined && round <= MOST_ROUNDS) options.askAll(untilMs - clock.monotonicMs())
      else await askEach(options, asked, Infinity, untilMs)
      options.onDeadline(Math.max(atLeastMs - elapsedMs(), spreadMs + LEAST_QUIET_MS))
      await driedUp(options, before, spreadMs, untilMs)
      if (bytesPerS !== undefined) await askEach(options, asked, FEW, untilMs)
      while (options.isBusy() && clock.monotonicMs() < untilMs) await delay(clock, LOOK_MS, signal)
      const { all, missing } = expected()
      if (all > 0 && missing === 0) return
      if (elapsedMs() >= atLeastMs && news() === before) return
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown
  }
}

/** lb_Leisure = S * G / R, and DEFAULT_LEISURE where the group is small or unknown. */
function spreadOf({ bytesPerS, expected, news }: PatientSearchOptions): number {
  if (bytesPerS === undefined) return QUIET_REGISTRATIONS_MS
  return Math.max(DEFAULT_LEISURE_MS, leastLeisureMs(ANSWER_BYTES, Math.max(expected().all, news()), bytesPerS))
}

/** Waits until nobody new has been heard for as long as the pauses between answers make likely that none comes any more. */
async function driedUp(options: PatientSearchOptions, before: number, spreadMs: number, untilMs: number): Promise<void> {
  const { clock, signal, news, isBusy, bytesPerS } = options
  let known = news()
  let newsMs = clock.monotonicMs()
  for (;;) {
    await delay(clock, LOOK_MS, signal)
    const nowMs = clock.monotonicMs()
    if (news() > known || isBusy()) newsMs = nowMs
    known = news()
    const heard = known - before
    const gapMs = bytesPerS === undefined || heard === 0 ? spreadMs : Math.max(LEAST_QUIET_MS, (GAPS * spreadMs) / heard)
    if (nowMs - newsMs >= Math.min(spreadMs, gapMs) || nowMs >= untilMs) return
  }
}

/** Whoever is missing and has an address, where they are few. Each is asked twice at most: Confirmable requests repeat themselves. */
async function askEach(options: PatientSearchOptions, asked: Map<string, number>, most: number, untilMs: number): Promise<void> {
  const { clock, signal, reachable, askOne } = options
  const missing = reachable().filter(({ address }) => (asked.get(address) ?? 0) < MOST_ASKED)
  if (missing.length > most) return
  const queue = missing.values()
  const ask = async (): Promise<void> => {
    for (const to of queue) {
      if (signal.aborted || clock.monotonicMs() >= untilMs) return
      asked.set(to.address, (asked.get(to.address) ?? 0) + 1)
      await askOne(to)
    }
  }
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask))
}
