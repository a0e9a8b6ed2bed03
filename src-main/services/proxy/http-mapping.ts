// HTTP messages as CoAP ones and back, without any I/O: URIs, codes, header fields (RFC 8075 §5 to §7; RFC 7252 §10;
// draft-ietf-core-groupcomm-proxy-07 §9.1 to §9.3). Decoding is total.
import { concatBytes, fromHex, toHex, utf8 } from '#main/base/index.ts'
import {
  findOption,
  findUint,
  isSuccess,
  OptionNumber,
  uintOption,
  type CoapOption,
  type Method,
  type OutgoingResponse,
} from '#main/wire/coap/index.ts'
import { decodeCriSequence, encodeCri, encodeCriReference } from './cri.ts'
import {
  groupEtagOption,
  multicastTimeoutOption,
  readGroupEtag,
  readMulticastTimeout,
  readReplyFrom,
  type ProxyOptionNumbers,
} from './options.ts'
import { parseCoapUri, type TargetReading } from './target.ts'

export interface HttpReply {
  readonly status: number
  readonly reason: string
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Uint8Array
}

const METHODS: Readonly<Partial<Record<string, Method>>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'POST',
  PUT: 'PUT',
  DELETE: 'DELETE',
  PATCH: 'PATCH',
}

/** IANA's Content-Formats, as far as HTTP clients are likely to speak of them. */
const MEDIA_TYPES: ReadonlyArray<readonly [format: number, type: string]> = [
  [0, 'text/plain;charset=utf-8'],
  [40, 'application/link-format'],
  [41, 'application/xml'],
  [42, 'application/octet-stream'],
  [50, 'application/json'],
  [60, 'application/cbor'],
  [63, 'application/cbor-seq'],
  [110, 'application/senml+json'],
  [112, 'application/senml+cbor'],
]

/** RFC 8075 table 2; codes with a choice of two are decided by `statusOf`. */
const STATUSES: Readonly<Partial<Record<string, number>>> = {
  '2.01': 201,
  '2.03': 304,
  '2.05': 200,
  '4.00': 400,
  '4.01': 403,
  '4.02': 500,
  '4.03': 403,
  '4.04': 404,
  '4.05': 400,
  '4.06': 406,
  '4.09': 409,
  '4.12': 412,
  '4.13': 413,
  '4.15': 415,
  '4.22': 422,
  '4.29': 429,
  '5.00': 500,
  '5.01': 501,
  '5.02': 502,
  '5.03': 503,
  '5.04': 504,
  '5.05': 502,
  '5.08': 508,
}

export const REASONS: Readonly<Partial<Record<number, string>>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  406: 'Not Acceptable',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  508: 'Loop Detected',
}

export function methodOfHttp(method: string): Method | undefined {
  return METHODS[method]
}

/**
 * The Target CoAP URI in the Hosting HTTP URI: behind the base path (the default mapping, RFC 8075 §5.3), or in the query as
 * `?target_uri=` (§5.4.1). The scheme may be left off. `absent` where the URI is not one of the proxy's.
 */
export function targetOfHttpUri(url: string, basePath: string): TargetReading {
  if (!url.startsWith(basePath)) return 'absent'
  const rest = url.slice(basePath.length)
  const text = rest.startsWith('?target_uri=') ? rest.slice('?target_uri='.length) : rest
  if (text === '') return 'absent'
  // `coap%3A%2F%2F…` is what clients make of it that escape the value of a query.
  const plain = /^[a-z0-9+.-]*%3a%2f%2f/i.test(text) ? unescaped(text) : text
  if (plain === undefined) return 'invalid'
  return parseCoapUri(/^[a-z][a-z0-9+.-]*:\/\//i.test(plain) ? plain : `coap://${plain}`)
}

export type HttpHeaders = (name: string) => string | undefined

/** The options that header fields stand for; a status where they cannot be mapped. */
export function optionsOfHttp(headers: HttpHeaders, numbers: ProxyOptionNumbers): readonly CoapOption[] | 415 | 406 | 400 {
  const options: CoapOption[] = []
  const type = headers('content-type')
  if (type !== undefined) {
    const format = formatOfType(type)
    if (format === undefined) return 415
    options.push(uintOption(OptionNumber.CONTENT_FORMAT, format))
  }
  const accepted = headers('accept')
  if (accepted !== undefined && !accepted.includes('*/*')) {
    // CoAP takes one format; the first that it knows is asked for.
    const format = accepted
      .split(',')
      .map(formatOfType)
      .find((one) => one !== undefined)
    if (format === undefined) return 406
    options.push(uintOption(OptionNumber.ACCEPT, format))
  }
  const ifMatch = headers('if-match')
  if (ifMatch !== undefined)
    for (const tag of ifMatch.trim() === '*' ? [new Uint8Array(0)] : etagsOf(ifMatch))
      options.push({ number: OptionNumber.IF_MATCH, value: tag })
  const ifNoneMatch = headers('if-none-match')
  if (ifNoneMatch?.trim() === '*') options.push({ number: OptionNumber.IF_NONE_MATCH, value: new Uint8Array(0) })
  else if (ifNoneMatch !== undefined) for (const tag of etagsOf(ifNoneMatch)) options.push({ number: OptionNumber.ETAG, value: tag })
  const timeout = headers('multicast-timeout')?.trim()
  if (timeout !== undefined) {
    if (!/^\d{0,10}$/.test(timeout) || Number(timeout) > 0xffff_ffff) return 400
    options.push(multicastTimeoutOption(numbers, Number(timeout)))
  }
  for (const tag of byteSequences(headers('group-etag')) ?? []) {
    if (tag.length >= 1 && tag.length <= 8) options.push(groupEtagOption(numbers, tag))
  }
  return options
}

/** One CoAP response as one HTTP response. */
export function httpReplyOf(response: OutgoingResponse, numbers: ProxyOptionNumbers): HttpReply {
  const options = response.options ?? []
  const body = response.payload ?? new Uint8Array(0)
  const status = statusOf(response.code, body.length > 0)
  const headers: Array<readonly [string, string]> = []
  const format = response.contentFormat ?? findUint(options, OptionNumber.CONTENT_FORMAT)
  // A diagnostic payload of an error is text (RFC 7252 §5.5.2).
  const type =
    format === undefined ? (isSuccess(response.code) ? 'application/octet-stream' : 'text/plain;charset=utf-8') : typeOfFormat(format)
  if (body.length > 0) headers.push(['Content-Type', type])
  const etag = findOption(options, OptionNumber.ETAG)
  if (etag !== undefined) headers.push(['ETag', `"${toHex(etag.value)}"`])
  const maxAge = findUint(options, OptionNumber.MAX_AGE)
  if (status === 503 && maxAge !== undefined) headers.push(['Retry-After', String(maxAge)])
  else if (response.code === '2.05' || response.code === '2.03') headers.push(['Cache-Control', `max-age=${maxAge ?? 60}`])
  const timeout = readMulticastTimeout(numbers, options)
  // An empty option is an empty header field (-07 §9.1).
  if (timeout !== undefined) headers.push(['Multicast-Timeout', timeout === 0 ? '' : String(timeout)])
  const from = readReplyFrom(numbers, options)
  if (from !== undefined) {
    const parts = [encodeCri(from.cri), ...(from.reference === undefined ? [] : [encodeCriReference(from.reference)])]
    headers.push(['Reply-From', byteSequenceList(parts)])
  }
  const groupEtag = readGroupEtag(numbers, options)
  if (groupEtag !== undefined) headers.push(['Group-ETag', byteSequenceList([groupEtag])])
  const reason = response.code === '4.05' ? 'CoAP server returned 4.05' : (REASONS[status] ?? 'Unknown')
  return { status, reason, headers, body: status === 304 || status === 204 ? new Uint8Array(0) : body }
}

/** All responses of a group as the parts of one body (-07 §9.6, RFC 2046 §5.1). */
export function batchBody(replies: readonly HttpReply[], boundary: string): Uint8Array {
  const parts: Uint8Array[] = []
  for (const reply of replies) {
    const lines = [
      `--${boundary}`,
      'Content-Type: application/http',
      '',
      `HTTP/1.1 ${reply.status} ${reply.reason}`,
      ...reply.headers.map(([name, value]) => `${name}: ${value}`),
      ...(reply.status === 304 || reply.status === 204 ? [] : [`Content-Length: ${reply.body.length}`]),
      '',
      '',
    ]
    parts.push(utf8(lines.join('\r\n')), reply.body, utf8('\r\n'))
  }
  parts.push(utf8(`--${boundary}--\r\n`))
  return concatBytes(...parts)
}

// ---- Structured fields (RFC 9651 §3.1, §3.3.5) ---------------------------------------------------------------------

export function byteSequenceList(items: readonly Uint8Array[]): string {
  return items.map((item) => `:${btoa(String.fromCharCode(...item))}:`).join(', ')
}

/** The members of a list of byte sequences; undefined where there is anything else, and the whole field is then ignored (-07 §9.2, §9.3). */
export function byteSequences(field: string | undefined): readonly Uint8Array[] | undefined {
  if (field === undefined || field.length > 8192) return undefined
  const members = field.split(',').map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
  const items: Uint8Array[] = []
  for (const member of members) {
    const text = /^:([A-Za-z0-9+/]*={0,2}):$/.exec(member)?.[1]
    const item = text === undefined ? undefined : fromBase64(text)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}

/** The value of a Reply-From option of a Reply-From header field (-07 §9.2), checked as one. */
export function replyFromOfHttp(field: string | undefined): Uint8Array | undefined {
  const items = byteSequences(field)
  if (items === undefined || items.length > 2) return undefined
  const value = concatBytes(...items)
  try {
    decodeCriSequence(value)
    return value
  } catch {
    return undefined
  }
}

function statusOf(code: string, hasBody: boolean): number {
  if (code === '2.02' || code === '2.04') return hasBody ? 200 : 204
  return STATUSES[code] ?? (isSuccess(code) ? (hasBody ? 200 : 204) : code.startsWith('4.') ? 400 : 500)
}

function formatOfType(text: string): number | undefined {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const others = parameters.filter((parameter) => !parameter.startsWith('q=') && parameter !== '')
  if (name === 'text/plain') return others.every((parameter) => /^charset="?(utf-8|us-ascii)"?$/.test(parameter)) ? 0 : undefined
  return others.length > 0 ? undefined : MEDIA_TYPES.find(([, type]) => type === name)?.[0]
}

/** A format without a known media type still says its number (RFC 8075 §6.2). */
function typeOfFormat(format: number): string {
  return MEDIA_TYPES.find(([number]) => number === format)?.[1] ?? `application/coap-payload;cf=${format}`
}

/** Entity-tags as this proxy writes them: the bytes in hexadecimal. Others cannot be of CoAP. */
function etagsOf(field: string): readonly Uint8Array[] {
  const tags: Uint8Array[] = []
  for (const [, hex = ''] of field.slice(0, 4096).matchAll(/"([0-9a-f]{2,16})"/gi)) {
    const tag = fromHex(hex)
    if (tag !== undefined) tags.push(tag)
  }
  return tags
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
