// URIs of the jpy scheme (draft-ietf-anima-constrained-join-proxy-20 §4.5.1, §8.3), and the coaps ones of draft -01 and of stateful
// proxies (§5.1.2): all that is used of them is where to send.
import type { SocketAddress } from '#main/base/index.ts'
import { parseSocketAddress } from '#main/wire/ip/index.ts'

const COAPS_PORT = 5684
const AUTHORITY = /^(jpy|coaps):\/\/([^/?#]*)(?:[/?#].*)?$/is

/**
 * The UDP endpoint of the URI. Undefined for other schemes, for names (nothing here resolves them), and for a jpy URI without a port,
 * which is not valid. A path is ignored.
 */
export function endpointOfUri(uri: string): { readonly scheme: 'jpy' | 'coaps'; readonly at: SocketAddress } | undefined {
  const match = AUTHORITY.exec(uri)
  if (match === null) return undefined
  const scheme = match[1]?.toLowerCase() === 'jpy' ? 'jpy' : 'coaps'
  // RFC 6874: a zone is led in by %25.
  const authority = (match[2] ?? '').replace('%25', '%')
  const at = parseSocketAddress(authority, scheme === 'jpy' ? undefined : COAPS_PORT)
  return at === undefined || at.port === 0 ? undefined : { scheme, at }
}

export function uriOfEndpoint(scheme: 'jpy' | 'coaps', { address, port }: SocketAddress): string {
  const host = address.includes(':') ? `[${address}]` : address
  return scheme === 'coaps' && port === COAPS_PORT ? `coaps://${host}` : `${scheme}://${host}:${port}`
}
