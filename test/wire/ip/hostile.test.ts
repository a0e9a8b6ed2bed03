// Packets that real dongles handed over, and whatever else may come down a wire: random bytes, damaged packets, forged headers.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import { fromHex, type Datagram, type Logger } from '#main/base/index.ts'
import { decodeIcmp, decodeIpv6Header, decodeUdp, encodeIpv6Header, formatIpv6 } from '#main/wire/ip/index.ts'
import { linkLocal, meshLocal, onMesh } from '../../support/packet-link.ts'
import {
  echoRequest,
  fragmentOf,
  icmpError,
  ME,
  MY_LINK_LOCAL,
  packetOf,
  PEER,
  plainChecksum,
  standUp,
  udpBody,
  udpPacket,
} from './harness.ts'

interface Recorded {
  readonly from: string
  readonly scene: string
  readonly hex: string
}

const recorded = (JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors/ip/received-packets.json'), 'utf8')) as Recorded[]).map(
  (entry) => ({ ...entry, packet: fromHex(entry.hex)! }),
)

describe('packets from OpenThread and Contiki-NG', () => {
  it('are read field by field, with right checksums, and written back as they were', () => {
    const kinds = new Set<string>()
    for (const { packet, from, scene } of recorded) {
      const header = decodeIpv6Header(packet)
      if (typeof header === 'string') throw new Error(`${from}, ${scene}: ${header}`)
      expect(header.payloadLength + 40).toBe(packet.length)
      expect(encodeIpv6Header(header)).toEqual(packet.slice(0, 40))
      kinds.add(`${from} ${header.nextHeader}`)
      if (header.nextHeader === 17) expect(typeof decodeUdp(packet, 40, packet.length), scene).toBe('object')
      if (header.nextHeader === 58) expect(typeof decodeIcmp(packet, 40, packet.length), scene).toBe('object')
    }
    expect(recorded.length).toBeGreaterThan(90)
    expect([...kinds].toSorted()).toEqual(['Contiki-NG 17', 'Contiki-NG 58', 'OpenThread 17', 'OpenThread 44', 'OpenThread 58'])
  })

  it('reach the port that they were sent to; the datagram in two fragments too', () => {
    // The host's packets to itself, which OpenThread hands back, are for another test.
    const own = ({ packet }: (typeof recorded)[number]): boolean => packet.subarray(8, 24).join() === packet.subarray(24, 40).join()
    for (const { packet, scene } of recorded.filter((entry) => entry.packet[6] === 17 && !own(entry))) {
      const to = formatIpv6(packet.subarray(24, 40))
      const group = packet[24] === 0xff
      const { link, host } = standUp({ addresses: group ? [meshLocal(ME)] : [meshLocal(to)] })
      const channel = host.openUdp({ port: new DataView(packet.buffer, packet.byteOffset).getUint16(42) })
      if (group) channel.joinGroup(to)
      const datagrams: Datagram[] = []
      channel.subscribe((event) => (event.kind === 'datagram' ? datagrams.push(event.datagram) : undefined))
      link.receive(packet)
      expect([datagrams.length, host.counters().dropped], scene).toEqual([1, {}])
      expect([datagrams[0]!.payload, datagrams[0]!.multicast]).toEqual([packet.slice(48), group])
      expect(datagrams[0]!.source.address).toBe(new ipaddr.IPv6([...packet.subarray(8, 24)]).toRFC5952String())
    }
    const fragments = recorded.filter((entry) => entry.packet[6] === 44)
    expect(fragments).toHaveLength(2)
    const { link, host } = standUp({ addresses: [meshLocal(formatIpv6(fragments[0]!.packet.subarray(24, 40)))] })
    const port = new DataView(fragments[0]!.packet.buffer).getUint16(50)
    const lengths: number[] = []
    host.openUdp({ port }).subscribe((event) => lengths.push(event.kind === 'datagram' ? event.datagram.payload.length : -1))
    fragments.forEach(({ packet }) => link.receive(packet))
    expect(lengths).toEqual([1240])
  })

  it('of a closed port and a spent hop limit come back as failures of the channel that had sent', () => {
    const errors = recorded.filter(({ packet }) => packet[6] === 58 && packet[40]! < 128)
    const codes = errors.map(({ packet }) => {
      const { link, host } = standUp({ addresses: [meshLocal(formatIpv6(packet.subarray(24, 40)))] })
      const found: unknown[] = []
      host
        .openUdp({ port: new DataView(packet.buffer).getUint16(88) })
        .subscribe((event) => (event.kind === 'send-failed' ? found.push(event.error) : undefined))
      link.receive(packet)
      return found
    })
    expect(codes).toMatchObject([
      [{ code: 'network.port-unreachable' }],
      [{ code: 'network.port-unreachable' }],
      [{ code: 'network.hop-limit' }],
    ])
  })
})

/** A host with everything open, that keeps what it logs. */
function openHost() {
  const complaints: unknown[] = []
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (fields) => complaints.push(fields),
    child: () => logger,
  }
  const stand = standUp({ addresses: [linkLocal(MY_LINK_LOCAL), meshLocal(ME), onMesh('2001:db8::1')] }, { logger, mld: 'on' })
  const channel = stand.host.openUdp({ port: 5683 })
  channel.joinGroup('ff03::fd')
  channel.subscribe(() => undefined)
  stand.link.takeSent()
  return { ...stand, complaints }
}

const seeds = [
  udpPacket(),
  udpPacket({ to: 'ff03::fd' }),
  echoRequest(new Uint8Array(20)),
  icmpError(1, 4, 0, udpPacket({ from: ME, to: PEER })),
  fragmentOf(udpBody({ payload: new Uint8Array(40) }).subarray(0, 24), 0, true),
  fragmentOf(udpBody({ payload: new Uint8Array(40) }).subarray(24), 24, false),
  packetOf({ next: 0, body: Uint8Array.of(60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 5, 2, 0, 0, 1, 0, 17, 0, 3, 0, 0, 0, 0, 0, ...udpBody()) }),
  ...recorded.map(({ packet }) => packet),
]

/** A packet with some bytes changed, cut off, lengthened, or put before another one. */
const damaged = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 6 }),
    fc.option(fc.nat(200), { nil: undefined }),
    fc.uint8Array({ maxLength: 40 }),
    fc.boolean(),
  )
  .map(([seed, changes, cut, tail, mend]) => {
    const packet = Uint8Array.of(...seed.subarray(0, cut ?? seed.length), ...tail)
    for (const [at, value] of changes) if (at < packet.length) packet[at] = value
    if (mend && packet.length >= 40) {
      // To us, and of the right length: else hardly one gets past the fixed header.
      packet[0] = 0x60
      packet[4] = (packet.length - 40) >> 8
      packet[5] = packet.length - 40
      packet.set(udpPacket().subarray(24, 40), 24)
    }
    return packet
  })

describe('hostile bytes', () => {
  it('never harm a host: nothing thrown, nothing but right packets out, nothing without bound kept', async () => {
    const { link, host, clock, complaints } = openHost()
    const numRuns = Number(process.env.IP_FUZZ_RUNS ?? 5000)
    fc.assert(
      fc.property(fc.oneof({ weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) }, { weight: 9, arbitrary: damaged }), (packet) => {
        link.receive(packet)
        for (const answer of link.takeSent()) {
          expect(answer.length).toBeLessThanOrEqual(1280)
          const header = decodeIpv6Header(answer)
          if (typeof header === 'string') throw new Error(header)
          expect(header.payloadLength).toBe(answer.length - 40)
          const body = answer.subarray(40)
          const upper = header.nextHeader === 0 ? body.subarray(8) : body
          const length = [0, 0, upper.length >> 8, upper.length & 255]
          expect(plainChecksum(Uint8Array.of(...answer.subarray(8, 40), ...length, 0, 0, 0, 58, ...upper))).toBe(0)
        }
      }),
      { numRuns },
    )
    expect(complaints).toEqual([])
    // Reassembly holds at most 16 timers, MLD a few.
    expect(clock.pendingTimers).toBeLessThan(24)
    const { dropped, packetsReceived } = host.counters()
    expect(packetsReceived).toBe(numRuns)
    expect(Object.values(dropped).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(packetsReceived)
    await clock.advance(60_000)
    await host.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('are read by every decoder without a throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), damaged), fc.nat(130), (packet, at) => {
        decodeIpv6Header(packet)
        decodeUdp(packet, Math.min(at, packet.length), packet.length)
        decodeIcmp(packet, Math.min(at, packet.length), packet.length)
      }),
      { numRuns: 3000 },
    )
  })

  it('one flipped bit anywhere in a UDP datagram is noticed (RFC 1071)', () => {
    const packet = udpPacket({ payload: Uint8Array.from({ length: 30 }, (_, index) => index) })
    for (let bit = 40 * 8; bit < packet.length * 8; bit++) {
      const copy = packet.slice()
      copy[bit >> 3]! ^= 1 << (bit & 7)
      expect(typeof decodeUdp(copy, 40, copy.length)).toBe('string')
    }
  })

  it('a packet goes through the host and back unchanged, of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1232 }), fc.integer({ min: 1, max: 65_535 }), (payload, port) => {
        const { link, host, clock } = standUp()
        host.openUdp({ port: 7 }).send(payload, { address: PEER, port })
        const [packet] = link.takeSent()
        const other = standUp({ addresses: [meshLocal(PEER)] })
        const received: Datagram[] = []
        other.host.openUdp({ port }).subscribe((event) => (event.kind === 'datagram' ? received.push(event.datagram) : undefined))
        other.link.receive(packet!)
        expect(received).toEqual([{ payload, source: { address: ME, port: 7 }, destination: { address: PEER, port }, multicast: false }])
        expect(clock.pendingTimers).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})

it('the addresses in packets are written as ipaddr.js writes them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (address) => {
      address[0] = 0x20 | (address[0]! & 0x0f)
      const { link, host } = standUp()
      const sources: string[] = []
      host
        .openUdp({ port: 5683 })
        .subscribe((event) => (event.kind === 'datagram' ? sources.push(event.datagram.source.address) : undefined))
      link.receive(udpPacket({ from: formatIpv6(address) }))
      expect(sources).toEqual([new ipaddr.IPv6([...address]).toRFC5952String()])
    }),
    { numRuns: 300 },
  )
})
