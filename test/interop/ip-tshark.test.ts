// Captures of our own packets, read by Wireshark's tshark: every field as we made it, every checksum right, fragments put together alike.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { concatBytes, LinkType, pcapngEntry, pcapngInterface, pcapngSection, seededRandom } from '#main/base/index.ts'
import {
  createIpHost,
  decodeIcmp,
  decodeIpv6Header,
  decodeUdp,
  encodeIcmp,
  encodeIpv6Header,
  formatIpv6,
  type Ipv6Header,
  type PacketEvent,
} from '#main/wire/ip/index.ts'
import { linkLocal, linkPair, meshLocal } from '../support/packet-link.ts'
import { describeWithPeer, run } from '../support/peers.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { bytesOf, fragmentOf, packetOf, standUp, udpBody, udpPacket } from '../wire/ip/harness.ts'

const FIELDS = [
  'ipv6.version',
  'ipv6.tclass',
  'ipv6.flow',
  'ipv6.plen',
  'ipv6.nxt',
  'ipv6.hlim',
  'ipv6.src',
  'ipv6.dst',
  'udp.srcport',
  'udp.dstport',
  'udp.length',
  'udp.checksum.status',
  'icmpv6.type',
  'icmpv6.code',
  'icmpv6.checksum.status',
  'icmpv6.echo.identifier',
  'icmpv6.echo.sequence_number',
  'icmpv6.mtu',
  'icmpv6.mldr.mar.multicast_address',
  'udp.payload',
  'data.data',
  'frame.packet_flags_direction',
  'frame.time_epoch',
  'frame.packet_id',
  '_ws.malformed',
] as const
type Field = (typeof FIELDS)[number]
type Row = Record<Field, string>

const number = (text: string): number => Number(text.split(',')[0])

describeWithPeer('tshark reads our packets', ['tshark'], (tshark) => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ip-capture-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function read(events: readonly PacketEvent[], ...options: readonly string[]): Promise<Row[]> {
    const file = join(folder, 'capture.pcapng')
    const packets = events.map(({ packet, id, atMs, direction }) =>
      pcapngEntry({ interfaceId: 0, bytes: packet, packetId: id, atMs, direction }),
    )
    await writeFile(file, concatBytes(pcapngSection('Groupwright'), pcapngInterface(LinkType.IPV6, 'dongle:test'), ...packets))
    const common = ['-n', '-r', file, '-o', 'udp.check_checksum:TRUE']
    const output = await run(tshark, [
      ...common,
      ...options,
      '-T',
      'fields',
      '-E',
      'separator=|',
      ...FIELDS.flatMap((field) => ['-e', field]),
    ])
    expect(output.exitCode, output.stderr).toBe(0)
    const lines = new TextDecoder().decode(output.stdout).split('\n')
    return lines
      .filter((line) => line !== '')
      .map((line) => {
        const values = line.split('|')
        return Object.fromEntries(FIELDS.map((field, index) => [field, values[index] ?? ''])) as Row
      })
  }

  const eventOf = (packet: Uint8Array, index: number): PacketEvent => ({
    id: index + 1,
    linkId: 'dongle:test',
    direction: index % 2 === 0 ? 'sent' : 'received',
    packet,
    atMs: 1_800_000_000_000 + index,
  })

  function expectHeader(row: Row, header: Ipv6Header): void {
    expect({
      version: number(row['ipv6.version']),
      trafficClass: number(row['ipv6.tclass']),
      flowLabel: number(row['ipv6.flow']),
      payloadLength: number(row['ipv6.plen']),
      nextHeader: number(row['ipv6.nxt']),
      hopLimit: number(row['ipv6.hlim']),
    }).toEqual({
      version: 6,
      trafficClass: header.trafficClass,
      flowLabel: header.flowLabel,
      payloadLength: header.payloadLength,
      nextHeader: header.nextHeader,
      hopLimit: header.hopLimit,
    })
    const [source, destination] = [row['ipv6.src'], row['ipv6.dst']].map((text) => bytesOf(text.split(',')[0]!))
    expect([source, destination]).toEqual([header.source.slice(), header.destination.slice()])
  }

  const address = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
    bytes[0] = 0x20 | (bytes[0]! & 0x1f)
    return bytes
  })
  const port = fc.integer({ min: 1, max: 65_535 })
  const sample = <Value>(arbitrary: fc.Arbitrary<Value>, count: number): Value[] =>
    fc.sample(arbitrary, { numRuns: count, seed: 20_261_120 })

  it('UDP: random headers, ports and payloads', async () => {
    const parts = sample(
      fc.record({
        source: address,
        destination: address,
        sourcePort: port,
        port,
        payload: fc.uint8Array({ minLength: 1, maxLength: 1232 }),
        trafficClass: fc.nat(255),
        flowLabel: fc.nat(0xfffff),
        hopLimit: fc.nat(255),
      }),
      400,
    )
    const packets = parts.map(({ source, destination, trafficClass, flowLabel, hopLimit, ...udp }) => {
      const body = udpBody({ ...udp, from: formatIpv6(source), to: formatIpv6(destination) })
      const header = encodeIpv6Header({
        trafficClass,
        flowLabel,
        payloadLength: body.length,
        nextHeader: 17,
        hopLimit,
        source,
        destination,
      })
      return Uint8Array.of(...header, ...body)
    })
    const rows = await read(packets.map(eventOf))
    expect(rows).toHaveLength(400)
    for (const [index, row] of rows.entries()) {
      const packet = packets[index]!
      const header = decodeIpv6Header(packet)
      const udp = decodeUdp(packet, 40, packet.length)
      if (typeof header === 'string' || typeof udp === 'string') throw new Error(`packet ${index} is refused`)
      expectHeader(row, header)
      expect([
        number(row['udp.srcport']),
        number(row['udp.dstport']),
        row['udp.checksum.status'],
        row['udp.payload'].replaceAll(':', ''),
      ]).toEqual([udp.sourcePort, udp.destinationPort, '1', Buffer.from(udp.payload).toString('hex')])
      expect(number(row['frame.packet_flags_direction'])).toBe(index % 2 === 0 ? 2 : 1)
    }
  })

  it('ICMPv6: echo and errors of random content', async () => {
    const parts = sample(
      fc.record({
        source: address,
        destination: address,
        message: fc.oneof(
          fc.record({
            kind: fc.constantFrom('echo-request' as const, 'echo-reply' as const),
            identifier: fc.nat(0xffff),
            sequence: fc.nat(0xffff),
            data: fc.uint8Array({ minLength: 1, maxLength: 600 }),
          }),
          fc.record({
            kind: fc.constant('error' as const),
            type: fc.constantFrom(1, 2, 3),
            code: fc.constantFrom(0, 1),
            parameter: fc.nat(0xffff),
            invoking: fc.uint8Array({ minLength: 1, maxLength: 1200 }).map((payload) => udpPacket({ payload })),
          }),
        ),
      }),
      400,
    )
    const packets = parts.map(({ message, source, destination }) => encodeIcmp(message, { source, destination, hopLimit: 64 }))
    const rows = await read(packets.map(eventOf))
    for (const [index, row] of rows.entries()) {
      const packet = packets[index]!
      const header = decodeIpv6Header(packet)
      const message = decodeIcmp(packet, 40, packet.length)
      if (typeof header === 'string' || typeof message === 'string') throw new Error(`packet ${index} is refused`)
      expectHeader(row, header)
      expect(row['icmpv6.checksum.status'].split(',')[0]).toBe('1')
      if (message.kind === 'error') {
        expect([number(row['icmpv6.type']), number(row['icmpv6.code'])]).toEqual([message.type, message.code])
        if (message.type === 2) expect(number(row['icmpv6.mtu'])).toBe(message.parameter)
      } else if (message.kind !== 'other') {
        expect(number(row['icmpv6.type'])).toBe(message.kind === 'echo-request' ? 128 : 129)
        expect([Number(row['icmpv6.echo.identifier']), Number(row['icmpv6.echo.sequence_number'])]).toEqual([
          message.identifier,
          message.sequence,
        ])
        expect(row['data.data'].replaceAll(':', '')).toBe(Buffer.from(message.data).toString('hex'))
      }
    }
  })

  it('fragments: tshark puts together what we put together', async () => {
    const payload = Uint8Array.from({ length: 1400 }, (_, index) => index & 255)
    const udp = udpBody({ payload })
    const packets = [
      fragmentOf(udp.subarray(0, 800), 0, true, { id: 7 }),
      fragmentOf(udp.subarray(1200), 1200, false, { id: 7 }),
      fragmentOf(udp.subarray(800, 1200), 800, true, { id: 7 }),
    ]
    const { link, host } = standUp()
    const seen: PacketEvent[] = []
    host.tap((event) => seen.push(event))
    const received: Uint8Array[] = []
    host.openUdp({ port: 5683 }).subscribe((event) => (event.kind === 'datagram' ? received.push(event.datagram.payload) : undefined))
    packets.forEach((packet) => link.receive(packet))
    const rows = await read(seen, '-o', 'ipv6.defragment:TRUE')
    expect(received).toEqual([payload])
    expect(rows.map((row) => row['udp.checksum.status'])).toEqual(['', '', '1'])
    expect(rows[2]!['udp.payload'].replaceAll(':', '')).toBe(Buffer.from(payload).toString('hex'))
  })

  it('a conversation of two hosts, with pings, groups, refusals and MLD: all checksums right, nothing malformed', async () => {
    const clock = new VirtualClock()
    const wire = linkPair(
      clock,
      { addresses: [linkLocal('fe80::a'), meshLocal('fd00::a')] },
      { addresses: [linkLocal('fe80::b'), meshLocal('fd00::b')] },
    )
    const [a, b] = [
      createIpHost({ link: wire.a, clock, random: seededRandom(1), mld: 'on' }),
      createIpHost({ link: wire.b, clock, random: seededRandom(2), mld: 'on' }),
    ]
    const events: PacketEvent[] = []
    a.tap((event) => events.push(event))
    const [client, server] = [a.openUdp({ port: 0 }), b.openUdp({ port: 5683 })]
    server.joinGroup('ff03::fd')
    client.joinGroup('ff05::fd')
    server.subscribe((event) => (event.kind === 'datagram' ? server.send(event.datagram.payload, event.datagram.source) : undefined))
    client.subscribe(() => undefined)
    for (const address of ['fd00::b', 'fe80::b', 'ff03::fd', 'ff02::1']) client.send(Uint8Array.of(0x40, 1, 0, 1), { address, port: 5683 })
    client.send(new Uint8Array(1232), { address: 'fd00::b', port: 9 })
    wire.a.receive(packetOf({ from: 'fd00::b', to: 'fd00::a', next: 253, body: new Uint8Array(20) }))
    await clock.until(a.ping('fe80::b', { dataBytes: 1000 }))
    await clock.advance(5000)
    const rows = await read(events)
    expect(rows).toHaveLength(events.length)
    const kinds = new Set<string>()
    for (const [index, row] of rows.entries()) {
      const isIcmp = row['icmpv6.type'] !== ''
      if (isIcmp) kinds.add(row['icmpv6.type'])
      const status = isIcmp ? row['icmpv6.checksum.status'] : row['udp.checksum.status']
      if (number(row['ipv6.nxt']) !== 253) expect(status.split(',')[0], `packet ${index}`).toBe('1')
      expect(row['_ws.malformed']).toBe('')
      expect(Math.round(Number(row['frame.time_epoch']) * 1000)).toBe(Math.round(events[index]!.atMs))
      expect(row['frame.packet_id']).toBe(String(events[index]!.id))
    }
    expect(new Set(rows.map((row) => row['icmpv6.mldr.mar.multicast_address']))).toEqual(new Set(['', 'ff03::fd', 'ff05::fd']))
    expect([...kinds].toSorted()).toEqual(['1', '128', '129', '143', '4'])
  })
})
