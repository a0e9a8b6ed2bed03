// Vouchers in COSE against cbor2 and Python's cryptography, both ways. GROUPWRIGHT_AIOCOAP_PYTHON names an interpreter that has them.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toHex, type SigningAlgorithm } from '#main/base/index.ts'
import { checkVoucher, signVoucher, voucherForPledge, type VoucherData } from '#main/services/join/index.ts'
import { keyPem, makeDomain, makeMaker, nonceOf } from '../masa/pki.ts'
import { describeWithPeer, run } from '../support/peers.ts'
import { temporaryFolder } from '../support/site-file.ts'

const PYTHON = [process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? 'a Python with aiocoap (GROUPWRIGHT_AIOCOAP_PYTHON)']
const SCRIPT = join(import.meta.dirname, 'aiocoap/vouchers.py')
const NOW = Date.UTC(2026, 5, 1)
const domain = makeDomain('Harbour House')
const nonce = nonceOf('fresh')

describeWithPeer('vouchers in COSE and Python', PYTHON, (python) => {
  describe.each<SigningAlgorithm>(['P-256', 'P-384', 'Ed25519'])('with %s', (algorithm) => {
    const maker = makeMaker('Blue Lamps', 'masa.example', algorithm)

    test('Python verifies what we sign, before and after the certificates are taken off', async () => {
      const path = temporaryFolder()
      const [voucher, certificate] = [join(path, 'voucher.vch'), join(path, 'signer.der')]
      writeFileSync(certificate, maker.signer.certificate)
      const pinnedDomainCert = domain.sub.certificate
      const data: VoucherData = { assertion: 'proximity', createdOn: NOW, serialNumber: 'BL-1', nonce, pinnedDomainCert }
      const whole = signVoucher(data, maker.signer, { format: 'cose' })
      for (const [bytes, bag] of [
        [whole, maker.signer.chain.map(toHex)],
        [voucherForPledge(whole, 'cose'), []],
      ] as const) {
        writeFileSync(voucher, bytes)
        const { exitCode, stdout, stderr } = await run(python, [SCRIPT, 'verify', voucher, certificate])
        expect([exitCode, stderr]).toEqual([0, ''])
        expect(JSON.parse(new TextDecoder().decode(stdout))).toEqual({
          data: { '1': 2, '2': '2026-06-01T00:00:00Z', '7': toHex(nonce), '8': toHex(pinnedDomainCert), '11': 'BL-1' },
          bag,
        })
      }
    })

    test.each([1, 2])('we verify what Python signs, with %d certificates beside it', async (count) => {
      const path = temporaryFolder()
      const file = (name: string, content: Uint8Array | string): string => {
        writeFileSync(join(path, name), content)
        return join(path, name)
      }
      const out = join(path, 'voucher.vch')
      const chain = maker.signer.chain.slice(0, count).map((der, index) => file(`c${index}.der`, der))
      const pin = file('pin.der', domain.root.certificate)
      const key = file('key.pem', keyPem(maker.signer.key))
      const { exitCode, stderr } = await run(python, [SCRIPT, 'sign', key, 'BL-1', toHex(nonce), pin, out, ...chain])
      expect([exitCode, stderr]).toEqual([0, ''])
      const checked = await checkVoucher(new Uint8Array(readFileSync(out)), 'cose', {
        serialNumber: 'BL-1',
        nonce,
        registrarChain: domain.registrar.chain,
        anchors: [maker.root.certificate],
        signature: 'required',
        nowMs: NOW,
      })
      expect([checked.signer, checked.voucher.data.createdOn, checked.pinnedBy]).toEqual(['trusted', NOW, 'cert'])
    })
  })
})
