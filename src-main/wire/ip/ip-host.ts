// An IPv6 host in user space over one packet link: UDP ports as channels, ping, groups, a tap on its packets (RFC 8200, RFC 768, RFC 4443).
import { AppError, silentLogger, type Clock, type DatagramChannel, type Logger, type Random, type SocketAddress } from '#main/base/index.ts'
import type { PacketLink, PacketLinkEvent } from '#main/wire/links/index.ts'
import { isLinkLocalAddress, multicastScopeOf, normaliseAddress, splitZone } from './address.ts'
import { AddressBook } from './address-book.ts'
import { ICMPV6 } from './extension-headers.ts'
import { readInvoking, type Invoking } from './icmp-errors.ts'
import { IcmpLayer } from './icmp-layer.ts'
import { DESTINATION_UNREACHABLE, encodeIcmp, PORT_UNREACHABLE } from './icmpv6.ts'
import { IpCounting, type IpCounters } from './ip-counters.ts'
import { ALL_NODES, IpInput, isAnswerable, type Arrival } from './ip-input.ts'
import { HOP_LIMITS, IpOutput, type HopLimits } from './ip-output.ts'
import { DESTINATION_AT, SOURCE_AT } from './ipv6-header.ts'
import { LinkChannel } from './link-channel.ts'
import { MldListener } from './mld.ts'
import { OwnAddresses } from './own-addresses.ts'
import { PacketTap, type PacketEvent } from './packet-tap.ts'
import { Pinger, type PingOptions, type PingReply } from './ping.ts'
import { REASSEMBLY_LIMITS, type ReassemblyLimits } from './reassembly.ts'
import { decodeUdp } from './udp-header.ts'

export interface IpHostOptions {
  readonly link: PacketLink
  readonly clock: Clock
  readonly random: Random
  readonly logger?: Logger
  readonly hopLimits?: Partial<HopLimits>
  /** Whether groups are reported to the link's routers; dongles do that by themselves. Off unless told. */
  readonly mld?: 'off' | 'on'
  /** Of ICMPv6 errors that are sent: 10 a second, 10 at once unless told. */
  readonly icmpErrors?: { readonly perSecond: number; readonly burst: number }
  readonly reassembly?: Partial<ReassemblyLimits>
  /**
   * For so long after the link went down, datagrams are lost instead of failing: CoAP repeats them, and a transfer goes on when the dongle is
   * back in time. 0 unless told: then every send fails with `network.down` at once.
   */
  readonly pauseMs?: number
  /** On unless told. */
  readonly answerEcho?: boolean
}

export interface OpenUdpOptions {
  /** 0 picks a free one. */
  readonly port: number
  /** One of the link's addresses, to use that one alone; it need not be there yet. */
  readonly address?: string
  readonly id?: string
}

export interface IpHost {
  readonly link: PacketLink
  /** Fails with `network.address-in-use` where the port is open, `input.invalid` where the address is none. */
  openUdp(options: OpenUdpOptions): DatagramChannel
  /** Fails with `network.ping-timeout`, `network.down`, `network.no-route`, another `network.*` that the network reported, or `cancelled`. */
  ping(address: string, options?: PingOptions): Promise<PingReply>
  /** Every packet that goes over the link, or from the host to itself. */
  tap(listener: (event: PacketEvent) => void): () => void
  /** The number of the packet that this object is, or that carried this payload, or that equals it among the last 256; while somebody taps. */
  packetIdOf(bytes: Uint8Array): number | undefined
  counters(): IpCounters
  /** Closes its channels; the link stays as it is. */
  close(): Promise<void>
}

/** Hop-by-Hop Options: ICMPv6 next, Router Alert for MLD (RFC 2711), PadN of nothing. */
const ROUTER_ALERT_HEADER = Uint8Array.of(ICMPV6, 0, 5, 2, 0, 0, 1, 0)
const FIRST_EPHEMERAL_PORT = 49_152
/** Thread's own management listens there on the dongle, which lets no host near it. */
const THREAD_MANAGEMENT_PORT = 61_631

export function createIpHost(options: IpHostOptions): IpHost {
  return new Host(options)
}

/** A host with a single port; closing the channel closes it. For several ports on one link make one host. */
export function openLinkChannel(options: IpHostOptions & OpenUdpOptions): DatagramChannel {
  const host = createIpHost(options)
  const channel = host.openUdp(options)
  channel.subscribe((event) => {
    if (event.kind === 'closed') void host.close()
  })
  return channel
}

class Host implements IpHost {
  readonly link: PacketLink
  readonly #options: IpHostOptions
  readonly #logger: Logger
  readonly #own = new OwnAddresses()
  readonly #book = new AddressBook()
  readonly #counting = new IpCounting()
  readonly #tap: PacketTap
  readonly #output: IpOutput
  readonly #input: IpInput
  readonly #icmp: IcmpLayer
  readonly #pinger: Pinger
  readonly #mld: MldListener | undefined
  readonly #ports = new Map<number, LinkChannel>()
  /** How many channels listen to each group. */
  readonly #groups = new Map<string, number>()
  readonly #unsubscribe: () => void
  #open = true

  constructor(options: IpHostOptions) {
    const { link, clock, random } = options
    this.link = link
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child({ link: link.id })
    const shared = { clock, own: this.#own, book: this.#book, counting: this.#counting }
    this.#tap = new PacketTap(link.id, clock, this.#logger)
    const tap = this.#tap
    const hopLimits = { ...HOP_LIMITS, ...options.hopLimits }
    this.#output = new IpOutput({ ...shared, link, hopLimits, pauseMs: options.pauseMs ?? 0, tap, loop: (packet) => this.#loop(packet) })
    this.#pinger = new Pinger(clock, random, this.#counting)
    const limit = options.icmpErrors ?? { perSecond: 10, burst: 10 }
    this.#icmp = new IcmpLayer({
      ...shared,
      tap,
      output: this.#output,
      errorsPerSecond: limit.perSecond,
      errorBurst: limit.burst,
      answerEcho: options.answerEcho ?? true,
      onEchoReply: (reply) => this.#pinger.onReply(reply),
      onMldQuery: (query) => this.#mld?.onQuery(query),
      onFailure: (invoking, error) => this.#onFailure(invoking, error),
    })
    this.#input = new IpInput({
      ...shared,
      tap,
      limits: { ...REASSEMBLY_LIMITS, ...options.reassembly },
      isListening: (group) => this.#groups.has(group),
      onUdp: (arrival) => this.#onUdp(arrival),
      onIcmp: (arrival) => this.#icmp.receive(arrival),
      complain: (packet, complaint) => this.#icmp.complain(packet, complaint),
    })
    if (options.mld === 'on') this.#mld = new MldListener({ clock, random, send: (type, body, to) => this.#sendMld(type, body, to) })
    this.#own.replace(link.addresses)
    this.#unsubscribe = link.subscribe((event) => this.#onLink(event))
  }

  openUdp({ port, address, id }: OpenUdpOptions): DatagramChannel {
    if (!this.#open) throw new AppError('network.down', 'The host is closed')
    const bound = address === undefined ? undefined : splitZone(normaliseAddress(address) ?? '').address
    if (bound !== undefined && !bound.includes(':'))
      throw new AppError('input.invalid', 'Not an IPv6 address', { details: { address: address ?? '' } })
    const chosen = port === 0 ? this.#freePort() : port
    if (this.#ports.has(chosen)) {
      throw new AppError('network.address-in-use', `Port ${chosen} is open on ${this.link.id}`, {
        details: { port: chosen, link: this.link.id },
      })
    }
    const channel = new LinkChannel({
      id: id ?? `${this.link.id}:${chosen}`,
      port: chosen,
      ...(bound === undefined ? {} : { address: bound }),
      linkId: this.link.id,
      own: this.#own,
      output: this.#output,
      logger: this.#logger,
      onSendError: () => this.#counting.add('sendErrors'),
      onLost: () => this.#counting.add('lostWhileDown'),
      join: (group) => this.#join(group),
      leave: (group) => this.#leave(group),
      onClose: () => this.#ports.delete(chosen),
    })
    this.#ports.set(chosen, channel)
    return channel
  }

  ping(address: string, options: PingOptions = {}): Promise<PingReply> {
    const { address: target, zone } = splitZone(normaliseAddress(address) ?? address)
    return this.#pinger.ping(target, multicastScopeOf(target) !== undefined, options, (echo) => {
      const route = this.#output.route(target, zone)
      if (route instanceof AppError) return route
      const { source, destination, own } = route
      const packet = encodeIcmp({ kind: 'echo-request', ...echo }, { source, destination, hopLimit: options.hopLimit ?? route.hopLimit })
      if (packet.length > this.#output.mtuBytes) {
        const details = { bytes: echo.data.length, maxBytes: this.#output.mtuBytes - 48 }
        return new AppError('network.too-large', `A ping carries at most ${details.maxBytes} bytes`, { details })
      }
      this.#output.send(packet, own)
      return undefined
    })
  }

  tap(listener: (event: PacketEvent) => void): () => void {
    return this.#tap.subscribe(listener)
  }

  packetIdOf(bytes: Uint8Array): number | undefined {
    return this.#tap.idOf(bytes)
  }

  counters(): IpCounters {
    return this.#counting.snapshot()
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await Promise.all([...this.#ports.values()].map((channel) => channel.close()))
    this.#unsubscribe()
    this.#mld?.stop()
    this.#pinger.close()
    this.#input.clear()
  }

  #onLink(event: PacketLinkEvent): void {
    switch (event.kind) {
      case 'packet':
        this.#receive(event.packet, false)
        return
      case 'send-failed': {
        const invoking = readInvoking(event.packet)
        // What was queued when the dongle went has the same right to be repeated as what comes after.
        const isLost =
          invoking?.kind === 'udp' && (this.#options.pauseMs ?? 0) > 0 && (event.error.code === 'network.down' || this.#output.isPausing)
        this.#counting.add(isLost ? 'lostWhileDown' : 'linkRefused')
        if (invoking !== undefined && !isLost) this.#onFailure(invoking, event.error)
        return
      }
      case 'up':
      case 'addresses':
        this.#own.replace(this.link.addresses)
        this.#output.linkChanged()
        this.#mld?.restart()
        return
      case 'down':
        this.#own.replace(this.link.addresses)
        this.#output.linkChanged()
        this.#mld?.stop()
        // What waits for its other fragments waits in vain.
        this.#input.clear()
    }
  }

  #loop(packet: Uint8Array): void {
    if (this.#open) this.#receive(packet, true)
  }

  #receive(packet: Uint8Array, looped: boolean): void {
    try {
      this.#input.receive(packet, looped)
    } catch (thrown) {
      // Invariant: no packet may end the process; what escapes from the handling of one is a defect to be logged.
      this.#logger.error({ err: thrown }, 'A packet could not be handled')
    }
  }

  #onUdp({ packet, at, end, multicast }: Arrival): void {
    const udp = decodeUdp(packet, at, end)
    if (typeof udp === 'string') {
      this.#counting.drop(udp)
      return
    }
    if (!isAnswerable(packet)) {
      this.#counting.drop('bad-source')
      return
    }
    const to = this.#book.textAt(packet, DESTINATION_AT)
    const channel = this.#ports.get(udp.destinationPort)
    if (channel === undefined || (multicast ? !channel.has(to) && !ALL_NODES.has(to) : !channel.isAt(to))) {
      this.#counting.drop('no-listener')
      this.#icmp.complain(packet, { type: DESTINATION_UNREACHABLE, code: PORT_UNREACHABLE, parameter: 0 })
      return
    }
    this.#counting.add('datagramsReceived')
    this.#tap.inherit(packet, udp.payload)
    channel.deliver({
      payload: udp.payload,
      source: this.#at(this.#book.textAt(packet, SOURCE_AT), udp.sourcePort, packet, SOURCE_AT),
      destination: this.#at(to, udp.destinationPort, packet, DESTINATION_AT),
      multicast,
    })
  }

  /** Link-local addresses, of groups too, mean something on this link alone (RFC 4007 §6). */
  #at(address: string, port: number, packet: Uint8Array, at: number): SocketAddress {
    const [first = 0, second = 0] = [packet[at], packet[at + 1]]
    const scoped = first === 0xff ? (second & 0x0f) === 2 : first === 0xfe && (second & 0xc0) === 0x80
    return scoped ? { address, port, zone: this.link.id } : { address, port }
  }

  #onFailure(invoking: Invoking, error: AppError): void {
    const target = this.#book.textAt(invoking.packet, DESTINATION_AT)
    if (invoking.kind === 'echo') this.#pinger.onFailure(invoking.identifier, invoking.sequence, target, error)
    else this.#ports.get(invoking.sourcePort)?.fail(this.#at(target, invoking.destinationPort, invoking.packet, DESTINATION_AT), error)
  }

  #join(group: string): void {
    const count = this.#groups.get(group) ?? 0
    this.#groups.set(group, count + 1)
    if (count > 0) return
    this.link.joinGroup(group)
    if (this.link.up) this.#mld?.join(group)
  }

  #leave(group: string): void {
    const count = (this.#groups.get(group) ?? 0) - 1
    if (count > 0) {
      this.#groups.set(group, count)
      return
    }
    this.#groups.delete(group)
    this.link.leaveGroup(group)
    this.#mld?.leave(group)
  }

  #sendMld(type: number, body: Uint8Array, to: string): void {
    // From a link-local address or not at all: routers ignore any other, however wide the group (RFC 3810 §5.2.13).
    const from = this.#own.candidates.find(({ address }) => isLinkLocalAddress(address.address))
    const route = from === undefined ? undefined : this.#output.route(to, undefined, from.bytes)
    if (route === undefined || route instanceof AppError) return
    const envelope = { source: route.source, destination: route.destination, hopLimit: 1, hopByHop: ROUTER_ALERT_HEADER }
    this.#output.send(encodeIcmp({ kind: 'other', type, code: 0, body }, envelope), false)
  }

  #freePort(): number {
    const span = 65_536 - FIRST_EPHEMERAL_PORT
    const start = this.#options.random.below(span)
    for (let step = 0; step < span; step++) {
      const port = FIRST_EPHEMERAL_PORT + ((start + step) % span)
      if (port !== THREAD_MANAGEMENT_PORT && !this.#ports.has(port)) return port
    }
    throw new AppError('network.address-in-use', `No free port on ${this.link.id}`)
  }
}
