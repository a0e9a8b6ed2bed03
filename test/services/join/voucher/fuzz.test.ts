// Any bytes give a value or a typed error, and a voucher that was changed anywhere is never one that was signed.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError, concatBytes, seededRandom, utf8 } from '#main/base/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import {
  checkPledgeRequest,
  createDeviceList,
  createMasa,
  decodeAuditLog,
  judgeVoucher,
  makePledgeRequest,
  readVoucher,
  readVoucherRequest,
  signVoucher,
  splitVoucherFile,
  VOUCHER_MEDIA_TYPES,
  voucherForPledge,
  type VoucherData,
  type VoucherFormat,
} from '#main/services/join/index.ts'
import { decodeCborData, encodeCborData } from '../../../../src-main/services/join/voucher/cbor-data.ts'
import { decodeJsonData, encodeJsonData } from '../../../../src-main/services/join/voucher/json-data.ts'
import { REQUEST, VOUCHER } from '../../../../src-main/services/join/voucher/leaves.ts'
import { makeDomain, makeMaker, nonceOf } from '../../../masa/pki.ts'
import { VirtualClock } from '../../../support/virtual-clock.ts'
import { vectorHex } from './vectors.ts'

/** A quick look at each run of the tests; a long one by VOUCHER_FUZZ_RUNS=1000000. */
const RUNS = Number(process.env.VOUCHER_FUZZ_RUNS ?? 4000)
const FORMATS: readonly VoucherFormat[] = ['cose', 'cms']

/** What total means: a value, or a failure of its kind. */
function total(work: () => unknown, codes = /^voucher\.invalid$/): void {
  try {
    work()
  } catch (thrown) {
    if (!(thrown instanceof AppError) || !codes.test(thrown.code)) throw thrown
  }
}

function everyDecoder(bytes: Uint8Array): void {
  for (const format of FORMATS) {
    total(() => readVoucher(bytes, format))
    total(() => readVoucherRequest(bytes, format))
    total(() => voucherForPledge(bytes, format))
  }
  for (const module of [VOUCHER, REQUEST]) {
    total(() => decodeCborData(bytes, module))
    total(() => decodeJsonData(bytes, module))
  }
  total(() => splitVoucherFile(bytes))
  total(() => decodeAuditLog(bytes), /^voucher\.masa-refused$/)
}

const maker = makeMaker('Blue Lamps')
const domain = makeDomain('Harbour House')
const data: VoucherData = {
  assertion: 'verified',
  createdOn: Date.UTC(2026, 5, 1),
  expiresOn: Date.UTC(2026, 6, 1),
  serialNumber: 'BL-1',
  pinnedDomainCert: domain.root.certificate,
}
const samples = [
  ...['pvr', 'rvr', 'voucher', 'new-voucher', 'voucher-nonsigned', 'rvr-nonsigned'].map(vectorHex),
  ...FORMATS.map((format) => signVoucher(data, maker.signer, { format })),
  encodeJsonData(data, VOUCHER),
  utf8('{"version":1,"events":[{"date":"2019-05-15T17:25:55Z","domainID":"BduJ","nonce":null,"assertion":"logged"}]}'),
]

/** One to four bytes changed, taken out or put in. */
function mutated(sample: Uint8Array, random: ReturnType<typeof seededRandom>): Uint8Array {
  let bytes = sample
  for (let change = random.below(4); change >= 0; change--) {
    const at = random.below(bytes.length + 1)
    const kind = random.below(3)
    const put = kind === 1 ? new Uint8Array(0) : random.bytes(1)
    bytes = concatBytes(bytes.subarray(0, at), put, bytes.subarray(kind === 2 ? at : at + 1))
  }
  return bytes
}

describe('decoders are total', () => {
  test('for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => everyDecoder(bytes)),
      { numRuns: RUNS / 4 },
    )
  })

  test('for vouchers and requests changed by a few bytes', () => {
    const random = seededRandom(8995)
    for (let run = 0; run < RUNS; run++) everyDecoder(mutated(samples[run % samples.length]!, random))
  })

  test('for CBOR that nests, claims to be endless, or larger than it is', () => {
    const deep = new Uint8Array(60_000).fill(0x81)
    const endless = new Uint8Array(60_000).fill(0x9f)
    const tags = new Uint8Array(60_000).fill(0xc0)
    for (const bytes of [
      deep,
      endless,
      tags,
      Uint8Array.of(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xbf, 0x01, 0xff),
    ])
      for (const prefix of [
        [],
        [0xd2],
        [0x84, 0x40, 0xa0],
        [0xa1, 0x19, 0x09, 0x93],
        [0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26, 0xa1, 0x18, 0x20],
      ])
        everyDecoder(concatBytes(Uint8Array.from(prefix), bytes))
  })

  test('and the MASA answers whatever it is sent', async () => {
    const { key, chain } = maker.signer
    const masa = createMasa({
      key,
      chain,
      deviceAnchors: [maker.root.certificate],
      devices: createDeviceList([{ serialNumber: 'JADA123456789' }]),
      ownership: 'anyone',
      clock: new VirtualClock(Date.UTC(2022, 11, 12)),
    })
    const random = seededRandom(36)
    const statuses = new Set<number>()
    for (let run = 0; run < 2000; run++) {
      const contentType = VOUCHER_MEDIA_TYPES[run % 5 === 0 ? 'cms' : 'cose']
      const body = mutated(samples[run % samples.length]!, random)
      statuses.add(
        (await masa.answer({ operation: run % 2 === 0 ? 'requestvoucher' : 'requestauditlog', contentType, accept: '*/*', body })).status,
      )
    }
    expect([...statuses].filter((status) => status !== 400 && status !== 403 && status !== 404)).toEqual([])
  })
})

describe('a changed voucher never verifies', () => {
  test.each(FORMATS)('in %s, whichever bit is turned', (format) => {
    const bytes = signVoucher(data, maker.signer, { format, ...(format === 'cose' ? { certificates: [] } : {}) })
    const { key } = new Certificate(maker.signer.certificate)
    const original = JSON.stringify(readVoucher(bytes, format).data)
    const held: number[] = []
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 4, 32, 128]) {
        const changed = bytes.slice()
        changed[at] = (bytes[at] ?? 0) ^ bit
        total(() => {
          const voucher = readVoucher(changed, format)
          // What is not signed may be changed: certificates that come along in CMS, its version. What is said may not.
          if (voucher.isSignedBy(key) && JSON.stringify(voucher.data) !== original) held.push(at)
        })
      }
    }
    expect(held).toEqual([])
  })

  test('in COSE without certificates there is no bit that is not signed, but for the tag', () => {
    const bytes = signVoucher(data, maker.signer, { format: 'cose', certificates: [] })
    const { key } = new Certificate(maker.signer.certificate)
    const held: number[] = []
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice()
      changed[at] = (bytes[at] ?? 0) ^ 1
      total(() => {
        if (readVoucher(changed, 'cose').isSignedBy(key)) held.push(at)
      })
    }
    expect(held).toEqual([])
  })
})

describe('what was changed by a few bytes, signed or not,', () => {
  const pledge = maker.pledge('BL-1')
  const nonce = nonceOf('fresh')
  const registrarCertificate = domain.registrar.certificate

  test('is no voucher for the pledge, or says the same', async () => {
    const random = seededRandom(9254)
    for (const format of FORMATS) {
      const bytes = signVoucher({ ...data, nonce }, maker.signer, { format, signedCertificates: maker.signer.chain })
      const judge = (changed: Uint8Array) =>
        judgeVoucher({
          bytes: changed,
          format,
          idevid: pledge.certificate,
          nonce,
          anchors: [maker.root.certificate],
          registrarChain: domain.registrar.chain,
          nowMs: Date.UTC(2026, 5, 2),
        })
      const { data: said } = await judge(bytes)
      for (let run = 0; run < 700; run++) {
        const outcome = await judge(mutated(bytes, random)).catch((thrown: unknown) => {
          if (thrown instanceof AppError && thrown.code.startsWith('voucher.')) return undefined
          throw thrown
        })
        if (outcome !== undefined) expect(outcome.data).toEqual(said)
      }
    }
  })

  test('is no request of a pledge for the registrar, or says the same', () => {
    const random = seededRandom(8366)
    for (const format of FORMATS) {
      const bytes = makePledgeRequest(pledge, { format, nonce, registrarCertificate })
      const check = (changed: Uint8Array, chain = pledge.chain) =>
        checkPledgeRequest({ bytes: changed, format, pledgeChain: chain, registrarCertificate }).data
      const said = check(bytes)
      for (let run = 0; run < 1000; run++) {
        total(() => expect(check(mutated(bytes, random))).toEqual(said), /^(?:voucher\.|join\.identity-missing$)/)
        const changed = mutated(pledge.certificate, random)
        total(() => check(bytes, [changed]), /^(?:voucher\.|crypto\.|join\.identity-missing$)/)
      }
    }
  })
})

test('data goes through both encodings unchanged, whatever it is', () => {
  const bytes = fc.uint8Array({ maxLength: 100 })
  const time = fc.integer({ min: Date.UTC(1000, 0, 1), max: Date.UTC(9999, 11, 31) })
  const request = fc.record(
    {
      assertion: fc.constantFrom('verified', 'logged', 'proximity', 'agent-proximity'),
      createdOn: time,
      domainCertRevocationChecks: fc.boolean(),
      expiresOn: time,
      idevidIssuer: bytes,
      nonce: fc.uint8Array({ minLength: 8, maxLength: 32 }),
      pinnedDomainCert: bytes,
      pinnedDomainPubkSha256: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      serialNumber: fc
        .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
        .filter((text) => !/\p{Cc}/u.test(text) && text.isWellFormed() && !text.startsWith('\ufeff')),
      estDomain: fc.webUrl(),
      extensions: fc.array(fc.oneof(fc.string({ unit: 'grapheme-ascii' }), fc.nat())),
      priorSignedVoucherRequest: bytes,
      agentSignCert: bytes,
    },
    { requiredKeys: ['serialNumber'] },
  )
  fc.assert(
    fc.property(request, (one) => {
      expect(decodeCborData(encodeCborData(one, REQUEST), REQUEST)).toEqual(one)
      expect(decodeCborData(encodeCborData(one, REQUEST, { keys: 'names' }), REQUEST)).toEqual(one)
      expect(decodeJsonData(encodeJsonData(one, REQUEST), REQUEST)).toEqual(one)
    }),
    { numRuns: 300 },
  )
})

test('a nonce that came in is the nonce that goes out', () => {
  const nonce = nonceOf('12345678')
  expect(readVoucher(signVoucher({ ...data, nonce }, maker.signer, { format: 'cms' }), 'cms').data.nonce).toEqual(nonce)
})
