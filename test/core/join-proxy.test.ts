// This program as a join proxy: on the links that were chosen, by the registrar that is set or found, in both modes and versions
// (draft-ietf-anima-constrained-join-proxy-20 §4, §5; draft -01 §5, §7).
import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError, type SocketAddress } from '#main/base/index.ts'
import { announceRegistrar } from '#main/services/join/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import type { JoinProxySettings } from '#contract/model.ts'
import { createSiteJoinProxy, type JoinPlace, type SiteJoinProxy, type SiteJoinProxyPorts } from '../../src-main/core/join-proxy.ts'
import { configuredRoute, keepJoinSettings } from '../../src-main/core/join-settings.ts'
import { Attacker } from '../wire/dtls/attacker.ts'
import { hearing, pledge, registrar, world, type World } from '../services/join/port-harness.ts'
import { ALL_LINK, ALL_SITE, askGroup, node, places } from '../services/join/proxy-nodes.ts'

const OURS = 'fe80::1'
const OFF: JoinProxySettings = {
  mode: 'off',
  version: 'automatic',
  places: ['lan:eth0'],
  search: ['coap'],
  registrar: null,
}

interface Lab {
  readonly of: World
  readonly proxy: SiteJoinProxy
  readonly tree: ResourceTree
  /** What is set. */
  readonly set: (patch: Partial<JoinProxySettings>) => Promise<void>
  /** Searches that are held open now. */
  readonly searches: () => number
}

function lab(more: Partial<SiteJoinProxyPorts> = {}, place: Partial<JoinPlace> = {}): Lab {
  const of = world()
  const tree = new ResourceTree()
  let settings = OFF
  let searches = 0
  let uplinks = 0
  const eth0: JoinPlace = {
    id: 'lan:eth0',
    linkLocal: OURS,
    zone: 'eth0',
    open: (port) => Promise.resolve(of.link.channel({ address: OURS, port })),
    sharedChannel: undefined,
    ...place,
  }
  const proxy = createSiteJoinProxy({
    settings: () => settings,
    places: () => [eth0],
    openUplink: () => Promise.resolve(of.routed.channel({ address: '2001:db8::2', port: 41_000 + uplinks++ })),
    openSearch: () => {
      searches += 1
      const { coap, channel } = node(of, of.routed, '2001:db8::2', [], 40_000)
      return Promise.resolve({
        search: { client: coap },
        async close() {
          searches -= 1
          coap.close()
          await channel.close()
        },
      })
    },
    tree,
    changed: () => undefined,
    ...of.common,
    ...more,
  })
  onTestFinished(() => of.clock.until(proxy.close()))
  return {
    of,
    proxy,
    tree,
    async set(patch) {
      settings = { ...settings, ...patch }
      await of.clock.until(proxy.update())
      await of.clock.advance(40_000)
    },
    searches: () => searches,
  }
}

/** A registrar with both ways in, which tells of them. */
function announced(of: World): ReturnType<typeof registrar> {
  const site = registrar(of)
  const { tree } = node(of, of.routed, '2001:db8::1', [ALL_SITE])
  announceRegistrar(tree, { ...places, routable: () => '2001:db8::1' })
  return site
}

/** Where a pledge on the link is told to go. */
async function joinPort(of: World, number: number, query = 'brski-jp=*'): Promise<SocketAddress> {
  const { coap } = node(of, of.link, `fe80::2:${number}`)
  const [answer = ''] = await askGroup(of, coap, ALL_LINK, query)
  const [, port] = /brski-jp=(\d+)/.exec(answer) ?? /\[fe80::1\]:(\d+)/.exec(answer) ?? []
  expect(answer.startsWith(`${OURS} `)).toBe(true)
  return { address: OURS, port: Number(port) }
}

describe('the join proxy of this program', () => {
  it.each([
    ['stateless', '20', 'brski-jp=*', 'jpy://[2001:db8::1]:7634'],
    ['stateless', '01', 'rt=brski-proxy', 'jpy://[2001:db8::1]:7634'],
    ['stateful', '20', 'brski-jp=*', 'coaps://[2001:db8::1]:5684'],
    ['automatic', 'automatic', 'rt=brski.jp', 'jpy://[2001:db8::1]:7634'],
  ] as const)('%s, version %s: finds the registrar, is found by %s, and carries a pledge there', async (mode, version, query, uri) => {
    const { of, proxy, set } = lab()
    const site = announced(of)
    await set({ mode, version })
    expect(proxy.row()).toMatchObject({ state: 'serving', registrars: [{ uri, by: 'multicast' }], hidden: [] })
    const at = await joinPort(of, 1, query)
    expect(at.port).toBe(proxy.row().ports[0]?.port)
    expect(await of.clock.until(pledge(of, 1).say('hello', at))).toBe('2.04 hello')
    expect(site.requests[0]?.source.address).toBe('2001:db8::2')
    expect(proxy.row().ports[0]).toMatchObject({ place: 'lan:eth0', pledges: 1, mappings: mode === 'stateful' ? 1 : 0 })
  })

  it('of a registrar that is set looks for none', async () => {
    const { of, proxy, set, searches } = lab()
    registrar(of)
    await set({ mode: 'automatic', registrar: 'coaps://[2001:db8::1]' })
    expect(searches()).toBe(0)
    expect(proxy.row().registrars).toMatchObject([{ uri: 'coaps://[2001:db8::1]:5684', mode: 'stateful', by: 'configuration' }])
    expect(await of.clock.until(pledge(of, 1).say('hello', await joinPort(of, 1)))).toBe('2.04 hello')
  })

  it('that is turned off leaves neither port nor answer nor search behind', async () => {
    const { of, proxy, set, searches } = lab()
    announced(of)
    await set({ mode: 'automatic' })
    const at = await joinPort(of, 1)
    await set({ mode: 'off' })
    expect([proxy.row().state, proxy.row().ports, searches()]).toEqual(['off', [], 0])
    const { coap } = node(of, of.link, 'fe80::2:9')
    expect(await askGroup(of, coap, ALL_LINK, 'brski-jp=*')).toEqual([])
    // The ports are free again.
    for (const port of [at.port, 5683]) of.link.channel({ address: OURS, port })
  })

  it('is heard of at the site’s own channel on that link, and at no other', async () => {
    const { of, tree, set } = lab({}, { sharedChannel: 'on the link' })
    announced(of)
    await set({ mode: 'automatic' })
    const asked = async (channelId: string, number: number): Promise<string> => {
      const channel = of.link.channel({ address: `fe80::7:${number}`, port: 5683, id: channelId })
      channel.joinGroup(ALL_LINK)
      const site = new CoapEndpoint({ ...of.common, channel, tree })
      const answers = await askGroup(of, node(of, of.link, `fe80::2:${number}`).coap, ALL_LINK, 'brski-jp=*')
      site.close()
      return answers.join()
    }
    expect(await asked('elsewhere', 1)).not.toContain('brski-jp')
    expect(await asked('on the link', 2)).toContain('brski-jp')
  })

  it('tells where it cannot be found, because another program has the CoAP port', async () => {
    const { of, proxy, set } = lab()
    announced(of)
    of.link.channel({ address: OURS, port: 5683 })
    await set({ mode: 'automatic' })
    expect(proxy.row()).toMatchObject({ state: 'serving', hidden: ['lan:eth0'] })
  })

  it('has no place where the link has no address, and goes on when it has', async () => {
    let up = false
    const of = world()
    const place: JoinPlace = {
      id: 'lan:eth0',
      linkLocal: OURS,
      zone: 'eth0',
      open: (port) => Promise.resolve(of.link.channel({ address: OURS, port })),
      sharedChannel: undefined,
    }
    const proxy = createSiteJoinProxy({
      settings: () => ({ ...OFF, mode: 'automatic', registrar: 'jpy://[2001:db8::1]:7634' }),
      places: () => (up ? [place] : []),
      openUplink: () => Promise.resolve(of.routed.channel({ address: '2001:db8::2', port: 0 })),
      openSearch: () => Promise.reject(new AppError('internal', 'not wanted')),
      tree: new ResourceTree(),
      changed: () => undefined,
      ...of.common,
    })
    await of.clock.until(proxy.update())
    expect(proxy.row().state).toBe('no-place')
    up = true
    await of.clock.until(proxy.update())
    const { port } = proxy.row().ports[0] ?? { port: 0 }
    expect(proxy.row().state).toBe('serving')
    // What runs well is left alone.
    await of.clock.until(proxy.update())
    expect(proxy.row().ports[0]?.port).toBe(port)
    await of.clock.until(proxy.close())
  })

  it('says why it could not be opened, and opens at the next turn', async () => {
    let broken = true
    const { of, proxy, set } = lab({
      openSearch: () =>
        broken
          ? Promise.reject(new AppError('network.down', 'no network'))
          : Promise.resolve({ search: { client: node(of, of.routed, '2001:db8::3').coap }, close: () => Promise.resolve() }),
    })
    announced(of)
    await set({ mode: 'automatic' })
    expect(proxy.row()).toMatchObject({ state: 'failed', failure: { code: 'network.down' } })
    broken = false
    await set({})
    expect(proxy.row().state).toBe('serving')
  })

  it('gives back at most three times what a pretended pledge sends, whoever floods it (draft -20 §8.1)', async () => {
    const { of, proxy, set } = lab()
    announced(of)
    await set({ mode: 'stateless' })
    const at = await joinPort(of, 1)
    const victim = of.link.channel({ address: 'fe80::bad', port: 4444 })
    const heard = hearing(victim)
    let sent = 0
    const hello = firstFlight()
    for (let n = 0; n < 200; n++) {
      victim.send(hello, at)
      sent += hello.length
      await of.clock.advance(10)
    }
    await of.clock.advance(10_000)
    const back = heard.reduce((sum, { payload }) => sum + payload.length, 0)
    expect(back).toBeLessThanOrEqual(3 * sent)
    expect(proxy.row().ports[0]?.refused).toBeGreaterThan(50)
    // Who comes honestly meanwhile gets in.
    expect(await of.clock.until(pledge(of, 1).say('hello', at))).toBe('2.04 hello')
  })
})

describe('what is set', () => {
  const known = new Set(['ab'.repeat(32)])
  const keeper = (): ReturnType<typeof keepJoinSettings> => {
    const meta = new Map<string, unknown>()
    return keepJoinSettings(
      { getMeta: (key) => meta.get(key) as never, setMeta: (key, value) => meta.set(key, value) as never },
      () => known,
    )
  }

  it('names a registrar by address, of the kind that the mode needs', () => {
    const at = { address: '2001:db8::1', port: 7634 }
    const route = (registrar: string, mode: JoinProxySettings['mode'] = 'automatic', version: JoinProxySettings['version'] = 'automatic') =>
      configuredRoute({ registrar, mode, version })
    expect(route('jpy://[2001:db8::1]:7634')).toEqual({ mode: 'stateless', version: '20', at, by: 'configuration' })
    expect(route('coaps://[2001:db8::1]:7634/jp', 'stateless', '01')).toMatchObject({ mode: 'stateless', version: '01', at })
    expect(route('coaps://192.0.2.1')).toMatchObject({ mode: 'stateful', at: { address: '192.0.2.1', port: 5684 } })
    for (const [uri, mode] of [
      ['jpy://[2001:db8::1]', 'automatic'],
      ['jpy://registrar.example:7634', 'automatic'],
      ['jpy://[ff05::fd]:7634', 'automatic'],
      ['https://[2001:db8::1]:7634', 'automatic'],
      ['jpy://[2001:db8::1]:7634', 'stateful'],
      ['coaps://[2001:db8::1]:7634', 'stateless'],
    ] as const)
      expect(() => route(uri, mode)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })

  it('is kept of makers that the site trusts, and checked', () => {
    const settings = keeper()
    const [id = ''] = known
    settings.setMaker({ id, masaUrl: 'masa.example' })
    settings.setMaker({ id, keyId: 'sha256' })
    expect(settings.now.makers[id]).toMatchObject({ masaUrl: 'masa.example', keyId: 'sha256', showsCertificate: true })
    settings.setMaker({ id, masaUrl: null })
    expect(settings.now.makers[id]?.masaUrl).toBeNull()
    const refused = (patch: Parameters<typeof settings.setMaker>[0], code: string): void =>
      expect(() => settings.setMaker(patch)).toThrow(expect.objectContaining({ code }))
    refused({ id: 'cd'.repeat(32), masaUrl: 'masa.example' }, 'join.maker-not-found')
    refused({ id, masaUrl: 'http://masa.example' }, 'input.invalid')
    refused({ id, tlsAnchors: 'no PEM' }, 'input.invalid')
    refused({ id, voucherAnchors: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }, 'input.invalid')
  })
})

function firstFlight(): Uint8Array {
  const attacker = new (class extends Attacker {
    sent: Uint8Array | undefined
    override datagram(bytes: Uint8Array): void {
      this.sent = bytes
    }
  })()
  attacker.greet()
  if (attacker.sent === undefined) throw new TypeError('no hello')
  return attacker.sent
}
