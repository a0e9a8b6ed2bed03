// Which groups a link-format document speaks of: group resources as servers list them (groupcomm-bis Appendix C.1 to C.4, names as in
// Appendix B), group registrations of a directory (RFC 9176 Appendix A), and security groups (`sec-gp`, `app-gp`). Total: any text in.
import { AppError } from '#main/base/index.ts'
import { linkAttribute, linkValues, parseLinkFormat, type Link } from '#main/wire/coap/index.ts'
import { normaliseAddress } from '#main/wire/ip/index.ts'

export interface GroupEndpoint {
  /** Canonical text of a literal, or a host name in lower case. */
  readonly address: string
  readonly port: number
}

/** Somebody has said that there is such a group. */
export interface GroupMention {
  readonly name: string
  /** Null where the link is relative and nothing says to which CoAP group it belongs. */
  readonly at: GroupEndpoint | null
  readonly types: readonly string[]
  /** Base URI of who has the resource, where a directory tells it (`anchor`). */
  readonly holder: string | null
}

export interface SecurityMention {
  readonly securityGroup: string
  readonly applicationGroups: readonly string[]
}

export interface Mentions {
  readonly groups: readonly GroupMention[]
  readonly security: readonly SecurityMention[]
}

const COAP_PORT = 5683
/** Longer documents than any server's list of groups are read to here. */
const MOST_LINKS = 2000
const LONGEST_TEXT = 256 * 1024

/** What the links say; relative ones belong to `askedAt` where the question went to a CoAP group (C.1). What is no link format says nothing. */
export function mentionsIn(text: string, askedAt: GroupEndpoint | null): Mentions {
  const groups: GroupMention[] = []
  const security: SecurityMention[] = []
  for (const link of linksOf(text)) {
    const securityGroup = linkAttribute(link, 'sec-gp')
    if (typeof securityGroup === 'string' && securityGroup !== '') {
      security.push({ securityGroup, applicationGroups: linkValues(link, 'app-gp').slice(0, 100) })
      continue
    }
    const mention = groupOf(link, askedAt)
    if (mention !== undefined) groups.push(mention)
  }
  return { groups, security }
}

/** Group registrations of an endpoint lookup (`et=core.rd-group`), whose base is the group's address. */
export function registeredGroups(text: string): readonly GroupMention[] {
  return linksOf(text).flatMap((link) => {
    const name = linkAttribute(link, 'ep')
    const base = linkAttribute(link, 'base')
    if (typeof name !== 'string' || typeof base !== 'string' || !linkValues(link, 'et').includes('core.rd-group')) return []
    const uri = readUri(base)
    return uri?.at === null || uri === undefined ? [] : [{ name, at: uri.at, types: [], holder: null }]
  })
}

/** The links of the text; none where it is not link format. */
export function linksOf(text: string): readonly Link[] {
  if (text.length > LONGEST_TEXT) return []
  try {
    return parseLinkFormat(text).slice(0, MOST_LINKS)
  } catch (thrown) {
    if (thrown instanceof AppError) return []
    throw thrown
  }
}

function groupOf(link: Link, askedAt: GroupEndpoint | null): GroupMention | undefined {
  const uri = readUri(link.href)
  if (uri === undefined) return undefined
  const types = [...linkValues(link, 'rt').filter((type) => type.startsWith('g.')), ...linkValues(link, 'gpt').map((type) => `gpt=${type}`)]
  const isMarked = types.length > 0 || linkAttribute(link, 'gpt') !== undefined
  const name = nameOf(uri, isMarked)
  if (name === undefined) return undefined
  const anchor = linkAttribute(link, 'anchor')
  const holder = typeof anchor === 'string' ? anchor : null
  // A unicast authority is that of the server itself: it says nothing of the CoAP group.
  const isOwnAuthority = uri.at !== null && !isGroupAddress(uri.at.address)
  return { name, at: uri.at === null || isOwnAuthority ? askedAt : uri.at, types, holder: holder ?? (isOwnAuthority ? link.href : null) }
}

/** Appendix B.1: after `gp` or `g` in the path; B.2: as `gp=` or alone in the query; else a marked resource's only path segment. */
function nameOf({ path, query }: Reference, isMarked: boolean): string | undefined {
  const [first, second] = path
  if ((first === 'gp' || (first === 'g' && isMarked)) && second !== undefined) return clean(second)
  const designated = query.find((parameter) => parameter.startsWith('gp='))
  if (designated !== undefined) return clean(designated.slice(3))
  if (!isMarked) return undefined
  const [only] = query
  if (query.length === 1 && only !== undefined && !only.includes('=')) return clean(only)
  return path.length === 1 && first !== undefined ? clean(first) : undefined
}

function clean(name: string): string | undefined {
  const text = name.normalize('NFC')
  return text === '' || text.length > 200 || /\p{Cc}/u.test(text) ? undefined : text
}

interface Reference {
  readonly at: GroupEndpoint | null
  readonly path: readonly string[]
  readonly query: readonly string[]
}

/** A URI reference as links have it: `coap://host[:port]/path?query`, or a path alone (RFC 3986 §4). */
function readUri(text: string): Reference | undefined {
  const match = /^(?:coap:\/\/(\[[^\]/?#]*\]|[^/?#:[\]]+)(?::(\d{1,5}))?)?(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(text)
  if (match === null) return undefined
  const [, host, port, path = '', query = ''] = match
  const at = host === undefined ? null : endpointOf(host, port)
  const segments = decoded(path.split('/').slice(1))
  const parameters = decoded(query === '' ? [] : query.split('&'))
  return at === undefined || segments === undefined || parameters === undefined ? undefined : { at, path: segments, query: parameters }
}

function endpointOf(host: string, portText: string | undefined): GroupEndpoint | undefined {
  const port = portText === undefined ? COAP_PORT : Number(portText)
  if (port < 1 || port > 65_535) return undefined
  const literal = normaliseAddress(host.replace(/^\[(.*)\]$/, '$1'))
  if (literal === undefined && host.startsWith('[')) return undefined
  return { address: literal ?? host.toLowerCase(), port }
}

function decoded(parts: readonly string[]): readonly string[] | undefined {
  try {
    return parts.map((part) => decodeURIComponent(part)).filter((part, index, all) => part !== '' || index < all.length - 1)
  } catch {
    return undefined
  }
}

/** Whether the text is a multicast literal or a host name, rather than a unicast literal. */
export function isGroupAddress(address: string): boolean {
  const literal = normaliseAddress(address)
  if (literal === undefined) return true
  if (literal.includes(':')) return literal.startsWith('ff')
  const first = Number(literal.split('.')[0])
  return first >= 224 && first <= 239
}
