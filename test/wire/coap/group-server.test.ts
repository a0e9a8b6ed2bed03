// How a server answers group requests: RFC 7252 §8.2, draft-ietf-core-groupcomm-bis-18 §3.1.2, §3.2.2.1, §3.6, §6.3, §6.5.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger } from '#main/base/index.ts'
import {
  CoapEndpoint,
  DEFAULT_LEISURE_GROUP_MODE_MS,
  DEFAULT_LEISURE_MS,
  DEFAULT_LEISURE_PAIRWISE_MODE_MS,
  encodeMessage,
  findBlock,
  findOption,
  GroupMembership,
  isSuppressed,
  leastLeisureMs,
  LeisurePlan,
  Observable,
  ResourceTree,
  ServerETags,
  uintOption,
  opaqueOption,
  type CoapMessage,
  type CoapOption,
  type GroupPolicy,
  type Resource,
  type ResponseCode,
} from '#main/wire/coap/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { all, bench, msg, path, pattern, utf8, type Bench } from './harness.ts'

const GROUP = { address: 'ff05::fd', port: 5683 }
const ECHO = 252
const ETAG = 4
const BLOCK2 = 23
const NO_RESPONSE = 258

interface Question {
  readonly options?: readonly CoapOption[]
  readonly code?: string
  readonly authenticated?: boolean
}

/** What a server with the resource at /r sends back to one group request. */
async function ask(
  resource: Resource,
  { options = [], code = '0.01', authenticated = false }: Question = {},
  place: Bench = bench(),
): Promise<CoapMessage[]> {
  const channel = place.channelAt('2001:db8::99')
  channel.joinGroup(GROUP.address)
  const tree = new ResourceTree()
  tree.add('/r', resource)
  new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger, isAuthenticated: () => authenticated })
  const client = place.peer()
  client.channel.send(encodeMessage(msg({ type: 'NON', code, options: [...path('r'), ...options] })), GROUP)
  await place.clock.advance(130_000)
  expect(place.clock.pendingTimers).toBe(0)
  return client.take()
}

function answering(code: ResponseCode, group: GroupPolicy = {}): Resource {
  return { answersGroupRequests: true, group, handlers: { GET: () => ({ code, payload: utf8('x') }) } }
}

describe('Leisure', () => {
  it('is S * G / R at least (RFC 7252 §8.2); DEFAULT_LEISURE is that for G=50, S=100, R=1000', () => {
    expect(leastLeisureMs(100, 50, 1000)).toBe(DEFAULT_LEISURE_MS)
    // With Group OSCORE the document gives 20 and 13 seconds (§3.6.1), which is above the bound for its own S of 200 and 130.
    expect(DEFAULT_LEISURE_GROUP_MODE_MS).toBeGreaterThanOrEqual(leastLeisureMs(200, 50, 1000))
    expect(DEFAULT_LEISURE_PAIRWISE_MODE_MS).toBeGreaterThanOrEqual(leastLeisureMs(130, 50, 1000))
    expect([DEFAULT_LEISURE_GROUP_MODE_MS, DEFAULT_LEISURE_PAIRWISE_MODE_MS]).toEqual([20_000, 13_000])
  })

  it('is computed for a resource from the size of its group and the rate of the network', async () => {
    const times: number[] = []
    for (let turn = 0; turn < 40; turn++) {
      const place = bench()
      const client = place.peer()
      client.channel.subscribe(() => times.push(place.clock.monotonicMs()))
      const channel = place.channelAt('2001:db8::99')
      channel.joinGroup(GROUP.address)
      const tree = new ResourceTree()
      tree.add('/r', answering('2.05', { leisure: { groupSize: 200, bytesPerS: 1000, responseBytes: 100 } }))
      new CoapEndpoint({ channel, tree, clock: place.clock, random: seededRandom(turn), logger: silentLogger })
      client.channel.send(encodeMessage(msg({ type: 'NON', options: path('r') })), GROUP)
      await place.clock.advance(60_000)
    }
    expect(times).toHaveLength(40)
    // 100 bytes * 200 servers / 1000 bytes a second: 20 seconds, used in full and never exceeded.
    expect(Math.max(...times)).toBeGreaterThan(12_000)
    expect(Math.max(...times)).toBeLessThan(20_010)
    expect(Math.min(...times)).toBeLessThan(8000)
  })

  it('of a further response by way of the same group begins after the one before (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 9000 }), { minLength: 1, maxLength: 6 }), fc.integer(), async (waits, seed) => {
        const clock = new VirtualClock()
        const plan = new LeisurePlan(clock, seededRandom(seed), 120_000)
        let endMs = 0
        for (const [index, waitMs] of waits.entries()) {
          await clock.advance(waitMs)
          const nowMs = clock.monotonicMs()
          // At most four periods lie ahead of anybody.
          const startMs = Math.min(Math.max(nowMs, endMs), nowMs + 15_000)
          const dueMs = nowMs + plan.delayMs('group client', 5000)
          expect(dueMs).toBeGreaterThanOrEqual(startMs)
          expect(dueMs).toBeLessThan(startMs + 5000)
          endMs = startMs + 5000
          expect(plan.delayMs(`group another-${index}`, 5000)).toBeLessThan(5000)
        }
      }),
    )
  })
})

describe('suppression of responses (§3.1.2, §6.5)', () => {
  const CODES = ['2.05', '4.05', '4.15', '5.00'] as const

  it('by default leaves successes alone, class by class', async () => {
    for (const code of CODES) expect(await ask(answering(code))).toHaveLength(code.startsWith('2.') ? 1 : 0)
  })

  it('is up to the resource', async () => {
    expect(await ask(answering('4.05', { answers: [4] }))).toMatchObject([{ code: '4.05', type: 'NON' }])
    expect(await ask(answering('4.15', { answers: [4] }))).toHaveLength(1)
    expect(await ask(answering('2.05', { answers: [4] }))).toHaveLength(0)
    expect(await ask({ ...answering('2.05', { answers: [2, 4] }) }, { code: '0.04' })).toMatchObject([{ code: '4.05' }])
  })

  it('is the same for every code of a class (property)', () => {
    const response = fc.record({
      of: fc.constantFrom('2', '4', '5'),
      detail: fc.integer({ min: 0, max: 31 }),
      other: fc.integer({ min: 0, max: 31 }),
    })
    const policy = fc.record({ answers: fc.subarray([2, 4, 5] as const), heedsNoResponse: fc.boolean() })
    const option = fc.record({ present: fc.boolean(), bits: fc.integer({ min: 0, max: 127 }) })
    fc.assert(
      fc.property(response, policy, option, fc.boolean(), ({ of, detail, other }, rules, noResponse, authenticated) => {
        const codeOf = (number: number): ResponseCode => `${of === '2' ? 2 : of === '4' ? 4 : 5}.${String(number).padStart(2, '0')}`
        expect(isSuppressed(codeOf(detail), rules, noResponse, authenticated)).toBe(
          isSuppressed(codeOf(other), rules, noResponse, authenticated),
        )
      }),
    )
  })

  it('is never relaxed by an unauthenticated client (property, §6.5)', () => {
    const policy = fc.record({ answers: fc.subarray([2, 4, 5] as const), heedsNoResponse: fc.boolean() })
    fc.assert(
      fc.property(fc.constantFrom(...CODES), policy, fc.integer({ min: 0, max: 127 }), (code, rules, bits) => {
        const usual = isSuppressed(code, rules, { present: false, bits: 0 }, false)
        if (usual) expect(isSuppressed(code, rules, { present: true, bits }, false)).toBe(true)
      }),
    )
  })

  it('gives way to No-Response of an authenticated client where the resource heeds it', async () => {
    const all = [uintOption(NO_RESPONSE, 0)]
    const heeds = answering('4.04', { heedsNoResponse: true })
    expect(await ask(heeds, { options: all })).toHaveLength(0)
    expect(await ask(answering('4.04'), { options: all, authenticated: true })).toHaveLength(0)
    expect(await ask(heeds, { options: all, authenticated: true })).toHaveLength(1)
    expect(await ask(heeds, { options: [uintOption(NO_RESPONSE, 8)], authenticated: true })).toHaveLength(0)
    expect(await ask(answering('2.05'), { options: [uintOption(NO_RESPONSE, 2)] })).toHaveLength(0)
  })

  it('is total for strangers where only authenticated clients are served (§6.3)', async () => {
    let calls = 0
    const resource: Resource = {
      answersGroupRequests: true,
      group: { authenticatedOnly: true },
      handlers: {
        GET: () => {
          calls++
          return { code: '2.05' }
        },
      },
    }
    expect(await ask(resource)).toHaveLength(0)
    expect(calls).toBe(0)
    expect(await ask(resource, { authenticated: true })).toHaveLength(1)
  })
})

describe('amplification (§6.3)', () => {
  const large: Resource = { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: pattern(2000) }) } }

  it('towards a stranger is bounded by a block, the rest of which unicast fetches', async () => {
    const [response] = await ask(large)
    expect(response!.payload).toHaveLength(256)
    expect(findBlock(response!.options, BLOCK2)).toEqual({ num: 0, more: true, szx: 4 })
    const place = bench()
    const channel = place.channelAt('2001:db8::99')
    channel.joinGroup(GROUP.address)
    const tree = new ResourceTree()
    tree.add('/r', large)
    new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
    const got = await place.clock.until(
      all(place.endpoint.groupRequest(GROUP, { method: 'GET', path: ['r'] }, { deadlineMs: 9000, expected: 1 })),
    )
    expect(got[0]?.payload).toEqual(pattern(2000))
  })

  it('is not bounded towards an authenticated client', async () => {
    const [response] = await ask(large, { authenticated: true })
    expect(response!.payload).toHaveLength(1024)
  })

  it.each([
    [{ maxResponseBytes: 16, maxAmplification: 1 }, 16],
    [{ maxResponseBytes: 64 }, 64],
    [{ maxResponseBytes: 0, maxAmplification: 100 }, 512],
  ])('is bounded as the resource says: %o', async (group, bytes) => {
    const [response] = await ask({ ...large, group })
    expect(response!.payload).toHaveLength(bytes)
  })

  it('keeps a smaller block that the client asks for', async () => {
    const [response] = await ask(large, { options: [uintOption(BLOCK2, 1)] })
    expect(response!.payload).toHaveLength(32)
  })

  it('is what a 4.01 with Echo is for: it leaves although errors are suppressed (§6.3.1)', async () => {
    const place = bench()
    const guarded: Resource = { ...large, echo: { freshnessMs: 60_000 } }
    const [challenge] = await ask(guarded, {}, place)
    expect(challenge).toMatchObject({ type: 'NON', code: '4.01' })
    const echo = findOption(challenge!.options, ECHO)!
    expect(echo.value.length).toBeLessThanOrEqual(40)
    expect(encodeMessage(challenge!).length).toBeLessThan(40)
  })

  it('lets a client that proves its address by unicast have its answer, and observe', async () => {
    for (const observe of [false, true]) {
      const place = bench()
      let calls = 0
      const served = (): { code: '2.05'; payload: Uint8Array } => {
        calls++
        return { code: '2.05', payload: utf8('state') }
      }
      const channel = place.channelAt('2001:db8::99')
      channel.joinGroup(GROUP.address)
      const tree = new ResourceTree()
      const changes = new Observable()
      tree.add('/r', { answersGroupRequests: true, observable: changes, echo: { freshnessMs: 60_000 }, handlers: { GET: served } })
      new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
      if (!observe) {
        const got = await place.clock.until(all(place.endpoint.groupRequest(GROUP, { method: 'GET', path: ['r'] }, { deadlineMs: 9000 })))
        expect(got.map((response) => [response.code, response.source.address])).toEqual([['2.05', '2001:db8::99']])
        expect(got[0]!.elapsedMs).toBeGreaterThan(1)
        expect(calls).toBe(1)
        continue
      }
      const observation = place.endpoint.observeGroup(GROUP, { method: 'GET', path: ['r'] })
      const gathered = all(observation)
      await place.clock.advance(9000)
      expect(observation.observed).toHaveLength(1)
      changes.notify()
      await place.clock.advance(9000)
      observation.cancel()
      expect((await gathered).map((response) => response.code)).toEqual(['2.05', '2.05'])
    }
  })

  it('asks a server that only ever challenges no more than its exchange allows', async () => {
    const place = bench()
    const odd = place.peer('2001:db8::99')
    odd.channel.joinGroup(GROUP.address)
    const gathered = all(place.endpoint.groupRequest(GROUP, { method: 'GET', path: ['r'] }, { deadlineMs: 9000 }))
    await place.clock.advance(10)
    const [request] = odd.take()
    const challenge = { code: '4.01', options: [opaqueOption(ECHO, Uint8Array.of(1))] } as const
    for (let messageId = 0; messageId < 20; messageId++) odd.send({ ...challenge, type: 'NON', messageId, token: request!.token })
    odd.channel.subscribe(() => {
      for (const message of odd.take()) odd.send({ ...challenge, type: 'ACK', messageId: message.messageId, token: message.token })
    })
    await place.clock.until(gathered)
    expect(place.traces.filter((event) => event.direction === 'sent').length).toBeLessThan(6)
  })
})

describe('ETag values (§3.2.2.1)', () => {
  it('differ from server to server for the same state, and from state to state', () => {
    const tags = new Set<string>()
    for (let server = 0; server < 200; server++) {
      const etags = new ServerETags(`lamp-${server}`)
      for (const state of ['on', 'off']) {
        const etag = etags.of(utf8(state))
        expect(etag).toHaveLength(8)
        expect(etags.isOwn(etag)).toBe(true)
        tags.add(etag.join())
      }
    }
    expect(tags.size).toBe(400)
    expect(new ServerETags('a').isOwn(new ServerETags('b').of(utf8('on')))).toBe(false)
  })

  it('that block-wise transfer makes by itself differ, too', async () => {
    const place = bench()
    const client = place.peer()
    for (const address of ['2001:db8::a', '2001:db8::b']) {
      const channel = place.channelAt(address)
      channel.joinGroup(GROUP.address)
      const tree = new ResourceTree()
      tree.add('/r', { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: pattern(2000) }) } })
      new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
    }
    client.channel.send(encodeMessage(msg({ type: 'NON', options: path('r') })), GROUP)
    await place.clock.advance(9000)
    const tags = client.take().map((message) => findOption(message.options, ETAG)!.value.join())
    expect(new Set(tags).size).toBe(2)
  })

  it('in a group request are processed as in a unicast one: 2.03 to the own, 2.05 to others', async () => {
    const etags = new ServerETags('me')
    const resource: Resource = {
      answersGroupRequests: true,
      handlers: { GET: (request) => etags.answer(request, { code: '2.05', payload: utf8('on'), options: [uintOption(14, 30)] }) },
    }
    const own = opaqueOption(ETAG, etags.of(utf8('on')))
    const other = opaqueOption(ETAG, new ServerETags('you').of(utf8('on')))
    const [valid] = await ask(resource, { options: [other, own] })
    expect(valid).toMatchObject({ code: '2.03', options: [own, uintOption(14, 30)] })
    expect(valid!.payload).toHaveLength(0)
    const [fresh] = await ask(resource, { options: [other] })
    expect(fresh).toMatchObject({ code: '2.05', payload: utf8('on') })
  })
})

describe('membership', () => {
  it('joins once and leaves when nobody needs the group any more', () => {
    const place = bench()
    const calls: string[] = []
    const { channel } = place
    channel.joinGroup = (address: string, on?: string) => calls.push(`join ${address} ${on ?? 'all'}`)
    channel.leaveGroup = (address: string, on?: string) => calls.push(`leave ${address} ${on ?? 'all'}`)
    const groups = new GroupMembership({ channel })
    const first = groups.join('ff05::1234')
    const second = groups.join('FF05::1234')
    const wired = groups.join('ff05::1234', 'eth0')
    first()
    first()
    expect(groups.groups).toEqual([
      { address: 'ff05::1234', on: undefined },
      { address: 'ff05::1234', on: 'eth0' },
    ])
    second()
    wired()
    expect(calls).toEqual(['join ff05::1234 all', 'join ff05::1234 eth0', 'leave ff05::1234 all', 'leave ff05::1234 eth0'])
    groups.joinAllCoapNodes(true)
    expect(groups.groups.map((group) => group.address)).toEqual(['ff02::fd', 'ff03::fd', 'ff04::fd', 'ff05::fd'])
    const late = groups.join('ff05::1234')
    groups.close()
    late()
    expect(groups.groups).toEqual([])
    expect(calls.filter((call) => call.startsWith('leave'))).toHaveLength(7)
  })

  it('stays within the scopes that are allowed', () => {
    const { channel } = bench()
    const usual = new GroupMembership({ channel })
    for (const address of ['ff08::1', 'ff0e::1', 'ff01::1', 'ff0f::1', '2001:db8::1', 'x', '224.0.1.187']) {
      expect(() => usual.join(address)).toThrow(expect.objectContaining({ code: 'group.address-invalid' }))
    }
    const wide = new GroupMembership({ channel, scopes: ['site-local', 'organization-local', 'global'] })
    expect(() => wide.join('ff08::1')()).not.toThrow()
    expect(() => wide.join('ff0e::1')()).not.toThrow()
    expect(() => wide.join('ff02::1')).toThrow(expect.objectContaining({ code: 'group.address-invalid' }))
  })

  it('of an IPv4 channel is in 224.0.1.187', async () => {
    const place = bench()
    const channel = place.channelAt('192.0.2.9')
    const groups = new GroupMembership({ channel })
    const leave = groups.joinAllCoapNodes()
    expect(groups.groups).toEqual([{ address: '224.0.1.187', on: undefined }])
    const tree = new ResourceTree()
    tree.add('/r', answering('2.05'))
    new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
    const client = place.peer('192.0.2.10')
    const request = encodeMessage(msg({ type: 'NON', options: path('r') }))
    client.channel.send(request, { address: '224.0.1.187', port: 5683 })
    await place.clock.advance(10_000)
    expect(client.take()).toHaveLength(1)
    leave()
    client.channel.send(encodeMessage(msg({ type: 'NON', messageId: 2, options: path('r') })), { address: '224.0.1.187', port: 5683 })
    await place.clock.advance(10_000)
    expect(client.take()).toHaveLength(0)
  })

  it('is refused on port 5684 (§3.4)', () => {
    const channel = bench().channelAt('2001:db8::5', 5684)
    expect(() => new GroupMembership({ channel }).join('ff05::1')).toThrow(expect.objectContaining({ code: 'group.port-reserved' }))
  })
})
