// What is protected and what stays visible: inner and outer options, and the plaintext that holds code, inner options and payload
// (RFC 8613 §4.1, §4.2, §5.3).
import { OptionNumber, stringOption, uintOption, type CoapOption, type MessageContent } from '#main/wire/coap/index.ts'
import { put, Scratch } from './cbor-bytes.ts'

/** Class U (RFC 8613 §4.1.2; RFC 8768 §6; RFC 9668 §3; draft-ietf-core-groupcomm-proxy-07 §2, §3, §7.3). All others are protected. */
const OUTER = new Set<number>([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PORT,
  OptionNumber.OSCORE,
  OptionNumber.HOP_LIMIT,
  OptionNumber.PROXY_URI,
  OptionNumber.PROXY_SCHEME,
  OptionNumber.PROXY_CRI,
  OptionNumber.PROXY_SCHEME_NUMBER,
  2, // Multicast-Timeout
  21, // EDHOC
  24, // Group-ETag
  248, // Reply-From
  65_003, // Multicast-Signaling and Response-Forwarding of draft-tiloca-core-groupcomm-proxy-00
  65_007,
])

export interface SplitOptions {
  readonly inner: readonly CoapOption[]
  readonly outer: readonly CoapOption[]
}

const NO_BYTES = new Uint8Array(0)
const PAYLOAD_MARKER = 0xff

export function isOuterOption(number: number): boolean {
  return OUTER.has(number)
}

/** The options of a request. Proxy-Uri gives its path and query to the inside (§4.1.3.3); Observe is on both sides (§4.1.3.5.1). */
export function splitRequest(options: readonly CoapOption[]): SplitOptions {
  const inner: CoapOption[] = []
  const outer: CoapOption[] = []
  for (const option of options) {
    if (option.number === OptionNumber.PROXY_URI) splitProxyUri(option, inner, outer)
    else if (option.number === OptionNumber.OBSERVE) {
      inner.push(option)
      outer.push(option)
    } else (OUTER.has(option.number) ? outer : inner).push(option)
  }
  return { inner: inOrder(inner), outer }
}

/** Of a notification the inside says only that it is one; its order is that of the Partial IVs (§4.1.3.5.2). */
export function splitResponse(options: readonly CoapOption[]): SplitOptions {
  const inner: CoapOption[] = []
  const outer: CoapOption[] = []
  for (const option of options) {
    if (option.number === OptionNumber.OBSERVE) {
      inner.push({ number: OptionNumber.OBSERVE, value: NO_BYTES })
      outer.push(option)
    } else (OUTER.has(option.number) ? outer : inner).push(option)
  }
  return { inner: inOrder(inner), outer }
}

/** The decrypted options together with the visible ones that are not protected; OSCORE itself is gone. */
export function joinOptions(inner: readonly CoapOption[], received: readonly CoapOption[]): readonly CoapOption[] {
  let joined: CoapOption[] | undefined
  for (const option of received) {
    if (option.number === OptionNumber.OSCORE || !OUTER.has(option.number)) continue
    joined ??= [...inner]
    joined.push(option)
  }
  return joined === undefined ? inner : inOrder(joined)
}

/** `coap://host:port/path?query` in parts; what is no such URI stays as it is. */
function splitProxyUri(option: CoapOption, inner: CoapOption[], outer: CoapOption[]): void {
  const text = new TextDecoder().decode(option.value)
  const parts = /^([a-z][a-z0-9+.-]*):\/\/(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?([^?#]*)(?:\?([^#]*))?$/i.exec(text)
  if (parts === null) {
    outer.push(option)
    return
  }
  const [, scheme = '', host = '', port, path = '', query] = parts
  outer.push(stringOption(OptionNumber.PROXY_SCHEME, scheme.toLowerCase()))
  if (host !== '') outer.push(stringOption(OptionNumber.URI_HOST, unescaped(host.replace(/^\[|\]$/g, ''))))
  if (port !== undefined) outer.push(uintOption(OptionNumber.URI_PORT, Number(port)))
  if (path !== '' && path !== '/')
    for (const segment of path.slice(1).split('/')) inner.push(stringOption(OptionNumber.URI_PATH, unescaped(segment)))
  if (query !== undefined) for (const part of query.split('&')) inner.push(stringOption(OptionNumber.URI_QUERY, unescaped(part)))
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function inOrder(options: CoapOption[]): readonly CoapOption[] {
  for (let index = 1; index < options.length; index++) {
    if ((options[index]?.number ?? 0) < (options[index - 1]?.number ?? 0)) return options.sort((a, b) => a.number - b.number)
  }
  return options
}

// ---- Plaintext -----------------------------------------------------------------------------------------------------

const CODES = Array.from({ length: 256 }, (_, byte) => `${byte >> 5}.${String(byte & 31).padStart(2, '0')}`)
const CODE_BYTES = new Map(CODES.map((code, byte) => [code, byte]))

const room = new Scratch()

/** Options must be in the order of their numbers. Valid until the next plaintext is made. */
export function encodePlaintext(code: string, options: readonly CoapOption[], payload: Uint8Array): Uint8Array {
  let length = 1 + (payload.length > 0 ? 1 + payload.length : 0)
  let before = 0
  for (const { number, value } of options) {
    length += 1 + extraBytes(number - before) + extraBytes(value.length) + value.length
    before = number
  }
  const bytes = room.take(length)
  bytes[0] = CODE_BYTES.get(code) ?? 0
  let at = 1
  before = 0
  for (const { number, value } of options) {
    const delta = number - before
    before = number
    const head = at++
    bytes[head] = (nibble(delta) << 4) | nibble(value.length)
    at = writeExtra(bytes, at, delta)
    at = writeExtra(bytes, at, value.length)
    put(bytes, at, value)
    at += value.length
  }
  if (payload.length > 0) {
    bytes[at++] = PAYLOAD_MARKER
    bytes.set(payload, at)
  }
  return bytes
}

function nibble(value: number): number {
  return value < 13 ? value : value < 269 ? 13 : 14
}

function extraBytes(value: number): number {
  return value < 13 ? 0 : value < 269 ? 1 : 2
}

function writeExtra(bytes: Uint8Array, at: number, value: number): number {
  if (value < 13) return at
  if (value < 269) {
    bytes[at] = value - 13
    return at + 1
  }
  bytes[at] = (value - 269) >> 8
  bytes[at + 1] = (value - 269) & 255
  return at + 2
}

export type Plaintext = Pick<MessageContent, 'code' | 'options' | 'payload'>

/** Undefined for every byte string that is no plaintext. Values are views of it. */
export function decodePlaintext(bytes: Uint8Array): Plaintext | undefined {
  const { length } = bytes
  const code = CODES[bytes[0] ?? -1]
  if (code === undefined) return undefined
  const options: CoapOption[] = []
  let at = 1
  let number = 0
  while (at < length) {
    const head = bytes[at++] ?? 0
    if (head === PAYLOAD_MARKER) return at < length ? { code, options, payload: bytes.subarray(at) } : undefined
    let delta = head >> 4
    let size = head & 15
    if (delta === 15 || size === 15) return undefined
    if (delta > 12) {
      const extra = delta - 12
      delta = readExtra(bytes, at, extra)
      at += extra
    }
    if (size > 12) {
      const extra = size - 12
      size = readExtra(bytes, at, extra)
      at += extra
    }
    number += delta
    // A byte that is missing has made one of them NaN, which no comparison holds for.
    if (!(at + size <= length && number <= 65_535)) return undefined
    options.push({ number, value: bytes.subarray(at, at + size) })
    at += size
  }
  return { code, options, payload: NO_BYTES }
}

function readExtra(bytes: Uint8Array, at: number, extra: number): number {
  return extra === 1 ? 13 + (bytes[at] ?? NaN) : 269 + (bytes[at] ?? NaN) * 256 + (bytes[at + 1] ?? NaN)
}
