// The system's own UDP sockets as a DatagramChannel, IPv4 and IPv6, with multicast recognised by its destination.
import { createSocket, type Socket, type SocketOptions } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import {
  AppError,
  formatSocketAddress,
  isMulticastAddress,
  type ChannelCounters,
  type ChannelEvent,
  type DatagramChannel,
  type Logger,
  type SocketAddress,
} from '#main/base/index.ts'
import { normaliseAddress, splitZone } from './address.ts'
import { Fanout } from './fanout.ts'
import { GroupSockets, sourceOf, type GroupSocketMode } from './group-sockets.ts'

export interface UdpChannelOptions {
  /** A local address, `::` or `0.0.0.0`; a link-local one with its zone (`fe80::1%eth0`). */
  readonly bindAddress: string
  /** 0 picks a free port. */
  readonly port: number
  readonly logger: Logger
  /** Where groups are joined and multicast is sent: an interface name (IPv6) or a local address (IPv4). Default: the interface of the bind address; for an unspecified one, every external interface, sending on the first. */
  readonly multicastInterface?: string
  readonly id?: string
  /** Hop limit of multicast datagrams; the address's scope limits their way besides. */
  readonly multicastHops?: number
  /** How multicast is told from unicast; by default what the platform allows. */
  readonly groupSocketMode?: GroupSocketMode
}

const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
/** IPv6: the minimum link MTU less IPv6 and UDP headers. IPv4: Ethernet's MTU less IPv4 and UDP headers. */
const MAX_PAYLOAD_BYTES = { udp6: 1280 - 48, udp4: 1500 - 28 } as const

/** Opens a channel. Fails with `network.address-in-use` or `network.bind-failed`. */
export async function openUdpChannel(options: UdpChannelOptions): Promise<DatagramChannel> {
  const family = options.bindAddress.includes(':') ? 'udp6' : 'udp4'
  if (normaliseAddress(options.bindAddress) === undefined) {
    throw new AppError('network.bind-failed', 'Not an IP address', { details: { address: options.bindAddress } })
  }
  // The group sockets share the port, which takes SO_REUSEADDR on all of them; that would also hide another program at
  // the same port. A first socket without it finds that program.
  const probe = await bind(family, options.bindAddress, options.port, false)
  const port = probe.address().port
  await closeSocket(probe)
  const socket = await bind(family, options.bindAddress, port, true)
  return new UdpChannel(socket, family, options)
}

async function bind(family: 'udp4' | 'udp6', address: string, port: number, reuseAddr: boolean): Promise<Socket> {
  const wanted: SocketOptions = { type: family, reuseAddr, lookup: asIs }
  if (family === 'udp6') wanted.ipv6Only = true
  const socket = createSocket(wanted)
  return new Promise((resolve, reject) => {
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      socket.close()
      const code = cause.code === 'EADDRINUSE' ? 'network.address-in-use' : 'network.bind-failed'
      const details = { address: formatSocketAddress({ address, port }), reason: cause.code ?? cause.message }
      reject(new AppError(code, `Cannot open UDP at ${details.address}: ${cause.message}`, { cause, details, retryable: true }))
    })
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}

/** Addresses are never names: skip the resolver and the turn of the event loop that it takes. */
function asIs(
  hostname: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, hostname, hostname.includes(':') ? 6 : 4)
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()))
}

/** Node adds these to errors of `send`. */
interface SendError extends Error {
  readonly address?: string
  readonly port?: number
}

class UdpChannel implements DatagramChannel {
  readonly id: string
  readonly local: SocketAddress
  readonly maxPayloadBytes: number
  readonly #socket: Socket
  readonly #listeners: Fanout<ChannelEvent>
  readonly #groups: GroupSockets
  readonly #logger: Logger
  #open = true
  #sent = 0
  #received = 0
  #sendErrors = 0
  #dropped = 0

  constructor(socket: Socket, family: 'udp4' | 'udp6', options: UdpChannelOptions) {
    const bound = socket.address()
    const { address, zone } = splitZone(bound.address)
    this.local = zone === undefined ? { address, port: bound.port } : { address, port: bound.port, zone }
    this.id = options.id ?? `udp:${formatSocketAddress(this.local)}`
    this.maxPayloadBytes = MAX_PAYLOAD_BYTES[family]
    this.#socket = socket
    this.#logger = options.logger
    this.#listeners = new Fanout(options.logger)
    const interfaces = options.multicastInterface === undefined ? interfacesOf(options.bindAddress) : [options.multicastInterface]
    this.#groups = new GroupSockets({
      family,
      port: bound.port,
      main: socket,
      interfaces,
      logger: options.logger,
      mainIsWildcard: address === '::' || address === '0.0.0.0',
      mode: options.groupSocketMode ?? (process.platform === 'linux' ? 'by-destination' : 'joined-on-main'),
      receive: (payload, source, destination, multicast) => this.#receive(payload, source, destination, multicast),
    })
    this.#prepare(family, interfaces[0], options.multicastHops ?? 32)
    socket.on('message', (payload, from) => this.#groups.fromMain(payload, sourceOf(from)))
    socket.on('error', (error) => options.logger.warn({ channel: this.id, err: error }, 'UDP socket error'))
    socket.on('close', () => this.#closed())
  }

  #prepare(family: 'udp4' | 'udp6', multicastInterface: string | undefined, hops: number): void {
    this.#attempt(() => this.#socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES))
    this.#attempt(() => this.#socket.setMulticastTTL(hops))
    if (multicastInterface === undefined) return
    this.#attempt(() => this.#socket.setMulticastInterface(family === 'udp6' ? `::%${multicastInterface}` : multicastInterface))
  }

  #attempt(set: () => void): void {
    try {
      set()
    } catch (error) {
      this.#logger.warn({ channel: this.id, err: error }, 'A UDP socket option could not be set')
    }
  }

  /** One for all sends, rather than a closure for each: Node's error says where the datagram was to go. */
  readonly #onSent = (error: SendError | null): void => {
    if (error === null) return
    const { address, zone } = splitZone(error.address ?? '')
    this.#sendFailed(zone === undefined ? { address, port: error.port ?? 0 } : { address, port: error.port ?? 0, zone }, error)
  }

  send(payload: Uint8Array, to: SocketAddress): void {
    if (!this.#open) {
      this.#sendErrors++
      return
    }
    this.#sent++
    try {
      this.#socket.send(payload, to.port, to.zone === undefined ? to.address : `${to.address}%${to.zone}`, this.#onSent)
    } catch (thrown) {
      // Node throws at once on arguments such as port 0.
      const error = thrown instanceof Error ? thrown : new AppError('network.send-failed', String(thrown))
      queueMicrotask(() => this.#sendFailed(to, error))
    }
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    return this.#listeners.add(listener)
  }

  joinGroup(address: string, on?: string): void {
    const canonical = normaliseAddress(address)
    if (canonical === undefined || !isMulticastAddress(canonical)) {
      throw new AppError('group.address-invalid', 'Not a multicast address', { details: { address } })
    }
    if (this.#open) this.#groups.join(canonical, on)
  }

  leaveGroup(address: string, on?: string): void {
    this.#groups.leave(normaliseAddress(address) ?? address, on)
  }

  counters(): ChannelCounters {
    return { sent: this.#sent, received: this.#received, sendErrors: this.#sendErrors, dropped: this.#dropped }
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#groups.close()
    await closeSocket(this.#socket)
  }

  #receive(payload: Uint8Array, source: SocketAddress, destination: SocketAddress | undefined, multicast: boolean): void {
    if (!this.#open || this.#listeners.size === 0) {
      this.#dropped++
      return
    }
    this.#received++
    this.#listeners.tell({ kind: 'datagram', datagram: { payload, source, destination, multicast } })
  }

  #sendFailed(to: SocketAddress, error: Error): void {
    if (!this.#open) return
    this.#sendErrors++
    this.#listeners.tell({ kind: 'send-failed', to, error })
  }

  #closed(): void {
    this.#open = false
    this.#listeners.tell({ kind: 'closed' })
  }
}

/** The interfaces that serve the address: names for IPv6, local addresses for IPv4. None where the system is to choose. */
function interfacesOf(bindAddress: string): string[] {
  const { address, zone } = splitZone(normaliseAddress(bindAddress) ?? bindAddress)
  if (zone !== undefined) return [zone]
  const family = address.includes(':') ? 'IPv6' : 'IPv4'
  const wildcard = address === '::' || address === '0.0.0.0'
  if (family === 'IPv4' && !wildcard) return [address]
  const found = new Set<string>()
  for (const [name, entries] of Object.entries(networkInterfaces())) {
    for (const entry of entries ?? []) {
      if (entry.family !== family) continue
      if (wildcard ? !entry.internal : splitZone(entry.address).address === address) found.add(family === 'IPv6' ? name : entry.address)
    }
  }
  return [...found]
}
