// A client, a proxy and servers of one group on a network in memory, on a virtual clock. What is on the wire can be read.
import { seededRandom, silentLogger, toHex, utf8, type SocketAddress } from '#main/base/index.ts'
import {
  CoapEndpoint,
  decodeMessage,
  encodeMessage,
  findOption,
  ResourceTree,
  type CoapMessage,
  type CoapOption,
  type CoapParameters,
  type OutgoingResponse,
  type Resource,
} from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryChannel } from '#main/wire/ip/index.ts'
import { createProxy, type GroupProxy, type ProxyOptions } from '#main/services/proxy/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export const C: SocketAddress = { address: '2001:db8::c', port: 5683 }
export const P: SocketAddress = { address: '2001:db8::b', port: 5683 }
export const S1: SocketAddress = { address: '2001:db8::51', port: 5683 }
export const S2: SocketAddress = { address: '2001:db8::52', port: 5683 }
export const G: SocketAddress = { address: 'ff05::1234', port: 5683 }

/** Everything is allowed to the client C. */
export const ALLOW_C = { rules: [{ clients: [{ address: C.address }], servers: 'any', groups: [G] }] } as const

export interface Server {
  readonly endpoint: CoapEndpoint
  readonly channel: MemoryChannel
  /** Requests that came, decoded. */
  readonly inbox: CoapMessage[]
  readonly tree: ResourceTree
}

export interface RawClient {
  readonly inbox: CoapMessage[]
  send(message: Partial<CoapMessage>, to?: SocketAddress): void
  sendBytes(bytes: Uint8Array, to?: SocketAddress): void
}

export interface World {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  readonly proxy: GroupProxy
  readonly proxyEndpoint: CoapEndpoint
  readonly proxyTree: ResourceTree
  /** Requests that reached the proxy. */
  readonly asked: readonly CoapMessage[]
  server(at: SocketAddress, answer: OutgoingResponse | ((request: CoapMessage) => OutgoingResponse) | Resource): Server
  client(at?: SocketAddress, parameters?: Partial<CoapParameters>): CoapEndpoint
  raw(at?: SocketAddress): RawClient
}

export function world(options: Partial<ProxyOptions> = {}, parameters: Partial<CoapParameters> = {}): World {
  const clock = new VirtualClock()
  const random = seededRandom(77)
  const network = new MemoryNetwork({ clock, random })
  const common = { clock, random, logger: silentLogger }
  const quick: Partial<CoapParameters> = { leisureMs: 100, ...parameters }
  const proxyTree = new ResourceTree()
  const endpoints: CoapEndpoint[] = []
  const proxy = createProxy({ ...common, egress: () => endpoints[0], ...options })
  const proxyChannel = network.channel(P)
  const asked: CoapMessage[] = []
  proxyChannel.subscribe((event) => {
    const message = event.kind === 'datagram' ? requestIn(event.datagram.payload) : undefined
    if (message !== undefined) asked.push(message)
  })
  const proxyEndpoint = new CoapEndpoint({
    ...common,
    channel: proxyChannel,
    tree: proxyTree,
    intermediary: proxy,
    parameters: quick,
  })
  endpoints.push(proxyEndpoint)
  return {
    clock,
    network,
    proxy,
    proxyEndpoint,
    proxyTree,
    asked,
    server: (at, answer) => {
      const channel = network.channel(at)
      channel.joinGroup(G.address)
      const inbox: CoapMessage[] = []
      channel.subscribe((event) => {
        if (event.kind !== 'datagram') return
        const message = decodeMessage(event.datagram.payload)
        if (message.code.startsWith('0.')) inbox.push(message)
      })
      const tree = new ResourceTree()
      tree.add('/', isResource(answer) ? { subtree: true, answersGroupRequests: true, ...answer } : answering(answer, inbox))
      return { channel, inbox, tree, endpoint: new CoapEndpoint({ ...common, channel, tree, parameters: quick }) }
    },
    client: (at = C, more = {}) => new CoapEndpoint({ ...common, channel: network.channel(at), parameters: { ...quick, ...more } }),
    raw: (at = C) => {
      const channel = network.channel(at)
      const inbox: CoapMessage[] = []
      channel.subscribe((event) => {
        if (event.kind === 'datagram') inbox.push(decodeMessage(event.datagram.payload))
      })
      return {
        inbox,
        send: (message, to = P) => channel.send(encodeMessage(msg(message)), to),
        sendBytes: (bytes, to = P) => channel.send(bytes, to),
      }
    },
  }
}

/** The message, if it is a request. */
export function requestIn(datagram: Uint8Array): CoapMessage | undefined {
  const message = decodeMessage(datagram)
  return message.code.startsWith('0.') && message.code !== '0.00' ? message : undefined
}

function isResource(answer: unknown): answer is Resource {
  return typeof answer === 'object' && answer !== null && 'handlers' in answer
}

function answering(answer: OutgoingResponse | ((request: CoapMessage) => OutgoingResponse), inbox: readonly CoapMessage[]): Resource {
  const handler = (): OutgoingResponse => {
    const last = inbox.at(-1)
    return typeof answer === 'function' ? answer(last ?? msg({})) : answer
  }
  const handlers = { GET: handler, POST: handler, PUT: handler, DELETE: handler, FETCH: handler }
  return { subtree: true, answersGroupRequests: true, handlers, criticalOptions: [1, 5] }
}

export function msg(parts: Partial<CoapMessage>): CoapMessage {
  return { type: 'CON', code: '0.01', messageId: 0x7d34, token: new Uint8Array(0), options: [], payload: new Uint8Array(0), ...parts }
}

export function content(text: string, ...options: CoapOption[]): OutgoingResponse {
  return { code: '2.05', payload: utf8(text), options }
}

export function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes)
}

export function optionHex(options: readonly CoapOption[] | undefined, number: number): string | undefined {
  const option = findOption(options ?? [], number)
  return option === undefined ? undefined : toHex(option.value)
}

export { utf8 }
