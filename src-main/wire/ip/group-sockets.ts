// Multicast on system sockets. Node does not report a datagram's destination, so a socket is bound to each group address;
// what it receives was sent to that group. Where a system refuses such a bind (Windows), groups are joined on the main
// socket and multicast cannot be told from unicast: documented in the room's README.
import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from 'node:dgram'
import { AppError, type Logger, type SocketAddress } from '#main/base/index.ts'
import { multicastScopeOf } from './address.ts'

export type GroupSocketMode = 'by-destination' | 'joined-on-main'

export interface GroupSocketsOptions {
  readonly family: 'udp4' | 'udp6'
  readonly port: number
  readonly main: Socket
  /** Whether the main socket is bound to the unspecified address, where Linux hands it multicast as well. */
  readonly mainIsWildcard: boolean
  /** Where groups are joined: interface names (IPv6) or local addresses (IPv4); none leaves it to the system. */
  readonly interfaces: readonly string[]
  readonly mode: GroupSocketMode
  readonly logger: Logger
  readonly receive: (payload: Uint8Array, source: SocketAddress, destination: SocketAddress | undefined, multicast: boolean) => void
}

/** Where a group is joined: an interface, or wherever the system chooses. */
type Place = string | undefined

/** A joined group: its own sockets, and the interfaces on which the main socket has joined in their stead. */
interface Membership {
  /** By zone: a link-local group is a different one on each interface (RFC 4007 §6); else one for all. */
  readonly sockets: Map<Place, Socket>
  readonly bound: Set<Socket>
  readonly onMain: Set<Place>
  /** What was asked for: an interface, or undefined for all of the channel's. */
  readonly wanted: Set<Place>
  /** How many of those need the place. */
  readonly places: Map<Place, number>
}

/** Copies that were seen on a group socket are remembered for the main socket's sake; more than these are forgotten. */
const MAX_REMEMBERED = 4096

export class GroupSockets {
  readonly #options: GroupSocketsOptions
  readonly #groups = new Map<string, Membership>()
  /** Datagrams that came through a group socket and whose copy may still come, or be held, on the main socket. */
  readonly #copies = new Map<string, number>()
  /** The main socket may get copies of multicast. */
  #watching = false

  constructor(options: GroupSocketsOptions) {
    this.#options = options
  }

  /** Joins on one interface, or on all. The same once more changes nothing. */
  join(address: string, on?: string): void {
    const membership = this.#groups.get(address) ?? newMembership()
    if (membership.wanted.has(on)) return
    this.#groups.set(address, membership)
    membership.wanted.add(on)
    const fresh: Place[] = []
    for (const place of this.#placesOf(on)) {
      const needed = membership.places.get(place) ?? 0
      membership.places.set(place, needed + 1)
      if (needed === 0) fresh.push(place)
    }
    if (fresh.length > 0) this.#enter(address, membership, fresh)
  }

  /** Takes one `join` back; places that another one needs stay joined. */
  leave(address: string, on?: string): void {
    const membership = this.#groups.get(address)
    if (membership?.wanted.delete(on) !== true) return
    const gone: Place[] = []
    for (const place of this.#placesOf(on)) {
      const needed = membership.places.get(place) ?? 0
      if (needed > 1) membership.places.set(place, needed - 1)
      else {
        membership.places.delete(place)
        gone.push(place)
      }
    }
    for (const place of gone) this.#exit(address, membership, place)
    if (membership.places.size > 0) return
    this.#groups.delete(address)
    for (const socket of membership.sockets.values()) socket.close()
    this.#watching = this.#options.mainIsWildcard && [...this.#groups.values()].some((other) => other.sockets.size > 0)
  }

  #placesOf(on: Place): readonly Place[] {
    const { interfaces } = this.#options
    if (on !== undefined) return [on]
    return interfaces.length === 0 ? [undefined] : interfaces
  }

  #enter(address: string, membership: Membership, fresh: readonly Place[]): void {
    if (this.#options.mode === 'joined-on-main') {
      this.#joinOnMain(address, membership, fresh)
      return
    }
    this.#watching = this.#options.mainIsWildcard
    if (this.#isPerInterface(address)) {
      for (const zone of fresh) this.#openSocket(address, membership, zone)
      return
    }
    const socket = membership.sockets.get(undefined)
    if (socket !== undefined) {
      // One that is not bound yet joins everywhere as soon as it is.
      if (membership.bound.has(socket)) this.#joinOn(address, socket, fresh)
    } else if (membership.onMain.size > 0) this.#joinOnMain(address, membership, fresh)
    else this.#openSocket(address, membership, undefined)
  }

  #exit(address: string, membership: Membership, place: Place): void {
    if (membership.onMain.delete(place)) {
      this.#attempt(address, 'left', () => this.#options.main.dropMembership(address, this.#interfaceText(place)))
      return
    }
    const perInterface = this.#isPerInterface(address)
    const socket = membership.sockets.get(perInterface ? place : undefined)
    if (socket === undefined) return
    if (perInterface) {
      membership.sockets.delete(place)
      socket.close()
    } else if (membership.bound.has(socket) && membership.places.size > 0) {
      this.#attempt(address, 'left', () => socket.dropMembership(address, this.#interfaceText(place)))
    }
  }

  #isPerInterface(address: string): boolean {
    return this.#options.family === 'udp6' && multicastScopeOf(address) === 'link-local'
  }

  /** A datagram of the main socket: handed on, unless it is the copy of one that came through a group socket. */
  fromMain(payload: Uint8Array, source: SocketAddress): void {
    if (!this.#watching) {
      this.#options.receive(plain(payload), source, undefined, false)
      return
    }
    // The system queues both copies at once, but this one may be read first: let the poll that reads the other happen.
    setImmediate(() =>
      setImmediate(() => {
        if (!this.#forget(keyOf(payload, source))) this.#options.receive(plain(payload), source, undefined, false)
      }),
    )
  }

  async close(): Promise<void> {
    const sockets = [...this.#groups.values()].flatMap((membership) => [...membership.sockets.values()])
    this.#groups.clear()
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))))
  }

  #openSocket(address: string, membership: Membership, zone: Place): void {
    const { family, port, logger } = this.#options
    const wanted: SocketOptions = { type: family, reuseAddr: true }
    if (family === 'udp6') wanted.ipv6Only = true
    const socket = createSocket(wanted)
    membership.sockets.set(zone, socket)
    const destination: SocketAddress = zone === undefined ? { address, port } : { address, port, zone }
    const places = (): readonly Place[] => (this.#isPerInterface(address) ? [zone] : [...membership.places.keys()])
    socket.on('error', (error) => {
      if (membership.sockets.get(zone) !== socket) return
      membership.sockets.delete(zone)
      logger.warn({ group: address, err: error }, 'No socket of its own for a multicast group; joining on the main socket')
      socket.close()
      if (this.#groups.get(address) === membership) this.#joinOnMain(address, membership, places())
    })
    socket.on('message', (payload, from) => {
      const source = sourceOf(from)
      if (this.#watching) this.#remember(keyOf(payload, source))
      this.#options.receive(plain(payload), source, destination, true)
    })
    socket.bind({ address: zone === undefined ? address : `${address}%${zone}`, port, exclusive: true }, () => {
      if (this.#groups.get(address) !== membership || membership.sockets.get(zone) !== socket) return
      membership.bound.add(socket)
      this.#joinOn(address, socket, places())
    })
  }

  #joinOn(address: string, socket: Socket, places: readonly Place[]): void {
    for (const where of places) this.#attempt(address, 'joined', () => socket.addMembership(address, this.#interfaceText(where)))
  }

  #joinOnMain(address: string, membership: Membership, places: readonly Place[]): void {
    for (const where of places) {
      const joined = this.#attempt(address, 'joined', () => this.#options.main.addMembership(address, this.#interfaceText(where)))
      if (joined) membership.onMain.add(where)
    }
  }

  #attempt(address: string, what: 'joined' | 'left', act: () => void): boolean {
    try {
      act()
      return true
    } catch (thrown) {
      const error = new AppError('network.down', `A multicast group could not be ${what}`, { cause: thrown })
      this.#options.logger.warn({ group: address, err: error }, error.message)
      return false
    }
  }

  #interfaceText(where: Place): string | undefined {
    return where === undefined || this.#options.family === 'udp4' ? where : `::%${where}`
  }

  #remember(key: string): void {
    if (this.#copies.size >= MAX_REMEMBERED) this.#copies.clear()
    this.#copies.set(key, (this.#copies.get(key) ?? 0) + 1)
    // A copy that never comes (the main socket's buffer was full) must not swallow a later unicast.
    setImmediate(() => setImmediate(() => setImmediate(() => setImmediate(() => this.#forget(key)))))
  }

  #forget(key: string): boolean {
    const count = this.#copies.get(key)
    if (count === undefined) return false
    if (count === 1) this.#copies.delete(key)
    else this.#copies.set(key, count - 1)
    return true
  }
}

function newMembership(): Membership {
  return { sockets: new Map(), bound: new Set(), onMain: new Set(), wanted: new Set(), places: new Map() }
}

export function sourceOf(from: RemoteInfo): SocketAddress {
  const percent = from.address.indexOf('%')
  if (percent < 0) return { address: from.address, port: from.port }
  return { address: from.address.slice(0, percent), port: from.port, zone: from.address.slice(percent + 1) }
}

function plain(payload: Uint8Array): Uint8Array {
  return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength)
}

function keyOf(payload: Uint8Array, source: SocketAddress): string {
  return `${source.address} ${source.port} ${payload.length} ${String.fromCharCode(...payload.subarray(0, 64))}`
}
