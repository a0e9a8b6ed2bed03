// A chain of proxies (draft-ietf-core-groupcomm-proxy-07 §8).
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, findUint, OptionNumber, stringOption, type ClientRequest, type CoapOption } from '#main/wire/coap/index.ts'
import {
  createProxy,
  criOf,
  groupRequestViaProxy,
  individualRequest,
  multicastTimeoutOption,
  SUGGESTED_OPTION_NUMBERS as N,
  type ReverseRoute,
} from '#main/services/proxy/index.ts'
import { all } from '../../wire/coap/harness.ts'
import { ALLOW_C, C, content, G, P, requestIn, S1, S2, text, world, type World } from './harness.ts'
import { GET_R, GROUP_URI, refusal, TOKEN, viaProxy } from './via-proxy.ts'

describe('a chain of proxies (-07 §8)', () => {
  const P2: SocketAddress = { address: '2001:db8::b2', port: 5683 }
  const chain = (
    roundTripS = 2,
    reverse: readonly ReverseRoute[] = [],
  ): { w: World; asked: () => readonly CoapOption[]; second: ReturnType<typeof createProxy> } => {
    const w = world({ policy: ALLOW_C, nextHop: { to: P2, roundTripS }, reverse })
    const seen: CoapOption[] = []
    const common = { clock: w.clock, random: seededRandom(5), logger: silentLogger }
    const endpoints: CoapEndpoint[] = []
    const rules = [{ clients: [{ address: P.address }], servers: 'any', groups: [G] }] as const
    const second = createProxy({ ...common, egress: () => endpoints[0], policy: { rules } })
    const channel = w.network.channel(P2)
    channel.subscribe((event) => {
      if (event.kind === 'datagram') seen.push(...(requestIn(event.datagram.payload)?.options ?? []))
    })
    endpoints.push(new CoapEndpoint({ ...common, channel, intermediary: second }))
    return { w, asked: () => seen, second }
  }

  it('hands the request on with a shorter time, and Reply-From back as the last proxy has set it', async () => {
    const { w, asked } = chain()
    w.server(S1, content('a'))
    w.server(S2, content('b'))
    const found = await viaProxy(w, w.client(), { timeoutS: 10 })
    expect(found.map((one) => [text(one.payload), one.origin]).sort()).toEqual([
      ['a', S1],
      ['b', S2],
    ])
    expect(findUint(asked(), N.multicastTimeout)).toBe(8)
    expect(findUint(asked(), OptionNumber.HOP_LIMIT)).toBe(16)
  })

  it('answers 5.05 with the shortest time that would do (§8.1)', async () => {
    const { w } = chain(4)
    expect(await refusal(w, w.client(), { timeoutS: 4 })).toMatchObject({ code: '5.05', multicastTimeoutS: 5 })
    expect(await viaProxy(w, w.client({ address: C.address, port: 7000 }), { timeoutS: 5 })).toEqual([])
  })

  it('adds its own leg to the time that the next hop asks for', async () => {
    const w = world({ policy: ALLOW_C, nextHop: { to: P2, roundTripS: 2 } })
    const next = w.raw(P2)
    const outcome = refusal(w, w.client(), { timeoutS: 5 })
    await w.clock.advance(50)
    const [request] = next.inbox
    next.send({
      type: 'ACK',
      code: '5.05',
      messageId: request?.messageId ?? 0,
      token: request?.token ?? TOKEN,
      options: [multicastTimeoutOption(N, 9)],
    })
    expect(await outcome).toMatchObject({ code: '5.05', multicastTimeoutS: 11 })
  })

  it('replaces Reply-From where the first proxy stands in for the servers, which are then reached along the chain (§8.2)', async () => {
    const reverse = [
      { match: { host: 'group1.com' }, to: { group: G }, collectionS: 60, individuals: { kind: 'by-host', scheme: 'coap', at: P } },
    ] as const
    const { w } = chain(2, reverse)
    const s1 = w.server(S1, content('a'))
    const client = w.client()
    const host = stringOption(OptionNumber.URI_HOST, 'group1.com')
    const request: ClientRequest = { ...GET_R, options: [host] }
    const viaReverse = groupRequestViaProxy(client, w.clock, G, request, { proxy: P, timeoutS: 10, style: 'reverse' })
    const [found] = await w.clock.until(all(viaReverse))
    expect([found?.replyFrom?.cri.authority, found?.origin]).toEqual([{ ...criOf(P).authority, port: undefined }, S1])
    const single = individualRequest(found!, { method: 'GET', path: ['r1'] }, 'as-told')
    expect(single.to).toEqual(P)
    expect(text((await w.clock.until(client.request(single.to, single.request))).payload)).toBe('a')
    expect(s1.inbox).toHaveLength(2)
  })

  it('hands an early stop on, with the token of the forwarded request (§8.1.2)', async () => {
    const { w, second } = chain()
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 60)] })
    await w.clock.advance(200)
    expect([w.proxy.holdings().groups, second.holdings().groups]).toEqual([1, 1])
    client.send({ type: 'NON', messageId: 2, token: TOKEN, options: [multicastTimeoutOption(N, 0)] })
    await w.clock.advance(200)
    expect([w.proxy.holdings().groups, second.holdings().groups]).toEqual([0, 0])
  })

  it('forwards single requests along it', async () => {
    const { w } = chain()
    w.server(S1, content('a'))
    const options = [stringOption(OptionNumber.PROXY_URI, `coap://[${S1.address}]/r`)]
    const response = await w.clock.until(w.client().request(P, { method: 'GET', path: [], options }))
    expect(text(response.payload)).toBe('a')
  })

  it('ends in 5.08 where a group request goes in a circle', async () => {
    const policy = { rules: [{ clients: 'any', groups: 'any' }], maxGroupRequestsPerClient: 100 } as const
    const w = world({ policy, nextHop: { to: P, roundTripS: 1 } })
    const outcome = await refusal(w, w.client(), { timeoutS: 60 })
    expect(outcome).toMatchObject({ code: '5.08' })
    await w.clock.advance(200_000)
    expect(w.proxy.holdings().groups).toBe(0)
  })
})
