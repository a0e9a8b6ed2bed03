// Caching of responses to group requests: draft-ietf-core-groupcomm-bis-18 §3.2, RFC 7252 §5.6 and §8.2.1.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '#main/base/index.ts'
import {
  CachingGroupClient,
  CoapEndpoint,
  findOptions,
  opaqueOption,
  ResourceTree,
  ServerETags,
  uintOption,
  type ClientRequest,
  type ClientResponse,
  type GroupCacheOptions,
  type GroupRequestOptions,
} from '#main/wire/coap/index.ts'
import { all, bench, text, utf8, type Bench } from './harness.ts'

const GROUP = { address: 'ff05::fd', port: 5683 }
const ETAG = 4
const MAX_AGE = 14
const GET: ClientRequest = { method: 'GET', path: ['t'] }
const A = '2001:db8::a'
const B = '2001:db8::b'

interface Sensor {
  value: string
  maxAgeS: number
  silent: boolean
  readonly asked: Array<{ readonly etags: number; readonly multicast: boolean }>
}

function sensor(place: Bench, address: string, etags = new ServerETags(address)): Sensor {
  const it: Sensor = { value: `v ${address}`, maxAgeS: 60, silent: false, asked: [] }
  const channel = place.channelAt(address)
  channel.joinGroup(GROUP.address)
  const tree = new ResourceTree()
  tree.add('/t', {
    answersGroupRequests: true,
    handlers: {
      GET: (request) => {
        it.asked.push({ etags: findOptions(request.options, ETAG).length, multicast: request.multicast })
        if (it.silent && request.multicast) return undefined
        return etags.answer(request, { code: '2.05', payload: utf8(it.value), options: [uintOption(MAX_AGE, it.maxAgeS)] })
      },
      PUT: () => ({ code: '2.04' }),
    },
  })
  new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
  return it
}

function client(
  place: Bench,
  options: Partial<GroupCacheOptions> = {},
): (more?: Partial<GroupRequestOptions>, request?: ClientRequest) => Promise<ClientResponse[]> {
  const caching = new CachingGroupClient({ client: place.endpoint, clock: place.clock, ...options })
  return (more = {}, request = GET) => place.clock.until(all(caching.groupRequest(GROUP, request, { deadlineMs: 6000, ...more })))
}

const values = (responses: ClientResponse[]): string[] => responses.map((response) => `${response.code} ${text(response.payload)}`).sort()

describe('a cache of responses to group requests', () => {
  it('validates by ETag in the group request; the state comes from the cache, its freshness from the 2.03', async () => {
    const place = bench()
    const [a, b] = [sensor(place, A), sensor(place, B)]
    const ask = client(place)
    expect(values(await ask())).toEqual([`2.05 v ${A}`, `2.05 v ${B}`])
    await place.clock.advance(100_000)
    b.value = 'changed'
    expect(values(await ask())).toEqual(['2.05 changed', `2.05 v ${A}`])
    expect(a.asked.map((one) => one.etags)).toEqual([0, 2])
    const received = place.traces.filter((event) => event.direction === 'received').map((event) => event.message!.code)
    expect(received.sort()).toEqual(['2.03', '2.05', '2.05', '2.05'])
  })

  it('sends the request even where everything stored is fresh: new members may have joined (RFC 7252 §8.2.1)', async () => {
    const place = bench()
    const a = sensor(place, A)
    const ask = client(place)
    await ask()
    await ask()
    expect(a.asked).toHaveLength(2)
  })

  it('sends none where all members are known and a fresh response of each is stored (§3.2.1)', async () => {
    const place = bench()
    const [a, b] = [sensor(place, A), sensor(place, B)]
    const ask = client(place)
    await ask()
    const cached = await ask({ members: [A, B] })
    expect(values(cached)).toEqual([`2.05 v ${A}`, `2.05 v ${B}`])
    expect(cached.every((response) => response.ageMs !== undefined && response.ageMs > 0)).toBe(true)
    expect([a.asked.length, b.asked.length]).toEqual([1, 1])
    await ask({ members: [A, B, '2001:db8::c'] })
    expect(a.asked).toHaveLength(2)
    await place.clock.advance(61_000)
    await ask({ members: [A, B] })
    expect(a.asked).toHaveLength(3)
  })

  it('adds fresh responses of servers that were silent this time, stale ones not (§3.2)', async () => {
    const place = bench()
    const [a] = [sensor(place, A), sensor(place, B)]
    const ask = client(place)
    await ask()
    a.silent = true
    expect(values(await ask())).toEqual([`2.05 v ${A}`, `2.05 v ${B}`])
    await place.clock.advance(61_000)
    expect(values(await ask())).toEqual([`2.05 v ${B}`])
  })

  it('keeps what only one server has said apart from what another says under the same ETag (§3.2.2.1)', async () => {
    const place = bench()
    const same = new ServerETags('both')
    const [a, b] = [sensor(place, A, same), sensor(place, B, same)]
    a.value = 'same'
    b.value = 'other'
    const ask = client(place)
    await ask()
    b.value = 'same'
    // B answers 2.03 by the tag of A's state: asked again, by unicast and without it.
    expect(values(await ask())).toEqual(['2.05 same', '2.05 same'])
    expect(b.asked.at(-1)).toEqual({ etags: 0, multicast: false })
    // The tag is not used for validation any more; nor is one that two servers have sent.
    await ask()
    expect(a.asked.at(-1)?.etags).toBe(0)
  })

  it('does not validate by a tag again that a server has taken for its own', async () => {
    const place = bench()
    const a = sensor(place, A)
    const odd = place.peer(B)
    odd.channel.joinGroup(GROUP.address)
    odd.channel.subscribe(() => {
      for (const message of odd.take()) {
        const [tag] = findOptions(message.options, ETAG)
        const reply = { messageId: message.messageId, token: message.token }
        if (message.type === 'CON') odd.send({ ...reply, type: 'ACK', code: '2.05', payload: utf8('own') })
        else if (tag !== undefined) odd.send({ ...reply, type: 'NON', code: '2.03', options: [tag] })
      }
    })
    const ask = client(place)
    await ask()
    expect(values(await ask())).toEqual(['2.05 own', `2.05 v ${A}`])
    await ask()
    expect(a.asked.map((one) => one.etags)).toEqual([0, 1, 0])
  })

  it('marks an ETag as duplicated as soon as a second server sends it', async () => {
    const place = bench()
    const same = new ServerETags('both')
    const [a, b] = [sensor(place, A, same), sensor(place, B, same)]
    a.value = 'x'
    b.value = 'x'
    const ask = client(place)
    await ask()
    await ask()
    expect(a.asked.map((one) => one.etags)).toEqual([0, 0])
  })

  it('puts no more ETags into a request than a frame has room for, the stalest first', async () => {
    const place = bench()
    const all8 = Array.from({ length: 8 }, (_, index) => sensor(place, `2001:db8::${index + 16}`))
    const ask = client(place, { maxETags: 3 })
    await ask()
    await ask()
    expect(all8[0]!.asked.map((one) => one.etags)).toEqual([0, 3])
  })

  it('serves a unicast request to a server that has answered the group (§3.2), while it is fresh', async () => {
    const place = bench()
    const a = sensor(place, A)
    const caching = new CachingGroupClient({ client: place.endpoint, clock: place.clock })
    await place.clock.until(all(caching.groupRequest(GROUP, GET, { deadlineMs: 6000 })))
    const at = { address: A, port: 5683 }
    expect(text((await caching.request(at, GET)).payload)).toBe(`v ${A}`)
    expect(a.asked).toHaveLength(1)
    await place.clock.advance(61_000)
    const again = await place.clock.until(caching.request(at, GET))
    expect(text(again.payload)).toBe(`v ${A}`)
    expect(a.asked.at(-1)).toEqual({ etags: 1, multicast: false })
    expect(again.ageMs).toBeUndefined()
    // Another port is another server.
    await expect(place.clock.until(caching.request({ ...at, port: 6000 }, GET))).rejects.toMatchObject({ code: 'coap.timeout' })
  })

  it('tells apart requests that differ in an option of the cache key, and for FETCH in the body', async () => {
    const place = bench()
    const a = sensor(place, A)
    const ask = client(place)
    await ask()
    await ask({ members: [A] }, { ...GET, accept: 60 })
    await ask({ members: [A] }, { ...GET, query: ['x=1'] })
    await ask({ members: [A] }, { ...GET, options: [opaqueOption(3, utf8('grp.example'))] })
    expect(a.asked).toHaveLength(4)
    expect(a.asked.every((one) => one.etags === 0)).toBe(true)
  })

  it('takes what a change of the resource has made stale for stale (RFC 7252 §5.9.1)', async () => {
    const place = bench()
    const a = sensor(place, A)
    const ask = client(place)
    await ask()
    await ask({}, { method: 'PUT', path: ['t'], payload: utf8('new') })
    await ask({ members: [A] })
    expect(a.asked).toHaveLength(2)
  })

  it('holds no more than it may (property)', async () => {
    const place = bench()
    let payload = new Uint8Array(0)
    const fake = {
      channelId: 'x',
      groupRequestBytes: () => 0,
      request: () => Promise.reject(new DOMException('no', 'AbortError')),
      async *groupRequest(): AsyncGenerator<ClientResponse> {
        for (let host = 0; host < 20; host++) {
          const source = { address: `2001:db8::${host}`, port: 5683 }
          yield await Promise.resolve({ code: '2.05', options: [], payload, contentFormat: undefined, source, elapsedMs: 1 } as const)
        }
      },
    }
    const caching = new CachingGroupClient({ client: fake, clock: place.clock, maxEntries: 50, maxBytes: 40_000 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ path: fc.string({ maxLength: 3 }), bytes: fc.integer({ min: 0, max: 3000 }) }), { maxLength: 20 }),
        async (steps) => {
          for (const step of steps) {
            payload = new Uint8Array(step.bytes)
            await all(caching.groupRequest(GROUP, { method: 'GET', path: [step.path] }, { deadlineMs: 1 }))
            const { entries, bytes } = caching.holdings()
            expect(entries).toBeLessThanOrEqual(50)
            expect(bytes).toBeLessThanOrEqual(40_000)
            expect(bytes).toBeGreaterThanOrEqual(entries * 256)
          }
        },
      ),
      { numRuns: 30 },
    )
  })
})
