// Group URIs: text to parts and back, and the parts as options of a request (RFC 3986 §3, RFC 7252 §6.4 and §6.5;
// draft-ietf-core-groupcomm-bis-18 §2.2.1.1).
import { AppError, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { findStrings, findUint, OptionNumber, stringOption } from './options.ts'
import type { CoapOption } from './types.ts'

/** Where a group request goes and what it names, before it becomes options. */
export interface GroupTarget {
  /** A registered name in lower case, or an IP literal without brackets. */
  readonly host: string
  readonly port: number
  readonly path: readonly string[]
  readonly query: readonly string[]
  /** Options besides those of the URI. */
  readonly options: readonly CoapOption[]
}

/** The part of a `ClientRequest` that a target gives. */
export interface TargetRequest {
  readonly path: readonly string[]
  readonly query: readonly string[]
  readonly options: readonly CoapOption[]
}

export const COAP_PORT = 5683
/** Of DTLS, which does not protect groups (groupcomm-bis §3.4). */
export const COAPS_PORT = 5684

const MAX_PART_BYTES = 255
/** unreserved, sub-delims, ":" and "@" (RFC 3986 §3.3); "&" parts a query. */
const PATH_PLAIN = /[A-Za-z0-9\-._~!$&'()*+,;=:@]/
const QUERY_PLAIN = /[A-Za-z0-9\-._~!$'()*+,;=:@/?]/
const HOST_PLAIN = /^[A-Za-z0-9\-._~!$&'()*+,;=]*$/

/** Port 5684 must not be used for group communication (groupcomm-bis §3.4); fails with `group.port-reserved`. */
export function refuseCoapsPort(port: number): void {
  if (port === COAPS_PORT)
    throw new AppError('group.port-reserved', 'Port 5684 is for DTLS, which does not protect groups', { details: { port } })
}

/** `grp.example`, `grp.example:5685`, `[ff05::db8:0:1]:7700` in parts; the port is 5683 where none is written. Undefined where it is no authority. */
export function parseAuthority(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^\[([0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?)\](?::(\d{0,5}))?$/.exec(text) ?? /^([^[\]:@/?#]+)(?::(\d{0,5}))?$/.exec(text)
  if (match === null) return undefined
  const literal = text.startsWith('[')
  const host = literal ? match[1]?.replace('%25', '%') : percentDecode(match[1] ?? '')
  const digits = match[2] ?? ''
  const port = digits === '' ? COAP_PORT : Number(digits)
  if (host === undefined || host === '' || utf8(host).length > MAX_PART_BYTES || port > 65_535) return undefined
  return { host: host.toLowerCase(), port }
}

/** The authority in its shortest form: the default port is left off, so one CoAP group has one name (groupcomm-bis §2.2.1.1). */
export function formatAuthority(host: string, port: number): string {
  const text = host.includes(':') ? `[${host.replace('%', '%25')}]` : HOST_PLAIN.test(host) ? host : percentEncode(host, /[A-Za-z0-9\-._~]/)
  return port === COAP_PORT ? text : `${text}:${port}`
}

/** A `coap` URI in parts. Fails with `input.invalid`, and with `group.port-reserved` where the port is 5684. */
export function parseGroupUri(uri: string): GroupTarget {
  const match = /^coap:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(uri)
  const authority = match === null ? undefined : parseAuthority(match[1] ?? '')
  if (match === null || authority === undefined) throw badUri(uri)
  refuseCoapsPort(authority.port)
  const path = match[2] === undefined || match[2] === '/' ? [] : match[2].slice(1).split('/')
  const query = match[3] === undefined ? [] : match[3].split('&')
  return { ...authority, path: decodeParts(path, uri), query: decodeParts(query, uri), options: [] }
}

export function formatGroupUri(target: GroupTarget): string {
  const path = target.path.map((segment) => percentEncode(segment, PATH_PLAIN)).join('/')
  const query = target.query.map((part) => percentEncode(part, QUERY_PLAIN)).join('&')
  const authority = formatAuthority(target.host, target.port)
  return `coap://${authority}${path === '' ? '' : `/${path}`}${target.query.length === 0 ? '' : `?${query}`}`
}

/**
 * The parts of the request. Uri-Host is left off where the host is an IP literal, which makes the smaller message; Uri-Port always,
 * for the port is the datagram's own (RFC 7252 §6.4).
 */
export function requestOfTarget(target: GroupTarget): TargetRequest {
  const host = isIpLiteral(target.host) ? [] : [stringOption(OptionNumber.URI_HOST, target.host)]
  return { path: target.path, query: target.query, options: [...host, ...target.options] }
}

/** What a server that got the request at `destination` was asked for; undefined where Uri-Host or Uri-Port make no sense. */
export function targetOfRequest(
  request: { readonly path: readonly string[]; readonly query: readonly string[]; readonly options: readonly CoapOption[] },
  destination: SocketAddress,
): GroupTarget | undefined {
  const hosts = findStrings(request.options, OptionNumber.URI_HOST)
  if (hosts === undefined || hosts.length > 1) return undefined
  const port = findUint(request.options, OptionNumber.URI_PORT) ?? destination.port
  if (port > 65_535) return undefined
  const options = request.options.filter((option) => !OF_THE_URI.has(option.number))
  return { host: (hosts[0] ?? destination.address).toLowerCase(), port, path: request.path, query: request.query, options }
}

const OF_THE_URI = new Set<number>([OptionNumber.URI_HOST, OptionNumber.URI_PORT, OptionNumber.URI_PATH, OptionNumber.URI_QUERY])

export function isIpLiteral(host: string): boolean {
  return host.includes(':') || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host)
}

function decodeParts(parts: readonly string[], uri: string): string[] {
  return parts.map((part) => {
    const decoded = percentDecode(part)
    if (decoded === undefined || utf8(decoded).length > MAX_PART_BYTES) throw badUri(uri)
    return decoded
  })
}

function percentEncode(text: string, plain: RegExp): string {
  let encoded = ''
  for (const byte of utf8(text)) {
    const character = String.fromCharCode(byte)
    encoded += byte < 0x80 && plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

/** Undefined where a percent sign leads no two hex digits, or where the bytes are not UTF-8. */
function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text
  const bytes: number[] = []
  for (let at = 0; at < text.length;) {
    if (text[at] !== '%') {
      const point = text.codePointAt(at) ?? 0
      const character = String.fromCodePoint(point)
      bytes.push(...utf8(character))
      at += character.length
      continue
    }
    const hex = text.slice(at + 1, at + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return undefined
    bytes.push(Number.parseInt(hex, 16))
    at += 3
  }
  return utf8ToText(Uint8Array.from(bytes))
}

function badUri(uri: string): AppError {
  return new AppError('input.invalid', 'Not a group URI of the coap scheme', { details: { uri: uri.slice(0, 300) } })
}
