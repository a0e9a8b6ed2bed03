// What certificates mean for the device list, the files that the authority gives, and the way out where its keys are lost.
import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ContentInfo, SignedData } from 'pkijs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { generateSigningKey, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import type { ProgramOptions } from '#main/ipc/index.ts'
import {
  buildName,
  CmpClient,
  createCoapTransport,
  parseNameText,
  readCrl,
  readPem,
  type Enrolled,
  type Protector,
} from '#main/services/ra/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { createManufacturer, toPem, type Issued } from '../services/ra/harness.ts'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }
const network = { bindAddress: '::1', coapPort: 0 }
const AUTHORITY = { subject: 'CN=Office CA, O=Blue Quay' }
const manufacturer = createManufacturer(Date.now())
const TRUST = { kind: 'manufacturer' as const, text: toPem('CERTIFICATE', manufacturer.root.certificate.bytes) }

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no failure',
    (thrown: unknown) => (thrown as { readonly code: string }).code,
  )
}

async function enrol({ session }: TestProgram, protector: Protector, subject: string): Promise<Enrolled & Issued> {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  try {
    const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
    const transport = createCoapTransport({ client: endpoint, to: { address: '::1', port } })
    const anchors = readPem('CERTIFICATE', (await session.call('ra.chain', {})).text).slice(-1)
    const client = new CmpClient({ transport, clock: systemClock, random: systemRandom, protector, anchors })
    const key = generateSigningKey('P-256')
    return { ...(await client.enrol('ir', { key, subject: buildName(parseNameText(subject) ?? []) })), key, chain: [] }
  } finally {
    endpoint.close()
    await channel.close()
  }
}

function byIdevid({ key, certificate, chain }: Issued): Protector {
  return { kind: 'signature', key, certificate, chain }
}

/** A site with an authority and one planned device, `Lamp` with serial number lamp-1. */
async function start(
  home = temporaryFolder(),
  more: Partial<ProgramOptions> = {},
): Promise<TestProgram & { readonly handle: string; readonly id: string }> {
  const started = testProgram(home, more)
  const { session } = started
  const { handle } = await session.call('site.create', { kind: 'network', details, network })
  await session.call('ra.createRoot', AUTHORITY)
  await session.call('ra.trust', TRUST)
  const { id } = await session.call('devices.create', {
    name: 'Lamp',
    type: 'luminaire',
    roomId: null,
    serial: 'lamp-1',
    eui64: null,
    comment: '',
  })
  await until(() => session.rows('ra')[0]?.preRegistered === 1)
  return { ...started, handle, id }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !condition(); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(condition()).toBe(true)
}

function stateOf({ session, id }: TestProgram & { readonly id: string }): string {
  return session.rows('devices').find((row) => row.id === id)?.state ?? 'gone'
}

async function historyOf({ session, id }: TestProgram & { readonly id: string }): Promise<readonly string[]> {
  return (await session.call('devices.detail', { id })).history.map(({ event }) => event)
}

describe('a device of the list', () => {
  it('is enrolled while it has a valid certificate, and its history says so; over a restart it stands once', async () => {
    const home = temporaryFolder()
    const at = await start(home)
    expect(stateOf(at)).toBe('expected')
    await enrol(at, byIdevid(manufacturer.device('CN=lamp-1')), 'CN=lamp-1')
    await until(() => stateOf(at) === 'enrolled')
    expect(at.session.rows('devices').find(({ id }) => id === at.id)?.stateSource).toBe('admission')
    await at.program.close()

    const again = { ...testProgram(home), id: at.id }
    onTestFinished(() => again.program.close())
    await again.session.call('site.open', { handle: at.handle })
    expect(stateOf(again)).toBe('enrolled')
    expect((await historyOf(again)).filter((event) => event === 'enrolled')).toHaveLength(1)
    const [certificate] = await again.session.call('ra.certificates', { offset: 0, limit: 9, search: '', deviceId: at.id })
    await again.session.call('ra.revoke', { serial: certificate?.serial ?? '', reason: 'keyCompromise' })
    await until(() => stateOf(again) === 'expected')
    expect((await historyOf(again))[0]).toBe('certificate-ended')
  }, 60_000)
})

describe('files', () => {
  it('are the CRL and the chain as text and as bytes that others read', async () => {
    const at = await start()
    onTestFinished(() => at.program.close())
    const pem = await at.session.call('ra.crl', { refresh: true })
    const der = await at.session.call('ra.crl', { form: 'der' })
    expect([pem.encoding, der.encoding]).toEqual(['text', 'base64'])
    expect(der.fileName).toBe('Office 2.14 authority.crl')
    const bytes = new Uint8Array(Buffer.from(der.text, 'base64'))
    expect(readPem('X509 CRL', pem.text)).toEqual([bytes])
    expect(readCrl(bytes).revoked).toEqual([])
    const bundle = await at.session.call('ra.chain', { form: 'p7c' })
    expect(bundle.fileName).toBe('Office 2.14 authority.p7c')
    const content = ContentInfo.fromBER(Buffer.from(bundle.text, 'base64'))
    const signed = new SignedData({ schema: content.content })
    expect(signed.signerInfos).toEqual([])
    expect(signed.certificates).toHaveLength(1)
  }, 60_000)
})

describe('an authority whose keys another keyring has sealed', () => {
  it('says what to do; a restored keyring opens it, and without one a new authority takes its place', async () => {
    const home = temporaryFolder()
    const at = await start(home)
    await at.session.call('ra.preRegister', { entries: [{ reference: 'by-hand', secret: 'a secret of its own' }] })
    const device = await enrol(at, byIdevid(manufacturer.device('CN=lamp-1')), 'CN=lamp-1')
    await at.program.close()
    const ring = readdirSync(join(home, 'settings')).find((name) => name.includes('key')) ?? ''
    expect(ring).not.toBe('')
    copyFileSync(join(home, 'settings', ring), join(home, 'kept'))
    rmSync(join(home, 'settings', ring))

    const lost = testProgram(home)
    await lost.session.call('site.open', { handle: at.handle })
    expect(lost.session.rows('ra')).toMatchObject([{ state: 'locked', failure: { code: 'ra.vault-locked' } }])
    expect(await codeOf(lost.session.call('ra.createRoot', AUTHORITY))).toBe('ra.vault-locked')
    await lost.program.close()

    // The first way: the keyring comes back.
    expect(existsSync(join(home, 'settings', ring))).toBe(true)
    const strange = join(home, 'strange')
    copyFileSync(join(home, 'settings', ring), strange)
    copyFileSync(join(home, 'kept'), join(home, 'settings', ring))
    const restored = testProgram(home)
    await restored.session.call('site.open', { handle: at.handle })
    expect(restored.session.rows('ra')[0]?.state).toBe('ready')
    expect(await codeOf(restored.session.call('ra.startOver', {}))).toBe('ra.state-invalid')
    await restored.program.close()

    // The second: it does not.
    copyFileSync(strange, join(home, 'settings', ring))
    const anew = { ...testProgram(home), id: at.id }
    onTestFinished(() => anew.program.close())
    const { session } = anew
    await session.call('site.open', { handle: at.handle })
    await session.call('ra.startOver', {})
    expect(session.rows('ra')).toMatchObject([{ failure: null, authorities: [{ state: 'lost' }] }])
    await session.call('ra.createRoot', { subject: 'CN=Office CA 2, O=Blue Quay' })
    expect(session.rows('ra')[0]?.state).toBe('ready')
    expect(session.rows('ra')[0]?.authorities.map(({ state }) => state)).toEqual(['lost', 'active'])
    const expected = await session.call('ra.preRegistrations', { offset: 0, limit: 9 })
    expect(expected.rows.map(({ reference, hasSecret }) => [reference, hasSecret])).toContainEqual(['by-hand', false])
    // What it issued is known, can be revoked, and renews itself by what it has.
    const [old] = await session.call('ra.certificates', { offset: 0, limit: 9, search: 'lamp-1' })
    expect(old?.state).toBe('valid')
    const renewed = await enrol(anew, { kind: 'signature', key: device.key, certificate: device.certificate, chain: [] }, 'CN=lamp-1')
    expect(renewed.certificate.issuer).not.toEqual(device.certificate.issuer)
    await session.call('ra.revoke', { serial: old?.serial ?? '', reason: 'superseded' })
    const audit = await session.call('audit.page', { limit: 50 })
    expect(JSON.stringify(audit)).toContain('ra.keys-abandoned')
  }, 90_000)
})
