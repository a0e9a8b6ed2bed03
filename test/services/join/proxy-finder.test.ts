// Who finds whom: pledges their proxy, proxies their registrar (draft-ietf-anima-constrained-join-proxy-20 §5, draft -01 §7).
import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError, silentLogger, utf8, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import {
  announceJoinProxy,
  announceRegistrar,
  findRegistrars,
  openJoinService,
  RegistrarFinder,
  registrarLinks,
  type JoinService,
  type RegistrarAnnouncement,
  type RegistrarRoute,
  type RegistrarSearch,
} from '#main/services/join/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import { formatLinkFormat } from '#main/wire/coap/index.ts'
import { MemoryRegistrationStore } from '../rd/harness.ts'
import { COAPS, pledge, registrar, REGISTRAR, world, type World } from './port-harness.ts'
import { ALL_LINK, ALL_SITE, askGroup, node, places } from './proxy-nodes.ts'

describe('how a proxy finds registrars', () => {
  const signal = new AbortController().signal

  function announced(of: World, announcement: Partial<RegistrarAnnouncement>, address = '2001:db8::1'): void {
    const { tree } = node(of, of.routed, address, [ALL_SITE])
    announceRegistrar(tree, { jpy: () => undefined, coaps: () => undefined, routable: () => address, ...announcement })
  }

  const find = (of: World, search: Partial<RegistrarSearch> = {}): Promise<readonly RegistrarRoute[]> => {
    const { coap } = node(of, of.routed, '2001:db8::2')
    return of.clock.until(findRegistrars({ client: coap, ...search }, signal))
  }

  it('takes the stateless mode where any registrar offers it, today’s version first (§4.1)', async () => {
    const of = world()
    announced(of, places)
    expect(await find(of)).toEqual([{ mode: 'stateless', version: '20', at: REGISTRAR, by: 'multicast' }])
    const old = world()
    announced(old, { ...places, jpy: () => ({ port: 7634, versions: ['01'] }) })
    expect(await find(old)).toEqual([{ mode: 'stateless', version: '01', at: REGISTRAR, by: 'multicast' }])
    const plain = world()
    announced(plain, { ...places, jpy: () => undefined })
    expect(await find(plain)).toEqual([{ mode: 'stateful', version: '20', at: COAPS, by: 'multicast' }])
  })

  it('takes an EST server of draft -01’s time for a registrar (draft -01 §7.1.1, RFC 9148 §4.1)', async () => {
    for (const [href, port] of [
      ['/est/crts', 5684],
      ['coaps://[2001:db8::1]:61617/est/crts', 61_617],
    ] as const) {
      const of = world()
      const { tree } = node(of, of.routed, '2001:db8::1', [ALL_SITE])
      tree.addLinks(() => [
        { href, attributes: [{ name: 'rt', value: 'ace.est.crts' }] },
        { href: '//[2001:db8::1]/est/sen', attributes: [{ name: 'rt', value: 'ace.est.sen' }] },
      ])
      expect(await find(of)).toEqual([{ mode: 'stateful', version: '01', at: { address: '2001:db8::1', port }, by: 'multicast' }])
      const { coap: client } = node(of, of.routed, '2001:db8::3')
      expect(await of.clock.until(findRegistrars({ client, versions: ['20'] }, signal))).toEqual([])
    }
  })

  it('keeps to the modes and versions that it is to use', async () => {
    const of = world()
    announced(of, places)
    const { coap: client } = node(of, of.routed, '2001:db8::2')
    const search = (options: Partial<RegistrarSearch>): Promise<readonly RegistrarRoute[]> =>
      of.clock.until(findRegistrars({ client, ...options }, signal))
    expect(await search({ modes: ['stateful'] })).toMatchObject([{ mode: 'stateful', at: COAPS }])
    expect(await search({ versions: ['01'] })).toMatchObject([{ mode: 'stateless', version: '01' }])
  })

  it('takes all that answer, each once (§4.6)', async () => {
    const of = world({ duplicateRate: 1 })
    announced(of, places)
    announced(of, { jpy: () => ({ port: 99, versions: ['20'] }) }, '2001:db8::11')
    const routes = await find(of)
    expect(routes.map(({ at }) => at).sort((a, b) => a.port - b.port)).toEqual([{ address: '2001:db8::11', port: 99 }, REGISTRAR])
  })

  it('asks a resource directory where nobody answers (RFC 9176 §6)', async () => {
    const of = world()
    const directory = node(of, of.routed, '2001:db8::5')
    createResourceDirectory({ ...of.common, registry: directory.tree, store: new MemoryRegistrationStore() })
    const registrant = node(of, of.routed, '2001:db8::1')
    const registered = await of.clock.until(
      registrant.coap.request(
        { address: '2001:db8::5', port: 5683 },
        {
          method: 'POST',
          path: ['rd'],
          query: ['ep=registrar'],
          contentFormat: 40,
          payload: utf8(formatLinkFormat(registrarLinks('2001:db8::1', places))),
        },
      ),
    )
    expect(registered.code).toBe('2.01')
    const routes = await find(of, { directory: () => ({ address: '2001:db8::5', port: 5683 }) })
    expect(routes).toEqual([{ mode: 'stateless', version: '20', at: REGISTRAR, by: 'directory' }])
  })

  it('asks DNS-SD for _brski-rjp._udp (§8.4), and lives with ways that fail', async () => {
    const of = world()
    const asked: string[] = []
    const routes = await find(of, {
      directory: () => ({ address: '2001:db8::dead', port: 5683 }),
      browse: (service) => {
        asked.push(service)
        return Promise.resolve([REGISTRAR, { address: 'ff02::1', port: 1 }, { address: '::', port: 1 }])
      },
    })
    expect(asked).toEqual(['brski-rjp'])
    expect(routes).toEqual([{ mode: 'stateless', version: '20', at: REGISTRAR, by: 'dns-sd' }])
    const none = world()
    expect(await find(none, { browse: () => Promise.reject(new AppError('dns-sd.unavailable', 'no')) })).toEqual([])
  })

  it('believes no link of another kind, to nowhere, without a port, or unreadable', async () => {
    const of = world()
    const links = [
      '<coap://[2001:db8::1]:1>;rt="brski.rjp"',
      '<coaps://[2001:db8::1]:1>;rt="brski.rjp"',
      '<jpy://[2001:db8::1]>;rt="brski.rjp"',
      '<jpy://registrar:1>;rt="brski.rjp"',
      '<jpy://[ff05::fd]:1>;rt="brski.rjp"',
      '<jpy://[::]:1>;rt="brski.rjp"',
      '<jpy://[2001:db8::1]:0>;rt="brski.rjp"',
      '<jpy://[2001:db8::1]:7>;rt="other"',
      '</jpy>;rt="brski.rjp"',
    ]
    for (const [index, payload] of [links.join(','), '<', '\u0000', ''].entries()) {
      const { tree } = node(of, of.routed, `2001:db8::7${index}`, [ALL_SITE])
      tree.addLinks(() => [])
      const get = tree.find(['.well-known', 'core'])
      if (get !== undefined) get.handlers.GET = () => ({ code: '2.05', contentFormat: 40, payload: utf8(payload) })
    }
    expect(await find(of)).toEqual([])
  })

  it('stops when it is told to', async () => {
    const of = world()
    const { coap: client } = node(of, of.routed, '2001:db8::2')
    const stop = new AbortController()
    const search = findRegistrars({ client }, stop.signal)
    const outcome = search.then(
      () => 'done',
      () => 'stopped',
    )
    await of.clock.advance(100)
    stop.abort()
    expect(await of.clock.until(outcome)).toBe('stopped')
  })
})

describe('keeping what is known current', () => {
  function searching(of: World): {
    readonly answers: Array<() => readonly SocketAddress[]>
    readonly searches: number[]
    readonly finder: RegistrarFinder
    readonly changes: number[]
  } {
    const answers: Array<() => readonly SocketAddress[]> = []
    const searches: number[] = []
    const changes: number[] = []
    const { coap: client } = node(of, of.routed, '2001:db8::2')
    const finder = new RegistrarFinder({
      clock: of.clock,
      logger: silentLogger,
      onChange: (routes) => changes.push(routes.length),
      search: {
        client,
        groups: [],
        modes: ['stateless'],
        versions: ['20'],
        browse: () => {
          searches.push(of.clock.monotonicMs())
          return Promise.resolve(answers[0]?.() ?? [])
        },
      },
    })
    onTestFinished(() => finder.close())
    return { answers, searches, finder, changes }
  }

  it('searches at once, then every quarter of an hour; what is found once outlives one search that finds nothing', async () => {
    const of = world()
    const { answers, searches, finder, changes } = searching(of)
    let found: readonly SocketAddress[] = [REGISTRAR]
    answers.push(() => found)
    finder.start()
    await of.clock.advance(100)
    expect([finder.routes().length, searches.length]).toEqual([1, 1])
    await of.clock.advance(15 * 60_000)
    expect(searches).toHaveLength(2)
    found = []
    await of.clock.advance(15 * 60_000)
    expect([finder.routes().length, changes]).toEqual([1, [1]])
    await of.clock.advance(10_000)
    expect([finder.routes().length, changes]).toEqual([0, [1, 0]])
  })

  it('searches more and more seldom while it finds nothing, and no sooner for all the pledges that come', async () => {
    const of = world()
    const { searches, finder } = searching(of)
    finder.start()
    for (let second = 0; second < 1000; second++) {
      finder.want()
      await of.clock.advance(1000)
    }
    expect(searches.length).toBeLessThanOrEqual(101)
    const quiet = world()
    const other = searching(quiet)
    other.finder.start()
    await quiet.clock.advance(3_600_000)
    expect(other.searches.length).toBeLessThan(20)
    expect(other.searches.length).toBeGreaterThan(10)
  })

  it('searches when a registrar is lost, but not again and again', async () => {
    const of = world()
    const { answers, searches, finder } = searching(of)
    answers.push(() => [REGISTRAR])
    finder.start()
    await of.clock.advance(60_000)
    for (let count = 0; count < 50; count++) finder.lost(REGISTRAR)
    finder.lost(COAPS)
    await of.clock.advance(1000)
    for (let count = 0; count < 50; count++) finder.lost(REGISTRAR)
    await of.clock.advance(9500)
    expect(searches).toHaveLength(3)
  })

  it('searches for nothing where a registrar is configured (§5.1)', async () => {
    const of = world()
    const { coap: client } = node(of, of.routed, '2001:db8::2')
    const configured: RegistrarRoute[] = [{ mode: 'stateless', version: '20', at: REGISTRAR, by: 'configuration' }]
    const finder = new RegistrarFinder({ clock: of.clock, logger: silentLogger, configured, search: { client } })
    finder.start()
    finder.lost(REGISTRAR)
    finder.want()
    await of.clock.advance(3_600_000)
    expect(finder.routes()).toEqual(configured)
    expect(client.counters().messagesSent).toBe(0)
    finder.close()
  })
})

describe('join proxies as registrars come and go', () => {
  interface Place {
    readonly of: World
    readonly service: JoinService
    readonly open: Set<string>
    failing: boolean
  }

  function service(of: World, search: Partial<RegistrarSearch>, configured?: readonly RegistrarRoute[]): Place {
    const { coap: client } = node(of, of.routed, '2001:db8::2', [], 5683)
    const open = new Set<string>()
    let nextPort = 8485
    const watched = (channel: DatagramChannel): Promise<DatagramChannel> => {
      open.add(channel.id)
      channel.subscribe(({ kind }) => {
        if (kind === 'closed') open.delete(channel.id)
      })
      return Promise.resolve(channel)
    }
    const place: Place = {
      of,
      open,
      failing: false,
      service: openJoinService({
        ...of.common,
        openJoinPort: () =>
          place.failing
            ? Promise.reject(new AppError('network.bind-failed', 'no port'))
            : watched(of.link.channel({ address: 'fe80::1', port: nextPort++ })),
        openUplink: () => watched(of.routed.channel({ address: '2001:db8::2', port: 0 })),
        registrars: { ...(configured === undefined ? {} : { configured }), search: { client, groups: [], ...search } },
      }),
    }
    onTestFinished(() => place.service.close())
    return place
  }

  it('opens a join-port for each that is found, of its kind, and a pledge that asks for it gets in', async () => {
    const of = world()
    registrar(of)
    const { service: joins, open } = service(of, { browse: () => Promise.resolve([REGISTRAR]) })
    await of.clock.advance(100)
    expect(joins.joinPorts()).toEqual([{ port: 8485 }])
    const { tree } = node(of, of.link, 'fe80::1', [ALL_LINK])
    announceJoinProxy(tree, { joinPorts: () => joins.joinPorts(), linkLocal: () => 'fe80::1' })
    const asker = node(of, of.link, 'fe80::1:1').coap
    const [answer] = await askGroup(of, asker, ALL_LINK, 'brski-jp=*')
    const port = Number(/brski-jp=(\d+)/.exec(answer ?? '')?.[1])
    expect(await of.clock.until(pledge(of, 1).say('found you', { address: 'fe80::1', port }))).toBe('2.04 found you')
    expect(joins.proxies()[0]?.proxy.mode).toBe('stateless')
    expect(open.size).toBe(2)
    await joins.close()
    expect([open.size, joins.joinPorts()]).toEqual([0, []])
  })

  it('closes what is gone, opens what is new, and serves two at once at most', async () => {
    const of = world()
    let found: readonly SocketAddress[] = [REGISTRAR, { ...REGISTRAR, port: 2 }, { ...REGISTRAR, port: 3 }]
    const { service: joins, open } = service(of, { modes: ['stateless'], versions: ['20'], browse: () => Promise.resolve(found) })
    await of.clock.advance(100)
    expect(joins.proxies().map(({ route }) => route.at.port)).toEqual([7634, 2])
    found = [{ ...REGISTRAR, port: 2 }]
    await of.clock.advance(15 * 60_000)
    expect(joins.proxies().map(({ route }) => route.at.port)).toEqual([2])
    expect(open.size).toBe(2)
    found = []
    await of.clock.advance(16 * 60_000)
    expect([joins.joinPorts(), open.size]).toEqual([[], 0])
  })

  it('serves what is configured at once, stateful too, and tries again where a port cannot be opened', async () => {
    const of = world()
    registrar(of)
    const route: RegistrarRoute = { mode: 'stateful', version: '20', at: COAPS, by: 'configuration' }
    const place = service(of, {}, [route])
    await place.service.settled()
    expect(await of.clock.until(pledge(of, 1).say('hello'))).toBe('2.04 hello')
    expect(place.service.proxies()[0]?.proxy.mode).toBe('stateful')
    const other = world()
    const failing = service(other, {}, [route])
    failing.failing = true
    await failing.service.settled()
    expect(failing.service.joinPorts()).toEqual([])
    failing.failing = false
    await other.clock.advance(31_000)
    expect(failing.service.joinPorts()).toHaveLength(1)
  })

  it('leaves nothing open that opens only after it was closed', async () => {
    const of = world()
    const { service: joins, open } = service(of, {}, [{ mode: 'stateless', version: '20', at: REGISTRAR, by: 'configuration' }])
    await joins.close()
    await of.clock.advance(100)
    expect(open.size).toBe(0)
    expect(joins.joinPorts()).toEqual([])
  })
})
