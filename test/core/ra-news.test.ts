// What a site makes of the news of authorities above it: proven lists are used, new roots are offered to people, and what concerns its own certificate is
// said. The announcements are another program's, signed by OpenSSL; the whole program hears a server over CoAP, and asks one over HTTP.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { concatBytes, seededRandom, silentLogger, systemClock, systemRandom, toHex, type JsonValue } from '#main/base/index.ts'
import { Announcer, serveCmp, type Certificate } from '#main/services/ra/index.ts'
import { CoapEndpoint, Observable, ResourceTree } from '#main/wire/coap/index.ts'
import { MemoryNetwork, openUdpChannel } from '#main/wire/ip/index.ts'
import { createAuthoritiesAbove, type AuthoritiesAbove } from '../../src-main/core/enrolment-news.ts'
import type { StoredUpstream } from '../../src-main/core/enrolment-settings.ts'
import { openSite, toPem, vector, vectorCertificate, type Site } from '../services/ra/harness.ts'
import { pass, SERVER } from '../services/ra/network.ts'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const NOW = Date.UTC(2026, 10, 22, 8)
const root = vectorCertificate('op-root.crt')
const NEW_ROOT = 'O=Test Operator, CN=Operator Root CA'
const newRoot = vectorCertificate('op-root2.crt')

interface Above {
  readonly above: AuthoritiesAbove
  readonly clock: VirtualClock
  readonly trusted: Array<readonly [string, string]>
  readonly audit: Array<Readonly<Record<string, unknown>>>
  say(name: string): Promise<void>
  /** The same site file opened again. */
  reopen(): AuthoritiesAbove
}

function upstream(credential: Certificate | undefined, anchors = [root]): StoredUpstream {
  return {
    name: 'Head office',
    url: 'coap://[2001:db8::1]/',
    select: { by: 'default' },
    mode: 'forward',
    popo: 'keep',
    passSecrets: false,
    chunked: true,
    anchors: anchors.map(({ bytes }) => toHex(bytes)),
    credential: credential === undefined ? null : { sealedKey: '00', certificate: toHex(credential.bytes), chain: [] },
  }
}

function hearing(credential?: Certificate): Above {
  const clock = new VirtualClock(NOW)
  const network = new MemoryNetwork({ clock, random: seededRandom(3), lossRate: 0.1 })
  const ports = { clock, random: seededRandom(4), logger: silentLogger }
  const observable = new Observable()
  const tree = new ResourceTree()
  let current = vector('announcements/crlann-1.der')
  tree.add('/.well-known/cmp/ann', { handlers: { GET: () => ({ code: '2.05', contentFormat: 259, payload: current }) }, observable })
  const server = new CoapEndpoint({ ...ports, channel: network.channel(SERVER), tree })
  const client = new CoapEndpoint({ ...ports, channel: network.channel({ address: '2001:db8::9', port: 0 }) })
  const meta = new Map<string, JsonValue>()
  const trusted: Array<readonly [string, string]> = []
  const audit: Array<Readonly<Record<string, unknown>>> = []
  const open = (): AuthoritiesAbove => {
    const made = createAuthoritiesAbove({
      file: {
        getMeta: (key) => meta.get(key),
        setMeta: (key, value) => void meta.set(key, structuredClone(value)),
      },
      clock,
      logger: silentLogger,
      waysTo: () => Promise.resolve({ announcements: { client, to: SERVER }, poll: undefined, close: () => undefined }),
      client: () => client,
      ownAuthorities: () => [],
      trustRoot: (name, der) => {
        trusted.push([name, toHex(der)])
        return Promise.resolve()
      },
      audit: (actor, details) => audit.push({ actor, ...details }),
      changed: () => undefined,
    })
    onTestFinished(() => made.close())
    return made
  }
  const above = open()
  above.follow([upstream(credential)])
  onTestFinished(() => {
    server.close()
    client.close()
  })
  const say = async (name: string): Promise<void> => {
    current = vector(`announcements/${name}.der`)
    observable.notify()
    await pass(clock, 120_000)
  }
  return { above, clock, trusted, audit, say, reopen: open }
}

const shown = ({ above }: Pick<Above, 'above'>): unknown => above.rows.map(({ kind, outcome }) => [kind, outcome])

describe('news of an authority above', () => {
  it('offer a new root once, which is trusted when somebody takes it, and never by itself', async () => {
    const at = hearing()
    await at.say('crlann-1')
    await at.say('ckuann-v3')
    await at.say('cann')
    await at.say('ckuann-v2')
    expect(shown(at)).toEqual([
      ['certificate', 'noted'],
      ['key-update', 'offered'],
      ['crl', 'kept'],
    ])
    expect(at.trusted).toEqual([])
    const offer = at.above.rows.find(({ outcome }) => outcome === 'offered')
    expect(offer).toMatchObject({ server: 'Head office', subject: NEW_ROOT, fingerprint: toHex(newRoot.fingerprint()) })
    await at.above.decide(offer?.id ?? '', 'take', 'Ada')
    expect(at.trusted).toEqual([['Head office', toHex(newRoot.bytes)]])
    await expect(at.above.decide(offer?.id ?? '', 'take', 'Ada')).rejects.toMatchObject({ code: 'ra.state-invalid' })
    await expect(at.above.decide('nothing', 'dismiss', 'Ada')).rejects.toMatchObject({ code: 'ra.not-found' })
    expect(at.above.rows.find(({ kind }) => kind === 'key-update')).toMatchObject({ outcome: 'taken', by: 'Ada' })
    expect(at.audit).toContainEqual({
      actor: 'Ada',
      what: 'taken',
      server: 'Head office',
      kind: 'key-update',
      subject: NEW_ROOT,
      fingerprint: toHex(newRoot.fingerprint()),
    })
  })

  it('that were dismissed stay so, over a restart too', async () => {
    const at = hearing()
    await at.say('crlann-1')
    await at.say('ckuann-v3')
    await at.above.decide(at.above.rows.find(({ kind }) => kind === 'key-update')?.id ?? '', 'dismiss', 'Ada')
    at.above.close()
    const again = at.reopen()
    again.follow([upstream(undefined)])
    await at.say('crlann-1')
    await at.say('ckuann-v2')
    expect(shown({ above: again })).toEqual([
      ['key-update', 'dismissed'],
      ['crl', 'kept'],
    ])
    expect(at.trusted).toEqual([])
  })

  it('that are forged leave no trace but the reason', async () => {
    const at = hearing()
    await at.say('crlann-1')
    for (const name of ['ckuann-v2-rogue-root', 'ckuann-v2-swapped', 'ckuann-v3-without-link', 'cann-rogue', 'crlann-2-rogue']) {
      await at.say(name)
      expect(at.above.listening('Head office')).toMatchObject({ state: 'observed', problem: { code: 'ra.rejected' } })
    }
    expect(shown(at)).toEqual([['crl', 'kept']])
    expect(at.audit).toHaveLength(1)
    await at.say('crlann-2')
    expect(at.above.listening('Head office')).toMatchObject({ state: 'observed', problem: null })
  })

  it('of revocations are used at once: an older list does not bring one back, and a restart keeps it', async () => {
    const lost = vectorCertificate('coaps-srv.crt')
    const at = hearing()
    expect(at.above.isRevoked('Head office', lost)).toBe(false)
    await at.say('crlann-2')
    expect(at.above.isRevoked('Head office', lost)).toBe(true)
    expect(at.above.isRevoked('Head office', vectorCertificate('ra.crt'))).toBe(false)
    expect(at.above.isRevoked('Branch office', lost)).toBe(false)
    await at.say('crlann-1')
    expect(at.above.isRevoked('Head office', lost)).toBe(true)
    expect(at.above.rows).toMatchObject([{ kind: 'crl', crl: { number: 2, revoked: 1 } }])
    at.above.close()
    expect(at.reopen().isRevoked('Head office', lost)).toBe(true)
  })

  it('say when this program’s own certificate there is revoked, by list and by announcement', async () => {
    const byList = hearing(vectorCertificate('coaps-srv.crt'))
    await byList.say('crlann-2')
    expect(shown(byList)).toEqual([['crl', 'own-revoked']])
    const byAnnouncement = hearing(vectorCertificate('ra.crt'))
    await byAnnouncement.say('crlann-1')
    await byAnnouncement.say('rann-ra')
    expect(shown(byAnnouncement)).toEqual([
      ['revocation', 'own-revoked'],
      ['crl', 'kept'],
    ])
    // Whoever may announce may not revoke: what counts is the list.
    expect(byAnnouncement.above.isRevoked('Head office', vectorCertificate('ra.crt'))).toBe(false)
  })

  it('go with their server', async () => {
    const at = hearing()
    await at.say('ckuann-v3')
    at.above.follow([])
    expect(at.above.rows).toEqual([])
    expect(at.above.listening('Head office')).toEqual({ state: 'off', heardAt: null, problem: null })
  })
})

// ---- The whole program -------------------------------------------------------------------------------------------

const details = { name: 'Office', organisation: '', address: '', operator: '' }

async function customersSite(): Promise<Site> {
  const site = await openSite({ clock: systemClock })
  await site.desk.preRegister([{ reference: 'office-ra', secret: 'told by phone', names: ['Office RA'] }], 'test')
  onTestFinished(() => {
    site.authority.close()
    site.ca.close()
  })
  return site
}

async function overCoap(site: Site): Promise<string> {
  const tree = new ResourceTree()
  const announcer = new Announcer({ ca: site.ca, clock: systemClock, random: systemRandom })
  const server = serveCmp({ registry: tree, authority: site.authority, clock: systemClock, announcer })
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
  onTestFinished(async () => {
    server.close()
    announcer.close()
    endpoint.close()
    await channel.close()
  })
  return `coap://[::1]:${channel.local.port}`
}

async function overHttp(site: Site): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    request.on('end', () => {
      void site.authority.handle(concatBytes(...chunks), { source: 'test' }).then(({ bytes }) => {
        response.writeHead(200, { 'Content-Type': 'application/pkixcmp' })
        response.end(bytes)
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? String(address?.port) : ''}/.well-known/cmp`
}

async function program(url: string, site: Site): Promise<TestProgram> {
  const started = testProgram(temporaryFolder())
  onTestFinished(() => started.program.close())
  const { session } = started
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  await session.call('ra.createRoot', { subject: 'CN=Office CA' })
  const anchors = toPem('CERTIFICATE', site.ca.authorities[0]!.certificate.bytes)
  const server = {
    name: 'Head office',
    url,
    select: { by: 'profile' as const, profile: 'gateway' },
    mode: 'forward' as const,
    popo: 'keep' as const,
    passSecrets: true,
    chunked: true,
  }
  await session.call('ra.setUpstream', { server, anchors })
  return started
}

const PATIENCE = { timeout: 40_000, interval: 100 }

describe('a program with a server above it', () => {
  it('hears of a new root over CoAP, shows the offer, and believes the server by it once it is taken', async () => {
    const site = await customersSite()
    const { session } = await program(await overCoap(site), site)
    await vi.waitFor(() => expect(session.rows('ra')[0]?.upstreams[0]?.listening.state).toBe('observed'), PATIENCE)
    await site.ca.rollOver({ algorithm: 'P-384' }, 'test')
    await vi.waitFor(() => expect(session.rows('ra')[0]?.offers).toBe(1), PATIENCE)
    const { rows } = await session.call('ra.news', { offset: 0, limit: 10 })
    const offer = rows.find(({ outcome }) => outcome === 'offered')
    expect(offer?.fingerprint).toBe(toHex(site.ca.active.certificate.fingerprint()))
    expect(session.rows('ra')[0]?.upstreams[0]?.anchors).toHaveLength(1)
    await session.call('ra.decideNews', { id: offer?.id ?? '', decision: 'take' })
    expect(session.rows('ra')[0]).toMatchObject({
      offers: 0,
      upstreams: [{ anchors: ['CN=Site CA, O=Blue Quay', 'CN=Site CA, O=Blue Quay'] }],
    })
    const entries = await session.call('audit.page', { limit: 50 })
    expect(entries.filter(({ action }) => action === 'ra.news').map((entry) => JSON.stringify(entry))).toEqual(
      expect.arrayContaining([expect.stringContaining('"taken"'), expect.stringContaining('"offered"')]),
    )
  }, 120_000)

  it('asks a server over HTTP once it has a certificate there', async () => {
    const site = await customersSite()
    const { session } = await program(await overHttp(site), site)
    expect(session.rows('ra')[0]?.upstreams[0]?.listening.state).toBe('off')
    const own = { name: 'Head office', reference: 'office-ra', secret: 'told by phone', subject: 'CN=Office RA' }
    await session.call('ra.enrolUpstream', own)
    await vi.waitFor(() => expect(session.rows('ra')[0]?.upstreams[0]?.listening.state).toBe('polled'), PATIENCE)
    expect((await session.call('ra.news', { offset: 0, limit: 10 })).rows).toMatchObject([{ kind: 'crl', outcome: 'kept' }])
  }, 120_000)
})
