// CoAP over DTLS in a whole program: it comes with the site's authority, serves what plain CoAP serves, knows who asks, and ends with a revocation
// (RFC 7252 §9.1, RFC 9482 §4, RFC 9176 §7).
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { generateSigningKey, silentLogger, systemClock, systemRandom, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import type { ProgramOptions } from '#main/ipc/index.ts'
import {
  buildName,
  Certificate,
  CmpClient,
  createCoapTransport,
  parseNameText,
  PathValidator,
  readPem,
  type Protector,
} from '#main/services/ra/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { createDtlsChannel, type DtlsChannel, type DtlsClientSettings, type PeerCredential } from '#main/wire/dtls/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { createManufacturer, toPem, type Issued } from '../services/ra/harness.ts'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }
const manufacturer = createManufacturer(Date.now())
const stranger = createManufacturer(Date.now(), 'Nobody & Sons')
const LINKS = '</light>;rt="light"'

async function start(home = temporaryFolder(), more: Partial<ProgramOptions> = {}): Promise<TestProgram> {
  const started = testProgram(home, more)
  onTestFinished(() => started.program.close())
  await started.session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  return started
}

function securedAt({ session }: TestProgram): SocketAddress | undefined {
  const found = session.rows('session')[0]?.network.listening.find(({ scheme }) => scheme === 'coaps')
  return found === undefined ? undefined : { address: found.address, port: found.port }
}

/** Creates the authority, and gives the place where it listens with DTLS. */
async function secure(started: TestProgram): Promise<SocketAddress> {
  const { session } = started
  await session.call('ra.createRoot', { subject: 'CN=Office CA' })
  await session.call('ra.trust', { kind: 'manufacturer', text: toPem('CERTIFICATE', manufacturer.root.certificate.bytes) })
  await session.when('session', () => securedAt(started) !== undefined)
  return securedAt(started) ?? { address: '::1', port: 0 }
}

interface Peer {
  readonly endpoint: CoapEndpoint
  readonly channel: DtlsChannel
  /** What the program has shown. */
  readonly shown: PeerCredential[]
  /** How its sessions ended. */
  readonly ends: string[]
}

async function peerWith(credential: Pick<Issued, 'key' | 'certificate' | 'chain'> | undefined): Promise<Peer> {
  const udp = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const shown: PeerCredential[] = []
  const ends: string[] = []
  const client: DtlsClientSettings = {
    verifyPeer: (question) => {
      shown.push(question.credential)
      return { ok: true }
    },
    ...(credential === undefined
      ? {}
      : {
          credential: {
            kind: 'certificate' as const,
            chain: [credential.certificate.bytes, ...credential.chain],
            key: credential.key,
          },
        }),
  }
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
  const channel = createDtlsChannel({
    channel: udp,
    client,
    onEvent: (event) => {
      if (event.kind === 'closed') ends.push(event.by)
    },
    ...ports,
  })
  const endpoint = new CoapEndpoint({ channel, ...ports })
  onTestFinished(async () => {
    endpoint.close()
    await channel.close()
    await udp.close()
  })
  return { endpoint, channel, shown, ends }
}

async function rootOf({ session }: TestProgram): Promise<Certificate> {
  return new Certificate(readPem('CERTIFICATE', (await session.call('ra.chain', {})).text).at(-1) ?? new Uint8Array())
}

/** A certificate of the site by CMP over DTLS, asked for with the birth certificate. */
async function enrol(started: TestProgram, at: SocketAddress, birth: Issued): Promise<Issued> {
  const { endpoint } = await peerWith(birth)
  const protector: Protector = { kind: 'signature', key: birth.key, certificate: birth.certificate, chain: [...birth.chain] }
  const key = generateSigningKey('P-256')
  const client = new CmpClient({
    transport: createCoapTransport({ client: endpoint, to: at }),
    clock: systemClock,
    random: systemRandom,
    protector,
    anchors: [(await rootOf(started)).bytes],
  })
  const subject = buildName(parseNameText('CN=lamp-1') ?? [])
  const { certificate } = await client.enrol('ir', { key, subject, implicitConfirm: true })
  return { key, certificate, chain: [] }
}

const register = (name: string): Parameters<CoapEndpoint['request']>[1] => ({
  method: 'POST',
  path: ['rd'],
  query: [`ep=${name}`, 'lt=600'],
  contentFormat: 40,
  payload: utf8(LINKS),
})

describe('CoAP over DTLS', () => {
  it('is there as soon as the site has an authority, at a port of its own, and told everywhere', async () => {
    const started = await start()
    const { session } = started
    expect(securedAt(started)).toBeUndefined()
    expect(session.rows('checks').find(({ check }) => check === 'coaps')).toMatchObject({ verdict: 'ok', finding: 'no-authority' })
    const at = await secure(started)
    const uri = `coaps://[::1]:${at.port}`
    await session.when('ra', ({ uris }) => uris.includes(`${uri}/.well-known/cmp`))
    await session.when('checks', ({ check, finding, params }) => check === 'coaps' && finding === 'up' && params.addresses === uri)
    const { endpoint, shown } = await peerWith(undefined)
    const core = await endpoint.request(at, { method: 'GET', path: ['.well-known', 'core'] })
    expect(utf8ToText(core.payload)).toContain('</rd>')
    const [credential] = shown
    const [certificate, ...above] = credential?.kind === 'certificate' ? credential.chain.map((der) => new Certificate(der)) : []
    if (certificate === undefined) throw new TypeError('no certificate')
    expect((await new PathValidator([await rootOf(started)]).validate(certificate, above, Date.now())).ok).toBe(true)
    // id-kp-cmcRA, serverAuth, clientAuth (RFC 8995 §5.5.4).
    expect(certificate.extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.28', '1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    expect(certificate.subjectAltNames).toContainEqual({ kind: 'ip', address: Uint8Array.from([...new Uint8Array(15), 1]) })
  }, 60_000)

  it('serves CMP to whom its maker has certified, and the directory to the new certificate', async () => {
    const started = await start()
    const at = await secure(started)
    await started.session.call('ra.preRegister', { entries: [{ reference: 'lamp-1', identities: ['LW-0001'], names: ['lamp-1'] }] })
    const own = await enrol(started, at, manufacturer.device('serialNumber=LW-0001, CN=lamp'))
    expect((await new PathValidator([await rootOf(started)]).validate(own.certificate, [], Date.now())).ok).toBe(true)
    await started.session.call('rd.setPolicy', { policy: 'enrolled-only' })
    const { endpoint } = await peerWith(own)
    expect((await endpoint.request(at, register('lamp-1'))).code).toBe('2.01')
    expect((await endpoint.request(at, register('lamp-2'))).code).toBe('4.03')
    const { endpoint: anonymous } = await peerWith(undefined)
    expect((await anonymous.request(at, register('lamp-1'))).code).toBe('4.03')
    const found = await anonymous.request(at, { method: 'GET', path: ['rd-lookup', 'res'], query: ['rt=light'] })
    expect(utf8ToText(found.payload)).toMatch(/^<coaps:\/\/\[::1\]:\d+\/light>/)
  }, 60_000)

  it('lets who shows the certificate of an unknown maker knock, for a person to see, and believes nothing of it', async () => {
    const started = await start()
    const { session } = started
    const at = await secure(started)
    await session.call('rd.setPolicy', { policy: 'enrolled-only' })
    const { endpoint } = await peerWith(stranger.device('serialNumber=NS-0001, CN=lamp-1'))
    expect((await endpoint.request(at, register('lamp-1'))).code).toBe('4.03')
    expect((await endpoint.request(at, { method: 'POST', path: ['oscore-context'] })).code).toBe('4.01')
    expect(await session.when('pledges', () => true)).toMatchObject({ serialNumber: 'NS-0001', makerKnown: false, decision: 'none' })
  }, 60_000)

  it('ends the session of a certificate that is revoked, and opens no other', async () => {
    const started = await start()
    const { session } = started
    const at = await secure(started)
    await session.call('ra.preRegister', { entries: [{ reference: 'lamp-1', identities: ['LW-0002'], names: ['lamp-1'] }] })
    const own = await enrol(started, at, manufacturer.device('serialNumber=LW-0002, CN=lamp'))
    const peer = await peerWith(own)
    const ask = (): Promise<unknown> => peer.endpoint.request(at, { method: 'GET', path: ['.well-known', 'core'] })
    await ask()
    const [row] = await session.call('ra.certificates', { offset: 0, limit: 10, search: 'lamp-1' })
    await session.call('ra.revoke', { serial: row?.serial ?? '', reason: 'keyCompromise' })
    await expect.poll(() => peer.ends, { timeout: 20_000 }).toEqual(['peer'])
    await expect(ask()).rejects.toMatchObject({ code: 'dtls.refused', details: { alert: 'certificate_revoked' } })
  }, 60_000)

  it('is known by the same certificate after the site was opened again, and by another after a roll-over', async () => {
    const home = temporaryFolder()
    const started = await start(home)
    const at = await secure(started)
    const shownAt = async (there: SocketAddress): Promise<string> => {
      const { endpoint, shown } = await peerWith(undefined)
      await endpoint.request(there, { method: 'GET', path: ['.well-known', 'core'] })
      const [credential] = shown
      return credential?.kind === 'certificate' ? toPem('CERTIFICATE', credential.chain[0] ?? new Uint8Array()) : ''
    }
    const before = await shownAt(at)
    const { handle } = (await started.session.call('site.recent', {}))[0] ?? { handle: '' }
    await started.session.call('site.close', {})
    await started.session.call('site.open', { handle })
    const again = securedAt(started)
    if (again === undefined) throw new TypeError('not secured')
    expect(await shownAt(again)).toBe(before)
    await started.session.call('ra.rollOver', { algorithm: 'P-256' })
    await expect.poll(() => shownAt(again), { timeout: 20_000 }).not.toBe(before)
  }, 60_000)

  it('says why it is absent where its port is taken, and the rest goes on', async () => {
    const taken = createSocket({ type: 'udp6', reuseAddr: false })
    taken.bind(0, '::1')
    await once(taken, 'listening')
    onTestFinished(() => {
      taken.close()
    })
    const { port } = taken.address()
    const started = await start(temporaryFolder(), { network: { bindAddress: '::1', coapPort: 0, coapsPort: port } })
    const { session } = started
    await session.call('ra.createRoot', { subject: 'CN=Office CA' })
    await session.when('ra', ({ state }) => state === 'ready')
    await expect
      .poll(
        async () => {
          await session.call('preflight.run', {})
          return session.rows('checks').find(({ check }) => check === 'coaps')
        },
        { timeout: 20_000, interval: 200 },
      )
      .toMatchObject({ verdict: 'warning', finding: 'down' })
    expect(session.rows('session')[0]?.network).toMatchObject({ state: 'up', listening: [{ scheme: 'coap' }] })
  }, 60_000)

  it('is there behind a dongle too, and changes nothing of whom the directory believes', async () => {
    const { program, session } = testProgram(temporaryFolder())
    onTestFinished(() => program.close())
    await session.call('site.create', { kind: 'demo', details, demo: { devices: 3, lossPercent: 0, seed: 4 } })
    await session.call('ra.createRoot', { subject: 'CN=Demo CA' })
    await session.when('session', ({ network }) => network.listening.some(({ channel }) => channel === 'coaps:demo'))
    const { listening } = session.rows('session')[0]?.network ?? { listening: [] }
    expect(listening.map(({ scheme, channel }) => `${scheme} ${channel}`)).toEqual([
      'coap demo',
      'coap udp',
      'coaps coaps:demo',
      'coaps coaps:udp',
      'jpy jpy:demo',
      'jpy jpy:udp',
    ])
    expect(listening).toContainEqual({ scheme: 'coaps', address: 'fd00::1', port: 5684, channel: 'coaps:demo' })
    expect(session.rows('directory')[0]).toMatchObject({ policy: 'open' })
    expect(await session.call('rd.addressOptions', {})).toEqual([])
  }, 60_000)
})
