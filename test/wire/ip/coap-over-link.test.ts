// CoAP over two hosts in user space: block-wise with loss, a link that goes away in the middle, and a trace joined to its packets.
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, silentLogger, type Clock, type Random } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree, type TraceEvent } from '#main/wire/coap/index.ts'
import { createIpHost, type IpHost, type PacketEvent } from '#main/wire/ip/index.ts'
import type { PacketLink } from '#main/wire/links/index.ts'
import { linkLocal, linkPair, meshLocal } from '../../support/packet-link.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const SERVER = { address: 'fd00::b', port: 5683 }
const BODY = Uint8Array.from({ length: 20_000 }, (_, index) => index & 255)

interface Node {
  readonly host: IpHost
  readonly endpoint: CoapEndpoint
}

function nodeOn(
  link: PacketLink,
  clock: Clock,
  random: Random,
  tree: ResourceTree,
  pauseMs: number,
  onTrace?: (event: TraceEvent) => void,
): Node {
  const host = createIpHost({ link, clock, random, pauseMs })
  const channel = host.openUdp({ port: 5683 })
  const trace = onTrace === undefined ? {} : { onTrace }
  return { host, endpoint: new CoapEndpoint({ channel, tree, clock, random, logger: silentLogger, ...trace }) }
}

function mesh(lossRate = 0, onTrace?: (event: TraceEvent) => void, pauseMs = 0) {
  const clock = new VirtualClock()
  const random = seededRandom(3)
  const wire = linkPair(
    clock,
    { addresses: [linkLocal('fe80::a'), meshLocal('fd00::a')] },
    { addresses: [linkLocal('fe80::b'), meshLocal('fd00::b')] },
    { delayMs: 15, isLost: () => random.fraction() < lossRate },
  )
  const store = new Map<string, Uint8Array>()
  const tree = new ResourceTree()
  tree.add('/store', {
    handlers: {
      GET: () => ({ code: '2.05', payload: store.get('it') ?? new Uint8Array(0), contentFormat: 42 }),
      PUT: ({ payload }) => {
        store.set('it', payload)
        return { code: '2.04' }
      },
    },
  })
  const client = nodeOn(wire.a, clock, random, new ResourceTree(), pauseMs, onTrace)
  const server = nodeOn(wire.b, clock, random, tree, pauseMs)
  return { clock, wire, client, server, store }
}

describe('CoAP over a packet link', () => {
  it.each([0, 0.1])('carries 20 000 bytes there and back at a loss of %f', async (lossRate) => {
    const { clock, client, store, wire } = mesh(lossRate)
    const put = await clock.until(client.endpoint.request(SERVER, { method: 'PUT', path: ['store'], payload: BODY }))
    expect([put.code, store.get('it')]).toEqual(['2.04', BODY])
    const got = await clock.until(client.endpoint.request(SERVER, { method: 'GET', path: ['store'] }))
    expect([got.code, got.payload]).toEqual(['2.05', BODY])
    expect(Math.max(...[...wire.a.sent, ...wire.b.sent].map(({ length }) => length))).toBeLessThanOrEqual(1280)
  })

  it('reaches link-local addresses with the zone that answers come from', async () => {
    const { clock, client } = mesh()
    const got = await clock.until(
      client.endpoint.request({ address: 'fe80::b', port: 5683, zone: 'dongle:a' }, { method: 'GET', path: ['store'] }),
    )
    expect([got.code, got.source]).toEqual(['2.05', { address: 'fe80::b', port: 5683, zone: 'dongle:a' }])
  })

  it('fails with a reason when the link goes away in the middle, and works again when it is back', async () => {
    const { clock, client, wire, store } = mesh()
    const put = client.endpoint.request(SERVER, { method: 'PUT', path: ['store'], payload: BODY }).catch((error: unknown) => error)
    await clock.advance(200)
    wire.a.setUp(false)
    const failure = await clock.until(put)
    expect(failure).toBeInstanceOf(AppError)
    expect(failure).toMatchObject({ retryable: true })
    expect(store.size).toBe(0)
    wire.a.setUp(true)
    const again = await clock.until(client.endpoint.request(SERVER, { method: 'PUT', path: ['store'], payload: BODY }))
    expect([again.code, store.get('it')]).toEqual(['2.04', BODY])
  })

  it('a transfer goes on when the link is back within the pause', async () => {
    const { clock, client, wire, store } = mesh(0, undefined, 60_000)
    const put = client.endpoint.request(SERVER, { method: 'PUT', path: ['store'], payload: BODY })
    await clock.advance(200)
    wire.a.setUp(false)
    await clock.advance(10_000)
    expect(client.host.counters()).toMatchObject({ sendErrors: 0 })
    expect(client.host.counters().lostWhileDown).toBeGreaterThan(0)
    wire.a.setUp(true)
    expect([(await clock.until(put)).code, store.get('it')]).toEqual(['2.04', BODY])
  })

  it('each message of the trace knows its packet', async () => {
    const messages: TraceEvent[] = []
    const packets: PacketEvent[] = []
    const { clock, client } = mesh(0, (event) => messages.push(event))
    client.host.tap((event) => packets.push(event))
    await clock.until(client.endpoint.request(SERVER, { method: 'GET', path: ['store'] }))
    expect(messages.map(({ direction, datagram }) => [direction, client.host.packetIdOf(datagram)])).toEqual([
      ['sent', 1],
      ['received', 2],
    ])
    expect(packets.map(({ id, direction }) => [direction, id])).toEqual([
      ['sent', 1],
      ['received', 2],
    ])
    for (const [index, { packet }] of packets.entries()) expect(packet.slice(48)).toEqual(new Uint8Array(messages[index]!.datagram))
  })
})
