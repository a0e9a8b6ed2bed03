// What DTLS asks of base: its PRF's HMAC, ephemeral agreement, record AEADs, the key in a certificate.
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  exportPublicKey,
  generateAgreementKey,
  generateKeyPair,
  hmac,
  HmacSha256,
  importAesKey,
  importPublicKey,
  recordAeads,
  sharedSecret,
  spkiOfCertificate,
  toHex,
} from '#main/base/index.ts'
import { describe, expect, it } from 'vitest'

const vectors = join(import.meta.dirname, '../vectors/dtls')

describe('HMAC-SHA-256 from two hashes', () => {
  it('is that of the library for keys and messages of any length', () => {
    const bytes = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(bytes, bytes, bytes, (key, a, b) => {
        expect(toHex(new HmacSha256(key).of(a, b))).toBe(toHex(hmac('sha256', key, a, b)))
      }),
    )
  })
})

describe('an agreement key', () => {
  for (const curve of ['P-256', 'X25519'] as const) {
    it(`on ${curve} agrees with another, and with a key of the other kind`, () => {
      const one = generateAgreementKey(curve)
      const other = generateAgreementKey(curve)
      expect(toHex(one.agree(other.point))).toBe(toHex(other.agree(one.point)))
      const pair = generateKeyPair(curve)
      expect(toHex(one.agree(exportPublicKey(pair.publicKey)))).toBe(
        toHex(sharedSecret(pair.privateKey, importPublicKey(curve, one.point))),
      )
    })

    it(`on ${curve} takes nothing that is no point`, () => {
      const key = generateAgreementKey(curve)
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
          if (curve === 'X25519' && bytes.length === 32) return
          expect(() => key.agree(bytes)).toThrow(expect.objectContaining({ code: 'crypto.parameter-invalid' }))
        }),
      )
    })
  }

  it('takes no compressed and no hybrid point of P-256, and no point of low order of X25519 (RFC 7748 §6.1)', () => {
    const key = generateAgreementKey('P-256')
    const { point } = generateAgreementKey('P-256')
    const sign = (point[64] ?? 0) & 1
    for (const wrong of [point.slice(0, 33).with(0, 2 + sign), point.with(0, 6 + sign), point.with(64, (point[64] ?? 0) ^ 1)])
      expect(() => key.agree(wrong)).toThrow(expect.objectContaining({ code: 'crypto.parameter-invalid' }))
    for (const low of [new Uint8Array(32), new Uint8Array(32).with(0, 1)])
      expect(() => generateAgreementKey('X25519').agree(low)).toThrow(expect.objectContaining({ code: 'crypto.parameter-invalid' }))
  })
})

describe('the AEADs of records', () => {
  for (const [name, tagBytes] of [
    ['AES-128-CCM-8', 8],
    ['AES-128-CCM', 16],
    ['AES-128-GCM', 16],
  ] as const) {
    it(`${name} opens what it sealed, with a tag of ${tagBytes} bytes`, () => {
      const key = importAesKey(new Uint8Array(16).fill(7))
      const [nonce, aad, text] = [new Uint8Array(12), Uint8Array.of(1, 2), Uint8Array.of(3, 4, 5)]
      const sealed = recordAeads[name].seal(key, nonce, aad, text)
      expect(sealed.length).toBe(text.length + tagBytes)
      expect(recordAeads[name].open(key, nonce, aad, sealed)).toEqual(text)
      expect(() => recordAeads[name].open(key, nonce, Uint8Array.of(1, 3), sealed)).toThrow()
    })
  }
})

describe('the key in a certificate', () => {
  const files = readdirSync(vectors).filter((name) => name.endsWith('.cert.pem'))
  it('is the one that the library finds', () => {
    expect(files.length).toBeGreaterThan(5)
    for (const name of files) {
      const certificate = new X509Certificate(readFileSync(join(vectors, name)))
      const spki = certificate.publicKey.export({ format: 'der', type: 'spki' })
      expect(toHex(spkiOfCertificate(new Uint8Array(certificate.raw)))).toBe(toHex(new Uint8Array(spki)))
    }
  })

  it('is looked for in any bytes without another failure than one', () => {
    const der = new Uint8Array(new X509Certificate(readFileSync(join(vectors, files[0] ?? ''))).raw)
    const spoilt = fc
      .tuple(fc.nat(der.length - 1), fc.nat(255), fc.nat(der.length))
      .map(([at, value, end]) => der.with(at, value).slice(0, end))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), spoilt), (bytes) => {
        try {
          spkiOfCertificate(bytes)
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'crypto.parameter-invalid' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})
