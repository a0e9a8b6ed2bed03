// Observe through the proxy: of one server (RFC 7641 §5), and of a group (draft-ietf-core-groupcomm-proxy-07 §5.1.2, §5.2.2, §5.4.2;
// draft-tiloca-core-groupcomm-proxy-00 §5.4).
import { describe, expect, it } from 'vitest'
import { fromHex, seededRandom, silentLogger, type SocketAddress } from '#main/base/index.ts'
import {
  CoapEndpoint,
  findUint,
  Observable,
  OptionNumber,
  stringOption,
  uintOption,
  type ClientRequest,
  type CoapOption,
  type Resource,
} from '#main/wire/coap/index.ts'
import {
  answeringThroughProxies,
  createProxy,
  groupRequestViaProxy,
  multicastTimeoutOption,
  SUGGESTED_OPTION_NUMBERS as N,
  type ProxiedResponse,
  type ViaProxyOptions,
} from '#main/services/proxy/index.ts'
import { ALLOW_C, C, content, G, optionHex, P, S1, S2, text, world, type Server, type World } from './harness.ts'

const TOKEN = fromHex('0b') ?? new Uint8Array(0)
const URI = stringOption(OptionNumber.PROXY_URI, `coap://[${S1.address}]/r`)
const GROUP_URI = stringOption(OptionNumber.PROXY_URI, `coap://[${G.address}]/r`)
const REGISTER = uintOption(OptionNumber.OBSERVE, 0)
const DEREGISTER = uintOption(OptionNumber.OBSERVE, 1)

interface Changing {
  readonly server: Server
  readonly holdings: () => number
  change(state: string): void
  end(): void
}

function changing(w: World, at: SocketAddress, wrap: (resource: Resource) => Resource = (resource) => resource): Changing {
  const observable = new Observable()
  let state = 'one'
  const resource: Resource = { handlers: { GET: () => content(state, uintOption(OptionNumber.MAX_AGE, 600)) }, observable }
  const server = w.server(at, wrap(resource))
  return {
    server,
    holdings: () => server.endpoint.holdings().observers,
    change: (next) => {
      state = next
      observable.notify()
    },
    end: () => observable.end(),
  }
}

function collect(
  w: World,
  client: ReturnType<World['client']>,
  options: Partial<ViaProxyOptions> = {},
): { got: ProxiedResponse[]; leave: () => void; over: () => boolean } {
  const got: ProxiedResponse[] = []
  const abort = new AbortController()
  let isOver = false
  const request: ClientRequest = { method: 'GET', path: ['r'] }
  const iterate = async (): Promise<void> => {
    for await (const one of groupRequestViaProxy(client, w.clock, G, request, {
      proxy: P,
      timeoutS: 5,
      observe: true,
      signal: abort.signal,
      ...options,
    }))
      got.push(one)
  }
  const mark = (): void => {
    isOver = true
  }
  iterate().then(mark, mark)
  return { got, leave: () => abort.abort(), over: () => isOver }
}

describe('one server', () => {
  it('is observed by the proxy for the client, which gets each state until it cancels', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.client()
    const seen: string[] = []
    const observation = client.observe(
      P,
      { method: 'GET', path: [], options: [URI] },
      { onNotification: (one) => seen.push(text(one.payload)) },
    )
    await w.clock.advance(1000)
    expect([w.proxy.holdings().observations, s1.holdings()]).toEqual([1, 1])
    for (const state of ['two', 'three']) {
      s1.change(state)
      await w.clock.advance(5000)
    }
    expect(seen).toEqual(['one', 'two', 'three'])
    await w.clock.until(observation.cancel())
    await w.clock.advance(1000)
    expect([w.proxy.holdings().observations, s1.holdings()]).toEqual([0, 0])
  })

  it('numbers its notifications upwards and keeps the cache up to date', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [REGISTER, URI] })
    await w.clock.advance(1000)
    s1.change('two')
    await w.clock.advance(5000)
    const numbers = client.inbox.map((one) => findUint(one.options, OptionNumber.OBSERVE) ?? -1)
    expect(numbers).toHaveLength(2)
    expect(numbers[1]).toBeGreaterThan(numbers[0] ?? 0)
    const asked = s1.server.inbox.length
    const other = w.client({ address: C.address, port: 7001 })
    const response = await w.clock.until(other.request(P, { method: 'GET', path: [], options: [URI] }))
    expect([text(response.payload), s1.server.inbox.length]).toEqual(['two', asked])
  })

  it('ends with a Reset, with Observe 1 of the same token, and when the server ends it', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [REGISTER, URI] })
    await w.clock.advance(500)
    client.send({ type: 'RST', code: '0.00', messageId: client.inbox.at(-1)?.messageId ?? 0 })
    await w.clock.advance(500)
    expect([w.proxy.holdings().observations, s1.holdings()]).toEqual([0, 0])

    client.send({ type: 'NON', messageId: 2, token: TOKEN, options: [REGISTER, URI] })
    await w.clock.advance(500)
    expect(w.proxy.holdings().observations).toBe(1)
    client.send({ type: 'NON', messageId: 3, token: TOKEN, options: [DEREGISTER, URI] })
    await w.clock.advance(500)
    expect([w.proxy.holdings().observations, s1.holdings()]).toEqual([0, 0])
    const last = client.inbox.at(-1)
    expect([last?.code, optionHex(last?.options, OptionNumber.OBSERVE)]).toEqual(['2.05', undefined])

    client.send({ type: 'NON', messageId: 4, token: TOKEN, options: [REGISTER, URI] })
    await w.clock.advance(500)
    s1.end()
    await w.clock.advance(5000)
    expect([client.inbox.at(-1)?.code, w.proxy.holdings().observations]).toEqual(['4.04', 0])
  })

  it('registers anew under the same token without a second entry', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.raw()
    for (let messageId = 1; messageId <= 3; messageId++) {
      client.send({ type: 'NON', messageId, token: TOKEN, options: [REGISTER, URI] })
      await w.clock.advance(1000)
    }
    expect([w.proxy.holdings().observations, s1.holdings()]).toEqual([1, 1])
  })

  it('is answered once where it may not be observed, cannot be, or the bound is reached', async () => {
    const w = world({ policy: { ...ALLOW_C, maxObservationsPerClient: 2 } })
    const s1 = changing(w, S1)
    const client = w.raw()
    for (let index = 0; index < 5; index++)
      client.send({ type: 'NON', messageId: index, token: Uint8Array.of(index), options: [REGISTER, URI] })
    await w.clock.advance(1000)
    expect([w.proxy.holdings().observations, s1.holdings()]).toEqual([2, 2])
    expect(client.inbox.filter((one) => optionHex(one.options, OptionNumber.OBSERVE) === undefined)).toHaveLength(3)

    const other = w.raw({ address: '2001:db8::bad', port: 5683 })
    other.send({ type: 'NON', token: TOKEN, options: [REGISTER, URI] })
    await w.clock.advance(500)
    expect(other.inbox.map((one) => one.code)).toEqual(['5.05'])

    const plain = world({ policy: ALLOW_C })
    plain.server(S1, content('a'))
    const third = plain.raw()
    third.send({ type: 'NON', token: TOKEN, options: [REGISTER, URI] })
    await plain.clock.advance(500)
    expect(third.inbox.map((one) => [text(one.payload), optionHex(one.options, OptionNumber.OBSERVE)])).toEqual([['a', undefined]])
    expect(plain.proxy.holdings().observations).toBe(0)
  })

  it('answers 5.04 when it is not there', async () => {
    const w = world({ policy: ALLOW_C })
    const client = w.raw()
    client.send({ type: 'NON', token: TOKEN, options: [REGISTER, URI] })
    await w.clock.advance(200_000)
    expect([client.inbox.map((one) => one.code), w.proxy.holdings().observations]).toEqual([['5.04'], 0])
  })

  it('brings states of several blocks whole', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.client()
    const seen: string[] = []
    const observation = client.observe(
      P,
      { method: 'GET', path: [], options: [URI] },
      { onNotification: (one) => seen.push(text(one.payload)) },
    )
    await w.clock.advance(1000)
    const big = 'x'.repeat(3000)
    s1.change(big)
    await w.clock.advance(20_000)
    // The server says the last state of a burst once more, for certain.
    expect([...new Set(seen)]).toEqual(['one', big])
    await w.clock.until(observation.cancel())
  })
})

describe('a group (-07 §5.2.2, §5.4.2)', () => {
  it('notifies with Reply-From beyond T, until the client stops; then no server has the proxy in its list', async () => {
    const w = world({ policy: ALLOW_C })
    const [s1, s2] = [changing(w, S1), changing(w, S2)]
    const { got, leave, over } = collect(w, w.client())
    await w.clock.advance(20_000)
    expect([over(), s1.holdings(), s2.holdings()]).toEqual([false, 1, 1])
    s1.change('two')
    await w.clock.advance(10_000)
    s2.change('zwei')
    await w.clock.advance(10_000)
    expect(got.slice(0, 2).map((one) => text(one.payload))).toEqual(['one', 'one'])
    expect(got.slice(2).map((one) => [text(one.payload), one.origin])).toEqual([
      ['two', S1],
      ['zwei', S2],
    ])
    leave()
    await w.clock.advance(10_000)
    expect([over(), w.proxy.holdings().groups, s1.holdings(), s2.holdings()]).toEqual([true, 0, 0, 0])
  })

  it('ends at T where no server observes', async () => {
    const w = world({ policy: ALLOW_C })
    w.server(S1, content('a'))
    const { got, over } = collect(w, w.client())
    await w.clock.advance(5_500)
    expect([got.length, w.proxy.holdings().groups]).toEqual([1, 0])
    await w.clock.advance(5_000)
    expect(over()).toBe(true)
  })

  it('hands on the last word of a server that ends its observation, and ends with the last server', async () => {
    const w = world({ policy: ALLOW_C })
    const [s1, s2] = [changing(w, S1), changing(w, S2)]
    const { got, over } = collect(w, w.client())
    await w.clock.advance(20_000)
    s1.end()
    await w.clock.advance(10_000)
    expect(got.at(-1)).toMatchObject({ code: '4.04', origin: S1 })
    expect(w.proxy.holdings().groups).toBe(1)
    s2.end()
    await w.clock.advance(10_000)
    expect([over(), w.proxy.holdings().groups]).toEqual([true, 0])
  })

  it('does not hand on a late response that is no notification', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const late = w.network.channel(S2)
    late.joinGroup(G.address)
    let answer: () => void = () => undefined
    late.subscribe((event) => {
      if (event.kind !== 'datagram') return
      const header = event.datagram.payload
      const token = header.subarray(4, 4 + (header[0]! & 15))
      answer = () => late.send(Uint8Array.of(0x50 | token.length, 0x45, 0, 9, ...token), event.datagram.source)
    })
    const { got } = collect(w, w.client())
    await w.clock.advance(6_000)
    answer()
    await w.clock.advance(1_000)
    expect(got.map((one) => one.origin)).toEqual([S1])
    expect(s1.holdings()).toBe(1)
  })

  it('with the older protocol each notification carries Response-Forwarding (-00 §5.3 step 4)', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1, (resource) => answeringThroughProxies(resource, () => S1.address))
    const { got, leave } = collect(w, w.client(), { generation: '00' })
    await w.clock.advance(20_000)
    s1.change('two')
    await w.clock.advance(10_000)
    expect(got.map((one) => [text(one.payload), one.origin])).toEqual([
      ['one', S1],
      ['two', S1],
    ])
    leave()
  })

  it('is cancelled with Observe 1 and the same token, without being taken for a token used again', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.raw()
    const ask = (messageId: number, observe: CoapOption): void =>
      client.send({ type: 'NON', messageId, token: TOKEN, options: [multicastTimeoutOption(N, 3), observe, GROUP_URI] })
    ask(1, REGISTER)
    await w.clock.advance(8_000)
    expect(s1.holdings()).toBe(1)
    ask(2, DEREGISTER)
    await w.clock.advance(10_000)
    expect([s1.holdings(), w.proxy.holdings().groups]).toEqual([0, 0])
    expect(client.inbox.some((one) => one.code.startsWith('4.'))).toBe(false)
  })

  it('ends when the client rejects a notification', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [multicastTimeoutOption(N, 3), REGISTER, GROUP_URI] })
    await w.clock.advance(10_000)
    s1.change('two')
    await w.clock.advance(5_000)
    client.send({ type: 'RST', code: '0.00', messageId: client.inbox.at(-1)?.messageId ?? 0 })
    await w.clock.advance(10_000)
    expect([w.proxy.holdings().groups, s1.holdings()]).toEqual([0, 0])
  })

  it('verifies now and then that the client is still there (-07 §5.4.2)', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = changing(w, S1)
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [multicastTimeoutOption(N, 3), REGISTER, GROUP_URI] })
    await w.clock.advance(10_000)
    await w.clock.advance(3_600_000)
    s1.change('two')
    await w.clock.advance(5_000)
    expect(client.inbox.at(-1)?.type).toBe('CON')
    await w.clock.advance(100_000)
    expect([w.proxy.holdings().groups, s1.holdings()]).toEqual([0, 0])
  })
})

describe('a chain of proxies (-07 §8.1.1, §8.2.1)', () => {
  const P2: SocketAddress = { address: '2001:db8::b2', port: 5683 }
  const chained = (): { w: World; second: ReturnType<typeof createProxy> } => {
    const w = world({ policy: ALLOW_C, nextHop: { to: P2, roundTripS: 1 } })
    const common = { clock: w.clock, random: seededRandom(5), logger: silentLogger }
    const endpoints: CoapEndpoint[] = []
    const rules = [{ clients: [{ address: P.address }], servers: 'any', groups: [G] }] as const
    const second = createProxy({ ...common, egress: () => endpoints[0], policy: { rules } })
    endpoints.push(new CoapEndpoint({ ...common, channel: w.network.channel(P2), intermediary: second, parameters: { leisureMs: 100 } }))
    return { w, second }
  }

  it('hands notifications of a group on beyond the time, and the end of it back', async () => {
    const { w, second } = chained()
    const [s1, s2] = [changing(w, S1), changing(w, S2)]
    const { got, leave, over } = collect(w, w.client())
    await w.clock.advance(20_000)
    s1.change('two')
    await w.clock.advance(10_000)
    s2.change('zwei')
    await w.clock.advance(10_000)
    expect(got.slice(2).map((one) => [text(one.payload), one.origin])).toEqual([
      ['two', S1],
      ['zwei', S2],
    ])
    expect([w.proxy.holdings().groups, second.holdings().groups, s1.holdings(), over()]).toEqual([1, 1, 1, false])
    leave()
    await w.clock.advance(10_000)
    expect([w.proxy.holdings().groups, second.holdings().groups, s1.holdings(), s2.holdings(), over()]).toEqual([0, 0, 0, 0, true])
  })

  it('ends on all of it when the last server ends', async () => {
    const { w, second } = chained()
    const s1 = changing(w, S1)
    const { got, over } = collect(w, w.client())
    await w.clock.advance(20_000)
    s1.end()
    await w.clock.advance(20_000)
    expect([got.at(-1)?.code, over(), w.proxy.holdings().groups, second.holdings().groups]).toEqual(['4.04', true, 0, 0])
  })

  it('observes a single server, too', async () => {
    const { w } = chained()
    const s1 = changing(w, S1)
    const client = w.client()
    const seen: string[] = []
    const observation = client.observe(
      P,
      { method: 'GET', path: [], options: [URI] },
      { onNotification: (one) => seen.push(text(one.payload)) },
    )
    await w.clock.advance(1000)
    s1.change('two')
    await w.clock.advance(10_000)
    expect([...new Set(seen)]).toEqual(['one', 'two'])
    await w.clock.until(observation.cancel())
    await w.clock.advance(1000)
    expect(s1.holdings()).toBe(0)
  })
})
