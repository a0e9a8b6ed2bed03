import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, seededRandom, toHex, utf8, type Datagram, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import { encodePlainHeader, MAX_HEADER_BYTES, SEALED_HEADER_BYTES, type StatelessOptions } from '#main/services/join/index.ts'
import { hearing, JOIN_PORT, multiHomed, stateless, world } from './port-harness.ts'
import { answer, HELLO, lab, labIn, messageOf, UPLINK } from './proxy-lab.ts'

describe('the sealed header (draft -20 §4.5.5)', () => {
  async function sealed(
    options: Partial<StatelessOptions> = {},
  ): Promise<ReturnType<typeof lab> & { header: Uint8Array; heard: Datagram[] }> {
    const place = lab(options)
    const { channel, heard } = place.speaker('fe80::224:beff:fe80:4ff1', 49_153)
    channel.send(HELLO, JOIN_PORT)
    await place.of.clock.advance(10)
    return { ...place, header: messageOf(place.atRegistrar[0]).header.slice(), heard }
  }

  it('has at most 32 bytes and shows nothing of the pledge', async () => {
    const { header } = await sealed()
    expect(header).toHaveLength(SEALED_HEADER_BYTES)
    expect(SEALED_HEADER_BYTES).toBeLessThanOrEqual(MAX_HEADER_BYTES)
    expect(toHex(header)).not.toMatch(/beff|4ff1|c001/)
  })

  it('is refused when any one bit of it is changed, when it is cut or made longer, and when it was made up', async () => {
    const { of, proxy, registrar, header, heard } = await sealed()
    const forged: Uint8Array[] = []
    for (let bit = 0; bit < header.length * 8; bit++) {
      const copy = header.slice()
      copy[bit >> 3]! ^= 1 << (bit & 7)
      forged.push(copy)
    }
    for (let length = 0; length < header.length; length++) forged.push(header.slice(0, length))
    forged.push(concatBytes(header, Uint8Array.of(0)))
    for (let count = 0; count < 200; count++) forged.push(concatBytes(header.slice(0, 1), seededRandom(count).bytes(header.length - 1)))
    for (const each of forged) registrar.send(answer(each, utf8('x')), UPLINK)
    await of.clock.advance(10)
    expect(heard).toEqual([])
    expect(proxy.counters().badHeaders).toBe(forged.length)
    registrar.send(answer(header, utf8('x')), UPLINK)
    await of.clock.advance(10)
    expect(heard).toHaveLength(1)
  })

  it('is worth nothing at another proxy, nor after this one was started again', async () => {
    const { of, proxy, registrar, header, heard } = await sealed()
    await proxy.close()
    const again = stateless(of, {
      random: seededRandom(77),
      pledges: of.link.channel({ address: 'fe80::1', port: 8486 }),
      uplink: of.routed.channel({ address: '2001:db8::2', port: 777 }),
    })
    registrar.send(answer(header, utf8('x')), { address: '2001:db8::2', port: 777 })
    await of.clock.advance(10)
    expect(heard).toEqual([])
    expect(again.counters().badHeaders).toBe(1)
  })

  it('changes with the key after 24 hours; the old one is taken for two minutes more, for what was under way', async () => {
    const { of, proxy, registrar, atRegistrar, header, heard, speaker } = await sealed()
    const sendBack = async (which: Uint8Array): Promise<number> => {
      const before = heard.length
      registrar.send(answer(which, utf8('x')), UPLINK)
      await of.clock.advance(10)
      return heard.length - before
    }
    await of.clock.advance(24 * 3_600_000 - 1000)
    const other = speaker('fe80::b')
    other.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(await sendBack(header)).toBe(1)
    await of.clock.advance(1000)
    other.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    const fresh = messageOf(atRegistrar.at(-1)).header
    expect(toHex(fresh)).not.toBe(toHex(messageOf(atRegistrar.at(-2)).header))
    expect(await sendBack(header)).toBe(1)
    await of.clock.advance(120_000)
    expect(await sendBack(header)).toBe(0)
    expect(proxy.counters().badHeaders).toBe(1)
  })

  it('is gone after a silence of days, old and new alike', async () => {
    const { of, proxy, registrar, header, heard } = await sealed({ keyTimes: { keyMs: 1000, graceMs: 500 } })
    await of.clock.advance(10_000)
    registrar.send(answer(header, utf8('x')), UPLINK)
    await of.clock.advance(10)
    expect([heard.length, proxy.counters().badHeaders]).toEqual([0, 1])
  })

  it('carries any neighbour and port there and back', async () => {
    const of = world()
    const heard: Array<{ to: SocketAddress }> = []
    const pledges = multiHomed({}, JOIN_PORT)
    let speak: ((from: SocketAddress) => void) | undefined
    const channel: DatagramChannel = {
      ...pledges,
      send: (_, to) => heard.push({ to }),
      subscribe: (listener) => {
        speak = (source) => listener({ kind: 'datagram', datagram: { payload: HELLO, source, destination: undefined, multicast: false } })
        return () => undefined
      },
    }
    const rate = { perSecond: 1e6, burst: 1e6 }
    const { registrar, atRegistrar } = labIn(of, {
      pledges: channel,
      uplink: of.routed.channel(UPLINK),
      limits: { pledgeRate: rate, totalRate: rate },
    })
    const groups = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 4, maxLength: 4 })
    const neighbour = groups.map((parts) => `fe80::${parts.map((part) => part.toString(16)).join(':')}`)
    const zone = fc.constantFrom('eth0', 'wpan0', 'dongle:E2A0C5')
    await fc.assert(
      fc.asyncProperty(neighbour, fc.integer({ min: 1, max: 65_535 }), zone, async (address, port, at) => {
        speak?.({ address, port, zone: at })
        await of.clock.advance(5)
        registrar.send(answer(messageOf(atRegistrar.at(-1)).header, utf8('x')), UPLINK)
        await of.clock.advance(5)
        expect(heard.at(-1)?.to).toEqual({ address, port, zone: at })
      }),
      { numRuns: 100 },
    )
  })
})

describe('the plain header of draft -01, which anybody on the way may rewrite (§8)', () => {
  it('never makes the proxy send to anybody but a neighbour on a link that it knows', async () => {
    const { of, proxy, registrar, speaker } = lab({ version: '01' })
    const { channel, heard } = speaker('fe80::a')
    const victim = hearing(of.link.channel({ address: '2001:db8::99', port: 5683 }))
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    const plain = (address: string, port: number, family: number, index: number): Uint8Array =>
      encodePlainHeader({ address: Uint8Array.from(Buffer.from(address, 'hex')), port, family, index })
    const global = '20010db8000000000000000000000099'
    const own = 'fe80000000000000000000000000000a'
    const rewritten = [plain(global, 5683, 10, 0), plain(own, 5000, 10, 1), plain(own, 5000, 2, 0), plain('c0a80001', 5000, 2, 0)]
    for (const header of [...rewritten, utf8('x')]) registrar.send(answer(header, utf8('x'), '01'), UPLINK)
    await of.clock.advance(10)
    expect([victim.length, heard.length]).toEqual([0, 0])
    expect(proxy.counters()).toMatchObject({ badHeaders: 4, malformed: 1 })
    registrar.send(answer(plain(own, 5000, 10, 0), utf8('x'), '01'), UPLINK)
    await of.clock.advance(10)
    expect(heard).toHaveLength(1)
  })

  it('brings a neighbour that never asked no more than a few bytes at a time', async () => {
    const { of, proxy, registrar, speaker } = lab({ version: '01' })
    const { heard } = speaker('fe80::b')
    speaker('fe80::a').channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    const header = encodePlainHeader({
      address: Uint8Array.from([0xfe, 0x80, ...new Array<number>(13).fill(0), 0xb]),
      port: 5000,
      family: 10,
      index: 0,
    })
    registrar.send(answer(header, new Uint8Array(600), '01'), UPLINK)
    await of.clock.advance(10)
    expect([heard.length, proxy.counters().withheld]).toEqual([0, 1])
  })
})
