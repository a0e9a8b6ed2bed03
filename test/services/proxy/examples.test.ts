// The message examples of draft-ietf-core-groupcomm-proxy-07 (§5.6 and Appendix A) and the flow of draft-tiloca-core-groupcomm-proxy-00 §5.
import { describe, expect, it } from 'vitest'
import { fromHex, seededRandom, silentLogger, toHex, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, findOption, findStrings, OptionNumber, stringOption, uintOption, type CoapMessage } from '#main/wire/coap/index.ts'
import {
  answeringThroughProxies,
  criOf,
  groupRequestViaProxy,
  individualRequest,
  multicastTimeoutOption,
  readReplyFrom,
  replyFromOption,
  SUGGESTED_OPTION_NUMBERS as N,
  type ProxiedResponse,
} from '#main/services/proxy/index.ts'
import { all } from '../../wire/coap/harness.ts'
import { ALLOW_C, content, G, optionHex, P, S1, S2, text, world, type World } from './harness.ts'

const TOKEN = fromHex('4a') ?? new Uint8Array(0)
const R = stringOption(OptionNumber.URI_PATH, 'r')
const S2_OTHER_PORT: SocketAddress = { address: S2.address, port: 5999 }

function paths(message: CoapMessage | undefined): readonly string[] | undefined {
  return findStrings(message?.options ?? [], OptionNumber.URI_PATH)
}

/** A server that answers from another port than the group's, as the figures let S2 do. */
function serverOfOtherPort(w: World): void {
  const ears = w.network.channel(S2)
  const mouth = w.network.channel(S2_OTHER_PORT)
  ears.joinGroup(G.address)
  ears.subscribe((event) => {
    if (event.kind !== 'datagram' || event.datagram.payload[1] !== 1) return
    const header = event.datagram.payload
    const token = header.subarray(4, 4 + (header[0]! & 15))
    mouth.send(Uint8Array.of(0x50 | token.length, 0x45, 0x12, 0x34, ...token, 0xff, 0x62), event.datagram.source)
  })
}

describe('draft-ietf-core-groupcomm-proxy-07', () => {
  it('§5.6 Figure 1: a forward-proxy hands each response on with the address it came from', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    serverOfOtherPort(w)
    const client = w.raw()
    const uri = `coap://[${G.address}]:${G.port}/r`
    client.send({ token: TOKEN, options: [multicastTimeoutOption(N, 60), stringOption(OptionNumber.PROXY_URI, uri)] })
    await w.clock.advance(1000)
    // Towards the group: Uri-Path "r", and neither Proxy-Uri nor Multicast-Timeout.
    const [forwarded] = s1.inbox
    expect([forwarded?.type, forwarded?.code, paths(forwarded)]).toEqual(['NON', '0.01', ['r']])
    expect(findOption(forwarded?.options ?? [], OptionNumber.PROXY_URI)).toBeUndefined()
    expect(findOption(forwarded?.options ?? [], N.multicastTimeout)).toBeUndefined()
    // The client is acknowledged at once, and each response is a message of its own with its token.
    expect(client.inbox[0]).toMatchObject({ type: 'ACK', code: '0.00', messageId: 0x7d34 })
    const take = async (): Promise<CoapMessage[]> => {
      for (const one of client.inbox.filter((one) => one.type === 'CON'))
        client.send({ type: 'ACK', code: '0.00', messageId: one.messageId })
      await w.clock.advance(500)
      return client.inbox.filter((one) => one.code === '2.05')
    }
    await take()
    const responses = await take()
    expect(responses.map((one) => toHex(one.token))).toEqual(['4a', '4a'])
    const from = responses.map((one) => `${text(one.payload)} ${optionHex(one.options, N.replyFrom)}`).sort()
    expect(from).toEqual([
      // cri'coap://S1_ADDR:G_PORT', where G_PORT is coap's own and therefore left off
      'a 8220' + '81' + '50' + '20010db8000000000000000000000051',
      // cri'coap://S2_ADDR:S2_PORT'
      'b 8220' + '82' + '50' + '20010db8000000000000000000000052' + '19176f',
    ])
  })

  it('§5.6: at t = 60 the proxy stops accepting responses', async () => {
    const w = world({ policy: ALLOW_C })
    const late = w.network.channel(S1)
    late.joinGroup(G.address)
    const client = w.raw()
    client.send({
      type: 'NON',
      token: TOKEN,
      options: [multicastTimeoutOption(N, 60), stringOption(OptionNumber.PROXY_URI, `coap://[${G.address}]/r`)],
    })
    let answer: () => void = () => undefined
    late.subscribe((event) => {
      if (event.kind !== 'datagram') return
      const header = event.datagram.payload
      const token = header.subarray(4, 4 + (header[0]! & 15))
      let id = 0
      answer = () => late.send(Uint8Array.of(0x50 | token.length, 0x45, 0, ++id, ...token), event.datagram.source)
    })
    await w.clock.advance(59_900)
    expect(w.proxy.holdings().groups).toBe(1)
    answer()
    await w.clock.advance(50)
    expect(client.inbox).toHaveLength(1)
    await w.clock.advance(200)
    expect(w.proxy.holdings().groups).toBe(0)
    answer()
    await w.clock.advance(1000)
    expect(client.inbox).toHaveLength(1)
  })

  it.each(['proxy-uri', 'proxy-scheme', 'proxy-cri'] as const)('§5.1.1: the group URI may be said by %s', async (style) => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    w.server(S2, content('b'))
    const request = { method: 'GET', path: ['x', 'y'], query: ['z=1'] } as const
    const found = await w.clock.until(all(groupRequestViaProxy(w.client(), w.clock, G, request, { proxy: P, timeoutS: 5, style })))
    expect(found.map((one) => [text(one.payload), one.origin]).sort()).toEqual([
      ['a', S1],
      ['b', S2],
    ])
    expect(paths(s1.inbox[0])).toEqual(['x', 'y'])
    expect(findStrings(s1.inbox[0]?.options ?? [], OptionNumber.URI_QUERY)).toEqual(['z=1'])
  })

  it('§5.5.1 step 3: the origin server is then reached alone, through the proxy and directly', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    const client = w.client()
    const request = { method: 'GET', path: ['r'] } as const
    const [first] = await w.clock.until(all(groupRequestViaProxy(client, w.clock, G, request, { proxy: P, timeoutS: 2 })))
    for (const via of [{ proxy: P }, 'as-told'] as const) {
      const single = individualRequest(first!, { method: 'GET', path: ['other'] }, via)
      expect(single.to).toEqual(via === 'as-told' ? S1 : P)
      const response = await w.clock.until(client.request(single.to, single.request))
      expect(text(response.payload)).toBe('a')
      expect(paths(s1.inbox.at(-1))).toEqual(['other'])
    }
  })

  it('Appendix A.1 Figure 2: a reverse-proxy for the group and for each server, by Uri-Host', async () => {
    const w = world({
      policy: ALLOW_C,
      reverse: [
        { match: { host: 'group1.com' }, to: { group: G }, collectionS: 60, individuals: { kind: 'by-host', scheme: 'coap+tcp', at: P } },
      ],
    })
    const s1 = w.server(S1, content('a'))
    const s2 = w.server(S2, content('b'))
    const client = w.raw()
    const host = stringOption(OptionNumber.URI_HOST, 'group1.com')
    client.send({ token: TOKEN, messageId: 1, options: [host, R] })
    await w.clock.advance(100)
    expect(client.inbox[0]?.code).toBe('4.00')
    expect(optionHex(client.inbox[0]?.options, N.multicastTimeout)).toBe('')
    expect(text(client.inbox[0]?.payload)).toBe('Please use Multicast-Timeout')
    expect(s1.inbox).toHaveLength(0)

    client.send({ type: 'NON', token: TOKEN, messageId: 2, options: [multicastTimeoutOption(N, 60), host, R] })
    await w.clock.advance(1000)
    expect([paths(s1.inbox[0]), paths(s2.inbox[0])]).toEqual([['r'], ['r']])
    expect(findOption(s1.inbox[0]?.options ?? [], OptionNumber.URI_HOST)).toBeUndefined()
    const tcp = '8226' + '81' + '50' + '20010db800000000000000000000000b'
    const replies = client.inbox
      .slice(1)
      .map((one) => optionHex(one.options, N.replyFrom))
      .sort()
    expect(replies).toEqual([
      // cri'coap+tcp://P_ADDR:P_PORT', cri'//S1_ADDR:S1_PORT'
      tcp + '82f6' + '82' + '50' + '20010db8000000000000000000000051' + '191633',
      tcp + '82f6' + '82' + '50' + '20010db8000000000000000000000052' + '191633',
    ])

    client.send({
      type: 'NON',
      token: fromHex('4b') ?? TOKEN,
      messageId: 3,
      options: [
        stringOption(OptionNumber.URI_HOST, S1.address),
        uintOption(OptionNumber.URI_PORT, S1.port),
        stringOption(OptionNumber.URI_PATH, 'r1'),
      ],
    })
    await w.clock.advance(1000)
    expect(paths(s1.inbox.at(-1))).toEqual(['r1'])
    expect(s2.inbox).toHaveLength(1)
    expect(text(client.inbox.at(-1)?.payload)).toBe('a')
  })

  it('Appendix A.1: a host that never answered through the proxy is not reached by it', async () => {
    const w = world({
      policy: ALLOW_C,
      reverse: [{ match: { host: 'group1.com' }, to: { group: G }, individuals: { kind: 'by-host', scheme: 'coap', at: P } }],
    })
    const s1 = w.server(S1, content('a'))
    const client = w.raw()
    client.send({ token: TOKEN, options: [stringOption(OptionNumber.URI_HOST, S1.address), R] })
    await w.clock.advance(500)
    expect([client.inbox[0]?.code, s1.inbox.length]).toEqual(['4.04', 0])
  })

  it('Appendix A.2 Figure 3: a reverse-proxy with an address for each server', async () => {
    const d1 = { address: '2001:db8::d1', port: 5683 }
    const w = world({
      policy: ALLOW_C,
      reverse: [
        { match: { at: d1 }, to: { server: S1 } },
        {
          match: { at: P },
          to: { group: G },
          collectionS: 60,
          individuals: { kind: 'by-address', scheme: 'coap+tcp', addressOf: (server) => (server.address === S1.address ? d1 : undefined) },
        },
      ],
    })
    const s1 = w.server(S1, content('a'))
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [multicastTimeoutOption(N, 60), R] })
    await w.clock.advance(500)
    // cri'coap+tcp://D1_ADDR:D1_PORT'
    expect(optionHex(client.inbox[0]?.options, N.replyFrom)).toBe('8226' + '81' + '50' + '20010db80000000000000000000000d1')
    new CoapEndpoint({
      channel: w.network.channel(d1),
      clock: w.clock,
      intermediary: w.proxy,
      random: seededRandom(1),
      logger: silentLogger,
    })
    client.send({ type: 'NON', messageId: 2, token: TOKEN.map((byte) => byte + 1), options: [R] }, d1)
    await w.clock.advance(500)
    expect(paths(s1.inbox.at(-1))).toEqual(['r'])
    expect([text(client.inbox.at(-1)?.payload), client.inbox.at(-1)?.code]).toEqual(['a', '2.05'])
  })

  it('Appendix A.3 Figure 4: a reverse-proxy for the group only leaves the servers their own addresses', async () => {
    const w = world({ policy: ALLOW_C, reverse: [{ match: { path: [] }, to: { group: G }, collectionS: 60 }] })
    w.server(S1, content('a'))
    w.server(S2, content('b'))
    const client = w.client()
    const request = { method: 'GET', path: ['r'] } as const
    await expect(w.clock.until(client.request(P, request))).resolves.toMatchObject({ code: '4.00' })
    const viaProxy = { proxy: P, timeoutS: 60, style: 'reverse' } as const
    const found = await w.clock.until(all(groupRequestViaProxy(client, w.clock, G, request, viaProxy)))
    expect(found.map((one) => one.replyFrom?.cri).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))).toEqual(
      [criOf(S1), criOf(S2)].map(withoutDefaultPort),
    )
    const first = found.find((one) => one.origin?.address === S1.address)
    const single = individualRequest(first!, request, 'as-told')
    expect(single.to).toEqual(S1)
    expect(text((await w.clock.until(client.request(single.to, single.request))).payload)).toBe('a')
  })

  it('§6.2: the parts of the reference go into the request, its path before the further segments, and no port of its own accord', () => {
    const option = replyFromOption(N, {
      cri: criOf(P),
      reference: { authority: { host: { kind: 'ip', bytes: new Uint8Array([192, 0, 2, 7]) }, port: undefined }, path: ['s1'] },
    })
    const replyFrom = readReplyFrom(N, [option])
    const response: ProxiedResponse = {
      code: '2.05',
      options: [option],
      payload: new Uint8Array(0),
      contentFormat: undefined,
      source: P,
      elapsedMs: 0,
      origin: S1,
      replyFrom,
      groupEtag: undefined,
    }
    const { to, request } = individualRequest(response, { method: 'GET', path: ['r1'] }, 'as-told')
    expect([to, request.path, request.options]).toEqual([P, ['s1', 'r1'], [stringOption(OptionNumber.URI_HOST, '192.0.2.7')]])
  })
})

describe('draft-tiloca-core-groupcomm-proxy-00 §5', () => {
  it('the client signals, the proxy passes that on, each server says who it is, and the client knows the port', async () => {
    const w = world({ policy: ALLOW_C })
    const answers = (at: SocketAddress, body: string): ReturnType<World['server']> =>
      w.server(
        at,
        answeringThroughProxies({ handlers: { GET: () => content(body) } }, () => at.address),
      )
    const s1 = answers(S1, 'a')
    answers(S2, 'b')
    const request = { method: 'GET', path: ['r'] } as const
    const found = await w.clock.until(
      all(groupRequestViaProxy(w.client(), w.clock, G, request, { proxy: P, timeoutS: 30, generation: '00' })),
    )
    expect(found.map((one) => [text(one.payload), one.origin]).sort()).toEqual([
      ['a', S1],
      ['b', S2],
    ])
    expect(optionHex(s1.inbox[0]?.options, N.multicastSignaling)).toBe('181e')
    expect(optionHex(found.find((one) => one.origin?.address === S1.address)?.options, N.responseForwarding)).toBe(
      'd90104' + '50' + '20010db8000000000000000000000051',
    )
    expect(found.every((one) => findOption(one.options, N.replyFrom) === undefined)).toBe(true)
  })

  it('a server that does not know the option stays silent, since it is critical', async () => {
    const w = world({ policy: ALLOW_C })
    w.server(S1, content('a'))
    const request = { method: 'GET', path: ['r'] } as const
    expect(
      await w.clock.until(all(groupRequestViaProxy(w.client(), w.clock, G, request, { proxy: P, timeoutS: 3, generation: '00' }))),
    ).toEqual([])
  })

  it('a server answers 4.02 to a value that is no CBOR unsigned integer', async () => {
    const w = world()
    w.server(
      S1,
      answeringThroughProxies({ handlers: { GET: () => content('a') } }, () => S1.address),
    )
    const options = [{ number: N.multicastSignaling, value: Uint8Array.of(0x61) }]
    const response = await w.clock.until(w.client().request(S1, { method: 'GET', path: ['r'], options }))
    expect(response.code).toBe('4.02')
  })
})

function withoutDefaultPort(cri: ReturnType<typeof criOf>): ReturnType<typeof criOf> {
  return { ...cri, authority: { ...cri.authority, port: undefined } }
}
