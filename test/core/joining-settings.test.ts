// How a site takes part in joining, over the contract: offline, makers, the join port, the join proxy, vouchers ahead of devices.
import { describe, expect, it, onTestFinished } from 'vitest'
import { sha256, toHex } from '#main/base/index.ts'
import type { MasaClient } from '#main/services/join/index.ts'
import { Certificate, readPem } from '#main/services/ra/index.ts'
import { toPem } from '../services/ra/harness.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { details, maker, masaOf, openLink, placeOf, plan, start } from './joining-harness.ts'

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no failure',
    (thrown: unknown) => (thrown as { readonly code: string }).code,
  )

describe('a site that works offline', () => {
  it('asks nobody: a device waits for its voucher and says so, and one whose voucher was got before joins', async () => {
    let server = masaOf([])
    const masa: MasaClient = {
      requestVoucher: (...asked) => server.requestVoucher(...asked),
      requestAuditLog: (...asked) => server.requestAuditLog(...asked),
    }
    const started = await start([], { masa })
    const { session } = started
    await plan(started, 'LW-0202')
    // The maker gives vouchers ahead to those alone who bought the devices.
    const root = readPem('CERTIFICATE', (await session.call('ra.chain', {})).text).at(-1) ?? new Uint8Array(0)
    server = masaOf(['LW-0201', 'LW-0202'], toHex(sha256(new Certificate(root).spki)))
    const [{ id } = { id: '' }] = session.rows('joining')[0]?.makers ?? []
    const fetched = await session.call('joining.fetchVoucher', { maker: id, serialNumber: 'LW-0202' })
    expect(fetched).toMatchObject({ serialNumber: 'LW-0202', hasNonce: false, state: 'valid' })
    await session.call('joining.setOffline', { offline: true })
    expect((await session.when('joining', ({ offline }) => offline)).vouchers.kept).toBe(1)
    expect(await codeOf(session.call('joining.fetchVoucher', { maker: id, serialNumber: 'LW-0201' }))).toBe('voucher.offline')
    expect(await codeOf(session.call('joining.renewVouchers', {}))).toBe('voucher.offline')
    await session.call('admission.setPolicy', { mode: 'listed' })
    await session.call('admission.scan', { text: 'SN: LW-0201' })
    await session.call('admission.open', {})
    const pledge = await openLink(started)
    const end = new AbortController()
    const waiting = pledge(maker.device('serialNumber=LW-0201, O=Lumen Works')).join(end.signal)
    waiting.catch(() => undefined)
    const row = await session.when('pledges', ({ step, outcome }) => step === 'voucher' && outcome === 'waiting')
    expect(row).toMatchObject({ serialNumber: 'LW-0201', code: 'voucher.offline', state: 'waiting' })
    expect(row.actions).toContain('import-voucher')
    end.abort()
    await expect(waiting).rejects.toThrow()
    await pledge(maker.device('serialNumber=LW-0202, O=Lumen Works'), { acceptsNonceless: true }).join()
    await session.when('pledges', ({ serialNumber, state }) => serialNumber === 'LW-0202' && state === 'enrolled')
    // Nobody was asked for the log of who came by a kept voucher.
    const key = session.rows('pledges').find(({ serialNumber }) => serialNumber === 'LW-0202')?.key ?? ''
    expect(await session.call('joining.makerLog', { key })).toEqual({ log: null })
  }, 90_000)
})

describe('what is set for joining', () => {
  it('is kept with the site, checked, and told by the feed', async () => {
    const started = await start([])
    const { session } = started
    const [{ id } = { id: '' }] = session.rows('joining')[0]?.makers ?? []
    const pem = toPem('CERTIFICATE', maker.root.certificate.bytes)
    await session.call('joining.setMaker', {
      id,
      masaUrl: 'https://masa.example:9443',
      tlsAnchors: pem,
      voucherAnchors: pem,
      showsCertificate: false,
      keyId: 'sha256',
    })
    expect(session.rows('joining')[0]?.makers).toMatchObject([
      {
        masaUrl: 'https://masa.example:9443',
        tlsAnchors: [{ subject: expect.any(String) as string }],
        showsCertificate: false,
        keyId: 'sha256',
      },
    ])
    await session.call('joining.setMaker', { id, masaUrl: null, tlsAnchors: null })
    expect(session.rows('joining')[0]?.makers).toMatchObject([{ masaUrl: null, tlsAnchors: [], voucherAnchors: [{}] }])
    expect(await codeOf(session.call('joining.setMaker', { id: '0'.repeat(64), masaUrl: 'masa.example' }))).toBe('join.maker-not-found')
    expect(await codeOf(session.call('joining.setMaker', { id, masaUrl: 'ftp://masa.example' }))).toBe('input.invalid')
    expect(await codeOf(session.call('joining.setProxy', { registrar: 'somewhere' }))).toBe('input.invalid')
    const settings = { mode: 'stateful', version: '01', places: ['lan:nowhere0'], search: ['dns-sd'], registrar: null } as const
    await session.call('joining.setProxy', { ...settings, places: [...settings.places], search: [...settings.search] })
    expect(session.rows('joining')[0]?.proxy).toMatchObject({ settings, state: 'no-place' })
    const entries = await session.call('audit.page', { limit: 50 })
    expect(entries.map(({ action }) => action)).toEqual(expect.arrayContaining(['joining.setMaker', 'joining.setProxy']))
  }, 60_000)

  it('closes the join port and opens it again, while coaps stays', async () => {
    const started = await start([])
    const { session } = started
    const at = placeOf(started, 'jpy')
    expect(session.rows('joining')[0]?.registrar).toMatchObject({ state: 'listening', uris: [`jpy://[::1]:${at.port}`] })
    await session.call('joining.setRegistrar', { joinPort: false })
    const closed = await session.when('session', ({ network }) => network.listening.every(({ scheme }) => scheme !== 'jpy'))
    expect(closed.network.listening.some(({ scheme }) => scheme === 'coaps')).toBe(true)
    expect(session.rows('joining')[0]?.registrar).toMatchObject({ joinPort: false, state: 'off', uris: [] })
    await session.call('joining.setRegistrar', { joinPort: true })
    await session.when('joining', ({ registrar }) => registrar.state === 'listening')
  }, 60_000)

  it('makes this program a join proxy behind a dongle, and tells its port, its registrar, and that it is gone again', async () => {
    const { program, session } = testProgram(temporaryFolder(), { demo: { radio: 'ideal', joining: 'proxy' } })
    onTestFinished(() => program.close())
    await session.call('site.create', { kind: 'demo', details, demo: { devices: 4, lossPercent: 0, seed: 4 } })
    const row = await session.when('joining', ({ places }) => places.some(({ kind, linkLocal }) => kind === 'link' && linkLocal !== null))
    const place = row.places.find(({ kind }) => kind === 'link')?.id ?? ''
    await session.call('joining.setProxy', { mode: 'stateless', places: [place], registrar: 'jpy://[::1]:5999' })
    const serving = await session.when('joining', ({ proxy }) => proxy.state === 'serving')
    expect(serving.proxy).toMatchObject({
      hidden: [],
      ports: [{ place, registrar: { uri: 'jpy://[::1]:5999', mode: 'stateless', version: '20', by: 'configuration' } }],
    })
    await session.call('joining.setProxy', { mode: 'off' })
    const off = await session.when('joining', ({ proxy }) => proxy.state === 'off')
    expect(off.proxy.ports).toEqual([])
  }, 60_000)
})
