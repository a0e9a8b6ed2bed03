// What a host makes of extension headers (RFC 8200 §4): options by their action bits, routing headers, unknown headers.
import { expect, it, describe } from 'vitest'
import type { Datagram } from '#main/base/index.ts'
import { fragmentOf, ME, packetOf, PEER, readIcmp, standUp, udpBody, udpPacket, type Stand } from './harness.ts'

interface Outcome {
  readonly datagrams: readonly Datagram[]
  readonly answers: ReadonlyArray<ReturnType<typeof readIcmp>>
  readonly dropped: Readonly<Record<string, number>>
}

function receive(packet: Uint8Array, group?: string): Outcome & Stand {
  const stand = standUp()
  const channel = stand.host.openUdp({ port: 5683 })
  const datagrams: Datagram[] = []
  channel.subscribe((event) => (event.kind === 'datagram' ? datagrams.push(event.datagram) : undefined))
  if (group !== undefined) channel.joinGroup(group)
  stand.link.receive(packet)
  return { ...stand, datagrams, answers: stand.link.takeSent().map(readIcmp), dropped: stand.host.counters().dropped }
}

/** A header of options: `next`, length, the options, padded with PadN or Pad1. */
function options(next: number, ...bytes: readonly number[]): Uint8Array {
  const length = Math.ceil((2 + bytes.length) / 8) * 8
  const rest = length - 2 - bytes.length
  const padding = rest === 0 ? [] : rest === 1 ? [0] : [1, rest - 2, ...new Array<number>(rest - 2).fill(0)]
  return Uint8Array.of(next, length / 8 - 1, ...bytes, ...padding)
}

const withHeader = (first: number, header: Uint8Array, to = ME): Uint8Array =>
  packetOf({ to, next: first, body: Uint8Array.of(...header, ...udpBody({ to })) })

describe.each([
  ['hop-by-hop', 0],
  ['destination', 60],
])('%s options (RFC 8200 §4.2)', (_, kind) => {
  it.each([
    ['Pad1 and PadN', [0, 0, 1, 4, 0, 0, 0, 0]],
    ['Router Alert', [5, 2, 0, 0]],
    ['MPL (RFC 7731)', [0x6d, 2, 0x10, 7]],
    ['RPL (RFC 9008)', [0x23, 4, 0, 0, 1, 0]],
    ['unknown ones with action 00', [0x1e, 3, 1, 2, 3]],
  ])('are passed over: %s', (_name, bytes) => {
    expect(receive(withHeader(kind, options(17, ...bytes))).datagrams).toHaveLength(1)
  })

  it('of action 01 drop the packet in silence', () => {
    const { datagrams, answers, dropped } = receive(withHeader(kind, options(17, 0x5e, 1, 9)))
    expect([datagrams.length, answers.length, dropped]).toEqual([0, 0, { option: 1 }])
  })

  it.each([
    ['10', 0x9e],
    ['11', 0xde],
  ])('of action %s are answered with a pointer to the option', (_action, type) => {
    const packet = withHeader(kind, options(17, 1, 0, type, 2, 7, 7))
    const { datagrams, answers } = receive(packet)
    expect(datagrams).toHaveLength(0)
    expect(answers).toEqual([{ checksumIsRight: true, type: 4, code: 2, parameter: 44, rest: packet, hopLimit: 64 }])
  })

  it('to a group: action 10 is answered, action 11 is not (RFC 4443 §2.4 e.3)', () => {
    expect(receive(withHeader(kind, options(17, 0x9e, 0), 'ff03::fd'), 'ff03::fd').answers).toMatchObject([{ type: 4, code: 2 }])
    expect(receive(withHeader(kind, options(17, 0xde, 0), 'ff03::fd'), 'ff03::fd').answers).toEqual([])
  })

  it('that reach beyond their header are a problem of their length', () => {
    expect(receive(withHeader(kind, Uint8Array.of(17, 0, 0x1e, 5, 0, 0, 0, 0))).answers).toMatchObject([
      { type: 4, code: 0, parameter: 43 },
    ])
  })

  it('that end in the middle of the packet are dropped', () => {
    const { answers, dropped } = receive(packetOf({ next: kind, body: Uint8Array.of(17, 9, 0, 0, 0, 0, 0, 0) }))
    expect([answers, dropped]).toEqual([[], { malformed: 1 }])
  })
})

describe('the chain of headers', () => {
  it('may be long', () => {
    const chain = Uint8Array.of(...options(60), ...options(43), ...Uint8Array.of(60, 0, 3, 0, 0, 0, 0, 0), ...options(17))
    expect(receive(packetOf({ next: 0, body: Uint8Array.of(...chain, ...udpBody()) })).datagrams).toHaveLength(1)
  })

  it('has hop-by-hop options first or not at all (§4.3)', () => {
    const body = Uint8Array.of(...options(0), ...options(17), ...udpBody())
    expect(receive(packetOf({ next: 60, body })).answers).toMatchObject([{ type: 4, code: 1, parameter: 40 }])
  })

  it.each([
    ['TCP', 6],
    ['ESP', 50],
    ['AH', 51],
    ['an unassigned one', 253],
  ])('that ends in a protocol not spoken here, %s, is answered with a pointer to its number', (_name, protocol) => {
    expect(receive(packetOf({ next: protocol, body: new Uint8Array(20) })).answers).toMatchObject([{ type: 4, code: 1, parameter: 6 }])
    const behind = packetOf({ next: 60, body: Uint8Array.of(...options(protocol), ...new Uint8Array(20)) })
    expect(receive(behind).answers).toMatchObject([{ type: 4, code: 1, parameter: 40, rest: behind }])
  })

  it('that ends in nothing is dropped in silence (§4.7)', () => {
    const { answers, dropped } = receive(packetOf({ next: 59, body: new Uint8Array(9) }))
    expect([answers, dropped]).toEqual([[], { 'no-next-header': 1 }])
  })
})

describe('a routing header (§4.4)', () => {
  it.each([0, 2, 3, 4, 200])('of type %i is passed over when no segments are left', (type) => {
    expect(receive(withHeader(43, Uint8Array.of(17, 0, type, 0, 0, 0, 0, 0))).datagrams).toHaveLength(1)
  })

  it.each([0, 2, 3, 4, 200])('of type %i with segments left is answered with a pointer to its type (RFC 5095)', (type) => {
    expect(receive(withHeader(43, Uint8Array.of(17, 0, type, 1, 0, 0, 0, 0))).answers).toMatchObject([{ type: 4, code: 0, parameter: 42 }])
  })
})

describe('the fixed header', () => {
  it.each([
    ['nothing', new Uint8Array(0)],
    ['39 bytes', udpPacket().subarray(0, 39)],
    ['version 4', Uint8Array.of(0x45, ...udpPacket().subarray(1))],
    ['a payload that is cut off', udpPacket().subarray(0, 50)],
  ])('is refused: %s', (_name, packet) => {
    const { datagrams, answers, dropped } = receive(packet)
    expect([datagrams, answers, dropped]).toEqual([[], [], { malformed: 1 }])
  })

  it('may be followed by padding of the link', () => {
    const { datagrams } = receive(Uint8Array.of(...udpPacket(), 0xaa, 0xbb))
    expect(datagrams.map(({ payload }) => [...payload])).toEqual([[1, 2, 3]])
  })

  it.each([
    ['a group as source', udpPacket({ from: 'ff02::1' }), 'bad-source'],
    ['the loopback address as source', udpPacket({ from: '::1' }), 'bad-source'],
    ['the loopback address as destination', udpPacket({ to: '::1' }), 'bad-source'],
    ['no source', udpPacket({ from: '::' }), 'bad-source'],
    ['an own address as source', udpPacket({ from: ME, to: 'ff02::1' }), 'own-source'],
    ['a stranger as destination', udpPacket({ to: 'fd00::77' }), 'not-ours'],
    ['a group that nobody joined', udpPacket({ to: 'ff03::fd' }), 'not-ours'],
  ])('with %s goes no further', (_name, packet, reason) => {
    const { datagrams, answers, dropped } = receive(packet)
    expect([datagrams, answers, dropped]).toEqual([[], [], { [reason]: 1 }])
  })

  it('of a group of reserved or interface-local scope is not taken from a link (RFC 4291 §2.7)', () => {
    for (const group of ['ff00::fd', 'ff01::fd']) expect(receive(udpPacket({ to: group }), group).dropped).toEqual({ 'not-ours': 1 })
  })

  it('with hop limit 0 is for its destination all the same (§3)', () => {
    expect(receive(packetOf({ hopLimit: 0, next: 17, body: udpBody() })).datagrams).toHaveLength(1)
  })
})

it('a fragment behind options is put together with them', () => {
  const udp = udpBody({ payload: new Uint8Array(40) })
  const stand = standUp()
  const datagrams: Datagram[] = []
  stand.host.openUdp({ port: 5683 }).subscribe((event) => (event.kind === 'datagram' ? datagrams.push(event.datagram) : undefined))
  for (const [from, to, more] of [
    [0, 24, true],
    [24, 48, false],
  ] as const) {
    const plain = fragmentOf(udp.subarray(from, to), from, more)
    stand.link.receive(packetOf({ from: PEER, next: 60, body: Uint8Array.of(...options(44, 1, 0), ...plain.subarray(40)) }))
  }
  expect(datagrams.map(({ payload }) => payload.length)).toEqual([40])
})
