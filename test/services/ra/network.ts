// An authority behind CoAP on a simulated network, and devices that ask it.
import { onTestFinished } from 'vitest'
import { generateSigningKey, seededRandom, silentLogger, type Clock, type SocketAddress } from '#main/base/index.ts'
import {
  Announcer,
  CmpClient,
  createCoapTransport,
  serveCmp,
  type CmpClientOptions,
  type CmpServerOptions,
  type CoapTransportOptions,
} from '#main/services/ra/index.ts'
import { CoapEndpoint, ResourceTree, type CoapParameters, type TraceEvent } from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '#main/wire/ip/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bySecret, createManufacturer, nameOf, openSite, SECRET, type Site, type SiteOptions } from './harness.ts'

export const NOW = Date.UTC(2026, 0, 5, 8)
export const manufacturer = createManufacturer(NOW)
export const SERVER: SocketAddress = { address: '2001:db8::1', port: 5683 }
export const ROOT = ['.well-known', 'cmp']

export interface Network {
  readonly at: Site
  readonly clock: VirtualClock
  readonly announcer: Announcer
  readonly trace: TraceEvent[]
  readonly endpoint: CoapEndpoint
  readonly node: (parameters?: Partial<CoapParameters>) => CoapEndpoint
  readonly client: (node: CoapEndpoint, options: Partial<CmpClientOptions>, transport?: Partial<CoapTransportOptions>) => CmpClient
}

export async function network(
  options: SiteOptions & {
    net?: Partial<MemoryNetworkOptions>
    server?: Partial<CmpServerOptions>
    parameters?: Partial<CoapParameters>
    joined?: string
  } = {},
): Promise<Network> {
  const clock = new VirtualClock(NOW)
  // Delays of the network are fractions; a system's clock shows whole milliseconds.
  const whole: Clock = {
    now: () => Math.floor(clock.now()),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  }
  const at = await openSite({ clock: whole, ...options, ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], ...options.ra } })
  const net = new MemoryNetwork({ clock, random: seededRandom(11), ...options.net })
  const tree = new ResourceTree()
  const announcer = new Announcer({ ca: at.ca, clock, random: seededRandom(12) })
  const server = serveCmp({ registry: tree, authority: at.authority, clock, announcer, ...options.server })
  const trace: TraceEvent[] = []
  const ports = { clock, random: seededRandom(13), logger: silentLogger }
  const channel = net.channel({ address: SERVER.address, port: SERVER.port })
  if (options.joined !== undefined) channel.joinGroup(options.joined)
  const endpoint = new CoapEndpoint({
    ...ports,
    channel,
    tree,
    onTrace: (event) => trace.push(event),
    ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
  })
  let nodes = 0
  onTestFinished(() => {
    server.close()
    announcer.close()
    at.authority.close()
    at.ca.close()
  })
  return {
    at,
    clock,
    announcer,
    trace,
    endpoint,
    node: (parameters = {}) =>
      new CoapEndpoint({
        ...ports,
        random: seededRandom(100 + nodes),
        channel: net.channel({ address: `2001:db8::${(++nodes + 100).toString(16)}`, port: 0 }),
        parameters,
      }),
    client: (node, clientOptions, transport = {}) =>
      new CmpClient({
        transport: createCoapTransport({ client: node, to: SERVER, ...transport }),
        clock,
        random: seededRandom(500 + nodes),
        protector: bySecret('lamp-1'),
        anchors: [at.ca.active.certificate.bytes],
        ...clientOptions,
      }),
  }
}

export function expectLamp(at: Site): Promise<void> {
  return at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
}

export const wish = (): { key: ReturnType<typeof generateSigningKey>; subject: Uint8Array } => ({
  key: generateSigningKey('P-256'),
  subject: nameOf('CN=lamp-1'),
})

/** Lets virtual time pass while real work, on threads of its own, gets its turns. */
export async function pass(clock: VirtualClock, byMs: number): Promise<void> {
  const stepMs = Math.max(50, byMs / 400)
  for (let left = byMs; left > 0; left -= stepMs) {
    await clock.advance(Math.min(left, stepMs))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

export async function drive<Value>(clock: VirtualClock, promise: Promise<Value>, limitMs = 600_000): Promise<Value> {
  let settled = false
  const mark = (): void => {
    settled = true
  }
  promise.then(mark, mark)
  const isOpen = (): boolean => !settled
  for (let passedMs = 0; isOpen() && passedMs < limitMs; passedMs += 50) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    if (isOpen()) await clock.advance(50)
  }
  if (isOpen()) throw new Error(`not settled within ${limitMs} ms`)
  return promise
}
