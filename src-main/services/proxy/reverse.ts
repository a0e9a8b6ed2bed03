// What a reverse-proxy stands in for: groups and servers behind paths, host names or addresses of its own
// (RFC 7252 §5.7.3; draft-ietf-core-groupcomm-bis-18 §3.5.2; draft-ietf-core-groupcomm-proxy-07 §6).
import { formatSocketAddress, type SocketAddress } from '#main/base/index.ts'
import { OptionNumber, type CoapOption, type RelayedRequest } from '#main/wire/coap/index.ts'
import { parseAddress } from '#main/wire/ip/index.ts'
import type { CriScheme } from './cri.ts'
import { criOf, type ReplyFrom } from './options.ts'
import { readUriOptions, type CoapTarget } from './target.ts'

export interface ReverseRoute {
  /** Requests that it takes: all of what is given must hold. */
  readonly match: {
    readonly channelId?: string
    /** Where the request came to. */
    readonly at?: SocketAddress
    /** Uri-Host, in lower case. */
    readonly host?: string
    /** The first segments of the path; they are not forwarded. */
    readonly path?: readonly string[]
  }
  readonly to: { readonly group: SocketAddress } | { readonly server: SocketAddress }
  /** Of a group: how long responses are collected at most; clients may ask for less. */
  readonly collectionS?: number
  /** A group request without Multicast-Timeout: refused, which reveals the proxy (-07 §6.1), or collected for `collectionS`. */
  readonly withoutTimeout?: 'refuse' | 'collect'
  /**
   * Whether it also stands in for each server of the group (-07 §6.1): `by-host`, under this address with the server in Uri-Host and
   * Uri-Port; `by-address`, under an address for each, which further routes serve. Otherwise clients reach the servers themselves.
   */
  readonly individuals?:
    | { readonly kind: 'by-host'; readonly scheme: CriScheme; readonly at: SocketAddress }
    | { readonly kind: 'by-address'; readonly scheme: CriScheme; readonly addressOf: (server: SocketAddress) => SocketAddress | undefined }
}

export type ReverseMatch =
  | { readonly kind: 'group'; readonly route: ReverseRoute; readonly target: CoapTarget }
  | { readonly kind: 'server'; readonly target: CoapTarget }

const DEFAULT_COLLECTION_S = 10
/** Servers that may be reached by host because they have answered through this proxy. */
const MAX_KNOWN_SERVERS = 2000

export class ReverseRoutes {
  readonly #routes: readonly ReverseRoute[]
  readonly #known = new Set<string>()

  constructor(routes: readonly ReverseRoute[]) {
    this.#routes = routes
  }

  find(request: Pick<RelayedRequest, 'options' | 'channelId' | 'destination' | 'local'>): ReverseMatch | undefined {
    if (this.#routes.length === 0) return undefined
    const parts = readUriOptions(request.options)
    if (parts === undefined) return undefined
    const { host, path, query } = parts
    const at = request.destination ?? request.local
    for (const route of this.#routes) {
      const { match, to } = route
      const prefix = match.path ?? []
      const matches =
        (match.channelId === undefined || match.channelId === request.channelId) &&
        (match.at === undefined || (match.at.address === at.address && match.at.port === at.port)) &&
        (match.host === undefined || match.host === host?.host) &&
        prefix.every((segment, index) => segment === path[index])
      if (!matches) continue
      const destination = 'group' in to ? to.group : to.server
      const target = targetAt(destination, path.slice(prefix.length), query)
      return 'group' in to ? { kind: 'group', route, target } : { kind: 'server', target }
    }
    return this.#byHost(parts.host?.address, parts.port, path, query)
  }

  /** What Reply-From says of a server behind the route (-07 §6.1); undefined where it is the server itself. */
  replyFrom(route: ReverseRoute): ((server: SocketAddress) => ReplyFrom) | undefined {
    const { individuals } = route
    if (individuals === undefined) return undefined
    return (server) => {
      if (individuals.kind === 'by-address')
        return { cri: criOf(individuals.addressOf(server) ?? server, individuals.scheme), reference: undefined }
      this.#remember(server)
      const bytes = parseAddress(server.address) ?? new Uint8Array(16)
      const authority = { host: { kind: 'ip', bytes } as const, port: server.port }
      return { cri: criOf(individuals.at, individuals.scheme), reference: { authority, path: undefined } }
    }
  }

  /** The time to collect for: what the client asks, at most what the route allows; undefined where the request is to be refused. */
  collectionS(route: ReverseRoute, askedS: number | undefined): number | undefined {
    const mostS = route.collectionS ?? DEFAULT_COLLECTION_S
    if (askedS === undefined) return route.withoutTimeout === 'collect' ? mostS : undefined
    return Math.min(askedS, mostS)
  }

  /** A single server in Uri-Host, known from its response to an earlier group request (-07 Appendix A.1). */
  #byHost(
    address: string | undefined,
    port: number | undefined,
    path: readonly string[],
    query: readonly string[],
  ): ReverseMatch | undefined {
    if (address === undefined || port === undefined) return undefined
    if (!this.#known.has(formatSocketAddress({ address, port }))) return undefined
    return { kind: 'server', target: targetAt({ address, port }, path, query) }
  }

  #remember(server: SocketAddress): void {
    const key = formatSocketAddress(server)
    this.#known.delete(key)
    this.#known.add(key)
    for (const oldest of this.#known) {
      if (this.#known.size <= MAX_KNOWN_SERVERS) break
      this.#known.delete(oldest)
    }
  }
}

function targetAt(at: SocketAddress, path: readonly string[], query: readonly string[]): CoapTarget {
  return { scheme: 'coap', host: at.address, isAddress: true, address: at.address, port: at.port, path, query }
}

/** The Uri-* options of a request that turned out to be for this endpoint itself. */
export function localUriOptions(options: readonly CoapOption[], target: CoapTarget): readonly CoapOption[] {
  const replaced: readonly number[] = [
    OptionNumber.PROXY_URI,
    OptionNumber.PROXY_SCHEME,
    OptionNumber.PROXY_CRI,
    OptionNumber.PROXY_SCHEME_NUMBER,
    OptionNumber.URI_HOST,
    OptionNumber.URI_PORT,
    OptionNumber.URI_PATH,
    OptionNumber.URI_QUERY,
  ]
  const text = (number: number, value: string): CoapOption => ({ number, value: new TextEncoder().encode(value) })
  return [
    ...options.filter((option) => !replaced.includes(option.number)),
    ...target.path.map((segment) => text(OptionNumber.URI_PATH, segment)),
    ...target.query.map((part) => text(OptionNumber.URI_QUERY, part)),
  ].sort((a, b) => a.number - b.number)
}
