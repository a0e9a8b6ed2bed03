// Multicast DNS through `bonjour-service`: announces one service on one interface and takes it back with a goodbye (RFC 6762, RFC 6763).
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { AppError } from '#main/base/index.ts'
import type { Clock, Logger } from '#main/base/index.ts'
import { systemInterfaces } from './interfaces.ts'

export interface AnnouncedService {
  /** What people see; unique among those of its type on the link. */
  readonly instance: string
  /** Without the underscore, e.g. `core-rd`. */
  readonly type: string
  /** A host name of its own under `.local`, so that it meddles with no other responder's. */
  readonly host: string
  readonly port: number
  readonly text: Readonly<Record<string, string>>
}

/** One interface in one family, and the addresses there that the service is reached at. */
export interface AnnouncedPlace {
  readonly interfaceName: string
  readonly family: 'IPv4' | 'IPv6'
  readonly addresses: readonly string[]
}

/** Port: whoever announces on the link. */
export interface DnsSd {
  /** Resolves once the service is announced; throws `dns-sd.unavailable`. The result takes it back. */
  announce(service: AnnouncedService, place: AnnouncedPlace): Promise<() => Promise<void>>
}

export const MDNS_PORT = 5353
export const MDNS_GROUPS = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' }
/** Three probes 250 ms apart after a random wait (RFC 6762 §8.1), with room for a busy machine. */
const ANNOUNCED_WITHIN_MS = 4000
const GOODBYE_WITHIN_MS = 1000

export function createDnsSd({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }): DnsSd {
  return {
    async announce(service, place) {
      const socket = await openMdnsSocket(place)
      // Loaded by those who advertise alone.
      const { Bonjour } = await import('bonjour-service')
      // The socket is ours, open and joined already: what the library would only throw into the air is told by its name above.
      const options = { port: MDNS_PORT, ip: MDNS_GROUPS[place.family], socket: withoutOwnAnswers(socket), bind: false, multicast: false }
      const responder = new Bonjour(options, (error: unknown) => logger.warn({ error }, 'an mDNS answer could not be sent'))
      const published = responder.publish({
        name: service.instance,
        type: service.type,
        protocol: 'udp',
        port: service.port,
        host: service.host,
        txt: service.text,
      })
      const records = published.records.bind(published)
      // The library names every address of the machine; only those where the service listens are true.
      published.records = () => [
        ...records().filter(({ type }) => type !== 'A' && type !== 'AAAA'),
        ...place.addresses.map((data) => ({
          name: service.host,
          type: place.family === 'IPv4' ? ('A' as const) : ('AAAA' as const),
          ttl: 120,
          data,
        })),
      ]
      const end = (): Promise<void> => new Promise((resolve) => responder.destroy(() => resolve()))
      const isUp = await within(clock, ANNOUNCED_WITHIN_MS, (done) => published.once('up', done))
      if (!isUp) {
        await end()
        throw unavailable('The service could not be announced; its name may be taken', place)
      }
      return async () => {
        await within(clock, GOODBYE_WITHIN_MS, (done) => responder.unpublishAll(done))
        await end()
      }
    },
  }
}

/**
 * What the library needs of a socket, deaf to answers from this machine: all sockets at the port hear what comes on any interface, and the
 * answers of one of our responders are no proof to the next that its name is taken.
 */
export function withoutOwnAnswers(socket: Socket): object {
  const own = new Set(systemInterfaces().map(({ address }) => address))
  const heard = new EventEmitter()
  socket.on('message', (bytes, from) => {
    // The first bit of the flags tells a response (RFC 1035 §4.1.1).
    const isResponse = ((bytes[2] ?? 0) & 0x80) !== 0
    if (!(isResponse && own.has(from.address))) heard.emit('message', bytes, from)
  })
  return Object.assign(heard, { send: socket.send.bind(socket), close: socket.close.bind(socket) })
}

/** Whether the callback came in time. */
function within(clock: Clock, delayMs: number, start: (done: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(delayMs, () => resolve(false))
    start(() => {
      timer.cancel()
      resolve(true)
    })
  })
}

/** Throws `dns-sd.unavailable` where port 5353 cannot be shared or the interface takes no multicast. */
export function openMdnsSocket(place: AnnouncedPlace): Promise<Socket> {
  const { family, interfaceName, addresses } = place
  const socket = createSocket({ type: family === 'IPv4' ? 'udp4' : 'udp6', reuseAddr: true, ipv6Only: family === 'IPv6' })
  const on = family === 'IPv4' ? (addresses[0] ?? '') : `::%${interfaceName}`
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown): void => {
      socket.close()
      reject(unavailable(cause instanceof Error ? cause.message : String(cause), place, cause))
    }
    socket.once('error', refuse)
    socket.bind(MDNS_PORT, () => {
      socket.removeListener('error', refuse)
      // What goes wrong later goes to the callbacks of what was sent.
      socket.on('error', () => undefined)
      try {
        socket.addMembership(MDNS_GROUPS[family], on)
        socket.setMulticastInterface(on)
        socket.setMulticastTTL(255)
        socket.setMulticastLoopback(true)
        resolve(socket)
      } catch (cause) {
        refuse(cause)
      }
    })
  })
}

function unavailable(message: string, { interfaceName, family }: AnnouncedPlace, cause?: unknown): AppError {
  return new AppError('dns-sd.unavailable', message, {
    retryable: true,
    details: { interface: interfaceName, family },
    ...(cause === undefined ? {} : { cause }),
  })
}
