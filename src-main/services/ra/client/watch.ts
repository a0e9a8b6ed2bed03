// Keeps an eye on an authority above (RFC 9482 §2.6): its announcements where it keeps this observer, and where it does not, its status, which is
// polled. Both say the same things, proven by the same rules; nothing of it is acted upon here.
import { AppError, equalBytes, type Clock, type SocketAddress, type Timer } from '#main/base/index.ts'
import type { ObservingClient } from '#main/wire/coap/index.ts'
import { toRefusal } from '../cmp/status.ts'
import { Certificate } from '../x509/certificate.ts'
import { PathValidator } from '../x509/path.ts'
import type { CmpClient } from './client.ts'
import { provenCrl, readNews, type AuthorityNews } from './news.ts'
import { observeAnnouncements } from './observe.ts'

/** `observed`: told of news by itself. `polled`: asked now and then. `unheard`: nothing that could be believed has come lately. */
export type ListeningState = 'observed' | 'polled' | 'unheard'

export interface AuthorityWatchOptions {
  /** Where announcements are to be had; undefined for a server that has none, as over HTTP. */
  readonly announcements: { readonly client: ObservingClient; readonly to: SocketAddress; readonly path?: readonly string[] } | undefined
  /** Asks the authority of its status; undefined where there is nothing by which it would answer. */
  readonly poll: CmpClient | undefined
  readonly clock: Clock
  /** Roots in DER; what does not lead to one of them is not believed. */
  readonly anchors: readonly Uint8Array[]
  /** Authorities between these roots and what they have certified, in DER. */
  readonly others?: readonly Uint8Array[]
  /** Whether a certificate that leads to a root counts for nothing all the same. */
  readonly isRevoked?: (certificate: Certificate) => boolean
  /** Time between two polls; an hour unless told. A day's worth of them where announcements come: those that nobody heard are not repeated. */
  readonly pollS?: number
  readonly onNews: (news: AuthorityNews) => void
  readonly onState: (state: ListeningState) => void
  /** Told of what could not be believed or heard. */
  readonly onProblem: (problem: AppError) => void
}

const DEFAULT_POLL_S = 3600
/** After a first poll that nobody has answered, the next comes sooner. */
const RETRY_S = 300
/** So many times longer where announcements come. */
const OBSERVED = 24

/** Watches until the returned function is called. */
export function watchAuthority(options: AuthorityWatchOptions): () => void {
  const { announcements, poll, clock, anchors, isRevoked, onNews, pollS = DEFAULT_POLL_S } = options
  const paths = new PathValidator(anchors.map((bytes) => new Certificate(bytes)))
  const between = (options.others ?? []).map((bytes) => new Certificate(bytes))
  const stop = new AbortController()
  let isObserved = false
  let isPolling = false
  let state: ListeningState | undefined
  let timer: Timer | undefined
  let newest: Uint8Array | undefined

  const tell = (next: ListeningState): void => {
    if (stop.signal.aborted || state === next) return
    state = next
    options.onState(next)
  }
  const problem = (thrown: unknown): void => {
    if (stop.signal.aborted) return
    const refusal = toRefusal(thrown)
    if (thrown instanceof AppError) options.onProblem(thrown)
    else if (refusal !== undefined) options.onProblem(new AppError('ra.rejected', refusal.message))
    else throw thrown
  }

  const pollLater = (afterS: number): void => {
    timer?.cancel()
    timer = poll === undefined || stop.signal.aborted ? undefined : clock.setTimer(afterS * 1000, pollNow)
  }
  const pollNow = (): void => {
    timer = undefined
    if (poll === undefined || isPolling || stop.signal.aborted) return
    isPolling = true
    ask(poll).then(
      (all) => {
        isPolling = false
        if (stop.signal.aborted) return
        for (const one of all) onNews(one)
        if (!isObserved) tell('polled')
        pollLater(isObserved ? pollS * OBSERVED : pollS)
      },
      (thrown: unknown) => {
        isPolling = false
        problem(thrown)
        if (!isObserved) tell('unheard')
        pollLater(isObserved ? pollS : RETRY_S)
      },
    )
  }
  /** The newest roots, and the current CRL. */
  const ask = async (client: CmpClient): Promise<readonly AuthorityNews[]> => {
    const found: AuthorityNews[] = []
    // By its link a new root signs lists that are good for who trusts the old one alone.
    const links: Certificate[] = []
    for (const root of paths.anchors.filter(({ isSelfIssued }) => isSelfIssued)) {
      const next = await client.rootUpdate(root, stop.signal)
      if (next === undefined) continue
      found.push(next)
      links.push(next.link)
    }
    const crl = await client.currentCrl(stop.signal)
    if (crl !== undefined) found.push(await provenCrl(crl, { paths, others: [...between, ...links], nowMs: clock.now() }))
    return found
  }

  const onRegistered = (now: boolean): void => {
    if (now === isObserved) return
    isObserved = now
    if (now) pollLater(pollS * OBSERVED)
    else pollNow()
  }
  const endObserving =
    announcements === undefined
      ? undefined
      : observeAnnouncements({
          ...announcements,
          clock,
          anchors,
          ...(isRevoked === undefined ? {} : { isRevoked }),
          onRegistered,
          onProblem: (thrown) => {
            problem(thrown)
            if (!isObserved && poll === undefined) tell('unheard')
          },
          onAnnouncement: (announcement, message) => {
            tell(isObserved ? 'observed' : 'polled')
            // A registration anew brings the last one again.
            if (newest !== undefined && equalBytes(newest, message.bytes)) return
            readNews(announcement, { paths, others: [...between, ...message.certificates], nowMs: clock.now() }).then((all) => {
              newest = message.bytes
              if (!stop.signal.aborted) for (const one of all) onNews(one)
            }, problem)
          },
        })
  // What was announced before is not announced again.
  pollNow()

  return () => {
    timer?.cancel()
    stop.abort(new AppError('cancelled', 'The authority is not watched any more'))
    endObserving?.()
  }
}
