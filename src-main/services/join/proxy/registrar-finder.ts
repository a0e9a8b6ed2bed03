// Keeps what is known of registrars current: searches at once, again from time to time, and when one does not answer any more
// (cBRSKI-31 §10.2), never oftener than the network can bear, whatever pledges do.
import { isAbort, type Clock, type Logger, type SocketAddress, type Timer } from '#main/base/index.ts'
import { findRegistrars, type RegistrarRoute, type RegistrarSearch } from './find-registrar.ts'
import { isAt } from './pledge-side.ts'

export interface RegistrarFinderOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Where there are any, nothing is searched for (draft-ietf-anima-constrained-join-proxy-20 §5.1). */
  readonly configured?: readonly RegistrarRoute[]
  readonly search?: RegistrarSearch
  readonly onChange?: (routes: readonly RegistrarRoute[]) => void
  /** Searching anew while all is well. */
  readonly refreshMs?: number
  /** The least and the longest pause between searches that find nothing; it doubles. */
  readonly pauseMs?: { readonly least: number; readonly longest: number }
}

const REFRESH_MS = 15 * 60_000
const PAUSE_MS = { least: 10_000, longest: 300_000 }

export class RegistrarFinder {
  readonly #options: RegistrarFinderOptions
  readonly #pause: { readonly least: number; readonly longest: number }
  #routes: readonly RegistrarRoute[]
  #pauseMs: number
  #searchedMs: number | undefined
  /** Searches one after the other that found nothing. */
  #misses = 0
  #timer: Timer | undefined
  #running: AbortController | undefined
  #open = true

  constructor(options: RegistrarFinderOptions) {
    this.#options = options
    this.#routes = options.configured ?? []
    this.#pause = options.pauseMs ?? PAUSE_MS
    this.#pauseMs = this.#pause.least
  }

  routes(): readonly RegistrarRoute[] {
    return this.#routes
  }

  start(): void {
    this.#schedule(0)
  }

  /** A pledge has come and there is nobody to send it to: search now, if the last time was not just now. */
  want(): void {
    if (this.#routes.length > 0 || this.#running !== undefined) return
    const sinceMs = this.#searchedMs === undefined ? Infinity : this.#options.clock.monotonicMs() - this.#searchedMs
    this.#schedule(Math.max(0, this.#pause.least - sinceMs))
  }

  /** The registrar cannot be reached: whether it is elsewhere now is to be found out. */
  lost(registrar: SocketAddress): void {
    if (this.#running !== undefined || !this.#routes.some(({ at }) => isAt(at, registrar))) return
    const sinceMs = this.#searchedMs === undefined ? Infinity : this.#options.clock.monotonicMs() - this.#searchedMs
    this.#schedule(Math.max(0, this.#pause.least - sinceMs))
  }

  close(): void {
    this.#open = false
    this.#timer?.cancel()
    this.#running?.abort()
  }

  #schedule(delayMs: number): void {
    const isFixed = this.#options.search === undefined || (this.#options.configured?.length ?? 0) > 0
    if (isFixed || !this.#open) return
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#run())
  }

  #run(): void {
    const { search, clock, logger } = this.#options
    if (search === undefined || this.#running !== undefined) return
    const running = new AbortController()
    this.#running = running
    this.#searchedMs = clock.monotonicMs()
    findRegistrars(search, running.signal)
      .then((routes) => this.#found(routes))
      .catch((cause: unknown) => {
        if (!isAbort(cause)) logger.warn({ err: cause }, 'The search for registrars failed')
      })
      .finally(() => {
        this.#running = undefined
        this.#schedule(this.#routes.length > 0 && this.#misses === 0 ? (this.#options.refreshMs ?? REFRESH_MS) : this.#pauseMs)
      })
  }

  #found(routes: readonly RegistrarRoute[]): void {
    if (!this.#open) return
    this.#misses = routes.length > 0 ? 0 : this.#misses + 1
    this.#pauseMs = this.#misses <= 1 ? this.#pause.least : Math.min(this.#pause.longest, this.#pauseMs * 2)
    // Multicast may get lost: what was found before outlives one search that finds nothing.
    if (this.#misses === 1 && this.#routes.length > 0) return
    if (sameRoutes(routes, this.#routes)) return
    this.#routes = routes
    this.#options.onChange?.(routes)
  }
}

function sameRoutes(a: readonly RegistrarRoute[], b: readonly RegistrarRoute[]): boolean {
  return (
    a.length === b.length &&
    a.every((route) => b.some((other) => other.mode === route.mode && other.version === route.version && isAt(other.at, route.at)))
  )
}
