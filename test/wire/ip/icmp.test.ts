// ICMPv6 (RFC 4443): what is answered, how often, and whom a received error reaches.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, type ChannelEvent } from '#main/base/index.ts'
import { createIpHost, decodeIcmp, encodeIcmp } from '#main/wire/ip/index.ts'
import { linkLocal, linkPair, meshLocal } from '../../support/packet-link.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  bytesOf,
  echoRequest,
  icmpBody,
  icmpError,
  icmpPacket,
  ME,
  MY_LINK_LOCAL,
  packetOf,
  PEER,
  PEER_LINK_LOCAL,
  readIcmp,
  standUp,
  udpPacket,
} from './harness.ts'

describe('echo requests (§4.2)', () => {
  it('are answered from the address that was asked, with the same data', () => {
    const { link, host } = standUp()
    const data = Uint8Array.of(1, 2, 3, 4, 5)
    link.receive(echoRequest(data))
    link.receive(echoRequest(data, { from: PEER_LINK_LOCAL, to: MY_LINK_LOCAL }))
    const [answer, second] = link.takeSent()
    expect(readIcmp(answer)).toMatchObject({ checksumIsRight: true, type: 129, code: 0, parameter: 0x12340007, rest: data, hopLimit: 64 })
    expect([answer!.slice(8, 24), answer!.slice(24, 40)]).toEqual([bytesOf(ME), bytesOf(PEER)])
    expect(second!.slice(8, 24)).toEqual(bytesOf(MY_LINK_LOCAL))
    expect(host.counters().echoesAnswered).toBe(2)
  })

  it('to all nodes are answered from an own address', () => {
    const { link } = standUp()
    link.receive(echoRequest(Uint8Array.of(1), { to: 'ff03::1' }))
    expect(link.takeSent()[0]!.slice(8, 24)).toEqual(bytesOf(ME))
  })

  it.each([
    ['a wrong checksum', Uint8Array.of(...echoRequest(Uint8Array.of(1, 2)).subarray(0, -1), 77)],
    ['a header that is cut off', packetOf({ next: 58, body: icmpBody(PEER, ME, 128, 0, Uint8Array.of(1, 2)) })],
    ['no source', echoRequest(Uint8Array.of(1), { from: '::' })],
  ])('with %s are not answered', (_name, packet) => {
    const { link } = standUp()
    link.receive(packet)
    expect(link.takeSent()).toEqual([])
  })

  it('are not answered where that is switched off', () => {
    const { link } = standUp({}, { answerEcho: false })
    link.receive(echoRequest(Uint8Array.of(1)))
    expect(link.takeSent()).toEqual([])
  })

  it('of unknown informational types are dropped in silence (§2.4 b)', () => {
    const { link } = standUp()
    for (const type of [127 + 3, 135, 136, 200, 255]) link.receive(icmpPacket(type, 0, new Uint8Array(20)))
    expect(link.takeSent()).toEqual([])
  })
})

describe('errors that are sent (§2.4)', () => {
  it('a closed port is unreachable (§3.1): the answer quotes the packet', () => {
    const { link, host } = standUp()
    const packet = udpPacket({ port: 9 })
    link.receive(packet)
    expect(link.takeSent().map(readIcmp)).toEqual([{ checksumIsRight: true, type: 1, code: 4, parameter: 0, rest: packet, hopLimit: 64 }])
    expect(host.counters()).toMatchObject({ icmpErrorsSent: 1, dropped: { 'no-listener': 1 } })
  })

  it('quote as much as 1280 bytes hold (c)', () => {
    const { link } = standUp()
    const packet = udpPacket({ port: 9, payload: new Uint8Array(1232) })
    link.receive(packet)
    const [answer] = link.takeSent()
    expect(answer).toHaveLength(1280)
    expect(readIcmp(answer)).toMatchObject({ checksumIsRight: true, rest: packet.slice(0, 1232) })
  })

  it('never answer an error, a redirect, or a fragment of ICMPv6 (e.1, e.2)', () => {
    const { link } = standUp()
    const option = Uint8Array.of(58, 0, 0xde, 4, 0, 0, 0, 0)
    for (const type of [1, 2, 3, 4, 100, 127, 137]) {
      link.receive(packetOf({ next: 60, body: Uint8Array.of(...option, ...icmpBody(PEER, ME, type, 0, new Uint8Array(50))) }))
    }
    expect(link.takeSent()).toEqual([])
    link.receive(packetOf({ next: 60, body: Uint8Array.of(...option, ...icmpBody(PEER, ME, 128, 0, new Uint8Array(50))) }))
    expect(link.takeSent()).toHaveLength(1)
  })

  it('never answer what went to a group (e.3) or came from no single node (e.6)', () => {
    const { link } = standUp()
    link.receive(udpPacket({ port: 9, to: 'ff03::1' }))
    link.receive(udpPacket({ port: 9, from: '::' }))
    link.receive(udpPacket({ port: 9, from: 'ff02::1' }))
    link.receive(packetOf({ to: 'ff02::1', next: 253, body: new Uint8Array(8) }))
    expect(link.takeSent()).toEqual([])
  })

  it('are limited to a burst of 10 and 10 a second (f)', async () => {
    const { link, clock, host } = standUp()
    const flood = (): number => {
      for (let count = 0; count < 100; count++) link.receive(udpPacket({ port: 9 }))
      return link.takeSent().length
    }
    expect(flood()).toBe(10)
    expect(flood()).toBe(0)
    await clock.advance(500)
    expect(flood()).toBe(5)
    await clock.advance(60_000)
    expect(flood()).toBe(10)
    expect(host.counters()).toMatchObject({ icmpErrorsSent: 25, icmpErrorsWithheld: 375 })
  })
})

describe('errors that are received (§2.4 d)', () => {
  function sender() {
    const stand = standUp()
    const events: ChannelEvent[] = []
    const channel = stand.host.openUdp({ port: 5683 })
    channel.subscribe((event) => events.push(event))
    channel.send(Uint8Array.of(1, 2, 3), { address: PEER, port: 5683 })
    return { ...stand, events, channel, packet: stand.link.takeSent()[0]! }
  }

  it.each([
    [1, 0, 0, 'network.no-route', { reason: 'no-route' }],
    [1, 1, 0, 'network.no-route', { reason: 'prohibited' }],
    [1, 3, 0, 'network.no-route', { reason: 'address' }],
    [1, 4, 0, 'network.port-unreachable', {}],
    [1, 99, 0, 'network.no-route', { reason: 'unknown' }],
    [2, 0, 1000, 'network.too-large', { mtuBytes: 1000 }],
    [3, 0, 0, 'network.hop-limit', { reason: 'hop-limit' }],
    [3, 1, 0, 'network.hop-limit', { reason: 'reassembly' }],
    [4, 1, 6, 'network.send-failed', { pointer: 6 }],
    [101, 5, 0, 'network.send-failed', { type: 101 }],
  ])('type %i code %i reaches the sender of the datagram', (type, code, parameter, failure, details) => {
    const { link, events, packet } = sender()
    link.receive(icmpError(type, code, parameter, packet, { from: 'fd00::99' }))
    expect(events).toMatchObject([
      { kind: 'send-failed', to: { address: PEER, port: 5683 }, error: { code: failure, details: { ...details, reporter: 'fd00::99' } } },
    ])
  })

  it('names the zone of a link-local destination', () => {
    const { link, events, channel } = sender()
    channel.send(Uint8Array.of(1), { address: PEER_LINK_LOCAL, port: 7 })
    link.receive(icmpError(1, 3, 0, link.takeSent()[0]!, { to: MY_LINK_LOCAL }))
    expect(events).toMatchObject([{ kind: 'send-failed', to: { address: PEER_LINK_LOCAL, port: 7, zone: 'dongle:1' } }])
  })

  it('also where the quoted packet is cut off behind its ports', () => {
    const { link, events, packet } = sender()
    link.receive(icmpError(1, 4, 0, packet.subarray(0, 48)))
    expect(events).toHaveLength(1)
  })

  it.each([
    ['cut off before its ports', (packet: Uint8Array) => packet.subarray(0, 47)],
    ['not from this host', () => udpPacket({ from: 'fd00::5', to: PEER })],
    ['from a port that is closed', () => udpPacket({ from: ME, to: PEER, sourcePort: 9999 })],
    ['no packet', () => new Uint8Array(60)],
    ['empty', () => new Uint8Array(0)],
  ])('reaches nobody where the quoted packet is %s', (_name, quote) => {
    const { link, events, packet } = sender()
    link.receive(icmpError(1, 4, 0, quote(packet)))
    expect([events, link.takeSent()]).toEqual([[], []])
  })
})

describe('ping', () => {
  const addresses = { a: [linkLocal('fe80::a'), meshLocal('fd00::a')], b: [linkLocal('fe80::b'), meshLocal('fd00::b')] }
  function pair(isLost?: (packet: Uint8Array) => boolean) {
    const clock = new VirtualClock()
    const wire = linkPair(
      clock,
      { addresses: addresses.a },
      { addresses: addresses.b },
      { delayMs: 20, ...(isLost === undefined ? {} : { isLost }) },
    )
    const [a, b] = [wire.a, wire.b].map((link, index) => createIpHost({ link, clock, random: seededRandom(index) }))
    return { clock, wire, a: a!, b: b! }
  }
  const failure = async (promise: Promise<unknown>): Promise<string> => {
    const thrown: unknown = await promise.then(
      () => 'resolved',
      (error: unknown) => error,
    )
    return thrown instanceof AppError ? thrown.code : String(thrown)
  }

  it('tells the round-trip time and keeps it in the counters', async () => {
    const { clock, a } = pair()
    expect(await clock.until(a.ping('fd00::b'))).toEqual({ from: 'fd00::b', rttMs: 40, hopLimit: 64, dataBytes: 16 })
    expect(await clock.until(a.ping('fe80::b', { dataBytes: 1232, hopLimit: 3 }))).toMatchObject({
      from: 'fe80::b',
      rttMs: 40,
      dataBytes: 1232,
    })
    expect(a.counters()).toMatchObject({
      pingsSent: 2,
      pingsLost: 0,
      latency: { samples: 2, lastMs: 40, averageMs: 40, minMs: 40, maxMs: 40 },
    })
  })

  it('takes the first answer of a group', async () => {
    const { clock, a } = pair()
    expect(await clock.until(a.ping('ff02::1'))).toMatchObject({ from: 'fe80::b' })
  })

  it('reaches the host itself without the link', async () => {
    const { clock, a, wire } = pair()
    expect(await clock.until(a.ping('fd00::a'))).toMatchObject({ from: 'fd00::a', rttMs: 0 })
    expect(await clock.until(a.ping('::1'))).toMatchObject({ from: '::1' })
    expect(wire.a.sent).toEqual([])
  })

  it('fails with a time-out, and forgets the ping', async () => {
    const { clock, a } = pair(() => true)
    const lost = failure(a.ping('fd00::b', { timeoutMs: 1000 }))
    expect(await clock.until(lost, 1000)).toBe('network.ping-timeout')
    expect(a.counters()).toMatchObject({ pingsSent: 1, pingsLost: 1 })
    expect(clock.pendingTimers).toBe(0)
  })

  it('fails with what the network says', async () => {
    const { link, host } = standUp()
    const pinged = failure(host.ping('fd00::99'))
    link.receive(icmpError(1, 3, 0, link.takeSent()[0]!))
    expect(await pinged).toBe('network.no-route')
  })

  it('fails at once: link down, too large, no address, other zone, cancelled', async () => {
    const { host, link } = standUp()
    expect(await failure(host.ping('fd00::2', { dataBytes: 1233 }))).toBe('network.too-large')
    expect(await failure(host.ping('192.0.2.1'))).toBe('network.no-route')
    expect(await failure(host.ping('fe80::2%eth0'))).toBe('network.no-route')
    const controller = new AbortController()
    const cancelled = failure(host.ping('fd00::2', { signal: controller.signal }))
    controller.abort()
    expect(await cancelled).toBe('cancelled')
    const closed = failure(host.ping('fd00::2'))
    link.setUp(false)
    expect(await failure(host.ping('fd00::2'))).toBe('network.down')
    await host.close()
    expect(await closed).toBe('cancelled')
  })

  it('believes only the answer that carries its data from whom it asked', async () => {
    const { link, host, clock } = standUp()
    const pinged = host.ping('fd00::2', { timeoutMs: 1000 })
    const request = link.takeSent()[0]!
    const rest = request.slice(44)
    const forged = rest.slice()
    forged[10]! ^= 1
    link.receive(icmpPacket(129, 0, rest, { from: 'fd00::3' }))
    link.receive(icmpPacket(129, 0, forged))
    link.receive(icmpPacket(129, 0, Uint8Array.of(0, 0, ...rest.subarray(2))))
    expect(host.counters().latency).toBeUndefined()
    link.receive(icmpPacket(129, 0, rest, { hopLimit: 61 }))
    expect(await clock.until(pinged)).toEqual({ from: 'fd00::2', rttMs: 0, hopLimit: 61, dataBytes: 16 })
  })

  it('keeps at most 256 pings open', async () => {
    const { host, clock } = standUp()
    const all = Array.from({ length: 300 }, () => failure(host.ping('fd00::2', { timeoutMs: 100 })))
    const codes = await clock.until(Promise.all(all))
    expect(codes.filter((code) => code === 'network.send-failed')).toHaveLength(44)
  })
})

it('messages go through bytes unchanged', () => {
  const address = fc.uint8Array({ minLength: 16, maxLength: 16 })
  const word = fc.nat(0xffff)
  const message = fc.oneof(
    fc.record({
      kind: fc.constant('error' as const),
      type: fc.nat(127),
      code: fc.nat(255),
      parameter: fc.nat({ max: 0xffffffff }),
      invoking: fc.uint8Array({ maxLength: 1232 }),
    }),
    fc.record({
      kind: fc.constantFrom('echo-request' as const, 'echo-reply' as const),
      identifier: word,
      sequence: word,
      data: fc.uint8Array({ maxLength: 300 }),
    }),
  )
  fc.assert(
    fc.property(message, address, address, (given, source, destination) => {
      const packet = encodeIcmp(given, { source, destination, hopLimit: 64 })
      expect(decodeIcmp(packet, 40, packet.length)).toEqual(given)
    }),
    { numRuns: 500 },
  )
})
