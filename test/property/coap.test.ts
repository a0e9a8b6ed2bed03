// CoAP under arbitrary bytes: codecs that are total, an endpoint that no datagram ends, blocks put together whatever the network does.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, utf8 } from '#main/base/index.ts'
import {
  blockOption,
  type CoapEndpoint,
  decodeMessage,
  encodeMessage,
  formatLinkFormat,
  parseLinkFormat,
  stringOption,
  uintOption,
  type CoapMessage,
  type Link,
} from '#main/wire/coap/index.ts'
import { bench, msg, path, pattern, THEIRS } from '../wire/coap/harness.ts'
import { DedupStore } from '../../src-main/wire/coap/dedup.ts'

const messages: fc.Arbitrary<CoapMessage> = fc
  .record({
    type: fc.constantFrom('CON', 'NON', 'ACK', 'RST'),
    code: fc.tuple(fc.nat(7), fc.nat(31)).map(([first, rest]) => `${first}.${String(rest).padStart(2, '0')}`),
    messageId: fc.nat(0xffff),
    token: fc.uint8Array({ maxLength: 8 }),
    options: fc.array(fc.record({ number: fc.oneof(fc.nat(0xffff), fc.nat(300)), value: fc.uint8Array({ maxLength: 300 }) }), {
      maxLength: 12,
    }),
    payload: fc.uint8Array({ maxLength: 400 }),
  })
  .map((message) => (message.code === '0.00' ? { ...message, token: new Uint8Array(0), options: [], payload: new Uint8Array(0) } : message))

describe('message codec', () => {
  it('reads back what it writes, with the options in the order of their numbers', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const sorted = message.options
          .map((option, index) => ({ option, index }))
          .sort((a, b) => a.option.number - b.option.number || a.index - b.index)
        expect(decodeMessage(encodeMessage(message))).toEqual({ ...message, options: sorted.map((entry) => entry.option) })
      }),
      { numRuns: 2000 },
    )
  })

  it('gives a message or coap.message-invalid for any bytes', () => {
    const nearly = fc
      .tuple(messages, fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 4 }), fc.nat(40))
      .map(([message, flips, cut]) => {
        const bytes = encodeMessage(message)
        for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value
        return bytes.slice(0, Math.max(0, bytes.length - cut))
      })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), nearly), (bytes) => {
        try {
          const message = decodeMessage(bytes)
          expect(decodeMessage(encodeMessage(message))).toEqual(message)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
          expect(thrown).toMatchObject({ code: 'coap.message-invalid' })
        }
      }),
      { numRuns: 20_000 },
    )
  })
})

describe('link format', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)
  const links: fc.Arbitrary<Link[]> = fc.array(
    fc.record({
      href: fc.stringMatching(/^[a-zA-Z0-9/:?=&.%-]{0,20}$/),
      attributes: fc.uniqueArray(fc.record({ name, value: fc.option(fc.string({ maxLength: 20 })) }), {
        selector: (attribute) => attribute.name,
        maxLength: 5,
      }),
    }),
    { maxLength: 6 },
  )

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(links, (value) => {
        expect(parseLinkFormat(formatLinkFormat(value))).toEqual(value)
      }),
      { numRuns: 2000 },
    )
  })

  it('gives links or link-format.invalid for any text', () => {
    const noise = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: fc.constantFrom(...'</>;,="\\ a1*'.split('')), maxLength: 60 }))
    fc.assert(
      fc.property(noise, (text) => {
        try {
          const value = parseLinkFormat(text)
          expect(parseLinkFormat(formatLinkFormat(value))).toEqual(value)
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'link-format.invalid' })
        }
      }),
      { numRuns: 10_000 },
    )
  })
})

describe('deduplication', () => {
  it('answers as a plain map with unlimited room does, within its bounds', () => {
    const step = fc.record({
      peer: fc.constantFrom('a', 'b', 'c'),
      messageId: fc.nat(30),
      advanceMs: fc.nat(20),
      reply: fc.uint8Array({ maxLength: 20 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const store = new DedupStore({ maxEntries: 2048, maxBytes: 65_536 })
        const model = new Map<string, { expiresMs: number; reply: Uint8Array }>()
        let nowMs = 0
        for (const { peer, messageId, advanceMs, reply } of steps) {
          nowMs += advanceMs
          const key = `${peer} ${messageId}`
          const known = model.get(key)
          const expected = known !== undefined && known.expiresMs > nowMs ? known.reply : undefined
          const slot = store.find(peer, messageId, nowMs)
          expect(slot === undefined).toBe(expected === undefined)
          if (slot !== undefined) expect(store.reply(slot)).toEqual(expected)
          else {
            store.setReply(store.add(peer, messageId, 100, nowMs), peer, messageId, reply)
            model.set(key, { expiresMs: nowMs + 100, reply })
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('gives the right reply or none, never another one, when its rings are far too small', () => {
    const step = fc.record({ peer: fc.constantFrom('a', 'b'), messageId: fc.nat(40), length: fc.nat(40) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 500 }), (steps) => {
        const store = new DedupStore({ maxEntries: 16, maxBytes: 128 })
        const model = new Map<string, Uint8Array>()
        for (const [index, { peer, messageId, length }] of steps.entries()) {
          const key = `${peer} ${messageId}`
          const slot = store.find(peer, messageId, 0)
          const got = slot === undefined ? undefined : store.reply(slot)
          if (got !== undefined) expect(got).toEqual(model.get(key))
          if (slot !== undefined) continue
          const reply = new Uint8Array(length).fill(index)
          store.setReply(store.add(peer, messageId, 1000, 0), peer, messageId, reply)
          model.set(key, reply)
          expect(store.size).toBeLessThanOrEqual(16)
          expect(store.replyBytes).toBeLessThanOrEqual(128)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('an endpoint', () => {
  it('survives 20 000 random and mutated datagrams with bounded memory, and serves on', async () => {
    const place = bench({ maxDedupEntries: 2000, maxBlockwiseBytes: 200_000, maxBlockwiseBytesPerPeer: 50_000 }, { maxInFlight: 100_000 })
    place.tree.add('/r', {
      answersGroupRequests: true,
      handlers: {
        GET: () => ({ code: '2.05', payload: pattern(3000) }),
        PUT: () => ({ code: '2.04' }),
        POST: (request) => ({ code: '2.04', payload: request.payload }),
      },
    })
    const random = seededRandom(20_000)
    const client = place.channelAt('2001:db8::f', 4000)
    void place.endpoint.request(client.local, { method: 'GET', path: ['x'] }).catch(() => undefined)
    place.channel.joinGroup('ff05::fd')
    const corpus = [
      msg({ options: path('r') }),
      msg({ type: 'NON', options: [...path('r'), blockOption(23, { num: 1, more: false, szx: 2 })] }),
      msg({
        code: '0.03',
        options: [...path('r'), blockOption(27, { num: 0, more: true, szx: 2 }), uintOption(60, 200)],
        payload: pattern(64),
      }),
      msg({ code: '0.02', options: [...path('r'), blockOption(27, { num: 1, more: false, szx: 2 })], payload: pattern(30) }),
      msg({ type: 'ACK', code: '2.05', token: utf8('tokn'), payload: pattern(20) }),
      msg({ type: 'RST', code: '0.00' }),
      msg({ options: [...path('.well-known', 'core'), stringOption(15, 'rt=x*')] }),
      msg({
        type: 'CON',
        code: '2.05',
        token: utf8('tokn'),
        options: [blockOption(23, { num: 0, more: true, szx: 2 })],
        payload: pattern(64),
      }),
      msg({ options: [{ number: 292, value: utf8('tagtag') }, ...path('r'), uintOption(17, 50), uintOption(258, 26)] }),
    ].map((message) => encodeMessage(message))
    for (let index = 0; index < 20_000; index++) {
      const bytes = index % 4 === 0 ? random.bytes(random.below(48)) : mutate(corpus[random.below(corpus.length)]!.slice(), random)
      client.send(bytes, random.below(8) === 0 ? { address: 'ff05::fd', port: 5683 } : place.endpoint.local)
      if (index % 500 === 0) await place.clock.advance(200)
    }
    await place.clock.advance(1000)
    const held = place.endpoint.holdings()
    expect(held.dedupEntries).toBeLessThanOrEqual(2000)
    expect(held.blockwiseBytes).toBeLessThanOrEqual(200_000)
    expect(place.endpoint.counters().malformed).toBeGreaterThan(1000)
    expect(place.endpoint.counters().requestsServed).toBeGreaterThan(100)
    await place.clock.advance(600_000)
    expect(place.endpoint.holdings()).toMatchObject({ blockwiseBytes: 0, serving: 0 })
    expect(place.clock.pendingTimers).toBe(0)
    const other: CoapEndpoint = place.another(THEIRS.address)
    const answer = await place.clock.until(other.request(place.endpoint.local, { method: 'GET', path: ['r'] }))
    expect(answer.payload).toEqual(pattern(3000))
  }, 60_000)

  it('puts bodies together whole or not at all, whatever the network does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          length: fc.integer({ min: 0, max: 6000 }),
          loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
          szxBytes: fc.constantFrom(16, 64, 256, 1024),
          seed: fc.nat(),
        }),
        async ({ length, loss, szxBytes, seed }) => {
          const place = bench(
            { maxBlockBytes: szxBytes },
            { lossRate: loss, duplicateRate: 0.1, reorderRate: 0.2, delayMs: { min: 1, max: 40 }, random: seededRandom(seed) },
          )
          const body = pattern(length)
          place.tree.add('/echo', { handlers: { POST: (request) => ({ code: '2.04', payload: request.payload }) } })
          const client = place.another(THEIRS.address, { parameters: {} })
          const outcome = await place.clock
            .until(client.request(place.endpoint.local, { method: 'POST', path: ['echo'], payload: body }), 7_200_000)
            .catch((thrown: unknown) => thrown)
          if (outcome instanceof AppError) expect(['coap.timeout', 'coap.reset']).toContain(outcome.code)
          else expect(outcome).toMatchObject({ code: '2.04', payload: body })
        },
      ),
      { numRuns: 40 },
    )
  }, 60_000)
})

function mutate(bytes: Uint8Array, random: ReturnType<typeof seededRandom>): Uint8Array {
  bytes[2] = random.below(256)
  bytes[3] = random.below(256)
  for (let flips = random.below(4); flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256)
  return random.below(6) === 0 ? bytes.slice(0, random.below(bytes.length + 1)) : bytes
}
