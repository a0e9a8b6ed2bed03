// RFC 9176 §6.2 with RFC 7641: observers of a lookup hear of changes to their own result, and of nothing else.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ClientResponse, Observation } from '#main/wire/coap/index.ts'
import { findUint, OptionNumber } from '#main/wire/coap/index.ts'
import { asLinks } from './harness.ts'
import { rdNetwork, textOf, type Device, type RdNetwork } from './network.ts'
import { OURS } from '../../wire/coap/harness.ts'

interface Watcher {
  /** Each result that was told, the first one included. */
  readonly told: ClientResponse[]
  readonly texts: () => string[]
  readonly observation: Observation
}

function watch(device: Device, uri: string): Watcher {
  const [path = '', query] = uri.split('?')
  const told: ClientResponse[] = []
  const observation = device.endpoint.observe(
    OURS,
    { method: 'GET', path: path.split('/').slice(1), ...(query === undefined ? {} : { query: query.split('&') }) },
    { onNotification: (notification) => told.push(notification) },
  )
  return { told, texts: () => told.map(textOf), observation }
}

async function register(rd: RdNetwork, query: string, links: string, device?: Device): Promise<string> {
  const answer = await rd.ask(device ?? registrants.get(rd) ?? newRegistrant(rd), 'POST', `/rd?${query}`, links)
  expect(answer.code).toBe('2.01')
  return rd.directory.find(/ep=([^&]*)/.exec(query)![1]!)!.location
}

const registrants = new WeakMap<RdNetwork, Device>()
function newRegistrant(rd: RdNetwork): Device {
  const device = rd.device('2001:db8:3::124')
  registrants.set(rd, device)
  return device
}

describe('RFC 9176 §6.3', () => {
  it('Figure 20: an observer is told of new resources as they show up', async () => {
    const rd = rdNetwork()
    const light = watch(rd.device('2001:db8::c'), '/rd-lookup/res?rt=tag:example.org,2020:light')
    await rd.clock.advance(100)
    expect(light.told.map(({ code }) => code)).toEqual(['2.05'])
    expect(light.texts()).toEqual([''])
    const links = ['west', 'south', 'east'].map((side) => `</${side}>;rt="tag:example.org,2020:light"`).join(',')
    await register(rd, 'ep=lamps', `${links},</temp>;rt="tag:example.org,2020:temperature"`)
    await rd.clock.advance(5000)
    expect(light.told).toHaveLength(2)
    expect(light.told[1]).toMatchObject({ code: '2.05', contentFormat: 40 })
    expect(asLinks(light.texts()[1]!)).toEqual(
      asLinks(`<coap://[2001:db8:3::124]/west>;rt="tag:example.org,2020:light",
        <coap://[2001:db8:3::124]/south>;rt="tag:example.org,2020:light",
        <coap://[2001:db8:3::124]/east>;rt="tag:example.org,2020:light"`),
    )
    const [first, second] = light.told.map(({ options }) => findUint(options, OptionNumber.OBSERVE)!)
    expect(second! - first!).toBe(1)
  })
})

describe('an observer', () => {
  it('hears of registrations, changes, removals and expiries of what it looks for', async () => {
    const rd = rdNetwork()
    const lamps = watch(rd.device('2001:db8::c'), '/rd-lookup/ep?et=lamp')
    await rd.clock.advance(100)
    const location = await register(rd, 'ep=a&et=lamp&lt=60', '</a>')
    await rd.clock.advance(5000)
    await rd.ask(registrants.get(rd)!, 'POST', `${location}?room=1`)
    await rd.clock.advance(5000)
    await register(rd, 'ep=b&et=lamp', '')
    await rd.clock.advance(5000)
    rd.directory.remove(rd.directory.find('b')!.id)
    await rd.clock.advance(5000)
    await rd.clock.advance(60_000)
    const seen = lamps
      .texts()
      .map((text) => asLinks(text).map((link) => (/ep=\w(?=;)/.exec(link)?.[0] ?? '') + (link.includes('room=1') ? '!' : '')))
    // Changes close to each other are repeated once to be sure (RFC 7641 §4.5): states, not messages, count.
    const states = seen.filter((state, index) => JSON.stringify(state) !== JSON.stringify(seen[index - 1]))
    expect(states).toEqual([[], ['ep=a'], ['ep=a!'], ['ep=a!', 'ep=b'], ['ep=a!'], []])
  })

  it('hears nothing of what it does not look for, of mere renewals, and of other pages', async () => {
    const rd = rdNetwork()
    const place = rd.device('2001:db8::c')
    const location = await register(rd, 'ep=a&et=lamp', '</a>;rt=x')
    await register(rd, 'ep=b&et=lamp', '</b>;rt=x')
    const watchers = ['/rd-lookup/ep?et=blind', '/rd-lookup/ep?et=lamp&count=1', '/rd-lookup/res?rt=y', '/rd-lookup/ep?ep=a'].map((uri) =>
      watch(place, uri),
    )
    await rd.clock.advance(10_000)
    for (let index = 0; index < 5; index++) {
      await rd.ask(registrants.get(rd)!, 'POST', location)
      await register(rd, 'ep=b&et=lamp', `</b${index}>;rt=x`)
      await register(rd, `ep=new${index}&et=lamp`, '</c>;rt=z')
      await rd.clock.advance(10_000)
    }
    expect(watchers.map((watcher) => watcher.told.length)).toEqual([1, 1, 1, 1])
  })

  it('hears of a page when what stands before it goes', async () => {
    const rd = rdNetwork()
    for (const name of ['a', 'b', 'c']) await register(rd, `ep=${name}&et=lamp`, '')
    const second = watch(rd.device('2001:db8::c'), '/rd-lookup/ep?et=lamp&count=1&page=1')
    await rd.clock.advance(10_000)
    rd.directory.remove(rd.directory.find('a')!.id)
    await rd.clock.advance(10_000)
    expect(second.texts().map((text) => /ep="(\w)"/.exec(text)?.[1])).toEqual(['b', 'c'])
  })

  it('hears of many changes at once, and not of each', async () => {
    const rd = rdNetwork()
    const all = watch(rd.device('2001:db8::c'), '/rd-lookup/ep?et=lamp')
    await rd.clock.advance(5000)
    for (let index = 0; index < 6000; index++) {
      rd.directory.register({ endpointName: `n${index}`, base: 'coap://h', links: [], attributes: [{ name: 'et', value: 'lamp' }] })
    }
    await rd.clock.advance(5000)
    expect(asLinks(all.texts().at(-1)!)).toHaveLength(6000)
    expect(all.told.length).toBeLessThanOrEqual(3)
  })

  it('hears nothing any more when it has cancelled, and the directory does no work for it', async () => {
    const rd = rdNetwork()
    const lamps = watch(rd.device('2001:db8::c'), '/rd-lookup/ep')
    await rd.clock.advance(100)
    await rd.clock.until(lamps.observation.cancel())
    const before = lamps.told.length
    const timers = rd.clock.pendingTimers
    rd.directory.register({ endpointName: 'n', base: 'coap://h', links: [] })
    expect(rd.clock.pendingTimers).toBeLessThanOrEqual(timers + 1)
    await rd.clock.advance(10_000)
    expect(lamps.told).toHaveLength(before)
  })

  it('that looks for nonsense is refused, and is no observer', async () => {
    const rd = rdNetwork()
    const bad = watch(rd.device('2001:db8::c'), '/rd-lookup/ep?page=1')
    await rd.clock.advance(100)
    expect(bad.told.map(({ code }) => code)).toEqual(['4.00'])
    expect(rd.endpoint.holdings().observers).toBe(0)
  })
})

it('whatever happens, each observer knows its result in the end, and was told nothing twice in a row without cause', async () => {
  const change = fc.record({
    kind: fc.constantFrom('register', 'register', 'update', 'remove', 'wait'),
    name: fc.constantFrom('a', 'b', 'c'),
    et: fc.constantFrom('lamp', 'blind'),
    links: fc.constantFrom('', '</x>;rt=r1', '</x>;rt=r2', '</x>;rt=r1,</y>;rt=r2'),
    lifetimeS: fc.constantFrom(2, 1000),
  })
  const queries = [
    'ep',
    'res',
    'ep?et=lamp',
    'res?rt=r1',
    'ep?rt=r2&count=1',
    'res?et=blind&page=1&count=1',
    'ep?ep=a',
    'res?href=coap://b/x',
  ]
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 15 }), async (changes) => {
      const rd = rdNetwork()
      const watchers = queries.map((query, index) => ({ query, ...watch(rd.device(`2001:db8::c:${index + 1}`), `/rd-lookup/${query}`) }))
      await rd.clock.advance(100)
      const asker = rd.device('2001:db8::a')
      for (const { kind, name, et, links, lifetimeS } of changes) {
        const known = rd.directory.find(name)
        const uri = `/rd?ep=${name}&base=coap://${name}&et=${et}&lt=${lifetimeS}`
        if (kind === 'register') await rd.ask(asker, 'POST', uri, links)
        else if (kind === 'wait') await rd.clock.advance(5000)
        else if (known !== undefined) {
          await rd.ask(asker, kind === 'update' ? 'POST' : 'DELETE', kind === 'update' ? `${known.location}?et=${et}` : known.location)
        }
      }
      await rd.clock.advance(60_000)
      for (const { query, texts } of watchers) {
        expect(texts().at(-1), query).toBe(textOf(await rd.ask(asker, 'GET', `/rd-lookup/${query}`)))
        // At most one message a change, one for its expiry, and one that repeats the last of a burst.
        expect(texts().length).toBeLessThanOrEqual(1 + 3 * changes.length)
      }
    }),
    { numRuns: 60 },
  )
})
