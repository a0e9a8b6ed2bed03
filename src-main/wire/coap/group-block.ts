// What one responder alone must be asked for, by unicast: the blocks that follow its first one (groupcomm-bis-18 §3.8, Appendix D
// Figure 22; RFC 7959 §2.8), and the answer that it holds back until the client has proved its address (§6.3.1, RFC 9175 §2.3). A few
// servers at a time, lest the fetching congest the network.
import type { AppError } from '#main/base/index.ts'
import { firstBlockOf, type CoapRequester } from './client.ts'
import { echoOf } from './echo-memory.ts'
import type { ExchangeResponse } from './exchange.ts'
import { OptionNumber } from './options.ts'
import type { ClientRequest, ClientResponse, CoapOption } from './types.ts'

/** Of the group request alone: unicast requests to its responders do without (groupcomm-bis §3.2 for the authority). */
const OF_THE_GROUP = new Set<number>([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PORT,
  OptionNumber.OBSERVE,
  OptionNumber.ETAG,
  OptionNumber.BLOCK2,
  OptionNumber.SIZE2,
  OptionNumber.NO_RESPONSE,
])
/** Servers that are asked at once. */
const MAX_PARALLEL = 16

/** The request on the related unicast request URI, to be sent to a responder itself. */
export function unicastForm(request: ClientRequest): ClientRequest {
  return { ...request, options: (request.options ?? []).filter((option) => !OF_THE_GROUP.has(option.number)) }
}

/** The Echo option that a 4.01 asks to see again. */
export function challengeOf(response: ExchangeResponse): CoapOption | undefined {
  return response.message.code === '4.01' ? echoOf(response.message.options) : undefined
}

export interface GroupBlocksOptions {
  readonly requester: CoapRequester
  readonly request: ClientRequest
  /** When the group request left. */
  readonly startedMs: () => number
  readonly maxWaiting: number
  readonly onBody: (response: ClientResponse, peer: string) => void
  /** A server whose rest cannot be had. */
  readonly onFailure: (error: unknown, peer: string) => void
}

interface Waiting {
  readonly first: ExchangeResponse
  readonly peer: string
}

/** The fetching for one group request. */
export class GroupBlocks {
  readonly #options: GroupBlocksOptions
  readonly #request: ClientRequest
  readonly #stop = new AbortController()
  readonly #waiting: Waiting[] = []
  /** Who was asked because of a challenge: once, or a server could make this client send without end. */
  readonly #challenged = new Set<string>()
  #running = 0

  constructor(options: GroupBlocksOptions) {
    this.#options = options
    this.#request = unicastForm(options.request)
  }

  /** Bodies that are not whole yet. */
  get open(): number {
    return this.#running + this.#waiting.length
  }

  /** `whole`: nothing is missing. `full`: too many wait already. */
  add(first: ExchangeResponse, peer: string): 'whole' | 'taken' | 'full' {
    const challenged = challengeOf(first) !== undefined && !this.#challenged.has(peer)
    if (!challenged && firstBlockOf(first) === undefined) return 'whole'
    if (Math.max(this.open, this.#challenged.size) >= this.#options.maxWaiting) return 'full'
    if (challenged) this.#challenged.add(peer)
    this.#waiting.push({ first, peer })
    this.#next()
    return 'taken'
  }

  stop(why?: AppError): void {
    this.#waiting.length = 0
    this.#stop.abort(why)
  }

  #next(): void {
    if (this.#running >= MAX_PARALLEL || this.#stop.signal.aborted) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#running++
    const { onBody, onFailure } = this.#options
    const settled = (tell: () => void): void => {
      this.#running--
      if (this.#stop.signal.aborted) return
      tell()
      this.#next()
    }
    this.#ask(next.first).then(
      (response) => settled(() => onBody(response, next.peer)),
      (thrown: unknown) => settled(() => onFailure(thrown, next.peer)),
    )
  }

  #ask(first: ExchangeResponse): Promise<ClientResponse> {
    const { requester, startedMs } = this.#options
    const { signal } = this.#stop
    const echo = challengeOf(first)
    if (echo === undefined) return requester.continueResponse(this.#request, first, startedMs(), signal)
    const options = [...(this.#request.options ?? []).filter((option) => option.number !== OptionNumber.ECHO), echo]
    const { security } = this.#request
    // Who challenges is answered alone, with keys of the two where the group has such (draft-ietf-core-oscore-groupcomm-28 §9).
    const towards = security === undefined || first.identity === undefined ? {} : { security: security.towards(first.identity) }
    return requester.request(first.source, { ...this.#request, ...towards, options }, { signal })
  }
}
