// A maker's server without its network: to whom it gives vouchers, what it pins, what it logs, and whom it refuses.
import { describe, expect, test } from 'vitest'
import { equalBytes, sha256, toHex, utf8ToText } from '#main/base/index.ts'
import { asn1, buildName, Certificate, extensionOf, parseNameText, writeCertificate } from '#main/services/ra/index.ts'
import {
  checkPledgeRequest,
  createDeviceList,
  createMasa,
  decodeAuditLog,
  domainIdOf,
  idevidIssuerOf,
  judgeVoucher,
  makeNoncelessRequest,
  makePledgeRequest,
  makeRegistrarRequest,
  readVoucher,
  signVoucherRequest,
  VOUCHER_MEDIA_TYPES,
  voucherForPledge,
  type MasaAnswer,
  type MasaDevice,
  type MasaOptions,
  type MasaQuestion,
  type VoucherFormat,
} from '#main/services/join/index.ts'
import { VirtualClock } from '../../../support/virtual-clock.ts'
import { makeDomain, makeMaker, makeParty, makeRegistrar, nonceOf, type Domain, type Party } from '../../../masa/pki.ts'

const maker = makeMaker('Blue Lamps')
const ours = makeDomain('Harbour House')
const theirs = makeDomain('Somebody')
const pledge = maker.pledge('BL-1')
const ownerKey = (party: Party): string => toHex(sha256(new Certificate(party.certificate).spki))

function open(devices: readonly MasaDevice[] = [{ serialNumber: 'BL-1' }], options: Partial<MasaOptions> = {}) {
  const clock = new VirtualClock()
  const { key, chain } = maker.signer
  const list = createDeviceList(devices)
  const masa = createMasa({ key, chain, deviceAnchors: [maker.root.certificate], devices: list, ownership: 'first', clock, ...options })
  const ask = (body: Uint8Array, changes: Partial<MasaQuestion> = {}): Promise<MasaAnswer> =>
    masa.answer({ operation: 'requestvoucher', contentType: VOUCHER_MEDIA_TYPES.cose, accept: VOUCHER_MEDIA_TYPES.cose, body, ...changes })
  return { clock, list, ask }
}

const nonce = nonceOf('n1')

function pledgeRequest(domain: Domain, format: VoucherFormat = 'cose', own = nonce) {
  const registrarCertificate = domain.registrar.certificate
  const bytes = makePledgeRequest(pledge, { format, nonce: own, registrarCertificate })
  return checkPledgeRequest({ bytes, format, pledgeChain: pledge.chain, registrarCertificate })
}

function registrarRequest(domain: Domain, clock: VirtualClock, format: VoucherFormat = 'cose', own = nonce): Uint8Array {
  return makeRegistrarRequest(pledgeRequest(domain, format, own), { signer: domain.registrar, nowMs: clock.now() })
}

function noncelessRequest(domain: Domain, clock: VirtualClock, previous?: Uint8Array): Uint8Array {
  const idevidIssuer = idevidIssuerOf(new Certificate(pledge.certificate))
  const wish = { serialNumber: 'BL-1', idevidIssuer, format: 'cose', ...(previous === undefined ? {} : { previous }) } as const
  return makeNoncelessRequest(wish, { signer: domain.registrar, nowMs: clock.now() })
}

const wordsOf = ({ status, body }: MasaAnswer): string => `${status} ${utf8ToText(body) ?? ''}`

describe('a voucher with a nonce', () => {
  test.each(['cose', 'cms'] as const)(
    'in %s: the pledge believes it, and it pins the lowest authority (constrained-voucher-31 §8.2)',
    async (format) => {
      const { ask, clock } = open()
      const contentType = VOUCHER_MEDIA_TYPES[format]
      const answer = await ask(registrarRequest(ours, clock, format), { contentType, accept: contentType })
      expect([answer.status, answer.contentType]).toEqual([200, contentType])
      const { data } = await judgeVoucher({
        bytes: voucherForPledge(answer.body, format),
        format,
        idevid: pledge.certificate,
        nonce,
        anchors: [maker.root.certificate],
        registrarChain: ours.registrar.chain,
        nowMs: clock.now(),
      })
      expect(data).toEqual({
        assertion: 'proximity',
        createdOn: clock.now(),
        domainCertRevocationChecks: false,
        nonce,
        pinnedDomainCert: ours.sub.certificate,
        serialNumber: 'BL-1',
      })
    },
  )

  test('pins the registrar’s key for a device that reads keys alone (§8.3)', async () => {
    for (const pin of ['pubk', 'pubk-sha256'] as const) {
      const { ask, clock } = open([{ serialNumber: 'BL-1', pin }])
      const { data } = readVoucher((await ask(registrarRequest(ours, clock))).body, 'cose')
      const { spki } = new Certificate(ours.registrar.certificate)
      expect(data.pinnedDomainPubk ?? data.pinnedDomainPubkSha256).toEqual(pin === 'pubk' ? spki : sha256(spki))
      expect(data.pinnedDomainCert).toBeUndefined()
    }
  })

  test('names the issuer where serial numbers are not unique (rfc8366bis §6.2), and tells the devices apart by it', async () => {
    const issuer = idevidIssuerOf(new Certificate(pledge.certificate))
    const elsewhere = idevidIssuerOf(new Certificate(ours.sub.certificate))
    const { ask, clock } = open([
      { serialNumber: 'BL-1', idevidIssuer: elsewhere, blocked: true },
      { serialNumber: 'BL-1', idevidIssuer: issuer },
    ])
    const answer = await ask(registrarRequest(ours, clock))
    expect(equalBytes(readVoucher(answer.body, 'cose').data.idevidIssuer ?? new Uint8Array(0), issuer)).toBe(true)
  })

  test('takes a registrar whose certificate signs itself (constrained-voucher-31 §14.4)', async () => {
    const { ask, clock } = open()
    const purposes = extensionOf.extendedKeyUsage([asn1.Oid.cmcRa])
    const lone = makeParty({ name: 'CN=Lone', extensions: [purposes] })
    const answer = await ask(registrarRequest({ root: lone, sub: lone, registrar: lone }, clock))
    expect(readVoucher(answer.body, 'cose').data.pinnedDomainCert).toEqual(lone.certificate)
  })
})

describe('whom it refuses', () => {
  test('everybody, for a device that it did not make, or blocks', async () => {
    const { ask, clock } = open([])
    expect(wordsOf(await ask(registrarRequest(ours, clock)))).toMatch(/^404 .*not known/)
    const blocked = open([{ serialNumber: 'BL-1', blocked: true }])
    expect(wordsOf(await blocked.ask(registrarRequest(ours, blocked.clock)))).toMatch(/^403 No vouchers/)
  })

  test('the second owner, where the first keeps the device; none where anybody may', async () => {
    const { ask, clock } = open()
    expect((await ask(registrarRequest(ours, clock))).status).toBe(200)
    expect(wordsOf(await ask(registrarRequest(theirs, clock)))).toMatch(/^403 This device belongs to somebody else/)
    expect((await ask(registrarRequest(ours, clock))).status).toBe(200)
    const free = open(undefined, { ownership: 'anyone' })
    expect((await free.ask(registrarRequest(ours, free.clock))).status).toBe(200)
    expect((await free.ask(registrarRequest(theirs, free.clock))).status).toBe(200)
  })

  test('whoever is not in the sales list, in spite of a forged subject key identifier', async () => {
    const { ask, clock } = open([{ serialNumber: 'BL-1', owner: ownerKey(ours.root) }], { ownership: 'sales' })
    const { subjectKeyId } = new Certificate(ours.root.certificate)
    const forged = { id: asn1.Oid.subjectKeyIdentifier, critical: false, value: asn1.octetString(subjectKeyId!) }
    const root = makeParty({ name: 'CN=Harbour House root', isAuthority: true, withoutKeyIds: true, extensions: [forged] })
    expect(domainIdOf(new Certificate(root.certificate))).toEqual(subjectKeyId)
    const registrar = makeRegistrar(root, { withoutKeyIds: true })
    expect(wordsOf(await ask(registrarRequest({ root, sub: root, registrar }, clock)))).toMatch(/^403 This device belongs/)
    expect((await ask(registrarRequest(ours, clock))).status).toBe(200)
  })

  test('a signer that its domain did not make a registrar (RFC 8995 §5.5.4)', async () => {
    const { ask, clock } = open()
    const registrar = makeParty({ name: 'CN=LDevID', issuer: ours.sub })
    expect(wordsOf(await ask(registrarRequest({ ...ours, registrar }, clock)))).toMatch(/^403 .*id-kp-cmcRA/)
  })

  test('a registrar whose chain does not hold, or has ended', async () => {
    const { ask, clock } = open()
    const ended = makeRegistrar(ours.sub, { notAfter: clock.now() - 1 })
    expect(wordsOf(await ask(registrarRequest({ ...ours, registrar: ended }, clock)))).toMatch(/^403 The chain/)
    const below = makeRegistrar(ours.registrar)
    expect(wordsOf(await ask(registrarRequest({ ...ours, registrar: below }, clock)))).toMatch(/^403 The chain/)
  })

  test('a request that was changed, or that somebody else signed', async () => {
    const { ask, clock } = open()
    const bytes = registrarRequest(ours, clock)
    const changed = bytes.slice()
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    expect(wordsOf(await ask(changed))).toMatch(/^403 None of the certificates/)
  })

  test('a pledge’s request that a device of somebody else signed', async () => {
    const { ask, clock } = open()
    const foreign = makeMaker('Red').pledge('BL-1')
    const registrarCertificate = ours.registrar.certificate
    const bytes = makePledgeRequest(foreign, { format: 'cose', nonce, registrarCertificate })
    const request = checkPledgeRequest({ bytes, format: 'cose', pledgeChain: foreign.chain, registrarCertificate })
    expect(wordsOf(await ask(makeRegistrarRequest(request, { signer: ours.registrar, nowMs: clock.now() })))).toMatch(
      /^403 The pledge is none of ours/,
    )
  })

  test('a registrar in whose name the pledge’s request was not made: it copied somebody else’s', async () => {
    const { ask, clock } = open()
    const stolen = makeRegistrarRequest(pledgeRequest(theirs), { signer: ours.registrar, nowMs: clock.now() })
    expect(wordsOf(await ask(stolen))).toMatch(/^403 The pledge is connected to another registrar/)
  })

  test('a serial number, issuer or nonce that is not that of the pledge', async () => {
    const { ask, clock } = open([{ serialNumber: 'BL-1' }, { serialNumber: 'BL-2' }])
    const request = pledgeRequest(ours)
    const lie = async (changes: Record<string, unknown>): Promise<string> => {
      const { idevidIssuer, serialNumber } = request
      const data = { createdOn: clock.now(), nonce, serialNumber, idevidIssuer, priorSignedVoucherRequest: request.bytes, ...changes }
      return wordsOf(
        await ask(signVoucherRequest(data, ours.registrar, { format: 'cose', certificates: [...ours.registrar.chain, ...pledge.chain] })),
      )
    }
    expect(await lie({})).toMatch(/^200/)
    expect(await lie({ serialNumber: 'BL-2' })).toMatch(/^403 .*different serial numbers/)
    expect(await lie({ nonce: nonceOf('mine') })).toMatch(/^403 The nonce/)
    expect(await lie({ idevidIssuer: idevidIssuerOf(new Certificate(ours.root.certificate)) })).toMatch(/^403 .*another issuer/)
    expect(await lie({ priorSignedVoucherRequest: new Uint8Array(3) })).toMatch(/^400/)
  })

  test('one who only claims a device: neither it nor sales say so', async () => {
    const { ask, clock } = open()
    const bare = signVoucherRequest({ createdOn: clock.now(), nonce, serialNumber: 'BL-1' }, ours.registrar, { format: 'cose' })
    expect(wordsOf(await ask(bare))).toMatch(/^403 Neither/)
    expect(wordsOf(await ask(noncelessRequest(ours, clock)))).toMatch(/^403 Vouchers without a nonce/)
  })

  test('kinds that it does not speak (415, 406), and rubbish (400)', async () => {
    const { ask, clock } = open()
    const bytes = registrarRequest(ours, clock)
    expect((await ask(bytes, { contentType: 'application/voucher-jws+json' })).status).toBe(415)
    expect((await ask(bytes, { accept: 'application/voucher-cms+json' })).status).toBe(406)
    expect((await ask(bytes, { accept: '' })).status).toBe(200)
    expect((await ask(bytes, { accept: 'text/html, */*;q=0.1' })).status).toBe(200)
    expect((await ask(new Uint8Array(10))).status).toBe(400)
    expect((await ask(bytes, { contentType: VOUCHER_MEDIA_TYPES.cms })).status).not.toBe(200)
  })
})

describe('a voucher without a nonce', () => {
  test('is for known owners, pins the highest authority, and ends before what it pins', async () => {
    const { ask, clock } = open([{ serialNumber: 'BL-1', owner: ownerKey(ours.root) }], { ownership: 'sales' })
    const { data } = readVoucher((await ask(noncelessRequest(ours, clock))).body, 'cose')
    expect(data).toMatchObject({ assertion: 'verified', pinnedDomainCert: ours.root.certificate, expiresOn: clock.now() + 14 * 86_400_000 })
    expect(data.nonce).toBeUndefined()
    expect(data.lastRenewalDate ?? 0).toBeGreaterThan(data.expiresOn ?? 0)
    clock.jumpWallClock(Date.UTC(2035, 11, 31) - clock.now())
    const late = readVoucher((await ask(noncelessRequest(ours, clock))).body, 'cose').data
    expect(late.expiresOn).toBe(new Certificate(ours.root.certificate).notAfter)
  })

  test('is renewed with the old one inside the request (rfc8366bis §10.1), for its owner alone', async () => {
    const { ask, clock } = open([{ serialNumber: 'BL-1', owner: ownerKey(ours.root) }], { ownership: 'sales' })
    const first = (await ask(noncelessRequest(ours, clock))).body
    clock.jumpWallClock(10 * 86_400_000)
    const second = readVoucher((await ask(noncelessRequest(ours, clock, first))).body, 'cose').data
    expect(second.expiresOn).toBe(clock.now() + 14 * 86_400_000)
    expect((await ask(noncelessRequest(theirs, clock, first))).status).toBe(403)
  })
})

describe('the log (RFC 8995 §5.8)', () => {
  test('shows each owner once for each kind, newest first, to those who ever owned the device', async () => {
    const { ask, clock } = open(undefined, { ownership: 'anyone' })
    const json = { operation: 'requestauditlog', accept: 'application/json' } as const
    await ask(registrarRequest(ours, clock))
    await clock.advance(1000)
    await ask(registrarRequest(theirs, clock, 'cose', nonceOf('n2')))
    await clock.advance(1000)
    await ask(registrarRequest(ours, clock, 'cose', nonceOf('n3')))
    const answer = await ask(registrarRequest(ours, clock), json)
    expect(answer.contentType).toBe('application/json')
    const log = decodeAuditLog(answer.body)
    expect(log.events.map(({ domainId, assertion, truncated }) => [domainId, assertion, truncated])).toEqual([
      [toHex(domainIdOf(new Certificate(ours.sub.certificate))), 'proximity', 1],
      [toHex(domainIdOf(new Certificate(theirs.sub.certificate))), 'proximity', 0],
    ])
    expect(log.truncation).toEqual({ nonced: 1, nonceless: 0, arbitrary: 0 })
    const stranger = makeDomain('Stranger')
    expect((await ask(registrarRequest(stranger, clock), json)).status).toBe(404)
  })

  test('is read as the RFC’s example writes it, numbers as texts (Figure 18)', () => {
    const text = `{"version":"1","events":[{"date":"2019-05-15T17:25:55.644-04:00","domainID":"BduJhdHPpfhQLyponf48JzXSGZ8=",
      "nonce":"VOUFT-WwrEv0NuAQEHoV7Q","assertion":"proximity","truncated":"0"},{"date":"2017-05-15T17:25:55.644-04:00",
      "domainID":"BduJhdHPpfhQLyponf48JzXSGZ8=","nonce":null,"assertion":"logged"}],
      "truncation":{"nonced duplicates":"0","nonceless duplicates":"1","arbitrary":"2"}}`
    const log = decodeAuditLog(new TextEncoder().encode(text))
    expect(log).toEqual({
      version: 1,
      events: [
        {
          atMs: Date.UTC(2019, 4, 15, 21, 25, 55, 644),
          domainId: '05db8985d1cfa5f8502f2a689dfe3c2735d2199f',
          nonce: 'VOUFT-WwrEv0NuAQEHoV7Q',
          assertion: 'proximity',
          truncated: 0,
        },
        {
          atMs: Date.UTC(2017, 4, 15, 21, 25, 55, 644),
          domainId: '05db8985d1cfa5f8502f2a689dfe3c2735d2199f',
          nonce: undefined,
          assertion: 'logged',
          truncated: 0,
        },
      ],
      truncation: { nonced: 0, nonceless: 1, arbitrary: 2 },
    })
  })
})

test('a device certificate is no issuer, even where its key signed the registrar’s', async () => {
  const { ask, clock } = open()
  const subject = buildName(parseNameText('CN=Registrar') ?? [])
  const device = new Certificate(pledge.certificate)
  const key = ours.registrar.key
  const certificate = writeCertificate(
    {
      serial: Uint8Array.of(9),
      issuer: device.subject,
      subject,
      notBefore: clock.now() - 1000,
      notAfter: clock.now() + 1000,
      spki: key.spki,
      extensions: [extensionOf.extendedKeyUsage([asn1.Oid.cmcRa])],
    },
    pledge.key,
  )
  const registrar: Party = { key, certificate, subject, chain: [certificate, ...pledge.chain] }
  const answer = await ask(registrarRequest({ root: registrar, sub: registrar, registrar }, clock))
  // Its own certificate is all that is left of the chain: that one is pinned, and nothing above it.
  expect(readVoucher(answer.body, 'cose').data.pinnedDomainCert).toEqual(certificate)
})
