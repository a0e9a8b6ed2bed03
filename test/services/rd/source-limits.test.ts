// RFC 8516 and RFC 9176 §8.4: what one source may ask for and keep.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, decodeUint, type SocketAddress } from '#main/base/index.ts'
import { DEFAULT_SOURCE_LIMITS } from '#main/services/rd/source-limits.ts'
import { SourceRates } from '#main/services/rd/source-rates.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import type { Observation } from '#main/wire/coap/index.ts'
import { OURS } from '../../wire/coap/harness.ts'
import { RdHarness, type Answer } from './harness.ts'
import { rdNetwork, type Device } from './network.ts'

const at = (last: number, port = 5683): SocketAddress => ({ address: `2001:db8::${last.toString(16)}`, port })

function maxAge(answer: Answer): number | undefined {
  const option = answer.options.find(({ number }) => number === 14)
  return option === undefined ? undefined : decodeUint(option.value)
}

describe('the rate of one source', () => {
  const limits = { requestsPerMinute: 60, requestBurst: 3 }

  it('is limited with 4.29 and the time to wait, whatever port it sends from', async () => {
    const rd = new RdHarness({ sourceLimits: limits })
    for (let index = 0; index < 3; index++) await rd.register(`ep=n${index}`, '', { from: at(1, 1000 + index) })
    const refused = await rd.ask('POST', '/rd?ep=n4', { from: at(1, 2000) })
    expect([refused.code, maxAge(refused)]).toEqual(['4.29', 1])
    expect(refused.text).toBe('The source asks too often')
    await rd.register('ep=other', '', { from: at(2) })
    await rd.register('ep=elsewhere', '', { from: at(1), channelId: 'another' })
    await rd.clock.advance(1000)
    await rd.register('ep=n4', '', { from: at(1) })
  })

  it('counts updates and removals too, and no lookups', async () => {
    const rd = new RdHarness({ sourceLimits: limits })
    const location = await rd.register('ep=a', '')
    expect((await rd.ask('POST', location)).code).toBe('2.04')
    expect((await rd.ask('DELETE', '/rd/nobody')).code).toBe('4.04')
    expect((await rd.ask('DELETE', location)).code).toBe('4.29')
    expect((await rd.ask('POST', location)).code).toBe('4.29')
    for (let index = 0; index < 10; index++) expect((await rd.ask('GET', '/rd-lookup/ep')).code).toBe('2.05')
    expect(rd.directory.size).toBe(1)
  })

  it('counts bytes, and lets what is larger than the burst through when nothing has been used', async () => {
    const rd = new RdHarness({ sourceLimits: { byteBurst: 100, bytesPerMinute: 60 } })
    await rd.register('ep=a', `</${'a'.repeat(200)}>`)
    const refused = await rd.ask('POST', '/rd?ep=b', { payload: `</${'b'.repeat(57)}>` })
    expect([refused.code, maxAge(refused)]).toEqual(['4.29', 60])
    await rd.clock.advance(60_000)
    await rd.register('ep=b', `</${'b'.repeat(57)}>`)
  })

  it('is none unless limits are given', async () => {
    const rd = new RdHarness()
    for (let index = 0; index < 500; index++) await rd.register(`ep=n${index}`, '')
  })
})

describe('sources without number', () => {
  it('take no more memory than there are places, and those with a place keep their own rate', () => {
    const clock = new VirtualClock()
    const rates = new SourceRates(clock, { ...DEFAULT_SOURCE_LIMITS, sources: 100, requestBurst: 10, requestsPerMinute: 60 })
    const known = { address: at(1), channelId: 'x' }
    rates.charge(known, 0)
    let refused = 0
    for (let index = 0; index < 5000; index++) {
      try {
        rates.charge({ address: { address: `fd00::${index.toString(16)}`, port: 1 }, channelId: 'x' }, 0)
      } catch {
        refused++
      }
    }
    expect(rates.size).toBe(100)
    expect(refused).toBe(5000 - 99 - 10)
    expect(() => rates.charge(known, 0)).not.toThrow()
  })

  it('leave their places when they have been silent for long enough', async () => {
    const clock = new VirtualClock()
    const rates = new SourceRates(clock, { ...DEFAULT_SOURCE_LIMITS, sources: 10, requestBurst: 1, requestsPerMinute: 60 })
    const from = (index: number): Parameters<SourceRates['charge']>[0] => ({ address: at(index), channelId: 'x' })
    for (let index = 0; index < 10; index++) rates.charge(from(index), 0)
    rates.charge(from(10), 0)
    expect(() => rates.charge(from(11), 0)).toThrow('too often')
    await clock.advance(1000)
    for (let index = 20; index < 30; index++) rates.charge(from(index), 0)
    expect(rates.size).toBe(10)
  })

  it('never get more than burst and rate allow, however they come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(3), fc.nat(3000), fc.nat(50)), { minLength: 1, maxLength: 60 }), async (requests) => {
        const clock = new VirtualClock()
        const limits = { ...DEFAULT_SOURCE_LIMITS, sources: 2, requestBurst: 3, requestsPerMinute: 60, byteBurst: 100, bytesPerMinute: 600 }
        const rates = new SourceRates(clock, limits)
        let passed = 0
        let bytes = 0
        for (const [source, waitMs, size] of requests) {
          await clock.advance(waitMs)
          try {
            rates.charge({ address: at(source), channelId: 'x' }, size)
            passed++
            bytes += size
          } catch (error) {
            const waitS = error instanceof AppError ? error.details.retryAfterS : undefined
            expect(waitS).toBeGreaterThanOrEqual(1)
          }
        }
        const seconds = clock.monotonicMs() / 1000
        // Two sources with places, and all others as one.
        expect(passed).toBeLessThanOrEqual(Math.max(4, 3) * (3 + seconds) + 1e-6)
        expect(bytes).toBeLessThanOrEqual(4 * (100 + seconds * 10) + 1e-6)
        expect(rates.size).toBeLessThanOrEqual(2)
      }),
    )
  })
})

describe('the quota of one source', () => {
  it('limits its registrations; its own it may still replace, renew and remove', async () => {
    const rd = new RdHarness({ sourceLimits: { registrations: 2 } })
    const first = await rd.register('ep=a', '</a>')
    await rd.register('ep=b', '</b>')
    const refused = await rd.ask('POST', '/rd?ep=c')
    expect([refused.code, maxAge(refused)]).toEqual(['4.29', 300])
    await rd.register('ep=b', '</new>')
    expect((await rd.ask('POST', first)).code).toBe('2.04')
    await rd.register('ep=c', '', { from: at(9) })
    expect((await rd.ask('DELETE', first)).code).toBe('2.02')
    await rd.register('ep=d', '')
  })

  it('limits its bytes of links and attributes', async () => {
    const rd = new RdHarness({ sourceLimits: { bytes: 100 } })
    const location = await rd.register('ep=a', `</${'a'.repeat(60)}>`)
    expect((await rd.ask('POST', '/rd?ep=b', { payload: `</${'b'.repeat(60)}>` })).code).toBe('4.29')
    expect((await rd.ask('POST', `${location}?et=${'x'.repeat(60)}`)).code).toBe('4.29')
    expect(rd.directory.find('a')?.attributes).toEqual([])
    await rd.register('ep=a', '</short>')
    await rd.register('ep=b', `</${'b'.repeat(60)}>`)
  })

  it('cannot be passed on: an update from another address counts there', async () => {
    const rd = new RdHarness({ sourceLimits: { registrations: 1 } })
    const location = await rd.register('ep=a', '', { from: at(1) })
    await rd.register('ep=b', '', { from: at(2) })
    expect((await rd.ask('POST', location, { from: at(2) })).code).toBe('4.29')
    expect((await rd.ask('POST', location, { from: at(3) })).code).toBe('2.04')
    await rd.register('ep=c', '', { from: at(1) })
  })

  it('does not count what this program registers, and holds after a restart', async () => {
    const rd = new RdHarness({ sourceLimits: { registrations: 1 } })
    for (const name of ['x', 'y']) rd.directory.register({ endpointName: name, base: 'coap://h', links: [] })
    await rd.register('ep=a', '')
    rd.directory.close()
    const again = new RdHarness({ sourceLimits: { registrations: 1 }, memory: rd.store, virtual: rd.clock })
    expect((await again.ask('POST', '/rd?ep=b')).code).toBe('4.29')
  })

  it('is what it was when a commit fails', async () => {
    const rd = new RdHarness({ sourceLimits: { registrations: 2 } })
    await rd.register('ep=a', '')
    rd.store.failsAtCommit = true
    await expect(rd.ask('POST', '/rd?ep=b')).rejects.toThrow('no disk')
    rd.store.failsAtCommit = false
    await rd.register('ep=b', '')
    expect((await rd.ask('POST', '/rd?ep=c')).code).toBe('4.29')
  })
})

describe('the quota of a /64', () => {
  it('holds for all its addresses together, however they are written, and on each channel alone', async () => {
    const rd = new RdHarness({ sourceLimits: { prefixRegistrations: 3 } })
    for (const address of ['2001:db8::1', '2001:db8:0:0:1::1', '2001:db8::ffff:1:2:3'])
      await rd.register(`ep=${address}`, '', { from: { address, port: 1 } })
    const refused = await rd.ask('POST', '/rd?ep=x', { from: { address: '2001:db8::4', port: 1 } })
    expect([refused.code, maxAge(refused)]).toEqual(['4.29', 300])
    await rd.register('ep=next prefix', '', { from: { address: '2001:db8:0:1::1', port: 1 } })
    await rd.register('ep=channel', '', { from: { address: '2001:db8::4', port: 1 }, channelId: 'another' })
    for (let index = 1; index < 6; index++) await rd.register(`ep=v4-${index}`, '', { from: { address: `192.0.2.${index}`, port: 1 } })
  })

  it('limits its bytes, and gives them back when registrations go', async () => {
    const rd = new RdHarness({ sourceLimits: { prefixBytes: 30 } })
    const location = await rd.register('ep=a', `</${'a'.repeat(20)}>`, { from: at(1) })
    expect((await rd.ask('POST', '/rd?ep=b', { payload: '</12345678>', from: at(2) })).code).toBe('4.29')
    await rd.ask('DELETE', location, { from: at(1) })
    await rd.register('ep=b', '</12345678>', { from: at(2) })
  })
})

describe('observers', () => {
  it('are so many of one address and of one /64; one more is refused with 4.29, and may look up', async () => {
    const rd = rdNetwork({ sourceLimits: { observers: 2, prefixObservers: 3 } })
    const [one, two] = [rd.device('2001:db8::21'), rd.device('2001:db8::22')]
    const codes: string[] = []
    const observe = async (device: Device, query: string): Promise<Observation> => {
      const observation = device.endpoint.observe(
        OURS,
        { method: 'GET', path: ['rd-lookup', 'ep'], query: [query] },
        { onNotification: ({ code }) => codes.push(code) },
      )
      await rd.clock.advance(1000)
      return observation
    }
    const first = await observe(one, 'ep=a')
    await observe(one, 'ep=b')
    expect(codes).toEqual(['2.05', '2.05'])
    await observe(one, 'ep=c')
    expect(codes.at(-1)).toBe('4.29')
    await observe(two, 'ep=a')
    expect(codes.at(-1)).toBe('2.05')
    await observe(two, 'ep=b')
    expect(codes.at(-1)).toBe('4.29')
    expect((await rd.ask(two, 'GET', '/rd-lookup/ep?ep=b')).code).toBe('2.05')
    expect(rd.endpoint.holdings().observers).toBe(3)
    // Those who observe are told, whatever the limit.
    rd.directory.configure({ sourceLimits: { observers: 0 } })
    rd.directory.registerText({ endpointName: 'b', base: 'coap://h', links: '' })
    await rd.clock.advance(5000)
    expect(codes.filter((code) => code === '2.05')).toHaveLength(4)
    rd.directory.configure({ sourceLimits: { observers: 2 } })
    await rd.clock.until(first.cancel())
    await observe(two, 'ep=b')
    expect(codes.at(-1)).toBe('2.05')
  })
})

it('whatever sources do, none holds more than its quota, and one that holds less is not refused', async () => {
  const step = fc.record({
    kind: fc.constantFrom('register', 'register', 'update', 'remove', 'wait'),
    from: fc.nat(2),
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    lifetimeS: fc.constantFrom(1, 1000),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const rd = new RdHarness({ sourceLimits: { registrations: 2 }, limits: { graceS: 5 } })
      const held = (from: number): string[] =>
        [...rd.store.rows.values()].flatMap(({ endpointName, source }) =>
          source?.address.address === at(from).address ? [endpointName] : [],
        )
      for (const { kind, from, name, lifetimeS } of steps) {
        const before = held(from)
        const id = [...rd.store.rows.values()].find(({ endpointName }) => endpointName === name)?.id
        if (kind === 'wait') await rd.clock.advance(4000)
        else if (kind === 'remove') await rd.ask('DELETE', `/rd/${id ?? 'none'}`, { from: at(from) })
        else if (kind === 'register' || id !== undefined) {
          const uri = kind === 'register' ? `/rd?ep=${name}&lt=${lifetimeS}` : `/rd/${id ?? ''}`
          const { code } = await rd.ask('POST', uri, { from: at(from) })
          expect(code === '4.29').toBe(!before.includes(name) && before.length === 2)
        }
        for (const source of [0, 1, 2]) expect(held(source).length).toBeLessThanOrEqual(2)
      }
    }),
    { numRuns: 150 },
  )
})
