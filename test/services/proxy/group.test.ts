// Group requests through a proxy: permission, time, several responses, stopping early, reverse-proxies
// (draft-ietf-core-groupcomm-proxy-07 §5, §6; draft-ietf-core-groupcomm-bis-18 §3.5).
import { describe, expect, it } from 'vitest'
import { type SocketAddress } from '#main/base/index.ts'
import { findUint, OptionNumber, stringOption, type CoapOption } from '#main/wire/coap/index.ts'
import { groupRequestViaProxy, multicastTimeoutOption, SUGGESTED_OPTION_NUMBERS as N } from '#main/services/proxy/index.ts'
import { all } from '../../wire/coap/harness.ts'
import { ALLOW_C, C, content, G, optionHex, P, S1, S2, text, world, type World } from './harness.ts'
import { GET_R, GROUP_URI, refusal, TOKEN, viaProxy } from './via-proxy.ts'

describe('permission', () => {
  it('is off by default: 5.01 (groupcomm-bis §3.5.1)', async () => {
    const w = world({ policy: { rules: [{ clients: 'any', servers: 'any' }] } })
    const s1 = w.server(S1, content('a'))
    expect(await refusal(w, w.client())).toMatchObject({ code: '5.01' })
    expect(s1.inbox).toHaveLength(0)
  })

  it('is for listed clients and groups only: 4.01 (-07 §5.2.1)', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    expect(await refusal(w, w.client({ address: '2001:db8::bad', port: 5683 }))).toMatchObject({ code: '4.01' })
    const other = groupRequestViaProxy(w.client(), w.clock, { address: 'ff05::9', port: 5683 }, GET_R, { proxy: P, timeoutS: 5 })
    await expect(w.clock.until(all(other))).rejects.toMatchObject({ details: { code: '4.01' } })
    expect(s1.inbox).toHaveLength(0)
  })

  it('is asked before the option is: a disallowed client learns nothing of Multicast-Timeout', async () => {
    const w = world({ policy: ALLOW_C })
    const client = w.client({ address: '2001:db8::bad', port: 5683 })
    const response = await w.clock.until(client.request(P, { method: 'GET', path: [], options: [GROUP_URI] }))
    expect([response.code, optionHex(response.options, N.multicastTimeout)]).toEqual(['4.01', undefined])
  })

  it('needs Multicast-Timeout: 4.00 with an empty one (-07 §5.2.1 step 3)', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    const response = await w.clock.until(w.client().request(P, { method: 'GET', path: [], options: [GROUP_URI] }))
    expect([response.code, optionHex(response.options, N.multicastTimeout)]).toEqual(['4.00', ''])
    expect(s1.inbox).toHaveLength(0)
  })

  it('does not let a name stand for a group unnoticed', async () => {
    const w = world({ policy: { rules: [{ clients: 'any', servers: 'any' }] }, resolve: () => Promise.resolve(G.address) })
    const s1 = w.server(S1, content('a'))
    const options = [stringOption(OptionNumber.PROXY_URI, 'coap://all.example/r')]
    expect((await w.clock.until(w.client().request(P, { method: 'GET', path: [], options }))).code).toBe('5.01')
    expect(s1.inbox).toHaveLength(0)
  })

  it('takes other option numbers where those are agreed', async () => {
    const optionNumbers = { multicastTimeout: 65_006, replyFrom: 65_004, groupEtag: 65_008 }
    const w = world({ policy: ALLOW_C, optionNumbers })
    w.server(S1, content('a'))
    const numbers = { ...N, ...optionNumbers }
    expect((await viaProxy(w, w.client(), { numbers })).map((one) => one.origin)).toEqual([S1])
  })

  it('speaks only the protocols that the policy names', async () => {
    const w = world({ policy: { ...ALLOW_C, generations: ['07'] } })
    expect(await refusal(w, w.client(), { generation: '00' })).toMatchObject({ code: '4.00' })
    const old = world({ policy: { ...ALLOW_C, generations: ['00'] } })
    expect(await refusal(old, old.client())).toMatchObject({ code: '4.00' })
  })
})

describe('time', () => {
  it('is cut to what the policy allows', async () => {
    const w = world({ policy: { ...ALLOW_C, maxTimeoutS: 10 } })
    const client = w.raw()
    client.send({ token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 0xffff_ffff)] })
    await w.clock.advance(9_900)
    expect(w.proxy.holdings().groups).toBe(1)
    await w.clock.advance(200)
    expect(w.proxy.holdings().groups).toBe(0)
  })

  it('of zero forwards the request and no response (-07 §5.2.1 step 6)', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    const client = w.raw()
    client.send({ token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 0)] })
    await w.clock.advance(5_000)
    expect(s1.inbox).toHaveLength(1)
    expect(client.inbox).toMatchObject([{ type: 'ACK', code: '0.00' }])
  })

  it('of zero comes with No-Response 26 from our client (-07 §5.1.1 step 3)', async () => {
    const w = world({ policy: ALLOW_C })
    expect(await viaProxy(w, w.client(), { timeoutS: 0, marginS: 1 })).toEqual([])
    expect(findUint(w.asked[0]?.options ?? [], OptionNumber.NO_RESPONSE)).toBe(26)
  })
})

describe('several responses', () => {
  it('of one server are all handed on as they come (-07 §5.4.1)', async () => {
    const w = world({ policy: ALLOW_C })
    const server = w.network.channel(S1)
    server.joinGroup(G.address)
    server.subscribe((event) => {
      if (event.kind !== 'datagram') return
      const header = event.datagram.payload
      const token = header.subarray(4, 4 + (header[0]! & 15))
      for (let id = 1; id <= 3; id++)
        server.send(Uint8Array.of(0x50 | token.length, 0x45, 0, id, ...token, 0xff, 0x30 + id), event.datagram.source)
    })
    expect((await viaProxy(w, w.client())).map((one) => text(one.payload))).toEqual(['1', '2', '3'])
  })

  it('reach the client also over a lossy link, as confirmable messages one after the other', async () => {
    const w = world({ policy: ALLOW_C })
    const servers: SocketAddress[] = Array.from({ length: 20 }, (_, index) => ({ address: `2001:db8::5:${index + 1}`, port: 5683 }))
    for (const at of servers) w.server(at, content(at.address))
    w.network.setLossRate(0)
    const client = w.client()
    const found = await viaProxy(w, client, { timeoutS: 60 })
    expect(new Set(found.map((one) => one.origin?.address)).size).toBe(20)
  })

  it('with bodies of several blocks are completed by asking each server through the proxy', async () => {
    const w = world({ policy: ALLOW_C })
    const bodies = ['a', 'b'].map((letter) => letter.repeat(3000))
    w.server(S1, content(bodies[0]!))
    w.server(S2, content(bodies[1]!))
    const found = await viaProxy(w, w.client(), { timeoutS: 20 })
    expect(found.map((one) => text(one.payload)).sort()).toEqual(bodies)
  })
})

describe('stopping early', () => {
  const slow = (w: World): (() => Promise<void>) => {
    const server = w.network.channel(S1)
    server.joinGroup(G.address)
    let respond: () => void = () => undefined
    let id = 0
    server.subscribe((event) => {
      if (event.kind !== 'datagram') return
      const header = event.datagram.payload
      const token = header.subarray(4, 4 + (header[0]! & 15))
      respond = () => server.send(Uint8Array.of(0x50 | token.length, 0x45, 1, ++id, ...token, 0xff, 0x61), event.datagram.source)
    })
    return async () => {
      respond()
      await w.clock.advance(50)
    }
  }

  it('by an Early Stop Request: same token, GET, Multicast-Timeout 0, no URI (-07 §5.1.3, §5.2.3)', async () => {
    const w = world({ policy: ALLOW_C })
    const respond = slow(w)
    const client = w.raw()
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 60)] })
    await w.clock.advance(100)
    await respond()
    expect(client.inbox).toHaveLength(1)
    client.send({ messageId: 2, token: TOKEN, options: [multicastTimeoutOption(N, 0)] })
    await w.clock.advance(100)
    expect(client.inbox[1]).toMatchObject({ type: 'ACK', code: '0.00', messageId: 2 })
    expect(w.proxy.holdings().groups).toBe(0)
    await respond()
    expect(client.inbox).toHaveLength(2)
  })

  it('by another client with the same token stops nothing', async () => {
    const w = world({ policy: ALLOW_C })
    const client = w.raw()
    const other = w.raw({ address: '2001:db8::bad', port: 5683 })
    client.send({ token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 60)] })
    await w.clock.advance(100)
    other.send({ token: TOKEN, options: [multicastTimeoutOption(N, 0)] })
    await w.clock.advance(100)
    expect(w.proxy.holdings().groups).toBe(1)
    expect(other.inbox[0]?.code).toBe('4.04')
  })

  it('by a Reset of a response', async () => {
    const w = world({ policy: ALLOW_C })
    const respond = slow(w)
    for (const type of ['NON', 'CON'] as const) {
      const client = w.raw({ address: C.address, port: type === 'NON' ? 7001 : 7002 })
      client.send({ type, messageId: 1, token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 60)] })
      await w.clock.advance(100)
      await respond()
      const response = client.inbox.at(-1)
      client.send({ type: 'RST', code: '0.00', messageId: response?.messageId ?? 0 })
      await w.clock.advance(100)
      expect(w.proxy.holdings().groups).toBe(0)
    }
  })

  it('when the client acknowledges nothing any more', async () => {
    const w = world({ policy: { ...ALLOW_C, maxTimeoutS: 1000 } })
    const respond = slow(w)
    const client = w.raw()
    client.send({ token: TOKEN, options: [GROUP_URI, multicastTimeoutOption(N, 900)] })
    await w.clock.advance(100)
    await respond()
    await w.clock.advance(100_000)
    expect(w.proxy.holdings().groups).toBe(0)
  })

  it('by leaving the iteration', async () => {
    const w = world({ policy: ALLOW_C })
    w.server(S1, content('a'))
    const client = w.client()
    const first = await w.clock.until(
      (async () => {
        for await (const one of groupRequestViaProxy(client, w.clock, G, GET_R, { proxy: P, timeoutS: 60 })) return one
        return undefined
      })(),
    )
    expect(first?.origin).toEqual(S1)
    await w.clock.advance(1000)
    expect(w.proxy.holdings().groups).toBe(0)
  })

  it('by using the token again: neither request is forwarded on, and the answer is 4.00 (groupcomm-bis §3.5.2)', async () => {
    const reverse = [{ match: { path: ['proxy', 'APPNAME'] }, to: { group: G }, collectionS: 30, withoutTimeout: 'collect' }] as const
    const w = world({ policy: ALLOW_C, reverse })
    const s1 = w.server(S1, content('a'))
    const client = w.raw()
    const options = ['proxy', 'APPNAME', 'res1'].map((segment) => stringOption(OptionNumber.URI_PATH, segment))
    client.send({ type: 'NON', messageId: 1, token: TOKEN, options })
    await w.clock.advance(200)
    expect(s1.inbox).toHaveLength(1)
    client.send({ type: 'NON', messageId: 2, token: TOKEN, options })
    await w.clock.advance(200)
    expect(client.inbox.at(-1)?.code).toBe('4.00')
    expect(text(client.inbox.at(-1)?.payload)).toContain('proxy')
    expect([s1.inbox.length, w.proxy.holdings().groups]).toEqual([1, 0])
    client.send({ type: 'NON', messageId: 3, token: TOKEN, options })
    await w.clock.advance(200)
    expect(s1.inbox).toHaveLength(2)
  })
})

describe('a reverse-proxy with a collection time for each resource (groupcomm-bis Appendix F)', () => {
  it('collects for that time, and no longer than a client asks', async () => {
    const reverse = [
      { match: { path: ['quick'] }, to: { group: G }, collectionS: 2, withoutTimeout: 'collect' },
      { match: { path: ['slow'] }, to: { group: G }, collectionS: 20, withoutTimeout: 'collect' },
    ] as const
    const w = world({ policy: ALLOW_C, reverse })
    const s1 = w.server(S1, content('a'))
    const client = w.raw()
    const path = (...segments: string[]): CoapOption[] => segments.map((segment) => stringOption(OptionNumber.URI_PATH, segment))
    client.send({ type: 'NON', messageId: 1, token: Uint8Array.of(1), options: path('quick', 'res1') })
    client.send({ type: 'NON', messageId: 2, token: Uint8Array.of(2), options: path('slow', 'res1') })
    client.send({ type: 'NON', messageId: 3, token: Uint8Array.of(3), options: [multicastTimeoutOption(N, 5), ...path('slow', 'res1')] })
    await w.clock.advance(1500)
    expect(
      s1.inbox.map((one) => one.options.filter((option) => option.number === OptionNumber.URI_PATH).map((option) => text(option.value))),
    ).toEqual([['res1'], ['res1'], ['res1']])
    expect(w.proxy.holdings().groups).toBe(3)
    await w.clock.advance(1000)
    expect(w.proxy.holdings().groups).toBe(2)
    await w.clock.advance(3000)
    expect(w.proxy.holdings().groups).toBe(1)
    await w.clock.advance(15_000)
    expect(w.proxy.holdings().groups).toBe(0)
  })

  it('asks for permission as a forward-proxy does', async () => {
    const w = world({ policy: ALLOW_C, reverse: [{ match: { path: ['x'] }, to: { group: G }, withoutTimeout: 'collect' }] })
    const response = await w.clock.until(w.client({ address: '2001:db8::bad', port: 5683 }).request(P, { method: 'GET', path: ['x'] }))
    expect(response.code).toBe('4.01')
  })
})
