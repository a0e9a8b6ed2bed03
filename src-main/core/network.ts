// The site's ways to the network: a channel each, with one CoAP endpoint on it, all serving the same resources.
import { AppError } from '#main/base/index.ts'
import type { Clock, DatagramChannel, Logger, Random, SocketAddress } from '#main/base/index.ts'
import { createProxy } from '#main/services/proxy/index.ts'
import type { ProxyRule } from '#main/services/proxy/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import type { CoapClient, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import type { ListeningAddress, NetworkOptions } from '#contract/model.ts'

/** All CoAP Nodes (RFC 7252 §12.8): where others look for a directory. Link-local and site-local; IPv4. */
const ALL_COAP_NODES = { IPv6: ['ff02::fd', 'ff05::fd'], IPv4: ['224.0.1.187'] }

/** The system's sockets, whatever address and port they have today: devices are remembered by the channel they are reached on. */
const SYSTEM_CHANNEL = 'udp'

export interface NetworkPorts {
  /** Who may have requests forwarded, and where to; nobody unless told (draft-ietf-core-groupcomm-proxy-07 §4). */
  readonly proxyRules: readonly ProxyRule[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface SiteChannel {
  readonly client: CoapClient
  /** The tool's own address there. */
  readonly local: SocketAddress
}

export interface SiteNetwork {
  readonly listening: readonly ListeningAddress[]
  channels(): readonly SiteChannel[]
  client(channelId: string): CoapClient | undefined
  /** Serves the resources on one more channel and owns it from now on. */
  attach(channel: DatagramChannel): void
  /** Opens a system socket. Throws `network.address-in-use`, `network.bind-failed`. */
  listen(options: NetworkOptions): Promise<void>
  close(): Promise<void>
}

export function createNetwork(tree: ResourceTree, { clock, random, logger, proxyRules }: NetworkPorts): SiteNetwork {
  const endpoints = new Map<string, { readonly endpoint: CoapEndpoint; readonly channel: DatagramChannel }>()

  const proxy = createProxy({
    // A site has one way to its devices; what listens beside it is this machine's own.
    egress: (to) => endpoints.get(isLoopback(to.address) ? SYSTEM_CHANNEL : ([...endpoints.keys()][0] ?? SYSTEM_CHANNEL))?.endpoint,
    clock,
    random,
    logger,
    policy: { rules: proxyRules },
  })
  const attach = (channel: DatagramChannel): void => {
    endpoints.set(channel.id, { channel, endpoint: new CoapEndpoint({ channel, tree, clock, random, logger, intermediary: proxy }) })
  }
  return {
    get listening() {
      return [...endpoints.values()].map(({ channel }) => ({
        scheme: 'coap' as const,
        address: channel.local.address,
        port: channel.local.port,
        channel: channel.id,
      }))
    },
    channels: () => [...endpoints.values()].map(({ endpoint, channel }) => ({ client: endpoint, local: channel.local })),
    client: (channelId) => endpoints.get(channelId)?.endpoint,
    attach,
    async listen({ bindAddress, coapPort }) {
      const channel = await openUdpChannel({ id: SYSTEM_CHANNEL, bindAddress, port: coapPort, logger })
      if (!isLoopback(bindAddress)) {
        for (const group of ALL_COAP_NODES[bindAddress.includes(':') ? 'IPv6' : 'IPv4']) channel.joinGroup(group)
      }
      attach(channel)
    },
    async close() {
      const open = [...endpoints.values()]
      endpoints.clear()
      await Promise.all(
        open.map(async ({ endpoint, channel }) => {
          endpoint.close()
          await channel.close()
        }),
      )
    },
  }
}

/** Opens the preferred address; where the port is taken, any other: what listens is shown, so that nobody is misled. */
export async function listenSomewhere(network: SiteNetwork, options: NetworkOptions): Promise<void> {
  try {
    await network.listen(options)
  } catch (thrown) {
    if (!(thrown instanceof AppError && thrown.code === 'network.address-in-use')) throw thrown
    await network.listen({ ...options, coapPort: 0 })
  }
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
