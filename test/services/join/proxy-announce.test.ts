// Who finds whom: pledges their proxy, proxies their registrar (draft-ietf-anima-constrained-join-proxy-20 §5, draft -01 §7).
import { describe, expect, it } from 'vitest'
import { utf8ToText } from '#main/base/index.ts'
import { announceJoinProxy, announceRegistrar, registrarLinks, type JoinPortLink } from '#main/services/join/index.ts'
import type { CoapEndpoint } from '#main/wire/coap/index.ts'
import { formatLinkFormat, ResourceTree } from '#main/wire/coap/index.ts'
import { world, type World } from './port-harness.ts'
import { ALL_LINK, ALL_SITE, askGroup, node, places } from './proxy-nodes.ts'

describe('what pledges are told', () => {
  function linkWith(ports: readonly JoinPortLink[], ...linkLocal: readonly [undefined?]): { of: World; asker: CoapEndpoint } {
    const of = world()
    const { tree } = node(of, of.link, 'fe80::1', [ALL_LINK])
    tree.add('/other', { handlers: { GET: () => ({ code: '2.05' }) }, attributes: { rt: 'other' } })
    announceJoinProxy(tree, { joinPorts: () => ports, linkLocal: () => (linkLocal.length === 0 ? 'fe80::1' : undefined) })
    return { of, asker: node(of, of.link, 'fe80::99').coap }
  }

  it('GET coap://[ff02::fd]/.well-known/core?brski-jp=*: the join-port (§5.2, cBRSKI-31 §10.1)', async () => {
    const { of, asker } = linkWith([{ port: 8485 }])
    expect(await askGroup(of, asker, ALL_LINK, 'brski-jp=*')).toEqual(['fe80::1 <>;brski-jp=8485'])
  })

  it('several join-ports, with what is special about each (§5.3)', async () => {
    const { of, asker } = linkWith([{ port: 61_616 }, { port: 61_617, attributes: [{ name: 'var', value: 'c509 v2' }] }])
    expect(await askGroup(of, asker, ALL_LINK, 'brski-jp=*')).toEqual(['fe80::1 <>;brski-jp=61616,<>;brski-jp=61617;var="c509 v2"'])
  })

  it('rt=brski.jp and rt=brski-proxy, as older drafts ask (-06 to -19, and -01 §7.2.2)', async () => {
    const { of, asker } = linkWith([{ port: 8485 }])
    expect(await askGroup(of, asker, ALL_LINK, 'rt=brski.jp')).toEqual(['fe80::1 <coaps://[fe80::1]:8485>;rt="brski.jp"'])
    expect(await askGroup(of, asker, ALL_LINK, 'rt=brski-proxy')).toEqual(['fe80::1 <coaps://[fe80::1]:8485/jp>;rt="brski-proxy"'])
    const nameless = linkWith([{ port: 8485 }], undefined)
    expect(await askGroup(nameless.of, nameless.asker, ALL_LINK, 'rt=brski-proxy')).toEqual([])
  })

  it('nothing while there is no join-port, nothing of other questions, and nothing to whoever is no neighbour', async () => {
    const none = linkWith([])
    expect(await askGroup(none.of, none.asker, ALL_LINK, 'brski-jp=*')).toEqual([])
    const { of, asker } = linkWith([{ port: 8485 }])
    expect(await askGroup(of, asker, ALL_LINK, 'rt=other')).toEqual(['fe80::1 </other>;rt="other"'])
    const stranger = node(of, of.link, '2001:db8::9').coap
    expect(await askGroup(of, stranger, ALL_LINK, 'brski-jp=*')).toEqual([])
  })

  it('of a registrar on their own link: its coaps port, as if it were a join-port (cBRSKI-31 §10)', async () => {
    const of = world()
    const { tree } = node(of, of.link, 'fe80::1', [ALL_LINK])
    const withdraw = announceRegistrar(tree, { ...places, routable: () => undefined })
    const asker = node(of, of.link, 'fe80::99').coap
    expect(await askGroup(of, asker, ALL_LINK, 'brski-jp=*')).toEqual(['fe80::1 <>;brski-jp=5684'])
    withdraw()
    expect(await askGroup(of, asker, ALL_LINK, 'brski-jp=*')).toEqual([])
  })
})

describe('what proxies are told of a registrar', () => {
  function site(): { of: World; asker: CoapEndpoint } {
    const of = world()
    const { tree } = node(of, of.routed, '2001:db8::1', [ALL_SITE])
    announceRegistrar(tree, { ...places, routable: () => '2001:db8::1' })
    return { of, asker: node(of, of.routed, '2001:db8::2').coap }
  }

  it.each([
    ['rt=brski.rjp', '<jpy://[2001:db8::1]:7634>;rt="brski.rjp"'],
    ['rt=brski', '<coaps://[2001:db8::1]/b>;rt="brski"'],
    ['rt=brski-proxy', '<coaps://[2001:db8::1]:7634/jp>;rt="brski-proxy"'],
  ])('GET coap://[ff05::fd]/.well-known/core?%s (§5.1, draft -01 §7.1.1)', async (query, links) => {
    const { of, asker } = site()
    expect(await askGroup(of, asker, ALL_SITE, query)).toEqual([`2001:db8::1 ${links}`])
  })

  it('by unicast: the address that was asked', async () => {
    const { of, asker } = site()
    const request = { method: 'GET', path: ['.well-known', 'core'], query: ['rt=brski.rjp'] } as const
    const response = await of.clock.until(asker.request({ address: '2001:db8::1', port: 5683 }, request))
    expect(utf8ToText(response.payload)).toBe('<jpy://[2001:db8::1]:7634>;rt="brski.rjp"')
  })

  it.each([
    ['rt=brski-proxy', '<coaps://[2001:db8::1]:7634/jp>;rt="brski-proxy"'],
    ['rt=brski.rjp', '<jpy://[2001:db8::1]:7634>;rt="brski.rjp"'],
    ['rt=brski*', '</b>;rt="brski"'],
    ['rt=brski', '</b>;rt="brski"'],
    ['brski-jp=*', ''],
    [undefined, '</b>;rt="brski"'],
  ])(
    'over DTLS, asked for %s: the join port by its name (draft -01 §7), else the resources (cBRSKI-31 Appendix E)',
    async (query, expected) => {
      const tree = new ResourceTree()
      tree.add('/b', { handlers: {}, attributes: { rt: 'brski' } })
      announceRegistrar(tree, { ...places, routable: () => '2001:db8::1' })
      const answer = await tree.find(['.well-known', 'core'])?.handlers.GET?.({
        method: 'GET',
        path: ['.well-known', 'core'],
        query: query === undefined ? [] : [query],
        payload: new Uint8Array(0),
        contentFormat: undefined,
        accept: undefined,
        options: [],
        source: { address: '2001:db8::2', port: 1, zone: 'join-7' },
        destination: undefined,
        multicast: false,
        channelId: 'x',
        peer: { scheme: 'dtls-certificate', name: 'somebody' },
      })
      expect(utf8ToText(answer?.payload ?? new Uint8Array(0))).toBe(expected)
    },
  )

  it('only what there is', () => {
    expect(registrarLinks('2001:db8::1', { jpy: () => undefined, coaps: () => undefined })).toEqual([])
    const today = { jpy: () => ({ port: 1, versions: ['20'] as const }), coaps: () => undefined }
    expect(formatLinkFormat(registrarLinks('192.0.2.1', today))).toBe('<jpy://192.0.2.1:1>;rt="brski.rjp"')
    expect(registrarLinks('2001:db8::1', places).map(({ href }) => href)).toEqual([
      'jpy://[2001:db8::1]:7634',
      'coaps://[2001:db8::1]/b',
      'coaps://[2001:db8::1]:7634/jp',
    ])
  })
})
