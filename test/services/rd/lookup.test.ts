// Lookup filters and pages (RFC 9176 §6.2), link-local registrations (§6.1), and the indexes against a naive reference.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { formatLinkFormat, parseLinkFormat, type Link } from '#main/wire/coap/index.ts'
import { asLinks, RdHarness } from './harness.ts'

async function twoRooms(): Promise<RdHarness> {
  const rd = new RdHarness()
  await rd.register(
    'ep=lamp1&d=floor-1&et=gw.luminaire&base=coap://[fd00::1]',
    '</state>;rt="gw.luminaire x.dimmable";if="a b",</dev>;rt=gw.device;ct=50',
  )
  await rd.register('ep=lamp2&d=floor-2&et=gw.luminaire&base=coap://[fd00::2]', '</state>;rt=gw.luminaire;obs,</dev>;rt=gw.device;ct=50')
  await rd.register(
    'ep=switch1&d=floor-1&et=gw.switch&base=coap://[fd00::3]',
    '</state>;rt=gw.switch,<coap://cloud.example/s>;rel=alternate;anchor="/state"',
  )
  return rd
}

const targets = (text: string): readonly string[] => parseLinkFormat(text).map((link) => link.href)
const names = (text: string): ReadonlyArray<string | null | undefined> =>
  parseLinkFormat(text).map((link) => link.attributes.find((attribute) => attribute.name === 'ep')?.value)

describe('resource lookup', () => {
  it.each([
    ['rt=gw.luminaire', ['coap://[fd00::1]/state', 'coap://[fd00::2]/state']],
    ['rt=x.dimmable', ['coap://[fd00::1]/state']],
    ['rt=gw.luminaire x.dimmable', []],
    ['rt=gw.lum', []],
    ['rt=gw.lum*', ['coap://[fd00::1]/state', 'coap://[fd00::2]/state']],
    ['if=b', ['coap://[fd00::1]/state']],
    ['ct=50&d=floor-2', ['coap://[fd00::2]/dev']],
    ['et=gw.switch', ['coap://[fd00::3]/state', 'coap://cloud.example/s']],
    ['ep=lamp1&rt=gw.device', ['coap://[fd00::1]/dev']],
    ['rt=gw.device&ep=lamp1', ['coap://[fd00::1]/dev']],
    ['rt=gw.device&rt=gw.luminaire', []],
    ['href=coap://[fd00::2]/state', ['coap://[fd00::2]/state']],
    ['href=/state', []],
    ['href=coap://[fd00::2]/*', ['coap://[fd00::2]/state', 'coap://[fd00::2]/dev']],
    ['href=coap://[fd00::2]*', ['coap://[fd00::2]/state', 'coap://[fd00::2]/dev']],
    ['href=coap://c*', ['coap://cloud.example/s']],
    ['href=coap://cloud.example/s', ['coap://cloud.example/s']],
    ['anchor=coap://[fd00::3]/state', ['coap://cloud.example/s']],
    ['base=coap://[fd00::3]', ['coap://[fd00::3]/state', 'coap://cloud.example/s']],
    ['rel=alternate', ['coap://cloud.example/s']],
    ['obs', ['coap://[fd00::2]/state']],
    ['obs=', ['coap://[fd00::2]/state']],
    ['d=floor-1&rt=gw.device', ['coap://[fd00::1]/dev']],
    ['lt=90000', []],
    ['rt=gw.device&count=1', ['coap://[fd00::1]/dev']],
    ['count=1&page=1&rt=gw.device', ['coap://[fd00::2]/dev']],
    ['count=0', []],
    ['ep=nobody', []],
  ])('?%s', async (query, expected) => {
    const rd = await twoRooms()
    expect(targets(await rd.lookup(`res?${encodeURI(query)}`))).toEqual(expected)
  })

  it('a registration resource as href finds the links of its endpoint (RFC 9176 §6.2)', async () => {
    const rd = await twoRooms()
    const location = rd.directory.find('lamp2', 'floor-2')?.location ?? ''
    const expected = ['coap://[fd00::2]/state', 'coap://[fd00::2]/dev']
    expect(targets(await rd.lookup(`res?href=${location}`))).toEqual(expected)
    expect(targets(await rd.lookup(`res?href=coap://[2001:db8::1]${location}`))).toEqual(expected)
    const host = { options: [{ number: 3, value: utf8('rd.example') }] }
    expect(targets(await rd.lookup(`res?href=coap://rd.example${location}`, host))).toEqual(expected)
    expect(targets(await rd.lookup(`res?href=coap://other.example${location}`, host))).toEqual([])
    expect(targets(await rd.lookup('res?href=coap://[2001:db8::1]/rd/*'))).toHaveLength(6)
    // What ends before that asks for link targets alone.
    expect(targets(await rd.lookup('res?href=coap://[2001:*'))).toEqual([])
  })

  it('every resource is of an endpoint with rt=core.rd-ep', async () => {
    const rd = await twoRooms()
    expect(targets(await rd.lookup('res?rt=core.rd-ep'))).toHaveLength(6)
  })
})

describe('endpoint lookup', () => {
  it.each([
    ['', ['lamp1', 'lamp2', 'switch1']],
    ['rt=gw.luminaire', ['lamp1', 'lamp2']],
    ['rt=gw.luminaire&rt=gw.device', ['lamp1', 'lamp2']],
    ['rt=core.rd-ep', ['lamp1', 'lamp2', 'switch1']],
    ['rt=*', ['lamp1', 'lamp2', 'switch1']],
    ['ep=lamp*', ['lamp1', 'lamp2']],
    ['ep=lamp*&d=floor-1', ['lamp1']],
    ['href=coap://cloud.example/s', ['switch1']],
    ['base=coap://[fd00::*', ['lamp1', 'lamp2', 'switch1']],
    ['obs', ['lamp2']],
    ['count=2&page=1', ['switch1']],
  ])('?%s', async (query, expected) => {
    const rd = await twoRooms()
    expect(names(await rd.lookup(`ep?${encodeURI(query)}`))).toEqual(expected)
  })

  it('by registration resource', async () => {
    const rd = await twoRooms()
    const location = rd.directory.find('lamp2', 'floor-2')?.location ?? ''
    expect(names(await rd.lookup(`ep?href=${location}`))).toEqual(['lamp2'])
    expect(names(await rd.lookup(`ep?href=/rd/*`))).toHaveLength(3)
  })
})

describe('requests that no lookup understands', () => {
  it.each(['page=1', 'count=x', 'count=-1', 'count=1&page=x', 'count=1&count=2', 'page=', 'count', '=x'])(
    '?%s is a bad request',
    async (query) => {
      const rd = new RdHarness()
      for (const type of ['res', 'ep']) expect((await rd.ask('GET', `/rd-lookup/${type}?${query}`)).code).toBe('4.00')
    },
  )

  it('another content-format than link-format is not acceptable', async () => {
    const rd = new RdHarness()
    expect((await rd.ask('GET', '/rd-lookup/res', { accept: 60 })).code).toBe('4.06')
    expect((await rd.ask('GET', '/rd-lookup/res', { accept: 40 })).code).toBe('2.05')
    expect((await rd.ask('PUT', '/rd-lookup/res')).code).toBe('4.05')
  })

  it('more criteria than anybody needs are refused', async () => {
    const rd = new RdHarness()
    expect((await rd.ask('GET', `/rd-lookup/res?${Array.from({ length: 33 }, () => 'a=b').join('&')}`)).code).toBe('4.00')
  })
})

describe('link-local registrations (RFC 9176 §6.1)', () => {
  it('are shown on the link they came from, without zone, and on no other', async () => {
    const rd = new RdHarness()
    const there = { from: { address: 'fe80::7', port: 5683, zone: 'eth0' }, channelId: 'udp' }
    await rd.register('ep=a', '</a>', there)
    expect(targets(await rd.lookup('res', { from: { address: 'fe80::9', port: 5683, zone: 'eth0' }, channelId: 'udp' }))).toEqual([
      'coap://[fe80::7]/a',
    ])
    for (const zone of ['eth1', undefined]) {
      const from = zone === undefined ? { address: '2001:db8::5', port: 5683 } : { address: 'fe80::9', port: 5683, zone }
      expect(await rd.lookup('res', { from, channelId: 'udp' })).toBe('')
      expect(await rd.lookup('ep', { from, channelId: 'udp' })).toBe('')
    }
    expect(await rd.lookup('ep', { from: there.from, channelId: 'other' })).toBe('')
  })
})

// ---- Against a naive reference ---------------------------------------------------------------------------------------

interface Endpoint {
  readonly ep: string
  readonly d: string
  readonly base: string
  readonly et: readonly string[]
  readonly links: readonly Link[]
}

const word = fc.constantFrom('a', 'ab', 'abc', 'b', 'ba', 'x.y', 'core.rd-ep')
/** What only quoting keeps together. */
const awkward = fc.constantFrom('a"b', 'a\\b', 'a,<b>;c="d"', 'Ü 😀', '\\')
const attribute = fc.oneof(
  fc.record({ name: fc.constant('title'), value: awkward }),
  fc.record({
    name: fc.constantFrom('rt', 'if', 'rel'),
    value: fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(' ')),
  }),
  fc.record({ name: fc.constantFrom('ct', 'title', 'd', 'ep', 'base'), value: word }),
  fc.record({ name: fc.constant('anchor'), value: fc.constantFrom('/a', 'coap://h1/a', '') }),
  fc.record({ name: fc.constant('obs'), value: fc.constant(null) }),
)
const link: fc.Arbitrary<Link> = fc.record({
  href: fc.constantFrom('/a', '/a/b', '/b', 'coap://h1/a', 'http://w/x', 'urn:a:b'),
  attributes: fc.uniqueArray(attribute, { maxLength: 4, selector: (one) => one.name }),
})
const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  ep: word,
  d: fc.constantFrom('', 'a', 'b'),
  base: fc.constantFrom('coap://h1', 'coap://h2', 'coap://h2:99/p', 'coap://[fd00::1]'),
  et: fc.array(word, { maxLength: 2 }),
  links: fc.array(link, { maxLength: 4 }),
})
const criterion = fc
  .record({
    name: fc.constantFrom('ep', 'd', 'et', 'rt', 'if', 'rel', 'ct', 'title', 'href', 'anchor', 'base', 'obs'),
    value: fc.oneof(
      word,
      awkward,
      fc.constantFrom('', 'coap://h1', 'coap://h1/a', 'coap://h2/a/b', 'coap://h2:99/a', 'coap://', 'urn:a:b', '/a', '/rd/'),
    ),
    wildcard: fc.boolean(),
  })
  .map(({ name, value, wildcard }) => `${name}=${value}${wildcard ? '*' : ''}`)

/** RFC 3986 resolution by the WHATWG parser, for the few path-absolute references that stand above. */
function resolve(reference: string, base: string): string {
  if (/^[a-z]+:/.test(reference)) return reference
  if (reference === '') return base
  return base.replace(/^([a-z]+:\/\/[^/]+).*$/, '$1') + reference
}

function naive(endpoints: ReadonlyMap<string, Endpoint>, query: readonly string[], kind: 'res' | 'ep'): readonly string[] {
  const results: string[] = []
  const test = (pairs: ReadonlyArray<readonly [string, string]>, part: string): boolean => {
    const equals = part.indexOf('=')
    const wanted = part.slice(equals + 1)
    return pairs.some(([name, value]) => {
      if (name !== part.slice(0, equals)) return false
      const values = ['rt', 'if', 'rel'].includes(name) && value.includes(' ') ? value.split(' ') : [value]
      return values.some((one) => (wanted.endsWith('*') ? one.startsWith(wanted.slice(0, -1)) : one === wanted))
    })
  }
  for (const [location, { ep, d, base, et, links }] of endpoints) {
    const own: Array<readonly [string, string]> = [
      ['ep', ep],
      ['base', base],
      ['rt', 'core.rd-ep'],
      ['href', location],
    ]
    if (d !== '') own.push(['d', d])
    for (const value of et) own.push(['et', value])
    const resolved = links.map(({ href, attributes }) => ({
      href: resolve(href, base),
      attributes: attributes.map(({ name, value }) => ({ name, value: name === 'anchor' ? resolve(value ?? '', base) : value })),
    }))
    const pairsOf = (one: Link): ReadonlyArray<readonly [string, string]> => [
      ['href', one.href],
      ...one.attributes.map(({ name, value }) => [name, value ?? ''] as const),
    ]
    if (kind === 'ep') {
      if (query.every((part) => test(own, part) || resolved.some((one) => test(pairsOf(one), part)))) results.push(ep + d)
    } else
      for (const one of resolved)
        if (query.every((part) => test(own, part) || test(pairsOf(one), part))) results.push(formatLinkFormat([one]))
  }
  return results.sort()
}

describe('indexes', () => {
  it('find exactly what a naive reference finds, whatever was registered, updated and removed before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ endpoint, fate: fc.constantFrom('keep', 'keep', 'remove', 'move') }), { maxLength: 12 }),
        fc.array(criterion, { maxLength: 3 }),
        async (steps, query) => {
          const rd = new RdHarness()
          const known = new Map<string, Endpoint>()
          for (const { endpoint: one, fate } of steps) {
            const et = one.et.map((value) => `&et=${value}`).join('')
            const location = await rd.register(
              `ep=${one.ep}${one.d === '' ? '' : `&d=${one.d}`}&base=${encodeURIComponent(one.base)}${et}`,
              formatLinkFormat(one.links),
            )
            known.set(location, one)
            if (fate === 'remove') {
              await rd.ask('DELETE', location)
              known.delete(location)
            } else if (fate === 'move') {
              await rd.ask('POST', `${location}?base=coap://h1&et=b`)
              known.set(location, { ...one, base: 'coap://h1', et: ['b'] })
            }
          }
          const uri = query.map(encodeURIComponent).join('&')
          const resources = parseLinkFormat(await rd.lookup(`res?${uri}`)).map((one) => formatLinkFormat([one]))
          expect(resources.sort()).toEqual(naive(known, query, 'res'))
          const endpoints = parseLinkFormat(await rd.lookup(`ep?${uri}`)).map((one) => {
            const value = (name: string): string => one.attributes.find((attribute_) => attribute_.name === name)?.value ?? ''
            return value('ep') + value('d')
          })
          expect(endpoints.sort()).toEqual(naive(known, query, 'ep'))
          // The operator's list takes the same criteria, as words.
          if (query.some((part) => part.includes(' '))) return
          const { rows } = rd.directory.view({ search: query.join(' '), offset: 0, limit: 1000 })
          expect(rows.map((row) => row.endpointName + row.sector).sort()).toEqual(naive(known, query, 'ep'))
        },
      ),
      { numRuns: 600 },
    )
  })

  it('a page walk gives every result once, in one order', async () => {
    const rd = new RdHarness()
    for (let index = 0; index < 37; index++) await rd.register(`ep=n${index}`, '</a>;rt=x,</b>;rt=y')
    const whole = asLinks(await rd.lookup('res?rt=x'))
    const walked: string[] = []
    for (let page = 0; page < 5; page++) walked.push(...asLinks(await rd.lookup(`res?rt=x&count=10&page=${page}`)))
    expect(walked).toEqual(whole)
    expect(walked).toHaveLength(37)
  })
})
