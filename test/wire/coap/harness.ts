// Two places on a network in memory, on a virtual clock: an endpoint of ours, and a raw peer whose every message the test writes.
import { seededRandom, silentLogger, utf8, type Random, type SocketAddress } from '#main/base/index.ts'
import {
  CoapEndpoint,
  decodeMessage,
  encodeMessage,
  ResourceTree,
  stringOption,
  type CoapMessage,
  type CoapOption,
  type CoapParameters,
  type TraceEvent,
} from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryChannel, type MemoryNetworkOptions } from '#main/wire/ip/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export interface RawPeer {
  readonly at: SocketAddress
  readonly channel: MemoryChannel
  /** Messages that came, in order; `take` empties it. */
  readonly inbox: Array<{ readonly message: CoapMessage; readonly atMs: number; readonly bytes: Uint8Array }>
  readonly take: () => CoapMessage[]
  readonly send: (message: Partial<CoapMessage>) => void
  readonly sendBytes: (bytes: Uint8Array) => void
}

export interface Bench {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  readonly random: Random
  readonly tree: ResourceTree
  readonly channel: MemoryChannel
  readonly endpoint: CoapEndpoint
  readonly traces: TraceEvent[]
  readonly peer: (address?: string, port?: number) => RawPeer
  readonly another: (address: string, options?: { tree?: ResourceTree; parameters?: Partial<CoapParameters> }) => CoapEndpoint
  readonly channelAt: (address: string, port?: number) => MemoryChannel
}

export const OURS: SocketAddress = { address: '2001:db8::1', port: 5683 }
export const THEIRS: SocketAddress = { address: '2001:db8::2', port: 5683 }

export function bench(parameters: Partial<CoapParameters> = {}, network: Partial<MemoryNetworkOptions> = {}): Bench {
  const clock = new VirtualClock()
  const random = seededRandom(7252)
  const net = new MemoryNetwork({ clock, random, ...network })
  const tree = new ResourceTree()
  const channel = net.channel(OURS)
  const traces: TraceEvent[] = []
  const common = { clock, random, logger: silentLogger }
  const endpoint = new CoapEndpoint({ ...common, channel, tree, parameters, onTrace: (event) => traces.push(event) })
  return {
    clock,
    network: net,
    random,
    tree,
    channel,
    endpoint,
    traces,
    peer: (address = THEIRS.address, port = THEIRS.port) => rawPeer(net.channel({ address, port }), clock),
    another: (address, options = {}) =>
      new CoapEndpoint({ ...common, channel: net.channel({ address, port: 5683 }), parameters, ...options }),
    channelAt: (address, port = 5683) => net.channel({ address, port }),
  }
}

function rawPeer(channel: MemoryChannel, clock: VirtualClock): RawPeer {
  const inbox: RawPeer['inbox'] = []
  channel.subscribe((event) => {
    if (event.kind === 'datagram')
      inbox.push({ message: decodeMessage(event.datagram.payload), atMs: clock.monotonicMs(), bytes: event.datagram.payload })
  })
  return {
    at: channel.local,
    channel,
    inbox,
    take: () => inbox.splice(0).map((entry) => entry.message),
    send: (message) => channel.send(encodeMessage(msg(message)), OURS),
    sendBytes: (bytes) => channel.send(bytes, OURS),
  }
}

export function msg(parts: Partial<CoapMessage>): CoapMessage {
  return { type: 'CON', code: '0.01', messageId: 0x7d34, token: new Uint8Array(0), options: [], payload: new Uint8Array(0), ...parts }
}

export function path(...segments: string[]): CoapOption[] {
  return segments.map((segment) => stringOption(11, segment))
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

export function pattern(length: number, step = 7): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * step + (index >> 8)) & 0xff)
}

/** Everything that an iteration yields. */
export async function all<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const taken: Value[] = []
  for await (const value of values) taken.push(value)
  return taken
}

export { utf8 }
