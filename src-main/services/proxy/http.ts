// The HTTP-to-CoAP proxy: requests for single servers and for groups, whose responses come back in one body
// (RFC 8075; draft-ietf-core-groupcomm-proxy-07 §9.4 to §9.6).
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  AppError,
  concatBytes,
  formatSocketAddress,
  toAppError,
  toHex,
  utf8,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { findOption, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { batchBody, httpReplyOf, methodOfHttp, optionsOfHttp, REASONS, targetOfHttpUri, type HttpReply } from './http-mapping.ts'
import { readGroupEtag, readMulticastTimeout } from './options.ts'
import type { GroupProxy } from './proxy.ts'
import type { ForwardedRequest } from './single.ts'
import { isGroupTarget, parseCoapUri, type CoapTarget, type TargetReading } from './target.ts'

export interface HttpProxyOptions {
  readonly proxy: GroupProxy
  readonly random: Random
  readonly logger: Logger
  /** 127.0.0.1 unless told: the proxy itself has no TLS. */
  readonly host?: string
  /** 0 picks a free port. */
  readonly port: number
  /** Where the Hosting HTTP URIs begin, `/hc/` unless told. */
  readonly basePath?: string
  /** Paths under which it stands in for a group or a server (-07 §9.10): the rest of the path and the query are forwarded. Rules hold as ever. */
  readonly reverse?: ReadonlyArray<{ readonly path: string; readonly to: SocketAddress }>
  /** Names in the Host field that are accepted besides this address, e.g. of a TLS terminator before it. */
  readonly hostNames?: readonly string[]
  /** Who sends the request, where something proves it; rules by identity need it. */
  readonly identify?: (request: {
    readonly source: SocketAddress
    readonly header: (name: string) => string | undefined
  }) => string | undefined
  readonly maxBodyBytes?: number
}

export interface HttpProxy {
  readonly local: SocketAddress
  close(): Promise<void>
}

const DEFAULT_MAX_BODY_BYTES = 64 * 1024
const MAX_CONNECTIONS = 200

export async function openHttpProxy(options: HttpProxyOptions): Promise<HttpProxy> {
  const { host = '127.0.0.1', port } = options
  const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 30_000, headersTimeout: 10_000 })
  server.maxConnections = MAX_CONNECTIONS
  await listening(server, host, port)
  const bound = server.address()
  const local: SocketAddress = { address: host, port: typeof bound === 'object' && bound !== null ? bound.port : port }
  const service = new HttpService(options, local)
  server.on('request', (request, response) => service.onRequest(request, response))
  return {
    local,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'network.address-in-use' : 'network.bind-failed'
      reject(new AppError(code, 'The HTTP proxy could not be opened', { cause, details: { host, port } }))
    })
    server.listen(port, host, () => resolve())
  })
}

class HttpService {
  readonly #options: HttpProxyOptions
  readonly #hosts: ReadonlySet<string>
  #requests = 0

  constructor(options: HttpProxyOptions, local: SocketAddress) {
    this.#options = options
    const own = [local.address.includes(':') ? `[${local.address}]` : local.address, 'localhost'].map((name) => `${name}:${local.port}`)
    this.#hosts = new Set([...own, ...(options.hostNames ?? [])])
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch((thrown: unknown) => {
      this.#options.logger.error({ err: toAppError(thrown) }, 'An HTTP request could not be served')
      if (!response.headersSent) send(request, response, plain(500))
      else response.destroy()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const header = (name: string): string | undefined => headerOf(request, name)
    // Pages of web sites must not reach devices through the browser of somebody here, be it by a name that resolves to this address.
    if (!this.#hosts.has(header('host') ?? '') || header('origin') !== undefined) {
      send(request, response, plain(403))
      return
    }
    const reading = this.#targetOf(request.url ?? '')
    const method = methodOfHttp(request.method ?? '')
    const options = optionsOfHttp(header, this.#options.proxy.numbers)
    if (reading === 'absent') send(request, response, plain(404))
    else if (typeof reading === 'string') send(request, response, plain(400))
    else if (method === undefined) send(request, response, plain(501))
    else if (typeof options === 'number') send(request, response, plain(options))
    else {
      const payload = await bodyOf(request, this.#options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES)
      if (payload === undefined) send(request, response, plain(413))
      else await this.#relay(request, response, reading.target, { method, options, payload })
    }
  }

  #targetOf(url: string): TargetReading {
    const route = this.#options.reverse?.find(({ path }) => url === path || url.startsWith(`${path}/`) || url.startsWith(`${path}?`))
    if (route === undefined) return targetOfHttpUri(url, this.#options.basePath ?? '/hc/')
    return parseCoapUri(`coap://${formatSocketAddress(route.to)}${url.slice(route.path.length)}`)
  }

  async #relay(request: IncomingMessage, response: ServerResponse, named: CoapTarget, forwarded: ForwardedRequest): Promise<void> {
    const { proxy } = this.#options
    const source: SocketAddress = { address: plainAddress(request.socket.remoteAddress ?? ''), port: request.socket.remotePort ?? 0 }
    const identity = this.#options.identify?.({ source, header: (name) => headerOf(request, name) })
    const client = { source, identity }
    const target = await proxy.resolved(named)
    if (!isGroupTarget(target)) {
      send(request, response, httpReplyOf(await proxy.relayToServer(client, target, forwarded), proxy.numbers))
      return
    }
    const collection = new Collection()
    const key = `http ${++this.#requests}`
    const finish = (stopped: boolean): void => {
      if (!stopped) send(request, response, this.#replyOf(collection))
    }
    const silent = readMulticastTimeout(proxy.numbers, forwarded.options) === 0
    const refused = proxy.relayToGroup({
      key,
      client,
      target,
      request: forwarded,
      side: {
        deliver: (one) => collection.add(one, proxy.numbers.replyFrom),
        end: silent ? () => undefined : finish,
      },
    })
    if (refused !== undefined) {
      // A proxy that does not forward to groups says 403 (RFC 8075 §8.4).
      const reply = httpReplyOf(refused, proxy.numbers)
      send(request, response, refused.code === '5.01' ? { ...reply, status: 403, reason: 'Forbidden' } : reply)
    } else if (silent) send(request, response, plain(204))
    else response.on('close', () => proxy.stopGroup(key))
  }

  /** -07 §9.6 */
  #replyOf(collection: Collection): HttpReply {
    const { numbers } = this.#options.proxy
    const { byServer, own } = collection
    if (byServer.size === 0) return own === undefined ? plain(204) : httpReplyOf(own, numbers)
    const responses = [...byServer.values()]
    const boundary = `batch_${toHex(this.#options.random.bytes(12))}`
    const body = batchBody(
      responses.map((one) => httpReplyOf(one, numbers)),
      boundary,
    )
    const last = responses.findLast((one) => readGroupEtag(numbers, one.options ?? []) !== undefined)
    const tag = last === undefined ? [] : httpReplyOf(last, numbers).headers.filter(([name]) => name === 'Group-ETag')
    return { status: 200, reason: 'OK', headers: [['Content-Type', `multipart/mixed; boundary=${boundary}`], ...tag], body }
  }
}

/** The latest response of each server, and what the proxy itself says. */
class Collection {
  readonly byServer = new Map<string, OutgoingResponse>()
  own: OutgoingResponse | undefined

  add(response: OutgoingResponse, replyFrom: number): void {
    const from = findOption(response.options ?? [], replyFrom)
    if (from === undefined) this.own = response
    else this.byServer.set(toHex(from.value), response)
  }
}

/** The body, or undefined where it is too large; what is left of it then is not read. */
async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  if (Number(headerOf(request, 'content-length') ?? 0) > maxBytes) return undefined
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of request) {
    if (!(part instanceof Uint8Array)) continue
    length += part.length
    if (length > maxBytes) return undefined
    parts.push(part)
  }
  return concatBytes(...parts)
}

function send(request: IncomingMessage, response: ServerResponse, reply: HttpReply): void {
  if (response.headersSent || response.destroyed) return
  response.statusMessage = reply.reason
  response.statusCode = reply.status
  for (const [name, value] of reply.headers) response.setHeader(name, value)
  const bodiless = reply.status === 204 || reply.status === 304
  if (!bodiless) response.setHeader('Content-Length', reply.body.length)
  if (!request.complete) response.setHeader('Connection', 'close')
  response.end(bodiless || request.method === 'HEAD' ? undefined : reply.body)
}

function plain(status: number): HttpReply {
  const reason = REASONS[status] ?? 'Unknown'
  const hasBody = status !== 204 && status !== 304
  return {
    status,
    reason,
    headers: hasBody ? [['Content-Type', 'text/plain;charset=utf-8']] : [],
    body: hasBody ? utf8(`${reason}\n`) : new Uint8Array(0),
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** `::ffff:192.0.2.1` of a socket that takes both versions, as rules write it. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}
