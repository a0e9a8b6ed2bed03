// Registration, update and removal (RFC 9176 §5, §5.3): what is taken, and what is refused.
import { describe, expect, it } from 'vitest'
import { asLinks, RdHarness } from './harness.ts'

const encoded = (text: string): string => encodeURIComponent(text)

describe('registration parameters (RFC 9176 §5)', () => {
  it.each([
    ['no ep', 'd=x'],
    ['an empty ep', 'ep='],
    ['an ep of 64 bytes', `ep=${'x'.repeat(64)}`],
    ['an ep of 64 bytes in UTF-8', `ep=${encoded('ü'.repeat(32))}`],
    ['a control character in ep', `ep=${encoded('a\u0007')}`],
    ['a C1 control character in ep', `ep=${encoded('a\u0085')}`],
    ['two ep', 'ep=a&ep=b'],
    ['a sector of 64 bytes', `ep=a&d=${'x'.repeat(64)}`],
    ['two lt', 'ep=a&lt=60&lt=61'],
    ['lt=0', 'ep=a&lt=0'],
    ['lt beyond 32 bits', 'ep=a&lt=4294967296'],
    ['lt that is no number', 'ep=a&lt=1h'],
    ['a negative lt', 'ep=a&lt=-1'],
    ['an empty lt', 'ep=a&lt='],
    ['a base without scheme', 'ep=a&base=//example.com'],
    ['a base without authority', 'ep=a&base=coap:/x'],
    ['a base that is a urn', 'ep=a&base=urn:dev:1'],
    ['a base with a fragment', `ep=a&base=${encoded('coap://x/#f')}`],
    ['a base with a space', `ep=a&base=${encoded('coap://x y')}`],
    ['a base with an angle bracket', `ep=a&base=${encoded('coap://x>')}`],
    ['a base with a zone identifier', `ep=a&base=${encoded('coap://[fe80::1%25eth0]')}`],
    ['a base with a raw zone', `ep=a&base=${encoded('coap://[fe80::1%eth0]')}`],
    ['a base with a port beyond 16 bits', 'ep=a&base=coap://x:70000'],
    ['two base', 'ep=a&base=coap://x&base=coap://y'],
    ['href as a parameter', 'ep=a&href=/x'],
    ['anchor as a parameter', 'ep=a&anchor=/x'],
    ['rt as a parameter', 'ep=a&rt=x'],
    ['page as a parameter', 'ep=a&page=1'],
    ['a parameter name that is no token', `ep=a&${encoded('a b')}=1`],
    ['a nameless parameter', 'ep=a&=1'],
    ['a control character in a parameter', `ep=a&x=${encoded('\n')}`],
    ['too many parameters', `ep=a&${Array.from({ length: 40 }, (_, index) => `x${index}=${'y'.repeat(60)}`).join('&')}`],
  ])('%s is a bad request', async (_, query) => {
    const rd = new RdHarness()
    const answer = await rd.ask('POST', `/rd?${query}`, { contentFormat: 40, payload: '</a>' })
    expect(answer.code).toBe('4.00')
    expect(answer.text).not.toBe('')
    expect(rd.store.rows.size).toBe(0)
  })

  it.each([
    ['63 bytes', 'x'.repeat(63)],
    ['Unicode', 'Büro 2.14 – Süd'],
    ['characters that link-format must quote', 'a,b;c "d" \\e<f>'],
    ['an asterisk at the end', 'a*'],
  ])('an endpoint name of %s is kept to the letter', async (_, name) => {
    const rd = new RdHarness()
    await rd.register(`ep=${encoded(name)}`, '</a>')
    expect(rd.directory.list(0, 10).map((registration) => registration.endpointName)).toEqual([name])
    const { parseLinkFormat } = await import('#main/wire/coap/index.ts')
    const [link] = parseLinkFormat(await rd.lookup(`ep?ep=${encoded(name)}`))
    expect(link?.attributes.find((attribute) => attribute.name === 'ep')?.value).toBe(name)
  })

  it.each([
    [{ address: '2001:db8::7', port: 5683 }, 'coap://[2001:db8::7]'],
    [{ address: '2001:db8::7', port: 61616 }, 'coap://[2001:db8::7]:61616'],
    [{ address: '192.0.2.9', port: 5683 }, 'coap://192.0.2.9'],
    [{ address: '192.0.2.9', port: 5684 }, 'coap://192.0.2.9:5684'],
    [{ address: 'fe80::7', port: 5683, zone: 'eth0' }, 'coap://[fe80::7]'],
  ])('without base the source %j is the base %s', async (from, base) => {
    const rd = new RdHarness()
    await rd.register('ep=a', '</a>', { from })
    expect(rd.directory.list(0, 1)[0]).toMatchObject({ base, baseExplicit: false, source: { address: from, channelId: 'demo' } })
  })

  it('on a channel of DTLS the base is coaps, and 5684 its default port', async () => {
    const rd = new RdHarness({ schemeOf: (channelId) => (channelId === 'secure' ? 'coaps' : 'coap') })
    await rd.register('ep=a', '', { from: { address: '2001:db8::7', port: 5684 }, channelId: 'secure' })
    expect(rd.directory.find('a')?.base).toBe('coaps://[2001:db8::7]')
  })

  it('the lifetime is 90000 s unless given', async () => {
    const rd = new RdHarness()
    await rd.register('ep=a', '')
    await rd.register('ep=b&lt=4294967295', '')
    expect(rd.directory.list(0, 9).map((registration) => registration.lifetimeS)).toEqual([90_000, 4_294_967_295])
  })

  it('unknown parameters are kept in order, repeated ones too, and found again', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a&et=x.one&et=x.two&flag&Note=n', '')
    expect(asLinks(await rd.lookup('ep?et=x.two&flag&note=n'))).toEqual(
      asLinks(`<${location}>;ep=a;base="coap://[2001:db8:3::123]:61616";et=x.one;et=x.two;flag;note=n;rt=core.rd-ep`),
    )
  })
})

describe('registration payloads (RFC 6690, RFC 9176 appendix C)', () => {
  it.each([
    ['no link-format', 'hello'],
    ['an open angle bracket', '</a'],
    ['an open quote', '</a>;rt="x'],
    ['a relative-path target', '<sensors/temp>'],
    ['a network-path target', '<//example.com/a>'],
    ['an empty target', '<>'],
    ['a target with a space', '</a b>'],
    ['a relative-path anchor', '</a>;anchor="b"'],
    ['a network-path anchor', '</a>;anchor="//b/c"'],
    ['an anchor without value', '</a>;anchor'],
    ['an href parameter', '</a>;href="/b"'],
    ['bytes that are no UTF-8', new Uint8Array([0x3c, 0xff, 0x3e])],
  ])('%s is a bad request', async (_, payload) => {
    const rd = new RdHarness()
    const answer = await rd.ask('POST', '/rd?ep=a', { contentFormat: 40, payload })
    expect(answer.code).toBe('4.00')
    expect(rd.directory.size).toBe(0)
  })

  it('takes no links at all, and an empty anchor, which is the base', async () => {
    const rd = new RdHarness()
    await rd.register('ep=none', '')
    await rd.register('ep=some&base=coap://x.example', '</a>;anchor="";rel=up')
    expect(await rd.lookup('res?ep=none')).toBe('')
    expect(asLinks(await rd.lookup('res?ep=some'))).toEqual(['<coap://x.example/a>;anchor=coap://x.example;rel=up'])
  })

  it('a payload of another content-format is refused', async () => {
    const rd = new RdHarness()
    expect((await rd.ask('POST', '/rd?ep=a', { contentFormat: 50, payload: '[]' })).code).toBe('4.15')
    expect((await rd.ask('POST', '/rd?ep=a', { payload: '</a>' })).code).toBe('2.01')
  })

  it('too many bytes or links are too large', async () => {
    const rd = new RdHarness({ limits: { linkBytes: 40, links: 3 } })
    expect((await rd.ask('POST', '/rd?ep=a', { payload: `</${'a'.repeat(40)}>` })).code).toBe('4.13')
    expect((await rd.ask('POST', '/rd?ep=a', { payload: '</a>,</b>,</c>,</d>' })).code).toBe('4.13')
    expect((await rd.ask('POST', '/rd?ep=a', { payload: '</a>,</b>,</c>' })).code).toBe('2.01')
  })

  it('gives the links back as they were submitted', async () => {
    const rd = new RdHarness()
    const text = '</a>;rt="x y";ct=40,<coap://h/b>;title="q, \\"r\\""'
    const location = await rd.register('ep=a', text)
    expect(await rd.ask('GET', location)).toMatchObject({ code: '2.05', contentFormat: 40, text })
    expect((await rd.ask('GET', location, { accept: 50 })).code).toBe('4.06')
    expect((await rd.ask('GET', '/rd/nobody')).code).toBe('4.04')
    expect((await rd.ask('GET', '/rd')).code).toBe('4.05')
    expect((await rd.ask('GET', `${location}/x`)).code).toBe('4.04')
    expect((await rd.ask('DELETE', '/rd')).code).toBe('4.05')
  })
})

describe('registering again (RFC 9176 §5)', () => {
  it('the same ep and d keep the location and replace links and parameters', async () => {
    const rd = new RdHarness()
    const first = await rd.register('ep=a&d=x&et=old&lt=100', '</a>;rt=old')
    const second = await rd.register('ep=a&d=x&et=new', '</b>;rt=new')
    expect(second).toBe(first)
    expect(rd.directory.size).toBe(1)
    expect(await rd.lookup('res?rt=old')).toBe('')
    expect(await rd.lookup('ep?et=old')).toBe('')
    expect(asLinks(await rd.lookup('res?rt=new'))).toHaveLength(1)
    expect(rd.directory.find('a', 'x')?.lifetimeS).toBe(90_000)
    expect(rd.events).toEqual(['registered a', 'updated a'])
  })

  it('another sector is another registration', async () => {
    const rd = new RdHarness()
    const locations = [await rd.register('ep=a', ''), await rd.register('ep=a&d=x', ''), await rd.register('ep=a&d=y', '')]
    expect(new Set(locations).size).toBe(3)
    expect(asLinks(await rd.lookup('ep?d=x'))).toHaveLength(1)
    expect(asLinks(await rd.lookup('ep?ep=a'))).toHaveLength(3)
  })
})

describe('update (RFC 9176 §5.3.1)', () => {
  it('keeps the lifetime of before, or takes the new one', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a&lt=100', '')
    await rd.ask('POST', location)
    expect(rd.directory.find('a')?.lifetimeS).toBe(100)
    expect((await rd.ask('POST', `${location}?lt=50`)).code).toBe('2.04')
    expect(rd.directory.find('a')).toMatchObject({ lifetimeS: 50, expiresAt: rd.clock.now() + 50_000 })
    await rd.clock.advance(50_001)
    expect(rd.directory.size).toBe(0)
  })

  it('overrides attributes of the same key and keeps the others', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a&et=one&et=two&note=n', '')
    expect((await rd.ask('POST', `${location}?et=three`)).code).toBe('2.04')
    expect(asLinks(await rd.lookup('ep?note=n'))[0]).toContain('et=three')
    expect(await rd.lookup('ep?et=one')).toBe('')
    expect(await rd.lookup('ep?et=three')).not.toBe('')
  })

  it('an implicit base follows the source, an explicit one stays', async () => {
    const rd = new RdHarness()
    const implicit = await rd.register('ep=implicit', '</a>')
    const explicit = await rd.register('ep=explicit&base=coap://x.example', '</a>')
    const moved = { address: '2001:db8::99', port: 5683 }
    await rd.ask('POST', implicit, { from: moved })
    await rd.ask('POST', explicit, { from: moved })
    expect(asLinks(await rd.lookup('res'))).toEqual(['<coap://[2001:db8::99]/a>', '<coap://x.example/a>'])
    expect(asLinks(await rd.lookup('res?href=coap://[2001:db8::99]/a'))).toHaveLength(1)
    expect(await rd.lookup('res?href=coap://[2001:db8:3::123]:61616/a')).toBe('')
  })

  it.each(['ep=b', 'd=x', 'lt=0', 'base=nonsense', 'lt=60&lt=61'])('%s is refused and changes nothing', async (query) => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a', '</a>')
    const before = rd.directory.find('a')
    expect((await rd.ask('POST', `${location}?${query}`)).code).toBe('4.00')
    expect(rd.directory.find('a')).toEqual(before)
  })

  it('links in an update are refused', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=a', '</a>')
    expect((await rd.ask('POST', location, { contentFormat: 40, payload: '</b>' })).code).toBe('4.00')
    expect(asLinks(await rd.lookup('res'))).toHaveLength(1)
  })
})
