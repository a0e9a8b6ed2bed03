// How the client's messages travel: CMP over CoAP (RFC 9482) and over HTTP (RFC 9811).
import { request as httpRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { request as httpsRequest, Agent as HttpsAgent } from 'node:https'
import { AppError, concatBytes, utf8ToText, type Clock, type SocketAddress } from '#main/base/index.ts'
import { linkAttribute, linkValues, parseLinkFormat, type CoapClient } from '#main/wire/coap/index.ts'
import type { BodyType } from '../cmp/body.ts'
import { MAX_MESSAGE_BYTES } from '../cmp/message.ts'
import { operationOf, PKIXCMP } from '../transfer/paths.ts'

/** Carries one message there and one back. What belongs to one transaction goes the same way. */
export interface CmpTransport {
  /** `operation` is the body that began the transaction. Fails with `coap.*`, `network.*`, `ra.upstream-unreachable` or `cancelled`. */
  exchange(message: Uint8Array, operation: BodyType, signal?: AbortSignal): Promise<Uint8Array>
  /** Lets a kept connection go. */
  close(): void
}

// ---- CoAP --------------------------------------------------------------------------------------------------------

export interface CoapTransportOptions {
  readonly client: CoapClient
  readonly to: SocketAddress
  /** Path segment after `p`. */
  readonly profile?: string
  /** Whether the operation's label is put behind the path; it is not unless told. */
  readonly operationPaths?: boolean
  /** Path of the server, `.well-known`, `cmp` unless discovery says otherwise. */
  readonly path?: readonly string[]
  readonly blockBytes?: number
}

/** Confirmable POSTs, block-wise where needed; separate responses are waited for (RFC 9482 §2.3, §2.4). */
export function createCoapTransport(options: CoapTransportOptions): CmpTransport {
  const { client, to, profile, operationPaths = false, path = ['.well-known', 'cmp'], blockBytes } = options
  return {
    exchange: async (payload, operation, signal) => {
      const label = operationPaths ? operationOf(operation) : undefined
      const response = await client.request(
        to,
        {
          method: 'POST',
          path: [...path, ...(profile === undefined ? [] : ['p', profile]), ...(label === undefined ? [] : [label])],
          payload,
          contentFormat: PKIXCMP,
        },
        { confirmable: true, ...(blockBytes === undefined ? {} : { blockBytes }), ...(signal === undefined ? {} : { signal }) },
      )
      // A PKIMessage says more than the code: it is read whatever the class is.
      if (response.contentFormat === PKIXCMP && response.payload.length > 0) return response.payload
      throw new AppError('coap.response-error', `The server answered ${response.code} without a CMP message`, {
        retryable: response.code.startsWith('5') || response.code === '4.29',
        details: { code: response.code },
      })
    },
    close: () => undefined,
  }
}

/** Default ports of CoAP (RFC 7252 §6.1, §6.2). */
export const COAP_PORT = 5683
export const COAPS_PORT = 5684

export interface CmpServerAddress {
  readonly scheme: 'coap' | 'coaps'
  readonly at: SocketAddress
  readonly path: readonly string[]
}

/** `coap://[2001:db8::1]:61616/.well-known/cmp/p/device`; port and path may be left out (RFC 9482 §2.2). Throws `input.invalid`. */
export function parseCmpUri(text: string): CmpServerAddress {
  const match = /^(coaps?):\/\/(\[[0-9a-f:.]+(?:%25[\w.-]+)?\]|[0-9.]+)(?::(\d{1,5}))?(\/[^?#]*)?$/i.exec(text)
  const scheme = match?.[1]?.toLowerCase()
  if (match === null || (scheme !== 'coap' && scheme !== 'coaps'))
    throw new AppError('input.invalid', 'Not the URI of a CMP server', { details: { uri: text } })
  const port = match[3] === undefined ? (scheme === 'coap' ? COAP_PORT : COAPS_PORT) : Number(match[3])
  const [address = '', zone] = (match[2] ?? '').replace(/^\[|\]$/g, '').split('%25')
  const segments = (match[4] ?? '')
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeURIComponent)
  const at = zone === undefined ? { address, port } : { address, port, zone }
  return { scheme, at, path: segments.length === 0 ? ['.well-known', 'cmp'] : segments }
}

/** Paths of the CMP resources that the server lists (RFC 9482 §2.2), the shortest first; empty where it lists none. */
export async function discoverCmp(client: CoapClient, to: SocketAddress, signal?: AbortSignal): Promise<ReadonlyArray<readonly string[]>> {
  const response = await client.request(
    to,
    { method: 'GET', path: ['.well-known', 'core'], query: [`ct=${PKIXCMP}`] },
    signal === undefined ? {} : { signal },
  )
  if (response.code !== '2.05') return []
  return parseLinkFormat(utf8ToText(response.payload) ?? '')
    .filter((link) => linkValues(link, 'ct').includes(String(PKIXCMP)) && linkAttribute(link, 'obs') === undefined)
    .map(({ href }) => href.split('/').filter((segment) => segment !== ''))
    .toSorted((a, b) => a.length - b.length)
}

// ---- HTTP --------------------------------------------------------------------------------------------------------

export interface HttpTransportOptions {
  /** `http://pki.example/.well-known/cmp`, or https. */
  readonly url: string
  readonly clock: Clock
  readonly timeoutMs?: number
  /** Whether the body goes in chunks (RFC 9482 §2.4), one for the whole message; some servers cannot read that. */
  readonly chunked?: boolean
  /** PEM of the authorities that may vouch for an https server; those of the system unless told. */
  readonly tlsAnchors?: string
}

const DEFAULT_TIMEOUT_MS = 30_000

/** One connection, kept while the transport lives: servers bind a transaction to it. Throws `input.invalid` for another scheme. */
export function createHttpTransport(options: HttpTransportOptions): CmpTransport {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, chunked = true, clock } = options
  const url = readUrl(options.url)
  const agentOptions = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 }
  const tls = options.tlsAnchors === undefined ? {} : { ca: options.tlsAnchors }
  const agent = url.protocol === 'https:' ? new HttpsAgent({ ...agentOptions, ...tls }) : new HttpAgent(agentOptions)
  return {
    exchange: (message, _operation, signal) =>
      new Promise((resolve, reject) => {
        const fail = (cause: unknown): void => {
          timer.cancel()
          if (signal?.aborted === true) reject(new AppError('cancelled', 'The request was cancelled', { cause }))
          else reject(unreachable(cause))
        }
        const send = url.protocol === 'https:' ? httpsRequest : httpRequest
        const length = chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(message.length) }
        const request = send(
          url,
          {
            method: 'POST',
            agent,
            headers: { 'Content-Type': 'application/pkixcmp', Accept: 'application/pkixcmp', ...length },
            ...(signal === undefined ? {} : { signal }),
          },
          (response) => {
            readBody(response).then((body) => {
              timer.cancel()
              resolve(body)
            }, fail)
          },
        )
        const timer = clock.setTimer(timeoutMs, () =>
          request.destroy(new AppError('ra.upstream-unreachable', 'The server does not answer')),
        )
        request.on('error', fail)
        request.end(message)
      }),
    close: () => agent.destroy(),
  }
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new AppError('input.invalid', 'Not the URL of a CMP server', { details: { url: text } })
  }
  return url
}

async function readBody(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > MAX_MESSAGE_BYTES) throw new AppError('coap.too-large', 'The answer of the server is too large')
    chunks.push(chunk)
  }
  const isCmp = /^application\/pkixcmp(?:;|$)/i.test(response.headers['content-type'] ?? '')
  // An error of HTTP may carry a PKIMessage that says more (RFC 9811 §3.4).
  if (!isCmp || bytes === 0)
    throw new AppError('ra.upstream-unreachable', `The server answered ${response.statusCode ?? 0} without a CMP message`)
  return concatBytes(...chunks)
}

function unreachable(cause: unknown): AppError {
  if (cause instanceof AppError) return cause
  return new AppError('ra.upstream-unreachable', 'The server cannot be reached', { retryable: true, cause })
}
