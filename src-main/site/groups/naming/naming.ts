// How the site's application groups are named in requests: the method that was chosen, over the codec of the wire
// (draft-ietf-core-groupcomm-bis-18 §2.2.1.2 and Appendix B; -11 B.4 to B.6).
import { toAppError } from '#main/base/index.ts'
import {
  decodeGroupName,
  encodeGroupName,
  findStrings,
  formatAuthority,
  formatGroupUri,
  isIpLiteral,
  OptionNumber,
  requestOfTarget,
  targetOfRequest,
  type ClientRequest,
  type CoapOption,
  type GroupNaming,
  type GroupTarget,
} from '#main/wire/coap/index.ts'
import { namingSettings, type NamingSettings } from '#contract/model.ts'

/** An application group with the address and port that it is reached at. */
export interface AddressedGroup {
  readonly name: string
  readonly address: string
  readonly port: number
}

type Resource = Pick<GroupTarget, 'path' | 'query' | 'options'>

export const DEFAULT_NAMING: NamingSettings = namingSettings.parse({})
const GROUP_ITSELF: Resource = { path: [], query: [], options: [] }
const LONGEST_LABEL = 63
/** Delimiters that profiles write before a group's name; the site's own counts too. */
const KNOWN_DELIMITERS: ReadonlySet<string> = new Set(['gp', 'g'])

/** The codec of the method; undefined where the name does not travel. */
export function codecOf(naming: NamingSettings): GroupNaming | undefined {
  switch (naming.method) {
    case 'path':
      return { method: 'path', delimiter: naming.delimiter, base: naming.base }
    case 'query-parameter':
      return { method: 'query-parameter', indicator: naming.delimiter }
    case 'host-label':
      return { method: 'host-label', domain: naming.domain }
    case 'option':
      return { method: 'option', number: naming.optionNumber }
    case 'query':
    case 'authority':
    case 'host':
    case 'port':
      return { method: naming.method }
    case 'none':
      return undefined
  }
}

/** A host label of the name: lower case, letters, digits and hyphens. Different names may come to the same. */
export function labelOf(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/[^a-z0-9]+/g, '-')
  return plain.slice(0, LONGEST_LABEL).replace(/^-+|-+$/g, '') || 'g'
}

/** The name as it travels. Two groups with the same one cannot be told apart by it; where nothing travels, it is the address. */
export function wireNameOf(naming: NamingSettings, group: AddressedGroup): string {
  switch (naming.method) {
    case 'path':
    case 'query':
    case 'query-parameter':
    case 'option':
      return group.name
    case 'authority':
      return formatAuthority(hostOf(naming, group), group.port)
    case 'host':
      return hostOf(naming, group)
    case 'host-label':
      return labelOf(group.name)
    case 'port':
      return String(group.port)
    case 'none':
      return formatAuthority(group.address, group.port)
  }
}

function hostOf(naming: NamingSettings, group: AddressedGroup): string {
  return naming.domain === '' ? group.address : `${labelOf(group.name)}.${naming.domain}`
}

/** Why the method cannot carry the name of the group; undefined where it can. */
export function namingFault(naming: NamingSettings, group: AddressedGroup): string | undefined {
  if (naming.method === 'host-label' && naming.domain === '') return 'A domain is missing'
  try {
    namedTarget(naming, group, GROUP_ITSELF)
    return undefined
  } catch (thrown) {
    return toAppError(thrown).message
  }
}

/** The resource of the group as a target, with the name in it. Throws `group.name-invalid`, `group.port-reserved`. */
export function namedTarget(naming: NamingSettings, group: AddressedGroup, resource: Resource): GroupTarget {
  const bare: GroupTarget = { host: group.address, port: group.port, ...resource }
  const codec = codecOf(naming)
  return codec === undefined ? bare : encodeGroupName(codec, wireNameOf(naming, group), bare)
}

/** The group URI; a group that the method cannot carry has that of its CoAP group. */
export function groupUriOf(naming: NamingSettings, group: AddressedGroup): string {
  const bare: GroupTarget = { host: group.address, port: group.port, ...GROUP_ITSELF }
  return formatGroupUri(namingFault(naming, group) === undefined ? namedTarget(naming, group, GROUP_ITSELF) : bare)
}

/**
 * A request of a device profile, named as the site wishes. Profiles write the name into the path behind a delimiter, which is what most
 * devices know: there it is replaced. A name that stands elsewhere, or nowhere, is the device's own way and stays.
 */
export function namedRequest(naming: NamingSettings, group: AddressedGroup, request: ClientRequest): ClientRequest {
  const at = request.path.indexOf(group.name)
  const delimiter = request.path[at - 1] ?? ''
  if (at < 1 || !(KNOWN_DELIMITERS.has(delimiter) || delimiter === naming.delimiter)) return request
  const resource: Resource = {
    path: [...request.path.slice(0, at - 1), ...request.path.slice(at + 1)],
    query: request.query ?? [],
    options: request.options ?? [],
  }
  const { path, query, options } = requestOfTarget(namedTarget(naming, group, resource))
  // An empty list and none are the same on the wire.
  return { ...request, path, ...(query.length > 0 || request.query !== undefined ? { query } : {}), ...carried(request, options) }
}

function carried(request: ClientRequest, options: readonly CoapOption[]): Pick<ClientRequest, 'options'> {
  return options.length > 0 || request.options !== undefined ? { options } : {}
}

/** The URI that a request to the address stands for. */
export function requestUriOf(at: { readonly address: string; readonly port: number }, request: ClientRequest): string {
  const host = findStrings(request.options ?? [], OptionNumber.URI_HOST)?.[0] ?? at.address
  return formatGroupUri({ host, port: at.port, path: request.path, query: request.query ?? [], options: [] })
}

/** The groups among which a received request names one, by the name as it travels. */
export function groupsByWireName<Group extends AddressedGroup>(
  naming: NamingSettings,
  groups: Iterable<Group>,
): ReadonlyMap<string, readonly Group[]> {
  return Map.groupBy(groups, (group) => wireNameOf(naming, group))
}

/** Which name a request that arrived at `destination` carries, and the resource below it; undefined where it carries none. */
export function readNamedRequest(
  naming: NamingSettings,
  request: ClientRequest,
  destination: { readonly address: string; readonly port: number },
): { readonly wireName: string; readonly path: readonly string[]; readonly query: readonly string[] } | undefined {
  const { path, query = [], options = [] } = request
  const target = targetOfRequest({ path, query, options }, destination)
  if (target === undefined) return undefined
  const codec = codecOf(naming)
  if (codec === undefined) return { wireName: formatAuthority(destination.address, destination.port), path, query }
  const named = decodeGroupName(codec, target)
  return named === undefined ? undefined : { wireName: named.name, path: named.target.path, query: named.target.query }
}

/** Whether requests carry a host name that somebody has to resolve (§2.2.1.1). */
export function usesHostNames(naming: NamingSettings): boolean {
  const inHost = naming.method === 'authority' || naming.method === 'host' || naming.method === 'host-label'
  return inHost && naming.domain !== '' && !isIpLiteral(naming.domain)
}
