// RFC 9176 §5.1: simple registration, and what it must not be used for.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { findOption, findUint, opaqueOption, OptionNumber, stringOption, uintOption, type CoapOption } from '#main/wire/coap/index.ts'
import { asLinks } from './harness.ts'
import { rdNetwork, request, textOf, type RdNetwork } from './network.ts'

const NODE = '2001:db8:3::123'

function postOptions(...query: string[]): CoapOption[] {
  return [
    ...['.well-known', 'rd'].map((segment) => stringOption(OptionNumber.URI_PATH, segment)),
    ...query.map((part) => stringOption(OptionNumber.URI_QUERY, part)),
  ]
}

describe('RFC 9176 §5.1', () => {
  it('Figures 10 to 12: the directory fetches the links of node1, then answers 2.04 without a location', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE, '</sen/temp>')
    let seen: readonly [number | undefined, number] | undefined
    const { serve } = node
    node.serve = (got) => {
      seen = [got.accept, got.query.length]
      expect(rd.directory.size).toBe(0)
      return serve(got)
    }
    const answer = await rd.ask(node, 'POST', '/.well-known/rd?lt=6000&ep=node1')
    expect(answer.code).toBe('2.04')
    expect(answer.payload).toHaveLength(0)
    expect(findOption(answer.options, OptionNumber.LOCATION_PATH)).toBeUndefined()
    expect(seen).toEqual([40, 0])
    expect(rd.directory.find('node1')).toMatchObject({ base: `coap://[${NODE}]`, lifetimeS: 6000, links: '</sen/temp>' })
    expect(rd.store.rows.size).toBe(1)
    expect(asLinks(textOf(await rd.ask(node, 'GET', '/rd-lookup/res?ep=node1')))).toEqual([`<coap://[${NODE}]/sen/temp>`])
  })

  it('is not listed among what can be discovered, and stands only where it is turned on', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE)
    expect(textOf(await rd.ask(node, 'GET', '/.well-known/core'))).not.toContain('.well-known')
    const without = rdNetwork({ simple: undefined } as never)
    expect((await without.ask(without.device(NODE), 'POST', '/.well-known/rd?ep=a')).code).toBe('4.04')
  })

  it('a renewal within Max-Age fetches nothing, one after it fetches anew', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE, '</a>')
    await rd.ask(node, 'POST', '/.well-known/rd?ep=n&lt=600')
    await rd.clock.advance(50_000)
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n&lt=600')).code).toBe('2.04')
    expect(node.fetched).toBe(1)
    const { expiresAt, id } = rd.directory.find('n')!
    node.serve = () => ({ code: '2.05', contentFormat: 40, payload: utf8('</b>') })
    await rd.clock.advance(20_000)
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n&lt=600')).code).toBe('2.04')
    expect(node.fetched).toBe(2)
    expect(rd.directory.find('n')).toMatchObject({ links: '</b>', id })
    expect(rd.directory.find('n')!.expiresAt).toBeGreaterThan(expiresAt)
  })

  it('a stale document with an ETag is asked whether it is still valid', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE)
    const etags: Array<string | undefined> = []
    node.serve = ({ options }) => {
      const etag = findOption(options, OptionNumber.ETAG)
      etags.push(etag?.value.toString())
      const tag = [opaqueOption(OptionNumber.ETAG, utf8('v')), uintOption(OptionNumber.MAX_AGE, 10)]
      return etag === undefined ? { code: '2.05', contentFormat: 40, payload: utf8('</a>'), options: tag } : { code: '2.03', options: tag }
    }
    for (let round = 0; round < 3; round++) {
      expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n')).code).toBe('2.04')
      await rd.clock.advance(11_000)
    }
    expect(etags).toEqual([undefined, utf8('v').toString(), utf8('v').toString()])
    expect(rd.directory.find('n')?.links).toBe('</a>')
  })

  it('is deleted when its lifetime ends, in the store too, also when the directory was down meanwhile', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE, '</a>')
    await rd.ask(node, 'POST', '/.well-known/rd?ep=n&lt=100')
    const { location } = rd.directory.find('n')!
    await rd.clock.advance(101_000)
    expect(rd.directory.find('n')).toBeUndefined()
    expect(rd.store.rows.size).toBe(0)
    expect((await rd.ask(node, 'POST', location)).code).toBe('4.04')

    await rd.ask(node, 'POST', '/.well-known/rd?ep=n&lt=100')
    rd.directory.close()
    await rd.clock.advance(101_000)
    const again = rdNetwork({ store: rd.store, clock: rd.clock, simple: undefined } as never)
    expect(again.directory.size).toBe(0)
    expect(rd.store.rows.size).toBe(0)
  })

  it('and a registration at /rd of the same name are one registration, whose location stays', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE, '</a>')
    expect((await rd.ask(node, 'POST', '/rd?ep=n&lt=100', '</b>')).code).toBe('2.01')
    const { id } = rd.directory.find('n')!
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n&lt=100')).code).toBe('2.04')
    expect(rd.directory.find('n')).toMatchObject({ id, links: '</a>' })
    expect(rd.directory.size).toBe(1)
  })

  it.each([
    ['with a base', '/.well-known/rd?ep=n&base=coap://[2001:db8::9]', undefined],
    ['without an endpoint name', '/.well-known/rd', undefined],
    ['with a lifetime of nothing', '/.well-known/rd?ep=n&lt=0', undefined],
    ['with a payload', '/.well-known/rd?ep=n', '</a>'],
  ])('%s is a bad request, and nothing is fetched', async (_, uri, payload) => {
    const rd = rdNetwork()
    const node = rd.device(NODE, '</a>')
    expect((await rd.ask(node, 'POST', uri, payload)).code).toBe('4.00')
    expect(node.fetched).toBe(0)
  })

  it.each([
    ['no links', { code: '2.05', payload: utf8('hello') }, '4.00'],
    ['another format', { code: '2.05', contentFormat: 50, payload: utf8('[]') }, '4.00'],
    ['no UTF-8', { code: '2.05', contentFormat: 40, payload: new Uint8Array([0x3c, 0xff, 0x3e]) }, '4.00'],
    ['too much', { code: '2.05', contentFormat: 40, payload: new Uint8Array(70_000).fill(0x20) }, '4.13'],
    ['an error', { code: '4.04' }, '5.02'],
    ['2.03 unasked', { code: '2.03' }, '5.02'],
  ] as const)('a registrant that serves %s is not registered', async (_, served, code) => {
    const rd = rdNetwork()
    const node = rd.device(NODE)
    node.serve = () => served
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n')).code).toBe(code)
    expect(rd.directory.size).toBe(0)
  })

  it('a registrant that is busy is asked again, not sooner than it says', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE, '</a>')
    const { serve } = node
    const times: number[] = []
    node.serve = (got) => {
      times.push(rd.clock.monotonicMs())
      return times.length === 1 ? { code: '5.03', options: [uintOption(OptionNumber.MAX_AGE, 20)] } : serve(got)
    }
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n')).code).toBe('2.04')
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(20_000)
  })

  it('a registrant that cannot answer while it waits finds its links remembered when it asks again', async () => {
    const rd = rdNetwork()
    const node = rd.device(NODE, '</a>')
    const gaveUp = request(node.endpoint, 'POST', '/.well-known/rd?ep=n', undefined, { timeoutMs: 100 }).catch((error: unknown) => error)
    let release: (() => void) | undefined
    const { serve } = node
    node.serve = async (got) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return serve(got)
    }
    await rd.clock.advance(200)
    expect(await gaveUp).toMatchObject({ code: 'coap.timeout' })
    release?.()
    await rd.clock.advance(5000)
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n')).code).toBe('2.04')
    expect(node.fetched).toBe(1)
  })
})

describe('against those who pretend to be another', () => {
  it('nothing is sent to an address before it has given an Echo value back', async () => {
    const rd = rdNetwork()
    const victim = rd.peer('2001:db8::bad')
    // What the victim receives for a request in its name: one 4.01, no larger than three times the request, and no GET.
    for (let at = 0; at < 50; at++) {
      victim.send({ type: 'NON', code: '0.02', messageId: at, token: utf8(`${at}`), options: postOptions(`ep=n${at}`) })
    }
    await rd.clock.advance(300_000)
    const got = victim.take()
    expect(got).toHaveLength(50)
    expect(new Set(got.map((message) => message.code))).toEqual(new Set(['4.01']))
    expect(rd.directory.size).toBe(0)
  })

  it("an Echo value of one's own does not vouch for another address", async () => {
    const rd = rdNetwork()
    const thief = rd.peer('2001:db8::666')
    thief.send({ code: '0.02', messageId: 1, token: utf8('t'), options: postOptions('ep=n') })
    await rd.clock.advance(10)
    const echo = findOption(thief.take()[0]!.options, OptionNumber.ECHO)!
    const victim = rd.peer('2001:db8::bad')
    victim.send({ code: '0.02', messageId: 2, token: utf8('t'), options: [...postOptions('ep=n'), echo] })
    await rd.clock.advance(60_000)
    expect(victim.take().map((message) => message.code)).toEqual(['4.01'])
  })

  it('a small fetch brings one datagram upon a silent address, and none for a time that grows', async () => {
    const rd = rdNetwork({}, { proof: 'small-fetch' })
    const victim = rd.peer('2001:db8::bad')
    const gets: number[] = []
    for (let minute = 0; minute < 60; minute++) {
      victim.send({ type: 'NON', code: '0.02', messageId: minute, token: utf8(`${minute}`), options: postOptions('ep=n') })
      await rd.clock.advance(60_000)
      gets.push(...victim.inbox.splice(0).flatMap(({ message, bytes }) => (message.code === '0.01' ? [bytes.length] : [])))
    }
    expect(gets.length).toBeGreaterThan(1)
    expect(gets.length).toBeLessThan(15)
    expect(Math.max(...gets)).toBeLessThanOrEqual(40)
  })

  it('a small fetch registers a device that knows no Echo, block by block', async () => {
    const rd = rdNetwork({}, { proof: 'small-fetch' })
    const links = Array.from({ length: 20 }, (_, index) => `</sensor/${index}>`).join(',')
    const node = rd.device(NODE, links)
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=n')).code).toBe('2.04')
    expect(rd.directory.find('n')?.links).toBe(links)
  })
})

describe('a flood', () => {
  async function proven(
    rd: RdNetwork,
    address: string,
  ): Promise<{ readonly post: (name: string, port?: number) => void; answers: () => string[] }> {
    const peer = rd.peer(address)
    peer.send({ code: '0.02', messageId: 1, token: utf8('e'), options: postOptions('ep=x') })
    await rd.clock.advance(10)
    const echo = findOption(peer.take()[0]!.options, OptionNumber.ECHO)!
    let messageId = 100
    return {
      post: (name) =>
        peer.send({ type: 'NON', code: '0.02', messageId: messageId++, token: utf8(name), options: [...postOptions(`ep=${name}`), echo] }),
      answers: () => peer.take().flatMap((message) => (message.code === '0.00' || message.code === '0.01' ? [] : [message.code])),
    }
  }

  it('of registrants whose links never come takes only so many fetches, and leaves room when they end', async () => {
    const rd = rdNetwork({}, { limits: { fetches: 8, timeoutMs: 20_000, attempts: 1 } })
    const slow = await Promise.all(Array.from({ length: 12 }, (_, index) => proven(rd, `2001:db8:bad::${index + 1}`)))
    for (const one of slow) one.post('n')
    await rd.clock.advance(1000)
    expect(slow.flatMap((one) => one.answers())).toEqual(['5.03', '5.03', '5.03', '5.03'])
    const node = rd.device(NODE, '</a>')
    const busy = await rd.ask(node, 'POST', '/.well-known/rd?ep=good')
    expect([busy.code, findUint(busy.options, OptionNumber.MAX_AGE)]).toEqual(['5.03', 10])
    await rd.clock.advance(25_000)
    expect(slow.flatMap((one) => one.answers())).toEqual(Array.from({ length: 8 }, () => '5.04'))
    expect((await rd.ask(node, 'POST', '/.well-known/rd?ep=good')).code).toBe('2.04')
  })

  it('of requests from one address shares one fetch, and what failed is left alone with 4.29', async () => {
    const rd = rdNetwork({}, { limits: { timeoutMs: 20_000, attempts: 1 } })
    const one = await proven(rd, '2001:db8:bad::1')
    for (let index = 0; index < 40; index++) one.post(`n${index}`)
    for (const ms of [25_000, 100]) await rd.clock.advance(ms)
    expect(one.answers()).toEqual(Array.from({ length: 40 }, () => '5.04'))
    one.post('again')
    await rd.clock.advance(100)
    expect(one.answers()).toEqual(['4.29'])
  })

  it('of names from one address ends at its quota, before anything is fetched', async () => {
    const rd = rdNetwork({ sourceLimits: { registrations: 2 } })
    const node = rd.device(NODE)
    node.serve = () => ({ code: '2.05', payload: utf8('</a>'), options: [uintOption(OptionNumber.MAX_AGE, 0)] })
    const codes = []
    for (const name of ['a', 'b', 'c', 'd', 'a']) {
      codes.push((await rd.ask(node, 'POST', `/.well-known/rd?ep=${name}`)).code)
      // Our own client keeps to the Max-Age of 4.29.
      await rd.clock.advance(300_000)
    }
    expect(codes).toEqual(['2.04', '2.04', '4.29', '4.29', '2.04'])
    expect(node.fetched).toBe(3)
  })

  it('of requests is slowed down with 4.29 as those at /rd are', async () => {
    const rd = rdNetwork({ sourceLimits: { requestBurst: 2, requestsPerMinute: 6 } })
    const node = rd.device(NODE, '</a>')
    const answers = []
    for (let index = 0; index < 3; index++) answers.push(await rd.ask(node, 'POST', '/.well-known/rd?ep=a'))
    expect(answers.map(({ code }) => code)).toEqual(['2.04', '2.04', '4.29'])
    expect(findUint(answers[2]!.options, OptionNumber.MAX_AGE)).toBe(10)
  })

  it('of expiries that come together costs one commit', async () => {
    const rd = rdNetwork({}, { limits: { fetchesPerAddress: 100 } })
    const nodes = Array.from({ length: 20 }, (_, index) => rd.device(`2001:db8:5::${index + 1}`, '</a>'))
    await Promise.all(nodes.map((node, index) => rd.ask(node, 'POST', `/.well-known/rd?ep=n${index}&lt=100`)))
    expect(rd.directory.size).toBe(20)
    const before = rd.store.transactions
    await rd.clock.advance(200_000)
    expect([rd.directory.size, rd.store.rows.size]).toEqual([0, 0])
    expect(rd.store.transactions - before).toBeLessThanOrEqual(2)
  })

  it('closing the directory ends what is under way', async () => {
    const rd = rdNetwork()
    const one = await proven(rd, '2001:db8:bad::1')
    one.post('n')
    await rd.clock.advance(100)
    rd.directory.close()
    for (const ms of [100, 100]) await rd.clock.advance(ms)
    expect(one.answers()).toEqual(['5.03'])
  })
})

it('whatever a registrant serves, it is answered, and what is registered can be read', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .array(fc.constantFrom('<', '>', ';', ',', '"', '=', '/', 'a', 'rt', 'anchor', ' ', ':'), { maxLength: 20 })
      .map((parts) => utf8(parts.join(''))),
  )
  await fc.assert(
    fc.asyncProperty(bytes, fc.option(fc.nat(70_000)), async (payload, contentFormat) => {
      const rd = rdNetwork()
      const node = rd.device(NODE)
      node.serve = () => ({ code: '2.05', payload, ...(contentFormat === null || contentFormat > 65_535 ? {} : { contentFormat }) })
      const { code } = await rd.ask(node, 'POST', '/.well-known/rd?ep=n')
      expect(['2.04', '4.00']).toContain(code)
      expect(rd.directory.size).toBe(code === '2.04' ? 1 : 0)
      expect((await rd.ask(node, 'GET', '/rd-lookup/res')).code).toBe('2.05')
    }),
    { numRuns: 150 },
  )
})
