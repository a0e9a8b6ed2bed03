import { describe, expect, it } from 'vitest'
import { AppError, toHex, utf8, utf8ToText, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import { hearing, JOIN_PORT, multiHomed, pledge, registrar, REGISTRAR, stateless, world } from './port-harness.ts'
import { answer, HELLO, lab, labIn, messageOf, UPLINK } from './proxy-lab.ts'

describe.each(['20', '01'] as const)('relaying by version %s', (version) => {
  it('carries a DTLS session and requests of some kilobytes, and the registrar knows who it is', async () => {
    const of = world()
    const { port, requests } = registrar(of)
    const proxy = stateless(of, { version })
    const one = pledge(of, 7)
    expect(await of.clock.until(one.say('let me in'))).toBe('2.04 let me in')
    const big = await of.clock.until(one.coap.request(JOIN_PORT, { method: 'GET', path: ['big'] }))
    expect(big.payload).toHaveLength(3000)
    expect(requests[0]?.peer).toMatchObject({ scheme: 'dtls-certificate' })
    expect(requests[0]?.peer?.certificates).toHaveLength(2)
    expect(proxy.counters()).toMatchObject({ badHeaders: 0, malformed: 0, withheld: 0, tooLarge: 0 })
    expect(port.joinCounters()[version === '20' ? 'received20' : 'received01']).toBeGreaterThan(5)
    expect(proxy.holdings()).toMatchObject({ mappings: 0 })
  })

  it('uses one port for all pledges (draft -20 §4.5.3) and gives each a header of its own that stays the same (§4.4)', async () => {
    const { of, atRegistrar, speaker } = lab({ version })
    const speakers = [speaker('fe80::a'), speaker('fe80::b'), speaker('fe80::a', 5001)]
    for (let round = 0; round < 3; round++) for (const { channel } of speakers) channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(100)
    const headers = atRegistrar.map((datagram) => toHex(messageOf(datagram).header))
    expect(atRegistrar.map(({ source }) => source.port)).toEqual(Array.from({ length: 9 }, () => UPLINK.port))
    expect(new Set(headers).size).toBe(3)
    expect(headers.slice(3)).toEqual([...headers.slice(0, 3), ...headers.slice(0, 3)])
    for (const datagram of atRegistrar) expect(messageOf(datagram).content).toEqual(HELLO)
  })

  it('sends the answer to the pledge whose header comes back, from the join-port', async () => {
    const { of, registrar, atRegistrar, speaker } = lab({ version })
    const [a, b] = [speaker('fe80::a'), speaker('fe80::b')]
    a.channel.send(HELLO, JOIN_PORT)
    b.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    registrar.send(answer(messageOf(atRegistrar[1]).header, utf8('to b'), version), UPLINK)
    await of.clock.advance(10)
    expect(a.heard).toEqual([])
    expect(b.heard.map(({ payload, source }) => [toHex(payload), source])).toEqual([[toHex(utf8('to b')), JOIN_PORT]])
  })

  it('tells links apart: the same address on two of them is two pledges', async () => {
    const of = world()
    const other = world()
    const eth0 = of.link.channel(JOIN_PORT)
    const eth1 = other.link.channel(JOIN_PORT)
    const { registrar, atRegistrar } = labIn(of, {
      version,
      pledges: multiHomed({ eth0, eth1 }, JOIN_PORT),
      uplink: of.routed.channel(UPLINK),
    })
    const here = hearing(of.link.channel({ address: 'fe80::a', port: 1 }))
    const there = other.link.channel({ address: 'fe80::a', port: 1 })
    const heard = hearing(there)
    there.send(HELLO, JOIN_PORT)
    await other.clock.advance(10)
    await of.clock.advance(10)
    registrar.send(answer(messageOf(atRegistrar[0]).header, utf8('x'), version), UPLINK)
    await of.clock.advance(10)
    await other.clock.advance(10)
    expect([here.length, heard.length]).toEqual([0, 1])
  })

  it('relays for neighbours only (§4.3)', async () => {
    const { of, proxy, atRegistrar, speaker } = lab({ version })
    for (const address of ['2001:db8::9', 'fe81::1', 'fe80:0:0:1::1', 'fd00::1', '192.168.0.9', '::1'])
      speaker(address).channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(atRegistrar).toEqual([])
    expect(proxy.counters().notNeighbour).toBe(6)
    speaker('169.254.7.9').channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(atRegistrar).toHaveLength(1)
  })

  it('hears the registrar alone (§4.5.5), and messages of its own version', async () => {
    const { of, proxy, registrar, atRegistrar, speaker } = lab({ version })
    const { channel, heard } = speaker('fe80::a')
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    const { header } = messageOf(atRegistrar[0])
    of.routed.channel({ address: '2001:db8::666', port: REGISTRAR.port }).send(answer(header, utf8('x'), version), UPLINK)
    of.routed.channel({ address: REGISTRAR.address, port: 1 }).send(answer(header, utf8('x'), version), UPLINK)
    registrar.send(answer(header, utf8('x'), version === '20' ? '01' : '20'), UPLINK)
    registrar.send(utf8('garbage'), UPLINK)
    await of.clock.advance(10)
    expect(heard).toEqual([])
    expect(proxy.counters()).toMatchObject({ fromStrangers: 2, malformed: 2, badHeaders: 0 })
  })

  it('goes without where there is no registrar, and when a message would be too large either way', async () => {
    const known: SocketAddress[] = []
    const events: string[] = []
    const { of, proxy, registrar, atRegistrar, speaker } = lab({
      version,
      registrar: () => known[0],
      onEvent: ({ kind }) => events.push(kind),
    })
    const { channel, heard } = speaker('fe80::a')
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    known.push(REGISTRAR)
    channel.send(new Uint8Array(1232), JOIN_PORT)
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    registrar.send(answer(messageOf(atRegistrar[0]).header, new Uint8Array(1233), version), UPLINK)
    await of.clock.advance(10)
    expect([atRegistrar.length, heard.length]).toEqual([1, 0])
    expect(proxy.counters()).toMatchObject({ noRegistrar: 1, tooLarge: 2 })
    expect(events).toEqual(['pledge-seen', 'pledge-refused'])
  })
})

describe('what a neighbour can do', () => {
  it('has a rate of its own, and all neighbours have one together; refills come with time', async () => {
    const limits = { pledgeRate: { perSecond: 1, burst: 5 }, totalRate: { perSecond: 10, burst: 8 }, newcomerShare: 1 }
    const { of, proxy, atRegistrar, speaker } = lab({ limits })
    const [a, b] = [speaker('fe80::a'), speaker('fe80::b')]
    for (let count = 0; count < 20; count++) a.channel.send(HELLO, JOIN_PORT)
    // Another port is the same neighbour.
    speaker('fe80::a', 9).channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(3)
    expect([atRegistrar.length, proxy.counters().pledgeRate]).toEqual([5, 16])
    for (let count = 0; count < 5; count++) b.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(3)
    expect([atRegistrar.length, proxy.counters().totalRate]).toEqual([8, 2])
    await of.clock.advance(2000)
    for (let count = 0; count < 5; count++) a.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(3)
    expect(atRegistrar).toHaveLength(10)
  })

  it('cannot keep those from going on who have begun, however many first words it says for however many others', async () => {
    const limits = { totalRate: { perSecond: 40, burst: 40 }, newcomerShare: 0.5 }
    const { of, proxy, registrar, atRegistrar, speaker } = lab({ limits })
    const honest = speaker('fe80::a')
    honest.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    registrar.send(answer(messageOf(atRegistrar[0]).header, utf8('cookie')), UPLINK)
    await of.clock.advance(10)
    honest.channel.send(HELLO, JOIN_PORT)
    let next = 16
    for (let round = 0; round < 100; round++) {
      for (let count = 0; count < 20; count++) speaker(`fe80::${(next++).toString(16)}`).channel.send(HELLO, JOIN_PORT)
      if (round % 10 === 0) honest.channel.send(utf8(`word ${round}`), JOIN_PORT)
      await of.clock.advance(50)
    }
    const words = atRegistrar.filter((datagram) => utf8ToText(messageOf(datagram).content)?.startsWith('word') === true)
    expect(words).toHaveLength(10)
    expect(atRegistrar.length).toBeGreaterThan(100)
    expect(proxy.counters().totalRate).toBeGreaterThan(1500)
  })

  it('cannot make those forgotten who wait for an answer: theirs comes, however long it is and however many have come since', async () => {
    const rate = { perSecond: 1e6, burst: 1e6 }
    const { of, registrar, atRegistrar, speaker } = lab({ limits: { maxPledges: 40, totalRate: rate } })
    const honest = speaker('fe80::a')
    honest.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    const { header } = messageOf(atRegistrar[0])
    registrar.send(answer(header, utf8('cookie')), UPLINK)
    await of.clock.advance(10)
    honest.channel.send(HELLO, JOIN_PORT)
    for (let count = 0; count < 300; count++) speaker(`fe80::${(count + 16).toString(16)}`).channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(300_000)
    registrar.send(answer(header, new Uint8Array(900)), UPLINK)
    await of.clock.advance(10)
    expect(honest.heard.map(({ payload }) => payload.length)).toEqual([6, 900])
  })

  it('gets three times at most what it has sent until it goes on after an answer, whatever the registrar sends', async () => {
    const { of, proxy, registrar, atRegistrar, speaker } = lab()
    const { channel, heard } = speaker('fe80::a')
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    const { header } = messageOf(atRegistrar[0])
    for (let count = 0; count < 50; count++) registrar.send(answer(header, new Uint8Array(HELLO.length)), UPLINK)
    registrar.send(answer(header, new Uint8Array(1000)), UPLINK)
    await of.clock.advance(10)
    expect(heard).toHaveLength(3)
    expect(proxy.counters().withheld).toBe(48)
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    registrar.send(answer(header, new Uint8Array(1000)), UPLINK)
    await of.clock.advance(10)
    expect(heard).toHaveLength(4)
  })

  it('cannot make it remember more than it is to, pretending to be many', async () => {
    const rate = { perSecond: 1e6, burst: 1e6 }
    const { of, proxy, speaker } = lab({ limits: { maxPledges: 50, totalRate: rate } })
    for (let count = 0; count < 500; count++) speaker(`fe80::${(count + 10).toString(16)}`).channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(proxy.counters().fromPledges).toBeGreaterThan(50)
    expect(proxy.holdings().pledges).toBe(50)
    await of.clock.advance(700_000)
    speaker('fe80::9').channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(proxy.holdings().pledges).toBeLessThanOrEqual(50)
  })

  it('tells of failures to reach the registrar, and is quiet when it is closed', async () => {
    const of = world()
    const events: string[] = []
    const uplink = multiHomed({}, UPLINK)
    let fail: (() => void) | undefined
    const deaf: DatagramChannel = {
      ...uplink,
      subscribe: (listener) => {
        fail = () => listener({ kind: 'send-failed', to: REGISTRAR, error: new AppError('network.port-unreachable', 'nobody there') })
        return () => {
          fail = undefined
        }
      },
    }
    const { proxy, speaker } = labIn(of, { uplink: deaf, onEvent: ({ kind }) => events.push(kind) })
    const { channel } = speaker('fe80::a')
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    fail?.()
    await proxy.close()
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(proxy.counters()).toMatchObject({ fromPledges: 1, sendErrors: 1 })
    expect(events).toEqual(['pledge-seen', 'registrar-unreachable'])
    expect(fail).toBeUndefined()
  })
})
