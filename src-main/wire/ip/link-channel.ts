// A UDP port of a host on a link, as a DatagramChannel.
import {
  AppError,
  isMulticastAddress,
  type ChannelCounters,
  type ChannelEvent,
  type Datagram,
  type DatagramChannel,
  type Logger,
  type SocketAddress,
} from '#main/base/index.ts'
import { isLinkLocalAddress, normaliseAddress, parseIpv6 } from './address.ts'
import { Fanout } from './fanout.ts'
import type { IpOutput } from './ip-output.ts'
import { IPV6_HEADER_BYTES } from './ipv6-header.ts'
import type { OwnAddresses } from './own-addresses.ts'
import { UDP_HEADER_BYTES } from './udp-header.ts'

export interface LinkChannelOptions {
  readonly id: string
  readonly port: number
  /** The only address to send from and to be reached at by unicast; all of the host's where there is none. */
  readonly address?: string
  readonly linkId: string
  readonly own: OwnAddresses
  readonly output: IpOutput
  readonly logger: Logger
  readonly onSendError: () => void
  readonly onLost: () => void
  readonly join: (group: string) => void
  readonly leave: (group: string) => void
  readonly onClose: () => void
}

export class LinkChannel implements DatagramChannel {
  readonly id: string
  readonly port: number
  readonly #options: LinkChannelOptions
  readonly #bound: Uint8Array | undefined
  readonly #listeners: Fanout<ChannelEvent>
  readonly #groups = new Set<string>()
  #open = true
  #sent = 0
  #received = 0
  #sendErrors = 0
  #dropped = 0

  constructor(options: LinkChannelOptions) {
    this.id = options.id
    this.port = options.port
    this.#options = options
    this.#listeners = new Fanout(options.logger)
    this.#bound = options.address === undefined ? undefined : parseIpv6(options.address)
  }

  get local(): SocketAddress {
    const { address = this.#options.own.preferred?.address ?? '::', linkId } = this.#options
    return isLinkLocalAddress(address) ? { address, port: this.port, zone: linkId } : { address, port: this.port }
  }

  get maxPayloadBytes(): number {
    return this.#options.output.mtuBytes - IPV6_HEADER_BYTES - UDP_HEADER_BYTES
  }

  /** Whether it listens to the group. */
  has(group: string): boolean {
    return this.#groups.has(group)
  }

  /** Whether unicast to this address is for it. */
  isAt(address: string): boolean {
    return this.#options.address === undefined || this.#options.address === address
  }

  send(payload: Uint8Array, to: SocketAddress): void {
    if (!this.#open) {
      this.#sendErrors++
      return
    }
    const { output } = this.#options
    const route = output.route(to.address, to.zone, this.#bound)
    const failure = route instanceof AppError ? route : output.sendUdp(route, this.port, to.port, payload)
    if (failure === undefined) this.#sent++
    else if (failure.code === 'network.down' && output.isPausing) {
      this.#sent++
      this.#options.onLost()
    } else queueMicrotask(() => this.fail(to, failure))
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    return this.#listeners.add(listener)
  }

  joinGroup(address: string, on?: string): void {
    const group = normaliseAddress(address)
    if (group === undefined || !isMulticastAddress(group) || !group.includes(':')) {
      throw new AppError('group.address-invalid', 'Not an IPv6 multicast address', { details: { address } })
    }
    // A group of another interface is not to be had here.
    if (!this.#open || this.#groups.has(group) || (on !== undefined && on !== this.#options.linkId)) return
    this.#groups.add(group)
    this.#options.join(group)
  }

  leaveGroup(address: string, on?: string): void {
    if (on !== undefined && on !== this.#options.linkId) return
    const group = normaliseAddress(address) ?? address
    if (this.#groups.delete(group)) this.#options.leave(group)
  }

  counters(): ChannelCounters {
    return { sent: this.#sent, received: this.#received, sendErrors: this.#sendErrors, dropped: this.#dropped }
  }

  close(): Promise<void> {
    if (!this.#open) return Promise.resolve()
    this.#open = false
    for (const group of this.#groups) this.#options.leave(group)
    this.#groups.clear()
    this.#options.onClose()
    this.#listeners.tell({ kind: 'closed' })
    return Promise.resolve()
  }

  deliver(datagram: Datagram): void {
    if (!this.#open || this.#listeners.size === 0) {
      this.#dropped++
      return
    }
    this.#received++
    this.#listeners.tell({ kind: 'datagram', datagram })
  }

  fail(to: SocketAddress, error: AppError): void {
    if (!this.#open) return
    this.#sendErrors++
    this.#options.onSendError()
    this.#listeners.tell({ kind: 'send-failed', to, error })
  }
}
