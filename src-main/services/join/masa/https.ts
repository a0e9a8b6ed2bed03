// One POST over HTTPS, with TLS 1.2 at least and the server's name checked (RFC 8995 §5.4, constrained-voucher-31 §7.3).
import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { AppError, concatBytes, type Clock } from '#main/base/index.ts'

export interface TlsSide {
  /** PEM of the authorities that may vouch for the server; those of the system unless told. */
  readonly anchors?: string
  /** Our certificate with those above it, and its key, in PEM. */
  readonly client?: { readonly chain: string; readonly key: string }
}

export interface Post {
  readonly url: string
  readonly contentType: string
  readonly accept: string
  readonly body: Uint8Array
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly tls: TlsSide
}

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly retryAfterS: number | undefined
  readonly body: Uint8Array
}

/** Fails with `voucher.masa-unreachable`, `voucher.masa-untrusted` or `cancelled`; any status is an answer. Redirections are not followed. */
export function postHttps(post: Post, clock: Clock, signal?: AbortSignal): Promise<HttpAnswer> {
  const { anchors, client } = post.tls
  const agent = new Agent({
    keepAlive: false,
    minVersion: 'TLSv1.2',
    ...(anchors === undefined ? {} : { ca: anchors }),
    ...(client === undefined ? {} : { cert: client.chain, key: client.key }),
  })
  return new Promise<HttpAnswer>((resolve, reject) => {
    const fail = (cause: unknown): void => {
      timer.cancel()
      reject(signal?.aborted === true ? new AppError('cancelled', 'The request was cancelled', { cause }) : failureOf(cause))
    }
    const headers = { 'Content-Type': post.contentType, Accept: post.accept, 'Content-Length': String(post.body.length) }
    const request = httpsRequest(post.url, { method: 'POST', agent, headers, ...(signal === undefined ? {} : { signal }) }, (response) => {
      readBody(response, post.maxBytes).then((body) => {
        timer.cancel()
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          retryAfterS: secondsOf(response.headers['retry-after']),
          body,
        })
      }, fail)
    })
    const timer = clock.setTimer(post.timeoutMs, () => request.destroy(unreachable('The server does not answer')))
    request.on('error', fail)
    request.end(post.body)
  }).finally(() => agent.destroy())
}

function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : undefined
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new AppError('voucher.masa-refused', 'The answer of the server is too large')
    chunks.push(chunk)
  }
  return concatBytes(...chunks)
}

/** What OpenSSL and Node say where the other side is not who it should be. */
const UNTRUSTED = /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/

function failureOf(cause: unknown): AppError {
  if (cause instanceof AppError) return cause
  const reason = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  if (UNTRUSTED.test(reason))
    return new AppError('voucher.masa-untrusted', 'The server could not prove who it is', { details: { reason }, cause })
  return unreachable('The server cannot be reached', reason, cause)
}

function unreachable(message: string, reason = '', cause?: unknown): AppError {
  return new AppError('voucher.masa-unreachable', message, { retryable: true, details: { reason }, cause })
}
