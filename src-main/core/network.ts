// The site's ways to the network: a channel each, with one CoAP endpoint on it, all serving the same resources.
import { AppError, toAppError } from '#main/base/index.ts'
import type { Clock, DatagramChannel, Logger, Random, SocketAddress } from '#main/base/index.ts'
import { createProxy } from '#main/services/proxy/index.ts'
import type { ProxyRule } from '#main/services/proxy/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import type { CoapClient, MessageSecurity, ResourceTree, TraceEvent } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { budgeted } from './channel-budget.ts'
import type { ListeningAddress, NetworkOptions } from '#contract/model.ts'

/** All CoAP Nodes (RFC 7252 §12.8): where others look for a directory. Link-local and site-local; IPv4. */
const ALL_COAP_NODES = { IPv6: ['ff02::fd', 'ff05::fd'], IPv4: ['224.0.1.187'] }

/** The system's sockets, whatever address and port they have today: devices are remembered by the channel they are reached on. */
const SYSTEM_CHANNEL = 'udp'

/** Measured on the modelled radio with 200 devices: more at once is slower. */
const MESH_BUDGET = { requestsAtOnce: 4, besideGroupRequests: 2 }

export interface NetworkPorts {
  /** Who may have requests forwarded, and where to; nobody unless told (draft-ietf-core-groupcomm-proxy-07 §4). */
  readonly proxyRules: readonly ProxyRule[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Told of every CoAP message. */
  readonly onTrace?: (channelId: string, event: TraceEvent) => void
  /** Opens protected requests (OSCORE, Group OSCORE). */
  readonly security?: MessageSecurity
}

export interface SiteChannel {
  readonly client: CoapClient
  /** The tool's own address there. */
  readonly local: SocketAddress
  /** `mesh`: behind a dongle. */
  readonly kind: 'system' | 'mesh'
  readonly carriesMulticast: boolean
}

/** What is known of the link below a channel. */
export interface ChannelWay {
  isUp(): boolean
  carriesMulticast(): boolean
  /** Whether this is the way to the address. */
  reaches(address: string): boolean
}

export interface SiteNetwork {
  readonly listening: readonly ListeningAddress[]
  channels(): readonly SiteChannel[]
  client(channelId: string): CoapClient | undefined
  /** Serves the resources on one more channel and owns it from now on. */
  attach(channel: DatagramChannel, way?: ChannelWay): void
  /** Closes a channel that was attached. */
  detach(channelId: string): Promise<void>
  /** Opens a system socket. Throws `network.address-in-use`, `network.bind-failed`. */
  listen(options: NetworkOptions): Promise<void>
  /** Moves the system socket. Where that fails it throws as `listen` does, and what listened before listens again. */
  moveTo(options: NetworkOptions): Promise<void>
  close(): Promise<void>
}

interface Place {
  readonly endpoint: CoapEndpoint
  /** What sends on it: behind a dongle only so much at once. */
  readonly client: CoapClient
  readonly channel: DatagramChannel
  /** Undefined for the system's sockets, which are always up. */
  readonly way: ChannelWay | undefined
}

export function createNetwork(tree: ResourceTree, { clock, random, logger, proxyRules, onTrace, security }: NetworkPorts): SiteNetwork {
  const endpoints = new Map<string, Place>()
  const upNow = (): readonly Place[] => [...endpoints.values()].filter(({ way }) => way?.isUp() !== false)

  const proxy = createProxy({
    egress: (to) => {
      // Behind a dongle, or this machine's own, or wherever the site's first way leads.
      const behind = isLoopback(to.address) ? undefined : upNow().find(({ way }) => way?.reaches(to.address) === true)
      return (behind ?? endpoints.get(SYSTEM_CHANNEL) ?? [...endpoints.values()][0])?.endpoint
    },
    clock,
    random,
    logger,
    policy: { rules: proxyRules },
  })
  const attach = (channel: DatagramChannel, way?: ChannelWay): void => {
    const trace = onTrace === undefined ? {} : { onTrace: (event: TraceEvent) => onTrace(channel.id, event) }
    const endpoint = new CoapEndpoint({
      channel,
      tree,
      clock,
      random,
      logger,
      intermediary: proxy,
      ...(security === undefined ? {} : { security }),
      ...trace,
    })
    endpoints.set(channel.id, { channel, endpoint, client: way === undefined ? endpoint : budgeted(endpoint, MESH_BUDGET), way })
  }
  const listen = async ({ bindAddress, coapPort }: NetworkOptions): Promise<void> => {
    const channel = await openUdpChannel({ id: SYSTEM_CHANNEL, bindAddress, port: coapPort, logger })
    if (!isLoopback(bindAddress)) {
      for (const group of ALL_COAP_NODES[bindAddress.includes(':') ? 'IPv6' : 'IPv4']) channel.joinGroup(group)
    }
    attach(channel)
  }
  const detach = async (channelId: string): Promise<SocketAddress | undefined> => {
    const place = endpoints.get(channelId)
    if (place === undefined) return undefined
    const { local } = place.channel
    endpoints.delete(channelId)
    place.endpoint.close()
    await place.channel.close()
    return local
  }
  const listenAgain = async ({ address, port, zone }: SocketAddress): Promise<void> => {
    try {
      await listen({ bindAddress: zone === undefined ? address : `${address}%${zone}`, coapPort: port })
    } catch (thrown) {
      // What is asked for is why this was tried at all; that nothing listens now is seen by what does.
      logger.error({ code: toAppError(thrown).code }, 'the address that was left could not be taken again')
    }
  }
  return {
    get listening() {
      return upNow().map(({ channel }) => ({
        scheme: 'coap' as const,
        address: channel.local.address,
        port: channel.local.port,
        channel: channel.id,
      }))
    },
    channels: () =>
      upNow().map(({ client, channel, way }) => ({
        client,
        local: channel.local,
        kind: way === undefined ? ('system' as const) : ('mesh' as const),
        carriesMulticast: way?.carriesMulticast() ?? true,
      })),
    client: (channelId) => endpoints.get(channelId)?.client,
    attach,
    async detach(channelId) {
      await detach(channelId)
    },
    listen,
    async moveTo(options) {
      // An unspecified address and one of its own cannot share a port: the old socket goes first.
      const before = await detach(SYSTEM_CHANNEL)
      try {
        await listen(options)
      } catch (thrown) {
        if (before !== undefined) await listenAgain(before)
        throw thrown
      }
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
