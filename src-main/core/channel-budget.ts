// What may be under way on a channel at once. RFC 7252 §4.7 limits what a client has open with one peer (NSTART) and leaves the sum over
// all peers to it: a mesh of 250 kbit/s answers a few requests quickly, and many at once not at all.
import { AppError } from '#main/base/index.ts'
import type { ClientResponse, CoapClient, RequestOptions } from '#main/wire/coap/index.ts'

export interface ChannelBudget {
  /** Unicast requests with all peers together, each with all of its blocks. */
  readonly requestsAtOnce: number
  /** The same while a group request collects its answers, which share the medium. */
  readonly besideGroupRequests: number
}

/** Requests that wait; more are refused. */
const MOST_WAITING = 20_000

/** A client that lets other work take the place of a request. */
export interface BudgetedClient extends CoapClient {
  inTurn<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result>
}

/** What asks the air by another way than a request of this client, such as the registration of an observer, waits for its turn all the same. */
export function inTurnOf<Result>(client: CoapClient, work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
  return isBudgeted(client) ? client.inTurn(work, signal) : work()
}

function isBudgeted(client: CoapClient): client is BudgetedClient {
  return 'inTurn' in client
}

/** The client, whose requests wait for their turn. The patience of a request counts from there. */
export function budgeted(client: CoapClient, budget: ChannelBudget): BudgetedClient {
  const waiting = new Set<() => void>()
  let open = 0
  let groups = 0

  const pump = (): void => {
    for (const begin of waiting) {
      if (open >= (groups > 0 ? budget.besideGroupRequests : budget.requestsAtOnce)) return
      waiting.delete(begin)
      open++
      begin()
    }
  }
  const turn = (signal: AbortSignal | undefined): Promise<void> => {
    if (waiting.size >= MOST_WAITING)
      return Promise.reject(new AppError('network.send-failed', 'Too many requests wait for the channel', { retryable: true }))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        // Whoever has had its turn hears of it from its own request.
        if (waiting.delete(begin)) reject(cancelled(signal))
      }
      const begin = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      waiting.add(begin)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted === true) onAbort()
      pump()
    })
  }
  const inTurn = async <Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> => {
    await turn(signal)
    try {
      return await work()
    } finally {
      open--
      pump()
    }
  }
  return {
    channelId: client.channelId,
    inTurn: (work, signal) => inTurn(work, signal),
    request: (to, request, options?: RequestOptions): Promise<ClientResponse> =>
      inTurn(() => client.request(to, request, options), options?.signal),
    async *groupRequest(to, request, options): AsyncGenerator<ClientResponse> {
      groups++
      try {
        yield* client.groupRequest(to, request, options)
      } finally {
        groups--
        pump()
      }
    },
    groupRequestBytes: (request) => client.groupRequestBytes(request),
  }
}

function cancelled(signal: AbortSignal | undefined): AppError {
  const reason: unknown = signal?.reason
  return reason instanceof AppError ? reason : new AppError('cancelled', 'The request was cancelled', { cause: reason })
}
