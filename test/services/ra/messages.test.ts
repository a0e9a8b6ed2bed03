// The codec against messages that OpenSSL and Bouncy Castle made: parsed, written anew bit by bit, and verified with their keys.
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, utf8 } from '#main/base/index.ts'
import { BODY_TYPES } from '../../../src-main/services/ra/cmp/body.ts'
import { computeMac, macKindOf, verifyMac } from '../../../src-main/services/ra/cmp/mac.ts'
import { encodeMessage, protectedPart, readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { verifySignatureOf } from '../../../src-main/services/ra/cmp/protection.ts'
import { Refusal } from '../../../src-main/services/ra/cmp/status.ts'
import {
  certificateTime,
  der,
  generalizedTime,
  integer,
  integerValue,
  oid,
  oidText,
  readDer,
  timeValue,
} from '../../../src-main/services/ra/der/index.ts'
import manifest from '../../vectors/cmp/manifest.json' with { type: 'json' }
import { vector, VECTORS } from './harness.ts'

const files = (readdirSync(VECTORS, { recursive: true }) as string[]).filter((name) => name.endsWith('.der')).sort()
const about = new Map(
  (manifest as ReadonlyArray<{ file: string; body: string; pvno: number; transactionID: string }>).map((entry) => [entry.file, entry]),
)

function secretOf(file: string): string {
  if (file.startsWith('bouncycastle')) return 'Password'
  return file.includes('err-wrong-secret/req') ? 'wrong' : 's3cr3t-0001'
}

describe('messages of OpenSSL 3.0, 3.6, Bouncy Castle and pyasn1', () => {
  it('are all there', () => {
    expect(files).toHaveLength(304)
    expect(files.filter((file) => !about.has(file))).toEqual([])
  })

  it('say what their manifest says', () => {
    for (const file of files) {
      const { header, body } = readMessage(vector(file))
      const { body: type, pvno, transactionID } = about.get(file)!
      expect([file, body.type.toLowerCase(), header.pvno]).toEqual([file, type.toLowerCase(), pvno])
      expect(Buffer.from(header.transactionID ?? []).toString('hex')).toBe(transactionID)
    }
  })

  it('are written anew exactly as they came', () => {
    const differing = files.filter((file) => Buffer.compare(encodeMessage(readMessage(vector(file))), vector(file)) !== 0)
    expect(differing).toEqual([])
  })

  it('verify, each with its key or secret, and no longer with one bit of the body changed', async () => {
    const verdicts: Record<string, number> = {}
    for (const file of files) {
      const message = readMessage(vector(file))
      const { protectionAlg } = message.header
      if (protectionAlg === undefined || message.protection === undefined) {
        verdicts.unprotected = (verdicts.unprotected ?? 0) + 1
        continue
      }
      const changed = { ...message, bodyBytes: message.bodyBytes.slice() }
      changed.bodyBytes[changed.bodyBytes.length - 1]! ^= 1
      const kind = macKindOf(protectionAlg) ?? 'signature'
      if (kind === 'signature') {
        expect(verifySignatureOf(message).subject.length).toBeGreaterThan(2)
        expect(() => verifySignatureOf(changed)).toThrow(Refusal)
      } else {
        const secret = utf8(secretOf(file))
        expect([file, await verifyMac(protectionAlg, secret, protectedPart(message), message.protection)]).toEqual([file, true])
        expect(await verifyMac(protectionAlg, secret, protectedPart(changed), message.protection)).toBe(false)
      }
      verdicts[kind] = (verdicts[kind] ?? 0) + 1
    }
    expect(verdicts).toEqual({ signature: 159, pbm: 137, pbmac1: 2, unprotected: 6 })
  })

  it('cut short at any byte are `der.invalid`', () => {
    const bytes = vector('openssl-3.6/ir-sig-idevid-sans/req-1.der')
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readMessage(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: 'der.invalid' }) as Error)
    }
  })
})

describe('arbitrary bytes', () => {
  it('are a message or `der.invalid`, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          readMessage(bytes)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
          expect((thrown as AppError).code).toBe('der.invalid')
        }
      }),
    )
  })

  it('in the place of any stretch of a real message do not get past the reader as another exception', () => {
    const bodies = files.filter((_, index) => index % 7 === 0).map(vector)
    fc.assert(
      fc.property(fc.constantFrom(...bodies), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 12 }), (original, at, patch) => {
        const bytes = original.slice()
        bytes.set(patch.subarray(0, Math.max(0, bytes.length - (at % bytes.length))), at % bytes.length)
        try {
          const message = readMessage(bytes)
          expect(BODY_TYPES).toContain(message.body.type)
          encodeMessage(message)
        } catch (thrown) {
          expect((thrown as AppError).code).toBe('der.invalid')
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('values', () => {
  it('integers and object identifiers come back as they went in (X.690 §8.3, §8.19)', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 46), max: 2 ** 46 }), (value) => {
        expect(integerValue(readDer(integer(value)))).toBe(value)
      }),
    )
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), fc.array(fc.nat(2 ** 30), { maxLength: 8 }), (first, second, rest) => {
        const dotted = [first, second, ...rest].join('.')
        expect(oidText(readDer(oid(dotted)))).toBe(dotted)
      }),
    )
  })

  it.each([
    ['an indefinite length', '3080020100 0000'],
    ['a length that is not the shortest', '308101 00'],
    ['a length of many bytes', '3085 0000000001 00'],
    ['bytes behind the element', '0500 00'],
    ['an INTEGER that is not the shortest', '02020001'],
  ])('refuses %s (X.690 §10.1, §8.3.2)', (_, hex) => {
    const bytes = new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
    expect(() => integerValue(readDer(bytes))).toThrow(expect.objectContaining({ code: 'der.invalid' }) as Error)
  })

  it('a MAC that would keep this machine busy is refused before it is computed', async () => {
    const message = readMessage(vector('openssl-3.6/ir-pbm-explicit/req-1.der'))
    const algorithm = message.header.protectionAlg!
    const limits = { pbmIterations: 499, pbkdf2Iterations: 1 }
    await expect(computeMac(algorithm, utf8('x'), new Uint8Array(0), limits)).rejects.toMatchObject({ failInfo: 'badAlg' })
  })
})

describe('times (RFC 5280 §4.1.2.5)', () => {
  it('come back as they went in, in either form', () => {
    const day = 86_400_000
    fc.assert(
      fc.property(fc.integer({ min: -20 * 365 * day, max: 7000 * 365 * day }), (ms) => {
        const whole = Math.floor(ms / 1000) * 1000
        expect(timeValue(readDer(generalizedTime(whole)))).toBe(whole)
        expect(timeValue(readDer(certificateTime(whole)))).toBe(whole)
      }),
    )
  })

  it.each([
    '20260230000000Z',
    '20261301000000Z',
    '20260100000000Z',
    '20260101240000Z',
    '20260101006000Z',
    '2026010100000Z',
    '20260101000000',
    '20260101000000+0100',
  ])('%s is none', (text) => {
    expect(() => timeValue(readDer(der(0x18, utf8(text))))).toThrow(expect.objectContaining({ code: 'der.invalid' }) as Error)
  })
})
