// Group requests and their responses: RFC 7252 §8, draft-ietf-core-groupcomm-bis-18 §3.1.
import { describe, expect, it } from 'vitest'
import { silentLogger } from '#main/base/index.ts'
import {
  CoapEndpoint,
  encodeMessage,
  ResourceTree,
  uintOption,
  type ClientResponse,
  type GroupRequestOptions,
  type Resource,
} from '#main/wire/coap/index.ts'
import { all, bench, msg, OURS, path, pattern, text, utf8, type Bench } from './harness.ts'

const GROUP = { address: 'ff05::fd', port: 5683 }

function lamps(place: Bench, count: number, resource: Resource): void {
  for (let index = 1; index <= count; index++) {
    const channel = place.channelAt(`2001:db8::1:${index.toString(16)}`)
    channel.joinGroup(GROUP.address)
    const tree = new ResourceTree()
    tree.add('/state', resource)
    new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
  }
}

async function collect(place: Bench, options: GroupRequestOptions, segments = ['state']): Promise<ClientResponse[]> {
  const gather = async (): Promise<ClientResponse[]> => {
    const responses: ClientResponse[] = []
    for await (const response of place.endpoint.groupRequest(GROUP, { method: 'GET', path: segments }, options)) responses.push(response)
    return responses
  }
  return place.clock.until(gather())
}

const on: Resource = { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: utf8('on') }) } }

describe('a group request', () => {
  it('is one Non-confirmable message; each server answers once, from its own address, within Leisure', async () => {
    const place = bench()
    lamps(place, 30, on)
    const responses = await collect(place, { deadlineMs: 6000 })
    expect(responses).toHaveLength(30)
    expect(new Set(responses.map((response) => response.source.address)).size).toBe(30)
    expect(place.traces.filter((event) => event.direction === 'sent')).toMatchObject([{ message: { type: 'NON' } }])
    expect(place.traces.filter((event) => event.direction === 'received').every((event) => event.message?.type === 'NON')).toBe(true)
    // RFC 7252 §8.2: spread over DEFAULT_LEISURE, not all at once.
    const times = responses.map((response) => response.elapsedMs).sort((a, b) => a - b)
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(3000)
    expect(times.at(-1)!).toBeLessThan(5100)
  })

  it('collects 1000 responders without losing one', async () => {
    const place = bench()
    lamps(place, 1000, on)
    const responses = await collect(place, { deadlineMs: 10_000, expected: 1000 })
    expect(new Set(responses.map((response) => response.source.address)).size).toBe(1000)
    expect(place.endpoint.counters().overload).toBe(0)
  })

  it('ends early when the expected number of different servers has answered', async () => {
    const place = bench()
    lamps(place, 5, on)
    expect(await collect(place, { deadlineMs: 60_000, expected: 5 })).toHaveLength(5)
    expect(place.clock.monotonicMs()).toBeLessThan(6000)
    await place.clock.advance(60_000)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('ends at the deadline where fewer have answered, with what there is', async () => {
    const place = bench()
    lamps(place, 2, on)
    expect(await collect(place, { deadlineMs: 8000, expected: 3 })).toHaveLength(2)
    expect(place.clock.monotonicMs()).toBe(8000)
  })

  it('fails with `cancelled` when the signal aborts', async () => {
    const place = bench()
    const controller = new AbortController()
    place.clock.setTimer(1000, () => controller.abort())
    await expect(collect(place, { deadlineMs: 8000, signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' })
    await expect(collect(place, { deadlineMs: 8000, signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' })
    expect(place.clock.monotonicMs()).toBe(1000)
  })

  it('stops collecting when the caller stops listening', async () => {
    const place = bench()
    lamps(place, 5, on)
    const first = async (): Promise<ClientResponse | undefined> => {
      for await (const response of place.endpoint.groupRequest(GROUP, { method: 'GET', path: ['state'] }, { deadlineMs: 60_000 }))
        return response
      return undefined
    }
    expect((await place.clock.until(first()))?.code).toBe('2.05')
    await place.clock.advance(6000)
    expect(place.endpoint.counters().ignored).toBe(4)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('hands on several responses of one server, and responses from any port (§3.1.4, §3.1.6)', async () => {
    const place = bench()
    const odd = place.peer('2001:db8::77', 40_000)
    const gathered = all(place.endpoint.groupRequest(GROUP, { method: 'GET', path: ['state'] }, { deadlineMs: 1000 }))
    await place.clock.advance(1)
    const token = place.traces[0]!.message!.token
    odd.send({ type: 'NON', code: '2.05', messageId: 1, token, payload: utf8('a') })
    odd.send({ type: 'NON', code: '2.05', messageId: 2, token, payload: utf8('b') })
    odd.send({ type: 'NON', code: '2.05', messageId: 2, token, payload: utf8('b') })
    odd.send({ type: 'NON', code: '2.05', messageId: 3, token: utf8('zzzz'), payload: utf8('stray') })
    expect((await place.clock.until(gathered)).map((response) => text(response.payload))).toEqual(['a', 'b'])
  })

  it('keeps concurrent requests apart by token', async () => {
    const place = bench()
    lamps(place, 3, on)
    const [one, two] = await Promise.all([collect(place, { deadlineMs: 6000 }), collect(place, { deadlineMs: 6000 }, ['nope'])])
    expect([one.length, two.length]).toEqual([3, 0])
  })

  it('never uses a token twice within MIN_TOKEN_REUSE_TIME (§3.1.5), however poor the chance', async () => {
    const place = bench()
    let draws = 0
    const poor = {
      below: (limit: number) => place.random.below(limit),
      fraction: () => place.random.fraction(),
      bytes: (length: number) => new Uint8Array(length).fill(Math.floor(draws++ / 3)),
    }
    const { clock } = place
    const tokens: string[] = []
    const client = new CoapEndpoint({
      channel: place.channelAt('2001:db8::99'),
      clock,
      random: poor,
      logger: silentLogger,
      onTrace: (event) => tokens.push(String(event.message?.token)),
    })
    for (let index = 0; index < 10; index++) {
      await clock.until(all(client.groupRequest(GROUP, { method: 'GET', path: [] }, { deadlineMs: 10 })))
    }
    expect(new Set(tokens).size).toBe(10)
  })

  it('bounds what it holds for a caller who is slow to take', async () => {
    const place = bench({ maxGroupResponses: 10 })
    const odd = place.peer('2001:db8::77')
    const iterator = place.endpoint.groupRequest(GROUP, { method: 'GET', path: [] }, { deadlineMs: 1000 })[Symbol.asyncIterator]()
    const first = iterator.next()
    await place.clock.advance(1)
    const token = place.traces[0]!.message!.token
    for (let messageId = 0; messageId < 50; messageId++) odd.send({ type: 'NON', code: '2.05', messageId, token })
    await place.clock.advance(2000)
    await first
    let taken = 1
    while ((await iterator.next()).done !== true) taken++
    expect(taken).toBeLessThanOrEqual(11)
    expect(place.endpoint.counters().overload).toBeGreaterThanOrEqual(39)
  })

  it('refuses port 5684, which is for DTLS', async () => {
    const { endpoint } = bench()
    const iterable = endpoint.groupRequest({ address: 'ff05::fd', port: 5684 }, { method: 'GET', path: [] }, { deadlineMs: 1 })
    await expect(all(iterable)).rejects.toMatchObject({ code: 'group.port-reserved' })
  })

  it('tells its size in advance', async () => {
    const place = bench()
    const request = { method: 'PUT', path: ['gp', '2.14-light', 'state'], contentFormat: 50, payload: utf8('{"on":true}') } as const
    await place.clock.until(all(place.endpoint.groupRequest(GROUP, request, { deadlineMs: 10 })))
    expect(place.endpoint.groupRequestBytes(request)).toBe(place.traces[0]!.bytes)
  })

  it('fetches the rest of a large response by unicast from the one who sent it', async () => {
    const place = bench()
    const large = pattern(3000)
    lamps(place, 3, { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: large }) } })
    const responses = await collect(place, { deadlineMs: 8000, expected: 3 })
    expect(responses.map((response) => response.payload)).toEqual([large, large, large])
  })
})

describe('a server in a group', () => {
  async function serve(resource: Resource, message: Parameters<ReturnType<Bench['peer']>['send']>[0] = {}): Promise<number> {
    const place = bench()
    place.tree.add('/r', resource)
    place.channel.joinGroup(GROUP.address)
    const client = place.peer()
    client.channel.send(encodeMessage(msg({ type: 'NON', options: path('r'), ...message })), GROUP)
    await place.clock.advance(10_000)
    expect(place.clock.pendingTimers).toBe(0)
    return client.take().length
  }

  it('answers only where the resource is meant to (§3.1.2)', async () => {
    expect(await serve(on)).toBe(1)
    expect(await serve({ handlers: on.handlers })).toBe(0)
  })

  it.each(['4.00', '4.04', '5.00'] as const)('keeps %s to itself', async (code) => {
    expect(await serve({ answersGroupRequests: true, handlers: { GET: () => ({ code }) } })).toBe(0)
  })

  it('keeps 4.04, 4.05, 4.02 and 5.05 to itself', async () => {
    expect(await serve(on, { options: path('nope') })).toBe(0)
    expect(await serve(on, { code: '0.04' })).toBe(0)
    expect(await serve(on, { options: [...path('r'), { number: 2001, value: utf8('') }] })).toBe(0)
    expect(await serve(on, { options: [...path('r'), { number: 39, value: utf8('http') }] })).toBe(0)
  })

  it('may have nothing to say', async () => {
    expect(await serve({ answersGroupRequests: true, handlers: { GET: () => undefined } })).toBe(0)
  })

  it('ignores a Confirmable message and any response or ping that came by multicast (RFC 7252 §8.1)', async () => {
    expect(await serve(on, { type: 'CON' })).toBe(0)
    expect(await serve(on, { type: 'CON', code: '0.00', options: [] })).toBe(0)
    expect(await serve(on, { type: 'CON', code: '2.05', options: [] })).toBe(0)
  })

  it('spares the client what No-Response names', async () => {
    expect(await serve(on, { options: [...path('r'), uintOption(258, 2)] })).toBe(0)
  })

  it('acts all the same when its answer is held back', async () => {
    let calls = 0
    const count = (): { code: '4.09' } => {
      calls++
      return { code: '4.09' }
    }
    await serve({ answersGroupRequests: true, handlers: { PUT: count } }, { code: '0.03' })
    expect(calls).toBe(1)
  })

  it('answers discovery by multicast, and stays silent where nothing matches', async () => {
    const place = bench()
    place.channel.joinGroup(GROUP.address)
    place.tree.add('/rd', { handlers: {}, attributes: { rt: 'core.rd' } })
    const client = place.another('2001:db8::5')
    const find = (query: string): Promise<ClientResponse[]> =>
      place.clock.until(
        all(client.groupRequest(GROUP, { method: 'GET', path: ['.well-known', 'core'], query: [query] }, { deadlineMs: 6000 })),
      )
    const found = await find('rt=core.rd*')
    expect(found.map((response) => [response.source, text(response.payload)])).toEqual([[OURS, '</rd>;rt="core.rd"']])
    expect(await find('rt=nope')).toEqual([])
  })
})
