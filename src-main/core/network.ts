// The site's ways to the network: a channel each, with one CoAP endpoint on it, all serving the same resources.
import { AppError, toAppError } from '#main/base/index.ts'
import type { Clock, DatagramChannel, Logger, PeerIdentity, Random, SocketAddress } from '#main/base/index.ts'
import { createProxy } from '#main/services/proxy/index.ts'
import type { ProxyRule } from '#main/services/proxy/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import type { CoapClient, IncomingRequest, MessageSecurity, ObservingClient, ResourceTree, TraceEvent } from '#main/wire/coap/index.ts'
import type { DtlsSession } from '#main/wire/dtls/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { budgeted } from './channel-budget.ts'
import { JoinPlace } from './network-join.ts'
import { besideOf, SecuredPlace, type Guard, type SecuredListening } from './network-secured.ts'
import type { ListeningAddress, NetworkOptions } from '#contract/model.ts'

/** All CoAP Nodes (RFC 7252 §12.8): where others look for a directory. Link-local and site-local; IPv4. */
const ALL_COAP_NODES = { IPv6: ['ff02::fd', 'ff05::fd'], IPv4: ['224.0.1.187'] }

/** The system's sockets, whatever address and port they have today: devices are remembered by the channel they are reached on. */
const SYSTEM_CHANNEL = 'udp'

/** Measured on the modelled radio with 200 devices: more at once is slower. */
const MESH_BUDGET = { requestsAtOnce: 4, besideGroupRequests: 2 }

/** Of CoAP over DTLS (RFC 7252 §12.7). */
const COAPS_PORT = 5684
/** None is registered: it is told to join proxies (draft-ietf-anima-constrained-join-proxy-20 §4.5.1). */
const JOIN_PORT = 5685
const LAST_PORT = 65_535

type PortUse = 'coaps' | 'join'

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
  /** Observes resources there. */
  readonly observer: ObservingClient
  /** The tool's own address there. */
  readonly local: SocketAddress
  /** `mesh`: behind a dongle. */
  readonly kind: 'system' | 'mesh'
  readonly carriesMulticast: boolean
  /** Opens another port on the same link; absent for the system's sockets. */
  readonly openPort?: (port: number, id: string) => DatagramChannel
}

/** What is known of the link below a channel. */
export interface ChannelWay {
  isUp(): boolean
  carriesMulticast(): boolean
  /** Whether this is the way to the address. */
  reaches(address: string): boolean
  /** Opens another port on the same link and address. */
  readonly openPort?: (port: number, id: string) => DatagramChannel
}

export interface SiteNetwork {
  readonly listening: readonly ListeningAddress[]
  channels(): readonly SiteChannel[]
  /** Also of a secured channel, by its name. */
  client(channelId: string): CoapClient | undefined
  /** Serves and asks over DTLS too, beside each channel there is or will be; undefined ends that. What does not come up is told by `secured`. */
  secure(guard: Guard | undefined): Promise<void>
  secured(): readonly SecuredListening[]
  /** The DTLS session that carried a request; undefined where none did, or it is over. */
  sessionOf(request: Pick<IncomingRequest, 'channelId' | 'source'>): DtlsSession | undefined
  /** Ends that session. */
  hangUp(request: Pick<IncomingRequest, 'channelId' | 'source'>): void
  /** Ends the DTLS sessions of those who are not to be believed any more. */
  endSessions(isRefused: (identity: PeerIdentity) => boolean): void
  /** Serves the resources on one more channel and owns it from now on. */
  attach(channel: DatagramChannel, way?: ChannelWay): void
  /** Closes a channel that was attached. */
  detach(channelId: string): Promise<void>
  /** A port from which that address can be reached: behind the dongle that leads there, else the system's. */
  openTowards(to: SocketAddress, id: string): Promise<DatagramChannel>
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
  readonly openPort: ((use: PortUse, id: string) => DatagramChannel | Promise<DatagramChannel>) | undefined
  secured: SecuredPlace | undefined
  join: JoinPlace | undefined
  securedFailure: AppError | undefined
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
  let guard: Guard | undefined
  const serve = (channel: DatagramChannel): CoapEndpoint => {
    const trace = onTrace === undefined ? {} : { onTrace: (event: TraceEvent) => onTrace(channel.id, event) }
    return new CoapEndpoint({
      channel,
      tree,
      clock,
      random,
      logger,
      intermediary: proxy,
      ...(security === undefined ? {} : { security }),
      ...trace,
    })
  }
  const bounded = (endpoint: CoapEndpoint, way: ChannelWay | undefined): CoapClient =>
    way === undefined ? endpoint : budgeted(endpoint, MESH_BUDGET)
  const place = (channel: DatagramChannel, way: ChannelWay | undefined, openPort: Place['openPort']): Place => {
    const endpoint = serve(channel)
    const made: Place = {
      channel,
      endpoint,
      client: bounded(endpoint, way),
      way,
      openPort,
      secured: undefined,
      join: undefined,
      securedFailure: undefined,
    }
    endpoints.set(channel.id, made)
    return made
  }
  /** A further port of the place; undefined where it is not wanted any more when it is open. */
  const openBeside = async (at: Place, use: PortUse, wanted: Guard): Promise<DatagramChannel | undefined> => {
    const channel = await at.openPort?.(use, `${at.channel.id}:${use}`)
    if (guard === wanted && endpoints.get(at.channel.id) === at && !has(at, use)) return channel
    await channel?.close()
    return undefined
  }
  /** The site works without it: what fails is kept to be told. */
  const openSecured = async (at: Place): Promise<void> => {
    const wanted = guard
    if (wanted === undefined || at.secured !== undefined) return
    const kind = at.way === undefined ? 'system' : 'mesh'
    const shared = { kind, serve, clock, random, logger } as const
    try {
      const channel = await openBeside(at, 'coaps', wanted)
      if (channel === undefined) return
      at.secured = new SecuredPlace({
        ...shared,
        channel,
        guard: wanted,
        bounded: (endpoint) => bounded(endpoint, at.way),
        plain: at.client,
      })
      const joining = wanted.join === undefined ? undefined : await openBeside(at, 'join', wanted)
      if (joining === undefined || wanted.join === undefined) return
      at.join = new JoinPlace({ ...shared, channel: joining, channelId: at.channel.id, door: wanted.join })
      at.securedFailure = undefined
    } catch (thrown) {
      at.securedFailure = toAppError(thrown)
      logger.warn({ channel: at.channel.id, code: at.securedFailure.code }, 'there is no port for CoAP over DTLS')
    }
  }
  const closeSecured = async (at: Place): Promise<void> => {
    const { secured, join } = at
    at.secured = undefined
    at.join = undefined
    at.securedFailure = undefined
    await join?.close()
    await secured?.close()
  }
  const sessionsOf = (channelId: string): SecuredPlace | JoinPlace | undefined => {
    for (const { secured, join } of endpoints.values()) {
      if (secured?.client.channelId === channelId) return secured
      if (join?.id === channelId) return join
    }
    return undefined
  }
  const attach = (channel: DatagramChannel, way?: ChannelWay): void => {
    const openPort = way?.openPort
    const made = place(
      channel,
      way,
      openPort === undefined ? undefined : (use, id) => openPort(use === 'join' ? JOIN_PORT : COAPS_PORT, id),
    )
    void openSecured(made)
  }
  const listen = async ({ bindAddress, coapPort, coapsPort }: NetworkOptions): Promise<void> => {
    const channel = await openUdpChannel({ id: SYSTEM_CHANNEL, bindAddress, port: coapPort, logger })
    const securePort = coapsPort ?? after(coapPort)
    const ports = { coaps: securePort, join: after(securePort) }
    if (!isLoopback(bindAddress)) {
      for (const group of ALL_COAP_NODES[bindAddress.includes(':') ? 'IPv6' : 'IPv4']) channel.joinGroup(group)
    }
    await openSecured(place(channel, undefined, (use, id) => openUdpChannel({ id, bindAddress, port: ports[use], logger })))
  }
  const closePlace = async (at: Place): Promise<void> => {
    at.endpoint.close()
    await closeSecured(at)
    await at.channel.close()
  }
  const detach = async (channelId: string): Promise<NetworkOptions | undefined> => {
    const place = endpoints.get(channelId)
    if (place === undefined) return undefined
    const { address, port, zone } = place.channel.local
    const coapsPort = place.secured?.local.port
    endpoints.delete(channelId)
    await closePlace(place)
    return {
      bindAddress: zone === undefined ? address : `${address}%${zone}`,
      coapPort: port,
      ...(coapsPort === undefined ? {} : { coapsPort }),
    }
  }
  const listenAgain = async (options: NetworkOptions): Promise<void> => {
    try {
      await listen(options)
    } catch (thrown) {
      // What is asked for is why this was tried at all; that nothing listens now is seen by what does.
      logger.error({ code: toAppError(thrown).code }, 'the address that was left could not be taken again')
    }
  }
  return {
    get listening() {
      const up = upNow()
      return [
        ...up.map(({ channel: { local, id } }) => ({ scheme: 'coap' as const, address: local.address, port: local.port, channel: id })),
        ...up.flatMap(({ secured }) =>
          secured === undefined
            ? []
            : { scheme: 'coaps' as const, address: secured.local.address, port: secured.local.port, channel: secured.client.channelId },
        ),
        ...up.flatMap(({ join }) =>
          join === undefined ? [] : { scheme: 'jpy' as const, address: join.local.address, port: join.local.port, channel: join.id },
        ),
      ]
    },
    channels: () =>
      upNow().map(({ client, endpoint, channel, way }) => ({
        client,
        observer: endpoint,
        local: channel.local,
        kind: way === undefined ? ('system' as const) : ('mesh' as const),
        carriesMulticast: way?.carriesMulticast() ?? true,
        ...(way?.openPort === undefined ? {} : { openPort: way.openPort }),
      })),
    client(channelId) {
      const beside = besideOf(channelId)
      return beside === undefined ? endpoints.get(channelId)?.client : endpoints.get(beside)?.secured?.client
    },
    async secure(next) {
      if (next === guard) return
      guard = next
      await Promise.all([...endpoints.values()].map((at) => closeSecured(at)))
      await Promise.all([...endpoints.values()].map((at) => openSecured(at)))
    },
    secured: () =>
      guard === undefined
        ? []
        : upNow().map(({ channel, secured, securedFailure }) => ({
            channelId: channel.id,
            local: secured?.local,
            failure: securedFailure,
          })),
    sessionOf: ({ channelId, source }) => sessionsOf(channelId)?.sessionWith(source),
    hangUp: ({ channelId, source }) => sessionsOf(channelId)?.disconnect(source),
    endSessions(isRefused) {
      for (const { secured } of endpoints.values()) secured?.end(isRefused)
    },
    attach,
    async openTowards({ address }, id) {
      const behind = isLoopback(address) ? undefined : upNow().find(({ way }) => way?.reaches(address) === true)?.way
      if (behind?.openPort !== undefined) return behind.openPort(0, id)
      return openUdpChannel({ id, bindAddress: address.includes(':') ? '::' : '0.0.0.0', port: 0, logger })
    },
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
      await Promise.all(open.map((at) => closePlace(at)))
    },
  }
}

function has({ secured, join }: Place, use: PortUse): boolean {
  return (use === 'join' ? join : secured) !== undefined
}

/** The port behind another one; any where that one may be any. */
function after(port: number): number {
  return port === 0 || port === LAST_PORT ? 0 : port + 1
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
