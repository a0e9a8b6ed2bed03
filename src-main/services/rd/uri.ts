// URIs as the directory needs them: reference resolution (RFC 3986 §5.2), base URIs and their checks (RFC 9176 §5).
import type { SocketAddress } from '#main/base/index.ts'

export interface UriParts {
  readonly scheme: string | undefined
  readonly authority: string | undefined
  readonly path: string
  readonly query: string | undefined
  readonly fragment: string | undefined
}

/** Characters that a URI may hold at all (RFC 3986 §2), with `%` only before two hex digits. */
const URI_TEXT = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*:/
const AUTHORITY = /^(?:[^@[\]]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^:@[\]]+)(?::(\d{1,5})?)?$/

/** Splits a reference into its five parts; any text has a reading (RFC 3986 appendix B). */
export function splitUri(reference: string): UriParts {
  const match = /^(?:([A-Za-z][A-Za-z0-9+\-.]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(reference)
  return { scheme: match?.[1], authority: match?.[2], path: match?.[3] ?? '', query: match?.[4], fragment: match?.[5] }
}

/** Whether the reference is a full URI: it starts with a scheme. */
export function isUri(reference: string): boolean {
  return SCHEME.test(reference)
}

export function hasUriCharactersOnly(text: string): boolean {
  return URI_TEXT.test(text)
}

/** The target URI of a reference (RFC 3986 §5.2.2). */
export function resolveReference(base: string, reference: string): string {
  const from = splitUri(base)
  const to = splitUri(reference)
  if (to.scheme !== undefined) return joinUri({ ...to, path: removeDotSegments(to.path) })
  if (to.authority !== undefined) return joinUri({ ...to, scheme: from.scheme, path: removeDotSegments(to.path) })
  if (to.path === '') return joinUri({ ...from, query: to.query ?? from.query, fragment: to.fragment })
  const path = to.path.startsWith('/') ? to.path : mergePaths(from, to.path)
  return joinUri({ scheme: from.scheme, authority: from.authority, path: removeDotSegments(path), query: to.query, fragment: to.fragment })
}

function joinUri(parts: UriParts): string {
  const scheme = parts.scheme === undefined ? '' : `${parts.scheme}:`
  const authority = parts.authority === undefined ? '' : `//${parts.authority}`
  const query = parts.query === undefined ? '' : `?${parts.query}`
  const fragment = parts.fragment === undefined ? '' : `#${parts.fragment}`
  return scheme + authority + parts.path + query + fragment
}

function mergePaths(base: UriParts, path: string): string {
  if (base.authority !== undefined && base.path === '') return `/${path}`
  return base.path.slice(0, base.path.lastIndexOf('/') + 1) + path
}

/** RFC 3986 §5.2.4, on whole segments. */
function removeDotSegments(path: string): string {
  if (!path.includes('.')) return path
  const output: string[] = []
  const segments = path.split('/')
  segments.forEach((segment, index) => {
    const isLast = index === segments.length - 1
    if (segment === '..') {
      // The empty string before the leading slash is never taken away.
      if (output.length > 1 || (output.length === 1 && output[0] !== '')) output.pop()
      if (isLast) output.push('')
    } else if (segment === '.') {
      if (isLast) output.push('')
    } else output.push(segment)
  })
  const joined = output.join('/')
  return path.startsWith('/') && !joined.startsWith('/') ? `/${joined}` : joined
}

/** Scheme and authority, up to where a path would begin: what relative references of one registration share. */
export function originOf(uri: string): string | undefined {
  const match = /^[A-Za-z][A-Za-z0-9+\-.]*:\/\/[^/?#]*/.exec(uri)
  return match?.[0]
}

/** Why a text cannot be the base URI of a registration; undefined when it can (RFC 9176 §5). */
export function whyNoBase(base: string): string | undefined {
  if (!hasUriCharactersOnly(base)) return 'base holds characters that no URI has'
  const { scheme, authority, fragment } = splitUri(base)
  if (scheme === undefined || authority === undefined || authority === '') return 'base must be of the form scheme://authority'
  if (fragment !== undefined) return 'base must not have a fragment'
  if (/\[[^\]]*%/.test(authority)) return 'base must not contain a zone identifier'
  const port = AUTHORITY.exec(authority)
  if (port === null || Number(port[1] ?? 0) > 65_535) return 'base has no valid authority'
  return undefined
}

/** The base URI that a request's source address stands for: the port is left out when it is the scheme's default (RFC 9176 §5). */
export function baseFromSource(scheme: 'coap' | 'coaps', source: SocketAddress): string {
  const host = source.address.includes(':') ? `[${source.address}]` : source.address
  return source.port === (scheme === 'coap' ? 5683 : 5684) ? `${scheme}://${host}` : `${scheme}://${host}:${source.port}`
}

/** Whether the URI's host is a link-local literal, fe80::/10 or 169.254/16 (RFC 9176 §5, §6.1). */
export function isLinkLocalUri(uri: string): boolean {
  const authority = splitUri(uri).authority ?? ''
  return /(?:^|@)\[fe[89ab][0-9a-f]:/i.test(authority) || /(?:^|@)169\.254\.\d/.test(authority)
}

/** Whether the URI's host is a literal address, and not one of a group: outside ff00::/8 and 224.0.0.0/4. */
export function isUnicastUri(uri: string): boolean {
  const host = (splitUri(uri).authority ?? '').replace(/^.*@/, '').replace(/:\d*$/, '')
  if (host.startsWith('[')) return !/^\[ff[0-9a-f]{2}:/i.test(host)
  const first = /^(\d{1,3})(?:\.\d{1,3}){3}$/.exec(host)?.[1]
  return first !== undefined && (Number(first) < 224 || Number(first) > 239)
}
