// The chain of extension headers as a destination host reads it (RFC 8200 §4), up to the protocol above or a fragment.
import { IPV6_HEADER_BYTES } from './ipv6-header.ts'

export const HOP_BY_HOP = 0
export const UDP = 17
export const ROUTING = 43
export const FRAGMENT = 44
export const ICMPV6 = 58
export const NO_NEXT_HEADER = 59
export const DESTINATION_OPTIONS = 60

/** Codes of ICMPv6 Parameter Problem (RFC 4443 §3.4, RFC 7112 §7). */
export const ERRONEOUS_FIELD = 0
export const UNRECOGNISED_NEXT_HEADER = 1
export const UNRECOGNISED_OPTION = 2
export const INCOMPLETE_HEADER_CHAIN = 3

const PAD1 = 0
const ROUTER_ALERT = 5
/** Known options that ask nothing of a host: PadN, Router Alert, RPL (RFC 9008 §11.1, RFC 6553), MPL (RFC 7731 §6.1) whose forwarding is a router's. */
const KNOWN_OPTIONS: ReadonlySet<number> = new Set([PAD1, 1, ROUTER_ALERT, 0x23, 0x63, 0x6d])

export type ChainEnd =
  /** A header that is none of these extensions begins at `at`. */
  | { readonly kind: 'upper'; readonly protocol: number; readonly at: number; readonly namedAt: number; readonly routerAlert: boolean }
  | { readonly kind: 'fragment'; readonly at: number; readonly namedAt: number }
  /** Nothing follows, or an option asks for silence. */
  | { readonly kind: 'discard'; readonly reason: 'no-next-header' | 'option' }
  /** The packet ends inside a header. */
  | { readonly kind: 'cut-off' }
  /** Answer with a Parameter Problem; to a multicast packet only where `evenToMulticast`. */
  | { readonly kind: 'problem'; readonly code: number; readonly pointer: number; readonly evenToMulticast: boolean }

export interface ChainStart {
  readonly protocol: number
  readonly at: number
  /** Where the protocol's number stands. */
  readonly namedAt: number
}

export const CHAIN_START_AT = 6

/** The chain of a whole packet whose fixed header has been checked; `end` is where its payload ends. */
export function readChain(packet: Uint8Array, end: number): ChainEnd {
  return readChainFrom(packet, end, { protocol: packet[CHAIN_START_AT] ?? NO_NEXT_HEADER, at: IPV6_HEADER_BYTES, namedAt: CHAIN_START_AT })
}

/** The chain from some header on, e.g. of what follows a first fragment's header. */
export function readChainFrom(packet: Uint8Array, end: number, start: ChainStart): ChainEnd {
  let { protocol, at, namedAt } = start
  let routerAlert = false
  for (;;) {
    switch (protocol) {
      case HOP_BY_HOP:
      case DESTINATION_OPTIONS:
      case ROUTING: {
        // Hop-by-Hop Options come right behind the fixed header or not at all (§4.3: treated as unrecognised elsewhere).
        if (protocol === HOP_BY_HOP && namedAt !== CHAIN_START_AT) return problem(UNRECOGNISED_NEXT_HEADER, namedAt)
        if (at + 8 > end) return { kind: 'cut-off' }
        const next = at + ((packet[at + 1] ?? 0) + 1) * 8
        if (next > end) return { kind: 'cut-off' }
        if (protocol === ROUTING) {
          // No type is followed here: the tool is never a waypoint. With no segments left the header is skipped (§4.4).
          if (packet[at + 3] !== 0) return problem(ERRONEOUS_FIELD, at + 2)
        } else {
          const options = readOptions(packet, at + 2, next)
          if (options.end !== undefined) return options.end
          routerAlert ||= options.routerAlert && protocol === HOP_BY_HOP
        }
        protocol = packet[at] ?? NO_NEXT_HEADER
        namedAt = at
        at = next
        break
      }
      case FRAGMENT:
        return at + 8 > end ? { kind: 'cut-off' } : { kind: 'fragment', at, namedAt }
      case NO_NEXT_HEADER:
        return { kind: 'discard', reason: 'no-next-header' }
      default:
        return { kind: 'upper', protocol, at, namedAt, routerAlert }
    }
  }
}

/** The options of one header. What an unknown one asks for stands in the two highest bits of its type (§4.2). */
function readOptions(packet: Uint8Array, from: number, end: number): { readonly end?: ChainEnd; readonly routerAlert: boolean } {
  let routerAlert = false
  for (let at = from; at < end;) {
    const type = packet[at] ?? PAD1
    if (type === PAD1) {
      at++
      continue
    }
    const length = packet[at + 1] ?? 0
    // An option that reaches beyond its header: the length is the field in error.
    if (at + 2 > end || at + 2 + length > end) return { end: problem(ERRONEOUS_FIELD, Math.min(at + 1, end - 1)), routerAlert }
    if (type === ROUTER_ALERT && length === 2) routerAlert = true
    if (!KNOWN_OPTIONS.has(type)) {
      const action = type >> 6
      if (action === 1) return { end: { kind: 'discard', reason: 'option' }, routerAlert }
      if (action === 2) return { end: problem(UNRECOGNISED_OPTION, at, true), routerAlert }
      if (action === 3) return { end: problem(UNRECOGNISED_OPTION, at), routerAlert }
    }
    at += 2 + length
  }
  return { routerAlert }
}

function problem(code: number, pointer: number, evenToMulticast = false): ChainEnd {
  return { kind: 'problem', code, pointer, evenToMulticast }
}
