// What a host does with ICMPv6: answers echo requests, hands answers and errors to whom they concern, complains within limits (RFC 4443).
import { AppError, type Clock } from '#main/base/index.ts'
import type { AddressBook } from './address-book.ts'
import { failureOf, mayBeAnswered, RateLimit, readInvoking, type Invoking } from './icmp-errors.ts'
import { decodeIcmp, encodeIcmp, type IcmpMessage } from './icmpv6.ts'
import type { IpCounting } from './ip-counters.ts'
import type { Arrival } from './ip-input.ts'
import type { IpOutput, Route } from './ip-output.ts'
import { DESTINATION_AT, isLinkLocalUnicastAt, isMulticastAt, isUnspecifiedAt, SOURCE_AT } from './ipv6-header.ts'
import { MLD_QUERY, type MldQuery } from './mld.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { PacketTap } from './packet-tap.ts'
import type { EchoReply } from './ping.ts'

export interface Complaint {
  readonly type: number
  readonly code: number
  readonly parameter: number
  readonly evenToMulticast?: boolean
}

export interface IcmpLayerOptions {
  readonly clock: Clock
  readonly own: OwnAddresses
  readonly book: AddressBook
  readonly output: IpOutput
  readonly tap: PacketTap
  readonly counting: IpCounting
  readonly errorsPerSecond: number
  readonly errorBurst: number
  readonly answerEcho: boolean
  readonly onEchoReply: (reply: EchoReply) => void
  readonly onMldQuery: (query: MldQuery) => void
  /** A packet of this host came to grief on its way. */
  readonly onFailure: (invoking: Invoking, error: AppError) => void
}

export class IcmpLayer {
  readonly #options: IcmpLayerOptions
  readonly #limit: RateLimit

  constructor(options: IcmpLayerOptions) {
    this.#options = options
    this.#limit = new RateLimit(options.clock, options.errorsPerSecond, options.errorBurst)
  }

  receive(arrival: Arrival): void {
    const { packet, at, end, routerAlert } = arrival
    const { counting, book, onEchoReply, onMldQuery } = this.#options
    const message = decodeIcmp(packet, at, end)
    if (typeof message === 'string') {
      counting.drop(message)
      return
    }
    const hopLimit = packet[7] ?? 0
    switch (message.kind) {
      case 'echo-request':
        this.#answer(arrival, message)
        return
      case 'echo-reply':
        onEchoReply({ ...message, from: book.textAt(packet, SOURCE_AT), hopLimit })
        return
      case 'error':
        counting.add('icmpErrorsReceived')
        this.#blame(message, book.textAt(packet, SOURCE_AT))
        return
      case 'other':
        // Everything else is for routers, or neighbour discovery, which is the dongle's; unknown ones are dropped in silence (§2.4 b).
        if (message.type === MLD_QUERY)
          onMldQuery({ body: message.body, hopLimit, routerAlert, fromLinkLocal: isLinkLocalUnicastAt(packet, SOURCE_AT) })
    }
  }

  /** Answers a packet with an error message, where the rules and the rate allow it (§2.4 e, f). */
  complain(packet: Uint8Array, { type, code, parameter, evenToMulticast = false }: Complaint): void {
    const { counting } = this.#options
    if (!mayBeAnswered(packet, evenToMulticast)) return
    const route = this.#routeBack(packet)
    if (route === undefined) return
    if (!this.#limit.take()) {
      counting.add('icmpErrorsWithheld')
      return
    }
    counting.add('icmpErrorsSent')
    this.#send({ kind: 'error', type, code, parameter, invoking: packet }, route)
  }

  #answer({ packet }: Arrival, request: Extract<IcmpMessage, { kind: 'echo-request' | 'echo-reply' }>): void {
    const { answerEcho, output, counting } = this.#options
    if (!answerEcho || isUnspecifiedAt(packet, SOURCE_AT)) return
    // An answer as long as the question: a question that came in fragments has none that fits (§4.2, RFC 8200 §5).
    if (48 + request.data.length > output.mtuBytes) return
    const route = this.#routeBack(packet)
    if (route === undefined) return
    counting.add('echoesAnswered')
    this.#send({ ...request, kind: 'echo-reply' }, route)
  }

  /** From the address that was written to, or, where that was a group, from one that suits (§2.2). */
  #routeBack(packet: Uint8Array): Route | undefined {
    const { output, book, own } = this.#options
    const wasUnicast = !isMulticastAt(packet, DESTINATION_AT) && own.includesAt(packet, DESTINATION_AT)
    const from = wasUnicast ? packet.slice(DESTINATION_AT, DESTINATION_AT + 16) : undefined
    const route = output.route(book.textAt(packet, SOURCE_AT), undefined, from)
    return route instanceof AppError ? undefined : route
  }

  #send(message: IcmpMessage, { source, destination, hopLimit, own }: Route): void {
    this.#options.output.send(encodeIcmp(message, { source, destination, hopLimit }), own)
  }

  /** §2.4 d: the quoted packet tells who sent it; it must have been this host. */
  #blame(message: Extract<IcmpMessage, { kind: 'error' }>, reporter: string): void {
    const invoking = readInvoking(message.invoking)
    if (invoking === undefined || !this.#options.own.includesAt(invoking.packet, SOURCE_AT)) return
    this.#options.onFailure(invoking, failureOf(message.type, message.code, message.parameter, reporter))
  }
}
