import { describe, expect, it } from 'vitest'
import { seededRandom, utf8, utf8ToText, type ChannelEvent, type Datagram } from '#main/base/index.ts'
import { decodeJpy, encodeJpy, isJpyFault, isProxiedSource, proxyOfSource } from '#main/services/join/index.ts'
import { HandProxy, portIn, way } from './port-hand.ts'
import { JOIN_PORT, pledge, registrar, REGISTRAR, stateless, world } from './port-harness.ts'

const PLAIN = Uint8Array.of(0x44, 169, 254, 0, 9, 0x19, 0xc0, 0x00, 0x02, 0x00)

describe('the join port (draft -20 §4.5.7, draft -01 §5.2)', () => {
  it('speaks both versions at once, message by message, and gives each header back untouched', async () => {
    const of = world()
    const { port, heard } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2')
    // Not in shortest form: nobody but its proxy has to make sense of it.
    const odd = Uint8Array.of(0x58, 4, 169, 254, 0, 9, 0x1a, 0, 0, 0xc0, 0x00, 0x02, 0x18, 0x00)
    const ways = [way(utf8('any bytes')), way(PLAIN, '01'), way(odd, '01'), way(new Uint8Array(0)), way(PLAIN, '20')]
    for (const each of ways) proxy.engine.send(each, utf8(`by ${each.key}`))
    await of.clock.advance(2000)
    expect(heard.map(({ payload }) => utf8ToText(payload)).sort()).toEqual(ways.map(({ key }) => `by ${key}`).sort())
    for (const { source, payload } of heard) port.send(payload, source)
    await of.clock.advance(100)
    expect(proxy.data.sort()).toEqual(ways.map(({ key }) => `by ${key}`).sort())
    expect(new Set(heard.map(({ source }) => source.zone)).size).toBe(5)
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 5, proxies: 1 })
  })

  it('answers to the versions that it is told to', async () => {
    const of = world()
    const { port, heard } = portIn(of, { versions: ['20'] })
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.engine.send(way(PLAIN, '01'), utf8('old'))
    await of.clock.advance(1500)
    expect([heard.length, proxy.heard.length, port.joinCounters().malformed]).toEqual([0, 0, 2])
  })

  it('shows pledges by the address of their proxy and a number, which tell the proxy and the way', async () => {
    const of = world()
    const { port, heard, events } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.engine.send(way(utf8('a')), utf8('hello'))
    await of.clock.advance(1000)
    const [{ source, peer }] = heard as [Datagram]
    expect(source).toEqual({ address: '2001:db8::2', port: 700, zone: 'join-1' })
    expect([proxyOfSource(source), isProxiedSource(source)]).toEqual([{ address: '2001:db8::2', port: 700 }, true])
    expect(proxyOfSource({ address: 'fe80::1', port: 1, zone: 'eth0~join-12' })).toEqual({ address: 'fe80::1', port: 1, zone: 'eth0' })
    expect(isProxiedSource({ address: 'fe80::1', port: 1, zone: 'eth0' })).toBe(false)
    expect(port.pathOf(source)).toEqual({ proxy: { address: '2001:db8::2', port: 700 }, version: '20', header: utf8('a') })
    expect(port.sessionWith(source)?.identity).toEqual(peer)
    for (const other of [
      { ...source, address: '2001:db8::3' },
      { ...source, port: 701 },
      { ...source, zone: 'join-2' },
      { ...source, zone: 'eth0' },
    ])
      expect(port.pathOf(other)).toBeUndefined()
    expect(peer?.certificates).toHaveLength(2)
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'established'])
    expect(new Set(events.map(({ path }) => path)).size).toBe(1)
  })

  it('keeps nothing of whoever has not shown a cookie', async () => {
    const of = world()
    const { port } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.rewrite = ({ header, version }) => way(Uint8Array.of(...header, proxy.outputs.length & 0xff), version)
    for (let count = 0; count < 200; count++) proxy.engine.connect(way(Uint8Array.of(count, 1)))
    await of.clock.advance(300)
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
    expect(port.dtlsCounters()).toMatchObject({ handshakes: 0 })
    expect(port.dtlsCounters().cookies).toBeGreaterThanOrEqual(200)
  })

  it('forgets the way with the session: what is sent then fails, and a new session has a new address', async () => {
    const of = world()
    const { port, heard, events } = portIn(of)
    const failed: ChannelEvent[] = []
    port.subscribe((event) => {
      if (event.kind === 'send-failed') failed.push(event)
    })
    const proxy = new HandProxy(of, '2001:db8::2')
    const a = way(utf8('a'))
    proxy.engine.send(a, utf8('one'))
    await of.clock.advance(1000)
    proxy.engine.disconnect(a)
    await of.clock.advance(10)
    const { source } = heard[0]!
    expect([port.pathOf(source), port.sessionWith(source)]).toEqual([undefined, undefined])
    port.send(utf8('late'), source)
    port.send(utf8('x'), { address: '2001:db8::2', port: 700 })
    port.send(utf8('x'), { ...source, address: '2001:db8::3' })
    await of.clock.advance(10)
    expect(failed).toHaveLength(3)
    expect(failed[0]).toMatchObject({ error: { code: 'dtls.closed' } })
    proxy.engine.send(a, utf8('two'))
    await of.clock.advance(1000)
    expect(heard.at(-1)?.source.zone).toBe('join-2')
    port.disconnect(heard.at(-1)!.source)
    await of.clock.advance(10)
    expect(port.holdings().sessions).toBe(0)
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'established', 'closed', 'started', 'established', 'closed'])
  })

  it('tells what is too large for a record, and offers as much as fits 1024 bytes on the pledge’s link (cBRSKI §6.1.4)', async () => {
    const of = world()
    const { port, heard } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.engine.send(way(new Uint8Array(32)), utf8('hello'))
    await of.clock.advance(1000)
    const failed: ChannelEvent[] = []
    port.subscribe((event) => {
      if (event.kind === 'send-failed') failed.push(event)
    })
    port.send(new Uint8Array(port.maxPayloadBytes), heard[0]!.source)
    port.send(new Uint8Array(2000), heard[0]!.source)
    await of.clock.advance(10)
    expect(failed).toMatchObject([{ error: { code: 'network.too-large' } }])
    expect(proxy.data).toHaveLength(1)
    for (const { payload } of proxy.heard) {
      const message = decodeJpy(payload)
      if (!isJpyFault(message)) expect(message.content.length + 48).toBeLessThanOrEqual(1024)
      expect(payload.length).toBeLessThanOrEqual(1232)
    }
  })

  it('ends with its channel, and leaves the channel open when it is closed itself', async () => {
    const of = world()
    const channel = of.routed.channel(REGISTRAR)
    const { port, events } = portIn(of, { channel })
    const told: string[] = []
    port.subscribe(({ kind }) => told.push(kind))
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.engine.send(way(utf8('a')), utf8('hello'))
    await of.clock.advance(1000)
    await port.close()
    await of.clock.advance(10)
    expect(told.at(-1)).toBe('closed')
    expect(events.at(-1)?.kind).toBe('closed')
    expect(proxy.outputs.at(-1)).toMatchObject({ kind: 'closed', by: 'peer' })
    port.send(utf8('x'), { address: '2001:db8::2', port: 700, zone: 'join-1' })
    const second = portIn(of, { channel })
    proxy.engine.send(way(utf8('a')), utf8('hello'))
    await of.clock.advance(1000)
    expect(second.heard).toHaveLength(1)
    await channel.close()
    await of.clock.advance(10)
    expect(second.port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
  })

  it('refuses multicast, garbage, headers that are too long, and what no proxy would send', async () => {
    const of = world()
    const { port } = portIn(of)
    const channel = of.routed.channel({ address: '2001:db8::66', port: 1 })
    const hello = utf8('no hello')
    const wrong = [utf8('garbage'), new Uint8Array(0), encodeJpy({ version: '20', header: new Uint8Array(65), content: hello })]
    for (const payload of wrong) channel.send(payload, REGISTRAR)
    for (let length = 0; length < 60; length++)
      channel.send(encodeJpy({ version: '20', header: utf8('h'), content: of.common.random.bytes(length) }), REGISTRAR)
    await of.clock.advance(10)
    expect(port.joinCounters()).toMatchObject({ malformed: 3, received20: 60 })
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
    expect(() => port.joinGroup('ff02::fd')).toThrow('multicast')
  })

  it('carries CoAP: blocks of 512 bytes at most, and duplicates known by session', async () => {
    const of = world({ duplicateRate: 0.5 })
    const { port, requests } = registrar(of)
    stateless(of)
    const one = pledge(of, 1)
    expect(await of.clock.until(one.say('x'.repeat(2000)))).toBe(`2.04 ${'x'.repeat(2000)}`)
    expect(requests).toHaveLength(1)
    expect(port.counters().received).toBeGreaterThan(4)
  })
})

it('finds its way past a proxy that was started again: the pledge begins anew and gets in', async () => {
  const of = world()
  const { requests } = registrar(of)
  const first = stateless(of)
  const one = pledge(of, 1, { limits: { connectionIdBytes: 0, staleMs: 5000 } })
  expect(await of.clock.until(one.say('before'))).toBe('2.04 before')
  await first.close()
  const second = stateless(
    of,
    { random: seededRandom(99), pledges: of.link.channel({ address: 'fe80::1', port: 8486 }) },
    JOIN_PORT,
    '2001:db8::3',
  )
  expect(await of.clock.until(one.say('after', second.joinPort))).toBe('2.04 after')
  expect(new Set(requests.map(({ peer }) => peer?.name)).size).toBe(1)
})
