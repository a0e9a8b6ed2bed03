// The bytes of a trace file, read by a parser of this test's own and with checksums summed up as a receiver does (RFC 1071).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '#main/base/index.ts'
import { pcapngFile, pcapngPacket, pcapngStart, type TraceEvent } from '#main/wire/coap/index.ts'
import { parseAddress } from '#main/wire/ip/index.ts'
import { bench, path, THEIRS } from './harness.ts'

const OPTIONS = { addressBytes: parseAddress, interfaceName: 'udp:[::1]:5683' }

interface Block {
  readonly type: number
  readonly body: Uint8Array
}

function blocksOf(file: Uint8Array): Block[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const blocks: Block[] = []
  for (let at = 0; at < file.length;) {
    const length = view.getUint32(at + 4, true)
    expect(length % 4).toBe(0)
    expect(view.getUint32(at + length - 4, true)).toBe(length)
    blocks.push({ type: view.getUint32(at, true), body: file.subarray(at + 8, at + length - 4) })
    at += length
  }
  return blocks
}

/** The packet within an enhanced packet block, and when it was. */
function packetOf({ type, body }: Block): { readonly packet: Uint8Array; readonly atMs: number; readonly originalBytes: number } {
  expect(type).toBe(6)
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const atUs = view.getUint32(4, true) * 2 ** 32 + view.getUint32(8, true)
  return { packet: body.subarray(20, 20 + view.getUint32(12, true)), atMs: atUs / 1000, originalBytes: view.getUint32(16, true) }
}

function sum(...parts: readonly Uint8Array[]): number {
  let total = 0
  for (const part of parts) {
    for (let index = 0; index < part.length; index += 2) total += ((part[index] ?? 0) << 8) + (part[index + 1] ?? 0)
  }
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return total
}

/** What a receiver finds in the packet; throws where a length or checksum is wrong. */
function receive(packet: Uint8Array): { readonly source: string; readonly destination: string; readonly payload: Uint8Array } {
  const isIpv4 = (packet[0] ?? 0) >> 4 === 4
  const [width, header, at] = isIpv4 ? [4, 20, 12] : [16, 40, 8]
  const addresses = packet.subarray(at, at + 2 * width)
  const udp = packet.subarray(header)
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  if (isIpv4) {
    expect(sum(packet.subarray(0, header))).toBe(0xffff)
    expect(view.getUint16(2)).toBe(packet.length)
  } else expect(view.getUint16(4)).toBe(udp.length)
  expect(packet[isIpv4 ? 9 : 6]).toBe(17)
  expect(view.getUint16(header + 4)).toBe(udp.length)
  expect(view.getUint16(header + 6)).not.toBe(0)
  expect(sum(addresses, Uint8Array.of(0, 17, udp.length >> 8, udp.length & 0xff), udp)).toBe(0xffff)
  const end = (from: number, port: number): string => `${toHex(addresses.subarray(from, from + width))} ${port}`
  return {
    source: end(0, view.getUint16(header)),
    destination: end(width, view.getUint16(header + 2)),
    payload: udp.subarray(8),
  }
}

function event(parts: Partial<TraceEvent>): TraceEvent {
  const datagram = parts.datagram ?? utf8('anything')
  return {
    direction: 'sent',
    peer: { address: '2001:db8::2', port: 5683 },
    local: { address: '2001:db8::1', port: 40_000 },
    atMs: 0,
    bytes: datagram.length,
    multicast: false,
    message: undefined,
    note: 'first',
    ...parts,
    datagram,
  }
}

function only(file: Uint8Array): Block {
  const blocks = blocksOf(file)
  expect(blocks).toHaveLength(1)
  return blocks[0]!
}

describe('pcapng', () => {
  it('starts with a little-endian section and one interface of raw IP packets (draft-ietf-opsawg-pcapng §4.1, §4.2)', () => {
    const [section, description, ...more] = blocksOf(pcapngStart(OPTIONS))
    expect(more).toEqual([])
    expect([section?.type, toHex(section?.body.subarray(0, 16) ?? utf8(''))]).toEqual([0x0a0d0d0a, '4d3c2b1a01000000ffffffffffffffff'])
    expect([description?.type, toHex(description?.body.subarray(0, 8) ?? utf8(''))]).toEqual([1, '6500000000000000'])
    expect(new TextDecoder().decode(description?.body)).toContain(OPTIONS.interfaceName)
  })

  it('has the header checksum of a known IPv4 packet', () => {
    const { packet } = packetOf(
      only(
        pcapngPacket(
          event({
            local: { address: '192.168.0.1', port: 5683 },
            peer: { address: '192.168.0.199', port: 5683 },
            datagram: new Uint8Array(87),
          }),
          OPTIONS,
        ),
      ),
    )
    // The textbook's 4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7, here without its Don't Fragment flag (4000).
    expect(toHex(packet.subarray(0, 20))).toBe('45000073000000004011f861c0a80001c0a800c7')
  })

  it('sends from the own end to the peer, receives the other way round, and keeps group addresses', () => {
    const group = { address: 'ff02::fd', port: 5683, zone: 'eth0' }
    const there = `${toHex(parseAddress('2001:db8::2')!)} 5683`
    const here = `${toHex(parseAddress('2001:db8::1')!)} 40000`
    const of = (parts: Partial<TraceEvent>): readonly string[] => {
      const { source, destination } = receive(packetOf(only(pcapngPacket(event(parts), OPTIONS))).packet)
      return [source, destination]
    }
    expect(of({})).toEqual([here, there])
    expect(of({ direction: 'received' })).toEqual([there, here])
    expect(of({ direction: 'received', local: group, multicast: true })).toEqual([there, `${toHex(parseAddress('ff02::fd')!)} 5683`])
  })

  it('holds what an endpoint sent and received, at its times', async () => {
    const { endpoint, clock, traces, peer } = bench()
    const raw = peer()
    const asked = endpoint.request(THEIRS, { method: 'GET', path: ['a'] })
    await clock.advance(2)
    const [request] = raw.take()
    await clock.advance(5000)
    raw.send({ type: 'ACK', code: '2.05', messageId: request!.messageId, token: request!.token, options: path(), payload: utf8('hello') })
    await clock.until(asked)
    const packets = blocksOf(pcapngFile(traces, OPTIONS)).slice(2).map(packetOf)
    expect(packets.map((one) => one.atMs)).toEqual(traces.map((trace) => Math.round(trace.atMs * 1000) / 1000))
    expect(packets.map((one) => toHex(receive(one.packet).payload))).toEqual(traces.map((trace) => toHex(trace.datagram)))
    // The request, its repetition after ACK_TIMEOUT, and the response.
    expect(traces.map((trace) => [trace.direction, trace.note])).toEqual([
      ['sent', 'first'],
      ['sent', 'again'],
      ['received', 'first'],
    ])
  })

  it('says how long a datagram was that no IP packet holds', () => {
    const { packet, originalBytes } = packetOf(only(pcapngPacket(event({ datagram: new Uint8Array(70_000) }), OPTIONS)))
    expect(receive(packet).payload).toHaveLength(65_507)
    expect(originalBytes).toBe(packet.length + 70_000 - 65_507)
  })

  it('writes a sound packet for whatever an event says', () => {
    const address = fc.oneof(fc.ipV6(), fc.ipV4(), fc.constantFrom('::', '0.0.0.0', 'fe80::1', '', 'no address'))
    const end = fc.record({ address, port: fc.nat(0xffff) })
    fc.assert(
      fc.property(
        fc.record({
          peer: end,
          local: end,
          direction: fc.constantFrom('sent' as const, 'received' as const),
          note: fc.constantFrom('first' as const, 'again' as const, 'malformed' as const),
          multicast: fc.boolean(),
          atMs: fc.double({ min: -1, max: 4e12, noNaN: true }),
          datagram: fc.uint8Array({ maxLength: 300 }),
        }),
        (parts) => {
          const { packet } = packetOf(only(pcapngPacket(event(parts), OPTIONS)))
          expect(toHex(receive(packet).payload)).toBe(toHex(parts.datagram))
        },
      ),
    )
  })

  it('never has a UDP checksum of zero, which would say that there is none (RFC 768)', () => {
    // Two bytes that make the sum come out as all ones.
    const base = event({ datagram: Uint8Array.of(0, 0) })
    const { packet } = packetOf(only(pcapngPacket(base, OPTIONS)))
    const missing = new DataView(packet.buffer, packet.byteOffset).getUint16(46)
    const datagram = fromHex(missing.toString(16).padStart(4, '0'))!
    const { packet: second } = packetOf(only(pcapngPacket({ ...base, datagram }, OPTIONS)))
    expect(new DataView(second.buffer, second.byteOffset).getUint16(46)).toBe(0xffff)
  })
})
