// How application groups are named in requests: the examples of the text, the way there and back, and the test bench.
// draft-ietf-core-groupcomm-bis-18 §2.2.1.2, Appendix B; -11 Appendix B.4 to B.6.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applicationGroupUri,
  checkGroupName,
  createTestBench,
  groupsByWireName,
  labelOf,
  namedRequest,
  namingFault,
  previewOf,
  readNamedRequest,
  wireNameOf,
} from '#main/site/groups/index.ts'
import { seededRandom, silentLogger } from '#main/base/index.ts'
import { findStrings, OptionNumber, type ClientRequest } from '#main/wire/coap/index.ts'
import { namingMethod, namingSettings, type NamingSettings } from '#contract/model.ts'
import { createBench } from '../doubles.ts'

const naming = (change: Partial<NamingSettings>): NamingSettings => namingSettings.parse(change)
const at = { address: 'ff05::db8:8000:1', port: 5685 }
const plain: ClientRequest = { method: 'PUT', path: ['gp', 'gp1', 'light'] }

describe('the examples of Appendix B', () => {
  it.each([
    ['path (Figure 9)', naming({ delimiter: 'g' }), 'coap://[ff05::db8:8000:1]:5685/g/gp1', { path: ['g', 'gp1', 'light'] }],
    [
      'path below a base (§2.2.1.2)',
      naming({ base: ['base'] }),
      'coap://[ff05::db8:8000:1]:5685/base/gp/gp1',
      { path: ['base', 'gp', 'gp1', 'light'] },
    ],
    ['query (Figure 10)', naming({ method: 'query' }), 'coap://[ff05::db8:8000:1]:5685?gp1', { path: ['light'], query: ['gp1'] }],
    [
      'query parameter (Figure 11)',
      naming({ method: 'query-parameter' }),
      'coap://[ff05::db8:8000:1]:5685?gp=gp1',
      { path: ['light'], query: ['gp=gp1'] },
    ],
    ['authority as a literal (§2.2.1.2)', naming({ method: 'authority' }), 'coap://[ff05::db8:8000:1]:5685', { path: ['light'] }],
    ['port (Figure 14)', naming({ method: 'port' }), 'coap://[ff05::db8:8000:1]:5685', { path: ['light'] }],
    ['none', naming({ method: 'none' }), 'coap://[ff05::db8:8000:1]:5685', { path: ['light'] }],
  ])('%s', (_, settings, uri, request) => {
    expect(applicationGroupUri(at, 'gp1', settings)).toBe(uri)
    expect(namedRequest(settings, { name: 'gp1', ...at }, plain)).toEqual({ method: 'PUT', ...request })
  })

  it.each([
    ['authority (Figure 12)', naming({ method: 'authority', domain: 'example' }), 'coap://gp1.example:5685', 'gp1.example:5685'],
    ['host (-11 Figure 8)', naming({ method: 'host', domain: 'example' }), 'coap://gp1.example:5685', 'gp1.example'],
    ['host label (Figure 13)', naming({ method: 'host-label', domain: 'example' }), 'coap://gp1.example:5685', 'gp1'],
  ])('%s: the host goes into Uri-Host', (_, settings, uri, wireName) => {
    const group = { name: 'gp1', ...at }
    expect(applicationGroupUri(at, 'gp1', settings)).toBe(uri)
    expect(wireNameOf(settings, group)).toBe(wireName)
    const request = namedRequest(settings, group, plain)
    expect(findStrings(request.options ?? [], OptionNumber.URI_HOST)).toEqual(['gp1.example'])
    expect(request.path).toEqual(['light'])
  })

  it('an option of one’s own (-11 Figure 10)', () => {
    const settings = naming({ method: 'option', optionNumber: 65_003 })
    const request = namedRequest(settings, { name: 'gp1', ...at }, plain)
    expect(findStrings(request.options ?? [], 65_003)).toEqual(['gp1'])
    expect(applicationGroupUri(at, 'gp1', settings)).toBe('coap://[ff05::db8:8000:1]:5685')
  })
})

describe('round trip', () => {
  const groups = fc.uniqueArray(
    fc.record({
      name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }).filter((text) => {
        try {
          return checkGroupName(text) === text && !text.includes('=')
        } catch {
          return false
        }
      }),
      port: fc.integer({ min: 1024, max: 65_535 }).filter((port) => port !== 5684),
    }),
    { minLength: 1, maxLength: 8, selector: ({ name }) => name },
  )

  it('by every method a request leads back to its group, or to those that nobody can tell apart', () => {
    fc.assert(
      fc.property(groups, fc.constantFrom(...namingMethod.options), fc.nat(), (made, method, pick) => {
        const settings = naming({ method, domain: 'b6.example' })
        const addressed = made.map((group, index) => ({ ...group, address: `ff35::8000:${(index + 1).toString(16)}` }))
        const group = addressed[pick % addressed.length]!
        if (namingFault(settings, group) !== undefined) return
        const request = namedRequest(settings, group, {
          method: 'GET',
          path: ['gp', group.name, 'a', 'b'],
          query: method === 'query' ? [] : ['x=1'],
        })
        const read = readNamedRequest(settings, request, { address: group.address, port: group.port })
        expect(read).toMatchObject({ wireName: wireNameOf(settings, group), path: ['a', 'b'] })
        expect(groupsByWireName(settings, addressed).get(read!.wireName)).toContain(group)
      }),
    )
  })

  it('whatever is received is read or refused, never more', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 })
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 4 }),
        fc.array(text, { maxLength: 3 }),
        fc.constantFrom(...namingMethod.options),
        (path, query, method) => {
          readNamedRequest(naming({ method, domain: 'x' }), { method: 'GET', path, query }, at)
        },
      ),
    )
  })

  it('labels are host labels, whatever the name', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(labelOf(text))))
    expect(labelOf('2.14 Büro Süd-light')).toBe('2-14-buro-sud-light')
  })
})

describe('requests of device profiles', () => {
  it('stay as they are where the device names groups in its own way, or not at all', () => {
    const settings = naming({ method: 'query-parameter' })
    for (const path of [['k'], ['lights', 'gp1', 'on'], ['gp1']]) {
      const request: ClientRequest = { method: 'POST', path }
      expect(namedRequest(settings, { name: 'gp1', ...at }, request)).toBe(request)
    }
  })

  it('are sent by the test bench as the site names its groups, and the run tells the URI', async () => {
    let settings = naming({ method: 'query-parameter' })
    const bench = createBench(1, { naming: () => settings })
    const id = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const tests = createTestBench({
      groups: bench.engine,
      devices: bench.devices,
      store: bench.store,
      clock: bench.clock,
      random: seededRandom(1),
      logger: silentLogger,
    })
    const sent = async () => {
      const { runId, finished } = tests.run(id, 'on', 1)
      await bench.clock.until(finished)
      return { uri: tests.feed.get(runId)?.uri, request: bench.devices.client.sent.at(-1)?.request }
    }
    const { address } = bench.engine.book.target(id)!
    expect(await sent()).toMatchObject({ uri: `coap://[${address}]/state?gp=a`, request: { path: ['state'], query: ['gp=a'] } })
    settings = naming({})
    expect(await sent()).toMatchObject({ uri: `coap://[${address}]/gp/a/state`, request: { path: ['gp', 'a', 'state'] } })
    await tests.close()
  })
})

describe('preview', () => {
  it('counts what the name costs in each method, and frames', () => {
    const group = { name: '2.14-light', address: 'ff33:30:fd00::8000:1', port: 5683 }
    const by = (method: NamingSettings['method']) => previewOf(naming({ method, domain: 'b6.example' }), group)
    expect(by('path')).toMatchObject({
      nameBytes: 14,
      frames: 1,
      options: ['Uri-Path: "gp"', 'Uri-Path: "2.14-light"', 'Uri-Path: "state"'],
    })
    expect(by('query').nameBytes).toBe(11)
    expect(by('authority').nameBytes).toBeGreaterThan(by('path').nameBytes)
    expect(by('none')).toMatchObject({ nameBytes: 0, wireName: '' })
    expect(by('path').securedFrames).toBeGreaterThan(1)
  })

  it('says why a name cannot travel', () => {
    expect(previewOf(naming({ method: 'query' }), { name: 'a=b', ...at })).toMatchObject({
      failure: expect.stringContaining('equals') as unknown,
      options: [],
    })
    expect(previewOf(naming({ method: 'host-label' }), { name: 'a', ...at }).failure).toBe('A domain is missing')
  })
})

describe('names of groups made from rooms', () => {
  const rooms = [
    { id: 'b', parentId: null, kind: 'building' as const, name: 'Haus 6', position: 0 },
    { id: 'f', parentId: 'b', kind: 'floor' as const, name: '2. OG', position: 0 },
    { id: 'r', parentId: 'f', kind: 'room' as const, name: '2.14 Büro', position: 0 },
    { id: 'x', parentId: null, kind: 'room' as const, name: 'Lager', position: 1 },
  ]

  it.each([
    ['{floor}-{number}-{function}', '2.-OG-2.14-light', 'Lager-light'],
    ['{building}/{room}', '2.14-light', 'Lager-light'],
    ['{function}-{room}', 'light-2.14-Büro', 'light-Lager'],
    ['', '2.14-light', 'Lager-light'],
  ])('follow the template %j, and are found without it where a part is missing', (template, first, second) => {
    const bench = createBench(2, { naming: () => naming({ template }) })
    bench.devices.roomRecords = rooms
    bench.devices.change('d1', { roomId: 'r' })
    bench.devices.change('d2', { roomId: 'x' })
    bench.engine.fromRooms({ types: ['luminaire'] })
    expect(bench.engine.applicationFeed.rows().map(({ name }) => name)).toEqual([first, second])
    expect(bench.engine.fromRooms({ types: ['luminaire'] })).toEqual({ groups: 0, memberships: 0 })
  })
})
