// Whole sets of responses in the proxy's cache (draft-ietf-core-groupcomm-proxy-07 §7).
import { describe, expect, it } from 'vitest'
import { toHex, utf8, type SocketAddress } from '#main/base/index.ts'
import { OptionNumber, stringOption, uintOption, type CoapOption } from '#main/wire/coap/index.ts'
import { ALLOW_C, content, optionHex, P, S1, S2, text, world, type World } from './harness.ts'
import { viaProxy } from './via-proxy.ts'

describe('whole sets of responses in the cache (-07 §7)', () => {
  const known = (): readonly SocketAddress[] => [S1, S2]
  const place = (maxAge = 60): { w: World; asked: () => number } => {
    const w = world({ policy: ALLOW_C, members: known })
    const one = w.server(S1, content('a', uintOption(OptionNumber.MAX_AGE, maxAge)))
    const two = w.server(S2, content('b', uintOption(OptionNumber.MAX_AGE, maxAge)))
    return { w, asked: () => one.inbox.length + two.inbox.length }
  }

  it('serve a group request alone once every member is in it, Reply-From included (§7.1)', async () => {
    const { w, asked } = place()
    const client = w.client()
    await viaProxy(w, client)
    expect(asked()).toBe(2)
    const again = await viaProxy(w, client)
    expect(again.map((one) => [text(one.payload), one.origin]).sort()).toEqual([
      ['a', S1],
      ['b', S2],
    ])
    expect(asked()).toBe(2)
  })

  it('answer a single server’s request, too (§7)', async () => {
    const { w, asked } = place()
    const client = w.client()
    await viaProxy(w, client)
    const options = [stringOption(OptionNumber.PROXY_URI, `coap://[${S1.address}]/r`)]
    const response = await w.clock.until(client.request(P, { method: 'GET', path: [], options }))
    expect([text(response.payload), asked()]).toEqual(['a', 2])
  })

  it('have an entity-tag, and are confirmed by one 2.03 (§7.3)', async () => {
    const { w, asked } = place()
    const client = w.client()
    const first = await viaProxy(w, client)
    const tag = first.find((one) => one.groupEtag !== undefined)?.groupEtag
    expect(tag).toHaveLength(8)
    // Only the response that completed the set carries it.
    expect(first.filter((one) => one.groupEtag !== undefined)).toHaveLength(1)
    const valid = await viaProxy(w, client, { groupEtags: [utf8('other'), tag!] })
    expect(valid).toHaveLength(1)
    expect([valid[0]?.code, valid[0]?.payload.length, toHex(valid[0]?.groupEtag ?? utf8(''))]).toEqual(['2.03', 0, toHex(tag!)])
    expect(asked()).toBe(2)
    const full = await viaProxy(w, client, { groupEtags: [utf8('other')] })
    expect(full.map((one) => toHex(one.groupEtag ?? utf8('')))).toEqual([toHex(tag!), toHex(tag!)])
  })

  it('get another entity-tag when one of them is replaced', async () => {
    const { w } = place(10)
    const client = w.client()
    const tagOf = async (): Promise<string> =>
      toHex((await viaProxy(w, client)).find((one) => one.groupEtag !== undefined)?.groupEtag ?? utf8(''))
    const before = await tagOf()
    await w.clock.advance(11_000)
    const after = await tagOf()
    expect(before).not.toBe(after)
    expect(after).toHaveLength(16)
  })

  it('are never used whole where the members are not known', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a'))
    const client = w.client()
    const first = await viaProxy(w, client, { timeoutS: 5 })
    await viaProxy(w, client, { timeoutS: 5 })
    expect(s1.inbox).toHaveLength(2)
    expect(first[0]?.groupEtag).toBeUndefined()
  })

  it('stand in for a member that does not answer in time (§7.1)', async () => {
    const w = world({ policy: ALLOW_C })
    const s1 = w.server(S1, content('a', uintOption(OptionNumber.MAX_AGE, 600)))
    w.server(S2, content('b', uintOption(OptionNumber.MAX_AGE, 600)))
    const client = w.client()
    await viaProxy(w, client)
    s1.channel.setPower(false)
    const again = await viaProxy(w, client)
    expect(again.map((one) => text(one.payload)).sort()).toEqual(['a', 'b'])
    expect(again.find((one) => text(one.payload) === 'a')?.elapsedMs).toBeGreaterThan(3500)
  })

  it('are validated with the servers by their ETags in the group request (§7.2.2), each by its own', async () => {
    const w = world({ policy: ALLOW_C })
    const etag = (value: string): CoapOption => ({ number: OptionNumber.ETAG, value: utf8(value) })
    const max = uintOption(OptionNumber.MAX_AGE, 3)
    const answerOf = (name: string) => (request: { options: readonly CoapOption[] }) =>
      request.options.some((option) => option.number === OptionNumber.ETAG && text(option.value) === name)
        ? ({ code: '2.03', options: [etag(name), max] } as const)
        : content(`body of ${name}`, etag(name), max)
    w.server(S1, answerOf('one'))
    const s2 = w.server(S2, answerOf('two'))
    const client = w.client()
    await viaProxy(w, client)
    await w.clock.advance(5_000)
    const again = await viaProxy(w, client)
    expect(again.map((one) => text(one.payload)).sort()).toEqual(['body of one', 'body of two'])
    expect(
      s2.inbox
        .at(-1)
        ?.options.filter((option) => option.number === OptionNumber.ETAG)
        .map((option) => text(option.value))
        .sort(),
    ).toEqual(['one', 'two'])
  })

  it('ask a server alone that finds another server’s ETag valid', async () => {
    const w = world({ policy: ALLOW_C })
    const etag: CoapOption = { number: OptionNumber.ETAG, value: utf8('same') }
    const max = uintOption(OptionNumber.MAX_AGE, 3)
    const answerOf = (name: string) => (request: { options: readonly CoapOption[] }) =>
      optionHex(request.options, OptionNumber.ETAG) === undefined
        ? content(name, etag, max)
        : ({ code: '2.03', options: [etag, max] } as const)
    w.server(S1, answerOf('one'))
    const client = w.client()
    await viaProxy(w, client)
    await w.clock.advance(5_000)
    w.server(S2, answerOf('two'))
    expect((await viaProxy(w, client)).map((one) => text(one.payload)).sort()).toEqual(['one', 'two'])
  })
})
