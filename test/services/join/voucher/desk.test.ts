// The registrar's desk: from makers or from what was imported, kept before it is used, renewed, and warned of.
import { describe, expect, test } from 'vitest'
import { AppError, concatBytes, sha256, toHex, utf8 } from '#main/base/index.ts'
import { Certificate, keyIdOf } from '#main/services/ra/index.ts'
import {
  checkPledgeRequest,
  createDeviceList,
  createMasa,
  idevidIssuerOf,
  judgeVoucher,
  localMasaClient,
  makePledgeRequest,
  readVoucher,
  readVoucherRequest,
  renewRegularly,
  signVoucher,
  splitVoucherFile,
  VoucherDesk,
  type MasaClient,
  type MasaOptions,
  type RenewalOutcome,
  type VoucherData,
  type VoucherDeskOptions,
} from '#main/services/join/index.ts'
import { makeDomain, makeMaker, nonceOf } from '../../../masa/pki.ts'
import { VirtualClock } from '../../../support/virtual-clock.ts'
import { failureOf, rejectionOf } from './failure.ts'
import { memoryVouchers } from './memory-store.ts'

const DAY = 86_400_000
const maker = makeMaker('Blue Lamps')
const domain = makeDomain('Harbour House')
const pledge = maker.pledge('BL-1')
const owner = toHex(sha256(new Certificate(domain.root.certificate).spki))

interface Net extends MasaClient {
  reachable: boolean
  readonly asked: Uint8Array[]
}

function open(changes: Partial<VoucherDeskOptions> & { readonly masaOptions?: Partial<MasaOptions> } = {}) {
  const clock = new VirtualClock()
  const store = memoryVouchers()
  const devices = createDeviceList([
    { serialNumber: 'BL-1', owner },
    { serialNumber: 'BL-2', owner },
  ])
  const { key, chain } = maker.signer
  const masa = createMasa({
    key,
    chain,
    deviceAnchors: [maker.root.certificate],
    devices,
    ownership: 'sales',
    clock,
    ...changes.masaOptions,
  })
  const local = localMasaClient(masa)
  const net: Net = {
    reachable: true,
    asked: [],
    requestVoucher: (to, request, format) => {
      net.asked.push(request)
      if (net.reachable) return local.requestVoucher(to, request, format)
      return Promise.reject(new AppError('voucher.masa-unreachable', 'Away', { retryable: true }))
    },
    requestAuditLog: (to, request, format) => local.requestAuditLog(to, request, format),
  }
  const site = { offline: false }
  const desk = new VoucherDesk({
    store,
    clock,
    masa: net,
    registrar: () => domain.registrar,
    makers: () => [{ ...maker.maker, masaUrl: 'masa.example' }],
    isOffline: () => site.offline,
    ...changes,
  })
  return { clock, desk, net, site, store }
}

function ask(nonce = nonceOf('n1'), device = pledge) {
  const registrarCertificate = domain.registrar.certificate
  const bytes = makePledgeRequest(device, { format: 'cose', nonce, registrarCertificate })
  return checkPledgeRequest({ bytes, format: 'cose', pledgeChain: device.chain, registrarCertificate })
}

const issuer = idevidIssuerOf(new Certificate(pledge.certificate))

function fileVoucher(
  nowMs: number,
  changes: Partial<VoucherData> = {},
  signer = maker.signer,
  format: 'cose' | 'cms' = 'cose',
): Uint8Array {
  const data: VoucherData = {
    assertion: 'verified',
    createdOn: nowMs,
    expiresOn: nowMs + 30 * DAY,
    lastRenewalDate: nowMs + 300 * DAY,
    serialNumber: 'BL-1',
    idevidIssuer: issuer,
    pinnedDomainCert: domain.root.certificate,
    ...changes,
  }
  return signVoucher(data, signer, { format, certificates: signer.chain })
}

describe('a pledge’s voucher', () => {
  test('comes from its maker, is kept before the pledge has it, and goes out without the maker’s certificates beside it', async () => {
    const { desk, store, net } = open()
    const voucher = await desk.obtain(ask())
    expect(voucher.from).toBe('masa')
    const [kept] = store.ofSerialNumber('BL-1')
    expect(kept).toMatchObject({
      id: voucher.record.id,
      source: 'masa',
      signer: 'trusted',
      makerId: 'Blue Lamps',
      nonce: toHex(nonceOf('n1')),
    })
    expect(toHex(sha256(kept?.bytes ?? utf8('')))).toBe(kept?.id)
    expect(kept?.bytes.length).toBeGreaterThan(voucher.bytes.length)
    expect(readVoucherRequest(net.asked[0]!, 'cose').data.nonce).toEqual(nonceOf('n1'))
    const { anchor } = await judgeVoucher({
      bytes: voucher.bytes,
      format: 'cose',
      idevid: pledge.certificate,
      nonce: nonceOf('n1'),
      anchors: [maker.root.certificate],
      registrarChain: domain.registrar.chain,
    })
    expect(anchor).toEqual(domain.sub.certificate)
  })

  test.each([
    ['key-id', keyIdOf(domain.registrar.key.spki)],
    ['sha256', sha256(domain.registrar.key.spki)],
    [utf8('customer 7'), utf8('customer 7')],
  ] as const)('is asked for under the key identifier that the maker expects: %s (constrained-voucher-31 §9.2.1)', async (kid, wanted) => {
    const { desk, net } = open({ makers: () => [{ ...maker.maker, kid }] })
    await desk.obtain(ask())
    expect(readVoucherRequest(net.asked[0]!, 'cose').kid).toEqual(wanted)
  })

  test('is asked for once, however often the pledge repeats itself, before and after (RFC 8995 §5.6)', async () => {
    const { desk, net } = open()
    const request = ask()
    const [first, second] = await Promise.all([desk.obtain(request), desk.obtain(request)])
    const third = await desk.obtain(request)
    expect([toHex(second.bytes), toHex(third.bytes)]).toEqual([toHex(first.bytes), toHex(first.bytes)])
    expect([third.from, net.asked.length]).toEqual(['kept', 1])
    await desk.obtain(ask(nonceOf('n2')))
    expect(net.asked.length).toBe(2)
  })

  test('is not handed out where it could not be kept', async () => {
    const { desk, store } = open()
    store.save = () => {
      throw new AppError('store.disk-full', 'Full')
    }
    expect(await rejectionOf(desk.obtain(ask()))).toBe('store.disk-full')
  })

  test('comes from a file where the maker cannot be reached, or the site is offline: the one that lasts longest', async () => {
    const { clock, desk, net, site } = open()
    const short = fileVoucher(clock.now(), { expiresOn: clock.now() + DAY })
    const long = fileVoucher(clock.now())
    const outcome = await desk.import([
      { name: 'a.vch', bytes: short },
      { name: 'b.vch', bytes: long },
    ])
    expect(outcome.map(({ ok }) => ok)).toEqual([true, true])
    net.reachable = false
    expect(await desk.obtain(ask())).toMatchObject({ from: 'kept', record: { id: toHex(sha256(long)), source: 'file' } })
    site.offline = true
    const offline = await desk.obtain(ask(nonceOf('n2')))
    expect(offline.from).toBe('kept')
    expect(net.asked.length).toBe(1)
    const taken = { bytes: offline.bytes, format: 'cose', idevid: pledge.certificate, nonce: nonceOf('n2') } as const
    const trust = {
      anchors: [maker.root.certificate, maker.signer.certificate],
      registrarChain: domain.registrar.chain,
      nowMs: clock.now(),
    }
    expect(await rejectionOf(judgeVoucher({ ...taken, ...trust, acceptNonceless: true }))).toBe('none')
    expect(await rejectionOf(judgeVoucher({ ...taken, ...trust }))).toBe('voucher.wrong-nonce')
  })

  test('does not wait for a server that has just not answered another', async () => {
    const { clock, desk, net } = open()
    net.reachable = false
    expect(await rejectionOf(desk.obtain(ask()))).toBe('voucher.masa-unreachable')
    expect(await rejectionOf(desk.obtain(ask(nonceOf('n2'))))).toBe('voucher.masa-unreachable')
    expect(net.asked.length).toBe(1)
    net.reachable = true
    await clock.advance(30_000)
    expect((await desk.obtain(ask())).from).toBe('masa')
  })

  test('may be signed below another authority in the list, unless the maker names who may', async () => {
    const voucherRoot = makeMaker('Blue Vouchers')
    const devices = createDeviceList([{ serialNumber: 'BL-1', owner }])
    const masaOptions = { key: voucherRoot.signer.key, chain: voucherRoot.signer.chain, devices }
    const both = [{ ...maker.maker, masaUrl: 'masa.example' }, voucherRoot.maker]
    expect((await open({ masaOptions, makers: () => both }).desk.obtain(ask())).record.signer).toBe('trusted')
    const strict = [{ ...maker.maker, masaUrl: 'masa.example', voucherAnchors: [maker.root.certificate] }, voucherRoot.maker]
    expect(await rejectionOf(open({ masaOptions, makers: () => strict }).desk.obtain(ask()))).toBe('voucher.signer-untrusted')
  })

  test('does not come from a file that has expired meanwhile, or that somebody else’s CA would need', async () => {
    const { clock, desk, site } = open()
    await desk.import([{ name: 'a.vch', bytes: fileVoucher(clock.now()) }])
    site.offline = true
    clock.jumpWallClock(31 * DAY)
    expect(await rejectionOf(desk.obtain(ask()))).toBe('voucher.offline')
    const moved = makeDomain('Moved')
    const after = open({ registrar: () => moved.registrar })
    const before = open()
    await before.desk.import([{ name: 'a.vch', bytes: fileVoucher(before.clock.now()) }])
    for (const record of before.store.records.values()) after.store.save(record)
    expect(after.store.count()).toBe(1)
    after.site.offline = true
    expect(await rejectionOf(after.desk.obtain(ask()))).toBe('voucher.offline')
  })

  test('is not had around a maker who refuses', async () => {
    const { clock, desk, net } = open({ masaOptions: { devices: createDeviceList([]) } })
    await desk.import([{ name: 'a.vch', bytes: fileVoucher(clock.now()) }])
    expect(await rejectionOf(desk.obtain(ask()))).toBe('voucher.masa-refused')
    expect(net.asked.length).toBe(1)
  })

  test('is refused where the maker’s answer is not what was asked for', async () => {
    const { clock, desk, net } = open()
    const answer = async (bytes: Uint8Array): Promise<string> => {
      net.requestVoucher = () => Promise.resolve(bytes)
      return rejectionOf(desk.obtain(ask(nonceOf('n1'))))
    }
    expect(await answer(fileVoucher(clock.now(), { nonce: nonceOf('old') }))).toBe('voucher.wrong-nonce')
    expect(await answer(fileVoucher(clock.now(), { serialNumber: 'BL-2' }))).toBe('voucher.wrong-device')
    expect(await answer(fileVoucher(clock.now(), { nonce: nonceOf('n1') }, makeMaker('Red').signer))).toBe('voucher.signer-untrusted')
    expect(await answer(utf8('no'))).toBe('voucher.invalid')
  })

  test('is not asked for where only an unknown maker’s certificate names a server, unless that is allowed', async () => {
    const stranger = makeMaker('Unknown', 'internal.example').pledge('U-1')
    const { desk, net } = open()
    expect(await rejectionOf(desk.obtain(ask(nonceOf('n1'), stranger)))).toBe('voucher.masa-unknown')
    expect(net.asked.length).toBe(0)
    const open2 = open({ askUnknownMakers: () => true })
    expect(await rejectionOf(open2.desk.obtain(ask(nonceOf('n1'), stranger)))).toBe('voucher.masa-refused')
    expect(open2.net.asked.length).toBe(1)
  })

  test('has a log at its maker, in the session in which it was asked for', async () => {
    const { desk, site } = open()
    const request = ask()
    expect(await rejectionOf(desk.auditLog(request.pledgeKey))).toBe('voucher.missing')
    await desk.obtain(request)
    expect((await desk.auditLog(request.pledgeKey)).events).toMatchObject([{ assertion: 'proximity' }])
    site.offline = true
    expect(await rejectionOf(desk.auditLog(request.pledgeKey))).toBe('voucher.offline')
  })
})

describe('files', () => {
  test('hold one or many: DER, CBOR, PEM, Base64 lines, JSON', () => {
    const now = Date.UTC(2026, 5, 1)
    const cose = [fileVoucher(now), fileVoucher(now, { serialNumber: 'BL-2' })]
    const cms = [fileVoucher(now, {}, maker.signer, 'cms'), fileVoucher(now, { serialNumber: 'BL-2' }, maker.signer, 'cms')]
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    const all = [...cose, ...cms]
    const serials = (file: Uint8Array): string[] =>
      splitVoucherFile(file).map(({ bytes, format }) => readVoucher(bytes, format).data.serialNumber)
    expect(serials(cose[0]!)).toEqual(['BL-1'])
    expect(serials(concatBytes(...cose))).toEqual(['BL-1', 'BL-2'])
    expect(serials(concatBytes(...cms, ...cose))).toEqual(['BL-1', 'BL-2', 'BL-1', 'BL-2'])
    expect(serials(utf8(all.map(base64).join('\n')))).toEqual(['BL-1', 'BL-2', 'BL-1', 'BL-2'])
    expect(serials(utf8(base64(cms[0]!).replace(/.{64}/g, '$&\r\n')))).toEqual(['BL-1'])
    expect(
      serials(utf8(all.map((one) => `-----BEGIN CMS-----\n${base64(one).replace(/.{64}/g, '$&\n')}\n-----END CMS-----`).join('\n'))),
    ).toHaveLength(4)
    expect(serials(utf8(JSON.stringify(all.map(base64))))).toHaveLength(4)
    expect(serials(utf8(JSON.stringify({ vouchers: all.map((one) => ({ serial: 'x', voucher: base64(one) })) })))).toHaveLength(4)
    for (const file of ['', '{}', '[1]', 'hello', '[]', '-----BEGIN CMS-----\n!\n-----END CMS-----'])
      expect(failureOf(() => splitVoucherFile(utf8(file)))).toBe('voucher.invalid')
    expect(failureOf(() => splitVoucherFile(cose[0]!.subarray(0, 100)))).toBe('voucher.invalid')
    expect(failureOf(() => splitVoucherFile(concatBytes(cms[0]!, utf8('x'))))).toBe('voucher.invalid')
  })

  test('get a verdict for each voucher, with the reason; what is good is kept once', async () => {
    const { clock, desk, store } = open()
    const now = clock.now()
    const files = [
      { name: 'good.vch', bytes: fileVoucher(now) },
      { name: 'cms.vcj', bytes: fileVoucher(now, {}, maker.signer, 'cms') },
      { name: 'again.vch', bytes: new Uint8Array() },
      { name: 'expired.vch', bytes: fileVoucher(now, { expiresOn: now - 1 }) },
      { name: 'other-owner.vch', bytes: fileVoucher(now, { pinnedDomainCert: makeDomain('X').root.certificate }) },
      { name: 'red.vch', bytes: fileVoucher(now, {}, makeMaker('Red').signer) },
      { name: 'nonced.vch', bytes: fileVoucher(now, { nonce: nonceOf('x') }) },
      { name: 'note.txt', bytes: utf8('Dear customer') },
    ]
    files[2] = { name: 'again.vch', bytes: files[0]!.bytes }
    const outcome = await desk.import(files)
    expect(outcome.map((one) => [one.file, one.serialNumber, one.ok ? (one.known ? 'known' : 'new') : one.code])).toEqual([
      ['good.vch', 'BL-1', 'new'],
      ['cms.vcj', 'BL-1', 'new'],
      ['again.vch', 'BL-1', 'known'],
      ['expired.vch', 'BL-1', 'voucher.expired'],
      ['other-owner.vch', 'BL-1', 'voucher.wrong-owner'],
      ['red.vch', 'BL-1', 'voucher.signer-untrusted'],
      ['nonced.vch', 'BL-1', 'voucher.wrong-nonce'],
      ['note.txt', undefined, 'voucher.invalid'],
    ])
    expect(store.count()).toBe(2)
    store.count = () => 20_000
    const full = await desk.import([{ name: 'b.vch', bytes: fileVoucher(now, { serialNumber: 'BL-2' }) }])
    expect(full).toMatchObject([{ ok: false, code: 'voucher.limit-reached' }])
  })
})

describe('for later', () => {
  test('vouchers without a nonce are fetched ahead, warned of before they end, and renewed while the maker does', async () => {
    const { clock, desk, net, store } = open()
    const record = await desk.fetchAhead({ makerId: 'Blue Lamps', serialNumber: 'BL-1', idevidIssuer: issuer })
    expect(record).toMatchObject({ assertion: 'verified', nonce: undefined, source: 'masa' })
    expect(desk.warnings()).toEqual([])
    await clock.advance(6 * DAY)
    expect([desk.warnings(), await desk.renew()]).toEqual([[], []])
    await clock.advance(2 * DAY)
    expect(desk.warnings()).toEqual([{ id: record.id, serialNumber: 'BL-1', expiresOn: record.expiresOn, expired: false, renewable: true }])
    const [renewed] = await desk.renew()
    expect(renewed).toMatchObject({ ok: true, serialNumber: 'BL-1', expiresOn: clock.now() + 14 * DAY })
    expect(store.voucher(record.id)).toBeUndefined()
    expect(readVoucherRequest(net.asked.at(-1)!, 'cose').data.priorSignedVoucherRequest).toEqual(record.bytes)
    await clock.advance(20 * DAY)
    expect(desk.warnings()).toMatchObject([{ expired: true, renewable: true }])
    await clock.advance(400 * DAY)
    expect(desk.warnings()).toMatchObject([{ expired: true, renewable: false }])
    expect(await desk.renew()).toEqual([])
  })

  test('a server that is away is asked once, and the old voucher stays', async () => {
    const { clock, desk, net, store } = open()
    const now = clock.now()
    const soon = { createdOn: now - 10 * DAY, expiresOn: now + DAY }
    await desk.import([
      { name: 'a', bytes: fileVoucher(now, soon) },
      { name: 'b', bytes: fileVoucher(now, { ...soon, serialNumber: 'BL-2', idevidIssuer: issuer }) },
    ])
    net.reachable = false
    expect(await desk.renew()).toMatchObject([{ ok: false, code: 'voucher.masa-unreachable' }])
    expect([net.asked.length, store.count()]).toEqual([1, 2])
    net.reachable = true
    expect((await desk.renew()).map(({ ok }) => ok)).toEqual([true, true])
  })

  test('renewal goes on by itself, soon after the start and twice a day, until it is ended', async () => {
    const clock = new VirtualClock()
    const said: unknown[] = []
    const answers: Array<() => Promise<readonly RenewalOutcome[]>> = [
      () => Promise.resolve([{ ok: true, serialNumber: 'BL-1', id: 'v', expiresOn: 1 }]),
      () => Promise.resolve([]),
      () => Promise.reject(new AppError('voucher.offline', 'Offline')),
      () => Promise.reject(new AppError('store.io', 'Gone')),
    ]
    let rounds = 0
    const renew = (): Promise<readonly RenewalOutcome[]> => answers[rounds++ % 4]!()
    const end = renewRegularly({
      desk: { renew },
      clock,
      onRenewed: (outcomes) => said.push(outcomes.length),
      onTrouble: ({ code }) => said.push(code),
    })
    await clock.advance(60_000)
    expect([rounds, said]).toEqual([1, [1]])
    await clock.advance(2 * DAY)
    expect([rounds, said]).toEqual([5, [1, 'store.io', 1]])
    end()
    await clock.advance(3 * DAY)
    expect([rounds, clock.pendingTimers]).toEqual([5, 0])
  })

  test('nothing is asked where the site is offline', async () => {
    const { desk, net, site } = open()
    site.offline = true
    expect(await rejectionOf(desk.fetchAhead({ makerId: 'Blue Lamps', serialNumber: 'BL-1' }))).toBe('voucher.offline')
    expect(await rejectionOf(desk.renew())).toBe('voucher.offline')
    expect(net.asked).toEqual([])
  })

  test('a maker that is not set up is not asked', async () => {
    const { desk } = open()
    expect(await rejectionOf(desk.fetchAhead({ makerId: 'Red', serialNumber: 'R-1' }))).toBe('voucher.masa-unknown')
  })
})
