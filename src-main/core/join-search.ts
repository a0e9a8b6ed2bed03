// How the join proxy of this program looks for registrars: by CoAP on every interface and behind dongles, in the site's own directory, by DNS-SD
// (draft-ietf-anima-constrained-join-proxy-20 §5.1, §8.4; RFC 9176 §6).
import { AppError, toAppError, type Clock, type Logger, type Random, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, type CoapClient } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import type { JoinProxySettings } from '#contract/model.ts'
import type { ServiceBrowser } from './dns-sd-browse.ts'
import type { NetworkInterface } from './interfaces.ts'
import type { OpenSearch } from './join-proxy.ts'
import type { SiteNetwork } from './network.ts'

export interface JoinSearchPorts {
  readonly network: Pick<SiteNetwork, 'channels' | 'listening'>
  readonly interfaces: () => readonly NetworkInterface[]
  readonly browser: ServiceBrowser | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** All CoAP Nodes: of the site on a LAN, of the realm in a mesh (draft -20 §5.1.1). */
const SITE_GROUP = 'ff05::fd'
const REALM_GROUP = 'ff03::fd'
const COAP_PORT = 5683
const MOST_INTERFACES = 16

interface OnInterface {
  readonly client: CoapClient
  close(): Promise<void>
}

export async function openRegistrarSearch(by: JoinProxySettings['search'], ports: JoinSearchPorts): Promise<OpenSearch> {
  const { network, clock, random, logger, interfaces, browser } = ports
  const lans = new Map<string, OnInterface>()
  if (by.includes('coap')) {
    const names = new Set(interfaces().flatMap(({ name, family, internal }) => (family === 'IPv6' && !internal ? name : [])))
    // Multicast leaves by one interface a socket, whatever zone its scope has.
    for (const name of [...names].slice(0, MOST_INTERFACES)) {
      try {
        const channel = await openUdpChannel({ id: `join-search:${name}`, bindAddress: '::', port: 0, multicastInterface: name, logger })
        const client = new CoapEndpoint({ channel, clock, random, logger })
        lans.set(name, {
          client,
          async close() {
            client.close()
            await channel.close()
          },
        })
      } catch (thrown) {
        logger.warn({ interface: name, code: toAppError(thrown).code }, 'no registrar can be looked for there')
      }
    }
  }
  const meshes = (): ReturnType<SiteNetwork['channels']> =>
    by.includes('coap') ? network.channels().filter(({ kind, carriesMulticast }) => kind === 'mesh' && carriesMulticast) : []
  /** Groups are told apart by the zone that stands for the way; what is asked of one host goes wherever the system's routes lead. */
  const clientOf = (to: SocketAddress): CoapClient | undefined =>
    lans.get(to.zone ?? '')?.client ??
    meshes().find(({ client }) => client.channelId === to.zone)?.client ??
    [...lans.values()][0]?.client ??
    network.channels().find(({ kind }) => kind === 'system')?.client
  const directory = (): SocketAddress | undefined => {
    const own = network.listening.find(({ scheme, channel }) => scheme === 'coap' && channel === 'udp')
    if (own === undefined) return undefined
    const { address, port } = own
    return { address: address === '::' ? '::1' : address === '0.0.0.0' ? '127.0.0.1' : address, port }
  }
  return {
    search: {
      client: {
        channelId: 'join-search',
        async request(to, request, options) {
          const client = clientOf(to)
          if (client === undefined) throw new AppError('network.down', 'There is no way to the network', { retryable: true })
          return client.request(to, request, options)
        },
        async *groupRequest({ address, port, zone }, request, options) {
          const client = clientOf({ address, port, ...(zone === undefined ? {} : { zone }) })
          if (client !== undefined) yield* client.groupRequest({ address, port }, request, options)
        },
        groupRequestBytes: (request) => [...lans.values()][0]?.client.groupRequestBytes(request) ?? 0,
      },
      get groups() {
        return [
          ...[...lans.keys()].map((zone) => ({ address: SITE_GROUP, port: COAP_PORT, zone })),
          ...meshes().map(({ client }) => ({ address: REALM_GROUP, port: COAP_PORT, zone: client.channelId })),
        ]
      },
      ...(by.includes('directory') ? { directory } : {}),
      ...(by.includes('dns-sd') && browser !== undefined ? { browse: (service, signal) => browser.browse(service, signal) } : {}),
    },
    async close() {
      await Promise.all([...lans.values()].map((each) => each.close()))
    },
  }
}
