// Certificates, CRLs, requests, paths, names and the vault, each beside something that nobody here wrote: pkijs, Node’s X.509, OpenSSL’s files.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Certificate as PkijsCertificate, CertificateRevocationList, CertificationRequest } from 'pkijs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, generateSigningKey, seededRandom, systemRandom, toHex } from '#main/base/index.ts'
import {
  Certificate,
  DEVICE_PROFILE,
  nameText,
  pemOf,
  readPem,
  parseNameText,
  PathValidator,
  readCertificationRequest,
  readCrl,
  SiteCa,
} from '#main/services/ra/index.ts'
import { checkProfile } from '../../../src-main/services/ra/ca/profiles.ts'
import { der, octetString, sequence, Oid } from '../../../src-main/services/ra/der/index.ts'
import { identitiesOf, normaliseIdentity } from '../../../src-main/services/ra/engine/identities.ts'
import { buildName, encodeGeneralName, nameKey, sameName } from '../../../src-main/services/ra/x509/names.ts'
import { isCrlOf, provesPossession } from '../../../src-main/services/ra/x509/requests.ts'
import { extensionOf, keyIdOf, writeCertificate, writeCertificationRequest } from '../../../src-main/services/ra/x509/write.ts'
import { createRaStore, createSerialStore } from '#main/store/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  bySecret,
  clientOf,
  createManufacturer,
  fromPem,
  memoryDatabase,
  memoryVault,
  nameOf,
  openSite,
  SECRET,
  vectorCertificate,
  VECTORS,
  type Issued,
} from './harness.ts'

const NOW = Date.UTC(2026, 10, 20, 14)

describe('certificates', () => {
  it('of OpenSSL are read as Node’s own X.509 reads them', () => {
    for (const name of ['op-root', 'op-sub', 'ra', 'ldevid-mock', 'mfr-root', 'mfr-sub', 'idevid', 'idevid-rsa', 'rogue', 'coaps-srv']) {
      const ours = vectorCertificate(`${name}.crt`)
      const nodes = new X509Certificate(ours.bytes)
      expect(toHex(ours.serial).replace(/^00/, '').toUpperCase()).toBe(nodes.serialNumber)
      expect(nameText(ours.subject).split(', ').join('\n')).toBe(nodes.subject)
      expect([ours.notBefore, ours.notAfter]).toEqual([nodes.validFromDate.getTime(), nodes.validToDate.getTime()])
      expect(ours.isAuthority).toBe(nodes.ca)
      expect(toHex(ours.fingerprint())).toBe(nodes.fingerprint256.replaceAll(':', '').toLowerCase())
    }
  })

  it('of this authority are read by pkijs, with every extension', async () => {
    const at = await openSite({ clock: new VirtualClock(NOW), ca: { crlUris: ['coap://[2001:db8::1]/crl'] } })
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const { certificate } = await clientOf(at, bySecret('lamp-1')).enrol('ir', {
      key: generateSigningKey('P-256'),
      subject: nameOf('CN=lamp-1'),
      altNames: [{ kind: 'dns', value: 'lamp-1' }],
    })
    const read = PkijsCertificate.fromBER(certificate.bytes.slice().buffer)
    const issuer = PkijsCertificate.fromBER(at.ca.active.certificate.bytes.slice().buffer)
    expect(await read.verify(issuer)).toBe(true)
    expect((read.extensions ?? []).map(({ extnID }) => extnID).toSorted()).toEqual(
      [
        Oid.basicConstraints,
        Oid.keyUsage,
        Oid.extendedKeyUsage,
        Oid.subjectAltName,
        Oid.subjectKeyIdentifier,
        Oid.authorityKeyIdentifier,
        Oid.crlDistributionPoints,
      ].toSorted(),
    )
    expect(new X509Certificate(certificate.bytes).subjectAltName).toBe('DNS:lamp-1')
  })
})

describe('CRLs', () => {
  it('of OpenSSL are read and verified; those of this authority by pkijs', async () => {
    const theirs = readCrl(fromPem(readFileSync(join(VECTORS, 'keys/op-sub.crl'), 'utf8')))
    expect(isCrlOf(theirs, vectorCertificate('op-sub.crt'))).toBe(true)
    expect(isCrlOf(theirs, vectorCertificate('rogue-root.crt'))).toBe(false)
    expect([theirs.number, theirs.revoked.map(({ reason }) => reason)]).toEqual([2, [4]])
    const at = await openSite({ clock: new VirtualClock(NOW) })
    const list = CertificateRevocationList.fromBER(at.ca.crl()!.der.slice().buffer)
    expect(await list.verify({ issuerCertificate: PkijsCertificate.fromBER(at.ca.active.certificate.bytes.slice().buffer) })).toBe(true)
  })

  it('are made anew before they end, each with a higher number (RFC 5280 §5.2.3)', async () => {
    const clock = new VirtualClock(NOW)
    const at = await openSite({ clock, ca: { crlLifetimeS: 86_400 } })
    const first = readCrl(at.ca.crl()!.der)
    await clock.advance(2 * 86_400_000)
    const later = readCrl(at.ca.crl()!.der)
    expect(later.number).toBeGreaterThan(first.number! + 2)
    expect(later.nextUpdate).toBeGreaterThan(clock.now())
  })
})

describe('certification requests', () => {
  it('of OpenSSL are read and proven; ours are by pkijs', async () => {
    const theirs = readCertificationRequest(fromPem(readFileSync(join(VECTORS, 'keys/p10.csr'), 'utf8')))
    expect(provesPossession(theirs)).toBe(true)
    const key = generateSigningKey('P-256')
    const ours = writeCertificationRequest(
      { subject: nameOf('CN=x'), extensions: [extensionOf.subjectAltName([{ kind: 'dns', value: 'x' }])] },
      key,
    )
    expect(await CertificationRequest.fromBER(ours.slice().buffer).verify()).toBe(true)
    expect(readCertificationRequest(ours).extensions.map(({ id }) => id)).toEqual([Oid.subjectAltName])
    const spoiled = ours.slice()
    spoiled[30]! ^= 1
    expect(isProven(spoiled)).toBe(false)
  })
})

describe('paths', () => {
  const manufacturer = createManufacturer(NOW)
  const device = manufacturer.device('CN=lamp-1')
  const others = device.chain.map((bytes) => new Certificate(bytes))

  it('are found and remembered, until somebody’s time is over', async () => {
    const paths = new PathValidator([manufacturer.root.certificate])
    expect(await paths.validate(device.certificate, others, NOW)).toMatchObject({ ok: true })
    expect((await paths.validate(device.certificate, [], NOW)).path).toHaveLength(3)
    const far = NOW + 30 * 365 * 86_400_000
    expect(await paths.validate(device.certificate, others, far)).toMatchObject({
      ok: false,
      why: expect.stringContaining('not valid at this time') as string,
    })
  })

  it('without the authority between, or under another root, are none', async () => {
    expect(await new PathValidator([manufacturer.root.certificate]).validate(device.certificate, [], NOW)).toMatchObject({ ok: false })
    const other = createManufacturer(NOW)
    expect(await new PathValidator([other.root.certificate]).validate(device.certificate, others, NOW)).toMatchObject({ ok: false })
    // The same name, another key.
    expect(
      await new PathValidator([other.root.certificate]).validate(device.certificate, [...others, manufacturer.root.certificate], NOW),
    ).toMatchObject({ ok: false })
  })

  it('of OpenSSL’s files hold, RSA leaf included', async () => {
    const paths = new PathValidator([vectorCertificate('mfr-root.crt')])
    for (const name of ['idevid.crt', 'idevid-rsa.crt', 'idevid-ka.crt']) {
      expect([name, (await paths.validate(vectorCertificate(name), [vectorCertificate('mfr-sub.crt')], NOW)).ok]).toEqual([name, true])
    }
    expect((await paths.validate(vectorCertificate('rogue.crt'), [vectorCertificate('mfr-sub.crt')], NOW)).ok).toBe(false)
  })

  it.each([
    ['an authority that is none', { authority: false }],
    ['an authority that may not sign certificates', { usage: [6] }],
    ['a path longer than the authority above allows', { pathLength: 0, deeper: true }],
    ['a critical extension that nobody understands', { extra: { id: '1.2.3.4', critical: true, value: sequence() } }],
    ['a name that the authority may not give', { constraints: 'CN=only-this' }],
  ])(
    'through %s are refused (RFC 5280 §6.1.4)',
    async (
      _,
      fault: {
        authority?: boolean
        usage?: number[]
        pathLength?: number
        deeper?: boolean
        extra?: Parameters<typeof writeCertificate>[0]['extensions'][number]
        constraints?: string
      },
    ) => {
      const make = (
        subject: string,
        issuer: Issued | undefined,
        extensions: Parameters<typeof writeCertificate>[0]['extensions'],
      ): Issued => {
        const key = generateSigningKey('P-256')
        const plan = {
          serial: systemRandom.bytes(8).map((byte, index) => (index === 0 ? 1 : byte)),
          issuer: issuer?.certificate.subject ?? nameOf(subject),
          subject: nameOf(subject),
          notBefore: NOW - 1000,
          notAfter: NOW + 1e9,
          spki: key.spki,
        }
        return { key, certificate: new Certificate(writeCertificate({ ...plan, extensions }, (issuer ?? { key }).key)), chain: [] }
      }
      const authority = [extensionOf.basicConstraints(true), extensionOf.keyUsage([5])]
      const permitted =
        fault.constraints === undefined
          ? []
          : [
              {
                id: Oid.nameConstraints,
                critical: true,
                value: sequence(der(0xa0, sequence(encodeGeneralName({ kind: 'directory', name: nameOf(fault.constraints) })))),
              },
            ]
      const root = make('CN=root', undefined, authority)
      const middle = make('CN=middle', root, [
        extensionOf.basicConstraints(fault.authority ?? true, fault.pathLength),
        extensionOf.keyUsage(fault.usage ?? [5]),
        ...permitted,
        ...(fault.extra === undefined ? [] : [fault.extra]),
      ])
      const lower = fault.deeper === true ? make('CN=lower', middle, authority) : middle
      const leaf = make('CN=leaf', lower, [])
      const verdict = await new PathValidator([root.certificate]).validate(leaf.certificate, [middle.certificate, lower.certificate], NOW)
      expect(verdict.ok).toBe(false)
    },
  )
})

describe('files', () => {
  it('as PEM come back, several of them from one text', () => {
    const certificates = [vectorCertificate('op-sub.crt').bytes, vectorCertificate('op-root.crt').bytes]
    const text = `before\n${certificates.map((one) => pemOf('CERTIFICATE', one)).join('between\n')}`
    expect(readPem('CERTIFICATE', text).map((one) => toHex(one))).toEqual(certificates.map((one) => toHex(one)))
    expect(new X509Certificate(pemOf('CERTIFICATE', certificates[0]!)).raw).toEqual(Buffer.from(certificates[0]!))
    for (const wrong of ['', text.replaceAll('CERTIFICATE', 'KEY')]) {
      expect(() => readPem('CERTIFICATE', wrong)).toThrow(expect.objectContaining({ code: 'input.invalid' }) as Error)
    }
  })
})

describe('names', () => {
  it('are the same whatever their case and spaces (RFC 5280 §7.1), and come back from their text', () => {
    expect(sameName(nameOf('CN=Lamp  One, O=Quay'), nameOf('CN=lamp one, O=QUAY'))).toBe(true)
    expect(sameName(nameOf('CN=lamp, O=Quay'), nameOf('O=Quay, CN=lamp'))).toBe(false)
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => text.trim() === text && !/[\\=+,]/.test(text)),
          { minLength: 1, maxLength: 4 },
        ),
        (values) => {
          const name = buildName(values.map((value) => ({ type: Oid.commonName, value })))
          expect(nameKey(buildName(parseNameText(nameText(name))!))).toBe(nameKey(name))
        },
      ),
    )
    for (const text of ['', 'CN', 'CN=', 'XX=1', '=x']) expect(parseNameText(text)).toBeUndefined()
  })

  it('of devices are what they are matched by', () => {
    const certificate = createManufacturer(NOW).device('O=Lumen, CN=Lamp, serialNumber=SN-7', [
      { kind: 'hardware', type: '1.2.3', serial: 'aabb' },
      { kind: 'uri', value: 'urn:dev:mac:0024BEFFFE804FF1' },
    ]).certificate
    expect(identitiesOf(certificate)).toEqual([
      'sn-7',
      'aabb',
      '0024befffe804ff1',
      'lamp',
      'urn:dev:mac:0024befffe804ff1',
      toHex(certificate.fingerprint()),
    ])
    expect(['00-24-BE-FF-FE-80-4F-F1', ' SN-7 ', '00:24:be:ff:fe:80:4f:f1'].map(normaliseIdentity)).toEqual([
      '0024befffe804ff1',
      'sn-7',
      '0024befffe804ff1',
    ])
  })
})

describe('profiles', () => {
  it.each([
    ['a name that no path can hold', { name: 'a/b' }],
    ['no kind of key', { keyTypes: [] }],
    ['a life of nothing', { lifetimeS: 0 }],
    ['a subject that is none', { assignedSubject: 'nonsense' }],
  ])('with %s are refused', (_, change) => {
    expect(() => checkProfile({ ...DEVICE_PROFILE, ...change })).toThrow(expect.objectContaining({ code: 'input.invalid' }) as Error)
  })
})

describe('the key vault', () => {
  it('keeps the authority’s key: another vault cannot open the site', async () => {
    const database = memoryDatabase()
    const clock = new VirtualClock(NOW)
    const at = await openSite({ clock, database })
    at.ca.close()
    at.authority.close()
    const other = SiteCa.open({
      store: createRaStore(database),
      serials: createSerialStore(database),
      vault: memoryVault(99),
      clock,
      random: seededRandom(1),
    })
    await expect(other).rejects.toMatchObject({ code: 'crypto.authentication-failed' })
    const rows = database.prepare('SELECT sealed_key, signer_key FROM ra_authority').all()
    expect(JSON.stringify(rows)).not.toContain(toHex(octetString(keyIdOf(at.ca.active.key.spki))))
  })
})

function isProven(request: Uint8Array): boolean {
  try {
    return provesPossession(readCertificationRequest(request))
  } catch (thrown) {
    if (thrown instanceof AppError) return false
    throw thrown
  }
}
