// Vouchers and requests in both formats: the published ones byte for byte, ours back and forth, and what is neither.
import { describe, expect, test } from 'vitest'
import {
  encodeCbor,
  fromHex,
  signAs,
  toHex,
  utf8,
  verifyAs,
  type CborKey,
  type CborValue,
  type SigningAlgorithm,
} from '#main/base/index.ts'
import { asn1, Certificate } from '#main/services/ra/index.ts'
import {
  MAX_ARTIFACT_BYTES,
  readVoucher,
  readVoucherRequest,
  signVoucher,
  signVoucherRequest,
  voucherForPledge,
  type VoucherData,
  type VoucherRequestData,
} from '#main/services/join/index.ts'
import { decodeCborData, encodeCborData } from '../../../../src-main/services/join/voucher/cbor-data.ts'
import { encodeCms } from '../../../../src-main/services/join/voucher/cms.ts'
import { encodeCose } from '../../../../src-main/services/join/voucher/cose.ts'
import { decodeJsonData, encodeJsonData } from '../../../../src-main/services/join/voucher/json-data.ts'
import { REQUEST, VOUCHER } from '../../../../src-main/services/join/voucher/leaves.ts'
import { failureOf } from './failure.ts'
import { makeMaker, makeParty } from '../../../masa/pki.ts'
import { vectorHex, vectorKey } from './vectors.ts'

const keyOf = (name: string) => new Certificate(vectorHex(name)).key

describe('the examples of constrained-voucher-31 Appendix C', () => {
  test('the pledge request (C.3) is signed by the pledge and says what the appendix says', () => {
    const request = readVoucherRequest(vectorHex('pvr'), 'cose')
    expect(request.isSignedBy(keyOf('pledge'))).toBe(true)
    expect(request.isSignedBy(keyOf('registrar'))).toBe(false)
    expect(request.data).toEqual({
      assertion: 'proximity',
      nonce: Uint8Array.from([0x23, 0xbf, 0xbb, 0xc9, 0xc2, 0xbc, 0xf2, 0x13]),
      proximityRegistrarPubk: new Certificate(vectorHex('registrar')).spki,
      serialNumber: 'JADA123456789',
    })
    expect(request.certificates).toEqual([])
  })

  test('the registrar request (C.4) is signed by the registrar, brings its chain, and holds the pledge request', () => {
    const request = readVoucherRequest(vectorHex('rvr'), 'cose')
    expect(request.isSignedBy(keyOf('registrar'))).toBe(true)
    expect(request.data.createdOn).toBe(Date.parse('2022-12-06T20:04:15.754Z'))
    expect(toHex(request.data.priorSignedVoucherRequest ?? utf8(''))).toBe(toHex(vectorHex('pvr')))
    const [registrar, domain] = request.certificates.map((der) => new Certificate(der))
    expect(registrar?.spki).toEqual(new Certificate(vectorHex('registrar')).spki)
    expect(registrar !== undefined && domain !== undefined && registrar.isIssuedBy(domain)).toBe(true)
  })

  test('the voucher (C.5) is signed by the maker and pins the domain CA', () => {
    const voucher = readVoucher(vectorHex('voucher'), 'cose')
    expect(voucher.isSignedBy(keyOf('masa_ca'))).toBe(true)
    expect(voucher.data).toMatchObject({
      assertion: 'proximity',
      createdOn: Date.parse('2022-12-06T20:23:30.708Z'),
      domainCertRevocationChecks: false,
      serialNumber: 'JADA123456789',
    })
    expect(voucher.data.pinnedDomainCert).toEqual(readVoucherRequest(vectorHex('rvr'), 'cose').certificates[1])
  })

  test.each([
    ['pvr', REQUEST],
    ['rvr', REQUEST],
    ['voucher', VOUCHER],
    ['new-pvr', REQUEST],
    ['new-rvr', REQUEST],
    ['new-voucher', VOUCHER],
  ] as const)('the data of %s is written as the same bytes again', (name, module) => {
    const published = vectorHex(`${name}-nonsigned`)
    expect(toHex(encodeCborData(decodeCborData(published, module), module))).toBe(toHex(published))
  })

  test('the later voucher with the maker’s certificate beside it becomes the voucher as a pledge gets it (§6.8)', () => {
    const whole = vectorHex('new-voucher')
    const stripped = voucherForPledge(whole, 'cose')
    expect(readVoucher(whole, 'cose').certificates).toEqual([vectorHex('masa_ca')])
    expect(readVoucher(stripped, 'cose').certificates).toEqual([])
    expect(readVoucher(stripped, 'cose').isSignedBy(keyOf('masa_ca'))).toBe(true)
    expect(whole.length - stripped.length).toBeGreaterThan(500)
    expect(toHex(voucherForPledge(stripped, 'cose'))).toBe(toHex(stripped))
  })

  test('what we sign with the published keys has the published form but for the random signature', () => {
    const ours = signVoucherRequest(
      readVoucherRequest(vectorHex('pvr'), 'cose').data,
      { key: vectorKey('pledge'), chain: [] },
      { format: 'cose' },
    )
    expect(toHex(ours.subarray(0, -64))).toBe(toHex(vectorHex('pvr').subarray(0, -64)))
    expect(readVoucherRequest(ours, 'cose').isSignedBy(keyOf('pledge'))).toBe(true)
  })
})

const everything: VoucherRequestData = {
  assertion: 'agent-proximity',
  createdOn: Date.UTC(2026, 4, 1, 12, 30, 15, 250),
  domainCertRevocationChecks: true,
  expiresOn: Date.UTC(2027, 0, 1),
  idevidIssuer: utf8('issuer'),
  lastRenewalDate: Date.UTC(2028, 0, 1),
  nonce: utf8('12345678'),
  pinnedDomainCert: utf8('cert'),
  pinnedDomainPubk: utf8('key'),
  pinnedDomainPubkSha256: new Uint8Array(32).fill(7),
  serialNumber: 'Größe 1/2',
  additionalConfigurationUrl: 'https://example.com/c',
  estDomain: 'https://est.example',
  manufacturerProprietary: utf8('own'),
  extensions: ['example-my-extension'],
  priorSignedVoucherRequest: utf8('prior'),
  proximityRegistrarCert: utf8('r'),
  proximityRegistrarPubk: utf8('rk'),
  proximityRegistrarPubkSha256: new Uint8Array(32).fill(9),
  agentSignedData: utf8('a'),
  agentProvidedProximityRegistrarCert: utf8('b'),
  agentSignCert: utf8('c'),
}

describe('data', () => {
  test('every leaf of a request goes through SIDs, names and JSON (rfc8366bis §9.2)', () => {
    expect(decodeCborData(encodeCborData(everything, REQUEST), REQUEST)).toEqual(everything)
    expect(decodeCborData(encodeCborData(everything, REQUEST, { keys: 'names' }), REQUEST)).toEqual(everything)
    expect(decodeJsonData(encodeJsonData(everything, REQUEST), REQUEST)).toEqual(everything)
  })

  test('leaves of requests alone are left out of a voucher, and not read there', () => {
    const voucher = decodeCborData(encodeCborData(everything, VOUCHER), VOUCHER)
    expect(voucher.priorSignedVoucherRequest).toBeUndefined()
    expect(voucher.pinnedDomainCert).toEqual(everything.pinnedDomainCert)
    const asNames = encodeCbor({ 'ietf-voucher:voucher': { 'serial-number': 'S', 'proximity-registrar-cert': utf8('x') } })
    expect(decodeCborData(asNames, VOUCHER)).toEqual({ serialNumber: 'S', unread: ['proximity-registrar-cert'] })
  })

  test('an extension under an absolute SID is passed over, the rest is read (rfc8366bis §8.3, §8.6)', () => {
    // {2451: {11: "J", 17: [305823299950], 47(305823299950): {1: "x"}}} with extensions at its own SID 2466.
    const bytes = fromHex('a1190993a30b614a0f811b00000047347d396ed82f1b00000047347d396ea1016178')!
    expect(decodeCborData(bytes, VOUCHER)).toEqual({ serialNumber: 'J', extensions: [305_823_299_950], unread: ['305823299950'] })
  })

  test.each<[string, CborValue]>([
    ['another container', new Map<CborKey, CborValue>([[2501, new Map([[13, 'S']])]])],
    [
      'two containers',
      new Map<CborKey, CborValue>([
        [2451, new Map([[11, 'S']])],
        [2450, new Map()],
      ]),
    ],
    ['no serial number', new Map<CborKey, CborValue>([[2451, new Map([[1, 1]])]])],
    ['an empty serial number', new Map<CborKey, CborValue>([[2451, new Map([[11, '']])]])],
    ['a serial number with a line break', new Map<CborKey, CborValue>([[2451, new Map([[11, 'a\nb']])]])],
    [
      'an unknown assertion',
      new Map<CborKey, CborValue>([
        [
          2451,
          new Map<CborKey, CborValue>([
            [1, 4],
            [11, 'S'],
          ]),
        ],
      ]),
    ],
    [
      'a negative assertion',
      new Map<CborKey, CborValue>([
        [
          2451,
          new Map<CborKey, CborValue>([
            [1, -1],
            [11, 'S'],
          ]),
        ],
      ]),
    ],
    [
      'a nonce of 7 bytes',
      new Map<CborKey, CborValue>([
        [
          2451,
          new Map<CborKey, CborValue>([
            [7, new Uint8Array(7)],
            [11, 'S'],
          ]),
        ],
      ]),
    ],
    [
      'a nonce of 33 bytes',
      new Map<CborKey, CborValue>([
        [
          2451,
          new Map<CborKey, CborValue>([
            [7, new Uint8Array(33)],
            [11, 'S'],
          ]),
        ],
      ]),
    ],
    [
      'a time that is none',
      new Map<CborKey, CborValue>([
        [
          2451,
          new Map<CborKey, CborValue>([
            [2, '2026-02-30T00:00:00Z'],
            [11, 'S'],
          ]),
        ],
      ]),
    ],
    [
      'a time that is a number',
      new Map<CborKey, CborValue>([
        [
          2451,
          new Map<CborKey, CborValue>([
            [4, 1],
            [11, 'S'],
          ]),
        ],
      ]),
    ],
    [
      'a leaf by SID and by name',
      new Map<CborKey, CborValue>([
        [
          2451,
          new Map<CborKey, CborValue>([
            [11, 'S'],
            ['serial-number', 'T'],
          ]),
        ],
      ]),
    ],
  ])('%s is voucher.invalid', (_, value) => {
    expect(failureOf(() => decodeCborData(encodeCbor(value), VOUCHER))).toBe('voucher.invalid')
  })

  test('times have offsets, fractions and leap seconds (RFC 3339 §5.6)', () => {
    const at = (text: string): number | undefined =>
      decodeJsonData(utf8(JSON.stringify({ 'ietf-voucher:voucher': { 'serial-number': 'S', 'created-on': text } })), VOUCHER).createdOn
    expect(at('2019-05-15T17:25:55.644-04:00')).toBe(Date.UTC(2019, 4, 15, 21, 25, 55, 644))
    expect(at('2016-12-31T23:59:60Z')).toBe(Date.UTC(2017, 0, 1))
  })
})

describe('signatures', () => {
  const data: VoucherData = { assertion: 'logged', serialNumber: 'S-1', nonce: utf8('12345678') }

  test.each<SigningAlgorithm>(['P-256', 'P-384', 'Ed25519'])('%s signs and verifies in both formats', (algorithm) => {
    const signer = makeParty({ name: 'CN=Maker', algorithm })
    const other = makeParty({ name: 'CN=Maker', algorithm })
    for (const format of ['cose', 'cms'] as const) {
      const voucher = readVoucher(signVoucher(data, signer, { format }), format)
      expect(voucher.data).toEqual(data)
      expect(voucher.certificates).toEqual(signer.chain)
      expect(voucher.isSignedBy(new Certificate(signer.certificate).key)).toBe(true)
      expect(voucher.isSignedBy(new Certificate(other.certificate).key)).toBe(false)
    }
  })

  test('an untagged COSE_Sign1 is read too, and stays untagged without its certificates', () => {
    const signer = makeParty({ name: 'CN=Maker' })
    const bytes = encodeCose(encodeCborData(data, VOUCHER), { key: signer.key, bag: signer.chain, kid: utf8('k1'), tagged: false })
    const voucher = readVoucher(bytes, 'cose')
    expect(bytes[0]).toBe(0x84)
    expect(voucher.kid).toEqual(utf8('k1'))
    const stripped = readVoucher(voucherForPledge(bytes, 'cose'), 'cose')
    expect(voucherForPledge(bytes, 'cose')[0]).toBe(0x84)
    expect([stripped.kid, stripped.certificates]).toEqual([utf8('k1'), []])
  })

  test('certificates in the protected header stay, for a pledge that knows the root alone (§9.2.3)', () => {
    const maker = makeMaker('Maker')
    const bytes = signVoucher(data, maker.signer, { format: 'cose', signedCertificates: maker.signer.chain })
    const stripped = readVoucher(voucherForPledge(bytes, 'cose'), 'cose')
    expect(stripped.certificates).toEqual(maker.signer.chain)
    expect(stripped.isSignedBy(new Certificate(maker.signer.certificate).key)).toBe(true)
  })

  test('an algorithm that does not fit the key is a wrong signature, whatever the bytes are (algorithm confusion)', () => {
    const signer = makeParty({ name: 'CN=Maker', algorithm: 'P-384' })
    const payload = encodeCborData(data, VOUCHER)
    const header = encodeCbor(new Map([[1, -7]]))
    // A P-384 key that signs by SHA-384 under the name of ES256, cut to the length of that.
    const signature = signAs(signer.key, encodeCbor(['Signature1', header, new Uint8Array(0), payload])).slice(0, 64)
    const voucher = readVoucher(encodeCbor([header, new Map(), payload, signature]), 'cose')
    expect(voucher.isSignedBy(new Certificate(signer.certificate).key)).toBe(false)
  })

  test.each<[string, CborValue, CborValue]>([
    ['no algorithm at all', new Map(), new Map()],
    ['the algorithm in the unprotected header alone', new Map(), new Map([[1, -7]])],
    ['the algorithm in both headers', new Map([[1, -7]]), new Map([[1, -8]])],
    [
      'something critical that is not understood',
      new Map<CborKey, CborValue>([
        [1, -7],
        [2, [99]],
        [99, 1],
      ]),
      new Map(),
    ],
    ['critical labels in the unprotected header', new Map([[1, -7]]), new Map<CborKey, CborValue>([[2, [1]]])],
    ['an algorithm by name', new Map<CborKey, CborValue>([[1, 'ES256']]), new Map()],
    ['certificates that are texts', new Map([[1, -7]]), new Map([[32, 'x']])],
    ['more certificates than anybody needs', new Map([[1, -7]]), new Map([[32, Array.from({ length: 17 }, () => new Uint8Array(3))]])],
  ])('%s is voucher.invalid', (_, inner, outer) => {
    const bytes = encodeCbor([encodeCbor(inner), outer, encodeCborData(data, VOUCHER), new Uint8Array(64)])
    expect(failureOf(() => readVoucher(bytes, 'cose'))).toBe('voucher.invalid')
  })

  test('a MAC algorithm verifies nothing', () => {
    const signer = makeParty({ name: 'CN=Maker' })
    const bytes = encodeCbor([encodeCbor(new Map([[1, 5]])), new Map(), encodeCborData(data, VOUCHER), new Uint8Array(64)])
    expect(readVoucher(bytes, 'cose').isSignedBy(new Certificate(signer.certificate).key)).toBe(false)
  })

  test('additional header parameters, tags and all, are left alone (§9.2.5)', () => {
    const signer = makeParty({ name: 'CN=Maker' })
    const payload = encodeCborData(data, VOUCHER)
    const header = encodeCbor(
      new Map<CborKey, CborValue>([
        [1, -7],
        [15, new Map([[6, 1_700_000_000]])],
      ]),
    )
    const message = encodeCbor(['Signature1', header, new Uint8Array(0), payload])
    const der = signAs(signer.key, message)
    expect(verifyAs(new Certificate(signer.certificate).key, { family: 'ecdsa', hash: 'sha256' }, message, der)).toBe(true)
    const whole = encodeCose(payload, { key: signer.key })
    // {15: {6: 1(1700000000)}} in the unprotected header, put in by hand.
    const tagged = Uint8Array.from([
      ...whole.subarray(0, 6),
      0xa1,
      0x0f,
      0xa1,
      0x06,
      0xc1,
      0x1a,
      0x65,
      0x53,
      0xf1,
      0x00,
      ...whole.subarray(7),
    ])
    expect(whole[6]).toBe(0xa0)
    expect(readVoucher(tagged, 'cose').isSignedBy(new Certificate(signer.certificate).key)).toBe(true)
    expect(toHex(voucherForPledge(tagged, 'cose'))).toBe(toHex(tagged))
  })

  test('CMS without signed attributes is refused (rfc8366bis §7.1)', () => {
    const signer = makeParty({ name: 'CN=Maker' })
    const whole = asn1.readDer(encodeCms(encodeJsonData(data, VOUCHER), { key: signer.key, certificates: [signer.certificate] }))
    expect(failureOf(() => readVoucher(withoutAttributes(whole), 'cms'))).toBe('voucher.invalid')
  })

  test('a voucher larger than any is refused before it is looked at', () => {
    expect(failureOf(() => readVoucher(new Uint8Array(MAX_ARTIFACT_BYTES + 1).fill(0x84), 'cose'))).toBe('voucher.invalid')
    expect(failureOf(() => readVoucher(new Uint8Array(MAX_ARTIFACT_BYTES + 1).fill(0x30), 'cms'))).toBe('voucher.invalid')
  })
})

/** The same SignedData whose SignerInfo has lost its signed attributes. */
function withoutAttributes(element: asn1.Der): Uint8Array {
  const [type, content] = asn1.elementsOf(element)
  const parts = asn1.elementsOf(asn1.readDer(content!.content))
  const [signer] = asn1.elementsOf(parts.at(-1)!, asn1.Tag.SET)
  const fields = asn1.elementsOf(signer!).filter(({ tag }) => tag !== asn1.context(0))
  const signers = asn1.setOf(asn1.sequence(...fields.map(({ bytes }) => bytes)))
  return asn1.sequence(type!.bytes, asn1.explicit(0, asn1.sequence(...parts.slice(0, -1).map(({ bytes }) => bytes), signers)))
}
