// Links, a routed network, a registrar with its join port and its coaps port, join proxies and pledges, on a clock that stands still.
import {
  seededRandom,
  silentLogger,
  utf8,
  utf8ToText,
  type ChannelEvent,
  type Clock,
  type Datagram,
  type DatagramChannel,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  createJoinPort,
  createJoinProxy,
  type JoinPort,
  type JoinPortEvent,
  type JoinPortOptions,
  type JoinProxy,
  type StatefulOptions,
  type StatelessOptions,
} from '#main/services/join/index.ts'
import { CoapEndpoint, ResourceTree, type IncomingRequest } from '#main/wire/coap/index.ts'
import { createDtlsChannel, type DtlsChannel, type DtlsChannelOptions, type DtlsServerSettings } from '#main/wire/dtls/index.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '#main/wire/ip/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { certificateCredential, judge } from '../../wire/dtls/pki.ts'

export const REGISTRAR: SocketAddress = { address: '2001:db8::1', port: 7634 }
export const COAPS: SocketAddress = { address: '2001:db8::1', port: 5684 }
export const JOIN_PORT: SocketAddress = { address: 'fe80::1', port: 8485 }

export const byCertificate = { credential: certificateCredential('client'), verifyPeer: judge } as const
export const registrarSettings: DtlsServerSettings = {
  credential: certificateCredential('server'),
  clientCertificates: 'required',
  verifyPeer: judge,
}

export interface Common {
  readonly clock: Clock
  readonly random: Random
  readonly logger: typeof silentLogger
}

export interface Registrar {
  readonly port: JoinPort
  readonly coaps: DtlsChannel
  readonly requests: IncomingRequest[]
  readonly events: JoinPortEvent[]
}

export interface World {
  readonly clock: VirtualClock
  readonly common: Common
  readonly link: MemoryNetwork
  readonly routed: MemoryNetwork
}

export function world(network: Partial<MemoryNetworkOptions> = {}, seed = 20, routed: Partial<MemoryNetworkOptions> = network): World {
  const clock = new VirtualClock()
  const make = (options: Partial<MemoryNetworkOptions>, offset: number): MemoryNetwork =>
    new MemoryNetwork({ clock, random: seededRandom(seed + offset), maxInFlight: 100_000, ...options })
  return {
    clock,
    common: { clock, random: seededRandom(seed), logger: silentLogger },
    link: make(network, 1),
    routed: make(routed, 2),
  }
}

/** Both ways in serve one tree: `/echo` gives back what it gets, `/big` has 3000 bytes. */
export function registrar({ common, routed }: World, options: Partial<JoinPortOptions> = {}): Registrar {
  const requests: IncomingRequest[] = []
  const events: JoinPortEvent[] = []
  const tree = new ResourceTree()
  tree.add('/echo', {
    protection: 'required',
    handlers: {
      POST: (request) => {
        requests.push(request)
        return { code: '2.04', payload: request.payload }
      },
    },
  })
  tree.add('/big', { protection: 'required', handlers: { GET: () => ({ code: '2.05', payload: new Uint8Array(3000).fill(0x61) }) } })
  const port = createJoinPort({
    ...common,
    channel: routed.channel(REGISTRAR),
    server: registrarSettings,
    onEvent: (event) => events.push(event),
    ...options,
  })
  const coaps = createDtlsChannel({ ...common, channel: routed.channel(COAPS), server: options.server ?? registrarSettings })
  for (const channel of [port, coaps]) new CoapEndpoint({ ...common, channel, tree })
  return { port, coaps, requests, events }
}

export function stateless(of: World, options: Partial<StatelessOptions> = {}, at = JOIN_PORT, address = '2001:db8::2'): JoinProxy {
  return createJoinProxy({
    ...of.common,
    mode: 'stateless',
    pledges: options.pledges ?? of.link.channel(at),
    uplink: options.uplink ?? of.routed.channel({ address, port: 0 }),
    registrar: () => REGISTRAR,
    ...options,
  })
}

export function stateful(of: World, options: Partial<StatefulOptions> = {}, at = JOIN_PORT, address = '2001:db8::2'): JoinProxy {
  return createJoinProxy({
    ...of.common,
    mode: 'stateful',
    pledges: options.pledges ?? of.link.channel(at),
    openUplink: () => Promise.resolve(of.routed.channel({ address, port: 0 })),
    registrar: () => COAPS,
    ...options,
  })
}

export interface Pledge {
  readonly dtls: DtlsChannel
  readonly coap: CoapEndpoint
  /** Posts the text and gives what came back. */
  say(text: string, to?: SocketAddress): Promise<string>
}

export function pledge({ common, link }: World, number: number, options: Partial<DtlsChannelOptions> = {}): Pledge {
  const channel = link.channel({ address: pledgeAddress(number), port: 40_000 })
  const random = seededRandom(1000 + number)
  const dtls = createDtlsChannel({ ...common, random, channel, client: byCertificate, ...options })
  const coap = new CoapEndpoint({ ...common, random, channel: dtls })
  return {
    dtls,
    coap,
    say: async (text, to = JOIN_PORT) => {
      const response = await coap.request(to, { method: 'POST', path: ['echo'], payload: utf8(text) })
      return `${response.code} ${utf8ToText(response.payload) ?? '?'}`
    },
  }
}

export function pledgeAddress(number: number): string {
  return `fe80::1:${number.toString(16)}`
}

/** What a bare channel heard. */
export function hearing(channel: DatagramChannel): Datagram[] {
  const heard: Datagram[] = []
  channel.subscribe((event) => {
    if (event.kind === 'datagram') heard.push(event.datagram)
  })
  return heard
}

/** One channel on several links, as a socket that is bound to no address: zones tell them apart. */
export function multiHomed(links: Readonly<Record<string, DatagramChannel>>, local: SocketAddress): DatagramChannel {
  const listeners = new Set<(event: ChannelEvent) => void>()
  for (const [zone, channel] of Object.entries(links))
    channel.subscribe((event) => {
      const told: ChannelEvent =
        event.kind === 'datagram'
          ? { kind: 'datagram', datagram: { ...event.datagram, source: { ...event.datagram.source, zone } } }
          : event
      for (const listener of listeners) listener(told)
    })
  return {
    id: 'several links',
    local,
    maxPayloadBytes: 1232,
    send: (payload, to) => links[to.zone ?? '']?.send(payload, to),
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    joinGroup: () => undefined,
    leaveGroup: () => undefined,
    counters: () => ({ sent: 0, received: 0, sendErrors: 0, dropped: 0 }),
    close: () => Promise.resolve(),
  }
}
