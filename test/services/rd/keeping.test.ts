// What the directory keeps: lifetimes, durability, bounds, and whose a registration is (RFC 9176 §5.3, §7).
import { describe, expect, it } from 'vitest'
import { asLinks, MemoryRegistrationStore, RdHarness } from './harness.ts'

describe('lifetimes', () => {
  it('each ends at its own time, and only due entries are touched', async () => {
    const rd = new RdHarness()
    for (let index = 0; index < 50; index++) await rd.register(`ep=n${index}&lt=${100 + index}`, '')
    expect(rd.clock.pendingTimers).toBe(1)
    await rd.clock.advance(100_000)
    expect(rd.directory.size).toBe(49)
    await rd.clock.advance(24_000)
    expect(rd.directory.size).toBe(25)
    expect(rd.events.filter((event) => event.startsWith('expired'))).toHaveLength(25)
  })

  it('a lapsed registration is shown to nobody, and can be renewed at its location (RFC 9176 §5.3)', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a&lt=60', '</a>;rt=x')
    await rd.clock.advance(60_000)
    expect(rd.directory.get(location.slice(4))).toBeUndefined()
    expect(rd.directory.find('a')).toBeUndefined()
    expect(rd.directory.list(0, 9)).toEqual([])
    expect(await rd.lookup('res?rt=x')).toBe('')
    expect((await rd.ask('POST', location)).code).toBe('2.04')
    expect(asLinks(await rd.lookup('res?rt=x'))).toHaveLength(1)
    expect(rd.events).toEqual(['registered a', 'expired a', 'registered a'])
  })

  it('a lapsed registration is removed after a day', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a&lt=60', '')
    await rd.clock.advance(60_000 + 86_400_000)
    expect((await rd.ask('POST', location)).code).toBe('4.04')
    expect(rd.store.rows.size).toBe(0)
    expect(rd.clock.pendingTimers).toBe(0)
  })

  it('a jump of the wall clock ends nothing', async () => {
    const rd = new RdHarness()
    await rd.register('ep=a&lt=60', '')
    rd.clock.jumpWallClock(1e9)
    await rd.clock.advance(59_000)
    expect(rd.directory.size).toBe(1)
  })
})

describe('the wall clock', () => {
  /** Years: a computer whose battery is empty, before and after NTP has put it right. */
  const YEARS_MS = 6 * 31_557_600_000

  it.each([YEARS_MS, -YEARS_MS, 3_600_000, -3_600_000])(
    'put right by %d ms, registrations are dated anew, and a restart ends none',
    async (byMs) => {
      const first = new RdHarness()
      const location = await first.register('ep=a&lt=1000', '</a>')
      await first.clock.advance(100_000)
      first.clock.jumpWallClock(byMs)
      // Whatever is written next takes the others along.
      await first.register('ep=b&lt=5000', '</b>')
      const second = new RdHarness({ memory: first.store, store: first.store, virtual: first.clock })
      expect(second.directory.list(0, 9).map(({ endpointName }) => endpointName)).toEqual(['a', 'b'])
      expect(second.directory.view({ offset: 0, limit: 1 }).rows[0]).toMatchObject({ secondsLeft: 900 })
      await second.clock.advance(899_999)
      expect(second.events).toEqual([])
      await second.clock.advance(1)
      expect(second.events).toEqual(['expired a'])
      expect((await second.ask('POST', location)).code).toBe('2.04')
    },
  )

  it('put right just before the directory closes, takes the dates along too', async () => {
    const first = new RdHarness()
    await first.register('ep=a&lt=1000', '</a>')
    first.clock.jumpWallClock(YEARS_MS)
    first.directory.close()
    const second = new RdHarness({ memory: first.store, store: first.store, virtual: first.clock })
    expect(second.directory.size).toBe(1)
  })

  it('that is slewed by seconds is followed by nothing', async () => {
    const rd = new RdHarness()
    await rd.register('ep=a', '')
    const before = rd.store.rows.get(rd.directory.find('a')?.id ?? '')
    rd.clock.jumpWallClock(5000)
    await rd.register('ep=b', '')
    expect(rd.store.rows.get(before?.id ?? '')).toEqual(before)
  })

  it('put right in a commit that fails, is put right in the next', async () => {
    const rd = new RdHarness()
    await rd.register('ep=a&lt=1000', '')
    rd.clock.jumpWallClock(YEARS_MS)
    rd.store.failsAtCommit = true
    await expect(rd.ask('POST', '/rd?ep=b')).rejects.toThrow('no disk')
    rd.store.failsAtCommit = false
    expect(rd.directory.size).toBe(1)
    await rd.register('ep=b', '')
    const second = new RdHarness({ memory: rd.store, store: rd.store, virtual: rd.clock })
    expect(second.directory.view({ offset: 0, limit: 9 }).rows.map(({ secondsLeft }) => secondsLeft)).toEqual([1000, 90_000])
  })
})

describe('a restart of a large directory', () => {
  it('has no burst of expiries: each comes when its lifetime ends', async () => {
    const first = new RdHarness()
    for (let index = 0; index < 1000; index++)
      first.directory.registerText({ endpointName: `n${index}`, base: 'coap://h', lifetimeS: 100 + index, links: '' })
    await first.clock.advance(99_000)
    first.directory.close()
    const second = new RdHarness({ memory: first.store, store: first.store, virtual: first.clock })
    expect(second.directory.size).toBe(1000)
    expect(second.clock.pendingTimers).toBe(1)
    for (let seconds = 0; seconds < 20; seconds++) {
      await second.clock.advance(1000)
      expect(second.events).toHaveLength(seconds + 1)
    }
  })
})

describe('durability', () => {
  it('is in the store before it is answered, and nothing is shown that could not be kept', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a', '</a>')
    expect(rd.store.rows.get(location.slice(4))).toMatchObject({ endpointName: 'a', links: '</a>' })
    rd.store.broken = true
    await expect(rd.ask('POST', '/rd?ep=b', { payload: '</b>' })).rejects.toThrow('no disk')
    await expect(rd.ask('POST', `${location}?lt=5`)).rejects.toThrow('no disk')
    await expect(rd.ask('DELETE', location)).rejects.toThrow('no disk')
    expect(rd.directory.list(0, 9).map(({ endpointName, lifetimeS }) => [endpointName, lifetimeS])).toEqual([['a', 90_000]])
  })

  it('requests that come together share one commit, and one that is refused spoils no other', async () => {
    const rd = new RdHarness()
    const asked = ['ep=a', 'ep=b', `ep=${'x'.repeat(64)}`, 'ep=a&et=second', 'ep=c&lt=60'].map((query) =>
      rd.ask('POST', `/rd?${query}`, { payload: '</a>' }),
    )
    const answers = await Promise.all(asked)
    expect(answers.map((answer) => answer.code)).toEqual(['2.01', '2.01', '4.00', '2.01', '2.01'])
    expect(answers[3]?.location).toBe(answers[0]?.location)
    expect(rd.store.transactions).toBe(1)
    expect(rd.events).toEqual(['registered a', 'registered b', 'updated a', 'registered c'])
    expect(asLinks(await rd.lookup('ep?et=second'))).toHaveLength(1)
  })

  it('where the commit itself fails, nobody is told of success, and memory goes back to what is kept', async () => {
    const rd = new RdHarness({ limits: { registrations: 3 } })
    const location = await rd.register('ep=a&et=kept&lt=100', '</a>;rt=kept')
    rd.store.failsAtCommit = true
    const asked = [
      rd.ask('POST', `${location}?et=lost`),
      rd.ask('POST', '/rd?ep=b', { payload: '</b>;rt=lost' }),
      rd.ask('DELETE', location),
    ]
    for (const answer of asked) await expect(answer).rejects.toThrow('no disk')
    expect(() => rd.directory.remove(location.slice(4))).toThrow('no disk')
    expect(rd.events).toEqual(['registered a'])
    expect(rd.directory.list(0, 9)).toMatchObject([{ endpointName: 'a', attributes: [{ name: 'et', value: 'kept' }] }])
    expect(asLinks(await rd.lookup('res?rt=kept'))).toHaveLength(1)
    expect(await rd.lookup('res?rt=lost')).toBe('')
    rd.store.failsAtCommit = false
    await rd.register('ep=b', '')
    await rd.clock.advance(100_000)
    expect(rd.events).toEqual(['registered a', 'registered b', 'expired a'])
  })

  it('what waits for its commit when the directory closes is written', async () => {
    const rd = new RdHarness()
    const asked = rd.ask('POST', '/rd?ep=a')
    rd.directory.close()
    expect(rd.store.rows.size).toBe(1)
    expect((await asked).code).toBe('2.01')
  })

  it('a restart goes on with every lifetime where it was, and keeps the order and the locations', async () => {
    const store = new MemoryRegistrationStore()
    const first = new RdHarness({ memory: store })
    const location = await first.register('ep=a&lt=100&et=x', '</a>;rt=y')
    await first.register('ep=b&lt=1000', '')
    await first.clock.advance(40_000)
    first.directory.close()
    const second = new RdHarness({ memory: store, virtual: first.clock, store })
    expect(second.directory.list(0, 9).map((registration) => registration.endpointName)).toEqual(['a', 'b'])
    expect(asLinks(await second.lookup('ep?rt=y'))[0]).toContain(location)
    await second.clock.advance(59_999)
    expect(second.directory.size).toBe(2)
    await second.clock.advance(1)
    expect(second.directory.size).toBe(1)
  })

  it('what lapsed while nobody was there lapsed silently, and can still be renewed', async () => {
    const store = new MemoryRegistrationStore()
    const first = new RdHarness({ memory: store })
    const location = await first.register('ep=a&lt=100', '')
    await first.register('ep=gone&lt=1', '')
    first.directory.close()
    await first.clock.advance(86_402_000)
    const second = new RdHarness({ memory: store, virtual: first.clock, store })
    await second.clock.advance(0)
    expect(second.directory.size).toBe(0)
    expect(second.events).toEqual([])
    expect([...store.rows.values()].map((row) => row.endpointName)).toEqual(['a'])
    expect((await second.ask('POST', location)).code).toBe('2.04')
    expect(second.directory.size).toBe(1)
  })
})

describe('who may change a registration (RFC 9176 §7)', () => {
  const owner = { from: { address: '2001:db8::1', port: 5683 } }
  const samePlace = { from: { address: '2001:db8::1', port: 40_000 } }
  const stranger = { from: { address: '2001:db8::2', port: 5683 } }

  it('first come: only its own address, on its own channel, whatever the port', async () => {
    const rd = new RdHarness({ policy: 'first-come' })
    const location = await rd.register('ep=a&lt=100', '</a>', owner)
    for (const other of [stranger, { ...owner, channelId: 'other' }]) {
      expect((await rd.ask('POST', '/rd?ep=a', { ...other, payload: '</evil>' })).code).toBe('4.03')
      expect((await rd.ask('POST', `${location}?base=coap://evil`, other)).code).toBe('4.03')
      expect((await rd.ask('DELETE', location, other)).code).toBe('4.03')
    }
    expect(asLinks(await rd.lookup('res'))).toEqual(['<coap://[2001:db8::1]/a>'])
    expect((await rd.ask('POST', location, samePlace)).code).toBe('2.04')
    // A lapsed one is remembered as long as its location.
    await rd.clock.advance(100_000)
    expect((await rd.ask('POST', '/rd?ep=a', stranger)).code).toBe('4.03')
    expect((await rd.ask('DELETE', location, samePlace)).code).toBe('2.02')
    expect((await rd.ask('POST', '/rd?ep=a', stranger)).code).toBe('2.01')
  })

  it('first come: what the program registered is closed to requests, not to the program', async () => {
    const rd = new RdHarness({ policy: 'first-come' })
    const input = { endpointName: 'lights', base: 'coap://[ff35:30:2001:db8:f1::8000:1]', links: [] }
    const { location, id } = rd.directory.register(input)
    expect((await rd.ask('DELETE', location, stranger)).code).toBe('4.03')
    expect((await rd.ask('POST', '/rd?ep=lights', stranger)).code).toBe('4.03')
    rd.directory.register({ ...input, lifetimeS: 60 })
    expect(rd.directory.remove(id)).toBe(true)
  })

  it('open: a commissioning tool may change what a device registered', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a', '</a>', owner)
    expect((await rd.ask('POST', `${location}?base=coap://new.example`, stranger)).code).toBe('2.04')
    expect((await rd.ask('DELETE', location, stranger)).code).toBe('2.02')
  })
})

describe('bounds', () => {
  it('a full directory says so and when to try again, and still takes renewals', async () => {
    const rd = new RdHarness({ limits: { registrations: 2 } })
    const location = await rd.register('ep=a&lt=60', '')
    await rd.register('ep=b', '')
    const full = await rd.ask('POST', '/rd?ep=c')
    expect(full.code).toBe('5.03')
    expect(full.options).toEqual([{ number: 14, value: new Uint8Array([60]) }])
    expect((await rd.ask('POST', '/rd?ep=b')).code).toBe('2.01')
    expect((await rd.ask('POST', location)).code).toBe('2.04')
    // Once one has lapsed, it makes room.
    await rd.clock.advance(60_000)
    expect((await rd.ask('POST', '/rd?ep=c')).code).toBe('2.01')
    expect(rd.store.rows.size).toBe(2)
    expect((await rd.ask('POST', location)).code).toBe('4.04')
  })

  it('renewing for ever leaves nothing behind', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a&lt=100', '</a>;rt=x')
    for (let round = 0; round < 2000; round++) {
      await rd.ask('POST', `${location}?et=t${round}`)
      await rd.clock.advance(1000)
    }
    expect(rd.clock.pendingTimers).toBe(1)
    expect(asLinks(await rd.lookup('ep?et=t1*'))).toHaveLength(1)
  })
})

describe('the program’s own access', () => {
  it('removes, lists in pages, and tells a listener until it leaves', async () => {
    const rd = new RdHarness()
    const seen: string[] = []
    const leave = rd.directory.onChange((event) => seen.push(event.kind))
    for (const name of ['a', 'b', 'c']) await rd.register(`ep=${name}`, '')
    expect(rd.directory.list(1, 1).map((registration) => registration.endpointName)).toEqual(['b'])
    expect(rd.directory.remove(rd.directory.find('b')?.id ?? '')).toBe(true)
    expect(rd.directory.remove('nobody')).toBe(false)
    leave()
    await rd.register('ep=d', '')
    expect(seen).toEqual(['registered', 'registered', 'registered', 'removed'])
    expect(rd.directory.size).toBe(3)
  })

  it('refuses what a registration request could not say either', () => {
    const rd = new RdHarness()
    const input = { endpointName: 'a', base: 'coap://x.example', links: [] }
    expect(() => rd.directory.register({ ...input, base: 'x' })).toThrow(expect.objectContaining({ code: 'rd.parameter-invalid' }))
    expect(() => rd.directory.register({ ...input, lifetimeS: 0.5 })).toThrow(expect.objectContaining({ code: 'rd.parameter-invalid' }))
    expect(() => rd.directory.register({ ...input, links: [{ href: 'x', attributes: [] }] })).toThrow(
      expect.objectContaining({ code: 'rd.links-invalid' }),
    )
  })

  it('a closed directory serves nothing and sets no timers', async () => {
    const rd = new RdHarness()
    await rd.register('ep=a', '')
    rd.directory.close()
    expect(rd.clock.pendingTimers).toBe(0)
    expect((await rd.ask('POST', '/rd?ep=a')).code).toBe('4.04')
  })
})
