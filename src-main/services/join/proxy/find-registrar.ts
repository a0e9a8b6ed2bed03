// How a join proxy finds registrars: by CoAP, asking everybody and a resource directory (draft-ietf-anima-constrained-join-proxy-20
// §5.1, RFC 9176 §6; draft -01 §7.1.1), and by DNS-SD. What is configured needs no search.
import { isMulticastAddress, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import {
  COAPS_PORT,
  linkMatches,
  parseLinkFormat,
  type ClientRequest,
  type ClientResponse,
  type CoapClient,
} from '#main/wire/coap/index.ts'
import { endpointOfUri, type JpyVersion } from '../jpy/index.ts'
import { isNeighbour } from './pledge-address.ts'

export interface RegistrarRoute {
  readonly mode: 'stateless' | 'stateful'
  /** Of stateless ones. */
  readonly version: JpyVersion
  readonly at: SocketAddress
  readonly by: 'configuration' | 'multicast' | 'directory' | 'dns-sd'
}

export interface RegistrarSearch {
  readonly client: CoapClient
  /** All CoAP Nodes of site-local scope unless told; of realm-local scope in a mesh whose border router has the registrar. */
  readonly groups?: readonly SocketAddress[]
  readonly directory?: () => SocketAddress | undefined
  /** Instances of the service `_<name>._udp`. */
  readonly browse?: (service: string, signal: AbortSignal) => Promise<readonly SocketAddress[]>
  /** Both unless told. A generic proxy takes the stateless one where there is any (draft -20 §4.1). */
  readonly modes?: ReadonlyArray<'stateless' | 'stateful'>
  /** Both unless told, today's first. */
  readonly versions?: readonly JpyVersion[]
  /** How long answers of a group are waited for: more than their Leisure. */
  readonly collectMs?: number
}

interface Question {
  readonly mode: 'stateless' | 'stateful'
  readonly version: JpyVersion
  /** With a star at its end, as of the resources that it stands for. */
  readonly resourceType: string
  readonly scheme: 'jpy' | 'coaps'
  readonly service: string | undefined
}

const ALL_COAP_NODES: readonly SocketAddress[] = [{ address: 'ff05::fd', port: 5683 }]
const COLLECT_MS = 7000
const CORE = ['.well-known', 'core']

/** In the order of the drafts; of the last, draft -01 §7.1.1 has RFC 9148 §4.1 as it was then. Draft -20 asks for no wildcards (§5.1.3). */
const QUESTIONS: readonly Question[] = [
  { mode: 'stateless', version: '20', resourceType: 'brski.rjp', scheme: 'jpy', service: 'brski-rjp' },
  { mode: 'stateless', version: '01', resourceType: 'brski-proxy', scheme: 'coaps', service: undefined },
  { mode: 'stateful', version: '20', resourceType: 'brski', scheme: 'coaps', service: undefined },
  { mode: 'stateful', version: '01', resourceType: 'ace.est*', scheme: 'coaps', service: undefined },
]

/** The routes by the first question that is answered; none where nobody answers. Fails only with what the signal says. */
export async function findRegistrars(search: RegistrarSearch, signal: AbortSignal): Promise<readonly RegistrarRoute[]> {
  const modes = search.modes ?? ['stateless', 'stateful']
  const versions = search.versions ?? ['20', '01']
  for (const question of QUESTIONS) {
    if (!modes.includes(question.mode) || !versions.includes(question.version)) continue
    for (const ask of [askEverybody, askDirectory, askDnsSd]) {
      const routes = await unlessItFails(ask(search, question, signal), signal)
      if (routes.length > 0) return distinct(routes)
    }
  }
  return []
}

async function askEverybody(search: RegistrarSearch, question: Question, signal: AbortSignal): Promise<RegistrarRoute[]> {
  const request: ClientRequest = { method: 'GET', path: CORE, query: [`rt=${question.resourceType}`] }
  const options = { deadlineMs: search.collectMs ?? COLLECT_MS, signal }
  const found = await Promise.all(
    (search.groups ?? ALL_COAP_NODES).map(async (group) => {
      const routes: RegistrarRoute[] = []
      for await (const response of search.client.groupRequest(group, request, options))
        routes.push(...routesOf(response, question, 'multicast'))
      return routes
    }),
  )
  return found.flat()
}

async function askDirectory(search: RegistrarSearch, question: Question, signal: AbortSignal): Promise<RegistrarRoute[]> {
  const at = search.directory?.()
  if (at === undefined) return []
  const about = await search.client.request(at, { method: 'GET', path: CORE, query: ['rt=core.rd-lookup-res'] }, { signal })
  const lookup = linksOf(about).find(({ href }) => href.startsWith('/') && !href.startsWith('//'))
  if (lookup === undefined) return []
  const path = lookup.href.slice(1).split('/').map(decodeSegment)
  const response = await search.client.request(at, { method: 'GET', path, query: [`rt=${question.resourceType}`] }, { signal })
  return routesOf(response, question, 'directory')
}

async function askDnsSd(search: RegistrarSearch, question: Question, signal: AbortSignal): Promise<RegistrarRoute[]> {
  if (search.browse === undefined || question.service === undefined) return []
  const found = await search.browse(question.service, signal)
  return found.filter(isReachable).map((at) => ({ mode: question.mode, version: question.version, at, by: 'dns-sd' }))
}

/** One way that leads nowhere leaves the others. */
async function unlessItFails(routes: Promise<RegistrarRoute[]>, signal: AbortSignal): Promise<readonly RegistrarRoute[]> {
  try {
    return await routes
  } catch {
    signal.throwIfAborted()
    return []
  }
}

/** Servers need not filter: links of other types, schemes and places are left out. */
function routesOf(response: ClientResponse, question: Question, by: RegistrarRoute['by']): RegistrarRoute[] {
  const { mode, version, resourceType } = question
  return linksOf(response).flatMap((link) => {
    const at = linkMatches(link, `rt=${resourceType}`) ? targetOf(link.href, response.source, question) : undefined
    return at !== undefined && isReachable(at) ? [{ mode, version, at, by }] : []
  })
}

function targetOf(
  href: string,
  { address: responder, zone }: SocketAddress,
  { scheme, resourceType }: Question,
): SocketAddress | undefined {
  // RFC 9148 §4.1: without scheme and port the resources are at the coaps port of whoever answers.
  if (resourceType.startsWith('ace.est') && href.startsWith('/') && !href.startsWith('//'))
    return zone === undefined ? { address: responder, port: COAPS_PORT } : { address: responder, port: COAPS_PORT, zone }
  const target = endpointOfUri(href)
  if (target?.scheme !== scheme) return undefined
  // The registrar does not know what our links are called.
  const { address, port } = target.at
  return isNeighbour(target.at) && zone !== undefined ? { address, port, zone } : { address, port }
}

function isReachable({ address, port }: SocketAddress): boolean {
  return port > 0 && !isMulticastAddress(address) && address !== '::' && address !== '0.0.0.0'
}

function linksOf(response: ClientResponse): ReturnType<typeof parseLinkFormat> {
  const text = response.code === '2.05' ? utf8ToText(response.payload) : undefined
  if (text === undefined) return []
  try {
    return parseLinkFormat(text)
  } catch {
    return []
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

function distinct(routes: readonly RegistrarRoute[]): readonly RegistrarRoute[] {
  const byPlace = new Map(routes.map((route) => [`${route.at.address} ${route.at.port} ${route.at.zone ?? ''}`, route]))
  return [...byPlace.values()]
}
