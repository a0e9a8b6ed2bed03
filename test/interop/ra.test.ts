// OpenSSL's own CMP client against this authority, over HTTP, the bridge, and CoAP block-wise. What OpenSSL says is what counts.
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { certificatesOnly } from '#main/services/ra/index.ts'
import { createManufacturer, toPem } from '../services/ra/harness.ts'
import { describeWithPeer } from '../support/peers.ts'
import { OpensslDevice, SECRET, serveAuthority, type Served } from './ra-openssl.ts'

describeWithPeer('OpenSSL’s CMP client', ['openssl'], (openssl) => {
  let served: Served
  let counter = 0

  beforeAll(async () => {
    served = await serveAuthority({ ra: { settings: { checkAfterS: 1 } } })
  })
  afterAll(() => served.close())

  const device = (): OpensslDevice => new OpensslDevice(openssl, served, `device-${String(++counter).padStart(4, '0')}`)
  const preRegister = (...names: string[]): Promise<void> =>
    served.site.desk.preRegister(
      names.map((reference) => ({ reference, secret: SECRET })),
      'test',
    )

  it('ir with PBM, confirmed explicitly: openssl verifies the certificate against the root that the answer brought', async () => {
    const it = device()
    await preRegister(it.name)
    const out = await it.cmp(
      'ir',
      ...it.bySecret(it.name),
      ...['-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem'), '-cacertsout', it.file('capubs.pem')],
      ...['-out_trusted', it.root],
    )
    expect(out.said).toContain('received PKICONF')
    expect(out.exitCode).toBe(0)
    expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
    expect(it.has('capubs.pem')).toBe(true)
    const [record] = served.site.desk.certificates({ text: it.name, limit: 1 })
    expect(record).toMatchObject({ state: 'valid', subject: `CN=${it.name}` })
  })

  it('p10cr signed by an IDevID', async () => {
    const it = device()
    const idevid = served.manufacturer.device(`O=Lumen Works, CN=Sensor, serialNumber=${it.name}`)
    await served.site.desk.preRegister([{ reference: `row-${it.name}`, identities: [it.name] }], 'test')
    const key = it.newKey()
    const request = await it.openssl('req', '-new', '-key', key, '-subj', `/CN=${it.name}`, '-out', it.file('request.pem'))
    expect(request.exitCode).toBe(0)
    const out = await it.cmp('p10cr', ...it.signedBy(idevid), '-csr', it.file('request.pem'), '-certout', it.file('cert.pem'))
    expect(out.said).toContain('received PKICONF')
    expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
  })

  it('ir signed by an IDevID', async () => {
    const it = device()
    const idevid = served.manufacturer.device(`O=Lumen Works, CN=Sensor, serialNumber=${it.name}`)
    await served.site.desk.preRegister([{ reference: `row-${it.name}`, identities: [it.name] }], 'test')
    const out = await it.cmp(
      'ir',
      '/.well-known/cmp/p/device/ir',
      ...it.signedBy(idevid),
      ...['-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem')],
    )
    expect(out.said).toContain('received PKICONF')
    expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
  })

  it('p10cr with PBM, whose sender is empty', async () => {
    const it = device()
    await preRegister(it.name)
    await it.openssl('req', '-new', '-key', it.newKey(), '-subj', `/CN=${it.name}`, '-out', it.file('request.pem'))
    const out = await it.cmp('p10cr', ...it.bySecret(it.name), '-csr', it.file('request.pem'), '-certout', it.file('cert.pem'))
    expect(out.said).toContain('received PKICONF')
    expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
  })

  it('ir with PBM and HMAC-SHA-256, confirmed implicitly: no certConf is sent', async () => {
    const it = device()
    await preRegister(it.name)
    const out = await it.cmp(
      'ir',
      ...it.bySecret(it.name),
      ...['-mac', 'hmacWithSHA256', '-implicit_confirm'],
      ...['-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem'), '-out_trusted', it.root],
    )
    expect(out.said).not.toContain('CERTCONF')
    expect(out.exitCode).toBe(0)
    expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
    expect(served.site.desk.certificates({ text: it.name, limit: 1 })[0]?.state).toBe('valid')
  })

  /** A device with a certificate of the site and its key. */
  const enrolled = async (): Promise<OpensslDevice> => {
    const it = device()
    await preRegister(it.name)
    const out = await it.cmp(
      'ir',
      ...it.bySecret(it.name),
      ...['-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-sans', it.name, '-certout', it.file('cert.pem')],
    )
    expect(out.exitCode).toBe(0)
    return it
  }
  const byOwn = (it: OpensslDevice): string[] => ['-cert', it.file('cert.pem'), '-key', it.file('key.pem'), '-trusted', it.root]

  it('cr with the certificate that it has', async () => {
    const it = await enrolled()
    const out = await it.cmp(
      'cr',
      ...byOwn(it),
      '-newkey',
      it.newKey('second.pem'),
      '-subject',
      `/CN=${it.name}`,
      '-certout',
      it.file('cert2.pem'),
    )
    expect(out.said).toContain('received CP')
    expect(await it.verify('cert2.pem')).toBe(`${it.file('cert2.pem')}: OK`)
  })

  it('kur: the new certificate has the old names, and the old one is revoked as superseded', async () => {
    const it = await enrolled()
    const out = await it.cmp('kur', ...byOwn(it), '-newkey', it.newKey('newer.pem'), '-certout', it.file('cert2.pem'))
    expect(out.said).toContain('received KUP')
    expect(out.said).toContain('received PKICONF')
    expect(await it.verify('cert2.pem')).toBe(`${it.file('cert2.pem')}: OK`)
    expect(it.certificate('cert2.pem').subject).toEqual(it.certificate().subject)
    expect(it.certificate('cert2.pem').subjectAltNames).toEqual(it.certificate().subjectAltNames)
    const crl = served.site.ca.crl()
    writeFileSync(it.file('crl.pem'), toPem('X509 CRL', crl?.der ?? new Uint8Array(0)))
    expect(await it.verify('cert.pem', '-crl_check', '-CRLfile', it.file('crl.pem'))).toContain('certificate revoked')
    expect(await it.verify('cert2.pem', '-crl_check', '-CRLfile', it.file('crl.pem'))).toBe(`${it.file('cert2.pem')}: OK`)
    const again = await it.cmp('kur', ...byOwn(it), '-newkey', it.newKey('newest.pem'), '-certout', it.file('cert3.pem'))
    expect(again.said).toContain('certRevoked')
  })

  it('rr for its own certificate: openssl verify with the CRL says that it is revoked, and why', async () => {
    const it = await enrolled()
    const out = await it.cmp('rr', ...byOwn(it), '-oldcert', it.file('cert.pem'), '-revreason', '1')
    expect(out.said).toContain('received RP')
    expect(out.said).toContain('revocation accepted')
    const crl = served.site.ca.crl()
    writeFileSync(it.file('crl.pem'), toPem('X509 CRL', crl?.der ?? new Uint8Array(0)))
    expect(await it.verify('cert.pem', '-crl_check', '-CRLfile', it.file('crl.pem'))).toContain('certificate revoked')
    const { stdout } = await it.openssl('crl', '-in', it.file('crl.pem'), '-noout', '-text', '-CAfile', it.root)
    expect(new TextDecoder().decode(stdout)).toContain('Key Compromise')
    const again = await it.cmp('rr', ...byOwn(it), '-oldcert', it.file('cert.pem'))
    expect(again.said).toContain('certRevoked')
  })

  it('rr with PBM for the certificate that came by that secret, but not for another', async () => {
    const it = await enrolled()
    const other = await enrolled()
    const foreign = await it.cmp('rr', ...it.bySecret(it.name), '-oldcert', other.file('cert.pem'))
    expect(foreign.said).toContain('notAuthorized')
    const own = await it.cmp('rr', ...it.bySecret(it.name), '-oldcert', it.file('cert.pem'), '-revreason', '5')
    expect(own.said).toContain('revocation accepted')
  })

  it('rr signed by one device for the certificate of another', async () => {
    const [it, other] = [await enrolled(), await enrolled()]
    const out = await it.cmp('rr', ...byOwn(it), '-oldcert', other.file('cert.pem'))
    expect(out.said).toContain('notAuthorized')
    expect(served.site.desk.certificates({ text: other.name, limit: 1 })[0]?.state).toBe('valid')
  })

  it.each([
    'caCerts',
    'rootCaKeyUpdate',
    'certReqTemplate',
    'currentCRL',
    'signKeyPairTypes',
    'encKeyPairTypes',
    'preferredSymmAlg',
    'caProtEncCert',
    'caKeyUpdateInfo',
  ])('genm %s is answered with a genp that OpenSSL takes', async (infoType) => {
    const it = await enrolled()
    const out = await it.cmp('genm', ...byOwn(it), '-infotype', infoType)
    expect(out.said).toContain('received GENP')
    expect(out.said).toMatch(/genp contains ITAV of type/)
    expect(out.exitCode).toBe(0)
  })

  it('genm with PBM, whose sender is empty', async () => {
    const it = await enrolled()
    const out = await it.cmp('genm', ...it.bySecret(it.name), '-infotype', 'caCerts')
    expect(out.said).toContain('received GENP')
    expect(out.exitCode).toBe(0)
  })

  it('polling: a device that is not expected waits until somebody approves it', async () => {
    const it = device()
    const idevid = served.manufacturer.device(`O=Lumen Works, CN=${it.name}`)
    const before = served.bridge.codes.length
    const running = it.cmp(
      'ir',
      ...it.signedBy(idevid),
      '-newkey',
      it.newKey(),
      '-subject',
      `/CN=${it.name}`,
      '-certout',
      it.file('cert.pem'),
    )
    const pending = await untilPending(served, it.name)
    while (served.bridge.codes.length < before + 2) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(pending).toMatchObject({ listed: false, subject: `CN=${it.name}`, keyType: 'P-256', profile: 'device' })
    const [outcome] = await served.site.desk.approve([pending.id], 'installer')
    expect(outcome).toMatchObject({ ok: true })
    const out = await running
    expect(out.said).toContain('received POLLREP')
    expect(out.said).toContain('received PKICONF')
    expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
    expect(served.site.desk.history(outcome?.serial ?? '').map(({ event }) => event)).toEqual(['approved', 'issued', 'confirmed'])
  })

  it('polling: a device that is denied hears the reason', async () => {
    const it = device()
    const idevid = served.manufacturer.device(`O=Lumen Works, CN=${it.name}`)
    const running = it.cmp(
      'ir',
      ...it.signedBy(idevid),
      '-newkey',
      it.newKey(),
      '-subject',
      `/CN=${it.name}`,
      '-certout',
      it.file('cert.pem'),
    )
    const pending = await untilPending(served, it.name)
    served.site.desk.deny([pending.id], 'not in this building', 'installer')
    const out = await running
    expect(out.said).toContain('not in this building')
    expect(out.exitCode).not.toBe(0)
    expect(it.has('cert.pem')).toBe(false)
  })

  it('a certificate that the device refuses is revoked', async () => {
    const it = device()
    await preRegister(it.name)
    const stranger = createManufacturer(Date.now(), 'Stranger')
    writeFileSync(it.file('stranger.pem'), toPem('CERTIFICATE', stranger.root.certificate.bytes))
    const out = await it.cmp(
      'ir',
      ...it.bySecret(it.name),
      ...['-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem'), '-out_trusted', it.file('stranger.pem')],
    )
    expect(out.exitCode).not.toBe(0)
    const [record] = served.site.desk.certificates({ text: it.name, limit: 1 })
    expect(record).toMatchObject({ state: 'revoked', reason: 'cessationOfOperation' })
  })

  it.each([
    ['a wrong secret', 'badMessageCheck', (it: OpensslDevice) => [...it.bySecret(it.name, 'not-the-secret'), '-unprotected_errors'], []],
    ['an unknown reference', 'badMessageCheck', (it: OpensslDevice) => [...it.bySecret('nobody'), '-unprotected_errors'], []],
    ['no protection', 'wrongIntegrity', () => ['-unprotected_requests', '-unprotected_errors'], []],
    ['no proof of possession', 'badPOP', (it: OpensslDevice) => it.bySecret(it.name), ['-popo', '-1']],
    ['a proof that only an RA may give', 'badPOP', (it: OpensslDevice) => it.bySecret(it.name), ['-popo', '0']],
    ['a proof by key encipherment', 'badPOP', (it: OpensslDevice) => it.bySecret(it.name), ['-popo', '2']],
    ['a name of another', 'notAuthorized', (it: OpensslDevice) => it.bySecret(it.name), ['-subject', '/CN=somebody-else']],
    ['an alternative name of another', 'notAuthorized', (it: OpensslDevice) => it.bySecret(it.name), ['-sans', 'somebody.else']],
  ] as const)('refuses %s with %s', async (_, failInfo, credential, further) => {
    const it = device()
    await preRegister(it.name)
    const out = await it.cmp(
      'ir',
      ...credential(it),
      ...['-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem'), ...further],
    )
    expect(out.said).toContain(failInfo)
    expect(out.exitCode).not.toBe(0)
    expect(it.has('cert.pem')).toBe(false)
  })

  it('refuses the certificate of a foreign manufacturer with signerNotTrusted', async () => {
    const it = device()
    const rogue = createManufacturer(Date.now(), 'Rogue').device(`CN=${it.name}`)
    const out = await it.cmp(
      'ir',
      ...it.signedBy(rogue),
      '-newkey',
      it.newKey(),
      '-subject',
      `/CN=${it.name}`,
      '-certout',
      it.file('cert.pem'),
    )
    expect(out.said).toContain('signerNotTrusted')
  })

  it('refuses a stored transaction that is sent again with transactionIdInUse', async () => {
    const it = device()
    await preRegister(it.name)
    const wanted = ['-newkey', it.newKey(), '-subject', `/CN=${it.name}`, '-certout', it.file('cert.pem')]
    const first = await it.cmp('ir', ...it.bySecret(it.name), ...wanted, '-reqout', `${it.file('q1.der')},${it.file('q2.der')}`)
    expect(first.exitCode).toBe(0)
    const again = await it.cmp(
      'ir',
      ...it.bySecret(it.name),
      ...wanted,
      '-reqin',
      `${it.file('q1.der')},${it.file('q2.der')}`,
      '-unprotected_errors',
    )
    expect(again.said).toContain('transactionIdInUse')
    expect(served.site.desk.certificates({ text: it.name, limit: 5 })).toHaveLength(1)
  })

  it('reads the bundle of authorities that is exported', async () => {
    const it = device()
    writeFileSync(
      it.file('bundle.p7c'),
      certificatesOnly([served.site.ca.active.certificate.bytes, served.manufacturer.root.certificate.bytes]),
    )
    const out = await it.openssl('pkcs7', '-inform', 'DER', '-in', it.file('bundle.p7c'), '-print_certs', '-noout')
    const said = new TextDecoder().decode(out.stdout)
    expect(said).toContain('CN = Site CA')
    expect(said).toContain('CN = Lumen Works Root')
  })

  it('gives a secret to one enrolment only', async () => {
    const it = await enrolled()
    const again = await it.cmp(
      'ir',
      ...it.bySecret(it.name),
      '-newkey',
      it.newKey('b.pem'),
      '-subject',
      `/CN=${it.name}`,
      '-certout',
      it.file('b-cert.pem'),
    )
    expect(again.said).toContain('notAuthorized')
  })
})

async function untilPending(served: Served, subject: string): Promise<ReturnType<Served['site']['desk']['pending']>[number]> {
  for (let tries = 0; tries < 200; tries++) {
    const found = served.site.desk.pending().find((request) => request.subject === `CN=${subject}`)
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the request does not wait')
}
