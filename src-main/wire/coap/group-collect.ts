// Collectors of responses to a group request: until a deadline, a number of servers, all or enough of the expected members, or a
// signal (groupcomm-bis-18 §3.1.3, §3.1.6). Every response is handed on with its origin, several of one server too.
import { AppError, type Timer } from '#main/base/index.ts'
import { toClientResponse } from './client.ts'
import { cancelled } from './security.ts'
import { GroupBlocks } from './group-block.ts'
import { serverKey, type GroupCall, type GroupCallContext } from './group-call.ts'
import type { Origin } from './message-layer.ts'
import type { ClientRequest, ClientResponse, CoapMessage, GroupRequestOptions } from './types.ts'

/** Sends the request and yields responses as they come. Abandoning the iteration ends the request. */
export async function* collect(
  context: GroupCallContext,
  request: ClientRequest,
  options: GroupRequestOptions,
): AsyncGenerator<ClientResponse, void, undefined> {
  if (options.signal?.aborted === true) throw cancelled(options.signal)
  const collection = new Collection(context, request, options)
  try {
    for (;;) {
      for (let next = collection.take(); next !== undefined; next = collection.take()) yield next
      if (collection.error !== undefined) throw collection.error
      if (collection.ended) return
      await collection.news()
    }
  } finally {
    collection.close()
  }
}

/** Different servers that are told apart; a flood of made-up sources must not fill the memory. */
const MAX_COUNTED = 100_000

class Collection {
  readonly #context: GroupCallContext
  readonly #options: GroupRequestOptions
  readonly #call: GroupCall
  readonly #blocks: GroupBlocks
  readonly #queue: ClientResponse[] = []
  readonly #answered = new Set<string>()
  readonly #outstanding: Set<string> | undefined
  readonly #timers: Timer[] = []
  readonly #removeAbort: () => void
  #startedMs = 0
  #taken = 0
  #wake: () => void = () => undefined
  ended = false
  error: AppError | undefined

  constructor(context: GroupCallContext, request: ClientRequest, options: GroupRequestOptions) {
    this.#context = context
    this.#options = options
    const { parameters, requester } = context
    this.#outstanding = options.members === undefined ? undefined : new Set(options.members)
    this.#call = context.open({ onResponse: (message, origin) => this.#onResponse(message, origin), onEnd: (error) => this.#end(error) })
    this.#blocks = new GroupBlocks({
      requester,
      request,
      startedMs: () => this.#startedMs,
      maxWaiting: parameters.maxGroupResponses,
      onBody: (response, peer) => this.#deliver({ ...response, elapsedMs: context.clock.monotonicMs() - this.#startedMs }, peer),
      // A server whose rest cannot be had counts as not having answered.
      onFailure: () => undefined,
    })
    const { signal } = options
    const onAbort = (): void => this.#end(signal === undefined ? undefined : cancelled(signal))
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#removeAbort = () => signal?.removeEventListener('abort', onAbort)
    this.#call.begin(() => this.#begin())
  }

  /** The times count from the first transmission, however long it had to wait for its turn. */
  #begin(): void {
    if (this.ended) return
    const { clock } = this.#context
    const { deadlineMs, repeat } = this.#options
    this.#startedMs = clock.monotonicMs()
    this.#timers.push(clock.setTimer(deadlineMs, () => this.#end()))
    this.#send('new')
    for (const { afterMs, messageId } of repeat ?? []) {
      if (afterMs < deadlineMs) this.#timers.push(clock.setTimer(afterMs, () => this.#send(messageId)))
    }
    if (this.#isComplete()) this.#end()
  }

  take(): ClientResponse | undefined {
    const next = this.#queue[this.#taken]
    if (next === undefined) return undefined
    this.#taken++
    if (this.#taken === this.#queue.length) {
      this.#queue.length = 0
      this.#taken = 0
    }
    return next
  }

  news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  close(): void {
    this.ended = true
    this.#call.close()
    this.#blocks.stop()
    this.#removeAbort()
    for (const timer of this.#timers) timer.cancel()
  }

  #send(messageId: 'new' | 'same'): void {
    if (this.ended) return
    try {
      this.#call.send(messageId)
    } catch (thrown) {
      this.#end(thrown instanceof AppError ? thrown : new AppError('network.send-failed', String(thrown), { cause: thrown }))
    }
  }

  #onResponse(message: CoapMessage, origin: Origin): boolean {
    if (this.ended) return true
    const { clock, messages } = this.#context
    const elapsedMs = clock.monotonicMs() - this.#startedMs
    const step = this.#blocks.add({ message, source: origin.source, identity: origin.identity }, origin.peer)
    if (step === 'whole') {
      this.#deliver(
        toClientResponse(message.code, message.options, message.payload, origin.source, elapsedMs, origin.identity),
        origin.peer,
      )
    } else if (step === 'full') messages.counters.overload++
    return true
  }

  #deliver(response: ClientResponse, peer: string): void {
    if (this.ended) return
    const { parameters, messages } = this.#context
    if (this.#queue.length - this.#taken >= parameters.maxGroupResponses) {
      messages.counters.overload++
      return
    }
    this.#queue.push(response)
    if (this.#answered.size < MAX_COUNTED) this.#answered.add(peer)
    this.#outstanding?.delete(serverKey(response.source))
    if (this.#isComplete()) this.#end()
    else this.#wake()
  }

  #isComplete(): boolean {
    const { expected, members, quorum } = this.#options
    if (expected !== undefined && this.#answered.size >= expected) return true
    if (members === undefined || this.#outstanding === undefined) return false
    const all = new Set(members).size
    return all - this.#outstanding.size >= Math.min(quorum ?? all, all)
  }

  #end(why?: AppError): void {
    if (!this.ended) this.error ??= why
    this.ended = true
    this.#wake()
  }
}

/** What came of a group request, by server. */
export interface GroupAnswers {
  /** In the order in which they came; of one server more than one, where it sent more. */
  readonly byServer: ReadonlyMap<string, readonly ClientResponse[]>
  /** Members that were expected and did not answer. */
  readonly missing: readonly string[]
  /** Servers that answered and were not expected. */
  readonly unexpected: readonly string[]
}

/** Waits for a whole collection and sorts it. Keys are addresses, with the zone where there is one. */
export async function gatherAnswers(responses: AsyncIterable<ClientResponse>, members: readonly string[] = []): Promise<GroupAnswers> {
  const byServer = new Map<string, ClientResponse[]>()
  for await (const response of responses) {
    const server = serverKey(response.source)
    const before = byServer.get(server)
    if (before === undefined) byServer.set(server, [response])
    else before.push(response)
  }
  const expected = new Set(members)
  return {
    byServer,
    missing: [...expected].filter((member) => !byServer.has(member)),
    unexpected: [...byServer.keys()].filter((server) => !expected.has(server)),
  }
}
