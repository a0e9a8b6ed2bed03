// Application groups through a Resource Directory: the lookups to make, and what their links say (groupcomm-bis-18 §2.2.3.1,
// RFC 9176 §6 and Appendix A). Pure functions over links.
import { formatAuthority, parseAuthority } from './group-uri.ts'
import { linkAttribute, linkValues } from './link-format.ts'
import type { Link } from './types.ts'

/** IANA's endpoint type of a registration that stands for an application group. */
export const GROUP_ENDPOINT_TYPE = 'core.rd-group'

/** A registration of an application group. */
export interface DirectoryGroup {
  readonly name: string
  readonly sector: string | undefined
  /** The CoAP group as an authority in its shortest form: of the registration's base URI. */
  readonly coapGroup: string
  /** The registration resource at the directory. */
  readonly registration: string
}

/** What the members of a group offer, as registered for the group. */
export interface DirectoryGroupResource {
  readonly coapGroup: string
  readonly path: string
  readonly resourceTypes: readonly string[]
}

/** Queries for the endpoint lookup interface; `name` and `sector` narrow it to one group. */
export function directoryGroupQuery(of: { readonly name?: string; readonly sector?: string } = {}): string[] {
  const query = [`et=${GROUP_ENDPOINT_TYPE}`]
  if (of.name !== undefined) query.push(`ep=${of.name}`)
  if (of.sector !== undefined) query.push(`d=${of.sector}`)
  return query
}

/** Queries for the resource lookup interface: resources of groups, of one type where it is named. */
export function directoryGroupResourceQuery(of: { readonly type?: string; readonly name?: string } = {}): string[] {
  const query = directoryGroupQuery(of.name === undefined ? {} : { name: of.name })
  if (of.type !== undefined) query.push(`rt=${of.type}`)
  return query
}

/** The groups among the links of an endpoint lookup; those without a name or a usable base are left out. */
export function readDirectoryGroups(links: readonly Link[]): DirectoryGroup[] {
  return links.flatMap((link) => {
    const name = linkAttribute(link, 'ep')
    const base = linkAttribute(link, 'base')
    if (typeof name !== 'string' || typeof base !== 'string' || !linkValues(link, 'et').includes(GROUP_ENDPOINT_TYPE)) return []
    const coapGroup = authorityOf(base)
    if (coapGroup === undefined) return []
    return [{ name, sector: linkAttribute(link, 'd') ?? undefined, coapGroup, registration: link.href }]
  })
}

/** The resources among the links of a resource lookup, whose targets a directory has made absolute (RFC 9176 §6.1). */
export function readDirectoryGroupResources(links: readonly Link[]): DirectoryGroupResource[] {
  return links.flatMap((link) => {
    const coapGroup = authorityOf(link.href)
    if (coapGroup === undefined) return []
    const path = /^[a-z]+:\/\/[^/?#]*(\/[^?#]*)?/i.exec(link.href)?.[1] ?? '/'
    return [{ coapGroup, path, resourceTypes: linkValues(link, 'rt') }]
  })
}

function authorityOf(uri: string): string | undefined {
  const text = /^coap:\/\/([^/?#]*)/i.exec(uri)?.[1]
  const authority = text === undefined ? undefined : parseAuthority(text)
  return authority === undefined ? undefined : formatAuthority(authority.host, authority.port)
}
