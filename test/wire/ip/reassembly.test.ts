// Fragments (RFC 8200 §4.5): put together in any order, within bounds, and never by overlap (RFC 5722).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fragmentOf, icmpBody, ME, PEER, readIcmp, standUp, udpBody, type Stand } from './harness.ts'
import type { IpHostOptions } from '#main/wire/ip/index.ts'

function listen(options: Partial<IpHostOptions> = {}): Stand & { readonly payloads: Uint8Array[] } {
  const stand = standUp({}, options)
  const payloads: Uint8Array[] = []
  stand.host.openUdp({ port: 5683 }).subscribe((event) => (event.kind === 'datagram' ? payloads.push(event.datagram.payload) : undefined))
  return { ...stand, payloads }
}

/** The datagram's bytes from `start` on, as fragments of the given sizes (in units of 8 bytes). */
function cut(udp: Uint8Array, sizes: readonly number[], id = 1): Uint8Array[] {
  const fragments: Uint8Array[] = []
  let at = 0
  for (const size of sizes) {
    if (at + size * 8 >= udp.length) break
    fragments.push(fragmentOf(udp.subarray(at, at + size * 8), at, true, { id }))
    at += size * 8
  }
  fragments.push(fragmentOf(udp.subarray(at), at, false, { id }))
  return fragments
}

const payloadOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 7 + 3) & 0xff)

describe('fragments', () => {
  it('in any order, with copies, give what was sent', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4000 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 }),
        fc.array(fc.nat(1000), { minLength: 41, maxLength: 41 }),
        (length, sizes, ranks) => {
          const { link, payloads } = listen()
          const payload = payloadOf(length)
          const fragments = cut(udpBody({ payload }), sizes)
          const order = fragments.map((packet, index) => ({ packet, rank: ranks[index] ?? 0 })).toSorted((a, b) => a.rank - b.rank)
          order.slice(0, -1).forEach(({ packet }) => link.receive(packet))
          if (order.length > 1) link.receive(order[0]!.packet)
          link.receive(order.at(-1)!.packet)
          expect(payloads).toEqual([payload])
        },
      ),
      { numRuns: 300 },
    )
  })

  it('of two packets at once do not mix', () => {
    const { link, payloads } = listen()
    const [a, b] = [payloadOf(100), payloadOf(200)]
    const [first, second] = [cut(udpBody({ payload: a }), [6], 1), cut(udpBody({ payload: b }), [6], 2)]
    for (const packet of [first[0]!, second[1]!, second[0]!, first[1]!]) link.receive(packet)
    expect(payloads).toEqual([b, a])
  })

  it('an atomic one is whole by itself and meets no other (RFC 6946)', () => {
    const { link, payloads } = listen()
    link.receive(fragmentOf(udpBody({ payload: payloadOf(100) }).subarray(0, 48), 0, true))
    link.receive(fragmentOf(udpBody({ payload: payloadOf(9) }), 0, false))
    expect(payloads).toEqual([payloadOf(9)])
  })

  it('that overlap end the whole packet, also what comes later (RFC 5722 §3)', () => {
    const { link, payloads, host } = listen()
    const udp = udpBody({ payload: payloadOf(100) })
    link.receive(fragmentOf(udp.subarray(0, 48), 0, true))
    link.receive(fragmentOf(udp.subarray(40, 64), 40, true))
    link.receive(fragmentOf(udp.subarray(0, 48), 0, true))
    link.receive(fragmentOf(udp.subarray(48), 48, false))
    expect(payloads).toEqual([])
    expect(host.counters().dropped).toEqual({ 'fragment-overlap': 3 })
  })

  it.each([
    ['the same place with other bytes', (udp: Uint8Array) => fragmentOf(udp.subarray(0, 48).toReversed(), 0, true)],
    ['beyond the end', (udp: Uint8Array) => fragmentOf(udp.subarray(0, 48), 160, true)],
    ['a second end', (udp: Uint8Array) => fragmentOf(udp.subarray(0, 40), 160, false)],
    ['no bytes at all', () => fragmentOf(new Uint8Array(0), 48, true)],
  ])('that contradict each other are dropped: %s', (_name, forged) => {
    const { link, payloads } = listen()
    const udp = udpBody({ payload: payloadOf(100) })
    link.receive(fragmentOf(udp.subarray(0, 48), 0, true))
    link.receive(fragmentOf(udp.subarray(56), 56, false))
    link.receive(forged(udp))
    link.receive(fragmentOf(udp.subarray(48, 56), 48, true))
    expect(payloads).toEqual([])
  })

  it('of a length that is no multiple of 8 are a problem of the payload length', () => {
    const { link } = listen()
    link.receive(fragmentOf(new Uint8Array(13), 0, true))
    expect(link.takeSent().map(readIcmp)).toMatchObject([{ type: 4, code: 0, parameter: 4 }])
  })

  it('that would end beyond 65 535 bytes are a problem of their offset', () => {
    const { link } = listen()
    link.receive(fragmentOf(new Uint8Array(16), 65_528, false))
    expect(link.takeSent().map(readIcmp)).toMatchObject([{ type: 4, code: 0, parameter: 42 }])
  })

  it('a first one without the header above is refused (RFC 7112 §5)', () => {
    const { link } = listen()
    link.receive(fragmentOf(Uint8Array.of(17, 1, 1, 4, 0, 0, 0, 0), 0, true, { next: 60 }))
    expect(link.takeSent().map(readIcmp)).toMatchObject([{ type: 4, code: 3, parameter: 0 }])
  })

  it('that stay alone for 60 s are given up: with word to the sender where the first had come (§4.5)', async () => {
    const { link, clock, host } = listen()
    const udp = udpBody({ payload: payloadOf(100) })
    const first = fragmentOf(udp.subarray(0, 48), 0, true)
    link.receive(first)
    link.receive(fragmentOf(udp.subarray(48), 48, false, { id: 2 }))
    await clock.advance(59_999)
    expect(link.takeSent()).toEqual([])
    await clock.advance(1)
    expect(link.takeSent().map(readIcmp)).toEqual([{ checksumIsRight: true, type: 3, code: 1, parameter: 0, rest: first, hopLimit: 64 }])
    expect(host.counters().dropped).toEqual({ 'reassembly-timeout': 2 })
    expect(clock.pendingTimers).toBe(0)
  })

  it('of an error message that stay alone are not complained about (RFC 4443 §2.4 e.1)', async () => {
    const { link, clock } = listen()
    const error = icmpBody(PEER, ME, 1, 4, new Uint8Array(100))
    link.receive(fragmentOf(error.subarray(0, 48), 0, true, { next: 58 }))
    await clock.advance(60_000)
    expect(link.takeSent()).toEqual([])
  })

  it('more than there is room for displace the oldest; memory and timers stay bounded', async () => {
    const { link, clock, payloads, host } = listen({ reassembly: { maxPackets: 4, maxTotalBytes: 4000, maxPacketBytes: 2000 } })
    const udp = udpBody({ payload: payloadOf(600) })
    for (let id = 0; id < 1000; id++) link.receive(fragmentOf(udp.subarray(0, 480), 0, true, { id }))
    expect(clock.pendingTimers).toBeLessThanOrEqual(4)
    link.receive(fragmentOf(udp.subarray(480), 480, false, { id: 999 }))
    link.receive(fragmentOf(udp.subarray(480), 480, false, { id: 3 }))
    expect(payloads).toEqual([payloadOf(600)])
    link.receive(fragmentOf(udp.subarray(0, 480), 1600, true, { id: 5000 }))
    expect(host.counters().dropped).toEqual({ 'fragment-limit': 1 })
    await clock.advance(60_000)
    expect(clock.pendingTimers).toBe(0)
  })

  it('are forgotten when the link goes down', () => {
    const { link, clock, payloads } = listen()
    const [first, second] = cut(udpBody({ payload: payloadOf(100) }), [6])
    link.receive(first!)
    link.setUp(false)
    expect(clock.pendingTimers).toBe(0)
    link.setUp(true)
    link.receive(second!)
    expect(payloads).toEqual([])
  })

  it('inside a fragment lead nowhere', () => {
    const { link, payloads, host } = listen()
    const inner = fragmentOf(udpBody(), 0, false).subarray(40)
    link.receive(fragmentOf(inner, 0, false, { next: 44 }))
    expect([payloads, host.counters().dropped]).toEqual([[], { 'header-problem': 1 }])
  })
})

it('a packet with 1500 bytes is put together (RFC 8200 §5)', () => {
  const { link, payloads } = listen()
  const payload = payloadOf(1452)
  cut(udpBody({ payload }), [150]).forEach((packet) => link.receive(packet))
  expect(payloads).toEqual([payload])
})

it('fragments are unharmed when the link uses its buffer again', () => {
  const { link, payloads } = listen()
  const [first, second] = cut(udpBody({ payload: payloadOf(60) }), [4])
  link.receive(first!)
  first!.fill(0xee)
  link.receive(second!)
  expect(payloads).toEqual([payloadOf(60)])
})
