// Options of CoAP messages: numbers, formats and how a value is built and read (RFC 7252 §5.4, §5.10, §12.2, §12.3).
import { decodeUint, encodeUint, utf8, utf8ToText } from '#main/base/index.ts'
import type { CoapOption } from './types.ts'

/** IANA's CoAP Option Numbers registry, as far as this program speaks of them. */
export const OptionNumber = {
  IF_MATCH: 1,
  URI_HOST: 3,
  ETAG: 4,
  IF_NONE_MATCH: 5,
  OBSERVE: 6,
  URI_PORT: 7,
  LOCATION_PATH: 8,
  OSCORE: 9,
  URI_PATH: 11,
  CONTENT_FORMAT: 12,
  URI_PATH_ABBREV: 13,
  MAX_AGE: 14,
  URI_QUERY: 15,
  HOP_LIMIT: 16,
  ACCEPT: 17,
  Q_BLOCK1: 19,
  LOCATION_QUERY: 20,
  BLOCK2: 23,
  BLOCK1: 27,
  SIZE2: 28,
  Q_BLOCK2: 31,
  PROXY_URI: 35,
  PROXY_SCHEME: 39,
  SIZE1: 60,
  PROXY_CRI: 235,
  PROXY_SCHEME_NUMBER: 239,
  ECHO: 252,
  NO_RESPONSE: 258,
  REQUEST_TAG: 292,
} as const

/** IANA's CoAP Content-Formats registry, as far as this program speaks of them. */
export const ContentFormat = {
  TEXT_PLAIN: 0,
  LINK_FORMAT: 40,
  XML: 41,
  OCTET_STREAM: 42,
  EXI: 47,
  JSON: 50,
  CBOR: 60,
} as const

interface OptionFormat {
  readonly minBytes: number
  readonly maxBytes: number
  readonly repeatable: boolean
}

function format(minBytes: number, maxBytes: number, repeatable = false): OptionFormat {
  return { minBytes, maxBytes, repeatable }
}

/** Lengths and repeatability (RFC 7252 §5.10 table 4, RFC 7959 §2.1 and §4, RFC 7641 §2, RFC 7967 §2, RFC 9175 §2.2.1 and §3.2, draft-ietf-core-uri-path-abbrev-05 §2). */
const FORMATS = new Map<number, OptionFormat>([
  [OptionNumber.IF_MATCH, format(0, 8, true)],
  [OptionNumber.URI_HOST, format(1, 255)],
  [OptionNumber.ETAG, format(1, 8, true)],
  [OptionNumber.IF_NONE_MATCH, format(0, 0)],
  [OptionNumber.OBSERVE, format(0, 3)],
  [OptionNumber.URI_PORT, format(0, 2)],
  [OptionNumber.LOCATION_PATH, format(0, 255, true)],
  [OptionNumber.URI_PATH, format(0, 255, true)],
  [OptionNumber.CONTENT_FORMAT, format(0, 2)],
  [OptionNumber.URI_PATH_ABBREV, format(0, 4)],
  [OptionNumber.MAX_AGE, format(0, 4)],
  [OptionNumber.URI_QUERY, format(0, 255, true)],
  [OptionNumber.ACCEPT, format(0, 2)],
  [OptionNumber.LOCATION_QUERY, format(0, 255, true)],
  [OptionNumber.BLOCK2, format(0, 3)],
  [OptionNumber.BLOCK1, format(0, 3)],
  [OptionNumber.SIZE2, format(0, 4)],
  [OptionNumber.PROXY_URI, format(1, 1034)],
  [OptionNumber.PROXY_SCHEME, format(1, 255)],
  [OptionNumber.SIZE1, format(0, 4)],
  [OptionNumber.PROXY_CRI, format(1, 1023)],
  [OptionNumber.PROXY_SCHEME_NUMBER, format(0, 3)],
  [OptionNumber.NO_RESPONSE, format(0, 1)],
  [OptionNumber.ECHO, format(1, 40)],
  [OptionNumber.REQUEST_TAG, format(0, 8, true)],
])

export function optionFormat(number: number): OptionFormat | undefined {
  return FORMATS.get(number)
}

/** Odd numbers are critical (RFC 7252 §5.4.6). */
export function isCritical(number: number): boolean {
  return (number & 1) === 1
}

/** Unsafe to forward for a proxy that does not know it (RFC 7252 §5.4.6). */
export function isUnsafe(number: number): boolean {
  return (number & 2) === 2
}

/** Not part of a cache key (RFC 7252 §5.4.6). */
export function isNoCacheKey(number: number): boolean {
  return (number & 0x1e) === 0x1c
}

export function uintOption(number: number, value: number): CoapOption {
  return { number, value: encodeUint(value) }
}

export function stringOption(number: number, text: string): CoapOption {
  return { number, value: utf8(text) }
}

export function opaqueOption(number: number, value: Uint8Array): CoapOption {
  return { number, value }
}

/** The first option with that number. */
export function findOption(options: readonly CoapOption[], number: number): CoapOption | undefined {
  for (const option of options) if (option.number === number) return option
  return undefined
}

export function findOptions(options: readonly CoapOption[], number: number): CoapOption[] {
  return options.filter((option) => option.number === number)
}

/** The first option with that number as an unsigned integer. */
export function findUint(options: readonly CoapOption[], number: number): number | undefined {
  const option = findOption(options, number)
  return option === undefined || option.value.length > 6 ? undefined : decodeUint(option.value)
}

/** The options with that number as text; undefined where one is not UTF-8. */
export function findStrings(options: readonly CoapOption[], number: number): string[] | undefined {
  const texts: string[] = []
  for (const option of options) {
    if (option.number !== number) continue
    const text = optionText(option.value)
    if (text === undefined) return undefined
    texts.push(text)
  }
  return texts
}

/** UTF-8, with a short way for the ASCII that nearly every path and query is. */
export function optionText(value: Uint8Array): string | undefined {
  if (value.length > 32) return utf8ToText(value)
  let text = ''
  for (const byte of value) {
    if (byte > 0x7f) return utf8ToText(value)
    text += String.fromCharCode(byte)
  }
  return text
}

/** `/a/b?x=1` of Location-Path and Location-Query options (RFC 7252 §5.10.7), or undefined where there are none. */
export function locationOf(options: readonly CoapOption[]): { path: string[]; query: string[] } | undefined {
  const path = findStrings(options, OptionNumber.LOCATION_PATH)
  const query = findStrings(options, OptionNumber.LOCATION_QUERY)
  if (path === undefined || query === undefined || path.length + query.length === 0) return undefined
  return { path, query }
}
