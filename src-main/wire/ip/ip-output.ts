// Packets on their way out: where to, from which address, with which hop limit (RFC 8200 §3, RFC 6724 §5, RFC 4007 §6).
import { AppError, type Clock } from '#main/base/index.ts'
import type { PacketLink } from '#main/wire/links/index.ts'
import { normaliseAddress, parseIpv6, splitZone } from './address.ts'
import { checksumOf, pseudoSum, sumWords } from './checksum.ts'
import { UDP } from './extension-headers.ts'
import type { IpCounting } from './ip-counters.ts'
import {
  encodeIpv6Header,
  IPV6_HEADER_BYTES,
  isLinkLocalUnicastAt,
  isLoopbackAt,
  isUnspecifiedAt,
  MINIMUM_MTU_BYTES,
  sameAddress,
} from './ipv6-header.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { PacketTap } from './packet-tap.ts'
import { selectSource } from './source-address.ts'
import { UDP_HEADER_BYTES } from './udp-header.ts'

/** Hop limits of what the host sends. A realm-local group needs more than 1 to pass the first router of a mesh. */
export interface HopLimits {
  readonly unicast: number
  readonly linkLocalMulticast: number
  readonly multicast: number
}

export const HOP_LIMITS: HopLimits = { unicast: 64, linkLocalMulticast: 64, multicast: 64 }

/** How a destination is reached, kept until the link's addresses change. */
export interface Route {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly hopLimit: number
  /** Whether the destination is this host itself. */
  readonly own: boolean
  /** An IPv6 header with payload length and next header left open. */
  readonly template: Uint8Array
  readonly addressSum: number
}

/** Packets to itself that wait for their turn. */
const MAX_LOOPED = 256
const MAX_ROUTES = 2048

export interface IpOutputOptions {
  readonly link: PacketLink
  readonly clock: Clock
  readonly hopLimits: HopLimits
  /** For so long after the link went down, packets are lost rather than refused. */
  readonly pauseMs: number
  readonly own: OwnAddresses
  readonly tap: PacketTap
  readonly counting: IpCounting
  /** Takes back what the host sends to itself. */
  readonly loop: (packet: Uint8Array) => void
}

export class IpOutput {
  readonly #options: IpOutputOptions
  readonly #routes = new Map<string, Route>()
  #looped = 0
  #downSinceMs: number | undefined

  constructor(options: IpOutputOptions) {
    this.#options = options
    this.linkChanged()
  }

  /** Whether the link is down for so short a time that whoever repeats a packet may not even notice. */
  get isPausing(): boolean {
    const { clock, pauseMs } = this.#options
    return this.#downSinceMs !== undefined && clock.monotonicMs() - this.#downSinceMs < pauseMs
  }

  get mtuBytes(): number {
    return Math.min(this.#options.link.mtuBytes, MINIMUM_MTU_BYTES)
  }

  /** The link came up, went down or has other addresses: routes name sources, and are worth nothing then. */
  linkChanged(): void {
    this.#routes.clear()
    this.#downSinceMs = this.#options.link.up ? undefined : (this.#downSinceMs ?? this.#options.clock.monotonicMs())
  }

  /** The way to an address, or why there is none. `bound` is the only address to send from, where one is chosen. */
  route(address: string, zone: string | undefined, bound?: Uint8Array): Route | AppError {
    const { link } = this.#options
    if (!link.up) return new AppError('network.down', `The link ${link.id} is down`, { retryable: true, details: { link: link.id } })
    if (zone !== undefined && zone !== link.id) return noRoute(`${address}%${zone} is not on the link ${link.id}`, 'other-zone')
    const key = bound === undefined ? address : `${address}<${bound.join('.')}`
    const known = this.#routes.get(key)
    if (known !== undefined) return known
    const found = this.#find(address, bound)
    if (!(found instanceof AppError)) {
      if (this.#routes.size >= MAX_ROUTES) this.#routes.clear()
      this.#routes.set(key, found)
    }
    return found
  }

  #find(text: string, bound: Uint8Array | undefined): Route | AppError {
    const { address, zone } = splitZone(normaliseAddress(text) ?? '')
    const destination = parseIpv6(address)
    const { link, own, hopLimits } = this.#options
    if (destination === undefined) return noRoute(`${text} is no IPv6 address`, 'not-ipv6')
    if (zone !== undefined && zone !== link.id) return noRoute(`${text} is not on the link ${link.id}`, 'other-zone')
    if (isUnspecifiedAt(destination, 0)) return noRoute('The unspecified address cannot be sent to', 'not-a-destination')
    const multicast = destination[0] === 0xff
    const scope = multicast ? (destination[1] ?? 0) & 0x0f : undefined
    // Scopes 0, 1 and F never go onto a link (RFC 4291 §2.7).
    if (scope === 0 || scope === 1 || scope === 15) return noRoute(`${text} never leaves a host`, 'not-a-destination')
    const loopback = isLoopbackAt(destination, 0)
    const isOwn = loopback || own.candidates.some(({ bytes }) => sameAddress(bytes, 0, destination))
    if (!isOwn && !link.carries.multicast && multicast) return notCarried(link.id, 'multicast')
    if (!isOwn && !link.carries.linkLocal && (scope === 2 || isLinkLocalUnicastAt(destination, 0))) return notCarried(link.id, 'link-local')
    const source = loopback ? destination : this.#sourceFor(destination, bound)
    if (source === undefined) return noRoute(`The link ${link.id} has no address to reach ${text} from`, 'no-source')
    const hopLimit = !multicast ? hopLimits.unicast : scope === 2 ? hopLimits.linkLocalMulticast : hopLimits.multicast
    const template = encodeIpv6Header({
      trafficClass: 0,
      // 6LoWPAN compresses a zero flow label away (RFC 6282 §3.1.1); a radio frame is too short for more.
      flowLabel: 0,
      payloadLength: 0,
      nextHeader: UDP,
      hopLimit,
      source,
      destination,
    })
    return { source, destination, hopLimit, own: isOwn, template, addressSum: sumWords(template, 8, 40) }
  }

  #sourceFor(destination: Uint8Array, bound: Uint8Array | undefined): Uint8Array | undefined {
    const { candidates } = this.#options.own
    if (bound === undefined) return selectSource(candidates, destination)?.bytes
    return candidates.some(({ bytes }) => sameAddress(bytes, 0, bound)) ? bound : undefined
  }

  /** Builds and sends one UDP datagram; what comes back is why it could not go. */
  sendUdp(route: Route, sourcePort: number, destinationPort: number, payload: Uint8Array): AppError | undefined {
    if (destinationPort < 1 || destinationPort > 0xffff) return noRoute(`There is no port ${destinationPort}`, 'not-a-destination')
    const length = UDP_HEADER_BYTES + payload.length
    if (IPV6_HEADER_BYTES + length > this.mtuBytes) {
      const maxBytes = this.mtuBytes - IPV6_HEADER_BYTES - UDP_HEADER_BYTES
      return new AppError('network.too-large', `${payload.length} bytes do not fit into one packet, ${maxBytes} do`, {
        details: { bytes: payload.length, maxBytes },
      })
    }
    const packet = new Uint8Array(IPV6_HEADER_BYTES + length)
    packet.set(route.template)
    packet[4] = length >> 8
    packet[5] = length
    packet[40] = sourcePort >> 8
    packet[41] = sourcePort
    packet[42] = destinationPort >> 8
    packet[43] = destinationPort
    packet[44] = length >> 8
    packet[45] = length
    packet.set(payload, 48)
    // A sum of zero is sent as all ones: zero would say that there is none (RFC 8200 §8.1).
    const sum = route.addressSum + pseudoSum(length, UDP) + sourcePort + destinationPort + length + sumWords(packet, 48, packet.length)
    const checksum = checksumOf(sum) || 0xffff
    packet[46] = checksum >> 8
    packet[47] = checksum
    this.send(packet, route.own, payload)
    return undefined
  }

  /** Sends a finished packet. */
  send(packet: Uint8Array, own: boolean, payload?: Uint8Array): void {
    const { counting, tap, link, clock, loop } = this.#options
    counting.add('packetsSent')
    counting.add('bytesSent', packet.length)
    tap.note('sent', packet, payload)
    if (!own) {
      link.send(packet)
      return
    }
    if (this.#looped >= MAX_LOOPED) {
      counting.drop('loopback-full')
      return
    }
    this.#looped++
    clock.setTimer(0, () => {
      this.#looped--
      loop(packet)
    })
  }
}

function noRoute(message: string, reason: string): AppError {
  return new AppError('network.no-route', message, { details: { reason } })
}

function notCarried(link: string, what: string): AppError {
  return new AppError('link.not-carried', `The firmware behind ${link} carries no ${what} packets`, { details: { link, what } })
}
