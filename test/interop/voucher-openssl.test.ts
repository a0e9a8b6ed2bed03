// Vouchers in CMS against OpenSSL: it reads ours, we read its (draft-ietf-anima-rfc8366bis §7.1, RFC 5652).
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { SigningAlgorithm } from '#main/base/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import { checkVoucher, readVoucher, signVoucher, type VoucherData } from '#main/services/join/index.ts'
import { chainPem, keyPem, makeDomain, makeMaker } from '../masa/pki.ts'
import { describeWithPeer, run } from '../support/peers.ts'
import { temporaryFolder } from '../support/site-file.ts'

const NOW = Date.UTC(2026, 5, 1)
const domain = makeDomain('Harbour House')
const data: VoucherData = {
  assertion: 'verified',
  createdOn: NOW,
  expiresOn: NOW + 86_400_000,
  serialNumber: 'BL-1',
  pinnedDomainCert: domain.root.certificate,
}
const JSON_VOUCHER = '1.2.840.113549.1.9.16.1.40'

describeWithPeer('vouchers in CMS and OpenSSL', ['openssl'], (openssl) => {
  describe.each<SigningAlgorithm>(['P-256', 'P-384'])('with %s', (algorithm) => {
    const maker = makeMaker('Blue Lamps', 'masa.example', algorithm)

    function folder(): string {
      const path = temporaryFolder()
      writeFileSync(join(path, 'root.pem'), chainPem([maker.root.certificate]))
      writeFileSync(join(path, 'signer.pem'), chainPem([maker.signer.certificate]))
      writeFileSync(join(path, 'signer.key'), keyPem(maker.signer.key))
      return path
    }

    test('OpenSSL verifies what we sign, and finds the same data', async () => {
      const path = folder()
      const bytes = signVoucher(data, maker.signer, { format: 'cms' })
      writeFileSync(join(path, 'voucher.vcj'), bytes)
      const at = ['-attime', String(NOW / 1000)]
      const verify = [
        'cms',
        '-verify',
        '-binary',
        '-inform',
        'DER',
        '-in',
        join(path, 'voucher.vcj'),
        '-CAfile',
        join(path, 'root.pem'),
        ...at,
      ]
      const { exitCode, stdout, stderr } = await run(openssl, [...verify, '-purpose', 'any'])
      expect([exitCode, stderr]).toEqual([0, expect.stringContaining('successful')])
      const said = JSON.parse(new TextDecoder().decode(stdout)) as unknown
      expect(said).toMatchObject({
        'ietf-voucher:voucher': { 'serial-number': 'BL-1', assertion: 'verified', 'created-on': '2026-06-01T00:00:00Z' },
      })
    })

    test.each([[], ['-keyid'], ['-nosmimecap'], ['-md', 'sha512']])('we verify what OpenSSL signs, %s', async (...options) => {
      const path = folder()
      const own = { 'serial-number': 'BL-1', assertion: 'verified', 'expires-on': '2026-06-02T00:00:00+00:00' }
      const pin = { 'pinned-domain-cert': Buffer.from(domain.root.certificate).toString('base64') }
      writeFileSync(join(path, 'data.json'), JSON.stringify({ 'ietf-voucher:voucher': { ...own, ...pin } }, undefined, 2))
      const out = join(path, 'voucher.vcj')
      const files = ['-in', join(path, 'data.json'), '-signer', join(path, 'signer.pem'), '-inkey', join(path, 'signer.key'), '-out', out]
      const sign = ['cms', '-sign', '-binary', '-nodetach', '-econtent_type', JSON_VOUCHER, '-outform', 'DER', ...options.flat(), ...files]
      const { exitCode, stderr } = await run(openssl, sign)
      expect([exitCode, stderr]).toEqual([0, ''])
      const bytes = new Uint8Array(readFileSync(out))
      const expected = {
        serialNumber: 'BL-1',
        nonce: 'none',
        registrarChain: domain.registrar.chain,
        anchors: [maker.root.certificate],
        signature: 'required',
        nowMs: NOW,
      } as const
      expect((await checkVoucher(bytes, 'cms', expected)).signer).toBe('trusted')
      const stranger = makeMaker('Red', 'masa.example', algorithm)
      expect(readVoucher(bytes, 'cms').isSignedBy(new Certificate(stranger.signer.certificate).key)).toBe(false)
    })
  })
})
