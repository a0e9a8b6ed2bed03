// What the operator sees and sets while the directory runs.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DirectorySort } from '#main/services/rd/index.ts'
import { asLinks, RdHarness } from './harness.ts'

async function building(): Promise<RdHarness> {
  const rd = new RdHarness()
  await rd.register('ep=lamp-10&d=floor-1&et=x.lamp&lt=100', '</l>;rt="x.light";if="x.actuator",</s>;rt="x.status"')
  await rd.register(
    'ep=lamp-2&d=floor-2&et=x.lamp&lt=300&base=coap://[2001:db8::2]',
    '</l>;rt="x.light x.dimmable";title="Über, <der> Tür"',
  )
  await rd.register('ep=sensor-1&lt=200', '', { from: { address: '2001:db8:3::7', port: 1 } })
  rd.directory.registerGroup({ name: 'kitchen', base: 'coap://[ff35:30:2001:db8::1]', links: [{ href: '/l', attributes: [] }] })
  return rd
}

const names = (rd: RdHarness, query: Partial<Parameters<RdHarness['directory']['view']>[0]>): readonly string[] =>
  rd.directory.view({ offset: 0, limit: 100, ...query }).rows.map((row) => row.endpointName)

describe('the list', () => {
  it('tells of each registration what there is to know', async () => {
    const rd = await building()
    await rd.clock.advance(30_000)
    const { total, rows, version } = rd.directory.view({ offset: 0, limit: 1 })
    expect([total, version]).toEqual([4, rd.directory.version])
    const registeredAt = rd.clock.now() - 30_000
    expect(rows).toEqual([
      {
        id: rows[0]?.id,
        location: `/rd/${rows[0]?.id}`,
        endpointName: 'lamp-10',
        sector: 'floor-1',
        base: 'coap://[2001:db8:3::123]:61616',
        lifetimeS: 100,
        secondsLeft: 70,
        endpointType: 'x.lamp',
        linkCount: 2,
        isGroup: false,
        isOwn: false,
        attributes: [{ name: 'et', value: 'x.lamp' }],
        source: { address: { address: '2001:db8:3::123', port: 61616 }, channelId: 'demo' },
        registeredAt,
        renewedAt: registeredAt,
        expiresAt: registeredAt + 100_000,
      },
    ])
    expect(rd.directory.row(rows[0]?.id ?? '')).toEqual(rows[0])
    await rd.ask('POST', `${rows[0]?.location}?lt=50`)
    expect(rd.directory.row(rows[0]?.id ?? '')).toMatchObject({ secondsLeft: 50, registeredAt, renewedAt: rd.clock.now() })
    expect(rd.directory.row('nobody')).toBeUndefined()
    expect(rd.directory.linksOf(rows[0]?.id ?? '')).toBe('</l>;rt="x.light";if="x.actuator",</s>;rt="x.status"')
    expect(rd.directory.view({ offset: 3, limit: 1 }).rows).toMatchObject([
      { endpointName: 'kitchen', isGroup: true, isOwn: true, source: undefined, endpointType: 'core.rd-group' },
    ])
  })

  it.each<[string, readonly string[]]>([
    ['', ['lamp-10', 'lamp-2', 'sensor-1', 'kitchen']],
    ['LAMP', ['lamp-10', 'lamp-2']],
    ['lamp floor-2', ['lamp-2']],
    ['x.stat', ['lamp-10']],
    ['über tür', ['lamp-2']],
    ['2001:db8:3::7', ['sensor-1']],
    ['ff35', ['kitchen']],
    ['rt=x.dimmable', ['lamp-2']],
    ['rt=x.*', ['lamp-10', 'lamp-2']],
    ['et=x.lamp d=floor-1', ['lamp-10']],
    ['if=x.actuator lamp', ['lamp-10']],
    ['href=coap://[2001:db8::2]/l', ['lamp-2']],
    ['rt=x', []],
    ['nothing', []],
    ['=', ['lamp-10', 'lamp-2', 'kitchen']],
  ])('searched for "%s" has %j', async (search, found) => {
    const rd = await building()
    expect(names(rd, { search })).toEqual(found)
  })

  it.each<[DirectorySort, readonly string[]]>([
    ['made', ['lamp-10', 'lamp-2', 'sensor-1', 'kitchen']],
    ['endpointName', ['kitchen', 'lamp-2', 'lamp-10', 'sensor-1']],
    ['sector', ['sensor-1', 'kitchen', 'lamp-10', 'lamp-2']],
    ['linkCount', ['sensor-1', 'lamp-2', 'kitchen', 'lamp-10']],
    ['lifetimeS', ['lamp-10', 'sensor-1', 'lamp-2', 'kitchen']],
    ['expiresAt', ['lamp-10', 'sensor-1', 'lamp-2', 'kitchen']],
    ['endpointType', ['sensor-1', 'kitchen', 'lamp-10', 'lamp-2']],
    ['source', ['kitchen', 'sensor-1', 'lamp-10', 'lamp-2']],
  ])('sorted by %s is %j', async (sort, order) => {
    const rd = await building()
    expect(names(rd, { sort })).toEqual(order)
    expect(names(rd, { sort, descending: true })).toEqual([...order].reverse())
  })

  it('shows groups or endpoints alone', async () => {
    const rd = await building()
    expect(names(rd, { show: 'groups' })).toEqual(['kitchen'])
    expect(names(rd, { show: 'endpoints' })).toEqual(['lamp-10', 'lamp-2', 'sensor-1'])
  })

  it('read page by page has every row once, and no page is larger than a thousand', () => {
    const rd = new RdHarness()
    for (let index = 0; index < 1500; index++) rd.directory.registerText({ endpointName: `n${index}`, base: 'coap://h', links: '' })
    const all = [0, 700, 1400].flatMap((offset) => names(rd, { offset, limit: 700, sort: 'endpointName', descending: true }))
    expect(all).toEqual(Array.from({ length: 1500 }, (_, index) => `n${1499 - index}`))
    expect(names(rd, { limit: 100_000 })).toHaveLength(1000)
    expect(names(rd, { offset: -5, limit: -5 })).toEqual([])
  })

  it('is up to date after each change, and at once after the operator’s own', async () => {
    const rd = await building()
    expect(names(rd, { show: 'groups' })).toEqual(['kitchen'])
    rd.directory.remove(rd.directory.find('kitchen')?.id ?? '')
    expect(names(rd, { show: 'groups' })).toEqual([])
    rd.directory.registerText({
      endpointName: 'attic',
      base: 'coap://[ff02::5]',
      attributes: [{ name: 'et', value: 'core.rd-group' }],
      links: '',
    })
    expect(names(rd, { show: 'groups' })).toEqual(['attic'])
    await rd.register('ep=cellar&et=core.rd-group&base=coap://[ff02::6]', '')
    expect(names(rd, { show: 'groups' })).toEqual(['attic', 'cellar'])
    await rd.clock.advance(150_000)
    expect(names(rd, { show: 'endpoints' })).toEqual(['lamp-2', 'sensor-1'])
  })

  it('any search has those rows of the list that a plain comparison finds', async () => {
    const rd = await building()
    const everything = rd.directory.view({ offset: 0, limit: 100 }).rows
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9:./-]{1,4}$/), (search) => {
        const plain = everything.filter((row) => {
          const about = [
            row.endpointName,
            row.sector,
            row.base,
            row.location,
            row.source?.address.address ?? '',
            ...row.attributes.map(({ name, value }) => `${name}=${value}`),
            rd.directory.linksOf(row.id) ?? '',
          ]
          return about.some((text) => text.toLowerCase().includes(search))
        })
        expect(names(rd, { search })).toEqual(plain.map((row) => row.endpointName))
      }),
    )
  })
})

describe('the operator', () => {
  it('looks up by the query of a URI, link-local registrations of every link among the rest', async () => {
    const rd = await building()
    await rd.register('ep=near', '</a>;rt="a b"', { from: { address: 'fe80::1', port: 5683, zone: 'eth0' } })
    expect(asLinks(rd.directory.lookup('res', 'rt=x.light&count=1&page=1'))).toEqual(
      asLinks('<coap://[2001:db8::2]/l>;rt="x.light x.dimmable";title="Über, <der> Tür"'),
    )
    expect(asLinks(rd.directory.lookup('res', 'title=%C3%9Cber*'))).toHaveLength(1)
    expect(asLinks(rd.directory.lookup('ep', 'ep=near'))).toHaveLength(1)
    expect(asLinks(rd.directory.lookup('ep', ''))).toHaveLength(5)
    expect(await rd.lookup('ep?ep=near')).toBe('')
    expect(() => rd.directory.lookup('ep', 'page=1')).toThrow('page cannot be used without count')
    expect(() => rd.directory.lookup('ep', 'ep=%')).toThrow('percent-encoded')
  })

  it('registers for an endpoint that cannot, from text, and nobody else changes that', async () => {
    const rd = new RdHarness()
    const { location } = rd.directory.registerText({
      endpointName: 'mute',
      base: 'coap://[2001:db8::9]',
      lifetimeS: 600,
      links: '</a>;rt=x',
    })
    expect(asLinks(await rd.lookup('res?rt=x'))).toEqual(['<coap://[2001:db8::9]/a>;rt=x'])
    expect((await rd.ask('DELETE', location)).code).toBe('4.03')
    expect(() => rd.directory.registerText({ endpointName: 'mute', base: 'coap://h', links: '<a' })).toThrow('Expected ">"')
    expect(() => rd.directory.registerText({ endpointName: '', base: 'coap://h', links: '' })).toThrow('ep is empty')
    expect(rd.directory.find('mute')?.base).toBe('coap://[2001:db8::9]')
  })

  it('is told of changes together, until he leaves or the directory closes', async () => {
    const rd = new RdHarness()
    const told: number[] = []
    const leave = rd.directory.watch((version) => told.push(version))
    for (const name of ['a', 'b', 'c']) await rd.register(`ep=${name}`, '')
    expect(told).toEqual([])
    await rd.clock.advance(100)
    expect(told).toEqual([rd.directory.version])
    await rd.clock.advance(10_000)
    expect(told).toHaveLength(1)
    await rd.register('ep=d', '')
    leave()
    leave()
    await rd.clock.advance(1000)
    expect(told).toHaveLength(1)
    rd.directory.watch((version) => told.push(version))
    await rd.register('ep=e', '')
    rd.directory.close()
    await rd.clock.advance(1000)
    expect(told).toHaveLength(1)
  })
})

describe('settings', () => {
  it('are in force at once: policy, limits, limits by source', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a', '')
    const stranger = { from: { address: '2001:db8::bad', port: 1 } }
    expect((await rd.ask('POST', location, stranger)).code).toBe('2.04')
    expect(rd.directory.configure({ policy: 'first-come', limits: { links: 1 } })).toMatchObject({
      policy: 'first-come',
      proveAddresses: false,
      limits: { links: 1, registrations: 200_000 },
      sourceLimits: undefined,
    })
    expect((await rd.ask('DELETE', location)).code).toBe('4.03')
    expect((await rd.ask('POST', '/rd?ep=b', { payload: '</a>,</b>' })).code).toBe('4.13')
    rd.directory.configure({ limits: { links: 2 } })
    expect((await rd.ask('POST', '/rd?ep=b', { payload: '</a>,</b>' })).code).toBe('2.01')
    rd.directory.configure({ sourceLimits: { registrations: 1 } })
    // What it has already counts.
    expect((await rd.ask('POST', '/rd?ep=c')).code).toBe('4.29')
    rd.directory.configure({ sourceLimits: { registrations: 9, requestBurst: 1 } })
    expect((await rd.ask('POST', '/rd?ep=c')).code).toBe('2.01')
    expect((await rd.ask('POST', '/rd?ep=d')).code).toBe('4.29')
    rd.directory.configure({ sourceLimits: null })
    for (let index = 0; index < 300; index++) await rd.register(`ep=n${index}`, '')
    expect(rd.directory.settings).toMatchObject({ policy: 'first-come', sourceLimits: undefined })
  })

  it('proof of addresses comes and goes', () => {
    const rd = new RdHarness()
    const asksForEcho = (): boolean => rd.tree.find(['rd'])?.echo !== undefined
    expect(asksForEcho()).toBe(false)
    rd.directory.configure({ proveAddresses: true })
    expect(asksForEcho()).toBe(true)
    rd.directory.configure({ proveAddresses: true })
    rd.directory.configure({ proveAddresses: false })
    expect(asksForEcho()).toBe(false)
    rd.directory.close()
    rd.directory.configure({ proveAddresses: true })
    expect(rd.tree.find(['rd'])).toBeUndefined()
  })

  it.each([{ limits: { links: -1 } }, { sourceLimits: { bytes: Number.NaN } }])('%j is refused and changes nothing', (change) => {
    const rd = new RdHarness()
    const before = rd.directory.settings
    expect(() => rd.directory.configure(change)).toThrow('not negative')
    expect(rd.directory.settings).toBe(before)
  })
})

describe('what this program serves itself', () => {
  // Attributes of draft-tiloca-core-oscore-discovery: a Group Manager's group-membership resource.
  const links = [
    {
      href: '/ace-group/feedca570000',
      attributes: [
        { name: 'ct', value: '261' },
        { name: 'rt', value: 'core.osc.gm' },
        { name: 'if', value: 'ace.group' },
        { name: 'sec-gp', value: 'feedca570000' },
        { name: 'app-gp', value: 'group1' },
        { name: 'app-gp', value: 'group2' },
        { name: 'gp_enc_alg', value: '10' },
        { name: 'osc', value: null },
      ],
    },
    {
      href: 'coap://as.example.com/token',
      attributes: [
        { name: 'rel', value: 'authorization-server' },
        { name: 'anchor', value: 'coap://[2001:db8::ab]/ace-group/feedca570000' },
      ],
    },
  ]
  const input = { endpointName: 'gm1', base: 'coap://[2001:db8::ab]', links }

  it('is found by application group, then by its authorization server, and stays', async () => {
    const rd = new RdHarness()
    const { location } = rd.directory.registerOwnLinks(input)
    await rd.clock.advance(200_000_000)
    const found = asLinks(await rd.lookup('res?rt=core.osc.gm&app-gp=group2'))
    expect(found).toHaveLength(1)
    expect(found[0]).toContain('<coap://[2001:db8::ab]/ace-group/feedca570000>;app-gp=group1;app-gp=group2;ct=261')
    expect(await rd.lookup('res?rt=core.osc.gm&app-gp=group3')).toBe('')
    expect(asLinks(await rd.lookup('res?rel=authorization-server&anchor=coap://[2001:db8::ab]/ace-group/feedca570000'))).toEqual([
      '<coap://as.example.com/token>;anchor=coap://[2001:db8::ab]/ace-group/feedca570000;rel=authorization-server',
    ])
    expect(rd.directory.registerOwnLinks({ ...input, links: links.slice(0, 1) }).location).toBe(location)
    expect(await rd.lookup('res?rel=authorization-server')).toBe('')
    expect((await rd.ask('POST', '/rd?ep=gm1', { payload: '' })).code).toBe('4.03')
  })

  it('takes no name that an endpoint has', async () => {
    const rd = new RdHarness()
    await rd.register('ep=gm1', '</mine>')
    expect(() => rd.directory.registerOwnLinks(input)).toThrow('An endpoint has registered under this name')
    expect(rd.directory.find('gm1')?.links).toBe('</mine>')
    expect(rd.directory.registerOwnLinks({ ...input, sector: 'own' }).sector).toBe('own')
  })
})
