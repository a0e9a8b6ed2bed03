// Groups in a Resource Directory that another program runs: finds its lookup interfaces (RFC 9176 §4.3), asks for group registrations
// (Appendix A), for group resources, and for security groups, page by page (§6.1).
import { AppError, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { linkValues, type ClientResponse, type CoapClient, type Link } from '#main/wire/coap/index.ts'
import { linksOf } from './group-links.ts'

/** Lookups as link-format text: of endpoints, and of resources. */
export interface DirectoryLookups {
  endpoints(query: string): AsyncIterable<string>
  resources(query: string): AsyncIterable<string>
}

const PAGE = 50
const MOST_PAGES = 200
const ANSWER_WITHIN_MS = 25_000

/** Throws as a request does, and `rd.not-found` where nothing at that address says it is a directory. */
export async function openDirectory(client: CoapClient, at: SocketAddress, signal: AbortSignal): Promise<DirectoryLookups> {
  const links = linksOf(await fetchText(client, at, ['.well-known', 'core'], ['rt=core.rd*'], signal))
  const endpoints = pathOf(links, 'core.rd-lookup-ep')
  const resources = pathOf(links, 'core.rd-lookup-res')
  if (endpoints === undefined && resources === undefined)
    throw new AppError('rd.not-found', 'Nothing there says that it is a Resource Directory', { details: { id: at.address } })
  const pages = (path: readonly string[] | undefined, query: string): AsyncIterable<string> =>
    path === undefined ? none() : paged(client, at, path, query, signal)
  return { endpoints: (query) => pages(endpoints, query), resources: (query) => pages(resources, query) }
}

async function* none(): AsyncGenerator<string> {
  // A directory may do without one of the interfaces.
}

/** A directory that does not know pages answers with everything each time: told by the same first link. */
async function* paged(
  client: CoapClient,
  at: SocketAddress,
  path: readonly string[],
  query: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let first: string | undefined
  for (let page = 0; page < MOST_PAGES; page++) {
    const text = await fetchText(client, at, path, [query, `page=${page}`, `count=${PAGE}`], signal)
    const links = linksOf(text)
    const head = links[0]?.href
    if (head === undefined || (page > 0 && head === first)) return
    first = head
    yield text
    if (links.length !== PAGE) return
  }
}

function pathOf(links: readonly Link[], type: string): readonly string[] | undefined {
  const href = links.find((link) => linkValues(link, 'rt').includes(type))?.href
  const path = href === undefined ? undefined : /^(?:coap:\/\/[^/]*)?(\/[^?#]*)$/.exec(href)?.[1]
  try {
    return path?.split('/').slice(1).map(decodeURIComponent)
  } catch {
    return undefined
  }
}

export async function fetchText(
  client: CoapClient,
  at: SocketAddress,
  path: readonly string[],
  query: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const response = await client.request(at, { method: 'GET', path, query }, { signal, timeoutMs: ANSWER_WITHIN_MS })
  // A server may answer a query that nothing matches as an error (RFC 6690 §4.1).
  if (response.code === '4.04') return ''
  if (response.code !== '2.05') {
    throw new AppError('coap.response-error', `${response.code} for /${path.join('/')}`, { details: { code: response.code } })
  }
  return textOf(response) ?? ''
}

export function textOf(response: ClientResponse): string | undefined {
  return response.code === '2.05' ? utf8ToText(response.payload) : undefined
}
