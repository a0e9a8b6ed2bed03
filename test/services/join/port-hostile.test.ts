import { describe, expect, it } from 'vitest'
import { utf8, utf8ToText } from '#main/base/index.ts'
import { decodeJpy, encodeJpy, isJpyFault } from '#main/services/join/index.ts'
import { behindHand, establishedSource, HandProxy, portIn, way } from './port-hand.ts'
import { REGISTRAR, registrarSettings, world } from './port-harness.ts'

describe('a proxy that is not what it should be', () => {
  it('gets nowhere when it puts another header to each datagram', async () => {
    const of = world()
    const { port, heard } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2')
    let next = 0
    proxy.rewrite = () => way(utf8(`header ${next++}`))
    proxy.engine.send(way(utf8('a')), utf8('hello'))
    await of.clock.advance(70_000)
    expect(heard).toEqual([])
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
  })

  it('cannot mix two pledges up: with one header for both neither is taken for the other', async () => {
    const of = world()
    const { heard } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.rewrite = ({ version }) => ({ key: '', version, header: utf8('one for all') })
    proxy.engine.send(way(utf8('a')), utf8('I am a'))
    proxy.engine.send(way(utf8('b')), utf8('I am b'))
    await of.clock.advance(70_000)
    expect(heard).toEqual([])
  })

  it('cannot put words into a session by repeating or moving its datagrams', async () => {
    const of = world()
    const { heard, port } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2', 5, 0)
    const sent: Uint8Array[] = []
    proxy.engine.send(way(utf8('a')), utf8('once'))
    await of.clock.advance(1000)
    for (const output of proxy.outputs) if (output.kind === 'datagram') sent.push(output.payload)
    for (const content of sent)
      for (const header of [utf8('a'), utf8('b')]) proxy.channel.send(encodeJpy({ version: '20', header, content }), REGISTRAR)
    const other = of.routed.channel({ address: '2001:db8::66', port: 1 })
    for (const content of sent) other.send(encodeJpy({ version: '20', header: utf8('a'), content }), REGISTRAR)
    await of.clock.advance(5000)
    expect(heard).toHaveLength(1)
    expect(port.holdings().sessions).toBe(1)
    expect(port.pathOf(heard[0]!.source)?.header).toEqual(utf8('a'))
  })

  it('that starts anew seals other headers: a session with a connection id goes on by the new way and keeps its address', async () => {
    const of = world()
    const { heard, port } = portIn(of)
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.engine.send(way(utf8('a')), utf8('before'))
    await of.clock.advance(1000)
    proxy.rewrite = ({ version }) => ({ key: '', version, header: utf8('anew') })
    proxy.engine.send(way(utf8('a')), utf8('after'))
    await of.clock.advance(100)
    expect(heard.map(({ payload, source }) => [utf8ToText(payload), source.zone])).toEqual([
      ['before', 'join-1'],
      ['after', 'join-1'],
    ])
    expect(port.pathOf(heard[0]!.source)?.header).toEqual(utf8('anew'))
    port.send(utf8('answer'), heard[0]!.source)
    await of.clock.advance(10)
    const last = decodeJpy(proxy.heard.at(-1)!.payload)
    expect(isJpyFault(last) ? last : last.header).toEqual(utf8('anew'))
    port.disconnect(heard[0]!.source)
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
  })

  it('takes its own places for handshakes and no others; after a moment its oldest give way', async () => {
    const of = world()
    const { port, heard, events } = portIn(of, { limits: { maxHalfOpenPerProxy: 10 } })
    const rogue = new HandProxy(of, '2001:db8::66')
    const halfOpen = (count: number, from: number): void => {
      for (let index = 0; index < count; index++) rogue.engine.connect(way(Uint8Array.of(1, from + index)))
    }
    const silence = new Set<string>()
    rogue.rewrite = (one) => {
      // Only the two hellos of each arrive.
      const key = one.key
      const hellos = rogue.outputs.filter((output) => output.kind === 'datagram' && output.peer.key === key).length
      if (hellos > 2) silence.add(key)
      return silence.has(key) ? { ...one, header: new Uint8Array(65) } : one
    }
    halfOpen(30, 0)
    await of.clock.advance(500)
    expect(port.holdings().halfOpen).toBe(10)
    expect(port.joinCounters().halfOpenRefused).toBeGreaterThanOrEqual(20)
    const honest = new HandProxy(of, '2001:db8::2')
    honest.engine.send(way(utf8('a')), utf8('hello'))
    await of.clock.advance(1000)
    expect(heard.map(({ payload }) => utf8ToText(payload))).toEqual(['hello'])
    await of.clock.advance(6000)
    halfOpen(5, 100)
    await of.clock.advance(500)
    expect(port.joinCounters().halfOpenEvicted).toBeGreaterThan(0)
    expect(port.holdings().halfOpen).toBeLessThanOrEqual(10)
    expect(events.some((event) => event.kind === 'failed' && event.error.code === 'dtls.busy')).toBe(true)
    await of.clock.advance(200_000)
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 1, proxies: 1 })
  })

  it('has so many sessions at most; the longest unused of its own ends', async () => {
    const of = world()
    const { port, heard } = portIn(of, { limits: { maxSessionsPerProxy: 3 } })
    const honest = new HandProxy(of, '2001:db8::2')
    honest.engine.send(way(utf8('h')), utf8('honest'))
    await of.clock.advance(1000)
    const rogue = new HandProxy(of, '2001:db8::66')
    for (let count = 0; count < 5; count++) {
      rogue.engine.send(way(Uint8Array.of(count)), utf8(`rogue ${count}`))
      await of.clock.advance(1000)
      rogue.engine.send(way(Uint8Array.of(0)), utf8('rogue 0 is used'))
      await of.clock.advance(10)
    }
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 4, proxies: 2 })
    const open = heard.filter(({ source }) => port.pathOf(source) !== undefined).map(({ payload }) => utf8ToText(payload))
    expect(open).toContain('honest')
    expect(open).toContain('rogue 0')
    expect(open).not.toContain('rogue 1')
    expect(port.joinCounters().sessionsEvicted).toBe(2)
  })

  it('may carry a pledge that breaks its session: what was known of it goes at once', () => {
    const of = world()
    const { port, events, attacker } = behindHand(of)
    attacker.complete()
    attacker.record(23, utf8('hello'), 1)
    const source = establishedSource(events)
    expect(port.pathOf(source)?.header).toEqual(utf8('by hand'))
    attacker.record(23, new Uint8Array(17_000), 1)
    expect(attacker.alerts()).toEqual(['record_overflow'])
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'established', 'failed', 'closed'])
    expect(port.pathOf(source)).toBeUndefined()
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
  })

  it('may carry a handshake beside a session that comes to nothing: the session stays (RFC 6347 §4.2.8)', async () => {
    const of = world()
    const { port, events, attacker, again } = behindHand(of)
    attacker.complete()
    const source = establishedSource(events)
    const other = again(8)
    other.greet()
    expect(port.holdings()).toEqual({ halfOpen: 1, sessions: 1, proxies: 1 })
    await of.clock.advance(70_000)
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'established', 'started', 'failed'])
    expect(port.pathOf(source)?.header).toEqual(utf8('by hand'))
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 1, proxies: 1 })
    const third = again(9)
    third.complete()
    expect(events.slice(4).map(({ kind }) => kind)).toEqual(['started', 'closed', 'established'])
    expect(port.pathOf(source)).toBeUndefined()
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 1, proxies: 1 })
  })

  it('has a rate; the messages of others pass', async () => {
    const of = world()
    const { port, heard } = portIn(of, { limits: { proxyRate: { perSecond: 10, burst: 20 }, maxProxies: 2 } })
    const flood = of.routed.channel({ address: '2001:db8::66', port: 1 })
    for (let count = 0; count < 500; count++) flood.send(encodeJpy({ version: '20', header: utf8('x'), content: utf8('x') }), REGISTRAR)
    const honest = new HandProxy(of, '2001:db8::2')
    honest.engine.send(way(utf8('h')), utf8('honest'))
    await of.clock.advance(1000)
    expect(heard).toHaveLength(1)
    expect(port.joinCounters().proxyRate).toBe(480)
  })

  it('cannot make a pledge of another owner welcome: it is refused at the handshake and leaves nothing', async () => {
    const of = world()
    const { port, heard, events } = portIn(of, {
      server: { ...registrarSettings, verifyPeer: () => ({ ok: false, alert: 'unknown_ca', reason: 'not ours' }) },
    })
    const proxy = new HandProxy(of, '2001:db8::2')
    proxy.engine.send(way(utf8('a')), utf8('hello'))
    await of.clock.advance(1000)
    expect(heard).toEqual([])
    expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'failed'])
    expect(proxy.outputs.at(-1)).toMatchObject({ kind: 'failed', error: { details: { alert: 'unknown_ca' } } })
  })
})
