// Observing a group: draft-ietf-core-groupcomm-bis-18 §3.7, RFC 7641 §3.4, RFC 8132 §2.4.
import { describe, expect, it } from 'vitest'
import { silentLogger } from '#main/base/index.ts'
import {
  CoapEndpoint,
  findUint,
  Observable,
  ResourceTree,
  uintOption,
  type ClientRequest,
  type ClientResponse,
  type CoapMessage,
  type GroupObservation,
} from '#main/wire/coap/index.ts'
import { bench, path, pattern, text, utf8, type Bench, type RawPeer } from './harness.ts'

const OBSERVE = 6
const GROUP = { address: 'ff05::fd', port: 5683 }
const GET: ClientRequest = { method: 'GET', path: ['t'] }

interface Watch {
  readonly observation: GroupObservation
  readonly got: ClientResponse[]
  readonly done: Promise<unknown>
}

function watch(place: Bench, options: Parameters<CoapEndpoint['observeGroup']>[2] = {}, request = GET): Watch {
  const observation = place.endpoint.observeGroup(GROUP, request, options)
  const got: ClientResponse[] = []
  const reading = async (): Promise<unknown> => {
    try {
      for await (const response of observation) got.push(response)
      return undefined
    } catch (error) {
      return error
    }
  }
  return { observation, got, done: reading() }
}

function member(place: Bench, address: string): RawPeer {
  const peer = place.peer(address)
  peer.channel.joinGroup(GROUP.address)
  return peer
}

function notify(peer: RawPeer, to: CoapMessage, sequence: number | undefined, payload: string, parts: Partial<CoapMessage> = {}): void {
  const options = sequence === undefined ? [] : [uintOption(OBSERVE, sequence)]
  peer.send({
    type: 'NON',
    code: '2.05',
    messageId: peer.inbox.length + sequence! + 100,
    token: to.token,
    options,
    payload: utf8(payload),
    ...parts,
  })
}

const observeOf = (message: CoapMessage | undefined): number | undefined => findUint(message?.options ?? [], OBSERVE)

describe('a client that observes a group', () => {
  it('registers anew with the same token and Observe value, with a new Message ID or the same', async () => {
    const place = bench()
    const a = member(place, '2001:db8::a')
    const { observation } = watch(place)
    observation.reRegister('same')
    observation.reRegister('new')
    await place.clock.advance(10)
    const [first, ...again] = a.inbox.map((entry) => entry.message)
    expect(again).toHaveLength(2)
    for (const message of again) {
      expect(message.token).toEqual(first!.token)
      expect(observeOf(message)).toBe(0)
      expect(message.type).toBe('NON')
    }
    expect(again[0]!.messageId).toBe(first!.messageId)
    expect(again[1]!.messageId).not.toBe(first!.messageId)
  })

  it('registers anew at an interval that leaves time for Leisure', async () => {
    const place = bench()
    const a = member(place, '2001:db8::a')
    watch(place, { reRegisterMs: 1 })
    await place.clock.advance(29_000)
    // 5 s of Leisure and 2 s for the way: at 0, 7, 14, 21 and 28 s.
    expect(a.inbox.map((entry) => Math.round(entry.atMs / 1000))).toEqual([0, 7, 14, 21, 28])
  })

  it('follows up by Confirmable unicast, same token, another Message ID, with members that are silent', async () => {
    const place = bench()
    const a = member(place, '2001:db8::a')
    const b = place.peer('2001:db8::b')
    const { observation, got } = watch(place, { members: [a.at, b.at] })
    await place.clock.advance(10)
    const [group] = a.take()
    notify(a, group!, 1, 'a')
    await place.clock.advance(7000)
    expect(a.take()).toEqual([])
    const [unicast] = b.take()
    expect(unicast).toMatchObject({ type: 'CON', code: '0.01', token: group!.token, options: [uintOption(OBSERVE, 0), ...path('t')] })
    expect(unicast!.messageId).not.toBe(group!.messageId)
    b.send({
      type: 'ACK',
      code: '2.05',
      messageId: unicast!.messageId,
      token: unicast!.token,
      options: [uintOption(OBSERVE, 9)],
      payload: utf8('b'),
    })
    await place.clock.advance(10)
    expect(got.map((response) => text(response.payload))).toEqual(['a', 'b'])
    expect(observation.observed.map((at) => at.address)).toEqual([a.at.address, b.at.address])
  })

  it('leaves out notifications that came too late, for each server by itself (RFC 7641 §3.4)', async () => {
    const place = bench()
    const [a, b] = [member(place, '2001:db8::a'), member(place, '2001:db8::b')]
    const { got } = watch(place)
    await place.clock.advance(10)
    const [group] = a.take()
    for (const [peer, sequence] of [
      [a, 10],
      [a, 9],
      [b, 5],
      [a, 10],
      [a, 12],
      [b, 2 ** 23 + 6],
      [b, 4],
    ] as const) {
      peer.send({
        type: 'NON',
        code: '2.05',
        messageId: place.random.below(0xffff),
        token: group!.token,
        options: [uintOption(OBSERVE, sequence)],
        payload: utf8(`${sequence}`),
      })
      await place.clock.advance(5)
    }
    expect(got.map((response) => text(response.payload))).toEqual(['10', '5', '12', '4'].filter((value) => value !== '4'))
    await place.clock.advance(129_000)
    a.send({ type: 'NON', code: '2.05', messageId: 1, token: group!.token, options: [uintOption(OBSERVE, 1)], payload: utf8('1') })
    await place.clock.advance(5)
    expect(text(got.at(-1)!.payload)).toBe('1')
  })

  it('acknowledges Confirmable notifications, and is ready for the first of them at any time', async () => {
    const place = bench()
    const a = member(place, '2001:db8::a')
    const { got } = watch(place)
    await place.clock.advance(3_600_000)
    const [group] = a.take()
    a.send({ type: 'CON', code: '2.05', messageId: 77, token: group!.token, options: [uintOption(OBSERVE, 1)], payload: utf8('late') })
    await place.clock.advance(10)
    expect(a.take()).toMatchObject([{ type: 'ACK', messageId: 77 }])
    expect(text(got[0]!.payload)).toBe('late')
  })

  it('hands on errors and responses of servers that do not observe, and does not count them among the observed', async () => {
    const place = bench()
    const a = member(place, '2001:db8::a')
    const { observation, got } = watch(place)
    await place.clock.advance(10)
    const [group] = a.take()
    notify(a, group!, 1, 'x')
    await place.clock.advance(5)
    expect(observation.observed).toHaveLength(1)
    a.send({ type: 'NON', code: '4.04', messageId: 3, token: group!.token })
    await place.clock.advance(5)
    expect(got.map((response) => response.code)).toEqual(['2.05', '4.04'])
    expect(observation.observed).toEqual([])
  })

  it('cancels by group with the token of the observation; who notifies all the same is told by unicast', async () => {
    const place = bench()
    const a = member(place, '2001:db8::a')
    const { observation, got, done } = watch(place)
    await place.clock.advance(10)
    const [group] = a.take()
    notify(a, group!, 1, 'x')
    await place.clock.advance(10)
    observation.cancel()
    await place.clock.advance(10)
    const [bye] = a.take()
    expect(bye).toMatchObject({ type: 'NON', code: '0.01', token: group!.token, options: [uintOption(OBSERVE, 1), ...path('t')] })
    expect(await done).toBeUndefined()
    for (const sequence of [2, 3]) notify(a, group!, sequence, 'missed it', { messageId: 500 + sequence })
    await place.clock.advance(10)
    expect(a.take()).toMatchObject([{ type: 'CON', token: group!.token, options: [uintOption(OBSERVE, 1), ...path('t')] }])
    expect(got).toHaveLength(1)
    await place.clock.advance(300_000)
    a.take()
    // The token is forgotten: notifications are rejected (RFC 7641 §3.6).
    notify(a, group!, 9, 'still', { messageId: 900 })
    await place.clock.advance(10)
    expect(a.take()).toMatchObject([{ type: 'RST', messageId: 900 }])
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('cancels with one server by unicast and goes on with the others', async () => {
    const place = bench()
    const [a, b] = [member(place, '2001:db8::a'), member(place, '2001:db8::b')]
    const { observation, got } = watch(place)
    await place.clock.advance(10)
    const [group] = a.take()
    b.take()
    for (const peer of [a, b]) notify(peer, group!, 1, 'x')
    await place.clock.advance(10)
    observation.cancelOne(a.at)
    await place.clock.advance(10)
    const [bye] = a.take()
    expect(bye).toMatchObject({ type: 'CON', token: group!.token })
    expect(observeOf(bye)).toBe(1)
    expect(b.take()).toEqual([])
    expect(observation.observed.map((at) => at.address)).toEqual([b.at.address])
    notify(b, group!, 2, 'y', { messageId: 222 })
    await place.clock.advance(10)
    expect(got).toHaveLength(3)
  })

  it('ends with `cancelled` on the signal, and cancels with the group', async () => {
    const place = bench()
    const a = member(place, '2001:db8::a')
    const stop = new AbortController()
    const { done } = watch(place, { signal: stop.signal })
    await place.clock.advance(10)
    stop.abort()
    await place.clock.advance(10)
    expect(await done).toMatchObject({ code: 'cancelled' })
    expect(a.take().map(observeOf)).toEqual([0, 1])
  })

  it('fetches what follows a notification of the first block', async () => {
    const place = bench()
    const body = pattern(600)
    const channel = place.channelAt('2001:db8::a')
    channel.joinGroup(GROUP.address)
    const tree = new ResourceTree()
    tree.add('/t', { answersGroupRequests: true, observable: new Observable(), handlers: { GET: () => ({ code: '2.05', payload: body }) } })
    new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
    const { got, observation } = watch(place)
    await place.clock.advance(8000)
    expect(got.map((response) => response.payload)).toEqual([body])
    expect(observation.observed).toHaveLength(1)
  })

  it('refuses methods other than GET and FETCH, and port 5684', () => {
    const { endpoint } = bench()
    expect(() => endpoint.observeGroup(GROUP, { method: 'PUT', path: [] })).toThrow(expect.objectContaining({ code: 'input.invalid' }))
    expect(() => endpoint.observeGroup({ ...GROUP, port: 5684 }, GET)).toThrow(expect.objectContaining({ code: 'group.port-reserved' }))
  })
})

describe.each(['GET', 'FETCH'] as const)('observing a group of our servers by %s', (method) => {
  it('gets the first state and each change of all of them, within Leisure, until it cancels', async () => {
    const place = bench()
    let state = 'one'
    const changes = new Observable()
    const addresses = Array.from({ length: 20 }, (_, index) => `2001:db8::5:${(index + 1).toString(16)}`)
    const endpoints = addresses.map((address) => {
      const channel = place.channelAt(address)
      channel.joinGroup(GROUP.address)
      const tree = new ResourceTree()
      tree.add('/t', {
        answersGroupRequests: true,
        observable: changes,
        handlers: { [method]: () => ({ code: '2.05', payload: utf8(state) }) },
      })
      return new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
    })
    const request: ClientRequest = { method, path: ['t'], ...(method === 'FETCH' ? { payload: utf8('what'), contentFormat: 0 } : {}) }
    const { observation, got, done } = watch(place, {}, request)
    await place.clock.advance(8000)
    expect(got).toHaveLength(20)
    state = 'two'
    changes.notify()
    const changedMs = place.clock.monotonicMs()
    await place.clock.advance(30_000)
    const later = got.slice(20)
    expect(new Set(later.map((response) => response.source.address)).size).toBe(20)
    expect(later.every((response) => text(response.payload) === 'two')).toBe(true)
    const times = later.map((response) => response.elapsedMs - changedMs)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1000)
    observation.cancel()
    await done
    await place.clock.advance(30_000)
    const before = got.length
    state = 'three'
    changes.notify()
    await place.clock.advance(30_000)
    expect(got).toHaveLength(before)
    expect(endpoints).toHaveLength(20)
  })
})
