import { describe, expect, it } from 'vitest'
import { AppError, utf8, type ChannelEvent, type Datagram, type DatagramChannel } from '#main/base/index.ts'
import type { StatefulOptions, UnreachableCode } from '#main/services/join/index.ts'
import { COAPS, hearing, JOIN_PORT, multiHomed, pledge, registrar, stateful, world, type World } from './port-harness.ts'

const HELLO = utf8('what a pledge says, and rather at length')

function lab(options: Partial<StatefulOptions> = {}): {
  readonly of: World
  readonly proxy: ReturnType<typeof stateful>
  readonly registrar: DatagramChannel
  readonly atRegistrar: Datagram[]
  readonly icmp: Array<readonly [string, UnreachableCode]>
  /** How many ports towards the registrar were opened, and how many are open. */
  readonly ports: { opened: number; open: number }
  readonly speaker: (address: string, port?: number) => { readonly channel: DatagramChannel; readonly heard: Datagram[] }
} {
  const of = world()
  const at = of.routed.channel(COAPS)
  const icmp: Array<readonly [string, UnreachableCode]> = []
  const ports = { opened: 0, open: 0 }
  const proxy = stateful(of, {
    openUplink: () => {
      const channel = of.routed.channel({ address: '2001:db8::2', port: 0 })
      ports.opened++
      ports.open++
      channel.subscribe((event) => {
        if (event.kind === 'closed') ports.open--
      })
      return Promise.resolve(channel)
    },
    unreachable: (pledge, code) => icmp.push([pledge.address, code]),
    ...options,
  })
  return {
    of,
    proxy,
    registrar: at,
    atRegistrar: hearing(at),
    icmp,
    ports,
    speaker: (address, port = 5000) => {
      const channel = of.link.channel({ address, port })
      return { channel, heard: hearing(channel) }
    },
  }
}

describe('the stateful join proxy (draft -20 §4.3, draft -01 §5.1)', () => {
  it('carries a DTLS session and requests to the registrar’s coaps port', async () => {
    const of = world()
    const { requests } = registrar(of)
    const proxy = stateful(of)
    const [one, two] = [pledge(of, 1), pledge(of, 2)]
    expect(await of.clock.until(Promise.all([one.say('one'), two.say('two')]))).toEqual(['2.04 one', '2.04 two'])
    const big = await of.clock.until(one.coap.request(JOIN_PORT, { method: 'GET', path: ['big'] }))
    expect(big.payload).toHaveLength(3000)
    expect(new Set(requests.map(({ source }) => `${source.address} ${source.port}`)).size).toBe(2)
    expect(proxy.counters()).toMatchObject({ withheld: 0, fromStrangers: 0, noPlace: 0 })
  })

  it('has an address and port of its own for each pledge, leaves datagrams as they are, and maps them back', async () => {
    const { of, registrar, atRegistrar, speaker, proxy } = lab()
    const [a, b] = [speaker('fe80::a'), speaker('fe80::b')]
    for (const { channel } of [a, b, a]) channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(atRegistrar.map(({ payload }) => payload)).toEqual([HELLO, HELLO, HELLO])
    const [first, second, third] = atRegistrar.map(({ source }) => source)
    expect(third).toEqual(first)
    expect(second).not.toEqual(first)
    registrar.send(utf8('to b'), second!)
    await of.clock.advance(10)
    expect([a.heard.length, b.heard.map(({ source }) => source)]).toEqual([0, [JOIN_PORT]])
    expect(proxy.holdings().mappings).toBe(2)
  })

  it('ends a mapping 30 s after the last datagram in either direction, and closes its port', async () => {
    const { of, registrar, atRegistrar, speaker, proxy, ports } = lab()
    const { channel, heard } = speaker('fe80::a')
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(20_000)
    registrar.send(utf8('wait'), atRegistrar[0]!.source)
    await of.clock.advance(29_000)
    expect(proxy.holdings().mappings).toBe(1)
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(29_000)
    expect([proxy.holdings().mappings, ports.open]).toEqual([1, 1])
    await of.clock.advance(2000)
    expect([proxy.holdings().mappings, ports.open]).toEqual([0, 0])
    registrar.send(utf8('late'), atRegistrar[0]!.source)
    await of.clock.advance(10)
    expect(heard).toHaveLength(1)
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(atRegistrar.at(-1)?.source).not.toEqual(atRegistrar[0]?.source)
  })

  it('serves two ports of one pledge and ten of one link, and tells the others so by ICMP type 1 code 1', async () => {
    const { of, proxy, ports, icmp, speaker } = lab()
    for (const port of [1, 2, 3]) speaker('fe80::a', port).channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect([proxy.holdings().mappings, icmp]).toEqual([2, [['fe80::a', 'prohibited']]])
    for (let number = 0x10; number < 0x1a; number++) speaker(`fe80::${number.toString(16)}`).channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect([proxy.holdings().mappings, ports.opened, proxy.counters().noPlace]).toEqual([10, 10, 3])
  })

  it('counts for each link by itself', async () => {
    const of = world()
    const other = world()
    const [eth0, eth1] = [of.link.channel(JOIN_PORT), other.link.channel(JOIN_PORT)]
    const proxy = stateful(of, { pledges: multiHomed({ eth0, eth1 }, JOIN_PORT) })
    for (const [place, network] of [
      [of, of.link],
      [other, other.link],
    ] as const) {
      for (let number = 0x10; number < 0x20; number++)
        network.channel({ address: `fe80::${number.toString(16)}`, port: 9 }).send(HELLO, JOIN_PORT)
      await place.clock.advance(10)
    }
    expect(proxy.holdings().mappings).toBe(20)
  })

  it('gives the place of one that only ever began to a newcomer after five seconds, never that of one who goes on', async () => {
    const { of, proxy, registrar, atRegistrar, speaker } = lab({ limits: { maxMappingsPerLink: 2 } })
    const real = speaker('fe80::a')
    real.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    registrar.send(utf8('cookie'), atRegistrar[0]!.source)
    await of.clock.advance(10)
    real.channel.send(HELLO, JOIN_PORT)
    speaker('fe80::bad').channel.send(HELLO, JOIN_PORT)
    const late = speaker('fe80::b')
    late.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(4000)
    expect(proxy.counters().noPlace).toBe(1)
    await of.clock.advance(1000)
    late.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    expect(proxy.counters().noPlace).toBe(1)
    registrar.send(utf8('still'), atRegistrar[0]!.source)
    registrar.send(utf8('hello'), atRegistrar.at(-1)!.source)
    await of.clock.advance(10)
    expect([real.heard.length, late.heard.length, proxy.holdings().mappings]).toEqual([2, 1, 2])
  })

  it('hears the registrar alone', async () => {
    const { of, proxy, atRegistrar, speaker } = lab()
    const { channel, heard } = speaker('fe80::a')
    channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    for (const from of [
      { address: '2001:db8::666', port: COAPS.port },
      { address: COAPS.address, port: 1 },
    ])
      of.routed.channel(from).send(utf8('x'), atRegistrar[0]!.source)
    await of.clock.advance(10)
    expect([heard.length, proxy.counters().fromStrangers]).toEqual([0, 2])
  })

  it('keeps a few datagrams until its port is open, and forgets the pledge when it cannot be opened', async () => {
    let open: ((channel: DatagramChannel) => void) | undefined
    let refuse: ((error: Error) => void) | undefined
    const { of, proxy, atRegistrar, speaker } = lab({
      openUplink: () =>
        new Promise((resolve, reject) => {
          open = resolve
          refuse = reject
        }),
    })
    const [a, b] = [speaker('fe80::a'), speaker('fe80::b')]
    for (let count = 0; count < 9; count++) a.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    open?.(of.routed.channel({ address: '2001:db8::2', port: 7 }))
    await of.clock.advance(10)
    expect(atRegistrar).toHaveLength(4)
    b.channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    refuse?.(new AppError('network.bind-failed', 'no port is left'))
    await of.clock.advance(10)
    expect([proxy.holdings().mappings, proxy.counters().sendErrors]).toEqual([1, 1])
  })

  it('hands an error of the way to the registrar on to the pledge that it was about', async () => {
    const listeners: Array<(event: ChannelEvent) => void> = []
    const events: string[] = []
    const { of, icmp, proxy, speaker } = lab({
      openUplink: () =>
        Promise.resolve({
          ...multiHomed({}, COAPS),
          subscribe: (listener) => {
            listeners.push(listener)
            return () => undefined
          },
        }),
      onEvent: ({ kind }) => events.push(kind),
    })
    speaker('fe80::a').channel.send(HELLO, JOIN_PORT)
    speaker('fe80::b').channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    const codes = ['network.port-unreachable', 'network.no-route', 'network.send-failed'] as const
    for (const code of codes) listeners[1]?.({ kind: 'send-failed', to: COAPS, error: new AppError(code, 'not there') })
    expect(icmp).toEqual([
      ['fe80::b', 'port-unreachable'],
      ['fe80::b', 'no-route'],
      ['fe80::b', 'address-unreachable'],
    ])
    expect(events.filter((kind) => kind === 'registrar-unreachable')).toHaveLength(3)
    listeners[0]?.({ kind: 'closed' })
    expect(proxy.holdings().mappings).toBe(1)
  })

  it('closes every port when it is closed, also one that opens only then', async () => {
    const { of, proxy, ports, speaker } = lab()
    speaker('fe80::a').channel.send(HELLO, JOIN_PORT)
    await of.clock.advance(10)
    await proxy.close()
    expect([ports.opened, ports.open, proxy.holdings().mappings, of.clock.pendingTimers]).toEqual([1, 0, 0, 0])
    const late: Array<(channel: DatagramChannel) => void> = []
    const slow = lab({ openUplink: () => new Promise((resolve) => late.push(resolve)) })
    slow.speaker('fe80::a').channel.send(HELLO, JOIN_PORT)
    await slow.of.clock.advance(10)
    await slow.proxy.close()
    let isClosed = false
    const channel = slow.of.routed.channel({ address: '2001:db8::2', port: 7 })
    channel.subscribe(({ kind }) => {
      isClosed ||= kind === 'closed'
    })
    late[0]?.(channel)
    await slow.of.clock.advance(10)
    expect([isClosed, slow.atRegistrar.length, slow.of.clock.pendingTimers]).toEqual([true, 0, 0])
  })
})
