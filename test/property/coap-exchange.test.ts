// Exchanges of CoAP whatever the network does: bodies put together, requests done once, tokens never mixed up, observers in step.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger, toAppError, toHex, utf8, type SocketAddress } from '#main/base/index.ts'
import {
  blockOption,
  CoapEndpoint,
  decodeMessage,
  encodeMessage,
  entityTag,
  findOption,
  isSentLater,
  Observable,
  opaqueOption,
  ResourceTree,
  stringOption,
  uintOption,
  validated,
  type CoapParameters,
} from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryChannel } from '#main/wire/ip/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { bench, msg, OURS, path, pattern, text, type Bench } from '../wire/coap/harness.ts'

const HOURS_MS = 48 * 3_600_000
const CLIENT: SocketAddress = { address: '2001:db8::2', port: 5683 }

interface Weather {
  readonly seed: number
  readonly lossRate: number
  readonly duplicateRate: number
  readonly reorderRate: number
  readonly spreadMs: number
}

const weather: fc.Arbitrary<Weather> = fc.record({
  seed: fc.nat(0x7fffffff),
  lossRate: fc.double({ min: 0, max: 0.4, noNaN: true }),
  duplicateRate: fc.double({ min: 0, max: 0.5, noNaN: true }),
  reorderRate: fc.double({ min: 0, max: 0.5, noNaN: true }),
  spreadMs: fc.nat(3000),
})

const TIMEOUT = 'coap.timeout'

/** The body of the response, or the code of the failure. */
async function settled(answer: Promise<{ payload: Uint8Array }>): Promise<Uint8Array | string> {
  try {
    return (await answer).payload
  } catch (thrown) {
    return toAppError(thrown).code
  }
}

function asText(outcome: Uint8Array | string): string {
  return typeof outcome === 'string' ? outcome : text(outcome)
}

function twoEnds(
  { seed, spreadMs, ...rates }: Weather,
  parameters: Partial<CoapParameters> = {},
): { clock: VirtualClock; tree: ResourceTree; server: CoapEndpoint; client: CoapEndpoint; network: MemoryNetwork } {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const network = new MemoryNetwork({ clock, random, ...rates, delayMs: { min: 1, max: 1 + spreadMs }, maxInFlight: 100_000 })
  const tree = new ResourceTree()
  const common = { clock, random, logger: silentLogger, parameters: { maxRetransmit: 12, blockLifetimeMs: HOURS_MS, ...parameters } }
  const server = new CoapEndpoint({ ...common, channel: network.channel(OURS), tree })
  return { clock, tree, server, network, client: new CoapEndpoint({ ...common, channel: network.channel(CLIENT) }) }
}

describe('bodies in blocks', () => {
  it('arrive whole and in order, both ways, whatever is lost, doubled or overtaken', async () => {
    await fc.assert(
      fc.asyncProperty(
        weather,
        fc.integer({ min: 0, max: 4000 }),
        fc.constantFrom(16, 32, 128, 1024),
        async (sky, length, maxBlockBytes) => {
          const ends = twoEnds(sky, { maxBlockBytes })
          const got: Uint8Array[] = []
          ends.tree.add('/e', {
            handlers: { POST: (request) => (got.push(request.payload), { code: '2.04', payload: request.payload.slice().reverse() }) },
          })
          const body = pattern(Math.min(length, maxBlockBytes * 20), (sky.seed % 250) + 1)
          const answer = ends.client.request(OURS, { method: 'POST', path: ['e'], payload: body })
          const outcome = await ends.clock.until(settled(answer), HOURS_MS)
          // Thirteen transmissions may all be lost: then the caller hears of it, and what has arrived is whole all the same.
          if (outcome !== TIMEOUT) expect(outcome).toEqual(body.slice().reverse())
          expect(got).toEqual(got.length === 0 && outcome === TIMEOUT ? [] : [body])
          expect(ends.client.holdings().blockwiseBytes).toBe(0)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('are whole or refused when the blocks of several are sent in any order, any number of times', async () => {
    const block = fc.record({ body: fc.nat(2), num: fc.nat(4), tag: fc.nat(1) })
    await fc.assert(
      fc.asyncProperty(fc.array(block, { maxLength: 60 }), async (steps) => {
        const place = bench({}, { maxInFlight: 1000 })
        const done: string[] = []
        place.tree.add('/p', { handlers: { PUT: (request) => (done.push(toHex(request.payload)), { code: '2.04' }) } })
        const client = place.peer()
        const bodies = [0, 1, 2].map((which) => pattern(16 * 4 + 5, which + 3))
        for (const [index, { body, num, tag }] of steps.entries()) {
          const options = [...path('p'), blockOption(27, { num, more: num < 4, szx: 0 }), opaqueOption(292, Uint8Array.of(tag, body))]
          client.send({ code: '0.03', messageId: index, options, payload: bodies[body]!.slice(num * 16, num * 16 + 16) })
        }
        await place.clock.advance(100)
        const whole = new Set(bodies.map((body) => toHex(body)))
        expect(done.every((body) => whole.has(body))).toBe(true)
        expect(client.take()).toHaveLength(steps.length)
      }),
      { numRuns: 200 },
    )
  })

  it('are never mixed of two states, however often the resource changes under way', async () => {
    await fc.assert(
      fc.asyncProperty(weather, fc.array(fc.nat(2000), { maxLength: 6 }), async (sky, changes) => {
        const ends = twoEnds({ ...sky, lossRate: sky.lossRate / 2 }, { maxBlockBytes: 64, blockLifetimeMs: 500 })
        let version = 1
        ends.tree.add('/s', { handlers: { GET: () => ({ code: '2.05', payload: pattern(500, version) }) } })
        for (const atMs of changes) ends.clock.setTimer(atMs, () => version++)
        const answer = ends.client.request(OURS, { method: 'GET', path: ['s'] })
        const outcome = await ends.clock.until(settled(answer), HOURS_MS)
        const states = Array.from({ length: version }, (_, index) => toHex(pattern(500, index + 1)))
        if (typeof outcome === 'string') expect([TIMEOUT, 'coap.message-invalid']).toContain(outcome)
        else expect(states).toContain(toHex(outcome))
      }),
      { numRuns: 60 },
    )
  })
})

describe('deduplication', () => {
  it('has each request done once and each copy of a Confirmable one answered alike, in any order of arrival', async () => {
    const arrival = fc.record({ peer: fc.nat(2), messageId: fc.nat(12), non: fc.boolean(), waitMs: fc.nat(3000) })
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 80 }), async (arrivals) => {
        const place = bench()
        let done = 0
        place.tree.add('/r', { handlers: { POST: () => ({ code: '2.04', payload: utf8(`${++done}`) }) } })
        const peers = [0, 1, 2].map((index) => place.peer(`2001:db8::a:${index}`))
        const first = new Map<string, string>()
        for (const { peer, messageId, non, waitMs } of arrivals) {
          // Within NON_LIFETIME all in all, so that no ID may be taken for a new one.
          await place.clock.advance(Math.min(waitMs, 1000))
          const key = `${peer} ${messageId}`
          const before = done
          peers[peer]!.send({ type: non ? 'NON' : 'CON', code: '0.02', messageId, token: Uint8Array.of(peer), options: path('r') })
          await place.clock.advance(5)
          const answers = peers[peer]!.take().map((one) => text(one.payload))
          const known = first.get(key)
          if (known === undefined) {
            expect([done, answers]).toEqual([before + 1, [`${done}`]])
            first.set(key, non ? 'NON' : `${done}`)
          } else {
            expect(done).toBe(before)
            if (non) expect(answers).toEqual([])
            else if (known !== 'NON') expect(answers).toEqual([known])
          }
        }
        expect(done).toBe(first.size)
      }),
      { numRuns: 100 },
    )
  })

  it('has each of many requests done once over any network', async () => {
    await fc.assert(
      fc.asyncProperty(weather, fc.integer({ min: 1, max: 30 }), async (sky, count) => {
        const ends = twoEnds(sky, { nstart: 4 })
        const done = new Map<string, number>()
        ends.tree.add('/r', {
          handlers: {
            POST: (request) => {
              const which = text(request.payload)
              done.set(which, (done.get(which) ?? 0) + 1)
              return { code: '2.04', payload: request.payload }
            },
          },
        })
        const answers = Array.from({ length: count }, (_, index) =>
          ends.client.request(OURS, { method: 'POST', path: ['r'], payload: utf8(`${index}`) }),
        )
        const outcomes = await ends.clock.until(Promise.all(answers.map(settled)), HOURS_MS)
        for (const [index, outcome] of outcomes.entries()) expect([TIMEOUT, `${index}`]).toContain(asText(outcome))
        expect([...done.values()].every((times) => times === 1)).toBe(true)
        expect(done.size).toBeGreaterThanOrEqual(outcomes.filter((outcome) => outcome !== TIMEOUT).length)
      }),
      { numRuns: 60 },
    )
  })
})

describe('tokens', () => {
  it('are not used twice at a time, and give each request its own response, whatever order the responses come in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(0x7fffffff), fc.shuffledSubarray([...Array(24).keys()], { minLength: 24 }), async (seed, order) => {
        const clock = new VirtualClock()
        const network = new MemoryNetwork({ clock, random: seededRandom(seed), maxInFlight: 1000 })
        // A generator of few different tokens, so that they would collide all the time.
        const real = seededRandom(seed)
        const random = { ...real, bytes: (length: number) => new Uint8Array(length).fill(real.below(40)) }
        const client = new CoapEndpoint({
          channel: network.channel(CLIENT),
          clock,
          random,
          logger: silentLogger,
          parameters: { nstart: 100 },
        })
        const server = network.channel(OURS)
        const requests: Uint8Array[] = []
        server.subscribe((event) => {
          if (event.kind === 'datagram') requests.push(event.datagram.payload)
        })
        const observation = client.observe(OURS, { method: 'GET', path: ['o'] })
        const answers = Array.from({ length: 24 }, (_, index) => client.request(OURS, { method: 'GET', path: [`${index}`] }))
        await clock.advance(5)
        const tokens = requests.map((bytes) => toHex(bytes.slice(4, 8)))
        expect([tokens.length, new Set(tokens).size]).toEqual([25, 25])
        for (const index of order) {
          const token = requests[index + 1]!.slice(4, 8)
          server.send(encodeMessage(msg({ type: 'NON', code: '2.05', messageId: index, token, payload: utf8(`${index}`) })), CLIENT)
        }
        const got = (await clock.until(Promise.all(answers))).map((response) => text(response.payload))
        expect(got).toEqual(Array.from({ length: 24 }, (_, index) => `${index}`))
        observation.forget()
      }),
      { numRuns: 50 },
    )
  })
})

describe('observations', () => {
  it('order any two of numbers as serial arithmetic does (RFC 7641 §3.4)', () => {
    fc.assert(
      fc.property(fc.nat(0xffffff), fc.integer({ min: 1, max: 2 ** 23 - 1 }), fc.nat(128_000), (start, step, waitMs) => {
        const earlier = { number: start, atMs: 0 }
        const later = { number: (start + step) & 0xffffff, atMs: waitMs }
        expect([isSentLater(earlier, later), isSentLater({ ...later, atMs: 0 }, { ...earlier, atMs: waitMs })]).toEqual([true, false])
      }),
    )
  })

  it('come to the last state once the network allows, whatever has been lost, doubled or overtaken before', async () => {
    await fc.assert(
      fc.asyncProperty(weather, fc.array(fc.nat(20_000), { minLength: 1, maxLength: 25 }), async (sky, changes) => {
        const ends = twoEnds({ ...sky, lossRate: sky.lossRate / 2 })
        const subject = new Observable()
        let version = 0
        ends.tree.add('/s', { observable: subject, handlers: { GET: () => ({ code: '2.05', payload: utf8(`${version}`) }) } })
        const seen: number[] = []
        const onNotification = (one: { payload: Uint8Array }): void => void seen.push(Number(text(one.payload)))
        ends.client.observe(OURS, { method: 'GET', path: ['s'] }, { onNotification })
        for (const waitMs of changes) {
          await ends.clock.advance(waitMs)
          version++
          subject.notify()
        }
        ends.network.setLossRate(0)
        await ends.clock.advance(HOURS_MS / 4)
        expect(seen.at(-1)).toBe(version)
        // Never backwards.
        expect(seen).toEqual([...seen].sort((a, b) => a - b))
        expect(ends.server.holdings().observers).toBe(1)
      }),
      { numRuns: 60 },
    )
  })

  it('leave nothing behind at either end, however registrations, rejections and cancellations are mixed', async () => {
    const step = fc.record({ token: fc.nat(5), act: fc.constantFrom('register', 'cancel', 'reset', 'notify', 'wait', 'acknowledge') })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const place = bench({ maxObserversPerPeer: 4 })
        const subject = new Observable()
        place.tree.add('/o', { observable: subject, handlers: { GET: () => ({ code: '2.05' }) } })
        const client = place.peer()
        let messageId = 0
        for (const { token, act } of steps) {
          const ask = (observe: number): void =>
            client.send({ messageId: ++messageId, token: Uint8Array.of(token), options: [uintOption(6, observe), ...path('o')] })
          const newest = client.inbox.at(-1)?.message
          if (act === 'register') ask(0)
          else if (act === 'cancel') ask(1)
          else if (act === 'notify') subject.notify()
          else if (act === 'wait') await place.clock.advance(20_000)
          else if (newest !== undefined) client.send({ type: act === 'reset' ? 'RST' : 'ACK', code: '0.00', messageId: newest.messageId })
          await place.clock.advance(3)
          expect(place.endpoint.holdings().observers).toBeLessThanOrEqual(4)
        }
        // Nobody acknowledges any more: the liveness check finds that out.
        await place.clock.advance(3 * 3_600_000)
        expect([place.endpoint.holdings().observers, place.clock.pendingTimers]).toEqual([0, 0])
      }),
      { numRuns: 150 },
    )
  })
})

describe('a cache', () => {
  it('gives no state that is older than its Max-Age, none from before an own change, and holds no more than it may', async () => {
    const step = fc.record({
      act: fc.constantFrom('ask', 'ask', 'ask', 'elsewhere', 'change', 'wait'),
      path: fc.constantFrom('a', 'b', 'c', 'd'),
      waitMs: fc.nat(8000),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.boolean(), async (steps, tagged) => {
        const place = bench()
        const maxAgeS = 5
        const states = new Map<string, Array<{ value: string; fromMs: number }>>()
        let counter = 0
        const change = (name: string): void => {
          states.set(name, [...(states.get(name) ?? []), { value: `${name}${++counter % 7}`, fromMs: place.clock.monotonicMs() }])
        }
        for (const name of ['a', 'b', 'c', 'd']) {
          change(name)
          place.tree.add(`/${name}`, {
            handlers: {
              GET: (request) => {
                const payload = utf8(states.get(name)!.at(-1)!.value)
                const options = [uintOption(14, maxAgeS), ...(tagged ? [entityTag(payload)] : [])]
                return validated(request, { code: '2.05', payload, options })
              },
              PUT: () => (change(name), { code: '2.04' }),
            },
          })
        }
        const common = { clock: place.clock, random: place.random, logger: silentLogger }
        const client = new CoapEndpoint({ ...common, channel: place.channelAt('2001:db8::c'), cache: { maxEntries: 3 } })
        for (const { act, path: name, waitMs } of steps) {
          if (act === 'wait') await place.clock.advance(waitMs)
          else if (act === 'elsewhere') change(name)
          else if (act === 'change') {
            await place.clock.until(client.request(OURS, { method: 'PUT', path: [name] }))
            expect(text((await place.clock.until(client.request(OURS, { method: 'GET', path: [name] }))).payload)).toBe(
              states.get(name)!.at(-1)!.value,
            )
          } else {
            const askedMs = place.clock.monotonicMs()
            const response = await place.clock.until(client.request(OURS, { method: 'GET', path: [name] }))
            const history = states.get(name)!
            const possible = history.filter((_, index) => (history[index + 1]?.fromMs ?? Infinity) >= askedMs - maxAgeS * 1000 - 10)
            expect(possible.map((state) => state.value)).toContain(text(response.payload))
          }
          expect(client.holdings().cachedResponses).toBeLessThanOrEqual(3)
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('Echo', () => {
  it('takes no value but those that it has given', async () => {
    const place = bench({}, { maxInFlight: 10_000 })
    let done = 0
    place.tree.add('/e', { echo: { freshnessMs: 1000 }, handlers: { GET: () => (done++, { code: '2.05' }) } })
    const client = place.peer()
    let messageId = 0
    const ask = async (echo: Uint8Array): Promise<Uint8Array> => {
      client.send({ messageId: ++messageId, options: [...path('e'), opaqueOption(252, echo), stringOption(15, 'q')] })
      await place.clock.advance(3)
      const [answer] = client.take()
      return findOption(answer!.options, 252)?.value ?? new Uint8Array(0)
    }
    let given = await ask(Uint8Array.of(1))
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.nat(13),
        fc.integer({ min: 1, max: 255 }),
        async (bytes, at, flip) => {
          const forged = given.slice()
          forged[at] = forged[at]! ^ flip
          given = await ask(forged)
          await ask(bytes)
          expect(done).toBe(0)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('an endpoint that observes, is observed, asks for Echo and takes long tokens', () => {
  it('survives 20 000 random and mutated datagrams within its bounds, and serves on', async () => {
    const parameters = { maxObservers: 200, maxObserversPerPeer: 50, maxTokenBytes: 64, maxDedupEntries: 2000 }
    const place = bench({ ...parameters, maxBlockwiseBytes: 100_000, maxBlockwiseBytesPerPeer: 50_000 }, { maxInFlight: 100_000 })
    const subject = new Observable()
    const answer = (): { code: '2.05'; payload: Uint8Array } => ({ code: '2.05', payload: pattern(200) })
    place.tree.add('/o', { observable: subject, handlers: { GET: answer, FETCH: answer } })
    place.tree.add('/e', { echo: { freshnessMs: 1000 }, handlers: { PUT: () => ({ code: '2.04' }) } })
    const random = seededRandom(7641)
    const senders = [1, 2, 3].map((index) => place.channelAt(`2001:db8::f:${index}`))
    const observation = place.endpoint.observe(senders[0]!.local, { method: 'GET', path: ['x'] }, { confirmable: false })
    const trial = place.endpoint.supportsTokens(senders[1]!.local, 20).catch(() => false)
    const { token } = decodeMessage(await firstFrom(place, senders[0]!))
    const corpus = [
      msg({ token: utf8('a'), options: [uintOption(6, 0), ...path('o')] }),
      msg({ token: utf8('b'), type: 'NON', options: [uintOption(6, 0), ...path('o'), blockOption(23, { num: 0, more: false, szx: 1 })] }),
      msg({ token: utf8('a'), options: [uintOption(6, 1), ...path('o')] }),
      msg({ code: '0.05', token: pattern(30), options: [uintOption(6, 0), ...path('o')], payload: utf8('q') }),
      msg({ code: '0.03', options: [...path('e'), opaqueOption(252, pattern(14))] }),
      msg({ type: 'RST', code: '0.00' }),
      msg({ type: 'ACK', code: '0.00' }),
      msg({
        type: 'CON',
        code: '2.05',
        token,
        options: [uintOption(6, 3), blockOption(23, { num: 0, more: true, szx: 0 })],
        payload: pattern(16),
      }),
      msg({ type: 'NON', code: '2.05', token, options: [uintOption(6, 9), uintOption(14, 1)] }),
    ].map((message) => encodeMessage(message, true))
    let mostObservers = 0
    for (let index = 0; index < 20_000; index++) {
      const bytes = index % 5 === 0 ? random.bytes(random.below(40)) : corpus[random.below(corpus.length)]!.slice()
      for (let flips = random.below(4); flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256)
      // Message IDs of all kinds, or the answers would all be those to duplicates.
      if (bytes.length > 3 && index % 3 > 0) bytes.set(random.bytes(2), 2)
      senders[random.below(3)]!.send(bytes, OURS)
      if (index % 50 === 0) subject.notify()
      if (index % 500 === 0) await place.clock.advance(300)
      mostObservers = Math.max(mostObservers, place.endpoint.holdings().observers)
      expect(place.endpoint.holdings().blockwiseBytes).toBeLessThanOrEqual(200_000)
    }
    expect(mostObservers).toBeGreaterThan(2)
    expect(mostObservers).toBeLessThanOrEqual(150)
    expect(place.endpoint.counters().requestsServed).toBeGreaterThan(1000)
    observation.forget()
    await place.clock.advance(4 * 3_600_000)
    await place.clock.until(trial)
    expect(place.endpoint.holdings()).toMatchObject({ observers: 0, observations: 0, blockwiseBytes: 0, serving: 0 })
    expect(place.clock.pendingTimers).toBe(0)
    const client = place.another('2001:db8::9')
    const response = await place.clock.until(client.request(OURS, { method: 'PUT', path: ['e'] }))
    expect(response.code).toBe('2.04')
  }, 60_000)

  async function firstFrom(place: Bench, at: MemoryChannel): Promise<Uint8Array> {
    let first: Uint8Array | undefined
    const stop = at.subscribe((event) => {
      if (event.kind === 'datagram') first ??= event.datagram.payload
    })
    await place.clock.advance(5)
    stop()
    if (first === undefined) throw new Error('nothing came')
    return first
  }
})
