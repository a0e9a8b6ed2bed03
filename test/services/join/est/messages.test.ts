// EST-coaps payloads against the examples of RFC 9148 Appendix A, and any bytes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, concatBytes, fromHex, generateSigningKey, importSigningKey, toHex } from '#main/base/index.ts'
import {
  decodeMultipart,
  encodeMultipart,
  EstFormat,
  readCertificates,
  readCertificatesOnly,
  readCsrAttributes,
  readRequestAttributes,
  writeCsrAttributes,
  writeRequest,
} from '#main/services/join/index.ts'
import { certificatesOnly, extensionOf, nameText, readCertificationRequest } from '#main/services/ra/index.ts'
import { provesPossession } from '../../../../src-main/services/ra/x509/requests.ts'
import { nameOf } from '../../ra/harness.ts'

const examples = JSON.parse(readFileSync(join(import.meta.dirname, '../../../vectors/est/rfc9148.json'), 'utf8')) as Record<string, string>

function example(name: string): Uint8Array {
  return fromHex(examples[name] ?? '')!
}

describe('the examples of RFC 9148 Appendix A', () => {
  it('A.1: the CA certificates of a certs-only message', () => {
    const [root, ...more] = readCertificatesOnly(example('cacertsResponse'))
    expect(more).toEqual([])
    expect(nameText(root!.subject)).toContain('CN=Root CA')
    expect(root!.isIssuedBy(root!)).toBe(true)
  })

  it('A.2: a request bound to its session, with a hardware name', () => {
    const request = readCertificationRequest(example('enrollRequest'))
    expect(provesPossession(request)).toBe(true)
    expect(nameText(request.subject)).toContain('serialNumber=Wt1234')
    const attributes = readRequestAttributes(example('enrollRequest'))
    expect(attributes.challengePassword?.startsWith('vCv0)*&JKJ;')).toBe(true)
    expect(attributes.wantsWrapping).toBe(false)
  })

  it('A.2: the certificate that answers it is for the key of the request', () => {
    const [certificate] = readCertificates(EstFormat.CERTS_ONLY, example('enrollResponse'))
    expect(certificate?.spki).toEqual(readCertificationRequest(example('enrollRequest')).spki)
    expect(certificate?.subjectAltNames[0]).toEqual({ kind: 'hardware', type: '1.3.6.1.4.1.6715.10.1', serial: '01020304' })
  })

  it('A.3: a key made by the server, in a collection of two parts (Figure 2)', () => {
    expect(readCertificationRequest(example('serverkeygenRequest')).spki.length).toBeGreaterThan(80)
    const parts = [
      { contentFormat: EstFormat.PKCS8, bytes: example('serverkeygenKey') },
      { contentFormat: EstFormat.CERTS_ONLY, bytes: example('serverkeygenCertificate') },
    ]
    const bytes = encodeMultipart(parts)
    const heads = ['8419011c588a', '19011959' + '01d3'].map((hex) => fromHex(hex)!)
    expect(toHex(bytes)).toBe(toHex(concatBytes(heads[0]!, parts[0]!.bytes, heads[1]!, parts[1]!.bytes)))
    expect(decodeMultipart(bytes)).toEqual(parts)
    expect(readCertificatesOnly(parts[1]!.bytes)[0]?.spki).toEqual(importSigningKey(parts[0]!.bytes).spki)
  })

  it('Figure 2: the collection of §4.3 byte for byte', () => {
    const bytes = encodeMultipart([
      { contentFormat: 284, bytes: fromHex('0123456789abcdef')! },
      { contentFormat: 281, bytes: fromHex('fedcba9876543210')! },
    ])
    expect(toHex(bytes)).toBe('8419011c480123456789abcdef19011948fedcba9876543210')
  })

  it('A.4: a challenge password is asked for; attributes that nobody here knows are ignored (RFC 7030 §4.5.2)', () => {
    expect(readCsrAttributes(example('csrattrsResponse'))).toEqual({ keyType: undefined, isBound: true })
  })
})

describe('what is written', () => {
  it('is read again: requests with their attributes', () => {
    const key = generateSigningKey('P-256')
    const wrapFor = fromHex('00112233')!
    const bytes = writeRequest(
      { subject: nameOf('CN=lamp'), extensions: [extensionOf.extendedKeyUsage(['1.3.6.1.5.5.7.3.2'])], challengePassword: 'Zm9v', wrapFor },
      key,
    )
    const request = readCertificationRequest(bytes)
    expect(provesPossession(request)).toBe(true)
    expect(request.extensions.map(({ id }) => id)).toEqual(['2.5.29.37'])
    expect(readRequestAttributes(bytes)).toEqual({
      challengePassword: 'Zm9v',
      wantsWrapping: true,
      capabilities: ['2.16.840.1.101.3.4.1.2', '2.16.840.1.101.3.4.1.5'],
      asymmetricKeyId: wrapFor,
      symmetricKeyId: undefined,
    })
  })

  it.each([
    ['P-256', true],
    ['P-384', false],
    ['Ed25519', true],
  ] as const)('is read again: wanted attributes for %s', (keyType, isBound) => {
    expect(readCsrAttributes(writeCsrAttributes({ keyType, isBound }))).toEqual({ keyType, isBound })
  })

  it('is read again: certificates of the formats that carry them', () => {
    const [root] = readCertificatesOnly(example('cacertsResponse'))
    const der = root!.bytes
    const forms: ReadonlyArray<readonly [number, Uint8Array]> = [
      [EstFormat.CERTS_ONLY, certificatesOnly([der, der])],
      [EstFormat.PKIX_CERT, der],
      [EstFormat.MULTIPART, encodeMultipart([{ contentFormat: EstFormat.PKIX_CERT, bytes: der }])],
    ]
    for (const [format, bytes] of forms) expect(readCertificates(format, bytes)[0]?.bytes).toEqual(der)
  })
})

describe('any bytes', () => {
  const total = (read: (bytes: Uint8Array) => unknown, seed: Uint8Array): void => {
    const changed = fc.tuple(fc.nat(seed.length - 1), fc.nat(255), fc.nat(seed.length)).map(([at, to, end]) => {
      const copy = seed.slice(0, Math.max(1, end))
      copy[at % copy.length] = to
      return copy
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), (bytes) => {
        try {
          read(bytes)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
        }
      }),
      { numRuns: 500 },
    )
  }

  it('are read or refused with a code', () => {
    total(readRequestAttributes, example('enrollRequest'))
    total(readCsrAttributes, example('csrattrsResponse'))
    total(readCertificatesOnly, example('cacertsResponse'))
    total(
      (bytes) => readCertificates(EstFormat.MULTIPART, bytes),
      encodeMultipart([{ contentFormat: 287, bytes: example('enrollResponse') }]),
    )
  })
})
