// Asks makers' servers (MASA) over HTTPS (RFC 8995 §5.4, §5.5, §5.8; constrained-voucher-31 §7). Never where the site works offline.
import { AppError, delay, exportSigningKey, utf8ToText, type Clock } from '#main/base/index.ts'
import { pemOf } from '#main/services/ra/index.ts'
import { toBase64 } from '../voucher/base64.ts'
import {
  formatOfMediaType,
  MAX_ARTIFACT_BYTES,
  VOUCHER_MEDIA_TYPES,
  type MasaAddress,
  type MasaClient,
  type VoucherFormat,
  type VoucherSigner,
} from '../voucher/index.ts'
import { decodeAuditLog } from './audit-log.ts'
import { postHttps, type HttpAnswer, type TlsSide } from './https.ts'

export interface HttpsMasaOptions {
  readonly clock: Clock
  /** Who we are towards servers that are shown a certificate; asked anew each time. */
  readonly registrar: () => VoucherSigner
  readonly isOffline: () => boolean
  /** For one attempt, 15 s unless told. */
  readonly timeoutMs?: number
  /** 3 unless told. */
  readonly attempts?: number
}

const TIMEOUT_MS = 15_000
const ATTEMPTS = 3
const FIRST_PAUSE_MS = 1000
/** Longer than this nobody waits within one request; the pledge asks again. */
const LONGEST_PAUSE_S = 10
const MAX_LOG_BYTES = 2 * 1024 * 1024
const REASON_CHARACTERS = 200

export function createHttpsMasaClient(options: HttpsMasaOptions): MasaClient {
  const post = async (
    to: MasaAddress,
    operation: string,
    body: Uint8Array,
    format: VoucherFormat,
    accept: string,
    maxBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> => {
    if (options.isOffline()) throw new AppError('voucher.offline', 'The site works offline')
    const request = {
      url: `${to.url}/${operation}`,
      contentType: VOUCHER_MEDIA_TYPES[format],
      accept,
      body,
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      maxBytes,
      tls: tlsFor(to, options.registrar),
    }
    return repeated(options, signal, () => postHttps(request, options.clock, signal))
  }
  return {
    requestVoucher: async (to, body, format, signal) => {
      const mediaType = VOUCHER_MEDIA_TYPES[format]
      const answer = await post(to, 'requestvoucher', body, format, mediaType, MAX_ARTIFACT_BYTES, signal)
      if (answer.status !== 200) throw refusal(answer)
      if (formatOfMediaType(answer.contentType) !== format)
        throw new AppError('voucher.format-unsupported', 'The server answered in another format', {
          details: { contentType: answer.contentType.slice(0, REASON_CHARACTERS) },
        })
      return answer.body
    },
    requestAuditLog: async (to, body, format, signal) => {
      const answer = await post(to, 'requestauditlog', body, format, 'application/json', MAX_LOG_BYTES, signal)
      if (answer.status !== 200) throw refusal(answer)
      return decodeAuditLog(answer.body)
    },
  }
}

/** Servers that do not answer, or have trouble of their own, are asked again; those that refuse are not. */
async function repeated(
  { clock, attempts = ATTEMPTS }: HttpsMasaOptions,
  signal: AbortSignal | undefined,
  send: () => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt >= attempts
    let pauseMs = FIRST_PAUSE_MS * 2 ** (attempt - 1)
    try {
      const answer = await send()
      if (answer.status < 500 || isLast) return answer
      if (answer.retryAfterS !== undefined) {
        if (answer.retryAfterS > LONGEST_PAUSE_S) return answer
        pauseMs = answer.retryAfterS * 1000
      }
    } catch (thrown) {
      if (isLast || !(thrown instanceof AppError) || !thrown.retryable) throw thrown
    }
    await delay(clock, pauseMs, signal)
  }
}

function tlsFor(to: MasaAddress, registrar: () => VoucherSigner): TlsSide {
  const anchors = to.tlsAnchors === undefined ? {} : { anchors: to.tlsAnchors }
  if (!to.showsCertificate) return anchors
  const { key, chain } = registrar()
  const lines = toBase64(exportSigningKey(key)).match(/.{1,64}/g) ?? []
  return {
    ...anchors,
    client: {
      chain: chain.map((der) => pemOf('CERTIFICATE', der)).join(''),
      // TLS takes keys as PEM only.
      key: `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`,
    },
  }
}

/** The server's words are for people: plain text, cut, without control characters (RFC 8995 §5.6). */
function refusal({ status, body, retryAfterS, contentType }: HttpAnswer): AppError {
  const isText = /^text\/plain\b/i.test(contentType)
  const words = isText ? (utf8ToText(body.subarray(0, 4 * REASON_CHARACTERS)) ?? '') : ''
  const why = words
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, REASON_CHARACTERS)
  const details = { status, why, ...(retryAfterS === undefined ? {} : { retryAfterS }) }
  if (status === 202) return new AppError('voucher.masa-waiting', 'The server asks for patience', { retryable: true, details })
  if (status >= 500) return new AppError('voucher.masa-unreachable', `The server failed with ${status}`, { retryable: true, details })
  return new AppError('voucher.masa-refused', `The server refused with ${status}`, { details })
}
