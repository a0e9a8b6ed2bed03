// The message exchanges of draft-ietf-core-groupcomm-bis-18 Appendix A (Figures 4 to 7) and Appendix D (Figures 20 to 22), message by
// message. The client is ours; tokens and Message IDs are its own, so the examples' stand for "the same as before" and "another one".
import { describe, expect, it } from 'vitest'
import { silentLogger } from '#main/base/index.ts'
import {
  blockOption,
  CoapEndpoint,
  discoverGroups,
  findBlock,
  ResourceTree,
  uintOption,
  type ClientRequest,
  type ClientResponse,
  type CoapMessage,
  type Resource,
} from '#main/wire/coap/index.ts'
import { all, bench, path, pattern, text, utf8, type Bench, type RawPeer } from './harness.ts'

const OBSERVE = 6
const BLOCK2 = 23
const GROUP = { address: 'ff05::db8:8000:1', port: 5683 }
const [ADDR_A, ADDR_B, ADDR_C] = ['2001:db8::a', '2001:db8::b', '2001:db8::c'] as const
const PORT_C = 40_003

interface Servers {
  readonly a: RawPeer
  readonly b: RawPeer
  readonly c: RawPeer
}

/** A and B answer from the group's port, C from its own: it hears the group at one channel and speaks from another. */
function servers(place: Bench, portA = GROUP.port, portB = GROUP.port): Servers & { heard: () => CoapMessage[] } {
  const ears = [ADDR_A, ADDR_B, ADDR_C].map((address, index) => {
    const own = [portA, portB, PORT_C][index] === GROUP.port
    const ear = place.peer(address, GROUP.port)
    ear.channel.joinGroup(GROUP.address)
    return own ? ear : { ear, mouth: place.peer(address, [portA, portB, PORT_C][index]) }
  })
  const mouth = (index: number): RawPeer => {
    const one = ears[index]!
    return 'mouth' in one ? one.mouth : one
  }
  const heard = (): CoapMessage[] =>
    ears.map((one) => {
      const ear = 'mouth' in one ? one.ear : one
      return ear.take()[0]!
    })
  return { a: mouth(0), b: mouth(1), c: mouth(2), heard }
}

function request(...segments: string[]): ClientRequest {
  return { method: 'GET', path: ['gp', 'gp1', ...segments] }
}

function from(response: ClientResponse): [string, number, string] {
  return [response.source.address, response.source.port, text(response.payload)]
}

describe('Appendix D', () => {
  it('Figure 20 (-11 Figure 16): Non-confirmable group request, followed by Non-confirmable responses; that of B is lost', async () => {
    const place = bench()
    const { a, c, heard } = servers(place)
    const gathered = all(place.endpoint.groupRequest(GROUP, request('temperature'), { deadlineMs: 8000 }))
    await place.clock.advance(10)
    const requests = heard()
    for (const message of requests) {
      expect(message).toMatchObject({ type: 'NON', code: '0.01', options: path('gp', 'gp1', 'temperature') })
    }
    const { token } = requests[0]!
    a.send({ type: 'NON', code: '2.05', messageId: 0x60b1, token, payload: utf8('22.3 C') })
    c.send({ type: 'NON', code: '2.05', messageId: 0x952a, token, payload: utf8('21.0 C') })
    expect((await place.clock.until(gathered)).map(from)).toEqual([
      [ADDR_A, GROUP.port, '22.3 C'],
      [ADDR_C, PORT_C, '21.0 C'],
    ])
  })

  it('Figure 21 (-11 Figure 17): Non-confirmable Observe group request, followed by notifications', async () => {
    const place = bench()
    const { a, b, c, heard } = servers(place)
    const observation = place.endpoint.observeGroup(GROUP, request('temperature'))
    const got: ClientResponse[] = []
    const reading = (async () => {
      for await (const notification of observation) got.push(notification)
    })()
    await place.clock.advance(10)
    const [first] = heard()
    expect(first).toMatchObject({ type: 'NON', code: '0.01', options: [uintOption(OBSERVE, 0), ...path('gp', 'gp1', 'temperature')] })
    const { token } = first!
    const notify = (peer: RawPeer, messageId: number, observe: number, payload: string): void =>
      peer.send({ type: 'NON', code: '2.05', messageId, token, options: [uintOption(OBSERVE, observe)], payload: utf8(payload) })
    notify(a, 0x60b1, 3, '22.3 C')
    notify(b, 0x01a0, 13, '20.9 C')
    notify(c, 0x952a, 23, '21.0 C')
    await place.clock.advance(10_000)
    expect(observation.observed.map((at) => at.address)).toEqual([ADDR_A, ADDR_B, ADDR_C])
    notify(a, 0x60b2, 7, '32.3 C')
    notify(b, 0x01a1, 18, '30.9 C')
    notify(c, 0x952b, 29, '31.0 C')
    await place.clock.advance(10)
    expect(got.map(from)).toEqual([
      [ADDR_A, GROUP.port, '22.3 C'],
      [ADDR_B, GROUP.port, '20.9 C'],
      [ADDR_C, PORT_C, '21.0 C'],
      [ADDR_A, GROUP.port, '32.3 C'],
      [ADDR_B, GROUP.port, '30.9 C'],
      [ADDR_C, PORT_C, '31.0 C'],
    ])
    observation.cancel()
    await reading
  })

  it('Figure 22 (-11 Figure 18): group request starting a block-wise transfer that goes on by Confirmable unicast exchanges', async () => {
    const place = bench()
    const peers = servers(place, 40_001, 40_002)
    const bodies = { a: pattern(180, 3), b: pattern(180, 5), c: pattern(180, 11) }
    const szx = 2
    const block = (num: number, more: boolean): ReturnType<typeof blockOption> => blockOption(BLOCK2, { num, more, szx })
    const gathered = all(
      place.endpoint.groupRequest(GROUP, { ...request('log'), options: [block(0, false)] }, { deadlineMs: 8000, expected: 3 }),
    )
    await place.clock.advance(10)
    const [first] = peers.heard()
    expect(first).toMatchObject({ type: 'NON', code: '0.01', options: [...path('gp', 'gp1', 'log'), block(0, false)] })
    const asked: Array<[string, number, string]> = []
    for (const [name, messageId] of [
      ['a', 0x60b1],
      ['b', 0x01a0],
      ['c', 0x952a],
    ] as const) {
      const peer = peers[name]
      const slice = (num: number): Uint8Array => bodies[name].subarray(num * 64, num * 64 + 64)
      peer.channel.subscribe(() => {
        for (const message of peer.take()) {
          const wanted = findBlock(message.options, BLOCK2)
          if (wanted === undefined || wanted === 'invalid') continue
          asked.push([name, wanted.num, message.type])
          expect(message.options.filter((option) => option.number === BLOCK2)).toHaveLength(1)
          expect(message.options.slice(0, 3)).toEqual(path('gp', 'gp1', 'log'))
          expect(message.token).not.toEqual(first!.token)
          const reply = { type: 'ACK', code: '2.05', messageId: message.messageId, token: message.token } as const
          peer.send({ ...reply, options: [block(wanted.num, wanted.num < 2)], payload: slice(wanted.num) })
        }
      })
      peer.send({ type: 'NON', code: '2.05', messageId, token: first!.token, options: [block(0, true)], payload: slice(0) })
    }
    const got = await place.clock.until(gathered)
    expect(Object.fromEntries(got.map((response) => [response.source.address, response.payload]))).toEqual({
      [ADDR_A]: bodies.a,
      [ADDR_B]: bodies.b,
      [ADDR_C]: bodies.c,
    })
    for (const name of ['a', 'b', 'c']) {
      expect(asked.filter(([who]) => who === name)).toEqual([
        [name, 1, 'CON'],
        [name, 2, 'CON'],
      ])
    }
  })
})

describe('Appendix A', () => {
  const lights = [ADDR_A, ADDR_B, ADDR_C]

  function light(place: Bench, address: string, resource: Resource): void {
    const channel = place.channelAt(address)
    channel.joinGroup(GROUP.address)
    const tree = new ResourceTree()
    tree.add('/gp/room-a/light', resource)
    new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
  }

  const switchOn: ClientRequest = { method: 'PUT', path: ['gp', 'room-a', 'light'], payload: utf8('ON') }

  it('Figure 4: Resource Directory discovery via multicast request', async () => {
    const place = bench()
    const all5 = { address: 'ff05::fd', port: 5683 }
    for (const [address, rt] of [
      [ADDR_A, 'light'],
      ['2001:db8::d', 'core.rd'],
    ] as const) {
      const channel = place.channelAt(address)
      channel.joinGroup(all5.address)
      const tree = new ResourceTree()
      tree.add('/rd', { handlers: {}, attributes: { rt, ct: '40' } })
      new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
    }
    const find: ClientRequest = { method: 'GET', path: ['.well-known', 'core'], query: ['rt=core.rd'] }
    const got = await place.clock.until(all(place.endpoint.groupRequest(all5, find, { deadlineMs: 8000 })))
    expect(got.map(from)).toEqual([['2001:db8::d', 5683, '</rd>;rt="core.rd";ct=40']])
    // The same exchange, as group discovery sees it: a directory is no application group.
    const groups = discoverGroups(place.endpoint, all5, { kind: 'all-groups' }, { deadlineMs: 8000 })
    expect((await place.clock.until(groups)).memberships).toEqual([])
  })

  it('Figure 5: multicast control message whose responses are suppressed', async () => {
    const place = bench()
    const on: string[] = []
    for (const address of lights) {
      const change = (): { code: '2.04' } => {
        on.push(address)
        return { code: '2.04' }
      }
      light(place, address, { answersGroupRequests: true, group: { answers: [] }, handlers: { PUT: change } })
    }
    const got = await place.clock.until(all(place.endpoint.groupRequest(GROUP, switchOn, { deadlineMs: 8000 })))
    expect(on).toEqual(lights)
    expect(got).toEqual([])
  })

  it('Figure 6: lights respond, one of them with an error', async () => {
    const place = bench()
    const codes = ['2.04', '2.04', '5.00'] as const
    lights.forEach((address, index) => {
      light(place, address, {
        answersGroupRequests: true,
        group: { answers: [2, 4, 5] },
        handlers: { PUT: () => ({ code: codes[index]! }) },
      })
    })
    const got = await place.clock.until(all(place.endpoint.groupRequest(GROUP, switchOn, { deadlineMs: 8000 })))
    expect(got.map(({ source, code }) => [source.address, code]).sort()).toEqual([
      [ADDR_A, '2.04'],
      [ADDR_B, '2.04'],
      [ADDR_C, '5.00'],
    ])
  })

  it('Figure 7: every light responds to the controller after being turned on', async () => {
    const place = bench()
    for (const address of lights) light(place, address, { answersGroupRequests: true, handlers: { PUT: () => ({ code: '2.04' }) } })
    const got = await place.clock.until(all(place.endpoint.groupRequest(GROUP, switchOn, { deadlineMs: 8000, members: lights })))
    expect(got.map(({ source, code }) => [source.address, code]).sort()).toEqual(lights.map((address) => [address, '2.04']))
    expect(place.clock.monotonicMs()).toBeLessThan(6000)
  })
})
