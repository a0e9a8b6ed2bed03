// What an ill-willed client or server gets from a proxy that forwards to groups.
import { describe, expect, it } from 'vitest'
import { fromHex } from '#main/base/index.ts'
import { OptionNumber, stringOption, uintOption } from '#main/wire/coap/index.ts'
import { multicastTimeoutOption, SUGGESTED_OPTION_NUMBERS as N } from '#main/services/proxy/index.ts'
import { ALLOW_C, C, content, G, optionHex, P, S1, text, world } from './harness.ts'
import { GROUP_URI, TOKEN, viaProxy } from './via-proxy.ts'

describe('ill will', () => {
  it('a flood of group requests of one client is bounded: 5.03', async () => {
    const w = world({ policy: { ...ALLOW_C, maxGroupRequestsPerClient: 3 } })
    const s1 = w.server(S1, content('a'))
    const client = w.raw()
    for (let index = 0; index < 50; index++) {
      client.send({ type: 'NON', messageId: index, token: Uint8Array.of(index), options: [GROUP_URI, multicastTimeoutOption(N, 60)] })
    }
    await w.clock.advance(1000)
    expect(w.proxy.holdings().groups).toBe(3)
    expect(s1.inbox).toHaveLength(3)
    expect(client.inbox.filter((one) => one.code === '5.03')).toHaveLength(47)
    await w.clock.advance(60_000)
    expect(w.proxy.holdings().groups).toBe(0)
  })

  it('a flood of single requests is bounded for one client and for all', async () => {
    const rules = [{ clients: 'any', servers: 'any' }] as const
    const w = world({ policy: { rules, maxOutstanding: 20, maxOutstandingPerClient: 5 } })
    for (let from = 0; from < 10; from++) {
      const client = w.raw({ address: `2001:db8::f:${from + 1}`, port: 5683 })
      for (let index = 0; index < 20; index++) {
        const options = [stringOption(OptionNumber.PROXY_URI, `coap://[${S1.address}]/${index}`)]
        client.send({ type: 'NON', messageId: index, token: Uint8Array.of(index), options })
      }
      await w.clock.advance(10)
      expect(client.inbox.filter((one) => one.code === '5.03').length).toBeGreaterThanOrEqual(15)
    }
    expect(w.proxy.holdings().single).toBe(20)
    await w.clock.advance(101_000)
    expect(w.proxy.holdings().single).toBe(0)
  })

  it('one request does not bring back more responses or bytes than the policy allows', async () => {
    for (const limit of [{ maxResponsesPerRequest: 5 }, { maxResponseBytesPerRequest: 550 }]) {
      const w = world({ policy: { ...ALLOW_C, ...limit } })
      for (let index = 0; index < 12; index++) w.server({ address: `2001:db8::5:${index + 1}`, port: 5683 }, content('x'.repeat(100)))
      expect(await viaProxy(w, w.client(), { timeoutS: 30 })).toHaveLength(5)
      expect(w.proxy.holdings().groups).toBe(0)
    }
  })

  it.each([
    ['Multicast-Signaling that is no CBOR', [GROUP_URI, { number: N.multicastSignaling, value: Uint8Array.of(0xff) }], '4.02'],
    ['Multicast-Timeout of five bytes, which is as good as none', [GROUP_URI, { number: 2, value: new Uint8Array(5) }], '4.00'],
    ['Proxy-Cri that is no CBOR', [{ number: OptionNumber.PROXY_CRI, value: Uint8Array.of(0x9f) }], '4.00'],
    ['Proxy-Cri of another scheme', [{ number: OptionNumber.PROXY_CRI, value: Uint8Array.of(0x82, 0x25, 0xf5) }], '4.00'],
    ['a later block of a group', [GROUP_URI, multicastTimeoutOption(N, 5), uintOption(OptionNumber.BLOCK2, 0x16)], '4.00'],
    ['an unsafe option', [GROUP_URI, multicastTimeoutOption(N, 5), { number: 65_002, value: Uint8Array.of(1) }], '4.02'],
    ['port 5684', [stringOption(OptionNumber.PROXY_URI, `coap://[${G.address}]:5684/`), multicastTimeoutOption(N, 5)], '5.05'],
    ['an exhausted Hop-Limit', [GROUP_URI, multicastTimeoutOption(N, 5), uintOption(OptionNumber.HOP_LIMIT, 1)], '5.08'],
  ])('%s is refused and not forwarded', async (_, options, code) => {
    const w = world({ policy: { rules: [{ clients: 'any', groups: 'any' }] } })
    const s1 = w.server(S1, content('a'))
    const response = await w.clock.until(w.client().request(P, { method: 'GET', path: [], options }))
    expect([response.code, s1.inbox.length, w.proxy.holdings().groups]).toEqual([code, 0, 0])
  })

  it('a broken Reply-From or Response-Forwarding leaves the client without an origin, not without the response', async () => {
    const w = world({ policy: { ...ALLOW_C, generations: ['00'] } })
    w.server(S1, {
      handlers: { GET: () => content('a', { number: N.responseForwarding, value: Uint8Array.of(0xd9) }) },
      criticalOptions: [N.multicastSignaling],
    })
    const found = await viaProxy(w, w.client(), { generation: '00' })
    expect(found.map((one) => [text(one.payload), one.origin])).toEqual([['a', undefined]])
  })

  it('a Reply-From that a server has put into its response is replaced by the true one', async () => {
    const w = world({ policy: ALLOW_C })
    w.server(S1, content('a', { number: N.replyFrom, value: fromHex('82208144c0000201') ?? TOKEN }))
    expect((await viaProxy(w, w.client())).map((one) => one.origin)).toEqual([S1])
  })

  it('a forged address gets one small answer where addresses are to be proven, and our client proves its own (RFC 9175 §2.4)', async () => {
    const w = world({ policy: { ...ALLOW_C, verifyAddresses: true } })
    const s1 = w.server(S1, content('x'.repeat(500)))
    const forger = w.raw()
    forger.send({ type: 'NON', messageId: 1, token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 60)] })
    await w.clock.advance(5_000)
    expect([forger.inbox.map((one) => one.code), s1.inbox.length]).toEqual([['4.01'], 0])
    const stolen = forger.inbox[0]?.options.find((option) => option.number === OptionNumber.ECHO)
    // Another address cannot use it.
    const other = w.raw({ address: C.address, port: 7001 })
    other.send({
      type: 'NON',
      messageId: 1,
      token: TOKEN,
      options: [GROUP_URI, multicastTimeoutOption(N, 60), ...(stolen === undefined ? [] : [stolen])],
    })
    await w.clock.advance(5_000)
    expect([other.inbox.map((one) => one.code), s1.inbox.length]).toEqual([['4.01'], 0])
    const found = await viaProxy(w, w.client({ address: C.address, port: 7002 }))
    expect(found.map((one) => one.origin)).toEqual([S1])
    expect(optionHex(s1.inbox[0]?.options, OptionNumber.ECHO)).toBeUndefined()
  })

  it('closing ends everything', async () => {
    const w = world({ policy: ALLOW_C })
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 60)] })
    client.send({
      type: 'NON',
      messageId: 2,
      token: TOKEN.subarray(1),
      options: [stringOption(OptionNumber.PROXY_URI, `coap://[${S1.address}]/`)],
    })
    await w.clock.advance(100)
    expect(w.proxy.holdings()).toMatchObject({ groups: 1, single: 1 })
    w.proxy.close()
    await w.clock.advance(100)
    expect(w.proxy.holdings()).toMatchObject({ groups: 0, single: 0 })
  })
})
