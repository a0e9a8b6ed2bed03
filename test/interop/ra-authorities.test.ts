// OpenSSL's CMP client with authorities of each kind: rolled over, subordinate, on other curves, and over small blocks.
import { writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { systemClock } from '#main/base/index.ts'
import { openSite, toPem } from '../services/ra/harness.ts'
import { signSubordinate } from '../services/ra/subordinate.ts'
import { describeWithPeer } from '../support/peers.ts'
import { OpensslDevice, SECRET, serveAuthority } from './ra-openssl.ts'

describeWithPeer('OpenSSL’s CMP client and a change of authorities', ['openssl'], (openssl) => {
  it('goes through a roll-over of the root that it knows (RFC 9810 §4.4)', async () => {
    const served = await serveAuthority()
    try {
      const it = new OpensslDevice(openssl, served, 'roll-1')
      await served.site.desk.preRegister([{ reference: 'roll-1', secret: SECRET }], 'test')
      const first = await it.cmp(
        'ir',
        ...it.bySecret('roll-1'),
        '-newkey',
        it.newKey(),
        '-subject',
        '/CN=roll-1',
        '-certout',
        it.file('cert.pem'),
      )
      expect(first.exitCode).toBe(0)
      await served.site.ca.rollOver({ algorithm: 'P-256' }, 'test')
      const own = ['-cert', it.file('cert.pem'), '-key', it.file('key.pem'), '-trusted', it.root]
      const out = await it.cmp(
        'kur',
        ...own,
        ...[
          '-newkey',
          it.newKey('newer.pem'),
          '-certout',
          it.file('cert2.pem'),
          '-extracertsout',
          it.file('extra.pem'),
          '-out_trusted',
          it.root,
        ],
      )
      expect(out.said).toContain('received PKICONF')
      // Under the old root with the link, and under the new one by itself.
      expect(await it.verify('cert2.pem', '-untrusted', it.file('extra.pem'))).toBe(`${it.file('cert2.pem')}: OK`)
      writeFileSync(it.root, toPem('CERTIFICATE', served.site.ca.active.certificate.bytes))
      expect(await it.verify('cert2.pem')).toBe(`${it.file('cert2.pem')}: OK`)
    } finally {
      await served.close()
    }
  })

  it('enrols under a subordinate of the customer’s root', async () => {
    const served = await serveAuthority()
    const customer = await openSite({ clock: systemClock, seed: 50 })
    try {
      const it = new OpensslDevice(openssl, served, 'sub-1')
      const request = await served.site.ca.createSubordinate({ subject: 'CN=Site CA 2, O=Blue Quay', algorithm: 'P-384' }, 'test')
      writeFileSync(it.file('ca.csr'), toPem('CERTIFICATE REQUEST', request))
      expect((await it.openssl('req', '-in', it.file('ca.csr'), '-verify', '-noout')).stderr).toContain('verify OK')
      const root = customer.ca.active.certificate.bytes
      await served.site.ca.installCertificate(signSubordinate(customer, request, Date.now()), [root], 'test')
      writeFileSync(it.root, toPem('CERTIFICATE', root))
      const idevid = served.manufacturer.device('CN=sub-1')
      await served.site.desk.preRegister([{ reference: 'row', identities: ['sub-1'] }], 'test')
      const out = await it.cmp(
        'ir',
        ...it.signedBy(idevid),
        ...['-newkey', it.newKey(), '-subject', '/CN=sub-1', '-certout', it.file('cert.pem'), '-chainout', it.file('chain-out.pem')],
      )
      expect(out.said).toContain('received PKICONF')
      expect(await it.verify('cert.pem', '-untrusted', it.file('chain-out.pem'))).toBe(`${it.file('cert.pem')}: OK`)
    } finally {
      customer.authority.close()
      customer.ca.close()
      await served.close()
    }
  })
})

describeWithPeer('OpenSSL’s CMP client and blocks of 32 bytes', ['openssl'], (openssl) => {
  it('enrols with an Ed25519 authority, block by block', { timeout: 120_000 }, async () => {
    const served = await serveAuthority({ algorithm: 'Ed25519', blockBytes: 32 })
    try {
      const it = new OpensslDevice(openssl, served, 'small-1')
      const idevid = served.manufacturer.device('CN=small-1')
      await served.site.desk.preRegister([{ reference: 'row', identities: ['small-1'] }], 'test')
      const out = await it.cmp(
        'ir',
        ...it.signedBy(idevid),
        '-newkey',
        it.newKey(),
        '-subject',
        '/CN=small-1',
        '-certout',
        it.file('cert.pem'),
      )
      expect(out.said).toContain('received PKICONF')
      expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
    } finally {
      await served.close()
    }
  })

  it('enrols with a P-384 authority', async () => {
    const served = await serveAuthority({ algorithm: 'P-384' })
    try {
      const it = new OpensslDevice(openssl, served, 'big-1')
      await served.site.desk.preRegister([{ reference: 'big-1', secret: SECRET }], 'test')
      const out = await it.cmp(
        'ir',
        ...it.bySecret('big-1'),
        '-newkey',
        it.newKey('key.pem', 'P-384'),
        '-subject',
        '/CN=big-1',
        '-certout',
        it.file('cert.pem'),
        '-out_trusted',
        it.root,
      )
      expect(out.said).toContain('received PKICONF')
      expect(await it.verify()).toBe(`${it.file('cert.pem')}: OK`)
    } finally {
      await served.close()
    }
  })
})
