// RFC 7641 §3 and Appendix A, RFC 7959 §2.6: what a client of observations does.
import { describe, expect, it } from 'vitest'
import {
  blockOption,
  findBlock,
  findOption,
  findUint,
  isSentLater,
  Observable,
  uintOption,
  type ClientResponse,
  type CoapMessage,
  type Observation,
  type ObserveOptions,
} from '#main/wire/coap/index.ts'
import { all, bench, path, pattern, text, THEIRS, utf8, type Bench, type RawPeer } from './harness.ts'

const OBSERVE = 6
const ETAG = 4
const MAX_AGE = 14
const BLOCK2 = 23
const temperature = { method: 'GET', path: ['temperature'] } as const

interface Place extends Bench {
  readonly server: RawPeer
  readonly observation: Observation
  readonly got: ClientResponse[]
  readonly register: CoapMessage
}

/** An observation whose registration has reached the server. */
async function observing(options: ObserveOptions = {}): Promise<Place> {
  const place = bench()
  const server = place.peer()
  const got: ClientResponse[] = []
  const observation = place.endpoint.observe(THEIRS, temperature, { ...options, onNotification: (one) => got.push(one) })
  await place.clock.advance(5)
  const [register] = server.take()
  return { ...place, server, observation, got, register: register! }
}

function say(place: Place, number: number | undefined, payload: string, parts: Partial<CoapMessage> = {}, maxAgeS = 15): void {
  const options = [...(number === undefined ? [] : [uintOption(OBSERVE, number)]), uintOption(MAX_AGE, maxAgeS), ...(parts.options ?? [])]
  place.server.send({ type: 'NON', code: '2.05', token: place.register.token, payload: utf8(payload), ...parts, options })
}

/** The piggybacked response to the registration. */
async function accept(place: Place, number: number | undefined, payload: string, maxAgeS = 15): Promise<void> {
  say(place, number, payload, { type: 'ACK', messageId: place.register.messageId }, maxAgeS)
  await place.clock.advance(5)
}

const texts = (place: Place): string[] => place.got.map((one) => text(one.payload))

describe('an observation', () => {
  it('RFC 7641 figure 3: registers and receives the current state, and a new one upon a change', async () => {
    const place = await observing()
    expect(place.register).toMatchObject({ type: 'CON', code: '0.01', options: [uintOption(OBSERVE, 0), ...path('temperature')] })
    await accept(place, 9, '18.5 Cel')
    say(place, 16, '19.2 Cel', { messageId: 0x7b50 })
    await place.clock.advance(5)
    expect(texts(place)).toEqual(['18.5 Cel', '19.2 Cel'])
    expect([place.observation.active, place.observation.fresh]).toEqual([true, true])
    expect(place.server.take()).toEqual([])
  })

  it('RFC 7641 figure 4: registers anew 5 to 15 s after Max-Age ends, with the same options (§3.3.1)', async () => {
    const place = await observing()
    await accept(place, 9, '18.5 Cel')
    await place.clock.advance(10_000)
    say(place, 16, '19.2 Cel', { messageId: 1 })
    await place.clock.advance(15_000)
    expect([place.observation.fresh, place.observation.active]).toEqual([true, true])
    await place.clock.advance(1000)
    expect(place.observation.fresh).toBe(false)
    expect(place.server.take()).toEqual([])
    await place.clock.advance(3500)
    expect(place.server.take()).toEqual([])
    await place.clock.advance(11_000)
    const [again] = place.server.take()
    expect(again).toMatchObject({ code: '0.01', options: place.register.options, token: place.register.token })
    expect(again!.messageId).not.toBe(place.register.messageId)
    say(place, 44, '19.7 Cel', { type: 'ACK', messageId: again!.messageId })
    await place.clock.advance(5)
    expect(texts(place)).toEqual(['18.5 Cel', '19.2 Cel', '19.7 Cel'])
    expect(place.observation.fresh).toBe(true)
  })

  it('RFC 7641 figure 5: offers the ETag it has, and takes 2.03 for what is stored under it (§3.3.2)', async () => {
    const place = await observing()
    const etag = { number: ETAG, value: utf8('xyzzy') }
    say(place, 44, '19.7 Cel', { type: 'ACK', messageId: place.register.messageId, options: [etag] })
    await place.clock.advance(31_000)
    const [again] = place.server.take()
    expect(again!.options).toEqual([etag, uintOption(OBSERVE, 0), ...path('temperature')])
    // The server has started anew and counts from where it likes.
    say(place, 3, '20.0 Cel', { type: 'ACK', messageId: again!.messageId })
    await place.clock.advance(5)
    say(place, 4, '', { code: '2.03', messageId: 2, options: [etag] })
    await place.clock.advance(5)
    expect(texts(place)).toEqual(['19.7 Cel', '20.0 Cel', '19.7 Cel'])
    expect(place.got.at(-1)?.code).toBe('2.05')
  })

  it('RFC 7641 figure 6: rejects a notification of an observation that it has forgotten (§3.6)', async () => {
    const place = await observing()
    await accept(place, 1, 'a')
    place.observation.forget()
    say(place, 91, '19.3 Cel', { type: 'CON', messageId: 0xaa0f })
    await place.clock.advance(5)
    expect(place.server.take()).toMatchObject([{ type: 'RST', code: '0.00', messageId: 0xaa0f }])
    say(place, 92, '19.4 Cel', { messageId: 0xaa10 })
    await place.clock.advance(5)
    expect(place.server.take()).toMatchObject([{ type: 'RST', messageId: 0xaa10 }])
    await place.clock.advance(100_000)
    expect([texts(place), place.clock.pendingTimers, place.server.take()]).toEqual([['a'], 0, []])
  })

  it('acknowledges Confirmable notifications (§3.5), and those that come twice but once', async () => {
    const place = await observing()
    await accept(place, 1, 'a')
    for (let copy = 0; copy < 2; copy++) say(place, 2, 'b', { type: 'CON', messageId: 7 })
    await place.clock.advance(5)
    expect(place.server.take().map((one) => [one.type, one.messageId])).toEqual([
      ['ACK', 7],
      ['ACK', 7],
    ])
    expect(texts(place)).toEqual(['a', 'b'])
  })

  it('takes the most recently sent for the freshest, whatever came last (§3.4)', async () => {
    const place = await observing()
    await accept(place, 10, 'a')
    say(place, 12, 'c', { messageId: 1 })
    say(place, 11, 'b', { messageId: 2 })
    await place.clock.advance(5)
    expect(texts(place)).toEqual(['a', 'c'])
  })

  it.each([
    [1, 2, 0, true],
    [2, 1, 0, false],
    [5, 5, 0, false],
    [0xffffff, 0, 0, true],
    [0, 0xffffff, 0, false],
    [0, 2 ** 23 - 1, 0, true],
    [0, 2 ** 23, 0, false],
    [2 ** 23, 0, 0, false],
    [2 ** 23 + 1, 0, 0, true],
    [9, 3, 128_000, false],
    [9, 3, 128_001, true],
  ])('after %i, %i that comes %i ms later is newer: %s (§3.4)', (before, after, laterMs, expected) => {
    expect(isSentLater({ number: before, atMs: 1000 }, { number: after, atMs: 1000 + laterMs })).toBe(expected)
  })

  it('takes no notification from anybody else, nor of another token', async () => {
    const place = await observing()
    await accept(place, 1, 'a')
    const other = place.peer('2001:db8::9')
    const forged = { type: 'CON', code: '2.05', options: [uintOption(OBSERVE, 2)], token: place.register.token, messageId: 3 } as const
    other.send(forged)
    place.server.send({ ...forged, token: utf8('none') })
    await place.clock.advance(5)
    expect([other.take(), place.server.take()]).toMatchObject([[{ type: 'RST' }], [{ type: 'RST' }]])
    expect(texts(place)).toEqual(['a'])
  })

  it('rejects a notification with an unknown critical option (RFC 7252 §5.4.1)', async () => {
    const place = await observing()
    await accept(place, 1, 'a')
    say(place, 2, 'b', { type: 'CON', messageId: 4, options: [{ number: 2001, value: utf8('') }] })
    await place.clock.advance(5)
    expect(place.server.take()).toMatchObject([{ type: 'RST', messageId: 4 }])
    expect([texts(place), place.observation.active]).toEqual([['a'], true])
  })

  it('ends with the response of a server that does not observe', async () => {
    const place = await observing()
    const taken = all(place.observation)
    await accept(place, undefined, '18.5 Cel')
    expect((await taken).map((one) => text(one.payload))).toEqual(['18.5 Cel'])
    expect(place.observation.active).toBe(false)
    await place.clock.advance(300_000)
    expect([place.server.take(), place.clock.pendingTimers]).toEqual([[], 0])
  })

  it('ends with the last notification when the server ends it (§4.2)', async () => {
    const place = await observing()
    const taken = all(place.observation)
    await accept(place, 1, 'a')
    place.server.send({ type: 'CON', code: '4.04', token: place.register.token, messageId: 9 })
    await place.clock.advance(5)
    expect((await taken).map((one) => one.code)).toEqual(['2.05', '4.04'])
    expect(place.server.take()).toMatchObject([{ type: 'ACK', messageId: 9 }])
    expect(place.clock.pendingTimers).toBe(0)
  })

  it.each([
    ['nobody answers', 'coap.timeout', undefined],
    ['the server rejects it', 'coap.reset', 'RST'],
  ] as const)('fails when %s', async (_, code, type) => {
    const place = await observing()
    const taken = all(place.observation)
    taken.catch(() => undefined)
    if (type !== undefined) place.server.send({ type, code: '0.00', messageId: place.register.messageId })
    await expect(place.clock.until(taken)).rejects.toMatchObject({ code })
    expect(place.endpoint.holdings().observations).toBe(0)
  })

  it('fails when the registration is answered with an unknown critical option', async () => {
    const place = await observing()
    const taken = all(place.observation)
    taken.catch(() => undefined)
    say(place, 1, 'x', { type: 'ACK', messageId: place.register.messageId, options: [{ number: 2001, value: utf8('') }] })
    await expect(place.clock.until(taken)).rejects.toMatchObject({ code: 'coap.option-unsupported' })
  })

  it('tells the server when it is cancelled, with the same token and options (§3.6)', async () => {
    const place = await observing()
    await accept(place, 1, 'a')
    const done = place.observation.cancel()
    await place.clock.advance(5)
    const [cancel] = place.server.take()
    expect(cancel).toMatchObject({
      type: 'CON',
      code: '0.01',
      token: place.register.token,
      options: [uintOption(OBSERVE, 1), ...path('temperature')],
    })
    place.server.send({ type: 'ACK', code: '2.05', messageId: cancel!.messageId, token: cancel!.token })
    await place.clock.until(done)
    expect([place.endpoint.holdings().observations, place.clock.pendingTimers]).toEqual([0, 0])
    await place.observation.cancel()
    expect(place.server.take()).toEqual([])
  })

  it('can be cancelled before the server has answered', async () => {
    const place = await observing()
    const taken = Promise.all([all(place.observation), all(place.observation)])
    const done = place.observation.cancel()
    await place.clock.advance(5)
    const [cancel] = place.server.take()
    expect([cancel!.token, findUint(cancel!.options, OBSERVE)]).toEqual([place.register.token, 1])
    place.server.send({ type: 'ACK', code: '2.05', messageId: cancel!.messageId, token: cancel!.token })
    await place.clock.until(done)
    expect(await taken).toEqual([[], []])
    await accept(place, 1, 'late')
    expect([texts(place), place.clock.pendingTimers]).toEqual([[], 0])
  })

  it('resolves the cancellation though the server is gone', async () => {
    const place = await observing()
    await accept(place, 1, 'a')
    const done = place.observation.cancel()
    await place.clock.until(done)
    expect([place.server.take().length, place.clock.pendingTimers]).toEqual([5, 0])
  })

  it('cancels when the iteration is left, and when the signal aborts', async () => {
    const place = await observing()
    const first = (async (): Promise<string> => {
      for await (const one of place.observation) return text(one.payload)
      return ''
    })()
    await accept(place, 1, 'a')
    expect(await place.clock.until(first)).toBe('a')
    await place.clock.advance(5)
    expect(findUint(place.server.take()[0]!.options, OBSERVE)).toBe(1)

    const abort = new AbortController()
    const other = await observing({ signal: abort.signal })
    const taken = all(other.observation)
    taken.catch(() => undefined)
    await accept(other, 1, 'a')
    abort.abort()
    await expect(other.clock.until(taken)).rejects.toMatchObject({ code: 'cancelled' })
    await other.clock.advance(5)
    expect(findUint(other.server.take()[0]!.options, OBSERVE)).toBe(1)
    const late = bench()
    await expect(all(late.endpoint.observe(THEIRS, temperature, { signal: abort.signal }))).rejects.toMatchObject({ code: 'cancelled' })
    expect(late.channel.counters().sent).toBe(0)
  })

  it('keeps the newest 16 of those that nobody takes', async () => {
    const place = await observing()
    await accept(place, 1, '1')
    for (let number = 2; number <= 40; number++) say(place, number, `${number}`, { messageId: number })
    await place.clock.advance(5)
    place.server.send({ type: 'NON', code: '4.04', token: place.register.token, messageId: 99 })
    await place.clock.advance(5)
    const kept = (await all(place.observation)).map((one) => text(one.payload))
    expect([kept.length, kept[0], kept.at(-2)]).toEqual([16, '26', '40'])
  })

  it('observes by GET and FETCH alone, and by FETCH with the body each time (RFC 8132 §2.4)', async () => {
    const place = bench()
    expect(() => place.endpoint.observe(THEIRS, { method: 'POST', path: [] })).toThrow(expect.objectContaining({ code: 'input.invalid' }))
    expect(() => place.endpoint.observe(THEIRS, { ...temperature, payload: pattern(2000) })).toThrow(
      expect.objectContaining({ code: 'coap.too-large' }),
    )
    const server = place.peer()
    place.endpoint.observe(THEIRS, { method: 'FETCH', path: ['f'], payload: utf8('q'), contentFormat: 60 })
    await place.clock.advance(5)
    const [register] = server.take()
    server.send({
      type: 'ACK',
      code: '2.05',
      messageId: register!.messageId,
      token: register!.token,
      options: [uintOption(OBSERVE, 1), uintOption(MAX_AGE, 1)],
    })
    await place.clock.advance(17_000)
    const [again] = server.take()
    expect([register!.code, text(register!.payload), again!.code, text(again!.payload)]).toEqual(['0.05', 'q', '0.05', 'q'])
  })

  it('ends, and says why, when its listener throws', async () => {
    const place = bench()
    const server = place.peer()
    const onNotification = (): void => {
      throw new TypeError('bad')
    }
    const observation = place.endpoint.observe(THEIRS, temperature, { onNotification })
    await place.clock.advance(5)
    const [register] = server.take()
    const reply = { type: 'ACK', code: '2.05', options: [uintOption(OBSERVE, 1)], token: register!.token } as const
    server.send({ ...reply, messageId: register!.messageId })
    await expect(place.clock.until(all(observation))).rejects.toMatchObject({ code: 'internal' })
    expect(place.endpoint.holdings().observations).toBe(0)
  })

  it('ends with the endpoint', async () => {
    const place = await observing()
    await accept(place, 1, 'a')
    const taken = all(place.observation)
    taken.catch(() => undefined)
    place.endpoint.close()
    await expect(taken).rejects.toMatchObject({ code: 'cancelled' })
    expect(place.clock.pendingTimers).toBe(0)
    expect(() => place.endpoint.observe(THEIRS, temperature)).toThrow(expect.objectContaining({ code: 'cancelled' }))
  })
})

describe('notifications in blocks (RFC 7959 §2.6, §3.4)', () => {
  const body = pattern(309, 3)
  const etagOf = (byte: number): { number: number; value: Uint8Array } => ({ number: ETAG, value: Uint8Array.of(byte) })

  function block(num: number, szx: number, etag: number, bytes = body): Partial<CoapMessage> {
    const size = 2 ** (szx + 4)
    const more = (num + 1) * size < bytes.length
    return { payload: bytes.slice(num * size, (num + 1) * size), options: [blockOption(BLOCK2, { num, more, szx }), etagOf(etag)] }
  }

  async function serve(place: Place, etag: number, bytes = body): Promise<number> {
    let served = 0
    for (;;) {
      await place.clock.advance(5)
      const [next] = place.server.take().filter((one) => one.code === '0.01')
      if (next === undefined) return served
      const wanted = findBlock(next.options, BLOCK2)
      if (wanted === undefined || wanted === 'invalid') throw new Error('no block')
      expect(next.token).not.toEqual(place.register.token)
      expect(findOption(next.options, OBSERVE)).toBeUndefined()
      place.server.send({
        type: 'ACK',
        code: '2.05',
        messageId: next.messageId,
        token: next.token,
        ...block(wanted.num, wanted.szx, etag, bytes),
      })
      served++
    }
  }

  it.each([
    ['RFC 7959 figure 12: observe sequence with block-wise response', 3, undefined],
    ['RFC 7959 figure 13: observe sequence with early negotiation', 2, 64],
  ])('%s', async (_, szx, blockBytes) => {
    const place = await observing(blockBytes === undefined ? {} : { blockBytes })
    expect(findBlock(place.register.options, BLOCK2)).toEqual(blockBytes === undefined ? undefined : { num: 0, more: false, szx: 2 })
    const first = block(0, szx, 1)
    say(place, 62_350, '', { type: 'ACK', messageId: place.register.messageId, ...first })
    const blocks = Math.ceil(309 / 2 ** (szx + 4)) - 1
    expect(await serve(place, 1)).toBe(blocks)
    const changed = pattern(309, 5)
    const notification = block(0, szx, 2, changed)
    say(place, 62_354, '', { type: 'CON', messageId: 0xaf9c, ...notification })
    await place.clock.advance(5)
    expect(await serveRest(place, changed)).toBe(blocks)
    expect(place.got.map((one) => [...one.payload])).toEqual([[...body], [...changed]])
    expect(findUint(place.got[1]!.options, OBSERVE)).toBe(62_354)

    async function serveRest(at: Place, bytes: Uint8Array): Promise<number> {
      // The acknowledgement of the notification, and the request for the next block.
      const early = at.server.take()
      expect(early[0]).toMatchObject({ type: 'ACK', messageId: 0xaf9c })
      const [next] = early.filter((one) => one.code === '0.01')
      at.server.send({ type: 'ACK', code: '2.05', messageId: next!.messageId, token: next!.token, ...block(1, szx, 2, bytes) })
      return 1 + (await serve(at, 2, bytes))
    }
  })

  it('leaves the blocks of a state that a newer notification replaces', async () => {
    const place = await observing()
    say(place, 1, '', { type: 'ACK', messageId: place.register.messageId, ...block(0, 3, 1) })
    await place.clock.advance(5)
    expect(place.server.take()).toHaveLength(1)
    say(place, 2, 'small', { messageId: 5 })
    await place.clock.advance(200_000)
    expect(texts(place)).toEqual(['small'])
  })

  it('keeps the observation when the rest of a state cannot be had', async () => {
    const place = await observing()
    await accept(place, 1, 'a', 3600)
    say(place, 2, '', { messageId: 5, ...block(0, 3, 1) }, 3600)
    await place.clock.advance(100_000)
    expect(place.observation.active).toBe(true)
    say(place, 3, 'c', { messageId: 6 }, 3600)
    await place.clock.advance(5)
    expect(texts(place)).toEqual(['a', 'c'])
  })
})

describe('observing between two of ours', () => {
  it.each([10, 5000])('sees every settled state of %i bytes over a network that loses, duplicates and reorders', async (length) => {
    const place = bench({}, { lossRate: 0.2, duplicateRate: 0.2, reorderRate: 0.2, delayMs: { min: 5, max: 200 } })
    const subject = new Observable()
    let version = 1
    place.tree.add('/s', { observable: subject, handlers: { GET: () => ({ code: '2.05', payload: pattern(length, version) }) } })
    const client = place.another(THEIRS.address)
    let last: Uint8Array | undefined
    const observation = client.observe(
      place.endpoint.local,
      { method: 'GET', path: ['s'] },
      { onNotification: (one) => (last = one.payload) },
    )
    for (let round = 0; round < 20; round++) {
      await place.clock.advance(300_000)
      expect(last).toEqual(pattern(length, version))
      for (let burst = 0; burst < 1 + (round % 5); burst++) {
        version++
        subject.notify()
        await place.clock.advance(50 * burst)
      }
    }
    await place.clock.advance(300_000)
    expect(last).toEqual(pattern(length, version))
    expect(observation.active).toBe(true)
    await place.clock.until(observation.cancel())
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('finds its way back to a server that has forgotten it', async () => {
    const place = bench()
    const subject = new Observable()
    let version = 1
    const resource = { observable: subject, handlers: { GET: () => ({ code: '2.05', payload: utf8(`${version}`) }) as const } }
    place.tree.add('/s', resource)
    const client = place.another(THEIRS.address)
    const got: string[] = []
    client.observe(place.endpoint.local, { method: 'GET', path: ['s'] }, { onNotification: (one) => got.push(text(one.payload)) })
    await place.clock.advance(10)
    place.endpoint.close()
    await place.channel.close()
    const again = place.another('2001:db8::1', { tree: place.tree })
    version = 2
    subject.notify()
    await place.clock.advance(76_000)
    expect([got, again.holdings().observers]).toEqual([['1', '2'], 1])
  })
})
