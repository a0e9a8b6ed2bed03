// RFC 7641 §4 and Appendix A, RFC 7959 §3.4: what a server of observable resources does.
import { describe, expect, it } from 'vitest'
import {
  encodeMessage,
  findBlock,
  findOption,
  findUint,
  Observable,
  stringOption,
  uintOption,
  type CoapMessage,
} from '#main/wire/coap/index.ts'
import type { CoapParameters, OutgoingResponse, Resource } from '#main/wire/coap/index.ts'
import { entityTag, validated } from '#main/wire/coap/index.ts'
import { bench, msg, path, pattern, text, utf8, type Bench, type RawPeer } from './harness.ts'

const OBSERVE = 6
const ETAG = 4
const MAX_AGE = 14
const BLOCK2 = 23
const TOKEN = Uint8Array.of(0x4a)
const HOUR_MS = 3_600_000

interface Place extends Bench {
  readonly client: RawPeer
  readonly subject: Observable
  readonly state: { value: string; answer: (() => OutgoingResponse | Promise<OutgoingResponse>) | undefined; asked: number }
  readonly change: (value: string) => void
}

function temperature(parameters: Partial<CoapParameters> = {}, extra: Partial<Resource> = {}): Place {
  const place = bench(parameters)
  const subject = new Observable()
  const state: Place['state'] = { value: '18.5 Cel', answer: undefined, asked: 0 }
  const answer = (): OutgoingResponse | Promise<OutgoingResponse> => {
    state.asked++
    return state.answer?.() ?? { code: '2.05', payload: utf8(state.value), options: [uintOption(MAX_AGE, 15)] }
  }
  place.tree.add('/temperature', { observable: subject, handlers: { GET: answer, FETCH: answer }, ...extra })
  const change = (value: string): void => {
    state.value = value
    subject.notify()
  }
  return { ...place, client: place.peer(), subject, state, change }
}

let messageId = 0x1633
async function ask(place: Place, message: Partial<CoapMessage> = {}, client = place.client): Promise<CoapMessage> {
  client.send({ messageId: messageId++, token: TOKEN, options: [uintOption(OBSERVE, 0), ...path('temperature')], ...message })
  await place.clock.advance(5)
  const [answer] = client.take()
  if (answer === undefined) throw new Error('no answer')
  return answer
}

/** The notifications that have come, each Confirmable one acknowledged. */
async function notifications(place: Place, client = place.client): Promise<CoapMessage[]> {
  await place.clock.advance(5)
  const got = client.take()
  for (const one of got) if (one.type === 'CON') client.send({ type: 'ACK', code: '0.00', messageId: one.messageId })
  await place.clock.advance(5)
  return got
}

const order = (message: CoapMessage): number | undefined => findUint(message.options, OBSERVE)

describe('an observable resource', () => {
  it('RFC 7641 figure 3: a client registers and receives the current state, and a new one upon a change', async () => {
    const place = temperature()
    const first = await ask(place)
    expect(first).toMatchObject({ type: 'ACK', code: '2.05', token: TOKEN })
    expect([text(first.payload), findUint(first.options, MAX_AGE)]).toEqual(['18.5 Cel', 15])
    await place.clock.advance(10_000)
    place.change('19.2 Cel')
    const [second, ...others] = await notifications(place)
    expect(others).toEqual([])
    expect(second).toMatchObject({ code: '2.05', token: TOKEN })
    expect([text(second!.payload), findUint(second!.options, MAX_AGE)]).toEqual(['19.2 Cel', 15])
    expect(order(second!)).toBeGreaterThan(order(first)!)
    expect(second!.messageId).not.toBe(first.messageId)
  })

  it('RFC 7641 figure 4: a client whose notification was lost registers anew, with another token', async () => {
    const place = temperature()
    await ask(place)
    const again = await ask(place, { token: Uint8Array.of(0xb2) })
    expect(order(again)).toBeDefined()
    expect(place.endpoint.holdings().observers).toBe(2)
  })

  it('RFC 7641 figure 5: a client that offers an ETag gets 2.03 when the state is that again', async () => {
    const place = temperature()
    place.state.value = '20.0 Cel'
    const etag = entityTag(utf8('19.7 Cel'))
    place.tree.add('/tagged', {
      observable: place.subject,
      handlers: {
        GET: (request) =>
          validated(request, { code: '2.05', payload: utf8(place.state.value), options: [entityTag(utf8(place.state.value))] }),
      },
    })
    const first = await ask(place, { options: [etag, uintOption(OBSERVE, 0), ...path('tagged')] })
    expect([first.code, text(first.payload)]).toEqual(['2.05', '20.0 Cel'])
    await place.clock.advance(10_000)
    place.change('19.7 Cel')
    const [valid] = await notifications(place)
    expect([valid?.code, valid?.payload.length, findOption(valid!.options, ETAG)]).toEqual(['2.03', 0, etag])
    expect(order(valid!)).toBeGreaterThan(order(first)!)
  })

  it('gives a format to the first representation that a client gets after a 2.03, and keeps to it', async () => {
    const place = temperature()
    const etag = entityTag(utf8('a'))
    const states: OutgoingResponse[] = [
      { code: '2.03', options: [etag] },
      { code: '2.05', contentFormat: 50 },
      { code: '2.05', contentFormat: 50 },
      { code: '2.05', contentFormat: 60 },
    ]
    const codes: string[] = []
    place.state.answer = () => states[place.state.asked - 1]!
    codes.push((await ask(place)).code)
    for (let turn = 0; turn < 3; turn++) {
      await place.clock.advance(10_000)
      place.subject.notify()
      codes.push(...(await notifications(place)).map((one) => one.code))
    }
    expect(codes).toEqual(['2.03', '2.05', '2.05', '4.06'])
  })

  it('RFC 7641 figure 6: a client that rejects a notification is an observer no longer', async () => {
    const place = temperature()
    await ask(place)
    await place.clock.advance(10_000)
    place.change('19.3 Cel')
    await place.clock.advance(5)
    const [notification] = place.client.take()
    place.client.send({ type: 'RST', code: '0.00', messageId: notification!.messageId })
    await place.clock.advance(5)
    place.change('19.0 Cel')
    await place.clock.advance(HOUR_MS * 2)
    expect(place.client.take()).toEqual([])
    expect(place.endpoint.holdings().observers).toBe(0)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('RFC 7641 figure 6, Non-confirmable: a Reset of that is heard as well (§4.5)', async () => {
    const place = temperature()
    await ask(place)
    place.change('19.3 Cel')
    await place.clock.advance(5)
    const [notification] = place.client.take()
    expect(notification?.type).toBe('NON')
    place.client.send({ type: 'RST', code: '0.00', messageId: notification!.messageId })
    await place.clock.advance(5)
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('takes a client out that deregisters, and answers without the option (§4.1)', async () => {
    const place = temperature()
    await ask(place)
    const other = await ask(place, { token: Uint8Array.of(1), options: [uintOption(OBSERVE, 1), ...path('temperature')] })
    expect(place.endpoint.holdings().observers).toBe(1)
    const answer = await ask(place, { options: [uintOption(OBSERVE, 1), ...path('temperature')] })
    expect([answer.code, order(answer), order(other)]).toEqual(['2.05', undefined, undefined])
    place.change('x')
    expect(await notifications(place)).toEqual([])
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('renews the entry of a client that registers twice with one token (§4.1)', async () => {
    const place = temperature()
    const first = await ask(place)
    const second = await ask(place)
    expect(order(second)).toBeGreaterThan(order(first)!)
    expect(place.endpoint.holdings().observers).toBe(1)
    place.change('x')
    expect(await notifications(place)).toHaveLength(1)
  })

  it('keeps tokens of different clients apart', async () => {
    const place = temperature()
    const other = place.peer('2001:db8::3')
    await ask(place)
    await ask(place, {}, other)
    place.change('x')
    await place.clock.advance(5)
    expect([place.client.take(), other.take()].map((got) => got.map((one) => text(one.payload)))).toEqual([['x'], ['x']])
  })

  it('gives anything but a first block, an unknown value or another method no entry', async () => {
    const place = temperature()
    const later = await ask(place, { options: [uintOption(OBSERVE, 0), ...path('temperature'), uintOption(BLOCK2, 16)] })
    expect(order(later)).toBeUndefined()
    expect(order(await ask(place, { options: [uintOption(OBSERVE, 2), ...path('temperature')] }))).toBeUndefined()
    expect((await ask(place, { code: '0.02' })).code).toBe('4.05')
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('answers a resource that is not observable without the option (§4.1)', async () => {
    const place = temperature()
    place.tree.add('/plain', { handlers: { GET: () => ({ code: '2.05' }) } })
    expect(order(await ask(place, { options: [uintOption(OBSERVE, 0), ...path('plain')] }))).toBeUndefined()
  })

  it('adds no entry for a request that fails (§4.2)', async () => {
    const place = temperature()
    place.state.answer = () => ({ code: '4.04' })
    const answer = await ask(place)
    expect([answer.code, order(answer)]).toEqual(['4.04', undefined])
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('is listed as such in /.well-known/core where it is listed (§6)', async () => {
    const place = temperature({}, { attributes: { rt: 't' } })
    place.tree.add('/plain', { attributes: { rt: 't' }, handlers: {} })
    const answer = await ask(place, { options: path('.well-known', 'core') })
    expect(text(answer.payload)).toBe('</temperature>;obs;rt="t",</plain>;rt="t"')
  })

  it('always says an age, the default where the resource says none (§4.3.1)', async () => {
    const place = temperature()
    place.state.answer = () => ({ code: '2.05' })
    expect(findUint((await ask(place)).options, MAX_AGE)).toBe(60)
  })
})

describe('the end of an observation at the server', () => {
  it.each<[string, OutgoingResponse, string]>([
    ['the resource fails', { code: '5.00' }, '5.00'],
    ['the resource is gone', { code: '4.04' }, '4.04'],
    ['the content-format would change', { code: '2.05', contentFormat: 50 }, '4.06'],
  ])('tells the client when %s, without the option (§4.2)', async (_, response, code) => {
    const place = temperature()
    await ask(place)
    place.state.answer = () => response
    place.subject.notify()
    const [last] = await notifications(place)
    expect([last?.type, last?.code, order(last!)]).toEqual(['CON', code, undefined])
    expect(place.endpoint.holdings().observers).toBe(0)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('tells the client 5.00 when the handler throws or rejects', async () => {
    for (const answer of [
      () => Promise.reject(new TypeError('bad')),
      () => {
        throw new TypeError('bad')
      },
    ]) {
      const place = temperature()
      await ask(place)
      place.state.answer = answer
      place.subject.notify()
      expect((await notifications(place)).map((one) => one.code)).toEqual(['5.00'])
    }
  })

  it.each(['RST', undefined] as const)('takes a client out whose separate initial response ends in %s', async (type) => {
    const place = temperature()
    place.state.answer = () => new Promise((resolve) => place.clock.setTimer(2000, () => resolve({ code: '2.05' })))
    place.client.send({ messageId: 1, token: TOKEN, options: [uintOption(OBSERVE, 0), ...path('temperature')] })
    await place.clock.advance(2010)
    const [, separate] = place.client.take()
    expect([separate?.type, order(separate!) !== undefined, place.endpoint.holdings().observers]).toEqual(['CON', true, 1])
    if (type === undefined) await place.clock.advance(100_000)
    else place.client.send({ type, code: '0.00', messageId: separate!.messageId })
    await place.clock.advance(10)
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('tells all its observers when the subject ends', async () => {
    const place = temperature()
    await ask(place)
    place.subject.end()
    expect((await notifications(place)).map((one) => one.code)).toEqual(['4.04'])
    place.subject.notify()
    expect(await notifications(place)).toEqual([])
  })

  it('keeps to NSTART when it takes leave of many observations of one client', async () => {
    const place = temperature({ maxObserversPerPeer: 5000, maxDedupEntries: 100, ackTimeoutMs: 10, maxRetransmit: 0, ackRandomFactor: 1 })
    for (let index = 0; index < 5000; index++) {
      const options = [uintOption(OBSERVE, 0), ...path('temperature')]
      place.client.send({ messageId: index, token: Uint8Array.of(index >> 8, index & 255), options })
      if (index % 500 === 499) await place.clock.advance(5)
    }
    expect(place.endpoint.holdings().observers).toBe(5000)
    await place.clock.advance(4000)
    place.client.take()
    place.state.answer = () => ({ code: '4.04' })
    place.subject.notify()
    await place.clock.advance(1)
    expect(place.client.take()).toHaveLength(1)
    await place.clock.advance(100)
    expect(place.client.take()).toHaveLength(10)
    place.subject.end()
    expect(place.endpoint.holdings().observers).toBe(0)
    await place.clock.advance(5)
    expect(place.client.take().length).toBeLessThanOrEqual(1)
    place.endpoint.close()
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('stops the old notification when it takes leave', async () => {
    const place = temperature()
    await ask(place)
    await place.clock.advance(10_000)
    place.change('x')
    await place.clock.advance(10)
    place.subject.end()
    await place.clock.advance(100_000)
    const got = place.client.take()
    expect([got[0]?.code, new Set(got.slice(1).map((one) => one.code))]).toEqual(['2.05', new Set(['4.04'])])
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('takes a client out that acknowledges nothing (§4.5)', async () => {
    const place = temperature()
    await ask(place)
    await place.clock.advance(10_000)
    place.change('x')
    await place.clock.advance(93_000)
    expect(place.client.take()).toHaveLength(5)
    expect(place.endpoint.holdings().observers).toBe(0)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('asks a silent client every so often whether it is there (§4.5), and keeps one that is', async () => {
    const place = temperature()
    await ask(place)
    for (let hour = 0; hour < 3; hour++) {
      await place.clock.advance(HOUR_MS - 1000)
      expect(await notifications(place)).toEqual([])
      await place.clock.advance(2000)
      expect((await notifications(place)).map((one) => one.type)).toEqual(['CON'])
    }
    await place.clock.advance(HOUR_MS + 100_000)
    expect(place.client.take().length).toBeGreaterThanOrEqual(5)
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('holds no more observers than it may, and answers those beyond as if nothing but the state was asked (§4.1)', async () => {
    const place = temperature({ maxObservers: 5, maxObserversPerPeer: 3 })
    const orders: Array<number | undefined> = []
    for (let index = 0; index < 4; index++) orders.push(order(await ask(place, { token: Uint8Array.of(index) })))
    const other = place.peer('2001:db8::3')
    for (let index = 0; index < 3; index++) orders.push(order(await ask(place, { token: Uint8Array.of(index) }, other)))
    expect(orders.map((value) => value !== undefined)).toEqual([true, true, true, false, true, true, false])
    expect(place.endpoint.holdings().observers).toBe(5)
    expect(order(await ask(place, { token: Uint8Array.of(0) }))).toBeDefined()
    await ask(place, { token: Uint8Array.of(0), options: [uintOption(OBSERVE, 1), ...path('temperature')] })
    expect(order(await ask(place, { token: Uint8Array.of(9) }))).toBeDefined()
  })

  it('forgets everything when the endpoint closes', async () => {
    const place = temperature()
    await ask(place)
    place.endpoint.close()
    place.change('x')
    await place.clock.advance(HOUR_MS)
    expect(place.client.take()).toEqual([])
    expect(place.clock.pendingTimers).toBe(0)
  })
})

describe('the pace of notifications', () => {
  it('sends changes that follow closely Non-confirmable, and the last again Confirmable when the burst is over (§4.5)', async () => {
    const place = temperature()
    await ask(place)
    await place.clock.advance(10_000)
    for (let index = 0; index < 6; index++) {
      place.change(`${index}`)
      await place.clock.advance(500)
      for (const one of place.client.inbox)
        if (one.message.type === 'CON') place.client.send({ type: 'ACK', code: '0.00', messageId: one.message.messageId })
    }
    await place.clock.advance(20_000)
    // What nobody acknowledges at the end is transmitted again.
    const got = [...new Map(place.client.take().map((one) => [one.messageId, one])).values()]
    expect([got[0]?.type, got.at(-1)?.type]).toEqual(['CON', 'CON'])
    expect(got.slice(1, -1).every((one) => one.type === 'NON')).toBe(true)
    expect(text(got.at(-1)!.payload)).toBe('5')
    const orders = got.map((one) => order(one)!)
    expect(orders).toEqual([...orders].sort((a, b) => a - b))
    expect(new Set(orders).size).toBe(orders.length)
  })

  it('has one Non-confirmable notification under way in 3 seconds while the round-trip time is unknown (§4.5.1)', async () => {
    const place = temperature({ observeBurstMs: 60_000 })
    await ask(place)
    for (let index = 0; index < 100; index++) {
      place.change(`${index}`)
      await place.clock.advance(100)
    }
    const at = place.client.inbox.map((entry) => entry.atMs)
    expect(at.length).toBeGreaterThanOrEqual(3)
    for (let index = 1; index < at.length; index++) expect(at[index]! - at[index - 1]!).toBeGreaterThanOrEqual(3000)
    expect(text(place.client.take().at(-1)!.payload)).toMatch(/^[89]\d$/)
  })

  it('goes at the pace of the round-trip time once it is known', async () => {
    const place = temperature()
    await ask(place)
    await place.clock.advance(10_000)
    place.change('a')
    await notifications(place)
    place.change('b')
    await place.clock.advance(50)
    place.change('c')
    await place.clock.advance(50)
    expect(place.client.take().map((one) => text(one.payload))).toEqual(['b', 'c'])
  })

  it('keeps to NSTART towards one client over all its observations (§4.5.1)', async () => {
    const place = temperature()
    for (let index = 0; index < 3; index++) await ask(place, { token: Uint8Array.of(index) })
    await place.clock.advance(10_000)
    place.change('x')
    await place.clock.advance(100)
    expect(place.client.inbox).toHaveLength(1)
    expect(await notifications(place)).toHaveLength(1)
    expect(await notifications(place)).toHaveLength(1)
    expect(await notifications(place)).toHaveLength(1)
  })

  it('transmits the state of now where the old would be transmitted again, at the old back-off (§4.5.2)', async () => {
    const place = temperature({ ackRandomFactor: 1 })
    await ask(place)
    await place.clock.advance(10_000)
    place.change('old')
    await place.clock.advance(1000)
    place.change('new')
    await place.clock.advance(62_000)
    const got = place.client.inbox.map((entry) => [text(entry.message.payload), entry.message.type])
    expect(got).toEqual([
      ['old', 'CON'],
      ['new', 'CON'],
      ['new', 'CON'],
      ['new', 'CON'],
      ['new', 'CON'],
    ])
    const [first, second, third] = place.client.inbox
    expect(second!.message.messageId).not.toBe(first!.message.messageId)
    expect(second!.atMs - first!.atMs).toBe(2000)
    expect(third!.atMs - second!.atMs).toBe(4000)
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('asks for a confirmation now and then however long a burst lasts', async () => {
    const place = temperature()
    await ask(place)
    for (let second = 0; second < 200; second++) {
      place.change(`${second}`)
      await place.clock.advance(1000)
    }
    // Nobody has acknowledged anything: the first Confirmable one found that out.
    expect(place.client.take().some((one) => one.type === 'CON')).toBe(true)
    expect(place.endpoint.holdings().observers).toBe(0)
  })

  it('misses no change that comes while the registration is being answered', async () => {
    const place = temperature()
    let finish = (): void => undefined
    place.state.answer = () =>
      new Promise((resolve) => {
        const now = place.state.value
        finish = () => resolve({ code: '2.05', payload: utf8(now) })
      })
    place.client.send({ messageId: 1, token: TOKEN, options: [uintOption(OBSERVE, 0), ...path('temperature')] })
    await place.clock.advance(10)
    place.change('later')
    place.state.answer = undefined
    finish()
    await place.clock.advance(10)
    expect(place.client.take().map((one) => text(one.payload))).toEqual(['18.5 Cel', 'later'])
  })

  it('tells those alone whom a change concerns', async () => {
    const place = temperature()
    await ask(place, { token: Uint8Array.of(1), options: [uintOption(OBSERVE, 0), ...path('temperature'), stringOption(15, 'room=1')] })
    await ask(place, { token: Uint8Array.of(2), options: [uintOption(OBSERVE, 0), ...path('temperature'), stringOption(15, 'room=2')] })
    place.subject.notify((request) => request.query.includes('room=2'))
    expect((await notifications(place)).map((one) => [...one.token])).toEqual([[2]])
  })
})

describe('a resource that tells of differences alone', () => {
  function lookups(): Place & { table: Map<string, string> } {
    const subject = new Observable({ onlyDifferences: true })
    const table = new Map([['room=1', 'a']])
    const place = temperature()
    place.tree.add('/lookup', {
      observable: subject,
      handlers: { GET: (request) => ({ code: '2.05', payload: utf8((table.get(request.query[0] ?? '') ?? '-').repeat(300)) }) },
    })
    return { ...place, subject, table }
  }

  const register = (token: number, query: string): Partial<CoapMessage> => ({
    token: Uint8Array.of(token),
    options: [uintOption(OBSERVE, 0), ...path('lookup'), stringOption(15, query)],
  })

  it('wakes those whose own response is another, whole representations compared', async () => {
    const place = lookups()
    for (const [token, query] of [
      [1, 'room=1'],
      [2, 'room=2'],
    ] as const)
      await ask(place, register(token, query))
    await place.clock.advance(10_000)
    place.subject.notify()
    expect(await notifications(place)).toEqual([])
    place.table.set('room=2', 'b'.repeat(5))
    place.subject.notify()
    expect((await notifications(place)).map((one) => [...one.token])).toEqual([[2]])
    place.subject.notify()
    expect(await notifications(place)).toEqual([])
    place.table.set('room=2', 'bbbbc')
    place.subject.notify()
    await place.clock.advance(5000)
    const [again] = place.client.take()
    // The first block is the same as before; what follows is not.
    expect([again?.token[0], again?.payload.length]).toEqual([2, 1024])
  })

  it('says a state again that may have been lost, and asks for life as any other', async () => {
    const place = lookups()
    await ask(place, register(1, 'room=1'))
    place.table.set('room=1', 'b')
    place.subject.notify()
    await place.clock.advance(100)
    place.subject.notify()
    await place.clock.advance(10_000)
    const types = [...new Map(place.client.take().map((one) => [one.messageId, one.type])).values()]
    expect([types[0], types.at(-1)]).toEqual(['NON', 'CON'])
    await place.clock.advance(100_000)
    expect(place.endpoint.holdings().observers).toBe(0)
    await ask(place, register(1, 'room=1'))
    await place.clock.advance(HOUR_MS + 1000)
    expect((await notifications(place)).map((one) => one.type)).toContain('CON')
  })
})

describe('observing with FETCH and in blocks', () => {
  it('answers each change with the body of the FETCH that registered (RFC 8132 §2.4)', async () => {
    const place = bench()
    const subject = new Observable()
    let counter = 0
    place.tree.add('/f', {
      observable: subject,
      handlers: { FETCH: (request) => ({ code: '2.05', payload: utf8(`${text(request.payload)}:${counter}`) }) },
    })
    const whole: Place = {
      ...place,
      client: place.peer(),
      subject,
      state: { value: '', answer: undefined, asked: 0 },
      change: () => undefined,
    }
    const register = { code: '0.05', options: [uintOption(OBSERVE, 0), ...path('f')] }
    await ask(whole, { ...register, token: Uint8Array.of(1), payload: utf8('a') })
    await ask(whole, { ...register, token: Uint8Array.of(2), payload: utf8('b') })
    counter = 1
    subject.notify()
    const got = [...(await notifications(whole)), ...(await notifications(whole))]
    await place.clock.advance(4000)
    got.push(...(await notifications(whole)))
    expect(got.slice(0, 2).map((one) => text(one.payload))).toEqual(['a:1', 'b:1'])
    await ask(whole, { code: '0.05', token: Uint8Array.of(1), options: [uintOption(OBSERVE, 1), ...path('f')], payload: utf8('a') })
    expect(place.endpoint.holdings().observers).toBe(1)
  })

  it.each([
    ['RFC 7959 figure 12: observe sequence with block-wise response', 3, 128, 309, []],
    ['RFC 7959 figure 13: observe sequence with early negotiation', 2, 64, 309, [uintOption(BLOCK2, 2)]],
  ])('%s', async (_, szx, size, length, early) => {
    const place = temperature({ maxBlockBytes: 128 })
    let version = 1
    place.state.answer = () => ({ code: '2.05', payload: pattern(length, version), contentFormat: 42 })
    const first = await ask(place, { token: Uint8Array.of(0xfb), options: [uintOption(OBSERVE, 0), ...path('temperature'), ...early] })
    expect(findBlock(first.options, BLOCK2)).toEqual({ num: 0, more: true, szx })
    await place.clock.advance(10_000)
    version = 2
    place.subject.notify()
    const [notification] = await notifications(place)
    expect(findBlock(notification!.options, BLOCK2)).toEqual({ num: 0, more: true, szx })
    expect(notification!.token).toEqual(Uint8Array.of(0xfb))
    expect(order(notification!)).toBeGreaterThan(order(first)!)
    const etag = findOption(notification!.options, ETAG)
    expect(etag).not.toEqual(findOption(first.options, ETAG))
    const body = [...notification!.payload]
    for (let num = 1; num * size < length; num++) {
      const next = await ask(place, { token: Uint8Array.of(0xfc), options: [...path('temperature'), uintOption(BLOCK2, num * 16 + szx)] })
      expect([findOption(next.options, ETAG), order(next)]).toEqual([etag, undefined])
      body.push(...next.payload)
    }
    expect(body).toEqual([...pattern(length, 2)])
  })
})

describe('observing by a group request (groupcomm-bis §3.7)', () => {
  it('makes an observer of the client, whose notifications come by unicast, each at a moment of its own', async () => {
    const place = temperature({ leisureMs: 1000 }, { answersGroupRequests: true })
    place.channel.joinGroup('ff05::fd')
    const datagram = (id: number, observe: number): void => {
      const options = [uintOption(OBSERVE, observe), ...path('temperature')]
      const message = msg({ type: 'NON', messageId: id, token: TOKEN, options })
      place.client.channel.send(encodeMessage(message), { address: 'ff05::fd', port: 5683 })
    }
    datagram(1, 0)
    await place.clock.advance(1100)
    const [first] = place.client.take()
    expect([first?.type, first?.code, order(first!) !== undefined]).toEqual(['NON', '2.05', true])
    await place.clock.advance(10_000)
    const changedMs = place.clock.monotonicMs()
    place.change('x')
    await place.clock.advance(1100)
    expect(place.client.inbox).toHaveLength(1)
    expect(place.client.inbox[0]!.atMs - changedMs).toBeGreaterThan(5)
    await notifications(place)
    datagram(2, 1)
    await place.clock.advance(1100)
    expect(place.endpoint.holdings().observers).toBe(0)
  })
})
