// The registration authority of an open site over the contract: created, asked by devices over CoAP, decided upon, kept with the site.
import { describe, expect, it, onTestFinished } from 'vitest'
import { generateSigningKey, silentLogger, systemClock, systemRandom, utf8 } from '#main/base/index.ts'
import type { ProgramOptions } from '#main/ipc/index.ts'
import { buildName, Certificate, CmpClient, createCoapTransport, parseNameText, readPem, type Protector } from '#main/services/ra/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { createManufacturer, openSite, toPem, type Issued } from '../services/ra/harness.ts'
import { signSubordinate } from '../services/ra/subordinate.ts'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }
const page = { offset: 0, limit: 100 }
const AUTHORITY = { subject: 'CN=Office CA, O=Blue Quay' }
const manufacturer = createManufacturer(Date.now())
const TRUST = { kind: 'manufacturer' as const, text: toPem('CERTIFICATE', manufacturer.root.certificate.bytes) }

async function start(home = temporaryFolder(), more: Partial<ProgramOptions> = {}): Promise<TestProgram> {
  const started = testProgram(home, more)
  onTestFinished(() => started.program.close())
  await started.session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  return started
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no failure',
    (thrown: unknown) => (thrown as { readonly code: string }).code,
  )
}

/** A device with a socket of its own. */
async function clientOf({ session }: TestProgram, protector: Protector, anchors: readonly Uint8Array[] = []): Promise<CmpClient> {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  onTestFinished(async () => {
    endpoint.close()
    await channel.close()
  })
  const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
  const transport = createCoapTransport({ client: endpoint, to: { address: '::1', port } })
  return new CmpClient({ transport, clock: systemClock, random: systemRandom, protector, anchors })
}

function byIdevid({ key, certificate, chain }: Issued): Protector {
  return { kind: 'signature', key, certificate, chain }
}

/** The program has one itself, as the registrar. */
function isOfDevice({ requester }: { readonly requester: { readonly kind: string } }): boolean {
  return requester.kind !== 'ra'
}

async function rootOf({ session }: TestProgram): Promise<Uint8Array> {
  return readPem('CERTIFICATE', (await session.call('ra.chain', {})).text).at(-1) ?? new Uint8Array()
}

function wish(subject: string): {
  readonly key: ReturnType<typeof generateSigningKey>
  readonly subject: Uint8Array
  readonly implicitConfirm: true
} {
  return { key: generateSigningKey('P-256'), subject: buildName(parseNameText(subject) ?? []), implicitConfirm: true }
}

describe('the authority of a site', () => {
  it('says that there is none, is created as a root, and tells its key’s protection, CRL and addresses', async () => {
    const { session } = await start()
    expect(session.rows('ra')).toMatchObject([
      { state: 'none', protection: 'unprotected', pending: 0, authorities: [], policy: { mode: 'automatic' } },
    ])
    expect(await codeOf(session.call('ra.chain', {}))).toBe('ra.no-authority')
    await session.call('ra.createRoot', { ...AUTHORITY, algorithm: 'P-384' })
    const [row] = session.rows('ra')
    expect(row).toMatchObject({
      state: 'ready',
      authorities: [{ kind: 'root', state: 'active', algorithm: 'P-384', subject: 'CN=Office CA, O=Blue Quay', crl: { number: 1 } }],
      uris: [expect.stringMatching(/^coap:\/\/\[::1\]:\d+\/\.well-known\/cmp$/) as unknown],
    })
    expect(await codeOf(session.call('ra.createRoot', AUTHORITY))).toBe('ra.state-invalid')
    expect((await session.call('ra.crl', { refresh: true })).text).toContain('BEGIN X509 CRL')
    expect(session.rows('ra')[0]?.authorities[0]?.crl?.number).toBe(2)
    const entries = await session.call('audit.page', { limit: 10 })
    expect(entries.map(({ action, actor }) => [action, actor])).toContainEqual(['ra.authority-created', 'command line'])
  })

  it('is a subordinate of the customer’s authority: request out, certificate in', async () => {
    const { session } = await start()
    const customer = await openSite({ clock: systemClock })
    onTestFinished(() => customer.ca.close())
    const { text } = await session.call('ra.createSubordinate', AUTHORITY)
    expect(session.rows('ra')[0]?.state).toBe('awaiting-certificate')
    expect((await session.call('ra.request', {})).text).toBe(text)
    expect(await codeOf(session.call('ra.install', { text: 'no certificate' }))).toBe('input.invalid')
    const [request] = readPem('CERTIFICATE REQUEST', text)
    const issued = signSubordinate(customer, request ?? new Uint8Array(), systemClock.now())
    const chain = [issued, customer.ca.active.certificate.bytes].map((der) => toPem('CERTIFICATE', der)).join('')
    await session.call('ra.install', { text: chain })
    expect(session.rows('ra')[0]).toMatchObject({ state: 'ready', authorities: [{ kind: 'subordinate', state: 'active' }] })
    expect(readPem('CERTIFICATE', (await session.call('ra.chain', {})).text)).toHaveLength(2)
  })

  it('rolls its key over and keeps what the old one issued', async () => {
    const { session } = await start()
    await session.call('ra.createRoot', AUTHORITY)
    await session.call('ra.rollOver', { algorithm: 'Ed25519' })
    expect(session.rows('ra')[0]?.authorities.map(({ state, algorithm }) => [state, algorithm])).toEqual([
      ['retired', 'P-256'],
      ['active', 'Ed25519'],
    ])
  })
})

describe('devices at the authority of a site', () => {
  it('get certificates over CoAP by a one-time secret that is told once, and only once (RFC 9482 §2, RFC 9483 §4.1.1)', async () => {
    const started = await start()
    const { session } = started
    await session.call('ra.createRoot', AUTHORITY)
    const { secrets } = await session.call('ra.preRegister', { entries: [{ reference: 'lamp-7' }], draw: true })
    const secret = secrets[0]?.secret ?? ''
    expect(secret).toMatch(/^[0-9a-hj-km-np-tv-z]{20}$/)
    expect(JSON.stringify(await session.call('ra.preRegistrations', page))).not.toContain(secret)
    expect(JSON.stringify(await session.call('audit.page', { limit: 50 }))).not.toContain(secret)
    const client = await clientOf(started, { kind: 'mac', reference: utf8('lamp-7'), secret: utf8(secret) })
    const { certificate } = await client.enrol('ir', wish('CN=lamp-7'))
    const root = new Certificate(await rootOf(started))
    expect(certificate.isIssuedBy(root)).toBe(true)
    const [row] = await session.call('ra.certificates', page)
    expect(row).toMatchObject({ subject: 'CN=lamp-7', state: 'valid', requester: { kind: 'secret', name: 'lamp-7' } })
    await expect(client.enrol('ir', wish('CN=lamp-7'))).rejects.toMatchObject({ code: 'ra.rejected' })
    const detail = await session.call('ra.certificate', { serial: row?.serial ?? '' })
    expect(detail).toMatchObject({ keyType: 'P-256', history: [{ event: 'issued', actor: 'lamp-7' }] })
    await session.call('ra.revoke', { serial: row?.serial ?? '', reason: 'keyCompromise' })
    expect(session.rows('ra')[0]).toMatchObject({ valid: 1, revoked: 1 })
    expect((await session.call('ra.certificates', { ...page, state: 'revoked' }))[0]).toMatchObject({ reason: 'keyCompromise' })
  })

  it('of the device list get theirs at once by their manufacturers’ certificates, others wait until somebody decides', async () => {
    const started = await start()
    const { session } = started
    await session.call('ra.createRoot', AUTHORITY)
    expect(await session.call('ra.trust', TRUST)).toEqual({ count: 1 })
    const { id } = await session.call('devices.create', { name: 'Lamp 1', type: 'luminaire', roomId: null, eui64: null, serial: 'LW-0001' })
    await session.when('ra', ({ preRegistered }) => preRegistered === 1)
    const anchors = [await rootOf(started)]

    const listed = await clientOf(started, byIdevid(manufacturer.device('serialNumber=LW-0001, O=Lumen Works')), anchors)
    await listed.enrol('ir', wish('CN=LW-0001'))
    expect((await session.call('ra.certificates', page)).filter(isOfDevice)).toMatchObject([
      { deviceId: id, deviceName: 'Lamp 1', requester: { kind: 'idevid' } },
    ])
    await session.when('ra', ({ devicesEnrolled }) => devicesEnrolled === 1)

    const stranger = await clientOf(started, byIdevid(manufacturer.device('serialNumber=LW-0002, O=Lumen Works')), anchors)
    const denied = await clientOf(started, byIdevid(manufacturer.device('serialNumber=LW-0003, O=Lumen Works')), anchors)
    const end = new AbortController()
    const waiting = stranger.enrol('ir', wish('CN=LW-0002'), end.signal).catch(() => 'given up')
    const refused = denied.enrol('ir', wish('CN=LW-0003'), end.signal).catch(() => 'given up')
    await session.when('ra', ({ pending }) => pending === 2)
    const { rows } = await session.call('ra.pending', page)
    expect(rows.map(({ subject, listed: isListed, deviceId, keyType }) => [subject, isListed, deviceId, keyType]).toSorted()).toEqual([
      ['CN=LW-0002', false, null, 'P-256'],
      ['CN=LW-0003', false, null, 'P-256'],
    ])
    expect(rows.every(({ keyFingerprint }) => /^[0-9a-f]{64}$/.test(keyFingerprint))).toBe(true)
    const idOf = (subject: string): string => rows.find((row) => row.subject === subject)?.id ?? ''
    expect(await session.call('ra.approve', { ids: [idOf('CN=LW-0002'), 'nobody'] })).toMatchObject([
      { ok: true, serial: expect.any(String) as unknown },
      { ok: false },
    ])
    expect(await session.call('ra.deny', { ids: [idOf('CN=LW-0003')], reason: 'not ours' })).toMatchObject([{ ok: true }])
    expect((await session.call('ra.pending', page)).total).toBe(0)
    end.abort()
    await Promise.all([waiting, refused])
  }, 20_000)

  it('that only say who they are do not become expected ones by it', async () => {
    const { session, program } = await start()
    await session.call('ra.createRoot', AUTHORITY)
    await session.call('rd.register', { endpointName: '0200000000000009', base: 'coap://[::1]:9' })
    await session.call('devices.create', { name: 'Lamp', type: 'luminaire', roomId: null, eui64: '0200000000000001', serial: null })
    await session.when('ra', ({ preRegistered }) => preRegistered > 0)
    const { rows } = await session.call('ra.preRegistrations', page)
    expect(rows.map(({ identities }) => identities)).toEqual([['0200000000000001']])
    await session.call('devices.remove', { ids: [rows[0]?.deviceId ?? ''] })
    await session.when('ra', ({ preRegistered }) => preRegistered === 0)
    expect(program.busy()).toBe(false)
  })

  it('are refused altogether where the policy says so', async () => {
    const started = await start()
    const { session } = started
    await session.call('ra.createRoot', AUTHORITY)
    await session.call('ra.trust', TRUST)
    await session.call('ra.setPolicy', { mode: 'deny', secretsApprove: null, unlistedMayWait: true })
    const client = await clientOf(started, byIdevid(manufacturer.device('serialNumber=LW-0004')), [await rootOf(started)])
    await expect(client.enrol('ir', wish('CN=LW-0004'))).rejects.toMatchObject({ details: { failInfo: ['notAuthorized'] } })
  })
})

describe('what a site has chosen for its authority', () => {
  it('is there again when the site is opened again, keys and all', async () => {
    const home = temporaryFolder()
    const first = testProgram(home)
    const { handle } = await first.session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    await first.session.call('ra.createRoot', AUTHORITY)
    await first.session.call('ra.trust', TRUST)
    await first.session.call('ra.setPolicy', { mode: 'manual', secretsApprove: true, unlistedMayWait: false })
    const { secrets } = await first.session.call('ra.preRegister', { entries: [{ reference: 'lamp-7' }], draw: true })
    const [profile] = first.session.rows('ra')[0]?.profiles ?? []
    if (profile === undefined) throw new TypeError('no profile')
    await first.session.call('ra.setProfiles', {
      profiles: [
        { ...profile, lifetimeDays: 30 },
        { ...profile, name: 'gateway' },
      ],
    })
    await first.program.close()

    const second = testProgram(home)
    onTestFinished(() => second.program.close())
    await second.session.call('site.open', { handle })
    expect(second.session.rows('ra')).toMatchObject([
      {
        state: 'ready',
        policy: { mode: 'manual', secretsApprove: true, unlistedMayWait: false },
        profiles: [{ name: 'device', lifetimeDays: 30 }, { name: 'gateway' }],
        anchors: [{ kind: 'manufacturer', fixed: false }],
        preRegistered: 1,
      },
    ])
    const client = await clientOf(second, { kind: 'mac', reference: utf8('lamp-7'), secret: utf8(secrets[0]?.secret ?? '') })
    const { certificate } = await client.enrol('ir', wish('CN=lamp-7'))
    expect(Math.round((certificate.notAfter - certificate.notBefore) / 86_400_000)).toBe(30)
    const fingerprint = second.session.rows('ra')[0]?.anchors[0]?.fingerprint ?? ''
    await second.session.call('ra.distrust', { fingerprint })
    expect(await codeOf(second.session.call('ra.distrust', { fingerprint }))).toBe('ra.not-found')
  })

  it('cannot be opened with another keyring, and that is said while the site works on', async () => {
    const home = temporaryFolder()
    const first = testProgram(home, { keyring: { passphrase: 'right and long' } })
    const { handle } = await first.session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    await first.session.call('ra.createRoot', AUTHORITY)
    expect(first.session.rows('ra')[0]?.protection).toBe('passphrase')
    await first.program.close()
    const second = testProgram(home, { keyring: { passphrase: 'wrong' } })
    onTestFinished(() => second.program.close())
    await second.session.call('site.open', { handle })
    expect(second.session.rows('ra')).toMatchObject([{ state: 'locked', protection: null, failure: { code: 'security.locked' } }])
    expect(await codeOf(second.session.call('ra.createRoot', AUTHORITY))).toBe('security.locked')
    expect(await second.session.call('rd.list', { offset: 0, limit: 10 })).toMatchObject({ total: 0 })
  }, 30_000)

  it('names servers above it; one that is given its protection waits for a certificate there', async () => {
    const { session } = await start()
    const server = {
      name: 'Head office',
      url: 'http://127.0.0.1:9/pkix/',
      select: { by: 'profile' as const, profile: 'gateway' },
      mode: 'nest' as const,
      popo: 'keep' as const,
      passSecrets: false,
      chunked: true,
    }
    await session.call('ra.setUpstream', { server, anchors: TRUST.text })
    expect(session.rows('ra')[0]?.upstreams).toMatchObject([
      { name: 'Head office', credentialUntil: null, anchors: [expect.stringContaining('Lumen Works')] },
    ])
    expect(await codeOf(session.call('ra.setUpstream', { server: { ...server, url: 'ftp://x.example' } }))).toBe('input.invalid')
    const enrol = { name: 'Head office', reference: 'ra-1', secret: 'given by phone', subject: 'CN=Office RA' }
    expect(await codeOf(session.call('ra.enrolUpstream', enrol))).toBe('ra.upstream-unreachable')
    await session.call('ra.removeUpstream', { name: 'Head office' })
    expect(session.rows('ra')[0]?.upstreams).toEqual([])
    expect(JSON.stringify(await session.call('audit.page', { limit: 50 }))).not.toContain('given by phone')
  })
})
