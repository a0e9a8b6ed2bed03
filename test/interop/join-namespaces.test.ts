// Hosts of their own: a pledge that has nothing but a link-local address, a join proxy between two links, a registrar behind it. The
// pledge's programs are OpenSSL's and libcoap's.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRandom, utf8, utf8ToText, type DatagramChannel } from '#main/base/index.ts'
import { announceRegistrar, createJoinPort, isProxiedSource, proxyOfSource, type JoinPort } from '#main/services/join/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { createDtlsChannel, type DtlsChannel } from '#main/wire/dtls/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { describeInLab } from '../support/netns.ts'
import { findPeer, run, startReady, type RunningPeer } from '../support/peers.ts'
import { vectorPath } from '../wire/dtls/pki.ts'
import { serverSettings, type TalkingPeer } from './dtls-ends.ts'
import { addPledge, connectThere, COAP_WITH_DTLS, findJoinPort, LINK, pledgeHost, PROXY_LINK_LOCAL, removePledge } from './join-pledge.ts'

interface Site {
  readonly port: JoinPort
  readonly coaps: DtlsChannel
  readonly heard: string[]
  readonly sources: string[]
}

describeInLab('a pledge with openssl behind a join proxy in a namespace', 1, ['openssl'], (lab, openssl) => {
  const closing: Array<() => unknown> = []
  const talkers: TalkingPeer[] = []

  beforeAll(() => addPledge(lab()))
  afterEach(async () => {
    await Promise.all(talkers.splice(0).map((peer) => peer.stop()))
    for (const close of closing.splice(0).reverse()) await close()
  })
  afterAll(removePledge)

  /** Its words are given back; CoAP is served too, which no word of a person is. */
  async function openRegistrar(words: 'text' | 'coap'): Promise<Site> {
    const { ipv6, zone } = lab()
    const udp = async (port: number): Promise<DatagramChannel> => {
      const channel = await openUdpChannel({ bindAddress: ipv6, port, logger: silentLogger, multicastInterface: zone })
      closing.push(() => channel.close())
      return channel
    }
    const common = { clock: systemClock, random: systemRandom, logger: silentLogger }
    const server = serverSettings({ clientCertificates: 'required' })
    const port = createJoinPort({ ...common, channel: await udp(0), server })
    const coaps = createDtlsChannel({ ...common, channel: await udp(0), server })
    const heard: string[] = []
    const sources: string[] = []
    const tree = new ResourceTree()
    tree.add('/who', {
      protection: 'required',
      handlers: {
        GET: ({ source, peer }) => ({ code: '2.05', payload: utf8(`${proxyOfSource(source).address} ${peer?.scheme ?? 'nobody'}`) }),
      },
    })
    tree.add('/big', { handlers: { GET: () => ({ code: '2.05', payload: utf8('0123456789'.repeat(400)) }) } })
    for (const channel of [port, coaps]) {
      closing.push(() => channel.close())
      if (words === 'coap') {
        const endpoint = new CoapEndpoint({ ...common, channel, tree })
        closing.push(() => endpoint.close())
        continue
      }
      channel.subscribe((event) => {
        if (event.kind !== 'datagram') return
        const { payload, source } = event.datagram
        heard.push((utf8ToText(payload) ?? '?').trim())
        sources.push(`${isProxiedSource(source) ? 'by' : 'from'} ${proxyOfSource(source).address}`)
        channel.send(payload, source)
      })
    }
    const core = new ResourceTree()
    // What a proxy of draft -01 looks for where it is stateful (§7.1.1, RFC 9148 §4.1).
    core.addLinks(() => [{ href: `coaps://[${ipv6}]:${coaps.local.port}/est/crts`, attributes: [{ name: 'rt', value: 'ace.est.crts' }] }])
    announceRegistrar(core, {
      jpy: () => ({ port: port.local.port, versions: ['20', '01'] }),
      coaps: () => ({ port: coaps.local.port, path: '/b' }),
      routable: () => ipv6,
    })
    const coap = await udp(5683)
    coap.joinGroup('ff05::fd')
    const discovery = new CoapEndpoint({ ...common, channel: coap, tree: core, parameters: { leisureMs: 500 } })
    closing.push(() => discovery.close())
    return { port, coaps, heard, sources }
  }

  async function startProxy(mode: string, version: string): Promise<RunningPeer> {
    const [host] = lab().hosts
    const [ip = '', ...prefix] = host!.prefix
    const node = join(import.meta.dirname, 'join-proxy-node.ts')
    const proxy = await startReady(
      ip,
      [...prefix, process.execPath, node, mode, version, LINK, PROXY_LINK_LOCAL, host!.zone, host!.ipv6],
      60_000,
    )
    closing.push(() => proxy.stop())
    return proxy
  }

  function connect(port: number, credential: 'client' | 'foreign', args: readonly string[] = []): TalkingPeer {
    const peer = connectThere(openssl, port, credential, { args })
    talkers.push(peer)
    return peer
  }

  it('has no way past its own link', () => {
    const { ipv6 } = lab()
    expect(spawnSync('ip', ['-n', pledgeHost, '-6', 'route', 'get', ipv6]).status).not.toBe(0)
    expect(spawnSync('ip', ['-n', pledgeHost, '-4', 'route', 'get', lab().ipv4]).status).not.toBe(0)
  })

  describe.each([
    ['stateless', '20', 'brski-jp=*'],
    ['stateless', '01', 'rt=brski-proxy'],
    ['stateful', '20', 'brski-jp=*'],
    ['stateful', '01', 'rt=brski.jp'],
  ] as const)('%s, version %s, asked for by %s', (mode, version, query) => {
    it('finds the join-port, shakes hands and talks', { timeout: 180_000 }, async () => {
      const site = await openRegistrar('text')
      await startProxy(mode, version)
      const port = await findJoinPort(query)
      expect(port).toBeGreaterThan(0)
      // Two mappings of one pledge are all that a stateful proxy gives it (draft -20 §4.3).
      const names = mode === 'stateful' ? ['one', 'two'] : ['one', 'two', 'three', 'four']
      const served = names.map((name) => ({ name, peer: connect(port, 'client', name === 'two' ? ['-mtu', '400'] : []) }))
      for (const { name, peer } of served) {
        expect(await peer.heard(/CONNECTION ESTABLISHED/, 40_000), peer.output()).toBe(true)
        peer.say(`${name} by openssl\n`)
        expect(await peer.heard(new RegExp(`^${name} by openssl$`, 'm'), 20_000), peer.output()).toBe(true)
      }
      const proxy = lab().hosts[0]!.ipv6
      expect(new Set(site.sources)).toEqual(new Set([mode === 'stateless' ? `by ${proxy}` : `from ${proxy}`]))
      expect(mode === 'stateless' ? site.port.holdings().sessions : site.coaps.holdings().sessions).toBeGreaterThanOrEqual(served.length)
      if (mode === 'stateless') expect(site.port.joinCounters()[version === '01' ? 'received01' : 'received20']).toBeGreaterThan(9)
    })
  })

  it('of another owner is refused, and understands why', { timeout: 180_000 }, async () => {
    const site = await openRegistrar('text')
    await startProxy('stateless', '20')
    const peer = connect(await findJoinPort('brski-jp=*'), 'foreign')
    expect(await peer.heard(/alert unknown ca/i, 40_000), peer.output()).toBe(true)
    expect(site.port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
  })

  it('begins anew after its proxy was killed and started again, and gets in', { timeout: 240_000 }, async () => {
    const site = await openRegistrar('text')
    const first = await startProxy('stateless', '20')
    const before = connect(await findJoinPort('brski-jp=*'), 'client')
    expect(await before.heard(/CONNECTION ESTABLISHED/, 40_000), before.output()).toBe(true)
    first.child.kill('SIGKILL')
    await first.stop()
    await startProxy('stateless', '20')
    const after = connect(await findJoinPort('brski-jp=*'), 'client')
    expect(await after.heard(/CONNECTION ESTABLISHED/, 40_000), after.output()).toBe(true)
    after.say('again\n')
    expect(await after.heard(/^again$/m, 20_000), after.output()).toBe(true)
    expect(site.heard).toContain('again')
  })

  it.each(['20', '01'])(
    'speaks CoAP with libcoap through a stateless proxy of version %s: one answer, and four thousand bytes in blocks',
    { timeout: 240_000 },
    async (version) => {
      await openRegistrar('coap')
      await startProxy('stateless', version)
      const port = await findJoinPort(version === '01' ? 'rt=brski-proxy' : 'brski-jp=*')
      const client = findPeer(COAP_WITH_DTLS)!
      const trust = client.endsWith('openssl')
        ? ['-c', vectorPath('client.cert.pem'), '-R', vectorPath('trust.pem')]
        : ['-c', vectorPath('client.chain.pem'), '-R', vectorPath('root.cert.pem')]
      const get = async (path: string): Promise<string> => {
        const uri = `coaps://[${PROXY_LINK_LOCAL}%${LINK}]:${port}${path}`
        const args = ['netns', 'exec', pledgeHost, client, '-m', 'get', '-B', '30', ...trust, '-j', vectorPath('client.key.pem'), uri]
        const { stdout, stderr } = await run('ip', args, 60_000)
        return `${utf8ToText(stdout) ?? ''}${stderr}`
      }
      expect(await get('/who')).toContain(`${lab().hosts[0]!.ipv6} dtls-certificate`)
      expect(await get('/big')).toContain('0123456789'.repeat(400))
    },
  )
})
