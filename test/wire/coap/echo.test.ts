// RFC 9175 §2: Echo as a policy of a resource, and the client that answers to it.
import { describe, expect, it } from 'vitest'
import { findOption, Observable, opaqueOption, uintOption, type CoapMessage, type IncomingRequest } from '#main/wire/coap/index.ts'
import { bench, OURS, path, pattern, text, THEIRS, utf8, type Bench, type RawPeer } from './harness.ts'

const ECHO = 252

function lock(): Bench & { client: RawPeer; done: IncomingRequest[] } {
  const place = bench()
  const done: IncomingRequest[] = []
  const handler = (request: IncomingRequest): { code: '2.04' } => (done.push(request), { code: '2.04' })
  place.tree.add('/lock', { echo: { freshnessMs: 5000, methods: ['PUT'] }, handlers: { PUT: handler, GET: handler } })
  return { ...place, client: place.peer(), done }
}

let messageId = 1
async function say(place: Bench, client: RawPeer, echo?: Uint8Array, parts: Partial<CoapMessage> = {}): Promise<CoapMessage> {
  const options = [...path('lock'), ...(echo === undefined ? [] : [opaqueOption(ECHO, echo)])]
  client.send({ code: '0.03', messageId: messageId++, token: utf8('t'), options, ...parts })
  await place.clock.advance(10)
  return client.take()[0]!
}

describe('a resource that asks for proof of freshness', () => {
  it('figure 1: answers 4.01 with Echo, and serves the request that brings the value back', async () => {
    const place = lock()
    const challenge = await say(place, place.client)
    const echo = findOption(challenge.options, ECHO)!.value
    expect([challenge.code, place.done.length, echo.length >= 1 && echo.length <= 40]).toEqual(['4.01', 0, true])
    await place.clock.advance(1000)
    expect((await say(place, place.client, echo)).code).toBe('2.04')
    expect(place.done).toHaveLength(1)
  })

  it('wants a value no older than its freshness time, and gives a new one', async () => {
    const place = lock()
    const echo = findOption((await say(place, place.client)).options, ECHO)!.value
    await place.clock.advance(5000)
    const again = await say(place, place.client, echo)
    expect(again.code).toBe('4.01')
    expect(findOption(again.options, ECHO)!.value).not.toEqual(echo)
    expect(place.done).toEqual([])
  })

  it('takes the value of nobody else, and none that it has not made', async () => {
    const place = lock()
    const echo = findOption((await say(place, place.client)).options, ECHO)!.value
    const thief = place.peer('2001:db8::bad')
    expect((await say(place, thief, echo)).code).toBe('4.01')
    const later = place.peer(THEIRS.address, 9999)
    expect((await say(place, later, echo)).code).toBe('4.01')
    for (let at = 0; at < echo.length; at++) {
      const forged = echo.slice()
      forged[at] = forged[at]! ^ 1
      expect((await say(place, place.client, forged)).code).toBe('4.01')
    }
    for (const length of [1, 13, 15, 40]) expect((await say(place, place.client, pattern(length))).code).toBe('4.01')
    expect(place.done).toEqual([])
    // §2.2.1: an Echo that is too long is none.
    expect((await say(place, place.client, pattern(41))).code).toBe('4.01')
  })

  it('asks for it with the methods that need it alone', async () => {
    const place = lock()
    expect((await say(place, place.client, undefined, { code: '0.01' })).code).toBe('2.04')
  })

  it('answers NON requests as it does CON ones, and holds nothing for either', async () => {
    const place = lock()
    expect(await say(place, place.client, undefined, { type: 'NON' })).toMatchObject({ type: 'NON', code: '4.01' })
    expect(place.endpoint.holdings()).toMatchObject({ blockwiseBytes: 0, serving: 0 })
  })

  it('gathers no body before the proof', async () => {
    const place = lock()
    const block = { options: [...path('lock'), uintOption(27, 8 + 2)], payload: pattern(64) }
    expect((await say(place, place.client, undefined, block)).code).toBe('4.01')
    expect(place.endpoint.holdings().blockwiseBytes).toBe(0)
  })
})

describe('a client that is asked for proof', () => {
  it.each([10, 5000])('repeats a request of %i bytes with the Echo value', async (length) => {
    const place = lock()
    const client = place.another('2001:db8::7')
    const response = await place.clock.until(client.request(OURS, { method: 'PUT', path: ['lock'], payload: pattern(length) }))
    expect([response.code, place.done.length, place.done[0]?.payload.length]).toEqual(['2.04', 1, length])
    // One refusal, however many blocks.
    expect(place.traces.filter((event) => event.direction === 'sent' && event.message?.code === '4.01')).toHaveLength(1)
  })

  it('registers, and cancels, an observation of a resource that asks for proof', async () => {
    const place = bench()
    const subject = new Observable()
    place.tree.add('/o', { observable: subject, echo: { freshnessMs: 5000 }, handlers: { GET: () => ({ code: '2.05' }) } })
    const client = place.another(THEIRS.address)
    const codes: string[] = []
    const observation = client.observe(OURS, { method: 'GET', path: ['o'] }, { onNotification: (one) => codes.push(one.code) })
    await place.clock.advance(20)
    expect([codes, observation.active, place.endpoint.holdings().observers]).toEqual([['2.05'], true, 1])
    await place.clock.advance(30_000)
    await place.clock.until(observation.cancel())
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('repeats it once, and hands a second refusal on', async () => {
    const place = bench()
    let asked = 0
    place.tree.add('/never', { handlers: { GET: () => (asked++, { code: '4.01', options: [opaqueOption(ECHO, utf8('again'))] }) } })
    const client = place.another(THEIRS.address)
    const response = await place.clock.until(client.request(OURS, { method: 'GET', path: ['never'] }))
    expect([response.code, asked]).toEqual(['4.01', 2])
  })

  it('returns a value that came ahead of need with the next request to that server, and to no other (§2.3)', async () => {
    const place = bench()
    const seen: Array<string | undefined> = []
    const handler = (request: IncomingRequest): { code: '2.05'; options: CoapMessage['options'] } => {
      const echo = findOption(request.options, ECHO)
      seen.push(echo === undefined ? undefined : text(echo.value))
      return { code: '2.05', options: seen.length === 1 ? [opaqueOption(ECHO, utf8('early'))] : [] }
    }
    place.tree.add('/e', { handlers: { GET: handler } })
    place.another('2001:db8::6', { tree: place.tree })
    const client = place.another('2001:db8::7')
    const e = { method: 'GET', path: ['e'] } as const
    for (const to of [OURS, { address: '2001:db8::6', port: 5683 }, OURS, OURS]) await place.clock.until(client.request(to, e))
    expect(seen).toEqual([undefined, undefined, 'early', undefined])
  })
})
