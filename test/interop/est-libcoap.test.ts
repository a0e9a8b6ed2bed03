// EST-coaps with programs that nobody here wrote: libcoap's coap-client over DTLS with a birth certificate, requests by OpenSSL, which also judges
// what comes back (RFC 9148).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  silentLogger,
  systemClock,
  systemRandom,
  utf8ToText,
  type DatagramChannel,
} from '#main/base/index.ts'
import {
  createRegistrar,
  decodeMultipart,
  readCertificatesOnly,
  writeRequest,
  type JoinStep,
  type Registrar,
} from '#main/services/join/index.ts'
import { asn1, Certificate, nameText } from '#main/services/ra/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { createDtlsChannel, type DtlsChannel } from '#main/wire/dtls/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { createManufacturer, memoryVault, openSite, toPem, type Issued, type Site } from '../services/ra/harness.ts'
import { memoryKeeper } from '../services/join/registrar/house.ts'
import { describeWithPeer, findPeer, run } from '../support/peers.ts'
import { LOOPBACK } from './dtls-ends.ts'

for (const peer of ['coap-client-openssl', 'coap-client-gnutls']) {
  describeWithPeer(`${peer} at our registrar`, [peer], (coapClient) => {
    const openssl = findPeer(['openssl']) ?? ''
    const maker = createManufacturer(Date.now())
    const steps: JoinStep[] = []
    const folder = mkdtempSync(join(tmpdir(), 'groupwright-est-'))
    const file = (name: string): string => join(folder, name)
    let site: Site
    let registrar: Registrar
    let coaps: DtlsChannel
    let udp: DatagramChannel
    let endpoint: CoapEndpoint

    beforeAll(async () => {
      site = await openSite({
        clock: systemClock,
        ra: { random: systemRandom, manufacturerAnchors: [maker.root.certificate.bytes] },
        ca: { random: systemRandom },
      })
      const tree = new ResourceTree()
      registrar = await createRegistrar({
        registry: tree,
        authority: site.authority,
        vault: memoryVault(),
        keeper: memoryKeeper(),
        vouchers: { obtain: () => Promise.reject(new Error('no vouchers here')) },
        gate: { admits: () => ({ kind: 'admit' }), note: (step) => void steps.push(step) },
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      })
      const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
      udp = await openUdpChannel({ bindAddress: LOOPBACK, port: 0, logger: silentLogger })
      coaps = createDtlsChannel({ ...ports, channel: udp, server: registrar.dtls, onEvent: (event) => registrar.watch(event) })
      endpoint = new CoapEndpoint({ ...ports, channel: coaps, tree })
      writeFileSync(file('root.pem'), toPem('CERTIFICATE', site.ca.active.certificate.bytes))
    })

    afterAll(async () => {
      endpoint.close()
      registrar.close()
      await coaps.close()
      await udp.close()
      site.authority.close()
      site.ca.close()
      rmSync(folder, { recursive: true, force: true })
    })

    function deviceFiles(name: string, { certificate, chain, key }: Issued): readonly string[] {
      const pems = [certificate.bytes, ...chain].map((der) => toPem('CERTIFICATE', der))
      writeFileSync(file(`${name}.pem`), pems.join(''))
      writeFileSync(file(`${name}.key`), toPem('PRIVATE KEY', exportSigningKey(key)))
      // OpenSSL sends with a certificate what it finds among those that it trusts.
      const trusted = [site.ca.active.certificate.bytes, ...chain, maker.root.certificate.bytes].map((der) => toPem('CERTIFICATE', der))
      writeFileSync(file(`${name}.trust`), trusted.join(''))
      return ['-c', file(`${name}.pem`), '-j', file(`${name}.key`), '-R', file(`${name}.trust`)]
    }

    /** The response's code and body. */
    async function ask(
      who: readonly string[],
      path: string,
      args: readonly string[] = [],
    ): Promise<{ readonly code: string; readonly body: Uint8Array }> {
      const out = file('out.bin')
      rmSync(out, { force: true })
      const { stdout, stderr } = await run(coapClient, [
        '-v',
        '7',
        '-B',
        '20',
        ...who,
        '-o',
        out,
        ...args,
        `coaps://${LOOPBACK}:${udp.local.port}/${path}`,
      ])
      const log = `${utf8ToText(stdout) ?? new TextDecoder().decode(stdout)}${stderr}`
      const code =
        [...log.matchAll(/c:([245]\.\d\d)/g)].map(([, found]) => found ?? '').findLast((found) => found !== '2.31') ?? log.slice(-400)
      let body: Uint8Array = new Uint8Array(0)
      try {
        body = new Uint8Array(readFileSync(out))
      } catch {
        // Nothing came.
      }
      return { code, body }
    }

    async function makeRequest(name: string, subject: string): Promise<readonly string[]> {
      await run(openssl, ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file(`${name}.newkey`)])
      const made = ['-new', '-key', file(`${name}.newkey`), '-subj', subject, '-outform', 'DER', '-out', file(`${name}.csr`)]
      const { exitCode } = await run(openssl, ['req', '-config', '/dev/null', '-utf8', ...made])
      expect(exitCode).toBe(0)
      return ['-m', 'post', '-t', '286', '-f', file(`${name}.csr`)]
    }

    it('finds the resources, gets the CA certificates in each format, and what its request should hold', { timeout: 60_000 }, async () => {
      const who = deviceFiles('reader', maker.device('CN=reader, serialNumber=RD-1'))
      const links = utf8ToText((await ask(who, '.well-known/core?rt=ace.est*')).body)
      expect(links).toContain('</est/sen>;rt="ace.est.sen"')
      const root = site.ca.active.certificate.bytes
      const inSet = await ask(who, 'est/crts', ['-b', '64'])
      expect(inSet.code).toBe('2.05')
      expect(readCertificatesOnly(inSet.body).map(({ bytes }) => bytes)).toEqual([root])
      writeFileSync(file('crts.p7'), inSet.body)
      const printed = await run(openssl, ['pkcs7', '-inform', 'DER', '-in', file('crts.p7'), '-print_certs', '-noout'])
      expect(utf8ToText(printed.stdout)).toContain('Site CA')
      expect((await ask(who, '.well-known/est/crts', ['-A', '287'])).body).toEqual(root)
      expect(decodeMultipart((await ask(who, 'est/crts', ['-A', '62'])).body)).toEqual([{ contentFormat: 287, bytes: root }])
      const wanted = await ask(who, 'est/att')
      writeFileSync(file('att.der'), wanted.body)
      const parsed = await run(openssl, ['asn1parse', '-inform', 'DER', '-in', file('att.der')])
      expect(utf8ToText(parsed.stdout)).toMatch(/id-ecPublicKey[\s\S]*prime256v1[\s\S]*ecdsa-with-SHA256/)
    })

    it('enrols with a request that OpenSSL has made, in blocks, and OpenSSL accepts the certificate', { timeout: 60_000 }, async () => {
      const device = maker.device('CN=lamp 1, serialNumber=LW-1')
      const who = deviceFiles('lamp', device)
      const post = await makeRequest('lamp', '/CN=lamp 1/serialNumber=LW-1')
      const answer = await ask(who, 'est/sen', [...post, '-b', '128'])
      expect(answer.code).toBe('2.04')
      writeFileSync(file('lamp.p7'), answer.body)
      const printed = await run(openssl, ['pkcs7', '-inform', 'DER', '-in', file('lamp.p7'), '-print_certs', '-out', file('lamp.got.pem')])
      expect(printed.exitCode).toBe(0)
      const verdict = await run(openssl, ['verify', '-CAfile', file('root.pem'), '-purpose', 'sslclient', file('lamp.got.pem')])
      expect(utf8ToText(verdict.stdout)?.trim()).toBe(`${file('lamp.got.pem')}: OK`)
      const keys = await Promise.all([
        run(openssl, ['pkey', '-in', file('lamp.newkey'), '-pubout']),
        run(openssl, ['x509', '-in', file('lamp.got.pem'), '-pubkey', '-noout']),
      ])
      expect(utf8ToText(keys[0].stdout)).toBe(utf8ToText(keys[1].stdout))
      expect(steps.filter(({ step, outcome }) => step === 'certificate' && outcome === 'done').length).toBe(1)

      // With what it has got it renews, and is known as a member.
      const [certificate] = readCertificatesOnly(answer.body)
      writeFileSync(file('member.pem'), toPem('CERTIFICATE', certificate!.bytes))
      const member = ['-c', file('member.pem'), '-j', file('lamp.newkey'), '-R', file('root.pem')]
      const renewal = await ask(member, 'est/sren', [...(await makeRequest('again', '/CN=lamp 1/serialNumber=LW-1')), '-A', '287'])
      expect(renewal.code).toBe('2.04')
      writeFileSync(file('again.der'), renewal.body)
      const again = await run(openssl, ['x509', '-inform', 'DER', '-in', file('again.der'), '-out', file('again.got.pem')])
      expect(again.exitCode).toBe(0)
      expect((await run(openssl, ['verify', '-CAfile', file('root.pem'), file('again.got.pem')])).exitCode).toBe(0)
    })

    it('gets a key that is made here, which OpenSSL reads', { timeout: 60_000 }, async () => {
      const who = deviceFiles('keyless', maker.device('CN=keyless, serialNumber=KL-1'))
      const answer = await ask(who, 'est/skc', [...(await makeRequest('keyless', '/CN=keyless')), '-A', '62'])
      expect(answer.code).toBe('2.04')
      const [key, certificate] = decodeMultipart(answer.body)
      writeFileSync(file('made.key'), key!.bytes)
      writeFileSync(file('made.der'), certificate!.bytes)
      const [own, certified] = await Promise.all([
        run(openssl, ['pkey', '-inform', 'DER', '-in', file('made.key'), '-pubout']),
        run(openssl, ['x509', '-inform', 'DER', '-in', file('made.der'), '-pubkey', '-noout']),
      ])
      expect(utf8ToText(own.stdout)).toBe(utf8ToText(certified.stdout))
    })

    it(
      'gets a key wrapped for its certificate, which OpenSSL unwraps and whose signature it verifies (RFC 7030 §4.4.2)',
      { timeout: 60_000 },
      async () => {
        const device = maker.device('CN=vault, serialNumber=VT-1')
        const enrolment = await ask(deviceFiles('vault', device), 'est/sen', [...(await makeRequest('vault', '/CN=vault')), '-A', '287'])
        const certificate = new Certificate(enrolment.body)
        const key = importSigningKey(readFileSync(file('vault.newkey'), 'utf8'))
        const member = deviceFiles('vault-member', { key, certificate, chain: [] })
        writeFileSync(file('wrapped.csr'), writeRequest({ subject: certificate.subject, wrapFor: certificate.subjectKeyId! }, key))
        const answer = await ask(member, 'est/skg', ['-m', 'post', '-t', '286', '-f', file('wrapped.csr')])
        expect(answer.code).toBe('2.04')
        const [envelope, issued] = decodeMultipart(answer.body)
        expect([envelope!.contentFormat, issued!.contentFormat]).toEqual([280, 281])
        writeFileSync(file('envelope.der'), envelope!.bytes)
        const keyFiles = ['-inkey', file('vault-member.key'), '-recip', file('vault-member.pem')]
        const opened = await run(openssl, [
          'cms',
          '-decrypt',
          '-binary',
          '-inform',
          'DER',
          '-in',
          file('envelope.der'),
          '-out',
          file('signed.der'),
          ...keyFiles,
        ])
        expect(opened.stderr).toBe('')
        const { sequence, oid, explicit } = asn1
        writeFileSync(
          file('signed.cms'),
          sequence(oid('1.2.840.113549.1.7.2'), explicit(0, new Uint8Array(readFileSync(file('signed.der'))))),
        )
        const checks = ['-purpose', 'any', '-CAfile', file('root.pem')]
        const verified = await run(openssl, [
          'cms',
          '-verify',
          '-binary',
          '-inform',
          'DER',
          '-in',
          file('signed.cms'),
          '-out',
          file('package.der'),
          ...checks,
        ])
        expect(verified.stderr).toContain('successful')
        const [pkcs8] = asn1.elementsOf(asn1.readDer(new Uint8Array(readFileSync(file('package.der')))))
        expect(importSigningKey(pkcs8!.bytes).spki).toEqual(readCertificatesOnly(issued!.bytes)[0]?.spki)
      },
    )

    it('gets nothing under another name, and not at all with a certificate of nobody', { timeout: 60_000 }, async () => {
      const who = deviceFiles('thief', maker.device('CN=thief, serialNumber=TH-1'))
      expect((await ask(who, 'est/sen', await makeRequest('thief', '/CN=lamp 1'))).code).toBe('4.03')
      const { certificate } = site.ca.active
      const forger: Issued = { key: generateSigningKey('P-256'), certificate, chain: [] }
      const refused = await ask(deviceFiles('forger', forger), 'est/crts', ['-B', '4'])
      expect(refused.body.length).toBe(0)
      expect(site.desk.certificates({ limit: 50 }).map(({ subject }) => subject)).not.toContain('CN=lamp 1')
      expect(nameText(certificate.subject)).toContain('Site CA')
    })
  })
}
