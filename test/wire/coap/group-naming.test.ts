// Group URIs and names of application groups: every message example of draft-ietf-core-groupcomm-bis-18 Appendix B and of -11's.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeGroupName,
  decodeMessage,
  encodeGroupName,
  encodeMessage,
  findStrings,
  formatAuthority,
  formatGroupUri,
  OptionNumber,
  parseAuthority,
  parseGroupUri,
  requestOfTarget,
  stringOption,
  targetOfRequest,
  type GroupNaming,
  type GroupTarget,
} from '#main/wire/coap/index.ts'
import { msg } from './harness.ts'

const LIGHT: GroupTarget = { host: 'grp.example', port: 5685, path: ['light'], query: ['foo=bar'], options: [] }
const HOST = OptionNumber.URI_HOST
const PATH = OptionNumber.URI_PATH
const QUERY = OptionNumber.URI_QUERY

/** The options of the request as the examples list them. */
function optionsOf(target: GroupTarget): Array<[number, string]> {
  const { path, query, options } = requestOfTarget(target)
  const all = [...options, ...path.map((part) => stringOption(PATH, part)), ...query.map((part) => stringOption(QUERY, part))]
  const message = decodeMessage(encodeMessage(msg({ type: 'NON', messageId: 0x7d41, options: all })))
  return message.options.map(({ number, value }) => [number, new TextDecoder().decode(value)])
}

interface Example {
  readonly figure: string
  readonly naming: GroupNaming
  readonly name: string
  readonly before: GroupTarget
  readonly uri: string
  readonly options: Array<[number, string]>
}

const LIGHT_OPTIONS: Array<[number, string]> = [
  [HOST, 'grp.example'],
  [PATH, 'light'],
  [QUERY, 'foo=bar'],
]

const EXAMPLES: Example[] = [
  {
    figure: '-18 Figure 8 and -11 Figure 3: URI path (1/2)',
    naming: { method: 'path', delimiter: 'gp' },
    name: 'gp1',
    before: LIGHT,
    uri: 'coap://grp.example:5685/gp/gp1/light?foo=bar',
    options: [
      [HOST, 'grp.example'],
      [PATH, 'gp'],
      [PATH, 'gp1'],
      [PATH, 'light'],
      [QUERY, 'foo=bar'],
    ],
  },
  {
    figure: '-18 Figure 9: URI path (2/2)',
    naming: { method: 'path', delimiter: 'g' },
    name: 'gp1',
    before: { host: 'ff05::db8:8000:1', port: 5683, path: ['li'], query: [], options: [] },
    uri: 'coap://[ff05::db8:8000:1]/g/gp1/li',
    options: [
      [PATH, 'g'],
      [PATH, 'gp1'],
      [PATH, 'li'],
    ],
  },
  {
    figure: '-11 Figure 4: URI path (2/2)',
    naming: { method: 'path', delimiter: 'g' },
    name: 'gp1',
    before: { host: 'ff35:30:2001:db8:f1::8000:1', port: 5683, path: ['li'], query: [], options: [] },
    uri: 'coap://[ff35:30:2001:db8:f1::8000:1]/g/gp1/li',
    options: [
      [PATH, 'g'],
      [PATH, 'gp1'],
      [PATH, 'li'],
    ],
  },
  {
    figure: '-18 Figure 10 and -11 Figure 5: URI query (1/2)',
    naming: { method: 'query' },
    name: 'gp1',
    before: { ...LIGHT, query: [] },
    uri: 'coap://grp.example:5685/light?gp1',
    options: [
      [HOST, 'grp.example'],
      [PATH, 'light'],
      [QUERY, 'gp1'],
    ],
  },
  {
    figure: '-18 Figure 11 and -11 Figure 6: URI query (2/2)',
    naming: { method: 'query-parameter', indicator: 'gp' },
    name: 'gp1',
    before: LIGHT,
    uri: 'coap://grp.example:5685/light?foo=bar&gp=gp1',
    options: [...LIGHT_OPTIONS, [QUERY, 'gp=gp1']],
  },
  {
    figure: '-18 Figure 12 and -11 Figure 7: URI authority',
    naming: { method: 'authority' },
    name: 'grp.example:5685',
    before: { ...LIGHT, host: 'other.example', port: 5683 },
    uri: 'coap://grp.example:5685/light?foo=bar',
    options: LIGHT_OPTIONS,
  },
  {
    figure: '-18 Figure 13: leftmost label of the URI host',
    naming: { method: 'host-label', domain: 'example' },
    name: 'grp42',
    before: LIGHT,
    uri: 'coap://grp42.example:5685/light?foo=bar',
    options: [
      [HOST, 'grp42.example'],
      [PATH, 'light'],
      [QUERY, 'foo=bar'],
    ],
  },
  {
    figure: '-18 Figure 14: URI port',
    naming: { method: 'port' },
    name: '55685',
    before: LIGHT,
    uri: 'coap://grp.example:55685/light?foo=bar',
    options: LIGHT_OPTIONS,
  },
  {
    figure: '-11 Figure 8: URI host',
    naming: { method: 'host' },
    name: 'grp.example',
    before: { ...LIGHT, host: 'other.example' },
    uri: 'coap://grp.example:5685/light?foo=bar',
    options: LIGHT_OPTIONS,
  },
  {
    figure: '-11 Figure 9: URI port, by an agreed name',
    naming: { method: 'port', names: new Map([['grp1', 5685]]) },
    name: 'grp1',
    before: { ...LIGHT, port: 5683 },
    uri: 'coap://grp.example:5685/light?foo=bar',
    options: LIGHT_OPTIONS,
  },
  {
    figure: '-11 Figure 10: a custom option',
    naming: { method: 'option', number: 65_000 },
    name: 'grp1',
    before: LIGHT,
    uri: 'coap://grp.example:5685/light?foo=bar',
    options: [...LIGHT_OPTIONS, [65_000, 'grp1']],
  },
]

describe('the name of an application group (groupcomm-bis Appendix B)', () => {
  it.each(EXAMPLES)('$figure', ({ naming, name, before, uri, options }) => {
    const target = encodeGroupName(naming, name, before)
    expect(formatGroupUri(target)).toBe(uri)
    expect(optionsOf(target)).toEqual(options)
    const { options: carried } = requestOfTarget(target)
    const got = targetOfRequest({ ...target, options: carried }, { address: target.host, port: target.port })!
    expect(decodeGroupName(naming, got)?.name).toBe(name)
    expect(parseGroupUri(uri)).toEqual({ ...target, options: [] })
  })

  it('takes the resource within the group apart, below any base path (§2.2.1.2)', () => {
    const naming: GroupNaming = { method: 'path', delimiter: 'gp', base: ['base'] }
    const target = encodeGroupName(naming, 'APPNAME', { ...LIGHT, path: ['res1', 'res2'] })
    expect(target.path).toEqual(['base', 'gp', 'APPNAME', 'res1', 'res2'])
    expect(decodeGroupName(naming, target)?.target.path).toEqual(['res1', 'res2'])
    expect(decodeGroupName({ method: 'path', delimiter: 'gp' }, target)).toBeUndefined()
  })

  it.each<[GroupNaming, string]>([
    [{ method: 'path', delimiter: 'gp' }, ''],
    [{ method: 'path', delimiter: 'gp' }, '..'],
    [{ method: 'path', delimiter: 'gp' }, 'x'.repeat(256)],
    [{ method: 'path', delimiter: 'gp' }, '\ud800'],
    [{ method: 'query' }, 'a=b'],
    [{ method: 'query-parameter', indicator: 'foo' }, 'again'],
    [{ method: 'query-parameter', indicator: 'gp' }, 'x'.repeat(254)],
    [{ method: 'authority' }, 'no/host'],
    [{ method: 'authority' }, 'grp.example:65536'],
    [{ method: 'host' }, '[::1]'],
    [{ method: 'host-label', domain: 'example' }, 'two.labels'],
    [{ method: 'host-label', domain: 'example' }, '-x'],
    [{ method: 'port' }, '0'],
    [{ method: 'port' }, '70000'],
    [{ method: 'port', names: new Map() }, 'nobody'],
    [{ method: 'option', number: OptionNumber.URI_PATH }, 'x'],
  ])('by %o refuses %j', (naming, name) => {
    const target = naming.method === 'query' ? { ...LIGHT, query: [] } : LIGHT
    expect(() => encodeGroupName(naming, name, target)).toThrow(expect.objectContaining({ code: 'group.name-invalid' }))
  })

  it('refuses port 5684, whichever way it comes (§3.4)', () => {
    expect(() => encodeGroupName({ method: 'port' }, '5684', LIGHT)).toThrow(expect.objectContaining({ code: 'group.port-reserved' }))
    expect(() => encodeGroupName({ method: 'authority' }, 'a.example:5684', LIGHT)).toThrow(
      expect.objectContaining({ code: 'group.port-reserved' }),
    )
    expect(() => parseGroupUri('coap://grp.example:5684/x')).toThrow(expect.objectContaining({ code: 'group.port-reserved' }))
  })

  it('comes back as it went in, by every method (property)', () => {
    const part = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .filter((text) => text.isWellFormed() && text !== '.' && text !== '..')
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
    const cases = fc.oneof(
      fc.record({ naming: fc.constant<GroupNaming>({ method: 'path', delimiter: 'gp' }), name: part }),
      fc.record({ naming: fc.constant<GroupNaming>({ method: 'path', delimiter: 'gp', base: ['gp', 'b'] }), name: part }),
      fc.record({ naming: fc.constant<GroupNaming>({ method: 'query-parameter', indicator: 'gp' }), name: part }),
      fc.record({ naming: fc.constant<GroupNaming>({ method: 'option', number: 65_001 }), name: part }),
      fc.record({ naming: fc.constant<GroupNaming>({ method: 'host-label', domain: 'bldg6.example' }), name: label }),
      fc.record({ naming: fc.constant<GroupNaming>({ method: 'host' }), name: label }),
      fc.record({
        naming: fc.constant<GroupNaming>({ method: 'port' }),
        name: fc
          .integer({ min: 1, max: 65_535 })
          .filter((port) => port !== 5684)
          .map(String),
      }),
    )
    fc.assert(
      fc.property(cases, fc.array(part, { maxLength: 4 }), fc.array(label, { maxLength: 3 }), ({ naming, name }, path, query) => {
        const before: GroupTarget = { host: 'ff05::1', port: 5683, path, query, options: [] }
        const target = encodeGroupName(naming, name, before)
        // Over the wire, and through the text of the URI.
        const { options } = requestOfTarget(target)
        const got = targetOfRequest({ path: target.path, query: target.query, options }, { address: 'ff05::1', port: target.port })!
        const read = decodeGroupName(naming, got)
        expect(read?.name).toBe(name)
        expect(read?.target.path).toEqual(path)
        expect(read?.target.query).toEqual(query)
        expect(parseGroupUri(formatGroupUri(target))).toEqual({ ...target, options: [] })
      }),
    )
  })

  it('reads any request without failing (property)', () => {
    const namings: GroupNaming[] = EXAMPLES.map((example) => example.naming)
    const text = fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 })
    const option = fc.record({ number: fc.integer({ min: 0, max: 65_535 }), value: fc.uint8Array({ maxLength: 9 }) })
    fc.assert(
      fc.property(text, text, fc.array(option, { maxLength: 4 }), fc.constantFrom(...namings), (path, query, options, naming) => {
        const target = targetOfRequest({ path, query, options }, { address: 'ff05::1', port: 5683 })
        if (target !== undefined) decodeGroupName(naming, target)
      }),
    )
  })
})

describe('a group URI', () => {
  it('has one form for all names of a CoAP group by the same host (§2.2.1.1)', () => {
    for (const [text, canonical] of [
      ['grp.example', 'grp.example'],
      ['GRP.example:5683', 'grp.example'],
      ['grp.example:', 'grp.example'],
      ['[ff05::db8:0:1]:5683', '[ff05::db8:0:1]'],
      ['[FF05::DB8:0:1]:7700', '[ff05::db8:0:1]:7700'],
      ['224.0.1.187', '224.0.1.187'],
      ['[ff02::fd%25eth0]', '[ff02::fd%25eth0]'],
    ] as const) {
      const { host, port } = parseAuthority(text)!
      expect(formatAuthority(host, port)).toBe(canonical)
    }
  })

  it('leaves Uri-Host and Uri-Port off for an IP literal', () => {
    expect(requestOfTarget(parseGroupUri('coap://[ff03::fd]:5685/a')).options).toEqual([])
    expect(requestOfTarget(parseGroupUri('coap://224.0.1.187/a')).options).toEqual([])
    expect(findStrings(requestOfTarget(parseGroupUri('coap://all.west.bldg6.example/a')).options, HOST)).toEqual(['all.west.bldg6.example'])
  })

  it.each([
    'http://a/',
    'coaps://a/',
    'coap:///x',
    'coap://a/#f',
    'coap://a/%zz',
    'coap://a/%ff',
    'coap://[::1',
    'coap://a:99999/',
    'coap://u@h/',
  ])('refuses %s', (uri) => {
    expect(() => parseGroupUri(uri)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })

  it('is read or refused, whatever the text (property)', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((rest) => `coap://${rest}`),
        ),
        (text) => {
          try {
            parseGroupUri(text)
          } catch (error) {
            expect(error).toMatchObject({ name: 'AppError' })
          }
        },
      ),
    )
  })
})
