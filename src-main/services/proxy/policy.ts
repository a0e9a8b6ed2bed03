// Who may have what forwarded, and how much of it. Nothing is forwarded unless a rule says so: groups only for listed clients
// (draft-ietf-core-groupcomm-bis-18 §3.5.1; groupcomm-proxy-07 §4 REQ1 and REQ2).
import { formatSocketAddress, type SocketAddress } from '#main/base/index.ts'
import type { CoapTarget } from './target.ts'

/** A client as the proxy knows it: by the identity that its secure channel proves, or else by the address it sends from. */
export interface ProxyClient {
  readonly source: SocketAddress
  /** Undefined where the channel authenticates nobody. */
  readonly identity: string | undefined
}

export interface ProxyRule {
  /** Anybody only where `'any'` is said; an address may be named with or without a port. */
  readonly clients: 'any' | ReadonlyArray<{ readonly identity: string } | { readonly address: string; readonly port?: number }>
  /**
   * Single servers that requests may be forwarded to; none unless told. Names are compared as in the URI. `'any'` leaves out this host
   * itself for clients elsewhere: what listens on loopback trusts whoever reaches it.
   */
  readonly servers?: 'any' | ReadonlyArray<{ readonly host: string; readonly port?: number }>
  /** CoAP groups, by multicast address and port; none unless told, and `'any'` has to be said. */
  readonly groups?: 'any' | readonly SocketAddress[]
}

export interface ProxyPolicy {
  readonly rules: readonly ProxyRule[]
  /** Collection times that clients ask for are cut to this. */
  readonly maxTimeoutS: number
  /** How long a single server is waited for, from when its turn comes or not; a little more than MAX_TRANSMIT_WAIT. */
  readonly serverTimeoutS: number
  /** Requests under way. */
  readonly maxOutstanding: number
  readonly maxOutstandingPerClient: number
  /** Group requests under way, each of which may hold responses for a slow client. */
  readonly maxGroupRequests: number
  /** Group requests of one client under way: each may bring many responses. */
  readonly maxGroupRequestsPerClient: number
  /** Observations of single servers that are kept up for clients. */
  readonly maxObservations: number
  readonly maxObservationsPerClient: number
  /** What one group request may bring back; beyond it nothing more is forwarded. */
  readonly maxResponsesPerRequest: number
  readonly maxResponseBytesPerRequest: number
  /** Hop-Limit that is put into requests without one (RFC 8768 §3). */
  readonly initialHopLimit: number
  readonly maxCacheEntries: number
  readonly maxCacheBytes: number
  /**
   * Whether a client that no channel authenticates must prove its address by Echo (RFC 9175 §2.4) before a group is asked for it: an
   * address in a datagram may be anybody's, and the many responses to one request would all go there.
   */
  readonly verifyAddresses: boolean
  /** Which of the two protocols for groups are spoken. */
  readonly generations: ReadonlyArray<'00' | '07'>
}

export const DEFAULT_PROXY_POLICY: ProxyPolicy = {
  rules: [],
  maxTimeoutS: 120,
  serverTimeoutS: 100,
  maxOutstanding: 500,
  maxOutstandingPerClient: 50,
  maxGroupRequests: 60,
  maxGroupRequestsPerClient: 4,
  maxObservations: 500,
  maxObservationsPerClient: 50,
  maxResponsesPerRequest: 1000,
  maxResponseBytesPerRequest: 1024 * 1024,
  initialHopLimit: 16,
  maxCacheEntries: 2000,
  maxCacheBytes: 4 * 1024 * 1024,
  verifyAddresses: false,
  generations: ['07', '00'],
}

/** Whether forwarding to groups is enabled for anybody; if not, such requests are answered 5.01 (groupcomm-bis §3.5.1). */
export function forwardsToGroups(policy: ProxyPolicy): boolean {
  return policy.rules.some((rule) => rule.groups !== undefined)
}

export function mayReachGroup(policy: ProxyPolicy, client: ProxyClient, group: SocketAddress): boolean {
  return rulesFor(policy, client).some(
    ({ groups }) => groups === 'any' || groups?.some((one) => one.address === group.address && one.port === group.port) === true,
  )
}

export function mayReachServer(policy: ProxyPolicy, client: ProxyClient, target: Pick<CoapTarget, 'host' | 'port' | 'address'>): boolean {
  const isElsewhere = isLoopback(target.address ?? '') && !isLoopback(client.source.address)
  return rulesFor(policy, client).some(({ servers }) => {
    if (servers === 'any') return !isElsewhere
    return servers?.some((one) => one.host === target.host && (one.port === undefined || one.port === target.port)) === true
  })
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

function rulesFor(policy: ProxyPolicy, client: ProxyClient): readonly ProxyRule[] {
  return policy.rules.filter(({ clients }) => clients === 'any' || clients.some((one) => isClient(one, client)))
}

function isClient(one: { identity: string } | { address: string; port?: number }, client: ProxyClient): boolean {
  if ('identity' in one) return one.identity === client.identity
  return one.address === client.source.address && (one.port === undefined || one.port === client.source.port)
}

/** The key that a client has in every table. */
export function clientKey(client: ProxyClient): string {
  return client.identity === undefined ? formatSocketAddress(client.source) : `identity ${client.identity}`
}

/** Bounds what is under way, over all and for each key. Keys with nothing under way cost nothing. */
export class Outstanding {
  readonly #limit: number
  readonly #limitPerKey: number
  readonly #byKey = new Map<string, number>()
  #total = 0

  constructor(limit: number, limitPerKey: number) {
    this.#limit = limit
    this.#limitPerKey = limitPerKey
  }

  get total(): number {
    return this.#total
  }

  /** Takes a place; the returned function gives it back. Undefined where all are taken. */
  enter(key: string): (() => void) | undefined {
    const held = this.#byKey.get(key) ?? 0
    if (this.#total >= this.#limit || held >= this.#limitPerKey) return undefined
    this.#total++
    this.#byKey.set(key, held + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#total--
      const left = (this.#byKey.get(key) ?? 1) - 1
      if (left === 0) this.#byKey.delete(key)
      else this.#byKey.set(key, left)
    }
  }
}
