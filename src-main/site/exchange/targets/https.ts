// Delivery over HTTPS (RFC 9110): PUT or POST with an idempotency key and, where the destination gives entity tags, only over what it is known
// to have (If-Match, §13.1.1). What it has afterwards is read back. Redirections are not followed: secrets go to whom they were given for.
import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { AppError, concatBytes, equalBytes, sha256, utf8, utf8ToText, type Clock } from '#main/base/index.ts'
import type { PushTargetSettings } from '#contract/model.ts'
import { toBase64 } from '../bundle/canonical.ts'
import { connectionFailure, plainWords } from './failures.ts'
import type { Delivered, DeliveryResult, Parcel, TargetSecrets, TlsSide } from './types.ts'

export interface HttpsPorts {
  readonly clock: Clock
  /** For one request, 30 s unless told. */
  readonly timeoutMs?: number
}

interface Answer {
  readonly status: number
  readonly etag: string | null
  readonly body: Uint8Array
}

type Settings = Extract<PushTargetSettings, { kind: 'https' }>

const TIMEOUT_MS = 30_000
/** An answer beyond what was sent is cut off. */
const SPARE_BYTES = 64 * 1024

export class HttpsTarget {
  readonly #settings: Settings
  readonly #secrets: TargetSecrets
  readonly #ports: HttpsPorts
  readonly #agent: Agent

  constructor(settings: Settings, secrets: TargetSecrets, ports: HttpsPorts) {
    this.#settings = settings
    this.#secrets = secrets
    this.#ports = ports
    const { anchors, client } = tlsOf(settings, secrets)
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 8,
      minVersion: 'TLSv1.2',
      ...(anchors === undefined ? {} : { ca: anchors }),
      ...(client === undefined ? {} : { cert: client.chain, key: client.key }),
    })
  }

  /** Whether it answers, and lets us in. Throws `push.unreachable`, `push.untrusted`, `push.refused`. */
  async test(signal?: AbortSignal): Promise<void> {
    const { status, body } = await this.#send('HEAD', this.#settings.url, {}, undefined, signal)
    // That there is nothing yet, or that this cannot be asked, is no refusal.
    if (status === 401 || status === 403 || status >= 500) throw refusal(status, body)
  }

  /** Throws `push.conflict` where somebody else has changed it, `push.refused`, `push.unreachable`, `push.untrusted`, `cancelled`. */
  async deliver(parcel: Parcel, before: Delivered | undefined, signal?: AbortSignal): Promise<DeliveryResult> {
    const url = this.#urlOf(parcel)
    const headers: Record<string, string> = {
      'Content-Type': parcel.contentType,
      'Idempotency-Key': `"${parcel.sha256}"`,
      'Content-Digest': `sha-256=:${toBase64(sha256(parcel.bytes))}:`,
    }
    const { method } = this.#settings
    if (method === 'PUT') {
      if (before === undefined) headers['If-None-Match'] = '*'
      else if (before.etag !== null) headers['If-Match'] = before.etag
    }
    const answer = await this.#send(method, url, headers, parcel.bytes, signal)
    if (answer.status === 412) return this.#settle(parcel, url, signal)
    if (answer.status < 200 || answer.status > 299) throw refusal(answer.status, answer.body)
    if (method === 'POST') return { outcome: 'unverified', etag: answer.etag }
    const there = await this.#send('GET', url, {}, undefined, signal)
    const isThere = there.status === 200 && equalBytes(there.body, parcel.bytes)
    return { outcome: isThere ? 'confirmed' : 'unverified', etag: there.etag ?? answer.etag }
  }

  close(): void {
    this.#agent.destroy()
  }

  /** An answer that was lost looks like somebody else's change, until one looks. */
  async #settle(parcel: Parcel, url: string, signal: AbortSignal | undefined): Promise<DeliveryResult> {
    const there = await this.#send('GET', url, {}, undefined, signal)
    if (there.status === 200 && equalBytes(there.body, parcel.bytes)) return { outcome: 'unchanged', etag: there.etag }
    throw new AppError('push.conflict', 'The destination holds something else than was last sent', { details: { name: parcel.name } })
  }

  #urlOf({ name }: Parcel): string {
    const { url, content } = this.#settings
    if ((content === 'bundle' || content === 'json') && !url.endsWith('/')) return url
    return `${url.replace(/\/$/, '')}/${name.split('/').map(encodeURIComponent).join('/')}`
  }

  #send(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { clock, timeoutMs = TIMEOUT_MS } = this.#ports
    const all = { ...headers, ...this.#credentials(), ...(body === undefined ? {} : { 'Content-Length': String(body.length) }) }
    const most = (body?.length ?? 0) + SPARE_BYTES * 16
    return new Promise<Answer>((resolve, reject) => {
      const fail = (cause: unknown): void => {
        timer.cancel()
        reject(signal?.aborted === true ? new AppError('cancelled', 'The delivery was cancelled', { cause }) : connectionFailure(cause))
      }
      const options = { method, agent: this.#agent, headers: all, ...(signal === undefined ? {} : { signal }) }
      const request = httpsRequest(url, options, (response) => {
        readBody(response, most).then((read) => {
          timer.cancel()
          resolve({ status: response.statusCode ?? 0, etag: response.headers.etag ?? null, body: read })
        }, fail)
      })
      const timer = clock.setTimer(timeoutMs, () =>
        request.destroy(
          new AppError('push.unreachable', 'The destination does not answer', { retryable: true, details: { reason: 'timeout' } }),
        ),
      )
      request.on('error', fail)
      request.end(body)
    })
  }

  #credentials(): Readonly<Record<string, string>> {
    const { auth, user } = this.#settings
    const { secret = '' } = this.#secrets
    if (auth === 'bearer') return { Authorization: `Bearer ${secret}` }
    if (auth === 'basic') return { Authorization: `Basic ${toBase64(utf8(`${user}:${secret}`))}` }
    return {}
  }
}

export function tlsOf({ anchors, auth, certificate }: PushTargetSettings, { secret }: TargetSecrets): TlsSide {
  return {
    ...(anchors === null ? {} : { anchors }),
    ...(auth === 'certificate' && certificate !== null && secret !== undefined ? { client: { chain: certificate, key: secret } } : {}),
  }
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > maxBytes)
      throw new AppError('push.refused', 'The answer of the destination is too large', { details: { status: 0, why: '' } })
    chunks.push(chunk)
  }
  return concatBytes(...chunks)
}

/** Those that have trouble of their own may be asked again; those that refuse are not. */
function refusal(status: number, body: Uint8Array): AppError {
  const why = plainWords(utf8ToText(body.subarray(0, 800)) ?? '')
  const retryable = status >= 500 || status === 429 || status === 408
  return new AppError('push.refused', `The destination answered ${status}`, { retryable, details: { status, why } })
}
