// Two whole programs: one is the join proxy on the pledge's link, the other the registrar behind it. The pledge's programs are OpenSSL's and libcoap's
// (draft-ietf-anima-constrained-join-proxy-20 §4, §5; draft -01; RFC 9148 §4.1).
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeInLab } from '../support/netns.ts'
import { findPeer, run, startReady, type RunningPeer } from '../support/peers.ts'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { vectorPath } from '../wire/dtls/pki.ts'
import type { TalkingPeer } from './dtls-ends.ts'
import { addPledge, connectThere, COAP_WITH_DTLS, findJoinPort, LINK, pledgeHost, PROXY_LINK_LOCAL, removePledge } from './join-pledge.ts'

const details = { name: 'Harbour House', organisation: '', address: '', operator: '' }

describeInLab('a pledge of OpenSSL and libcoap behind a whole program', 1, ['openssl'], (lab, openssl) => {
  const closing: Array<() => unknown> = []
  const talkers: TalkingPeer[] = []
  beforeAll(() => addPledge(lab()))
  afterEach(async () => {
    await Promise.all(talkers.splice(0).map((peer) => peer.stop()))
    for (const close of closing.splice(0).reverse()) await close()
  })
  afterAll(removePledge)

  /** A site with an authority; whoever the test's own authority has made may come. */
  async function startRegistrar(): Promise<{
    readonly started: TestProgram
    readonly trust: string
    readonly uri: (scheme: 'jpy' | 'coaps') => string
  }> {
    const folder = temporaryFolder()
    const started = testProgram(folder, { network: {} })
    closing.push(() => started.program.close())
    const { session } = started
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: lab().ipv6, coapPort: 5683 } })
    await session.call('ra.createRoot', { subject: 'CN=Harbour CA' })
    await session.call('ra.trust', { kind: 'manufacturer', text: readFileSync(vectorPath('root.cert.pem'), 'utf8') })
    await session.when('session', ({ network }) => network.listening.some(({ scheme }) => scheme === 'jpy'))
    const trust = join(folder, 'root.pem')
    writeFileSync(trust, (await session.call('ra.chain', {})).text)
    return {
      started,
      trust,
      uri: (scheme) => {
        const port = session.rows('session')[0]?.network.listening.find((at) => at.scheme === scheme)?.port ?? 0
        return `${scheme}://[${lab().ipv6}]:${port}`
      },
    }
  }

  async function startProxy(bind: string, mode: string, version: string, search: string, registrar = 'none'): Promise<RunningPeer> {
    const [host] = lab().hosts
    const [ip = '', ...prefix] = host!.prefix
    const node = join(import.meta.dirname, 'join-proxy-program.ts')
    const args = [temporaryFolder(), bind === '::' ? '::' : host!.ipv6, mode, version, search, registrar, LINK]
    const proxy = await startReady(ip, [...prefix, process.execPath, node, ...args], 120_000)
    closing.push(() => proxy.stop())
    return proxy
  }

  /** What libcoap's client is told when it asks for the site's anchors through the proxy. */
  async function anchors(port: number, credential: 'client' | 'foreign', trust: string): Promise<string> {
    const client = findPeer(COAP_WITH_DTLS) ?? ''
    const isOpenssl = client.endsWith('openssl')
    const certificate = !isOpenssl && credential === 'client' ? 'client.chain.pem' : `${credential}.cert.pem`
    const ours = ['-c', vectorPath(certificate), '-R', isOpenssl ? trustWith(trust) : trust, '-j', vectorPath(`${credential}.key.pem`)]
    const target = `coaps://[${PROXY_LINK_LOCAL}%${LINK}]:${port}/.well-known/est/crts`
    const asked = ['-m', 'get', '-B', '60', '-v', '6', ...ours, target]
    const { stdout, stderr } = await run('ip', ['netns', 'exec', pledgeHost, client, ...asked], 90_000)
    return `${Buffer.from(stdout).toString('latin1')} ${stderr}`
  }

  describe.each([
    ['stateless', '20', 'coap', '::', 'brski-jp=*'],
    ['stateless', '01', 'coap', 'its own', 'rt=brski-proxy'],
    ['stateful', '20', 'coap', 'its own', 'brski-jp=*'],
    ['stateless', '20', 'dns-sd', 'its own', 'brski-jp=*'],
    ['stateful', '01', 'none', '::', 'rt=brski.jp'],
  ] as const)('%s, version %s, registrar by %s, bound to %s, asked for by %s', (mode, version, search, bind, query) => {
    it(
      'finds the join port, shakes hands with the registrar, is seen there, and gets the site’s anchors when admitted',
      { timeout: 300_000 },
      async () => {
        const { started, trust, uri } = await startRegistrar()
        const { session } = started
        if (search === 'dns-sd') await session.call('joining.setRegistrar', { advertised: true })
        await startProxy(bind, mode, version, search, search === 'none' ? uri('coaps') : 'none')
        const port = await findJoinPort(query)
        expect(port).toBeGreaterThan(0)
        const peer = connectThere(openssl, port, 'client', { trust })
        talkers.push(peer)
        expect(await peer.heard(/CONNECTION ESTABLISHED/, 60_000), peer.output()).toBe(true)
        const connected = (): boolean =>
          session.rows('pledges').some(({ steps }) => steps.some(({ step, outcome }) => step === 'connected' && outcome === 'done'))
        await expect.poll(connected, { timeout: 30_000 }).toBe(true)
        const row = session.rows('pledges')[0]!
        expect(row).toMatchObject({ makerKnown: true, proxy: mode === 'stateless' ? lab().hosts[0]!.ipv6 : null })
        await session.call('admission.admit', { keys: [row.key] })
        expect(await anchors(port, 'client', trust)).toContain('c:2.05')
      },
    )
  })

  it('of a maker whom nobody knows gets a session, and through it nothing but the advice to wait', { timeout: 300_000 }, async () => {
    const { started, trust } = await startRegistrar()
    const { session } = started
    await session.call('admission.open', {})
    await startProxy('::', 'stateless', '20', 'coap')
    const port = await findJoinPort('brski-jp=*')
    const peer = connectThere(openssl, port, 'foreign', { trust })
    talkers.push(peer)
    expect(await peer.heard(/CONNECTION ESTABLISHED/, 60_000), peer.output()).toBe(true)
    await expect.poll(() => session.rows('pledges').map(({ makerKnown }) => makerKnown), { timeout: 30_000 }).toEqual([false])
    const answer = await anchors(port, 'foreign', trust)
    expect(answer).not.toContain('c:2.05')
    expect(answer).toMatch(/c:(?:5\.03|4\.0\d)/)
    const issued = await session.call('ra.certificates', { offset: 0, limit: 10 })
    expect(issued.filter(({ subject }) => !subject.includes('registrar'))).toEqual([])
  })
})

/** libcoap with OpenSSL takes the client's intermediate from the file of whom it trusts. */
function trustWith(trust: string): string {
  const both = join(temporaryFolder(), 'both.pem')
  writeFileSync(both, `${readFileSync(trust, 'utf8')}${readFileSync(vectorPath('trust.pem'), 'utf8')}`)
  return both
}
