// Vouchers issued and verified in both formats, beside one bare signature, one key read and one verification. Prints one JSON object.
import { importVerifyingKey, signAs, spkiOfCertificate, systemRandom, verifyAs } from '#main/base/index.ts'
import { readVoucher, signVoucher, type VoucherFormat } from '#main/services/join/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import { makeDomain, makeMaker, START } from '../masa/pki.ts'
import { compareCpu, type RatePair } from './cpu.ts'

const VOUCHERS = 1000
const { signer } = makeMaker('Bench')
const pinnedDomainCert = makeDomain('Bench').root.certificate

/** With a nonce that answers a request, and the domain's certificate pinned: what a MASA says of a device that asks. */
function issued(format: VoucherFormat): Uint8Array {
  const data = {
    assertion: 'proximity',
    createdOn: START,
    nonce: systemRandom.bytes(8),
    pinnedDomainCert,
    serialNumber: 'BENCH-0001',
  } as const
  return signVoucher(data, signer, { format })
}

function compareVouchers(format: VoucherFormat): RatePair {
  const signedBytes = new Uint8Array(issued(format).length)
  return compareCpu(
    VOUCHERS,
    () => {
      for (let left = VOUCHERS; left > 0; left--) {
        const voucher = readVoucher(issued(format), format)
        if (!voucher.isSignedBy(new Certificate(signer.certificate).key)) throw new TypeError('A voucher is not its signer’s')
      }
    },
    () => {
      for (let left = VOUCHERS; left > 0; left--) {
        const key = importVerifyingKey(spkiOfCertificate(signer.certificate))
        verifyAs(key, signer.key.scheme, signedBytes, signAs(signer.key, signedBytes))
      }
    },
  )
}

const rates = (['cose', 'cms'] as const).map((format) => ({
  name: `vouchers issued and verified in ${format.toUpperCase()}, against one bare signature and its verification by a key not seen before`,
  unit: 'vouchers/CPU s',
  ...compareVouchers(format),
}))
console.log(JSON.stringify({ rates, bytes: [] }))
