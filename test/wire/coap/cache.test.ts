// RFC 7252 §5.6, §5.9.1, §5.10.5, §5.10.6: the client's cache, and what servers say for it.
import { beforeEach, describe, expect, it } from 'vitest'
import { seededRandom, silentLogger } from '#main/base/index.ts'
import {
  checkPreconditions,
  CoapEndpoint,
  entityTag,
  findOption,
  findOptions,
  location,
  locationOf,
  maxAge,
  Observable,
  opaqueOption,
  PRECONDITION_OPTIONS,
  stringOption,
  tooManyRequests,
  uintOption,
  validated,
  type CacheLimits,
  type ClientRequest,
  type ClientResponse,
  type CoapOption,
  type IncomingRequest,
  type OutgoingResponse,
  type RequestOptions,
} from '#main/wire/coap/index.ts'
import { bench, OURS, pattern, text, utf8, type Bench } from './harness.ts'

const ETAG = 4
const r = { method: 'GET', path: ['r'] } as const

let place: Bench
let client: CoapEndpoint
let answer: OutgoingResponse
let asked: IncomingRequest[]

function caching(limits: Partial<CacheLimits> = {}): void {
  place = bench()
  asked = []
  answer = { code: '2.05', payload: utf8('one') }
  const handler = (request: IncomingRequest): OutgoingResponse => {
    asked.push(request)
    return validated(request, answer)
  }
  const change = (request: IncomingRequest): OutgoingResponse => {
    asked.push(request)
    return request.method === 'POST' ? { code: '2.01', options: location(['made', 'here']) } : { code: '2.04' }
  }
  const handlers = { GET: handler, FETCH: handler, PUT: change, POST: change, PATCH: change, iPATCH: change, DELETE: change }
  for (const at of ['/r', '/made']) place.tree.add(at, { subtree: true, handlers })
  const { clock } = place
  const channel = place.channelAt('2001:db8::2')
  client = new CoapEndpoint({ channel, clock, random: seededRandom(1), logger: silentLogger, cache: limits })
}

beforeEach(() => caching())

async function ask(request: ClientRequest = r, options?: RequestOptions): Promise<ClientResponse> {
  return place.clock.until(client.request(OURS, request, options))
}

describe('a cache', () => {
  it('answers from what is fresh, for Max-Age and not longer (§5.6.1)', async () => {
    answer = { code: '2.05', payload: utf8('one'), options: [maxAge(30)] }
    const first = await ask()
    await place.clock.advance(29_000)
    const second = await ask()
    expect([first.ageMs, text(second.payload), asked.length]).toEqual([undefined, 'one', 1])
    expect(second.ageMs).toBeCloseTo(29_000, -2)
    await place.clock.advance(1001)
    expect((await ask()).ageMs).toBeUndefined()
    expect(asked).toHaveLength(2)
  })

  it('takes 60 s where nothing is said (§5.10.5)', async () => {
    await ask()
    await place.clock.advance(59_000)
    await ask()
    expect(asked).toHaveLength(1)
    await place.clock.advance(2000)
    await ask()
    expect(asked).toHaveLength(2)
  })

  it('keeps nothing with a Max-Age of 0 and no ETag', async () => {
    answer = { code: '2.05', options: [maxAge(0)] }
    await ask()
    await ask()
    expect([asked.length, client.holdings().cachedResponses]).toEqual([2, 0])
  })

  it('validates what is stale by its ETag, and takes over what the 2.03 says anew (§5.6.2, §5.9.1.3)', async () => {
    answer = { code: '2.05', payload: utf8('one'), contentFormat: 50, options: [entityTag(utf8('one')), maxAge(10)] }
    await ask()
    await place.clock.advance(11_000)
    answer = { ...answer, options: [entityTag(utf8('one')), maxAge(100)] }
    const again = await ask()
    expect(findOptions(asked[1]!.options, ETAG)).toEqual([entityTag(utf8('one'))])
    expect([again.code, text(again.payload), again.contentFormat, again.ageMs]).toEqual(['2.05', 'one', 50, undefined])
    expect(findOptions(again.options, 14)).toEqual([maxAge(100)])
    await place.clock.advance(99_000)
    await ask()
    expect(asked).toHaveLength(2)
    answer = { code: '2.05', payload: utf8('two'), options: [entityTag(utf8('two'))] }
    await place.clock.advance(2000)
    expect([text((await ask()).payload), text((await ask()).payload), asked.length]).toEqual(['two', 'two', 3])
  })

  it('asks again in full when a 2.03 names another ETag', async () => {
    answer = { code: '2.05', payload: utf8('one'), options: [entityTag(utf8('one')), maxAge(0)] }
    await ask()
    let turn = 0
    place.tree.add('/odd', {
      handlers: { GET: () => (turn++ === 1 ? { code: '2.03', options: [entityTag(utf8('?'))] } : answer) },
    })
    await ask({ method: 'GET', path: ['odd'] })
    expect([(await ask({ method: 'GET', path: ['odd'] })).code, turn]).toEqual(['2.05', 3])
  })

  it('tells requests apart by everything that belongs to the Cache-Key, and by nothing else (§5.4.2)', async () => {
    const variants: ClientRequest[] = [
      r,
      { ...r, path: ['r', 'x'] },
      { ...r, query: ['a'] },
      { ...r, accept: 50 },
      { ...r, options: [stringOption(3, 'host')] },
      { method: 'FETCH', path: ['r'], payload: utf8('a') },
      { method: 'FETCH', path: ['r'], payload: utf8('b') },
    ]
    for (const variant of variants) await ask(variant)
    expect(asked).toHaveLength(variants.length)
    for (const variant of variants) await ask(variant)
    // Size1 is NoCacheKey.
    await ask({ ...r, options: [uintOption(60, 7)] })
    expect(asked).toHaveLength(variants.length)
  })

  it.each<[string, CoapOption]>([
    ['an ETag of the caller', opaqueOption(ETAG, utf8('x'))],
    ['an Observe option', uintOption(6, 0)],
    ['an unknown unsafe option', uintOption(2050, 1)],
    ['No-Response', uintOption(258, 0)],
  ])('leaves a request with %s alone', async (_, option) => {
    await ask({ ...r, options: [option] })
    await ask({ ...r, options: [option] })
    expect([asked.length, client.holdings().cachedResponses]).toEqual([2, 0])
  })

  it('is passed by on demand', async () => {
    await ask(r, { cache: 'bypass' })
    await ask()
    await ask(r, { cache: 'bypass' })
    expect(asked).toHaveLength(2 + 1)
  })

  it.each(['PUT', 'PATCH', 'iPATCH', 'DELETE'] as const)('takes nothing of a resource for fresh after a %s (§5.9.1)', async (method) => {
    await ask()
    await ask({ ...r, query: ['q'] })
    await ask({ ...r, path: ['r', 'below'] })
    await ask({ method, path: ['r'] })
    asked.length = 0
    await ask()
    await ask({ ...r, query: ['q'] })
    await ask({ ...r, path: ['r', 'below'] })
    expect(asked.map((request) => [request.path, request.query])).toEqual([
      [['r'], []],
      [['r'], ['q']],
    ])
  })

  it('takes nothing for fresh of what a POST has created', async () => {
    const made = { method: 'GET', path: ['made', 'here'] } as const
    await ask(made)
    await ask({ method: 'POST', path: ['r'] })
    await ask(made)
    expect(asked.filter((request) => request.path[0] === 'made')).toHaveLength(2)
  })

  it('keeps errors as long as they say, but no unknown success and no 2.04 (§5.9)', async () => {
    answer = { code: '4.04', options: [maxAge(10)] }
    await ask()
    expect([(await ask()).code, asked.length]).toEqual(['4.04', 1])
    await place.clock.advance(11_000)
    answer = { code: '2.31' }
    await ask()
    await ask()
    expect(asked).toHaveLength(3)
  })

  it('keeps bodies that came in blocks', async () => {
    answer = { code: '2.05', payload: pattern(5000) }
    await ask()
    expect([(await ask()).payload, asked.length]).toEqual([pattern(5000), 1])
  })

  it('takes notifications in (RFC 7641 §3.3)', async () => {
    const subject = new Observable()
    place.tree.add('/o', { observable: subject, handlers: { GET: () => answer } })
    client.observe(OURS, { method: 'GET', path: ['o'] })
    await place.clock.advance(10)
    answer = { code: '2.05', payload: utf8('two') }
    subject.notify()
    await place.clock.advance(10)
    const response = await ask({ method: 'GET', path: ['o'] })
    expect([text(response.payload), response.ageMs !== undefined]).toEqual(['two', true])
  })

  it('stays within its bounds, and drops what was unused for longest', async () => {
    caching({ maxEntries: 3 })
    for (const segment of ['a', 'b', 'c']) await ask({ ...r, path: ['r', segment] })
    await ask({ ...r, path: ['r', 'a'] })
    await ask({ ...r, path: ['r', 'd'] })
    asked.length = 0
    for (const segment of ['a', 'c', 'd', 'b']) await ask({ ...r, path: ['r', segment] })
    expect(asked.map((request) => request.path[1])).toEqual(['b'])
    caching({ maxBytes: 10_000 })
    answer = { code: '2.05', payload: pattern(4000) }
    for (let index = 0; index < 20; index++) await ask({ ...r, path: ['r', `${index}`] })
    expect(client.holdings().cachedResponses).toBe(2)
    answer = { code: '2.05', payload: pattern(20_000) }
    await ask({ ...r, path: ['r', 'huge'] })
    expect(client.holdings().cachedResponses).toBe(2)
  })

  it('is not there unless asked for', async () => {
    const plain = place.another('2001:db8::5')
    for (let turn = 0; turn < 2; turn++) await place.clock.until(plain.request(OURS, r))
    expect([asked.length, plain.holdings().cachedResponses]).toEqual([2, 0])
  })
})

describe('preconditions (RFC 7252 §5.10.8)', () => {
  const current = entityTag(utf8('now'))
  const other = entityTag(utf8('then'))
  const match = (value: Uint8Array): CoapOption => opaqueOption(1, value)
  const none = opaqueOption(5, new Uint8Array(0))
  it.each<[string, CoapOption[], CoapOption | 'exists' | undefined, string]>([
    ['If-Match with the ETag that is there', [match(current.value)], current, '2.04'],
    ['If-Match with one of several', [match(other.value), match(current.value)], current, '2.04'],
    ['If-Match with another', [match(other.value)], current, '4.12'],
    ['If-Match with an ETag where there is none', [match(current.value)], 'exists', '4.12'],
    ['an empty If-Match and a resource that exists', [match(new Uint8Array(0))], 'exists', '2.04'],
    ['an empty If-Match and none', [match(new Uint8Array(0))], undefined, '4.12'],
    ['If-None-Match and a resource that exists', [none], current, '4.12'],
    ['If-None-Match and none', [none], undefined, '2.04'],
    ['neither', [], undefined, '2.04'],
  ])('answers a PUT with %s', async (_, options, there, code) => {
    place.tree.add('/p', {
      criticalOptions: PRECONDITION_OPTIONS,
      handlers: { PUT: (request) => checkPreconditions(request, there) ?? { code: '2.04' } },
    })
    expect((await ask({ method: 'PUT', path: ['p'], options })).code).toBe(code)
  })
})

describe('what a handler says of a representation', () => {
  it('gives different representations different tags, content-format included', () => {
    const tags = [entityTag(utf8('a')), entityTag(utf8('b')), entityTag(utf8('a'), 0), entityTag(utf8('a'), 50)]
    expect(new Set(tags.map((tag) => String(tag.value))).size).toBe(4)
    expect(tags.every((tag) => tag.value.length === 8)).toBe(true)
  })

  it('answers 2.03 without payload and format to who has it (§5.10.6.2)', async () => {
    answer = { code: '2.05', payload: utf8('one'), contentFormat: 50, options: [entityTag(utf8('one'), 50), maxAge(5)] }
    const response = await ask({ ...r, options: [opaqueOption(ETAG, utf8('no')), entityTag(utf8('one'), 50)] })
    expect([response.code, response.payload.length, response.contentFormat]).toEqual(['2.03', 0, undefined])
    expect(findOption(response.options, ETAG)).toEqual(entityTag(utf8('one'), 50))
  })

  it('writes a location that reads back, and none with dots (§5.10.7)', () => {
    expect(locationOf(location(['a', 'ü/b'], ['x=1']))).toEqual({ path: ['a', 'ü/b'], query: ['x=1'] })
    for (const path of [['a', '..'], ['.'], ['x'.repeat(256)]])
      expect(() => location(path)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })
})

describe('4.29 Too Many Requests (RFC 8516)', () => {
  it('is not asked again before Max-Age is over, for this resource and method', async () => {
    let tired = true
    place.tree.add('/busy', {
      handlers: { GET: (request) => (asked.push(request), tired ? tooManyRequests(20) : { code: '2.05' }), PUT: () => ({ code: '2.04' }) },
    })
    const busy = { method: 'GET', path: ['busy'] } as const
    expect([(await ask(busy, { cache: 'bypass' })).code, asked.length]).toEqual(['4.29', 1])
    tired = false
    await place.clock.advance(19_000)
    const refused = await ask(busy, { cache: 'bypass' })
    expect([refused.code, asked.length, refused.ageMs !== undefined]).toEqual(['4.29', 1, true])
    expect((await ask({ method: 'PUT', path: ['busy'] })).code).toBe('2.04')
    await place.clock.advance(2000)
    expect([(await ask(busy, { cache: 'bypass' })).code, asked.length]).toEqual(['2.05', 2])
  })

  it('does not let one answer silence this end for years', async () => {
    place.tree.add('/busy', { handlers: { GET: (request) => (asked.push(request), tooManyRequests(4_000_000_000)) } })
    const busy = { method: 'GET', path: ['busy'] } as const
    await ask(busy, { cache: 'bypass' })
    await place.clock.advance(601_000)
    await ask(busy, { cache: 'bypass' })
    expect(asked).toHaveLength(2)
  })
})
