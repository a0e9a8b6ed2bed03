// Collecting responses to group requests: draft-ietf-core-groupcomm-bis-18 §3.1.3 to §3.1.6, §3.8.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger, type ChannelEvent, type DatagramChannel, type Random } from '#main/base/index.ts'
import {
  CoapEndpoint,
  DEFAULT_PARAMETERS,
  encodeMessage,
  gatherAnswers,
  minTokenReuseTimeMs,
  ResourceTree,
  uintOption,
  unicastForm,
  type ClientRequest,
  type ClientResponse,
  type GroupRequestOptions,
} from '#main/wire/coap/index.ts'
// The rule for tokens and Message IDs is tested by itself: through an endpoint it would take millions of requests.
import { FIRST_GROUP_MESSAGE_ID, GroupTokens } from '../../../src-main/wire/coap/group-tokens.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { all, bench, msg, pattern, text, utf8, type Bench, type RawPeer } from './harness.ts'

const GROUP = { address: 'ff05::fd', port: 5683 }
const GET: ClientRequest = { method: 'GET', path: ['state'] }
const REUSE_MS = minTokenReuseTimeMs(DEFAULT_PARAMETERS)

/** A raw server in the group that answers each request it sees at once. */
function answering(place: Bench, address: string, port = 5683): RawPeer {
  const peer = place.peer(address, port)
  peer.channel.joinGroup(GROUP.address)
  return peer
}

function lamp(place: Bench, address: string, count?: () => void): void {
  const channel = place.channelAt(address)
  channel.joinGroup(GROUP.address)
  const tree = new ResourceTree()
  tree.add('/state', {
    answersGroupRequests: true,
    handlers: {
      GET: () => {
        count?.()
        return { code: '2.05', payload: utf8(address) }
      },
    },
  })
  new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
}

function collect(place: Bench, options: GroupRequestOptions): Promise<ClientResponse[]> {
  return place.clock.until(all(place.endpoint.groupRequest(GROUP, GET, options)))
}

const LAMPS = ['2001:db8::1:1', '2001:db8::1:2', '2001:db8::1:3', '2001:db8::1:4']

describe('a collection', () => {
  it('ends when every expected member has answered, others notwithstanding', async () => {
    const place = bench()
    for (const address of LAMPS) lamp(place, address)
    const members = LAMPS.slice(0, 2)
    const got = await collect(place, { deadlineMs: 60_000, members })
    expect(got.map((response) => response.source.address)).toEqual(expect.arrayContaining(members))
    expect(place.clock.monotonicMs()).toBeLessThan(6000)
  })

  it('ends when enough of them have', async () => {
    const place = bench()
    for (const address of LAMPS.slice(0, 3)) lamp(place, address)
    const got = await collect(place, { deadlineMs: 60_000, members: LAMPS, quorum: 3 })
    expect(got).toHaveLength(3)
    expect(place.clock.monotonicMs()).toBeLessThan(6000)
  })

  it('tells who has not answered, who was not expected, and who answered twice', async () => {
    const place = bench()
    const odd = answering(place, '2001:db8::77')
    const gathered = gatherAnswers(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 1000, members: LAMPS }), LAMPS)
    await place.clock.advance(10)
    const [request] = odd.take()
    odd.send({ type: 'NON', code: '2.05', messageId: 1, token: request!.token, payload: utf8('a') })
    odd.send({ type: 'NON', code: '2.05', messageId: 2, token: request!.token, payload: utf8('b') })
    const answers = await place.clock.until(gathered)
    expect(answers.missing).toEqual(LAMPS)
    expect(answers.unexpected).toEqual(['2001:db8::77'])
    expect(answers.byServer.get('2001:db8::77')?.map((response) => text(response.payload))).toEqual(['a', 'b'])
  })

  it('is over at once where no members are expected', async () => {
    const place = bench()
    expect(await collect(place, { deadlineMs: 60_000, members: [] })).toEqual([])
    expect(place.clock.monotonicMs()).toBe(0)
  })

  it('takes Confirmable and separate responses too, and acknowledges them (§3.1.1)', async () => {
    const place = bench()
    const odd = answering(place, '2001:db8::77')
    const gathered = all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 1000 }))
    await place.clock.advance(10)
    const [request] = odd.take()
    odd.send({ type: 'CON', code: '2.05', messageId: 9, token: request!.token })
    expect(await place.clock.until(gathered)).toHaveLength(1)
    expect(odd.take()).toMatchObject([{ type: 'ACK', messageId: 9, code: '0.00' }])
  })

  it('matches a response by token and by the port that it came to (§3.1.4)', async () => {
    const place = bench()
    const inner = place.channelAt('2001:db8::50', 5700)
    let deliver: (event: ChannelEvent) => void = () => undefined
    const channel: DatagramChannel = {
      id: inner.id,
      local: inner.local,
      maxPayloadBytes: inner.maxPayloadBytes,
      send: (payload, to) => inner.send(payload, to),
      subscribe: (listener) => {
        deliver = listener
        return () => undefined
      },
      joinGroup: () => undefined,
      leaveGroup: () => undefined,
      counters: () => inner.counters(),
      close: () => inner.close(),
    }
    const odd = answering(place, '2001:db8::77')
    const client = new CoapEndpoint({ channel, clock: place.clock, random: place.random, logger: silentLogger })
    const gathered = all(client.groupRequest(GROUP, GET, { deadlineMs: 1000 }))
    await place.clock.advance(10)
    const { token } = odd.take()[0]!
    const arrive = (messageId: number, port: number | undefined, of = token): void => {
      const payload = encodeMessage(msg({ type: 'NON', code: '2.05', messageId, token: of, payload: utf8(`${messageId}`) }))
      const destination = port === undefined ? undefined : { address: inner.local.address, port }
      deliver({ kind: 'datagram', datagram: { payload, source: odd.at, destination, multicast: false } })
    }
    arrive(1, 6000)
    arrive(2, 5700, Uint8Array.of(1, 2, 3, 4))
    arrive(3, 5700)
    // A channel that cannot tell has one socket, and so one port.
    arrive(4, undefined)
    expect((await place.clock.until(gathered)).map((response) => text(response.payload))).toEqual(['3', '4'])
  })

  it('with 1000 responders, each with blocks to fetch, loses none and is never fetched from all at once', async () => {
    const place = bench({}, { maxInFlight: 4096 })
    const body = pattern(2200)
    for (let index = 1; index <= 1000; index++) {
      const channel = place.channelAt(`2001:db8::2:${index.toString(16)}`)
      channel.joinGroup(GROUP.address)
      const tree = new ResourceTree()
      tree.add('/state', { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: body }) } })
      new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
    }
    const got = await collect(place, { deadlineMs: 60_000, expected: 1000 })
    expect(got).toHaveLength(1000)
    expect(got.every((response) => response.payload.length === 2200)).toBe(true)
    expect(place.endpoint.counters().overload).toBe(0)
    expect(place.channel.counters().dropped).toBe(0)
  })
})

describe('a repeated group request (§3.1.3)', () => {
  it('with a new Message ID makes every server act again', async () => {
    const place = bench()
    let calls = 0
    for (const address of LAMPS.slice(0, 2)) lamp(place, address, () => calls++)
    const got = await collect(place, { deadlineMs: 20_000, members: LAMPS, repeat: [{ afterMs: 7000, messageId: 'new' }] })
    expect(calls).toBe(4)
    expect(got).toHaveLength(4)
    const sent = place.traces.filter((event) => event.direction === 'sent').map((event) => event.message!)
    expect(sent).toHaveLength(2)
    expect(sent[1]!.messageId).not.toBe(sent[0]!.messageId)
    expect(sent[1]!.token).toEqual(sent[0]!.token)
  })

  it('with the same Message ID reaches those who missed it, and nobody acts twice', async () => {
    const place = bench()
    const acted: string[] = []
    for (const address of LAMPS.slice(0, 2)) lamp(place, address, () => acted.push(address))
    place.clock.setTimer(3000, () => lamp(place, LAMPS[2]!, () => acted.push(LAMPS[2]!)))
    const got = await collect(place, { deadlineMs: 20_000, members: LAMPS, repeat: [{ afterMs: 7000, messageId: 'same' }] })
    expect(acted).toEqual([LAMPS[0], LAMPS[1], LAMPS[2]])
    expect(got).toHaveLength(3)
    const ids = place.traces.filter((event) => event.direction === 'sent').map((event) => event.message!.messageId)
    expect(new Set(ids).size).toBe(1)
    expect(ids).toHaveLength(2)
  })

  it('does not happen once the collection is complete', async () => {
    const place = bench()
    lamp(place, LAMPS[0]!)
    await collect(place, { deadlineMs: 20_000, members: [LAMPS[0]!], repeat: [{ afterMs: 7000, messageId: 'new' }] })
    await place.clock.advance(30_000)
    expect(place.traces.filter((event) => event.direction === 'sent')).toHaveLength(1)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('collects all of 100 servers over a network that loses one datagram of five', async () => {
    const place = bench({}, { lossRate: 0.2 })
    const addresses = Array.from({ length: 100 }, (_, index) => `2001:db8::3:${(index + 1).toString(16)}`)
    for (const address of addresses) lamp(place, address)
    const repeat = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((times) => ({ afterMs: times * 8000, messageId: 'new' as const }))
    const got = await collect(place, { deadlineMs: 90_000, members: addresses, repeat })
    expect(new Set(got.map((response) => response.source.address)).size).toBe(100)
  })
})

describe('tokens and Message IDs of group requests (§3.1.5)', () => {
  it('MIN_TOKEN_REUSE_TIME is 145 + 100 + 250 seconds with the default parameters', () => {
    expect(REUSE_MS).toBe(495_000)
  })

  it('come again only after MIN_TOKEN_REUSE_TIME, however poor the chance (property)', async () => {
    const steps = fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 400_000 }), holdMs: fc.integer({ min: 0, max: 300_000 }) }), {
      minLength: 1,
      maxLength: 40,
    })
    await fc.assert(
      fc.asyncProperty(steps, fc.integer(), async (plan, seed) => {
        const clock = new VirtualClock()
        const good = seededRandom(seed)
        // Of eight tokens at most one is drawn at a time, so that reuse is the rule.
        const poor: Random = { ...good, bytes: (length) => new Uint8Array(length).fill(good.below(64)) }
        const tokens = new GroupTokens({ clock, random: poor, parameters: DEFAULT_PARAMETERS })
        const freeAt = new Map<string, number>()
        for (const { waitMs, holdMs } of plan) {
          const token = tokens.take()
          const key = token.join()
          expect(freeAt.get(key) ?? Number.NEGATIVE_INFINITY).toBeLessThan(clock.monotonicMs())
          freeAt.set(key, Number.POSITIVE_INFINITY)
          clock.setTimer(holdMs, () => {
            tokens.release(token)
            freeAt.set(key, clock.monotonicMs() + REUSE_MS)
          })
          await clock.advance(waitMs)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('rest for MIN_TOKEN_REUSE_TIME to the millisecond, from the end of the request', async () => {
    const clock = new VirtualClock()
    const good = seededRandom(1)
    // The same token is drawn again and again, and another one only now and then.
    let draws = 0
    const poor: Random = { ...good, bytes: (length) => new Uint8Array(length).fill(++draws % 10 === 0 ? draws / 10 : 0) }
    const tokens = new GroupTokens({ clock, random: poor, parameters: DEFAULT_PARAMETERS })
    const first = tokens.take()
    await clock.advance(REUSE_MS + 1)
    expect(tokens.take()).not.toEqual(first)
    tokens.release(first)
    tokens.release(first)
    await clock.advance(REUSE_MS)
    expect(tokens.take()).not.toEqual(first)
    await clock.advance(1)
    expect(tokens.take()).toEqual(first)
  })

  it('run out rather than come again: 8192 Message IDs in MIN_TOKEN_REUSE_TIME', async () => {
    const clock = new VirtualClock()
    const tokens = new GroupTokens({ clock, random: seededRandom(1), parameters: DEFAULT_PARAMETERS })
    const ids = new Set(Array.from({ length: 8192 }, () => tokens.takeMessageId()))
    expect(ids.size).toBe(8192)
    expect(Math.min(...ids)).toBe(FIRST_GROUP_MESSAGE_ID)
    expect(Math.max(...ids)).toBe(0xffff)
    expect(() => tokens.takeMessageId()).toThrow(expect.objectContaining({ code: 'network.send-failed', retryable: true }))
    await clock.advance(REUSE_MS)
    expect(() => tokens.takeMessageId()).toThrow(expect.objectContaining({ code: 'network.send-failed' }))
    await clock.advance(1)
    expect(ids.has(tokens.takeMessageId())).toBe(true)
  })

  it('forget tokens whose time is over', async () => {
    const clock = new VirtualClock()
    const tokens = new GroupTokens({ clock, random: seededRandom(1), parameters: DEFAULT_PARAMETERS })
    for (let index = 0; index < 1000; index++) tokens.release(tokens.take())
    expect(tokens.held).toBe(1000)
    await clock.advance(REUSE_MS + 1)
    tokens.take()
    expect(tokens.held).toBe(1)
  })

  it('keep Message IDs of unicast messages and of group requests apart', async () => {
    const place = bench()
    const peer = place.peer()
    void place.endpoint.request(peer.at, GET).catch(() => undefined)
    void place.clock.until(all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 10 })))
    await place.clock.advance(20)
    const sent = place.traces.map((event) => event.message!)
    expect(sent.find((message) => message.type === 'CON')!.messageId).toBeLessThan(FIRST_GROUP_MESSAGE_ID)
    expect(sent.find((message) => message.type === 'NON')!.messageId).toBeGreaterThanOrEqual(FIRST_GROUP_MESSAGE_ID)
  })
})

describe('block-wise follow-up (§3.8)', () => {
  it('asks one server without what was meant for the group', () => {
    const request: ClientRequest = { ...GET, options: [3, 6, 4, 23, 258, 60_000].map((number) => uintOption(number, 1)) }
    expect(unicastForm(request).options?.map((option) => option.number)).toEqual([60_000])
  })
})
