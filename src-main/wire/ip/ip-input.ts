// Packets on their way in, as a destination host takes them (RFC 8200 §4, §5; RFC 4291 §2.7): whose they are, their extension headers,
// their fragments; then the protocol above.
import type { Clock } from '#main/base/index.ts'
import type { AddressBook } from './address-book.ts'
import { ERRONEOUS_FIELD, ICMPV6, readChain, readChainFrom, UDP, UNRECOGNISED_NEXT_HEADER, type ChainEnd } from './extension-headers.ts'
import { PARAMETER_PROBLEM, REASSEMBLY_TIME_EXCEEDED, TIME_EXCEEDED } from './icmpv6.ts'
import type { DropReason, IpCounting } from './ip-counters.ts'
import {
  DESTINATION_AT,
  faultOf,
  IPV6_HEADER_BYTES,
  isLoopbackAt,
  isMulticastAt,
  isUnspecifiedAt,
  payloadLengthOf,
  SOURCE_AT,
} from './ipv6-header.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { PacketTap } from './packet-tap.ts'
import { Reassembler, type ReassemblyLimits } from './reassembly.ts'

/** A packet that is ours, up to the protocol above; in [at, end) is what that one reads. */
export interface Arrival {
  readonly packet: Uint8Array
  readonly at: number
  readonly end: number
  readonly multicast: boolean
  readonly routerAlert: boolean
}

export interface IpInputOptions {
  readonly clock: Clock
  readonly own: OwnAddresses
  readonly book: AddressBook
  readonly tap: PacketTap
  readonly counting: IpCounting
  readonly limits: ReassemblyLimits
  /** Whether anybody here listens to the group. */
  readonly isListening: (group: string) => boolean
  readonly onUdp: (arrival: Arrival) => void
  readonly onIcmp: (arrival: Arrival) => void
  /** Answers a packet with an ICMPv6 error, where the rules allow one. */
  readonly complain: (packet: Uint8Array, error: { type: number; code: number; parameter: number; evenToMulticast?: boolean }) => void
}

/** Every node of the link, or of the mesh, listens to these (RFC 4291 §2.7.1; RFC 7346 §2 for realm-local scope). */
export const ALL_NODES: ReadonlySet<string> = new Set(['ff02::1', 'ff03::1'])

export class IpInput {
  readonly #options: IpInputOptions
  readonly #reassembler: Reassembler

  constructor(options: IpInputOptions) {
    this.#options = options
    this.#reassembler = new Reassembler(options.clock, options.limits, (first) => {
      options.counting.drop('reassembly-timeout')
      if (first !== undefined) options.complain(first, { type: TIME_EXCEEDED, code: REASSEMBLY_TIME_EXCEEDED, parameter: 0 })
    })
  }

  /** A packet from the link, or one that the host sent to itself. Any bytes will do: what is no packet is counted and forgotten. */
  receive(bytes: Uint8Array, looped = false): void {
    const { counting, tap } = this.#options
    counting.add('packetsReceived')
    counting.add('bytesReceived', bytes.length)
    tap.note('received', bytes)
    const reason = this.#unfit(bytes, looped)
    if (reason !== undefined) {
      counting.drop(reason)
      return
    }
    const end = IPV6_HEADER_BYTES + payloadLengthOf(bytes)
    const packet = end === bytes.length ? bytes : bytes.subarray(0, end)
    if (packet !== bytes) tap.inherit(bytes, packet)
    if (packet[6] === UDP) {
      this.#options.onUdp({ packet, at: IPV6_HEADER_BYTES, end, multicast: isMulticastAt(packet, DESTINATION_AT), routerAlert: false })
      return
    }
    this.#follow(packet, readChain(packet, end))
  }

  /** Forgets what waits to be put together. */
  clear(): void {
    this.#reassembler.clear()
  }

  #unfit(packet: Uint8Array, looped: boolean): DropReason | undefined {
    if (faultOf(packet) !== undefined) return 'malformed'
    const { own, book, isListening } = this.#options
    if (isMulticastAt(packet, SOURCE_AT)) return 'bad-source'
    if (!looped) {
      // Some dongles hand a host its own multicasts back.
      if (own.includesAt(packet, SOURCE_AT)) return 'own-source'
      if (isLoopbackAt(packet, SOURCE_AT) || isLoopbackAt(packet, DESTINATION_AT)) return 'bad-source'
    }
    if (!isMulticastAt(packet, DESTINATION_AT)) {
      return own.includesAt(packet, DESTINATION_AT) || (looped && isLoopbackAt(packet, DESTINATION_AT)) ? undefined : 'not-ours'
    }
    // Reserved and interface-local groups never come over a link (RFC 4291 §2.7).
    if (((packet[DESTINATION_AT + 1] ?? 0) & 0x0f) < 2) return 'not-ours'
    const group = book.textAt(packet, DESTINATION_AT)
    return ALL_NODES.has(group) || isListening(group) ? undefined : 'not-ours'
  }

  #follow(packet: Uint8Array, chain: ChainEnd): void {
    const { counting, complain } = this.#options
    switch (chain.kind) {
      case 'cut-off':
        counting.drop('malformed')
        return
      case 'discard':
        counting.drop(chain.reason)
        return
      case 'problem':
        counting.drop('header-problem')
        complain(packet, {
          type: PARAMETER_PROBLEM,
          code: chain.code,
          parameter: chain.pointer,
          evenToMulticast: chain.evenToMulticast,
        })
        return
      case 'fragment':
        this.#fragment(packet, chain.at, chain.namedAt)
        return
      case 'upper':
        this.#deliver(packet, chain)
    }
  }

  #deliver(packet: Uint8Array, chain: Extract<ChainEnd, { kind: 'upper' }>): void {
    const { counting, complain, onUdp, onIcmp } = this.#options
    const multicast = isMulticastAt(packet, DESTINATION_AT)
    const arrival = { packet, at: chain.at, end: packet.length, multicast, routerAlert: chain.routerAlert }
    if (chain.protocol === UDP) onUdp(arrival)
    else if (chain.protocol === ICMPV6) onIcmp(arrival)
    else {
      counting.drop('unknown-protocol')
      complain(packet, { type: PARAMETER_PROBLEM, code: UNRECOGNISED_NEXT_HEADER, parameter: chain.namedAt })
    }
  }

  #fragment(packet: Uint8Array, at: number, namedAt: number): void {
    const { counting, complain, tap } = this.#options
    const verdict = this.#reassembler.add(packet, at, namedAt, packet.length)
    switch (verdict.kind) {
      case 'waiting':
        return
      case 'dropped':
        counting.drop(verdict.reason)
        return
      case 'problem':
        counting.drop('header-problem')
        complain(packet, { type: PARAMETER_PROBLEM, code: verdict.code, parameter: verdict.pointer })
        return
      case 'whole':
        counting.add('reassembled')
        // The trace joins what follows to the fragment that made it whole.
        tap.inherit(packet, verdict.packet)
        this.#unwrapped(verdict.packet, readChain(verdict.packet, verdict.packet.length))
        return
      case 'atomic':
        this.#unwrapped(packet, readChainFrom(packet, packet.length, { protocol: packet[at] ?? 0, at: at + 8, namedAt: at }))
    }
  }

  /** A fragment inside a fragment would let one packet go round in here; nobody sends that in earnest (RFC 8200 §4.5). */
  #unwrapped(packet: Uint8Array, chain: ChainEnd): void {
    const isNested = chain.kind === 'fragment'
    this.#follow(packet, isNested ? { kind: 'problem', code: ERRONEOUS_FIELD, pointer: chain.at, evenToMulticast: false } : chain)
  }
}

/** Whether a packet's source is an address that can be answered. */
export function isAnswerable(packet: Uint8Array): boolean {
  return !isUnspecifiedAt(packet, SOURCE_AT)
}
