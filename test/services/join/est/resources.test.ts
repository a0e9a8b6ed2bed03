// EST over CoAP over real DTLS: operations, formats, answers and who may what (RFC 9148 §4, constrained-voucher §6.7.5, §6.8).
import { ContentInfo, EnvelopedData, Certificate as PkijsCertificate } from 'pkijs'
import { describe, expect, it } from 'vitest'
import { exportSigningKey, generateSigningKey, importSigningKey, sha256, toHex, utf8ToText, type SigningKey } from '#main/base/index.ts'
import {
  decodeMultipart,
  EstFormat,
  readCertificates,
  readCertificatesOnly,
  readCsrAttributes,
  writeRequest,
  type RequestPlan,
} from '#main/services/join/index.ts'
import { DEVICE_PROFILE, extensionOf, nameText } from '#main/services/ra/index.ts'
import { findUint, OptionNumber, type ClientRequest, type ClientResponse, type CoapEndpoint } from '#main/wire/coap/index.ts'
import { nameOf, type Issued } from '../../ra/harness.ts'
import { certificateOf, COAPS, openHouse, type House, type HouseOptions } from '../registrar/house.ts'

interface Bench {
  readonly house: House
  readonly device: Issued
  readonly client: CoapEndpoint
  readonly ask: (request: Partial<ClientRequest> & Pick<ClientRequest, 'path'>) => Promise<ClientResponse>
  readonly enrol: (csr: Uint8Array, path?: readonly string[], accept?: number) => Promise<ClientResponse>
}

async function bench(options: HouseOptions = {}): Promise<Bench> {
  const house = await openHouse(options)
  const device = house.device('LW-1')
  return benchOf(house, device)
}

function benchOf(house: House, device: Issued): Bench {
  const client = house.client(certificateOf(device))
  const ask: Bench['ask'] = (request) => house.drive(client.request(COAPS, { method: 'GET', ...request }, { cache: 'bypass' }))
  return {
    house,
    device,
    client,
    ask,
    enrol: (payload, path = ['est', 'sen'], accept) =>
      ask({ method: 'POST', path, payload, contentFormat: EstFormat.PKCS10, ...(accept === undefined ? {} : { accept }) }),
  }
}

const csrOf = (device: Issued, plan: Partial<RequestPlan> = {}, key: SigningKey = generateSigningKey('P-256')): Uint8Array =>
  writeRequest({ subject: device.certificate.subject, ...plan }, key)

describe('/crts', () => {
  it('gives all CA certificates in certs-only where nothing else is asked for (§4.3), with an entity-tag (constrained-voucher §6.7.2)', async () => {
    const { ask, house } = await bench()
    const { code, contentFormat, payload, options } = await ask({ path: ['.well-known', 'est', 'crts'] })
    expect([code, contentFormat]).toEqual(['2.05', EstFormat.CERTS_ONLY])
    expect(readCertificatesOnly(payload).map(({ bytes }) => bytes)).toEqual([house.site.ca.active.certificate.bytes])
    const tag = options.find(({ number }) => number === OptionNumber.ETAG)
    const again = await ask({ path: ['est', 'crts'], options: [tag!] })
    expect([again.code, again.payload.length]).toEqual(['2.03', 0])
  })

  it('gives the one issuer as a single certificate (§6.8), and a collection in the order of the hierarchy with the links after a roll-over', async () => {
    const { ask, house } = await bench()
    await house.site.ca.rollOver({ algorithm: 'P-256' }, 'test')
    const { active } = house.site.ca
    expect((await ask({ path: ['est', 'crts'], accept: EstFormat.PKIX_CERT })).payload).toEqual(active.certificate.bytes)
    const collection = await ask({ path: ['est', 'crts'], accept: EstFormat.MULTIPART })
    expect(collection.contentFormat).toBe(EstFormat.MULTIPART)
    expect(decodeMultipart(collection.payload)).toEqual(
      [active.certificate.bytes, active.record.links!.newWithOld, active.record.links!.oldWithNew].map((bytes) => ({
        contentFormat: 287,
        bytes,
      })),
    )
    expect(house.story().filter((step) => step.startsWith('anchors'))).toEqual(['anchors+'])
  })

  it.each([512, 1024, 2048] as const)(
    'fits the records that a client takes, here of %i bytes, though it asks for no blocks (constrained-voucher §6.1.4)',
    async (maxFragmentBytes) => {
      const { device, house } = await bench()
      await house.site.ca.rollOver({ algorithm: 'P-256' }, 'test')
      const client = house.client({ ...certificateOf(device), maxFragmentBytes })
      const { code, payload } = await house.drive(
        client.request(COAPS, { method: 'GET', path: ['est', 'crts'], accept: EstFormat.MULTIPART }),
      )
      expect([code, decodeMultipart(payload).length]).toEqual(['2.05', 3])
    },
  )

  it('refuses formats and methods that are not spoken', async () => {
    const { ask } = await bench()
    expect((await ask({ path: ['est', 'crts'], accept: 50 })).code).toBe('4.06')
    expect((await ask({ method: 'POST', path: ['est', 'crts'] })).code).toBe('4.05')
    expect((await ask({ path: ['est', 'fullcmc'] })).code).toBe('4.04')
    expect((await ask({ path: ['est', 'no-such-label', 'crts'] })).code).toBe('4.04')
  })
})

describe('discovery', () => {
  it('lists what there is by resource type (§4.1, constrained-voucher Appendix E)', async () => {
    const { ask } = await bench()
    const links = async (rt: string): Promise<string> =>
      utf8ToText((await ask({ path: ['.well-known', 'core'], query: [`rt=${rt}`] })).payload) ?? ''
    expect((await links('ace.est*')).split(',')).toEqual([
      '</est>;rt="ace.est"',
      '</est/crts>;rt="ace.est.crts";ct="281 287 62"',
      '</est/sen>;rt="ace.est.sen";ct="281 287"',
      '</est/sren>;rt="ace.est.sren";ct="281 287"',
      '</est/att>;rt="ace.est.att";ct=285',
      '</est/skg>;rt="ace.est.skg";ct=62',
      '</est/skc>;rt="ace.est.skc";ct=62',
    ])
    expect((await links('brski*')).split(',')).toEqual([
      '</b>;rt="brski"',
      '</b/rv>;rt="brski.rv";ct=836',
      '</b/vs>;rt="brski.vs";ct="50 60"',
      '</b/es>;rt="brski.es";ct="50 60"',
    ])
    expect(await links('brski')).toBe('</b>;rt="brski"')
  })
})

describe('/sen', () => {
  it.each([
    ['certs-only unless asked', undefined, EstFormat.CERTS_ONLY],
    ['certs-only', EstFormat.CERTS_ONLY, EstFormat.CERTS_ONLY],
    ['a single certificate', EstFormat.PKIX_CERT, EstFormat.PKIX_CERT],
  ])('enrols by the birth certificate and answers with %s', async (_, accept, contentFormat) => {
    const { enrol, device, house } = await bench()
    const key = generateSigningKey('P-256')
    const response = await enrol(csrOf(device, {}, key), ['.well-known', 'est', 'sen'], accept)
    expect([response.code, response.contentFormat]).toEqual(['2.04', contentFormat])
    const [certificate] = readCertificates(response.contentFormat, response.payload)
    expect(certificate?.spki).toEqual(key.spki)
    expect(certificate?.isIssuedBy(house.site.ca.active.certificate)).toBe(true)
  })

  it('answers the same request with the same certificate, however often it comes', async () => {
    const { enrol, device, house } = await bench()
    const csr = csrOf(device)
    const first = await enrol(csr)
    const second = await enrol(csr)
    expect(second.payload).toEqual(first.payload)
    expect(house.site.desk.certificates({ limit: 10 }).filter(({ profile }) => profile === 'device').length).toBe(1)
  })

  it('enrols under the profile that the label names', async () => {
    const short = { ...DEVICE_PROFILE, name: 'short', lifetimeS: 86_400 }
    const { enrol, device, house } = await bench({ ra: { settings: { profiles: [DEVICE_PROFILE, short] } } })
    const [certificate] = readCertificatesOnly((await enrol(csrOf(device), ['est', 'short', 'sen'])).payload)
    expect(certificate!.notAfter - certificate!.notBefore).toBe(86_400_000)
    expect(house.site.store.certificate(toHex(certificate!.serial))?.profile).toBe('short')
  })

  it('waits for approval with 5.03 and Max-Age; the same request gets the certificate once somebody has approved (§4.7)', async () => {
    const { enrol, device, house } = await bench({ ra: { settings: { policy: { mode: 'manual' }, checkAfterS: 45 } } })
    const csr = csrOf(device)
    const first = await enrol(csr)
    expect([first.code, findUint(first.options, OptionNumber.MAX_AGE)]).toEqual(['5.03', 45])
    expect((await enrol(csr)).code).toBe('5.03')
    const [pending, ...more] = house.site.desk.pending()
    expect(more).toEqual([])
    expect(pending).toMatchObject({ subject: 'CN=lamp LW-1, serialNumber=LW-1', kind: 'p10cr', keyType: 'P-256' })
    expect(pending!.keyFingerprint).toHaveLength(64)
    expect(await house.site.desk.approve([pending!.id], 'anna')).toMatchObject([{ ok: true }])
    const got = await enrol(csr, ['est', 'sen'], EstFormat.PKIX_CERT)
    expect(got.code).toBe('2.04')
    const record = house.site.desk.certificates({ limit: 5 }).find(({ profile }) => profile === 'device')!
    expect([record.state, record.der]).toEqual(['valid', got.payload])
    expect(house.site.desk.history(record.serial).map(({ event, actor }) => `${event} ${actor}`)).toEqual([
      'approved anna',
      `issued ${record.requester.name}`,
      `confirmed ${record.requester.name}`,
    ])
    expect(house.story().filter((step) => step.startsWith('certificate'))).toEqual(['certificate? join.awaits-approval', 'certificate+'])
  })

  it('is refused with the reason once somebody has denied it, and a newer request takes the place of a waiting one', async () => {
    const { enrol, device, house } = await bench({ ra: { settings: { policy: { mode: 'manual' } } } })
    const [first, second] = [csrOf(device), csrOf(device)]
    await enrol(first)
    await enrol(second)
    const [pending, ...more] = house.site.desk.pending()
    expect(more).toEqual([])
    house.site.desk.deny([pending!.id], 'not ordered', 'anna')
    const denied = await enrol(second)
    expect([denied.code, utf8ToText(denied.payload)]).toEqual(['4.03', 'not ordered'])
    expect(utf8ToText((await enrol(first)).payload)).toContain('superseded')
    expect(house.story().at(-1)).toBe('certificate- join.enrolment-refused')
  })

  it('is refused where the policy lets nobody in, and lapses where nobody decides in time', async () => {
    const { enrol, device, house } = await bench({ ra: { settings: { policy: { mode: 'manual' }, approvalWaitS: 3600 } } })
    const csr = csrOf(device)
    expect((await enrol(csr)).code).toBe('5.03')
    await house.clock.advance(3_700_000)
    expect(house.site.desk.pending()).toEqual([])
    // The device still waits: its request is taken up anew.
    expect((await enrol(csr)).code).toBe('5.03')
    expect(house.site.desk.pending().length).toBe(1)
    house.site.authority.configure({ policy: { mode: 'deny' } })
    const other = house.device('LW-77')
    expect((await benchOf(house, other).enrol(csrOf(other))).code).toBe('4.03')
  })

  it('grants the names that the device list knows, and none else', async () => {
    const { enrol, device, house } = await bench()
    await house.site.desk.preRegister([{ reference: 'lamp-7', identities: ['LW-1'], names: ['lamp-7.hall'], deviceId: 'device-7' }], 'test')
    const [listed] = readCertificatesOnly((await enrol(csrOf(device, { subject: nameOf('CN=lamp-7.hall') }))).payload)
    expect(house.site.store.certificate(toHex(listed!.serial))).toMatchObject({ deviceId: 'device-7', reference: 'lamp-7' })
    const foreign = await enrol(csrOf(device, { subject: nameOf('CN=lamp-8.hall') }))
    expect([foreign.code, utf8ToText(foreign.payload)]).toEqual(['4.03', 'The name lamp-8.hall does not belong to the requester'])
  })

  it('refuses what is no request, too large, of another format, or for another kind of answer', async () => {
    const { ask, enrol, device } = await bench()
    expect((await enrol(Uint8Array.of(1, 2, 3))).code).toBe('4.00')
    expect((await enrol(new Uint8Array(8193))).code).toBe('4.13')
    expect((await enrol(csrOf(device), ['est', 'sen'], 62)).code).toBe('4.06')
    expect((await ask({ method: 'POST', path: ['est', 'sen'], payload: csrOf(device), contentFormat: 42 })).code).toBe('4.15')
    expect((await ask({ method: 'POST', path: ['est', 'sen'], payload: csrOf(device) })).code).toBe('4.15')
  })

  it('refuses a key that the device has shown already, a broken signature, and the wish to be an authority', async () => {
    const { enrol, device } = await bench()
    expect((await enrol(csrOf(device, {}, device.key))).code).toBe('4.00')
    const broken = csrOf(device)
    broken[broken.length - 5]! ^= 1
    expect((await enrol(broken)).code).toBe('4.00')
    expect((await enrol(csrOf(device, { extensions: [extensionOf.basicConstraints(true)] }))).code).toBe('4.03')
  })
})

describe('/sren', () => {
  async function enrolled(options: HouseOptions = {}): Promise<{ readonly first: Bench; readonly member: Bench; readonly own: Issued }> {
    const first = await bench(options)
    const key = generateSigningKey('P-256')
    const [certificate] = readCertificatesOnly((await first.enrol(csrOf(first.device, {}, key))).payload)
    const own: Issued = { key, certificate: certificate!, chain: [] }
    return { first, own, member: benchOf(first.house, own) }
  }

  it('renews the own name by the own certificate; the old one holds until the new one is shown', async () => {
    const { member, own, first } = await enrolled()
    const { store } = first.house.site
    const key = generateSigningKey('P-256')
    const [next] = readCertificatesOnly((await member.enrol(csrOf(own, {}, key), ['est', 'sren'])).payload)
    expect(nameText(next!.subject)).toBe(nameText(own.certificate.subject))
    expect(store.certificate(toHex(own.certificate.serial))).toMatchObject({ state: 'valid', replacedBy: undefined })
    await benchOf(first.house, { key, certificate: next!, chain: [] }).ask({ path: ['est', 'crts'] })
    expect(store.certificate(toHex(own.certificate.serial))).toMatchObject({ state: 'revoked', replacedBy: toHex(next!.serial) })
    // Also within the session that stands.
    expect((await member.ask({ path: ['est', 'crts'] })).code).toBe('4.01')
  })

  it('takes a successor back that was never used, where the device asks once more', async () => {
    const { member, own, first } = await enrolled()
    const [lost] = readCertificatesOnly((await member.enrol(csrOf(own), ['est', 'sren'])).payload)
    const [next] = readCertificatesOnly((await member.enrol(csrOf(own), ['est', 'sren'])).payload)
    const { store } = first.house.site
    expect(store.certificate(toHex(lost!.serial))).toMatchObject({ state: 'revoked', reason: 'superseded' })
    expect(store.certificate(toHex(next!.serial))).toMatchObject({ state: 'valid', replaces: toHex(own.certificate.serial) })
  })

  it('refuses another name, the same key, and whoever has no certificate of this site', async () => {
    const { member, own, first } = await enrolled()
    expect((await member.enrol(csrOf(own, { subject: nameOf('CN=somebody') }), ['est', 'sren'])).code).toBe('4.03')
    expect((await member.enrol(csrOf(own, {}, own.key), ['est', 'sren'])).code).toBe('4.00')
    expect((await first.enrol(csrOf(first.device), ['est', 'sren'])).code).toBe('4.03')
  })
})

describe('/skg and /skc', () => {
  it.each([
    ['skg', EstFormat.CERTS_ONLY],
    ['skc', EstFormat.PKIX_CERT],
  ])('/%s makes a key for the device (§4.8, Table 3); key and signature of the request do not count', async (name, format) => {
    const { enrol, device } = await bench()
    const request = csrOf(device, {}, device.key)
    request[request.length - 1]! ^= 1
    const response = await enrol(request, ['est', name])
    expect([response.code, response.contentFormat]).toEqual(['2.04', EstFormat.MULTIPART])
    const [keyPart, certificatePart] = decodeMultipart(response.payload)
    expect([keyPart?.contentFormat, certificatePart?.contentFormat]).toEqual([EstFormat.PKCS8, format])
    const [certificate] = readCertificates(format, certificatePart!.bytes)
    expect(importSigningKey(keyPart!.bytes).spki).toEqual(certificate?.spki)
    expect(certificate?.spki).not.toEqual(device.certificate.spki)
    // The answer was lost: the same once more, for a while.
    expect(toHex(sha256((await enrol(request, ['est', name])).payload))).toBe(toHex(sha256(response.payload)))
  })

  it('keeps the key while the request waits for approval', async () => {
    const { enrol, device, house } = await bench({ ra: { settings: { policy: { mode: 'manual' } } } })
    const request = csrOf(device)
    expect((await enrol(request, ['est', 'skg'])).code).toBe('5.03')
    await house.site.desk.approve(
      house.site.desk.pending().map(({ id }) => id),
      'anna',
    )
    expect((await enrol(request, ['est', 'skg'])).code).toBe('2.04')
  })

  it('never gives a key in clear that is wanted wrapped for a key that is not known (RFC 7030 §4.4.1)', async () => {
    const { enrol, device, house } = await bench()
    expect((await enrol(csrOf(device, { wrapFor: Uint8Array.of(1, 2, 3) }), ['est', 'skg'])).code).toBe('4.00')
    expect(house.site.desk.certificates({ limit: 10 }).filter(({ profile }) => profile === 'device')).toEqual([])
  })

  it('wraps the key for the certificate that the device has shown, by the algorithms that it names (RFC 7030 §4.4.2)', async () => {
    const { enrol, device, house } = await bench()
    const key = generateSigningKey('P-256')
    const [certificate] = readCertificatesOnly((await enrol(csrOf(device, {}, key))).payload)
    const own: Issued = { key, certificate: certificate!, chain: [] }
    const member = benchOf(house, own)
    const answer = await member.enrol(csrOf(own, { wrapFor: certificate!.subjectKeyId! }, key), ['est', 'skg'])
    expect(answer.code).toBe('2.04')
    const [envelope, issued] = decodeMultipart(answer.payload)
    expect([envelope?.contentFormat, issued?.contentFormat]).toEqual([EstFormat.SERVER_GENERATED_KEY, EstFormat.CERTS_ONLY])
    const cms = new EnvelopedData({ schema: ContentInfo.fromBER(envelope!.bytes.slice().buffer).content })
    const opened = await cms.decrypt(0, {
      recipientCertificate: PkijsCertificate.fromBER(certificate!.bytes.slice().buffer),
      recipientPrivateKey: exportSigningKey(key).slice().buffer,
    })
    const made = readCertificatesOnly(issued!.bytes)[0]!
    // The key's public part stands in its PKCS #8, below the signed content's type (RFC 5958 §2).
    const signed = toHex(new Uint8Array(opened))
    expect(signed).toContain('060a60864801650201024e05')
    expect(signed.split(toHex(made.spki.subarray(-64))).length).toBe(2)
    // The certificate of a maker that is for signatures alone takes no keys.
    const unfit = await enrol(csrOf(device, { wrapFor: device.certificate.subjectKeyId! }), ['est', 'skg'])
    expect([unfit.code, utf8ToText(unfit.payload)]).toEqual(['4.00', 'The certificate is not one for key agreement'])
  })

  it('is not there where keys are not made', async () => {
    const { enrol, device, ask } = await bench({ settings: { generatesKeys: false } })
    expect((await enrol(csrOf(device), ['est', 'skg'])).code).toBe('4.04')
    const links = utf8ToText((await ask({ path: ['.well-known', 'core'], query: ['rt=ace.est*'] })).payload)
    expect(links).not.toContain('skg')
  })
})

describe('/att', () => {
  it('asks for the key and signature of the profile, and for a challenge password where requests are to be bound (RFC 7030 §4.5.2)', async () => {
    const { ask } = await bench({ settings: { binding: 'required' } })
    const response = await ask({ path: ['est', 'att'] })
    expect([response.code, response.contentFormat]).toEqual(['2.05', EstFormat.CSR_ATTRIBUTES])
    expect(readCsrAttributes(response.payload)).toEqual({ keyType: 'P-256', isBound: true })
  })
})

describe('binding to the session (§3)', () => {
  it('takes a request with the session’s exporter or tls-unique, and refuses one of another session or of none', async () => {
    const { house, device, enrol } = await bench({ settings: { binding: 'required' } })
    expect((await enrol(csrOf(device))).code).toBe('4.00')
    expect((await enrol(csrOf(device, { challengePassword: 'bm90IHRoaXMgc2Vzc2lvbg==' }))).code).toBe('4.00')
    expect(house.story().at(-1)).toBe('certificate- join.enrolment-refused')
    const joined = await house.drive(house.pledge(device, { bindsRequest: true }).join())
    expect(joined.certificate.isIssuedBy(house.site.ca.active.certificate)).toBe(true)
  })
})
