// A host on a packet link as DatagramChannels: ports, groups, zones, bounds, the tap.
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom } from '#main/base/index.ts'
import { createIpHost, openLinkChannel, type PacketEvent } from '#main/wire/ip/index.ts'
import { linkLocal, linkPair, MemoryPacketLink, meshLocal } from '../../support/packet-link.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  echoRequest,
  failures,
  ME,
  MY_LINK_LOCAL,
  packetOf,
  PEER,
  PEER_LINK_LOCAL,
  plainChecksum,
  recorded,
  standUp,
  udpBody,
  udpPacket,
  withPseudoHeader,
} from './harness.ts'

const payload = Uint8Array.of(1, 2, 3)

describe('sending', () => {
  it('makes a packet with the right lengths, ports and checksum (RFC 8200 §8.1)', () => {
    const { link, host } = standUp()
    host.openUdp({ port: 49_152 }).send(payload, { address: PEER, port: 5683 })
    const body = udpBody({ from: ME, to: PEER, sourcePort: 49_152, port: 5683, payload })
    expect(link.takeSent()).toEqual([packetOf({ from: ME, to: PEER, next: 17, body })])
    expect(plainChecksum(withPseudoHeader(ME, PEER, 17, body))).toBe(0)
  })

  it('writes a checksum of zero as all ones (RFC 768)', () => {
    const { link, host } = standUp()
    const channel = host.openUdp({ port: 1 })
    // The payload makes up for the rest of the sum.
    channel.send(new Uint8Array(2), { address: PEER, port: 1 })
    const rest = new DataView(link.takeSent()[0]!.buffer).getUint16(46)
    channel.send(Uint8Array.of(rest >> 8, rest & 0xff), { address: PEER, port: 1 })
    expect([...link.takeSent()[0]!.subarray(46, 48)]).toEqual([0xff, 0xff])
  })

  it.each([
    [PEER, 64],
    ['ff02::fd', 1],
    ['ff03::fd', 7],
    ['ff05::fd', 7],
  ])('to %s goes with hop limit %i where told so', (address, hopLimit) => {
    const { link, host } = standUp({}, { hopLimits: { linkLocalMulticast: 1, multicast: 7 } })
    host.openUdp({ port: 1 }).send(payload, { address, port: 1 })
    expect(link.takeSent().map((packet) => packet[7])).toEqual([hopLimit])
  })

  it('carries 1232 bytes and says so when there are more (RFC 8200 §5)', async () => {
    const { link, host } = standUp({ mtuBytes: 1500 })
    const channel = host.openUdp({ port: 1 })
    const events = recorded(channel)
    expect(channel.maxPayloadBytes).toBe(1232)
    channel.send(new Uint8Array(1232), { address: PEER, port: 1 })
    expect(link.takeSent().map(({ length }) => length)).toEqual([1280])
    channel.send(new Uint8Array(1233), { address: PEER, port: 1 })
    expect(await failures(events)).toEqual([['network.too-large', undefined]])
    expect(link.takeSent()).toEqual([])
    expect(standUp({ mtuBytes: 1200 }).host.openUdp({ port: 1 }).maxPayloadBytes).toBe(1152)
  })

  it.each([
    ['an IPv4 address', { address: '192.0.2.1', port: 1 }, 'not-ipv6'],
    ['a name', { address: 'localhost', port: 1 }, 'not-ipv6'],
    ['the unspecified address', { address: '::', port: 1 }, 'not-a-destination'],
    ['an interface-local group', { address: 'ff01::1', port: 1 }, 'not-a-destination'],
    ['a reserved scope', { address: 'ff00::1', port: 1 }, 'not-a-destination'],
    ['port 0', { address: PEER, port: 0 }, 'not-a-destination'],
    ['port 65536', { address: PEER, port: 65_536 }, 'not-a-destination'],
    ['another zone (RFC 4007 §6)', { address: PEER_LINK_LOCAL, port: 1, zone: 'eth0' }, 'other-zone'],
  ])('to %s fails', async (_name, to, reason) => {
    const { link, host } = standUp()
    const channel = host.openUdp({ port: 5683 })
    const events = recorded(channel)
    channel.send(payload, to)
    expect(events).toEqual([])
    expect(await failures(events)).toEqual([['network.no-route', reason]])
    expect([link.takeSent(), channel.counters().sendErrors, channel.counters().sent]).toEqual([[], 1, 0])
  })

  it('over firmware that carries unicast to routable addresses alone says what it does not carry', async () => {
    const { link, host } = standUp({ carries: { multicast: false, linkLocal: false } })
    const channel = host.openUdp({ port: 5683 })
    const events = recorded(channel)
    for (const address of ['ff03::fd', 'ff02::fd', PEER_LINK_LOCAL]) channel.send(payload, { address, port: 5683 })
    expect(await failures(events)).toEqual(new Array(3).fill(['link.not-carried', undefined]))
    channel.send(payload, { address: PEER, port: 5683 })
    expect(link.takeSent()).toHaveLength(1)
  })

  it('that the link refuses later comes back to the channel that sent', () => {
    const { link, host } = standUp()
    const [a, b] = [host.openUdp({ port: 1 }), host.openUdp({ port: 2 })]
    const [ofA, ofB] = [recorded(a), recorded(b)]
    b.send(payload, { address: PEER_LINK_LOCAL, port: 7 })
    const error = new AppError('network.send-failed', 'dropped by the dongle')
    link.refuse(link.takeSent()[0]!, error)
    expect([ofA, ofB]).toEqual([[], [{ kind: 'send-failed', to: { address: PEER_LINK_LOCAL, port: 7, zone: 'dongle:1' }, error }]])
    expect(host.counters().linkRefused).toBe(1)
    link.refuse(new Uint8Array(7), error)
    expect(ofB).toHaveLength(1)
  })

  it('to itself stays in the host, within bounds', async () => {
    const { link, host, clock } = standUp()
    const channel = host.openUdp({ port: 5683 })
    const events = recorded(channel)
    for (let count = 0; count < 300; count++) channel.send(payload, { address: ME, port: 5683 })
    expect(events).toEqual([])
    await clock.advance(0)
    expect(events).toHaveLength(256)
    expect(events[0]).toMatchObject({ datagram: { payload, source: { address: ME, port: 5683 }, multicast: false } })
    expect([link.takeSent(), host.counters().dropped]).toEqual([[], { 'loopback-full': 44 }])
  })
})

describe('receiving', () => {
  it('gives source, destination and zone', () => {
    const { link, host } = standUp()
    const events = recorded(host.openUdp({ port: 5683 }))
    link.receive(udpPacket({ sourcePort: 7, payload }))
    link.receive(udpPacket({ from: PEER_LINK_LOCAL, to: MY_LINK_LOCAL, payload }))
    link.receive(udpPacket({ from: PEER_LINK_LOCAL, to: 'ff02::1', payload }))
    const zone = 'dongle:1'
    expect(events.map((event) => (event.kind === 'datagram' ? event.datagram : event))).toEqual([
      { payload, source: { address: PEER, port: 7 }, destination: { address: ME, port: 5683 }, multicast: false },
      {
        payload,
        source: { address: PEER_LINK_LOCAL, port: 5683, zone },
        destination: { address: MY_LINK_LOCAL, port: 5683, zone },
        multicast: false,
      },
      {
        payload,
        source: { address: PEER_LINK_LOCAL, port: 5683, zone },
        destination: { address: 'ff02::1', port: 5683, zone },
        multicast: true,
      },
    ])
  })

  it.each([
    ['no checksum (RFC 8200 §8.1)', udpPacket({ checksum: 0 }), 'no-checksum'],
    ['a wrong checksum', udpPacket({ checksum: 0x1234 }), 'checksum'],
    ['a length below 8', packetOf({ next: 17, body: Uint8Array.of(0x16, 0x33, 0x16, 0x33, 0, 7, 1, 1) }), 'malformed'],
    ['a length beyond the packet', packetOf({ next: 17, body: Uint8Array.of(0x16, 0x33, 0x16, 0x33, 0, 9, 1, 1) }), 'malformed'],
    ['half a header', packetOf({ next: 17, body: Uint8Array.of(0x16, 0x33, 0x16, 0x33) }), 'malformed'],
  ])('refuses UDP with %s, in silence', (_name, packet, reason) => {
    const { link, host } = standUp()
    const events = recorded(host.openUdp({ port: 5683 }))
    link.receive(packet)
    expect([events, link.takeSent(), host.counters().dropped]).toEqual([[], [], { [reason]: 1 }])
  })

  it('takes an empty datagram, and leaves alone what lies behind UDP’s own length', () => {
    const { link, host } = standUp()
    const events = recorded(host.openUdp({ port: 5683 }))
    link.receive(udpPacket({ payload: new Uint8Array(0) }))
    link.receive(packetOf({ next: 17, body: Uint8Array.of(...udpBody({ payload }), 9, 9, 9) }))
    expect(events.map((event) => (event.kind === 'datagram' ? [...event.datagram.payload] : event))).toEqual([[], [1, 2, 3]])
  })

  it('counts what nobody takes', () => {
    const { link, host } = standUp()
    const channel = host.openUdp({ port: 5683 })
    link.receive(udpPacket())
    expect(channel.counters()).toEqual({ sent: 0, received: 0, sendErrors: 0, dropped: 1 })
    expect(link.takeSent()).toEqual([])
  })

  it('of a channel bound to one address is for that address alone', () => {
    const { link, host } = standUp()
    const events = recorded(host.openUdp({ port: 5683, address: MY_LINK_LOCAL }))
    link.receive(udpPacket())
    expect(link.takeSent()).toHaveLength(1)
    link.receive(udpPacket({ from: PEER_LINK_LOCAL, to: MY_LINK_LOCAL }))
    expect(events).toHaveLength(1)
  })
})

describe('groups', () => {
  it('reach the channels that joined, all nodes everybody on the port', () => {
    const { link, host } = standUp()
    const [a, b] = [host.openUdp({ port: 1 }), host.openUdp({ port: 2 })]
    const [ofA, ofB] = [recorded(a), recorded(b)]
    a.joinGroup('FF03:0::FD')
    for (const port of [1, 2]) link.receive(udpPacket({ to: 'ff03::fd', port }))
    expect([ofA.length, ofB.length]).toEqual([1, 0])
    for (const port of [1, 2]) link.receive(udpPacket({ to: 'ff03::1', port }))
    expect([ofA.length, ofB.length]).toEqual([2, 1])
    expect(ofA[0]).toMatchObject({ datagram: { multicast: true, destination: { address: 'ff03::fd', port: 1 } } })
  })

  it('are joined on the link by the first channel and left by the last', async () => {
    const { link, host } = standUp()
    const [a, b] = [host.openUdp({ port: 1 }), host.openUdp({ port: 2 })]
    a.joinGroup('ff03::fd')
    a.joinGroup('ff03::fd')
    b.joinGroup('ff03::fd', 'dongle:1')
    a.joinGroup('ff05::fd', 'eth0')
    expect([...link.groups]).toEqual(['ff03::fd'])
    a.leaveGroup('ff03::fd')
    b.leaveGroup('ff03::fd', 'eth0')
    expect([...link.groups]).toEqual(['ff03::fd'])
    await b.close()
    expect([...link.groups]).toEqual([])
  })

  it.each(['fd00::1', '224.0.1.187', 'nonsense'])('are not joined at %s', (address) => {
    expect(() => standUp().host.openUdp({ port: 1 }).joinGroup(address)).toThrow(expect.objectContaining({ code: 'group.address-invalid' }))
  })

  it('own multicasts that the dongle hands back are dropped', () => {
    const { link, host } = standUp()
    const channel = host.openUdp({ port: 5683 })
    const events = recorded(channel)
    channel.joinGroup('ff02::fd')
    channel.send(payload, { address: 'ff02::fd', port: 5683 })
    link.receive(link.takeSent()[0]!)
    expect([events, host.counters().dropped]).toEqual([[], { 'own-source': 1 }])
  })
})

describe('ports', () => {
  it('are taken once, and 0 picks a free one that no dongle keeps for itself', () => {
    const { host } = standUp()
    host.openUdp({ port: 5683 })
    expect(() => host.openUdp({ port: 5683 })).toThrow(expect.objectContaining({ code: 'network.address-in-use' }))
    const ports = new Set(Array.from({ length: 500 }, () => host.openUdp({ port: 0 }).local.port))
    expect(ports.size).toBe(500)
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(49_152)
    expect(ports.has(61_631)).toBe(false)
  })

  it('run out in the end', () => {
    const { host } = standUp()
    for (let count = 0; count < 16_383; count++) host.openUdp({ port: 0 })
    expect(() => host.openUdp({ port: 0 })).toThrow(expect.objectContaining({ code: 'network.address-in-use' }))
  })

  it('are free again once closed; the channel is silent then', async () => {
    const { host, link } = standUp()
    const channel = host.openUdp({ port: 5683 })
    const events = recorded(channel)
    await channel.close()
    await channel.close()
    channel.send(payload, { address: PEER, port: 1 })
    link.receive(udpPacket())
    expect(events).toEqual([{ kind: 'closed' }])
    expect(channel.counters().sendErrors).toBe(1)
    host.openUdp({ port: 5683 })
  })

  it('close with the host, which lets go of the link', async () => {
    const { host, link } = standUp()
    const events = recorded(host.openUdp({ port: 5683 }))
    await host.close()
    await host.close()
    expect([events, link.listeners]).toEqual([[{ kind: 'closed' }], 0])
    expect(() => host.openUdp({ port: 1 })).toThrow(expect.objectContaining({ code: 'network.down' }))
  })

  it('openLinkChannel closes its host with itself', async () => {
    const link = new MemoryPacketLink({ addresses: [meshLocal(ME)] })
    const channel = openLinkChannel({ link, clock: new VirtualClock(), random: seededRandom(1), port: 5683, id: 'mesh' })
    expect([channel.id, link.listeners]).toEqual(['mesh', 1])
    await channel.close()
    expect(link.listeners).toBe(0)
  })
})

describe('the tap', () => {
  it('numbers packets, and the bytes above and below go by that number', () => {
    const { link, host, clock } = standUp()
    const channel = host.openUdp({ port: 5683 })
    const payloads: Uint8Array[] = []
    channel.subscribe((event) => (event.kind === 'datagram' ? payloads.push(event.datagram.payload) : undefined))
    channel.send(payload, { address: PEER, port: 1 })
    expect(host.packetIdOf(payload)).toBeUndefined()
    link.takeSent()
    const seen: PacketEvent[] = []
    const stop = host.tap((event) => seen.push(event))
    channel.send(payload, { address: PEER, port: 1 })
    const incoming = udpPacket()
    link.receive(incoming)
    const [sent] = link.takeSent()
    expect(seen).toEqual([
      { id: 1, linkId: 'dongle:1', direction: 'sent', packet: sent, atMs: clock.now() },
      { id: 2, linkId: 'dongle:1', direction: 'received', packet: incoming, atMs: clock.now() },
    ])
    expect([payload, sent!, incoming, payloads[0]!].map((bytes) => host.packetIdOf(bytes))).toEqual([1, 1, 2, 2])
    // A copy, as a decoder of serial frames makes one, is the newest packet that equals it, of those that are remembered.
    link.receive(udpPacket())
    expect(host.packetIdOf(incoming.slice())).toBe(3)
    expect(host.packetIdOf(incoming)).toBe(2)
    expect(host.packetIdOf(sent!.slice())).toBe(1)
    for (let count = 0; count < 256; count++) link.receive(udpPacket({ payload: Uint8Array.of(count) }))
    expect(host.packetIdOf(sent!.slice())).toBeUndefined()
    expect(host.packetIdOf(sent!)).toBe(1)
    seen.length = 2
    stop()
    link.receive(udpPacket())
    expect(seen).toHaveLength(2)
  })

  it('shows what the host answers by itself too', () => {
    const { link, host } = standUp()
    const seen: string[] = []
    host.tap(({ direction }) => seen.push(direction))
    link.receive(echoRequest(payload))
    link.receive(udpPacket({ port: 9 }))
    expect(seen).toEqual(['received', 'sent', 'received', 'sent'])
  })
})

it('two hosts talk over one wire, by unicast and group, at 10 % loss', async () => {
  const clock = new VirtualClock()
  const random = seededRandom(7)
  const wire = linkPair(
    clock,
    { addresses: [linkLocal('fe80::a'), meshLocal('fd00::a')] },
    { addresses: [linkLocal('fe80::b'), meshLocal('fd00::b')] },
    { isLost: () => random.fraction() < 0.1 },
  )
  const [a, b] = [wire.a, wire.b].map((link) => createIpHost({ link, clock, random }).openUdp({ port: 5683 }))
  b!.joinGroup('ff03::fd')
  b!.subscribe((event) => (event.kind === 'datagram' ? b!.send(event.datagram.payload, event.datagram.source) : undefined))
  const back = recorded(a!)
  for (let count = 0; count < 1000; count++) {
    a!.send(Uint8Array.of(count >> 8, count), { address: count % 2 === 0 ? 'fd00::b' : 'ff03::fd', port: 5683 })
    await clock.advance(20)
  }
  expect(back.length).toBeGreaterThan(750)
  expect(back.length).toBeLessThan(870)
})
