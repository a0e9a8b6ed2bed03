// Errors in both directions: which packets may be answered with one and how often (RFC 4443 §2.4 e, f), and what a received one means
// for whoever sent the packet that it quotes (§2.4 d).
import { AppError, type Clock } from '#main/base/index.ts'
import { FRAGMENT, ICMPV6, readChain, readChainFrom, UDP, type ChainEnd } from './extension-headers.ts'
import {
  DESTINATION_UNREACHABLE,
  ECHO_REQUEST,
  PACKET_TOO_BIG,
  PARAMETER_PROBLEM,
  PORT_UNREACHABLE,
  REDIRECT,
  TIME_EXCEEDED,
} from './icmpv6.ts'
import {
  DESTINATION_AT,
  IPV6_HEADER_BYTES,
  isLoopbackAt,
  isMulticastAt,
  isUnspecifiedAt,
  payloadLengthOf,
  SOURCE_AT,
} from './ipv6-header.ts'

/** A token bucket: so many at once, so many a second in the long run. */
export class RateLimit {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #atMs: number

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#atMs = clock.monotonicMs()
  }

  take(): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * this.#perSecond)
    this.#atMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

/** Whether a packet may be answered with an error message at all (RFC 4443 §2.4 e). */
export function mayBeAnswered(packet: Uint8Array, evenToMulticast: boolean): boolean {
  if (isMulticastAt(packet, SOURCE_AT) || isUnspecifiedAt(packet, SOURCE_AT) || isLoopbackAt(packet, SOURCE_AT)) return false
  if (isMulticastAt(packet, DESTINATION_AT) && !evenToMulticast) return false
  const inner = protocolOf(packet)
  // What cannot be read might be an error message itself.
  if (inner === undefined) return false
  const type = packet[inner.at] ?? 0
  return inner.protocol !== ICMPV6 || (inner.at < packet.length && type >= 128 && type !== REDIRECT)
}

/** The protocol above, also behind a first fragment's header or an option that nobody knows. */
function protocolOf(packet: Uint8Array): { readonly protocol: number; readonly at: number } | undefined {
  const end = packet.length
  let chain: ChainEnd = readChain(packet, end)
  if (chain.kind === 'fragment') {
    const { at } = chain
    const offset = (((packet[at + 2] ?? 0) << 8) | (packet[at + 3] ?? 0)) & 0xfff8
    // Of a later fragment nothing can be told: it counts as harmless only where its protocol is not ICMPv6.
    if (offset !== 0) return { protocol: packet[at] === ICMPV6 ? ICMPV6 : (packet[at] ?? FRAGMENT), at: end }
    chain = readChainFrom(packet, end, { protocol: packet[at] ?? 0, at: at + 8, namedAt: at })
  }
  if (chain.kind === 'upper') return { protocol: chain.protocol, at: chain.at }
  return skipHeaders(packet)
}

/** The chain without a look at options: for packets whose options are what is complained about. */
function skipHeaders(packet: Uint8Array): { readonly protocol: number; readonly at: number } | undefined {
  let protocol = packet[6] ?? 0
  let at = IPV6_HEADER_BYTES
  let first = true
  while ((protocol === 0 && first) || protocol === 43 || protocol === 60) {
    if (at + 8 > packet.length) return undefined
    protocol = packet[at] ?? 0
    at += ((packet[at + 1] ?? 0) + 1) * 8
    first = false
  }
  return at > packet.length ? undefined : { protocol, at }
}

/** The packet that an error message quotes, as far as its sender can be told. */
export type Invoking =
  | { readonly kind: 'udp'; readonly packet: Uint8Array; readonly sourcePort: number; readonly destinationPort: number }
  | { readonly kind: 'echo'; readonly packet: Uint8Array; readonly identifier: number; readonly sequence: number }

/** Reads a quoted packet, which may be cut off anywhere; undefined where its sender cannot be told. */
export function readInvoking(packet: Uint8Array): Invoking | undefined {
  if (packet.length < IPV6_HEADER_BYTES || (packet[0] ?? 0) >> 4 !== 6) return undefined
  const end = Math.min(packet.length, IPV6_HEADER_BYTES + payloadLengthOf(packet))
  const chain = readChain(packet, end)
  if (chain.kind !== 'upper' || chain.at + 8 > end) return undefined
  const word = (offset: number): number => ((packet[chain.at + offset] ?? 0) << 8) | (packet[chain.at + offset + 1] ?? 0)
  if (chain.protocol === UDP) return { kind: 'udp', packet, sourcePort: word(0), destinationPort: word(2) }
  if (chain.protocol !== ICMPV6 || packet[chain.at] !== ECHO_REQUEST) return undefined
  return { kind: 'echo', packet, identifier: word(4), sequence: word(6) }
}

const UNREACHABLE_REASONS = ['no-route', 'prohibited', 'beyond-scope', 'address', 'port', 'source-policy', 'rejected']

/** What an error message says, for the sender of the packet that it quotes. */
export function failureOf(type: number, code: number, parameter: number, reporter: string): AppError {
  const details = { reporter, type, code }
  switch (type) {
    case DESTINATION_UNREACHABLE: {
      if (code === PORT_UNREACHABLE)
        return new AppError('network.port-unreachable', `Nobody listens at that port, says ${reporter}`, { details })
      const reason = UNREACHABLE_REASONS[code] ?? 'unknown'
      return new AppError('network.no-route', `Unreachable (${reason}), says ${reporter}`, {
        retryable: true,
        details: { ...details, reason },
      })
    }
    case PACKET_TOO_BIG:
      return new AppError('network.too-large', `Only ${parameter} bytes pass, says ${reporter}`, {
        details: { ...details, mtuBytes: parameter },
      })
    case TIME_EXCEEDED: {
      const reason = code === 0 ? 'hop-limit' : 'reassembly'
      return new AppError('network.hop-limit', `Time exceeded (${reason}), says ${reporter}`, {
        retryable: true,
        details: { ...details, reason },
      })
    }
    case PARAMETER_PROBLEM:
      return new AppError('network.send-failed', `The packet was not understood at byte ${parameter}, says ${reporter}`, {
        details: { ...details, pointer: parameter },
      })
    default:
      return new AppError('network.send-failed', `ICMPv6 error ${type}/${code} from ${reporter}`, { details })
  }
}
