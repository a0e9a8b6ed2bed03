// What registrar and pledge check of each other, and of the maker; each attack ends at the check that is meant for it.
import { describe, expect, test } from 'vitest'
import { hash, utf8 } from '#main/base/index.ts'
import { asn1, Certificate, extensionOf } from '#main/services/ra/index.ts'
import {
  checkPledgeRequest,
  checkVoucher,
  deviceSerialNumber,
  idevidIssuerOf,
  judgeVoucher,
  makePledgeRequest,
  makeRegistrarRequest,
  masaUrl,
  masaUrlOf,
  readVoucherRequest,
  sameIdevidIssuer,
  signVoucher,
  signVoucherRequest,
  type VoucherData,
  type VoucherExpectation,
  type VoucherJudgement,
} from '#main/services/join/index.ts'
import { encodeCborData } from '../../../../src-main/services/join/voucher/cbor-data.ts'
import { encodeCose } from '../../../../src-main/services/join/voucher/cose.ts'
import { VOUCHER } from '../../../../src-main/services/join/voucher/leaves.ts'
import { failureOf, rejectionOf } from './failure.ts'
import { makeDomain, makeMaker, makeParty, makeRegistrar, nonceOf } from '../../../masa/pki.ts'
import { vectorHex } from './vectors.ts'

const NOW = Date.UTC(2026, 5, 1)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const maker = makeMaker('Blue Lamps')
const domain = makeDomain('Harbour House')
const pledge = maker.pledge('BL-0001')
const nonce = nonceOf('fresh')

function ask(changes: Partial<Parameters<typeof checkPledgeRequest>[0]> = {}, wish: Partial<Parameters<typeof makePledgeRequest>[1]> = {}) {
  const bytes = makePledgeRequest(pledge, { format: 'cose', nonce, registrarCertificate: domain.registrar.certificate, ...wish })
  return checkPledgeRequest({
    bytes,
    format: wish.format ?? 'cose',
    pledgeChain: pledge.chain,
    registrarCertificate: domain.registrar.certificate,
    ...changes,
  })
}

describe('the registrar, of a pledge’s request', () => {
  test.each(['cert', 'pubk', 'pubk-sha256'] as const)('takes one that names it by %s, in both formats', (proximity) => {
    for (const format of ['cose', 'cms'] as const) {
      const request = ask({}, { format, proximity })
      expect(request).toMatchObject({ serialNumber: 'BL-0001', proximity, nonce, format })
    }
  })

  test('refuses one of another key than the session’s, whatever certificates it brings (§9.2.2)', () => {
    const stranger = maker.pledge('BL-0001')
    const request = { assertion: 'proximity', nonce, serialNumber: 'BL-0001' } as const
    const bytes = signVoucherRequest(request, stranger, { format: 'cose', certificates: [pledge.certificate, ...stranger.chain] })
    expect(failureOf(() => ask({ bytes }))).toBe('voucher.signature-invalid')
  })

  test('refuses one for another serial number than the certificate’s (RFC 8995 §5.5)', () => {
    const bytes = signVoucherRequest({ assertion: 'proximity', nonce, serialNumber: 'BL-0002' }, pledge, { format: 'cose' })
    expect(failureOf(() => ask({ bytes }))).toBe('voucher.wrong-device')
  })

  test('refuses one that saw another registrar, and one that names none', () => {
    const between = makeDomain('Somebody').registrar
    expect(failureOf(() => ask({}, { registrarCertificate: between.certificate }))).toBe('voucher.wrong-registrar')
    const unnamed = signVoucherRequest({ nonce, serialNumber: 'BL-0001' }, pledge, { format: 'cose' })
    expect(failureOf(() => ask({ bytes: unnamed }))).toBe('voucher.wrong-registrar')
    expect(ask({ bytes: unnamed, allowWithoutProximity: true }).proximity).toBeUndefined()
    const claims = signVoucherRequest({ assertion: 'proximity', nonce, serialNumber: 'BL-0001' }, pledge, { format: 'cose' })
    expect(failureOf(() => ask({ bytes: claims, allowWithoutProximity: true }))).toBe('voucher.wrong-registrar')
  })

  test('refuses one that names it and somebody else at once', () => {
    const { certificate } = domain.registrar
    const data = {
      assertion: 'proximity',
      nonce,
      serialNumber: 'BL-0001',
      proximityRegistrarPubk: new Certificate(certificate).spki,
    } as const
    const bytes = signVoucherRequest({ ...data, proximityRegistrarPubkSha256: new Uint8Array(32) }, pledge, { format: 'cose' })
    expect(failureOf(() => ask({ bytes }))).toBe('voucher.wrong-registrar')
  })

  test('refuses one without a nonce', () => {
    const bytes = signVoucherRequest({ assertion: 'proximity', serialNumber: 'BL-0001' }, pledge, { format: 'cose' })
    expect(failureOf(() => ask({ bytes }))).toBe('voucher.invalid')
  })

  test('says so where the certificate has no serial number, and takes one from where the maker keeps it', () => {
    const odd = makeParty({ name: 'CN=SN 77', issuer: maker.root })
    const data = { nonce, serialNumber: '77' }
    const bytes = signVoucherRequest(data, odd, { format: 'cose' })
    const pledgeChain = odd.chain
    expect(failureOf(() => ask({ bytes, pledgeChain, allowWithoutProximity: true }))).toBe('join.identity-missing')
    const request = ask({ bytes, pledgeChain, allowWithoutProximity: true, serialNumberOf: () => '77' })
    expect(request.serialNumber).toBe('77')
  })

  test('takes the published request with the published certificates (Appendix C.3)', () => {
    const request = checkPledgeRequest({
      bytes: vectorHex('pvr'),
      format: 'cose',
      pledgeChain: [vectorHex('pledge')],
      registrarCertificate: vectorHex('registrar'),
    })
    expect(request).toMatchObject({ serialNumber: 'JADA123456789', proximity: 'pubk' })
  })
})

describe('the registrar’s own request (constrained-voucher-31 §7.2, §9.2.1)', () => {
  test('carries assertion, nonce, serial number, idevid-issuer, the pledge’s request, and both chains beside the signature', () => {
    const request = ask()
    const own = readVoucherRequest(makeRegistrarRequest(request, { signer: domain.registrar, nowMs: NOW }), 'cose')
    expect(own.isSignedBy(new Certificate(domain.registrar.certificate).key)).toBe(true)
    expect(own.data).toEqual({
      assertion: 'proximity',
      createdOn: NOW,
      nonce,
      serialNumber: 'BL-0001',
      idevidIssuer: idevidIssuerOf(new Certificate(pledge.certificate)),
      priorSignedVoucherRequest: request.bytes,
    })
    expect(own.certificates).toEqual([...domain.registrar.chain, ...pledge.chain])
    expect(own.kid).toBeUndefined()
    const named = makeRegistrarRequest(request, { signer: domain.registrar, nowMs: NOW, kid: utf8('k') })
    expect(readVoucherRequest(named, 'cose').kid).toEqual(utf8('k'))
  })

  test('is in the format of the pledge’s (§7.1), and says nothing of proximity where the pledge did not', () => {
    const bytes = signVoucherRequest({ nonce, serialNumber: 'BL-0001' }, pledge, { format: 'cms' })
    const request = ask({ bytes, format: 'cms', allowWithoutProximity: true })
    const own = readVoucherRequest(makeRegistrarRequest(request, { signer: domain.registrar, nowMs: NOW }), 'cms')
    expect(own.data.assertion).toBeUndefined()
    expect(own.certificates.length).toBe(domain.registrar.chain.length)
  })

  test('names the issuer as the published one does (§6.3 of rfc8366bis)', () => {
    const published = readVoucherRequest(vectorHex('rvr'), 'cose').data.idevidIssuer ?? new Uint8Array(0)
    expect(published[0]).toBe(0x04)
    const made = idevidIssuerOf(new Certificate(pledge.certificate))
    expect(made.slice(0, 6)).toEqual(published.slice(0, 6))
    const withoutKeyId = makeParty({ name: 'CN=x', withoutKeyIds: true })
    const { spki } = new Certificate(withoutKeyId.certificate)
    const bits = asn1.bitStringBytes(asn1.elementsOf(asn1.readDer(spki))[1]!)
    expect(idevidIssuerOf(new Certificate(withoutKeyId.certificate)).slice(6)).toEqual(hash('sha1', bits))
    expect(sameIdevidIssuer(made, made.slice(2))).toBe(true)
    expect(sameIdevidIssuer(made, made.slice(6))).toBe(true)
    expect(sameIdevidIssuer(made, published)).toBe(false)
  })
})

const good: VoucherData = {
  assertion: 'proximity',
  createdOn: NOW - HOUR,
  serialNumber: 'BL-0001',
  nonce,
  pinnedDomainCert: domain.sub.certificate,
}
const nonceless: VoucherData = { ...without(good, 'nonce'), expiresOn: NOW + DAY, assertion: 'verified' }

function voucherOf(changes: Partial<VoucherData> = {}, signer = maker.signer): Uint8Array {
  return signVoucher({ ...good, ...changes }, signer, { format: 'cose', signedCertificates: signer.chain })
}

function without(data: VoucherData, ...fields: ReadonlyArray<keyof VoucherData>): VoucherData {
  return Object.fromEntries(Object.entries(data).filter(([name]) => !fields.some((field) => field === name))) as unknown as VoucherData
}

const expected: VoucherExpectation = {
  serialNumber: 'BL-0001',
  idevidIssuer: idevidIssuerOf(new Certificate(pledge.certificate)),
  nonce,
  registrarChain: domain.registrar.chain,
  anchors: [maker.root.certificate],
  signature: 'required',
  nowMs: NOW,
}

const judgement: Omit<VoucherJudgement, 'bytes'> = {
  format: 'cose',
  idevid: pledge.certificate,
  nonce,
  anchors: [maker.root.certificate],
  registrarChain: domain.registrar.chain,
  nowMs: NOW,
}

/** What both say of the same voucher: they must never differ on an attack. */
async function verdicts(
  bytes: Uint8Array,
  changes: Partial<VoucherExpectation & VoucherJudgement> = {},
): Promise<readonly [string, string]> {
  return [
    await rejectionOf(checkVoucher(bytes, 'cose', { ...expected, ...changes, nonce: expected.nonce })),
    await rejectionOf(judgeVoucher({ ...judgement, ...changes, nonce, bytes })),
  ]
}

const both = (code: string): readonly [string, string] => [code, code]

describe('registrar and pledge, of a voucher', () => {
  test('take one that is in order, and the pledge trusts what it pins', async () => {
    expect(await verdicts(voucherOf())).toEqual(both('none'))
    const { anchor, pinnedBy } = await judgeVoucher({ ...judgement, bytes: voucherOf() })
    expect([anchor, pinnedBy]).toEqual([domain.sub.certificate, 'cert'])
  })

  test.each<[string, Partial<VoucherData>]>([
    ['the registrar’s own certificate', { pinnedDomainCert: domain.registrar.certificate }],
    ['the site’s root', { pinnedDomainCert: domain.root.certificate }],
    ['an older certificate of the same key', { pinnedDomainCert: makeRegistrar(domain.root, { key: domain.registrar.key }).certificate }],
    ['the registrar’s key', { pinnedDomainPubk: new Certificate(domain.registrar.certificate).spki }],
    ['the hash of the registrar’s key', { pinnedDomainPubkSha256: hash('sha256', new Certificate(domain.registrar.certificate).spki) }],
  ])('take a pin of %s', async (_, pin) => {
    const data = { ...without(good, 'pinnedDomainCert'), ...pin }
    expect(await verdicts(signVoucher(data, maker.signer, { format: 'cose' }))).toEqual(both('none'))
  })

  const other = makeDomain('Somebody else')
  test.each<[string, Partial<VoucherData>]>([
    ['another owner’s CA', { pinnedDomainCert: other.root.certificate }],
    ['another owner’s CA of the same name', { pinnedDomainCert: makeDomain('Harbour House').sub.certificate }],
    ['another registrar’s key', { pinnedDomainPubk: new Certificate(other.registrar.certificate).spki }],
    ['a hash of nothing', { pinnedDomainPubkSha256: new Uint8Array(32) }],
    ['a certificate that is none', { pinnedDomainCert: utf8('x') }],
    ['the maker', { pinnedDomainCert: maker.root.certificate }],
    ['nobody', {}],
  ])('refuse a pin of %s', async (_, pin) => {
    const data = { ...without(good, 'pinnedDomainCert'), ...pin }
    expect(await verdicts(signVoucher(data, maker.signer, { format: 'cose' }))).toEqual(both('voucher.wrong-owner'))
  })

  test('refuse one that pins the right certificate and another key: one pin counts, in the order of rfc8366bis §8', async () => {
    const data = { ...good, pinnedDomainPubkSha256: new Uint8Array(32) }
    expect(await verdicts(signVoucher(data, maker.signer, { format: 'cose' }))).toEqual(both('voucher.wrong-owner'))
    // The pledge that named the registrar by certificate looks at that pin first.
    const preferring = judgeVoucher({ ...judgement, bytes: signVoucher(data, maker.signer, { format: 'cose' }), proximity: 'cert' })
    expect((await preferring).pinnedBy).toBe('cert')
  })

  test('refuse one for another serial number, and for a device of another issuer', async () => {
    expect(await verdicts(voucherOf({ serialNumber: 'BL-0002' }))).toEqual(both('voucher.wrong-device'))
    const elsewhere = idevidIssuerOf(new Certificate(domain.registrar.certificate))
    expect(await verdicts(voucherOf({ idevidIssuer: elsewhere }))).toEqual(both('voucher.wrong-device'))
    expect(await verdicts(voucherOf({ idevidIssuer: expected.idevidIssuer! }))).toEqual(both('none'))
  })

  test('refuse the answer to another request (replayed nonce)', async () => {
    expect(await verdicts(voucherOf({ nonce: nonceOf('old') }))).toEqual(both('voucher.wrong-nonce'))
    expect(await rejectionOf(checkVoucher(voucherOf(), 'cose', { ...expected, nonce: 'none' }))).toBe('voucher.wrong-nonce')
  })

  test('refuse one that has expired, and one from the future', async () => {
    expect(await verdicts(voucherOf({ expiresOn: NOW }))).toEqual(both('voucher.expired'))
    expect(await verdicts(voucherOf({ createdOn: NOW + 2 * DAY }))).toEqual(both('voucher.clock-wrong'))
  })

  test('refuse one of another maker, even of the same name', async () => {
    expect(await verdicts(voucherOf({}, makeMaker('Red Lamps').signer))).toEqual(both('voucher.signer-untrusted'))
    expect(await verdicts(voucherOf({}, makeMaker('Blue Lamps').signer))).toEqual(both('voucher.signer-untrusted'))
  })

  test('refuse one that a device of the same maker signed: its certificate leads to the same anchor', async () => {
    expect(await verdicts(voucherOf({}, maker.pledge('BL-6666')))).toEqual(both('voucher.signer-untrusted'))
    expect(await verdicts(voucherOf({}, pledge))).toEqual(both('voucher.signer-untrusted'))
    const makerless = { ...expected, anchors: [], signature: 'if-known' } as const
    expect(await rejectionOf(checkVoucher(voucherOf({}, pledge), 'cose', makerless))).toBe('voucher.signer-untrusted')
  })

  test('refuse one whose signer’s certificate has ended, or may not be below its issuer', async () => {
    const ended = makeParty({ name: 'CN=Old MASA', issuer: maker.root, notAfter: NOW - DAY })
    expect(await verdicts(voucherOf({}, ended))).toEqual(both('voucher.signer-untrusted'))
    const belowEntity = makeParty({ name: 'CN=Sub MASA', issuer: maker.signer })
    expect(await verdicts(voucherOf({}, belowEntity))).toEqual(both('voucher.signer-untrusted'))
  })

  test('refuse one with certificates of the true maker beside a false signature (x5bag games)', async () => {
    const forger = makeMaker('Forger')
    const payload = encodeCborData(good, VOUCHER)
    const bag = [...maker.signer.chain, ...forger.signer.chain]
    // The bag holds a path to the anchor, but not of the key that signed.
    expect(await verdicts(encodeCose(payload, { key: forger.signer.key, bag }))).toEqual(both('voucher.signer-untrusted'))
    const swapped = encodeCose(payload, { key: forger.signer.key, signedBag: maker.signer.chain })
    expect(await verdicts(swapped)).toEqual(both('voucher.signature-invalid'))
    const selfMade = makeParty({ name: 'CN=Blue Lamps root', isAuthority: true })
    expect(await verdicts(encodeCose(payload, { key: selfMade.key, bag: selfMade.chain }))).toEqual(both('voucher.signer-untrusted'))
  })

  test('take one with a bag full of rubbish where the signer is an anchor itself', async () => {
    const bytes = encodeCose(encodeCborData(good, VOUCHER), { key: maker.root.key, bag: [utf8('rubbish'), ...domain.root.chain] })
    expect(await verdicts(bytes)).toEqual(both('none'))
  })

  test('warn of what is good but weak', async () => {
    const unknownMaker = { ...expected, anchors: [], signature: 'if-known' } as const
    const { signer, warnings } = await checkVoucher(voucherOf({ assertion: 'logged' }), 'cose', unknownMaker)
    expect([signer, warnings]).toEqual(['unknown', ['signer-unknown', 'weak-assertion']])
    const long = await checkVoucher(voucherOf({ expiresOn: Date.UTC(2040, 0, 1) }), 'cose', expected)
    expect(long.warnings).toEqual(['outlives-pin'])
  })
})

describe('the pledge alone', () => {
  const later = signVoucher(nonceless, maker.signer, { format: 'cose', signedCertificates: maker.signer.chain })

  test('takes a voucher without a nonce only where it may, and has a clock to see its end', async () => {
    expect(await rejectionOf(judgeVoucher({ ...judgement, bytes: later }))).toBe('voucher.wrong-nonce')
    expect(await rejectionOf(judgeVoucher({ ...judgement, bytes: later, acceptNonceless: true }))).toBe('none')
    const clockless = Object.fromEntries(Object.entries(judgement).filter(([name]) => name !== 'nowMs')) as typeof judgement
    expect(await rejectionOf(judgeVoucher({ ...clockless, bytes: later, acceptNonceless: true }))).toBe('voucher.wrong-nonce')
    expect(await rejectionOf(judgeVoucher({ ...clockless, bytes: voucherOf() }))).toBe('none')
  })

  test('without a clock takes the times of signer and registrar, whatever else comes along', async () => {
    const clockless = Object.fromEntries(Object.entries(judgement).filter(([name]) => name !== 'nowMs')) as typeof judgement
    const future = makeParty({ name: 'CN=Tomorrow', notBefore: Date.UTC(2035, 0, 1), notAfter: Date.UTC(9999, 0, 1) })
    const signedCertificates = [...maker.signer.chain, future.certificate]
    const bytes = signVoucher(good, maker.signer, { format: 'cose', certificates: [], signedCertificates })
    const registrarChain = [...domain.registrar.chain, future.certificate]
    expect(await rejectionOf(judgeVoucher({ ...clockless, bytes, registrarChain }))).toBe('none')
    const late = Date.UTC(2040, 0, 1)
    expect(await rejectionOf(judgeVoucher({ ...judgement, bytes, registrarChain, nowMs: late }))).toBe('voucher.signer-untrusted')
  })

  test('refuses an assertion that is not enough for it', async () => {
    const strict = { ...judgement, acceptedAssertions: ['verified'] } as const
    expect(await rejectionOf(judgeVoucher({ ...strict, bytes: voucherOf() }))).toBe('voucher.assertion-refused')
    expect(await rejectionOf(judgeVoucher({ ...strict, bytes: voucherOf({ assertion: 'verified' }) }))).toBe('none')
  })

  test('accepts the published voucher from the published registrar (Appendix C.5)', async () => {
    const registrarChain = readVoucherRequest(vectorHex('rvr'), 'cose').certificates
    const published = {
      bytes: vectorHex('voucher'),
      format: 'cose',
      idevid: vectorHex('pledge'),
      nonce: Uint8Array.from([0x57, 0xee, 0xd7, 0x86, 0xad, 0x40, 0x49, 0x07]),
      anchors: [vectorHex('masa_ca')],
      registrarChain,
      nowMs: Date.UTC(2022, 11, 12),
    } as const
    expect((await judgeVoucher(published)).anchor).toEqual(registrarChain[1])
    expect(await rejectionOf(judgeVoucher({ ...published, anchors: [vectorHex('domain_ca')] }))).toBe('voucher.signature-invalid')
    expect(await rejectionOf(judgeVoucher({ ...published, registrarChain: domain.registrar.chain }))).toBe('voucher.wrong-owner')
  })
})

describe('birth certificates', () => {
  test('name their device by serialNumber, else by hardwareModuleName (RFC 8995 §2.3.1)', () => {
    const module = (serial: string) =>
      new Certificate(
        makeParty({ name: 'CN=x', extensions: [extensionOf.subjectAltName([{ kind: 'hardware', type: '1.3.6.1.4.1.1', serial }])] })
          .certificate,
      )
    expect(deviceSerialNumber(new Certificate(pledge.certificate))).toBe('BL-0001')
    expect(deviceSerialNumber(module('414243'))).toBe('ABC')
    expect(deviceSerialNumber(module('0011ff'))).toBe('0011ff')
    expect(deviceSerialNumber(new Certificate(domain.registrar.certificate))).toBeUndefined()
  })

  test('name the maker’s server; only HTTPS is asked (RFC 8995 §2.3.2)', () => {
    expect(masaUrlOf(new Certificate(pledge.certificate))).toBe('masa.example')
    expect(masaUrl('masa.example')).toBe('https://masa.example/.well-known/brski')
    expect(masaUrl('https://masa.example:8443/')).toBe('https://masa.example:8443/.well-known/brski')
    expect(masaUrl('https://masa.example/own/path/')).toBe('https://masa.example/own/path')
    for (const text of ['http://masa.example', 'ldap://x', 'https://u:p@x', 'https://x/?q=1', '', 'a b'])
      expect(failureOf(() => masaUrl(text))).toBe('voucher.masa-unknown')
  })
})
