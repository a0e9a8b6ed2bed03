// A CoapClient whose far side is a function: what a device would answer, without a network.
import { AppError, formatSocketAddress, utf8, type SocketAddress } from '#main/base/index.ts'
import type { ClientRequest, ClientResponse, CoapClient, GroupRequestOptions, RequestOptions, ResponseCode } from '#main/wire/coap/index.ts'

export interface ScriptedAnswer {
  readonly code: ResponseCode
  readonly json?: unknown
  readonly text?: string
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  readonly options?: ClientResponse['options']
}

/** Undefined: no answer, which is a `coap.timeout` for unicast. */
export type ScriptedServer = (request: ClientRequest, at: SocketAddress, multicast: boolean) => ScriptedAnswer | undefined

export class ScriptedClient implements CoapClient {
  readonly channelId: string
  readonly servers = new Map<string, ScriptedServer>()
  readonly requests: Array<{ readonly to: SocketAddress; readonly request: ClientRequest; readonly multicast: boolean }> = []
  /** Unicast requests wait for this promise. */
  gate: Promise<void> = Promise.resolve()
  inFlight = 0
  mostInFlight = 0
  groupFailure: AppError | undefined

  constructor(channelId = 'test') {
    this.channelId = channelId
  }

  /** Puts a server behind an address. */
  serve(at: SocketAddress, server: ScriptedServer): void {
    this.servers.set(formatSocketAddress(at), server)
  }

  async request(to: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse> {
    this.requests.push({ to, request, multicast: false })
    this.inFlight += 1
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    try {
      await this.gate
      if (options?.signal?.aborted === true) throw new AppError('cancelled', 'cancelled')
      const answer = this.servers.get(formatSocketAddress(to))?.(request, to, false)
      if (answer === undefined) throw new AppError('coap.timeout', `No answer from ${formatSocketAddress(to)}`, { retryable: true })
      return responseOf(answer, to)
    } finally {
      this.inFlight -= 1
    }
  }

  async *groupRequest(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncIterable<ClientResponse> {
    this.requests.push({ to, request, multicast: true })
    await Promise.resolve()
    if (this.groupFailure !== undefined) throw this.groupFailure
    for (const [key, server] of this.servers) {
      if (options.signal?.aborted === true) return
      const at = addressOf(key)
      const answer = server(request, to, true)
      if (answer !== undefined) yield responseOf(answer, at)
    }
  }

  groupRequestBytes(request: ClientRequest): number {
    return 10 + (request.payload?.length ?? 0)
  }
}

function responseOf(answer: ScriptedAnswer, source: SocketAddress): ClientResponse {
  const payload = answer.payload ?? (answer.json === undefined ? utf8(answer.text ?? '') : utf8(JSON.stringify(answer.json)))
  const contentFormat = answer.contentFormat ?? (answer.json === undefined ? undefined : 50)
  return { code: answer.code, options: answer.options ?? [], payload, contentFormat, source, elapsedMs: 1 }
}

function addressOf(key: string): SocketAddress {
  const match = /^\[(.*)\]:(\d+)$/.exec(key)
  return { address: match?.[1] ?? '', port: Number(match?.[2]) }
}
