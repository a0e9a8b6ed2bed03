// What a join proxy is made of, and what it tells (draft-ietf-anima-constrained-join-proxy-20 §4, draft -01 §5).
import type { Clock, DatagramChannel, Logger, Random, SocketAddress } from '#main/base/index.ts'
import type { JpyVersion } from '../jpy/index.ts'
import type { Rate } from './rates.ts'
import type { HeaderKeyTimes } from './sealed-header.ts'

export interface JoinProxyLimits {
  /** Datagrams of one pledge. */
  readonly pledgeRate: Rate
  /** Datagrams of all pledges: what the way to the registrar can bear. */
  readonly totalRate: Rate
  /** The part of it that pledges may use who have not gone on after an answer yet: a flood of first words leaves the rest to the others. */
  readonly newcomerShare: number
  /** Pledges whose rates and balances are remembered. */
  readonly maxPledges: number
  /** Stateful: a mapping ends so long after its last datagram, whichever way that went (draft -20 §4.3). */
  readonly mappingMs: number
  readonly maxMappingsPerPledge: number
  readonly maxMappingsPerLink: number
  /** Where all mappings of a link are taken, the oldest whose pledge has not gone on after an answer gives way once it is that old. */
  readonly mappingGraceMs: number
  /** Datagrams that wait until a port for the mapping is open. */
  readonly maxWaiting: number
}

/** Numbers of mappings and their time-out are those of draft -20 §4.3. */
export const DEFAULT_PROXY_LIMITS: JoinProxyLimits = {
  pledgeRate: { perSecond: 20, burst: 60 },
  totalRate: { perSecond: 500, burst: 1000 },
  newcomerShare: 0.75,
  maxPledges: 4096,
  mappingMs: 30_000,
  maxMappingsPerPledge: 2,
  maxMappingsPerLink: 10,
  mappingGraceMs: 5000,
  maxWaiting: 4,
}

export interface JoinProxyCounters {
  fromPledges: number
  toPledges: number
  bytesFromPledges: number
  bytesToPledges: number
  /** From addresses that are no neighbour's, or to a group. */
  notNeighbour: number
  /** Thrown away by the rate of one pledge, and by that of all, or of all newcomers. */
  pledgeRate: number
  totalRate: number
  /** There was no registrar to send to. */
  noRegistrar: number
  /** Stateful: no mapping could be made. */
  noPlace: number
  tooLarge: number
  /** On the registrar's side, but not from the registrar. */
  fromStrangers: number
  /** Stateless: no JPY message, or of the other version. */
  malformed: number
  /** Stateless: headers that were not made here, changed, or outdated. */
  badHeaders: number
  /** Withheld from pledges that have proven nothing. */
  withheld: number
  /** What could not be sent, either way. */
  sendErrors: number
}

export function newProxyCounters(): JoinProxyCounters {
  return {
    fromPledges: 0,
    toPledges: 0,
    bytesFromPledges: 0,
    bytesToPledges: 0,
    notNeighbour: 0,
    pledgeRate: 0,
    totalRate: 0,
    noRegistrar: 0,
    noPlace: 0,
    tooLarge: 0,
    fromStrangers: 0,
    malformed: 0,
    badHeaders: 0,
    withheld: 0,
    sendErrors: 0,
  }
}

/** ICMPv6 Destination Unreachable codes (RFC 4443 §3.1) that a stateful proxy has use for. */
export type UnreachableCode = 'no-route' | 'prohibited' | 'address-unreachable' | 'port-unreachable'

export type JoinProxyEvent =
  /** The first datagram of a pledge that was not known. */
  | { readonly kind: 'pledge-seen'; readonly pledge: SocketAddress }
  | { readonly kind: 'pledge-refused'; readonly pledge: SocketAddress; readonly reason: 'no-place' | 'no-registrar' }
  | { readonly kind: 'registrar-unreachable'; readonly registrar: SocketAddress; readonly error: Error }

interface CommonOptions {
  /** The join-port, on the pledges' links: link-local addresses with zones. Stays open when the proxy closes. */
  readonly pledges: DatagramChannel
  /** Asked for each datagram: what is configured, or was found last. A pledge repeats what is lost while there is none. */
  readonly registrar: () => SocketAddress | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits?: Partial<JoinProxyLimits>
  readonly onEvent?: (event: JoinProxyEvent) => void
}

export interface StatelessOptions extends CommonOptions {
  readonly mode: 'stateless'
  /** The registrar's; today's unless told. */
  readonly version?: JpyVersion
  /** One port for all pledges (draft -20 §4.5.3). Stays open when the proxy closes. */
  readonly uplink: DatagramChannel
  readonly keyTimes?: HeaderKeyTimes
}

export interface StatefulOptions extends CommonOptions {
  readonly mode: 'stateful'
  /** A port of its own for each mapping (draft -20 §4.3); the proxy closes it. */
  readonly openUplink: () => Promise<DatagramChannel>
  /** Sends an ICMP error to the pledge (draft -20 §4.3), where the platform can. `about` is the datagram. */
  readonly unreachable?: (pledge: SocketAddress, code: UnreachableCode, about: Uint8Array) => void
}

export type JoinProxyOptions = StatelessOptions | StatefulOptions

export interface JoinProxy {
  readonly mode: 'stateless' | 'stateful'
  /** Where pledges send to; its port is what discovery tells them. */
  readonly joinPort: SocketAddress
  counters(): Readonly<JoinProxyCounters>
  /** Pledges that are remembered for their rates and balances, and mappings. */
  holdings(): { readonly pledges: number; readonly mappings: number }
  /** Closes what it opened itself. */
  close(): Promise<void>
}
