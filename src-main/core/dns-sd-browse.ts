// Looks for services on the links of this machine by multicast DNS, through `bonjour-service` (RFC 6762 §5.1, RFC 6763 §4).
import { isMulticastAddress, toAppError, type Clock, type Logger, type SocketAddress } from '#main/base/index.ts'
import { isLinkLocalAddress, normaliseAddress } from '#main/wire/ip/index.ts'
import { MDNS_GROUPS, MDNS_PORT, openMdnsSocket, withoutOwnAnswers, type AnnouncedPlace } from './dns-sd.ts'
import type { NetworkInterface } from './interfaces.ts'

/** Port: whoever looks for services. */
export interface ServiceBrowser {
  /** Where the instances of `_<service>._udp` are, one address each. Fails only with what the signal says. */
  browse(service: string, signal: AbortSignal): Promise<readonly SocketAddress[]>
}

export interface ServiceBrowserPorts {
  readonly interfaces: () => readonly NetworkInterface[]
  readonly clock: Clock
  readonly logger: Logger
  /** Answers come within so long; the question is asked again at half of it. */
  readonly waitMs?: number
}

/** Responders wait up to 120 ms, and one datagram may get lost (RFC 6762 §6). */
const WAIT_MS = 3000
const MOST_SERVICES = 64
const MOST_PLACES = 16

export function createServiceBrowser({ interfaces, clock, logger, waitMs = WAIT_MS }: ServiceBrowserPorts): ServiceBrowser {
  const pause = (delayMs: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const timer = clock.setTimer(delayMs, resolve)
      signal.addEventListener('abort', () => {
        timer.cancel()
        resolve()
      })
    })
  const browseAt = async (place: AnnouncedPlace, service: string, signal: AbortSignal): Promise<readonly SocketAddress[]> => {
    const socket = await openMdnsSocket(place)
    const { Bonjour } = await import('bonjour-service')
    const options = {
      port: MDNS_PORT,
      ip: MDNS_GROUPS[place.family],
      socket: withoutOwnAnswers(socket),
      bind: false,
      multicast: false,
    }
    const responder = new Bonjour(options, (error: unknown) => logger.warn({ error }, 'an mDNS question could not be sent'))
    const browser = responder.find({ type: service, protocol: 'udp' })
    try {
      await pause(waitMs / 2, signal)
      if (!signal.aborted) browser.update()
      await pause(waitMs / 2, signal)
      return browser.services
        .slice(0, MOST_SERVICES)
        .flatMap(({ addresses = [], port }) => bestOf(addresses, port, place.interfaceName) ?? [])
    } finally {
      browser.stop()
      await new Promise<void>((resolve) => responder.destroy(() => resolve()))
    }
  }
  return {
    async browse(service, signal) {
      const found = await Promise.all(
        placesOf(interfaces()).map((place) =>
          browseAt(place, service, signal).catch((thrown: unknown) => {
            logger.info({ interface: place.interfaceName, code: toAppError(thrown).code }, 'services cannot be looked for there')
            return []
          }),
        ),
      )
      signal.throwIfAborted()
      return found.flat()
    },
  }
}

function placesOf(interfaces: readonly NetworkInterface[]): readonly AnnouncedPlace[] {
  const places = new Map<string, AnnouncedPlace>()
  for (const { name, address, family, internal } of interfaces) {
    if (internal) continue
    const key = `${family} ${name}`
    const bare = address.split('%')[0] ?? address
    places.set(key, { interfaceName: name, family, addresses: [...(places.get(key)?.addresses ?? []), bare] })
  }
  return [...places.values()].slice(0, MOST_PLACES)
}

/** What strangers say is checked: a routable address of IPv6 first, one of the link last. */
function bestOf(addresses: readonly string[], port: number, zone: string): SocketAddress | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  const known = addresses.flatMap((text) => normaliseAddress(text) ?? []).filter((address) => !isMulticastAddress(address))
  const routable = known.filter((address) => !isLinkLocalAddress(address))
  const best = routable.find((address) => address.includes(':')) ?? routable[0] ?? known[0]
  if (best === undefined) return undefined
  return isLinkLocalAddress(best) && best.includes(':') ? { address: best, port, zone } : { address: best, port }
}
