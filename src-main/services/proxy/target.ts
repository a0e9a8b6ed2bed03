// The URI that a request to a proxy names: as text, as CRI, or split into options (RFC 7252 §5.7.2, §5.10.2, §6.4; href-30 §8.2).
import { AppError, isMulticastAddress, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import {
  findOption,
  findOptions,
  findStrings,
  findUint,
  OptionNumber,
  stringOption,
  uintOption,
  type CoapOption,
} from '#main/wire/coap/index.ts'
import { formatIpv4, formatIpv6, normaliseAddress, parseAddress } from '#main/wire/ip/index.ts'
import { decodeCri, defaultPortOf, isCriScheme, schemeOfNumber, type CriScheme } from './cri.ts'

export interface CoapTarget {
  readonly scheme: CriScheme
  /** As the URI names it: an IP address in canonical form, or a host name in lower case. */
  readonly host: string
  readonly isAddress: boolean
  /** Where it is: the host itself, or what the name stands for once that is known. */
  readonly address: string | undefined
  readonly port: number
  readonly path: readonly string[]
  readonly query: readonly string[]
}

/** `absent`: no proxy option at all. `unsupported`: another scheme than those of CoAP. `invalid`: not a URI, or contradictory options. */
export type TargetReading = { readonly target: CoapTarget } | 'absent' | 'unsupported' | 'invalid'

const PROXY_OPTIONS: readonly number[] = [
  OptionNumber.PROXY_URI,
  OptionNumber.PROXY_SCHEME,
  OptionNumber.PROXY_CRI,
  OptionNumber.PROXY_SCHEME_NUMBER,
]
const URI_OPTIONS: readonly number[] = [OptionNumber.URI_HOST, OptionNumber.URI_PORT, OptionNumber.URI_PATH, OptionNumber.URI_QUERY]
const NAME = /^(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+$/i

export function hasProxyOption(options: readonly CoapOption[]): boolean {
  return options.some((option) => PROXY_OPTIONS.includes(option.number))
}

export function hasUriOption(options: readonly CoapOption[]): boolean {
  return options.some((option) => URI_OPTIONS.includes(option.number))
}

/** `local` is where the request came to: the authority of split options that name none (RFC 7252 §6.5). */
export function readTarget(options: readonly CoapOption[], local: SocketAddress): TargetReading {
  const present = PROXY_OPTIONS.filter((number) => findOption(options, number) !== undefined)
  if (present.length === 0) return 'absent'
  if (present.some((number) => findOptions(options, number).length > 1)) return 'invalid'
  const cri = findOption(options, OptionNumber.PROXY_CRI)
  if (cri !== undefined) return targetOfCri(cri.value)
  const uri = findOption(options, OptionNumber.PROXY_URI)
  if (uri !== undefined) {
    const text = utf8ToText(uri.value)
    return text === undefined ? 'invalid' : parseCoapUri(text)
  }
  return targetOfParts(options, local, present)
}

function targetOfParts(options: readonly CoapOption[], local: SocketAddress, present: readonly number[]): TargetReading {
  // Both at once must be rejected (href §8.2.2).
  if (present.length > 1) return 'invalid'
  const [name] = findStrings(options, OptionNumber.PROXY_SCHEME) ?? []
  const number = findUint(options, OptionNumber.PROXY_SCHEME_NUMBER)
  const scheme = number === undefined ? name?.toLowerCase() : schemeOfNumber(number)
  if (scheme === undefined) return number === undefined ? 'invalid' : 'unsupported'
  if (!isCriScheme(scheme)) return 'unsupported'
  const parts = readUriOptions(options, scheme)
  if (parts === undefined) return 'invalid'
  const host = parts.host ?? { host: local.address, isAddress: true, address: local.address }
  // Without Uri-Port the port is that of the request itself where the host is, too (RFC 7252 §5.10.1).
  const port = parts.port ?? (parts.host === undefined ? local.port : defaultPortOf(scheme))
  return { target: { scheme, ...host, port, path: parts.path, query: parts.query } }
}

export type TargetHost = Pick<CoapTarget, 'host' | 'isAddress' | 'address'>

export interface UriParts {
  readonly host: TargetHost | undefined
  readonly port: number | undefined
  readonly path: readonly string[]
  readonly query: readonly string[]
}

/** What the Uri-* options say; undefined where one of them is broken. */
export function readUriOptions(options: readonly CoapOption[], scheme: CriScheme = 'coap'): UriParts | undefined {
  const hosts = findStrings(options, OptionNumber.URI_HOST)
  const path = findStrings(options, OptionNumber.URI_PATH)
  const query = findStrings(options, OptionNumber.URI_QUERY)
  const ports = findOptions(options, OptionNumber.URI_PORT)
  if (hosts === undefined || path === undefined || query === undefined || hosts.length > 1 || ports.length > 1) return undefined
  const port = findUint(options, OptionNumber.URI_PORT)
  if (port !== undefined && (port > 65_535 || port === 0)) return undefined
  const host = hosts[0] === undefined ? undefined : readHost(hosts[0])
  if (hosts[0] !== undefined && host === undefined) return undefined
  return { host, port: port ?? (host === undefined ? undefined : defaultPortOf(scheme)), path, query }
}

function targetOfCri(value: Uint8Array): TargetReading {
  try {
    const { scheme, authority, path, query } = decodeCri(value)
    const { host } = authority
    const text = host.kind === 'name' ? host.name : host.bytes.length === 4 ? formatIpv4(host.bytes) : formatIpv6(host.bytes)
    const read = readHost(text)
    if (read === undefined || (host.kind === 'name') === read.isAddress) return 'invalid'
    return { target: { scheme, ...read, port: authority.port ?? defaultPortOf(scheme), path: withoutLoneEmpty(path), query } }
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'cbor.invalid') return 'invalid'
    throw thrown
  }
}

/** An absolute URI of a CoAP scheme, taken apart as RFC 7252 §6.4 does. */
export function parseCoapUri(text: string): TargetReading {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i.exec(text)
  if (match === null) return 'invalid'
  const [, scheme = '', authority = '', pathText = '', queryText] = match
  const name = scheme.toLowerCase()
  if (!isCriScheme(name)) return 'unsupported'
  const parts = /^(\[[^\]@]*\]|[^:@[\]]*)(?::(\d{0,5}))?$/.exec(authority)
  const host = readHost(parts?.[1] ?? '')
  const port = parts?.[2] === undefined || parts[2] === '' ? defaultPortOf(name) : Number(parts[2])
  if (host === undefined || port > 65_535 || port === 0) return 'invalid'
  const path = pathText === '' || pathText === '/' ? [] : decodeAll(pathText.slice(1).split('/'))
  const query = queryText === undefined ? [] : decodeAll(queryText.split('&'))
  return path === undefined || query === undefined ? 'invalid' : { target: { scheme: name, ...host, port, path, query } }
}

/** A host as text: an IP literal, with or without brackets, or a name. Undefined where it is neither. */
export function readHost(text: string): TargetHost | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const address = parseAddress(bare) === undefined ? undefined : normaliseAddress(bare)
  if (address !== undefined) return { host: address, isAddress: true, address }
  if (bare !== text || text === '' || text.length > 255 || !NAME.test(text)) return undefined
  const name = percentDecoded(text)
  return name === undefined ? undefined : { host: name.toLowerCase(), isAddress: false, address: undefined }
}

export function isGroupTarget(target: CoapTarget): boolean {
  return target.address !== undefined && isMulticastAddress(target.address)
}

/** The Uri-* options for a request that is sent to the address itself: no Uri-Host for a literal, no Uri-Port ever (RFC 7252 §6.4). */
export function uriOptionsOf(target: CoapTarget): readonly CoapOption[] {
  return [
    ...(target.isAddress ? [] : [stringOption(OptionNumber.URI_HOST, target.host)]),
    ...target.path.map((segment) => stringOption(OptionNumber.URI_PATH, segment)),
    ...target.query.map((part) => stringOption(OptionNumber.URI_QUERY, part)),
  ]
}

/** The URI as text (RFC 7252 §6.5). */
export function formatCoapUri(target: CoapTarget): string {
  const host = target.isAddress ? (target.host.includes(':') ? `[${target.host}]` : target.host) : encode(target.host, /[^a-z0-9._~-]/gi)
  const port = target.port === defaultPortOf(target.scheme) ? '' : `:${target.port}`
  const path = target.path.map((segment) => `/${encode(segment, /[^a-z0-9._~!$&'()*+,;=:@-]/gi)}`).join('')
  const query = target.query.map((part) => encode(part, /[^a-z0-9._~!$'()*+,;=:@/?-]/gi)).join('&')
  return `${target.scheme}://${host}${port}${path}${target.query.length === 0 ? '' : `?${query}`}`
}

/** The same as one option. */
export function proxyUriOption(target: CoapTarget): CoapOption {
  return stringOption(OptionNumber.PROXY_URI, formatCoapUri(target))
}

/** The same as Proxy-Scheme with Uri-* options. */
export function proxySchemeOptions(target: CoapTarget): readonly CoapOption[] {
  const host = target.isAddress && target.host.includes(':') ? `[${target.host}]` : target.host
  return [
    stringOption(OptionNumber.URI_HOST, host),
    uintOption(OptionNumber.URI_PORT, target.port),
    ...target.path.map((segment) => stringOption(OptionNumber.URI_PATH, segment)),
    ...target.query.map((part) => stringOption(OptionNumber.URI_QUERY, part)),
    stringOption(OptionNumber.PROXY_SCHEME, target.scheme),
  ]
}

/** A path of one empty segment is the root (href §8.1.1). */
function withoutLoneEmpty(path: readonly string[]): readonly string[] {
  return path.length === 1 && path[0] === '' ? [] : path
}

function decodeAll(parts: readonly string[]): readonly string[] | undefined {
  const decoded: string[] = []
  for (const part of parts) {
    const text = percentDecoded(part)
    if (text === undefined || utf8(text).length > 255) return undefined
    decoded.push(text)
  }
  return decoded
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function encode(text: string, unsafe: RegExp): string {
  const encoded = (bytes: Uint8Array): string =>
    Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  return Array.from(text, (character) => (character.search(unsafe) < 0 ? character : encoded(utf8(character)))).join('')
}
