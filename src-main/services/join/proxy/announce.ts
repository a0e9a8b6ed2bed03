// What is told to those who look for a join proxy or for a registrar, in `/.well-known/core` of the coap port
// (draft-ietf-anima-constrained-join-proxy-20 §5.1, §5.2; draft -01 §7; cBRSKI-31 §10). Pledges ask from link-local addresses.
import { linkValues, type IncomingRequest, type Link, type LinkAttribute, type LinkSource } from '#main/wire/coap/index.ts'
import { isMulticastAddress, type SocketAddress } from '#main/base/index.ts'
import { uriOfEndpoint, type JpyVersion } from '../jpy/index.ts'
import { isNeighbour } from './pledge-address.ts'

/** Where links are hung up: a ResourceTree. */
export interface LinkRegistry {
  addLinks(source: LinkSource): () => void
}

/** One join-port; attributes tell pledges what is special about the registrar behind it (draft -20 §5.3). */
export interface JoinPortLink {
  readonly port: number
  readonly attributes?: readonly LinkAttribute[]
}

export interface ProxyAnnouncement {
  /** Those on that link. */
  readonly joinPorts: (zone: string | undefined) => readonly JoinPortLink[]
  /** Our link-local address on that link. Older drafts put it into the link; without it they get no answer. */
  readonly linkLocal: (zone: string | undefined) => string | undefined
}

/** Service names for DNS-SD, all over UDP: draft -20 §8.4, and for pledges also cBRSKI-31 §11.3. */
export const JOIN_SERVICES = { joinProxy: ['brski-jp', 'brski-proxy'], registrar: 'brski-rjp' } as const

/** Answers `brski-jp=*`, and by their old names `rt=brski.jp` (drafts -06 to -19) and `rt=brski-proxy` (-01). */
export function announceJoinProxy(registry: LinkRegistry, announcement: ProxyAnnouncement): () => void {
  return registry.addLinks((request) => {
    if (!isPledge(request)) return []
    const ports = announcement.joinPorts(request.source.zone)
    const today = ports.map(({ port, attributes = [] }) => ({
      href: '',
      attributes: [{ name: 'brski-jp', value: String(port) }, ...attributes],
    }))
    const address = announcement.linkLocal(request.source.zone)
    if (address === undefined) return today
    return [
      ...today,
      ...asked(request, 'brski.jp', () => ports.map(({ port }) => linkTo(uriOfEndpoint('coaps', { address, port }), 'brski.jp'))),
      ...asked(request, 'brski-proxy', () => ports.map(({ port }) => linkTo(`${explicit('coaps', address, port)}/jp`, 'brski-proxy'))),
    ]
  })
}

/** Who asked, and where. */
export type Asked = Pick<IncomingRequest, 'query' | 'source' | 'channelId'>

export interface RegistrarAnnouncement {
  /** Port and versions of the join port where it was asked; undefined where there is none. */
  readonly jpy: (request?: Asked) => { readonly port: number; readonly versions: readonly JpyVersion[] } | undefined
  /** Port of the cBRSKI resources under coaps and the path that they are below, such as `/b`; undefined where they are not offered. */
  readonly coaps: (request?: Asked) => { readonly port: number; readonly path: string } | undefined
  /** A routable address of ours by which the asker reaches us; undefined where there is none. */
  readonly routable: (request: IncomingRequest) => string | undefined
}

/**
 * Answers `rt=brski.rjp`, `rt=brski` and, for proxies of draft -01, `rt=brski-proxy`. Pledges on our own link are told of the coaps port as
 * if it were a join-port (cBRSKI-31 §10). Over coaps the join port alone is told of, and only by its name (draft -01 §7): there the resources
 * speak for themselves (cBRSKI-31 Appendix E).
 */
export function announceRegistrar(registry: LinkRegistry, announcement: RegistrarAnnouncement): () => void {
  return registry.addLinks((request) => {
    const coaps = request.peer === undefined ? announcement.coaps(request) : undefined
    const direct: Link[] =
      coaps !== undefined && isPledge(request) ? [{ href: '', attributes: [{ name: 'brski-jp', value: String(coaps.port) }] }] : []
    const address = addressFor(request, announcement)
    if (address === undefined) return direct
    const links = registrarLinks(address, announcement, request)
    if (request.peer === undefined) return [...direct, ...links]
    return links.filter((link) => linkValues(link, 'rt').some((type) => type !== 'brski' && asks(request, type)))
  })
}

/** The same links for a resource directory: of one address, whoever asks. */
export function registrarLinks(
  address: string,
  { jpy, coaps }: Pick<RegistrarAnnouncement, 'jpy' | 'coaps'>,
  request?: Asked,
): readonly Link[] {
  const join = jpy(request)
  const direct = coaps(request)
  const links: Link[] = []
  if (join?.versions.includes('20') === true) links.push(linkTo(uriOfEndpoint('jpy', { address, port: join.port }), 'brski.rjp'))
  if (direct !== undefined) links.push(linkTo(`${uriOfEndpoint('coaps', { address, port: direct.port })}${direct.path}`, 'brski'))
  const isForOld = request === undefined || (asks(request, 'brski-proxy') && !isNeighbour(request.source))
  if (join?.versions.includes('01') === true && isForOld) links.push(linkTo(`${explicit('coaps', address, join.port)}/jp`, 'brski-proxy'))
  return links
}

function linkTo(href: string, resourceType: string): Link {
  return { href, attributes: [{ name: 'rt', value: resourceType }] }
}

/** Draft -01 §7.2.2 shows the port always. */
function explicit(scheme: 'coaps', address: string, port: number): string {
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`
}

function isPledge({ source, peer }: IncomingRequest): boolean {
  return peer === undefined && isNeighbour(source)
}

function asks({ query }: Pick<IncomingRequest, 'query'>, resourceType: string): boolean {
  return query.includes(`rt=${resourceType}`)
}

function asked(request: IncomingRequest, resourceType: string, links: () => readonly Link[]): readonly Link[] {
  return asks(request, resourceType) ? links() : []
}

/** Who asked an address of ours can reach it. */
function addressFor(request: IncomingRequest, { routable }: RegistrarAnnouncement): string | undefined {
  const to: SocketAddress | undefined = request.destination
  const isOurs = to !== undefined && !request.multicast && !isMulticastAddress(to.address) && !isNeighbour(to) && !isUnspecified(to.address)
  return isOurs ? to.address : routable(request)
}

function isUnspecified(address: string): boolean {
  return address === '::' || address === '0.0.0.0'
}
