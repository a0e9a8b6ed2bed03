// Discovery of application groups and CoAP groups from the servers in them, by every method of groupcomm-bis-18 Appendix C, and the
// links that a server answers with (§2.2.3.2; RFC 6690 §4.1). Directories: group-directory.ts.
import { utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { serverKey } from './group-call.ts'
import { formatAuthority, parseAuthority } from './group-uri.ts'
import { linkMatches, linkValues, parseLinkFormat } from './link-format.ts'
import { ContentFormat } from './options.ts'
import type { ClientRequest, ClientResponse, CoapClient, GroupRequestOptions, Link } from './types.ts'

/** Nothing standardises these (§2.2.3.2); the defaults are those of the document's examples. */
export interface GroupConventions {
  /** The path segment before the name of the application group. */
  readonly delimiter: string
  /** What a resource type starts with that is the type of an application group. */
  readonly typePrefix: string
  /** The attribute that holds the group type where resource types mean something else (Figure 19). */
  readonly typeAttribute: string
}

export const DEFAULT_CONVENTIONS: GroupConventions = { delimiter: 'gp', typePrefix: 'g.', typeAttribute: 'gpt' }

export type GroupQuestion =
  /** C.1: to a CoAP group: the application groups in it. `by: 'href'` asks by path. */
  | { readonly kind: 'groups-of-coap-group'; readonly by?: 'rt' | 'href' }
  /** C.2: to All CoAP Nodes: who is in the application group, and by which CoAP group. */
  | { readonly kind: 'members-of-group'; readonly name: string }
  /** C.3: to All CoAP Nodes: who is in a group of that type, e.g. `g.temp`. */
  | { readonly kind: 'members-of-type'; readonly type: string }
  /** C.4: to All CoAP Nodes: who is in any group. */
  | { readonly kind: 'all-groups' }
  /** C.4, Figure 19: the same by the `gpt` attribute; of one type where it is named. */
  | { readonly kind: 'all-groups-by-gpt'; readonly type?: string }

/** One application group that a server is a member of. */
export interface GroupMembershipFound {
  readonly server: SocketAddress
  readonly group: string
  /** The CoAP group as an authority in its shortest form; undefined where the answer does not tell. */
  readonly coapGroup: string | undefined
  /** The group type: of the `gpt` attribute, else the resource type with the agreed prefix. */
  readonly type: string | undefined
  readonly resourceTypes: readonly string[]
  /** Path of the group resource, decoded. */
  readonly path: readonly string[]
}

/** The one query parameter of the request. */
export function groupDiscoveryQuery(question: GroupQuestion, conventions = DEFAULT_CONVENTIONS): string {
  const { delimiter, typePrefix, typeAttribute } = conventions
  switch (question.kind) {
    case 'groups-of-coap-group':
      return question.by === 'href' ? `href=/${encodeURIComponent(delimiter)}/*` : `rt=${typePrefix}*`
    case 'members-of-group':
      return `href=/${encodeURIComponent(delimiter)}/${encodeURIComponent(question.name)}`
    case 'members-of-type':
      return `rt=${question.type}`
    case 'all-groups':
      return `rt=${typePrefix}*`
    case 'all-groups-by-gpt':
      return `${typeAttribute}=${question.type ?? '*'}`
  }
}

export function groupDiscoveryRequest(question: GroupQuestion, conventions = DEFAULT_CONVENTIONS): ClientRequest {
  return { method: 'GET', path: ['.well-known', 'core'], query: [groupDiscoveryQuery(question, conventions)] }
}

/**
 * The memberships that a server's links tell of, those left out that the question does not ask for: servers need not filter. `askedGroup`
 * is the authority of the CoAP group that the request went to, which relative links belong to in C.1; to All CoAP Nodes there is none.
 */
export function readGroupLinks(
  links: readonly Link[],
  server: SocketAddress,
  question: GroupQuestion,
  askedGroup?: string,
  conventions = DEFAULT_CONVENTIONS,
): GroupMembershipFound[] {
  const asked = askedGroup === undefined ? undefined : parseAuthority(askedGroup)
  const found: GroupMembershipFound[] = []
  for (const link of links) {
    const target = readTarget(link.href)
    if (target === undefined) continue
    const { path } = target
    const at = path.indexOf(conventions.delimiter)
    const group = at < 0 ? undefined : path[at + 1]
    if (group === undefined || group === '') continue
    const authority = target.authority ?? asked
    const resourceTypes = linkValues(link, 'rt')
    const prefixed = resourceTypes.find((type) => type.startsWith(conventions.typePrefix))
    const type = linkValues(link, conventions.typeAttribute)[0] ?? prefixed
    if (!isAskedFor(question, { group, resourceTypes, attribute: linkValues(link, conventions.typeAttribute)[0], prefixed })) continue
    const coapGroup = authority === undefined ? undefined : formatAuthority(authority.host, authority.port)
    found.push({ server, group, coapGroup, type, resourceTypes, path })
  }
  return found
}

function isAskedFor(
  question: GroupQuestion,
  of: {
    readonly group: string
    readonly resourceTypes: readonly string[]
    readonly attribute: string | undefined
    readonly prefixed: string | undefined
  },
): boolean {
  switch (question.kind) {
    case 'groups-of-coap-group':
      return question.by === 'href' || of.prefixed !== undefined
    case 'members-of-group':
      return of.group === question.name
    case 'members-of-type':
      return of.resourceTypes.includes(question.type)
    case 'all-groups':
      return of.prefixed !== undefined
    case 'all-groups-by-gpt':
      return of.attribute !== undefined && (question.type === undefined || of.attribute === question.type)
  }
}

/** Path and, where the reference has one, authority. Undefined for other schemes and for what is no reference. */
function readTarget(
  href: string,
): { readonly authority: { readonly host: string; readonly port: number } | undefined; readonly path: string[] } | undefined {
  const absolute = /^coap:\/\/([^/?#]*)([^?#]*)/i.exec(href)
  const authority = absolute === null ? undefined : parseAuthority(absolute[1] ?? '')
  if (absolute === null ? !href.startsWith('/') || href.startsWith('//') : authority === undefined) return undefined
  const text = absolute === null ? (/^[^?#]*/.exec(href)?.[0] ?? '') : (absolute[2] ?? '')
  const path: string[] = []
  for (const segment of text === '' ? [] : text.slice(1).split('/')) {
    try {
      path.push(decodeURIComponent(segment))
    } catch {
      return undefined
    }
  }
  return { authority, path }
}

/** An application group, and what is known of it from all answers together. */
export interface DiscoveredGroup {
  readonly name: string
  readonly coapGroups: readonly string[]
  readonly types: readonly string[]
  readonly members: readonly SocketAddress[]
}

export function summariseGroups(memberships: readonly GroupMembershipFound[]): DiscoveredGroup[] {
  const groups = new Map<string, { coapGroups: Set<string>; types: Set<string>; members: Map<string, SocketAddress> }>()
  for (const { group, coapGroup, type, server } of memberships) {
    const of = groups.get(group) ?? { coapGroups: new Set<string>(), types: new Set<string>(), members: new Map<string, SocketAddress>() }
    groups.set(group, of)
    if (coapGroup !== undefined) of.coapGroups.add(coapGroup)
    if (type !== undefined) of.types.add(type)
    of.members.set(`${serverKey(server)} ${server.port}`, server)
  }
  return [...groups].map(([name, of]) => ({
    name,
    coapGroups: [...of.coapGroups],
    types: [...of.types],
    members: [...of.members.values()],
  }))
}

export interface GroupDiscovery {
  readonly memberships: readonly GroupMembershipFound[]
  readonly groups: readonly DiscoveredGroup[]
  /** Answers that are no link-format document. */
  readonly unreadable: number
}

/** Asks the group, or All CoAP Nodes, and reads the answers. Fails as `groupRequest` does. */
export async function discoverGroups(
  client: CoapClient,
  to: SocketAddress,
  question: GroupQuestion,
  options: GroupRequestOptions & { readonly conventions?: GroupConventions; readonly authority?: string },
): Promise<GroupDiscovery> {
  const conventions = options.conventions ?? DEFAULT_CONVENTIONS
  const askedGroup = question.kind === 'groups-of-coap-group' ? (options.authority ?? formatAuthority(to.address, to.port)) : undefined
  const memberships: GroupMembershipFound[] = []
  let unreadable = 0
  for await (const response of client.groupRequest(to, groupDiscoveryRequest(question, conventions), options)) {
    if (!response.code.startsWith('2.')) continue
    const links = readLinks(response)
    if (links === undefined) unreadable++
    else memberships.push(...readGroupLinks(links, response.source, question, askedGroup, conventions))
  }
  return { memberships, groups: summariseGroups(memberships), unreadable }
}

function readLinks(response: ClientResponse): Link[] | undefined {
  const text = utf8ToText(response.payload)
  if (text === undefined || (response.contentFormat ?? ContentFormat.LINK_FORMAT) !== ContentFormat.LINK_FORMAT) return undefined
  try {
    return parseLinkFormat(text)
  } catch {
    return undefined
  }
}

// ---- The answering side --------------------------------------------------------------------------------------------

/** An application group that a server is a member of, as it tells of it. */
export interface OwnGroup {
  readonly name: string
  /** Authority of the CoAP group, e.g. `grp.example:5685`. */
  readonly coapGroup: string
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * The links for a request that matched the queries: relative where the request came to that CoAP group itself (C.1), absolute where it came
 * to another endpoint, which the links would else belong to (C.2). Queries for `href` match the path, whichever way the link is written.
 */
export function groupLinks(
  groups: readonly OwnGroup[],
  queries: readonly string[],
  isAtGroup: (authority: { readonly host: string; readonly port: number }) => boolean,
  conventions = DEFAULT_CONVENTIONS,
): Link[] {
  return groups.flatMap(({ name, coapGroup, attributes }) => {
    const path = `/${encodeURIComponent(conventions.delimiter)}/${encodeURIComponent(name)}`
    const relative: Link = { href: path, attributes: Object.entries(attributes).map(([key, value]) => ({ name: key, value })) }
    if (!queries.every((query) => linkMatches(relative, query))) return []
    const authority = parseAuthority(coapGroup)
    if (authority === undefined) return []
    return isAtGroup(authority) ? [relative] : [{ ...relative, href: `coap://${formatAuthority(authority.host, authority.port)}${path}` }]
  })
}
