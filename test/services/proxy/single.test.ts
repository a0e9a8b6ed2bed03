// Forwarding to one server, and its cache (RFC 7252 §5.6, §5.7; RFC 8768).
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '#main/base/index.ts'
import {
  findOption,
  findUint,
  OptionNumber,
  stringOption,
  uintOption,
  type ClientRequest,
  type ClientResponse,
  type CoapMessage,
  type CoapOption,
} from '#main/wire/coap/index.ts'
import { ALLOW_C, C, content, optionHex, P, S1, S2, text, world, type World } from './harness.ts'

const URI = `coap://[${S1.address}]/a/b%20c?x=1&y`

function ask(
  w: World,
  client: ReturnType<World['client']>,
  options: readonly CoapOption[],
  more: Partial<ClientRequest> = {},
): Promise<ClientResponse> {
  return w.clock.until(client.request(P, { method: 'GET', path: [], ...more, options }))
}

function proxyUri(uri: string): CoapOption {
  return stringOption(OptionNumber.PROXY_URI, uri)
}

function values(message: CoapMessage | undefined, number: number): string[] {
  return (message?.options ?? []).filter((option) => option.number === number).map((option) => text(option.value))
}

describe('without a proxy', () => {
  it.each([OptionNumber.PROXY_URI, OptionNumber.PROXY_SCHEME, OptionNumber.PROXY_CRI, OptionNumber.PROXY_SCHEME_NUMBER])(
    'an endpoint answers option %i with 5.05 (RFC 7252 §5.7.2)',
    async (number) => {
      const w = world()
      w.server(S1, content('a'))
      const response = await w.clock.until(w.client().request(S1, { method: 'GET', path: [], options: [stringOption(number, 'a')] }))
      expect(response.code).toBe('5.05')
    },
  )
})

describe('a forward-proxy (RFC 7252 §5.7.2)', () => {
  it('forwards nothing by default: 5.05', async () => {
    const w = world()
    const s1 = w.server(S1, content('a'))
    expect((await ask(w, w.client(), [proxyUri(URI)])).code).toBe('5.05')
    expect(s1.inbox).toHaveLength(0)
  })

  it('splits Proxy-Uri into the options of an ordinary request, and consumes it', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a', uintOption(OptionNumber.CONTENT_FORMAT, 0)))
    const response = await ask(w, w.client(), [proxyUri(URI), uintOption(OptionNumber.ACCEPT, 0)])
    expect([response.code, text(response.payload), response.contentFormat]).toEqual(['2.05', 'a', 0])
    const [sent] = s1.inbox
    expect(values(sent, OptionNumber.URI_PATH)).toEqual(['a', 'b c'])
    expect(values(sent, OptionNumber.URI_QUERY)).toEqual(['x=1', 'y'])
    expect([OptionNumber.URI_HOST, OptionNumber.URI_PORT, OptionNumber.PROXY_URI].flatMap((number) => values(sent, number))).toEqual([])
    expect(findUint(sent?.options ?? [], OptionNumber.ACCEPT)).toBe(0)
  })

  it('builds the URI from Proxy-Scheme and Uri-*, with the name in Uri-Host where it is one', async () => {
    const w = world({ policy: ALLOW_C, resolve: (name) => Promise.resolve(name === 'lamp.example' ? S1.address : undefined) })
    const s1 = w.server(S1, content('a'))
    const client = w.client()
    const options = [stringOption(OptionNumber.PROXY_SCHEME, 'coap'), stringOption(OptionNumber.URI_HOST, 'Lamp.example')]
    expect((await ask(w, client, options, { path: ['r'] })).code).toBe('2.05')
    expect(values(s1.inbox[0], OptionNumber.URI_HOST)).toEqual(['lamp.example'])
    const unknown = [stringOption(OptionNumber.PROXY_SCHEME, 'coap'), stringOption(OptionNumber.URI_HOST, 'nobody.example')]
    expect((await ask(w, client, unknown)).code).toBe('5.04')
  })

  it('serves a request for itself from its own resources', async () => {
    const w = world({ policy: ALLOW_C, ownAuthorities: [{ host: 'me.example', port: 5683 }] })
    w.proxyTree.add('/own', { handlers: { GET: () => content('mine') } })
    const client = w.client()
    expect(text((await ask(w, client, [proxyUri(`coap://[${P.address}]/own`)])).payload)).toBe('mine')
    expect(text((await ask(w, client, [proxyUri('coap://me.example/own')])).payload)).toBe('mine')
    expect(text((await ask(w, client, [], { path: ['own'] })).payload)).toBe('mine')
  })

  it.each([
    ['http://example.org/', '5.05'],
    ['coaps://[2001:db8::51]/', '5.05'],
    ['coap:/x', '4.00'],
    ['coap://user@[2001:db8::51]/', '4.00'],
    ['coap://[2001:db8::51]:99999/', '4.00'],
    ['coap://[2001:db8::51]:0/', '4.00'],
    ['coap://[2001:db8::51]/#f', '4.00'],
    ['coap://[2001:db8::51]/%ff', '4.00'],
    ['coap://[2001:db8::zz]/', '4.00'],
    ['coap:///x', '4.00'],
    [`coap://[2001:db8::51]/${'x'.repeat(300)}`, '4.00'],
    ['coap://[::]/', '5.05'],
    ['coap://255.255.255.255/', '5.05'],
    ['coap://[::ffff:224.0.1.187]/', '5.05'],
    ['coap://[::1]/', '5.05'],
    ['coap://127.0.0.1/', '5.05'],
  ])('answers %s with %s', async (uri, code) => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    expect((await ask(w, w.client(), [proxyUri(uri)])).code).toBe(code)
    expect(s1.inbox).toHaveLength(0)
  })

  it('refuses both Proxy-Scheme and Proxy-Scheme-Number (href §8.2.2), and takes the number alone', async () => {
    const w = world({ policy: ALLOW_C })
    w.server(S1, content('a'))
    const client = w.client()
    const host = stringOption(OptionNumber.URI_HOST, `[${S1.address}]`)
    const number = uintOption(OptionNumber.PROXY_SCHEME_NUMBER, 0)
    expect((await ask(w, client, [host, number])).code).toBe('2.05')
    expect((await ask(w, client, [host, number, stringOption(OptionNumber.PROXY_SCHEME, 'coap')])).code).toBe('4.00')
  })

  it('passes on options that it does not know where that is safe, and answers 4.02 where it is not (§5.7.1)', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    const client = w.client()
    const safe: CoapOption = { number: 65_004, value: Uint8Array.of(1) }
    expect((await ask(w, client, [proxyUri(URI), safe])).code).toBe('2.05')
    expect(optionHex(s1.inbox[0]?.options, 65_004)).toBe('01')
    expect((await ask(w, client, [proxyUri(URI), { number: 65_002, value: Uint8Array.of(1) }])).code).toBe('4.02')
    expect(s1.inbox).toHaveLength(1)
  })

  it('answers 5.02 to a response with an option that is unknown and unsafe, or unknown and critical', async () => {
    for (const number of [65_002, 65_001]) {
      const w = world({ policy: ALLOW_C })
      w.server(S1, content('a', { number, value: Uint8Array.of(1) }))
      expect((await ask(w, w.client(), [proxyUri(URI)])).code).toBe('5.02')
    }
  })

  it('answers 5.04 when the server does not', async () => {
    const w = world({ policy: ALLOW_C })
    expect((await ask(w, w.client(), [proxyUri(URI)])).code).toBe('5.04')
    expect(w.proxy.holdings().single).toBe(0)
  })

  it('carries bodies of 5000 bytes both ways, in blocks on each side', async () => {
    const w = world({ policy: ALLOW_C })
    const body = Uint8Array.from({ length: 5000 }, (_, index) => index % 251)
    let got: Uint8Array | undefined
    w.server(S1, {
      handlers: {
        POST: ({ payload }) => {
          got = payload
          return { code: '2.04', payload: payload.toReversed() }
        },
      },
    })
    const response = await ask(w, w.client(), [proxyUri(URI)], { method: 'POST', payload: body })
    expect(got).toEqual(body)
    expect([response.code, toHex(response.payload)]).toEqual(['2.04', toHex(body.toReversed())])
  })

  it('spares the client what No-Response names, but acknowledges', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    const client = w.raw()
    client.send({ options: [proxyUri(URI), uintOption(OptionNumber.NO_RESPONSE, 2)] })
    await w.clock.advance(5000)
    expect(client.inbox).toMatchObject([{ type: 'ACK', code: '0.00' }])
    expect(findOption(s1.inbox[0]?.options ?? [], OptionNumber.NO_RESPONSE)).toBeUndefined()
  })
})

describe('Hop-Limit (RFC 8768 §3)', () => {
  it('is put in at 16, counted down, and answered 5.08 at its end and 4.00 where it is broken', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a', uintOption(OptionNumber.MAX_AGE, 0)))
    const client = w.client()
    const hops = (...value: number[]): CoapOption => ({ number: OptionNumber.HOP_LIMIT, value: Uint8Array.from(value) })
    await ask(w, client, [proxyUri(URI)])
    await ask(w, client, [proxyUri(URI), hops(7)])
    expect(s1.inbox.map((one) => optionHex(one.options, OptionNumber.HOP_LIMIT))).toEqual(['10', '06'])
    expect((await ask(w, client, [proxyUri(URI), hops(1)])).code).toBe('5.08')
    for (const broken of [hops(0), hops(1, 0), hops()]) expect((await ask(w, client, [proxyUri(URI), broken])).code).toBe('4.00')
    expect(s1.inbox).toHaveLength(2)
  })

  it('ends a loop of a proxy with itself under a name that it does not know for its own', async () => {
    const everything = { rules: [{ clients: 'any', servers: 'any' }] } as const
    const w = world({ policy: everything, resolve: () => Promise.resolve(P.address) })
    const response = await ask(w, w.client(), [proxyUri('coap://loop.example/x'), uintOption(OptionNumber.HOP_LIMIT, 4)])
    // The name goes along in Uri-Host, so the second round is an ordinary request, which the proxy serves itself.
    expect(response.code).toBe('4.04')
  })

  it('ends a loop of two proxies that are each the next hop of the other', async () => {
    const everything = { rules: [{ clients: 'any', servers: 'any' }] } as const
    const w = world({ policy: everything, nextHop: { to: P, roundTripS: 1 } })
    const response = await ask(w, w.client(), [proxyUri(URI)])
    expect(response.code).toBe('5.08')
    expect(w.proxy.holdings().single).toBe(0)
  })
})

describe('the cache (RFC 7252 §5.6, §5.7.1)', () => {
  it('answers from a fresh response, with what is left of its Max-Age', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a', uintOption(OptionNumber.MAX_AGE, 60)))
    const client = w.client()
    await ask(w, client, [proxyUri(URI)])
    await w.clock.advance(20_000)
    const again = await ask(w, client, [proxyUri(URI)])
    expect([text(again.payload), s1.inbox.length]).toEqual(['a', 1])
    expect(findUint(again.options, OptionNumber.MAX_AGE)).toBeLessThanOrEqual(40)
    await ask(w, client, [proxyUri(URI), uintOption(OptionNumber.ACCEPT, 50)])
    await ask(w, client, [proxyUri(`coap://[${S1.address}]/a`)])
    expect(s1.inbox).toHaveLength(3)
    await w.clock.advance(41_000)
    await ask(w, client, [proxyUri(URI)])
    expect(s1.inbox).toHaveLength(4)
  })

  it('validates a stale response by its ETag, and answers the client 2.03 or 2.05 as it asked', async () => {
    const w = world({ policy: ALLOW_C })
    const etag: CoapOption = { number: OptionNumber.ETAG, value: utf8('v1') }
    const s1 = w.server(S1, (request) =>
      optionHex(request.options, OptionNumber.ETAG) === toHex(utf8('v1'))
        ? { code: '2.03', options: [etag, uintOption(OptionNumber.MAX_AGE, 30)] }
        : content('a', etag, uintOption(OptionNumber.MAX_AGE, 10)),
    )
    const client = w.client()
    await ask(w, client, [proxyUri(URI)])
    await w.clock.advance(11_000)
    const renewed = await ask(w, client, [proxyUri(URI)])
    expect([renewed.code, text(renewed.payload), s1.inbox.length]).toEqual(['2.05', 'a', 2])
    const valid = await ask(w, client, [proxyUri(URI), etag])
    expect([valid.code, valid.payload.length, s1.inbox.length]).toEqual(['2.03', 0, 2])
    await w.clock.advance(31_000)
    expect((await ask(w, client, [proxyUri(URI), etag])).code).toBe('2.03')
    expect(s1.inbox).toHaveLength(3)
  })

  it('forgets what a successful change has made stale (§5.8), and keeps it after a failed one', async () => {
    const w = world({ policy: ALLOW_C })
    let code: '2.04' | '4.03' = '4.03'
    const s1 = w.server(S1, (request) => (request.code === '0.01' ? content('a') : { code }))
    const client = w.client()
    await ask(w, client, [proxyUri(URI)])
    await ask(w, client, [proxyUri(URI)], { method: 'PUT', payload: utf8('x') })
    await ask(w, client, [proxyUri(URI)])
    expect(s1.inbox).toHaveLength(2)
    code = '2.04'
    await ask(w, client, [proxyUri(URI)], { method: 'PUT', payload: utf8('x') })
    await ask(w, client, [proxyUri(URI)])
    expect(s1.inbox).toHaveLength(4)
  })

  it('tells FETCH requests apart by their payload, and does not keep errors or Max-Age 0', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, (request) => (request.code === '0.05' ? content(text(request.payload)) : { code: '4.04' }))
    const client = w.client()
    for (const body of ['x', 'y', 'x']) {
      const response = await ask(w, client, [proxyUri(URI)], { method: 'FETCH', payload: utf8(body) })
      expect(text(response.payload)).toBe(body)
    }
    expect(s1.inbox).toHaveLength(2)
    await ask(w, client, [proxyUri(URI)])
    await ask(w, client, [proxyUri(URI)])
    expect(s1.inbox).toHaveLength(4)
  })

  it('stays within its bounds', async () => {
    const w = world({ policy: { ...ALLOW_C, maxCacheEntries: 10, maxCacheBytes: 4000 } })
    w.server(S1, content('x'.repeat(200)))
    const client = w.client()
    for (let index = 0; index < 40; index++) await ask(w, client, [proxyUri(`coap://[${S1.address}]/${index}`)])
    const { cacheEntries, cacheBytes } = w.proxy.holdings()
    expect(cacheEntries).toBeLessThanOrEqual(10)
    expect(cacheBytes).toBeLessThanOrEqual(4000)
    expect(cacheEntries).toBeGreaterThan(2)
  })
})

describe('who may', () => {
  it('serves listed clients and servers only', async () => {
    const w = world({ policy: { rules: [{ clients: [{ address: C.address }], servers: [{ host: S1.address }] }] } })
    const s2 = w.server(S2, content('b'))
    w.server(S1, content('a'))
    const client = w.client()
    const other = w.client({ address: '2001:db8::bad', port: 5683 })
    expect((await ask(w, client, [proxyUri(URI)])).code).toBe('2.05')
    expect((await ask(w, client, [proxyUri(`coap://[${S2.address}]/`)])).code).toBe('5.05')
    expect((await ask(w, other, [proxyUri(URI)])).code).toBe('5.05')
    expect(s2.inbox).toHaveLength(0)
  })

  it('goes by the identity that the channel proves', async () => {
    const rules = [{ clients: [{ identity: 'installer' }], servers: 'any' }] as const
    const w = world({ policy: { rules }, identify: ({ source }) => (source.address === C.address ? 'installer' : undefined) })
    w.server(S1, content('a'))
    expect((await ask(w, w.client(), [proxyUri(URI)])).code).toBe('2.05')
    expect((await ask(w, w.client({ address: '2001:db8::bad', port: 5683 }), [proxyUri(URI)])).code).toBe('5.05')
  })
})
