// CRIs: the examples of draft-ietf-core-href-30, and properties of the codec.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, concatBytes, encodeCbor, fromHex, toHex, utf8 } from '#main/base/index.ts'
import {
  decodeCri,
  decodeCriReference,
  decodeCriSequence,
  encodeCri,
  encodeCriReference,
  type Cri,
  type CriReference,
} from '#main/services/proxy/index.ts'

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', '')) ?? new Uint8Array(0)

const labels = fc.array(fc.stringMatching(/^[a-z0-9-]{1,10}$/), { minLength: 1, maxLength: 4 }).map((list) => list.join('.'))
const host = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ({ kind: 'ip', bytes }) as const),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => ({ kind: 'ip', bytes }) as const),
  labels.map((name) => ({ kind: 'name', name }) as const),
)
const texts = fc.array(
  fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !text.startsWith('\ufeff')),
  { maxLength: 4 },
)
const scheme = fc.constantFrom('coap', 'coaps', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws')
const port = fc.option(fc.integer({ min: 1024, max: 5600 }), { nil: undefined })
const cri: fc.Arbitrary<Cri> = fc.record({ scheme, authority: fc.record({ host, port }), path: texts, query: texts })
const reference: fc.Arbitrary<CriReference> = fc
  .record({ authority: fc.option(fc.record({ host, port }), { nil: undefined }), path: fc.option(texts, { nil: undefined }) })
  .filter(({ authority, path }) => authority !== undefined || path !== undefined)

describe('CRIs (draft-ietf-core-href-30)', () => {
  it('Figure 3: coap://198.51.100.1:61616/.well-known/core', () => {
    const bytes = hex('83 20 82 44c6336401 19f0b0 82 6b2e77656c6c2d6b6e6f776e 64636f7265')
    const value: Cri = {
      scheme: 'coap',
      authority: { host: { kind: 'ip', bytes: hex('c6336401') }, port: 61616 },
      path: ['.well-known', 'core'],
      query: [],
    }
    expect(decodeCri(bytes)).toEqual(value)
    expect(toHex(encodeCri(value))).toBe(toHex(bytes))
  })

  it('Figure 4: a reference with a query is none that a proxy may send', () => {
    const bytes = encodeCbor([true, ['.well-known', 'core'], ['rt=temperature-c']])
    expect(() => decodeCriReference(bytes)).toThrow(AppError)
    expect(decodeCriReference(encodeCbor([true, ['.well-known', 'core']]))).toEqual({ authority: undefined, path: ['.well-known', 'core'] })
  })

  it('Figure 5: did:web:alice:bob is not of CoAP', () => {
    expect(() => decodeCri(encodeCbor([-6, true, ['web:alice:bob']]))).toThrow(AppError)
  })

  it('leaves the default port and trailing defaults off (§5.1)', () => {
    const authority = { host: { kind: 'ip', bytes: hex('7f000001') } as const, port: 5683 }
    expect(toHex(encodeCri({ scheme: 'coap', authority, path: [], query: [] }))).toBe('8220' + '81447f000001')
    expect(toHex(encodeCri({ scheme: 'coap+tcp', authority, path: [], query: [] }))).toBe('8226' + '81447f000001')
    expect(toHex(encodeCri({ scheme: 'coaps', authority, path: [], query: [] }))).toBe('8221' + '82447f00000119' + '1633')
  })

  it('comes back as it went', () => {
    fc.assert(
      fc.property(cri, (value) => {
        expect(decodeCri(encodeCri(value))).toEqual(value)
      }),
    )
    fc.assert(
      fc.property(reference, (value) => {
        expect(decodeCriReference(encodeCriReference(value))).toEqual(value)
      }),
    )
    fc.assert(
      fc.property(cri, fc.option(reference, { nil: undefined }), (first, second) => {
        const parts = second === undefined ? [encodeCri(first)] : [encodeCri(first), encodeCriReference(second)]
        expect(decodeCriSequence(concatBytes(...parts))).toEqual({ cri: first, reference: second })
      }),
    )
  })

  it('decodes any bytes to a value or a typed error', () => {
    const totally = (bytes: Uint8Array): void => {
      for (const decode of [decodeCri, decodeCriReference, decodeCriSequence]) {
        try {
          decode(bytes)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
        }
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), totally), { numRuns: 2000 })
    fc.assert(
      fc.property(cri, fc.nat(), fc.nat(255), (value, at, byte) => {
        const bytes = encodeCri(value)
        bytes[at % bytes.length] = byte
        totally(bytes)
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['indefinite length (§5.1)', '9f 20 81 44 7f000001 ff'],
    ['an address of five bytes', '82 20 81 45 7f00000101'],
    ['no host', '82 20 80'],
    ['a dot inside a label', '82 20 81 63 612e62'],
    ['a port out of range', '82 20 82 44 7f000001 1a00010000'],
    ['a negative port', '82 20 82 44 7f000001 20'],
    ['an unknown scheme number', '82 33 81 44 7f000001'],
    ['a tag', '82 20 c1 81 44 7f000001'],
    ['depth', '818181818181818181818181818181818181818181'],
    ['nothing', ''],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeCri(hex(bytes))).toThrow(AppError)
  })

  it('refuses three items and a text of 100 000 bytes', () => {
    const one = encodeCri({
      scheme: 'coap',
      authority: { host: { kind: 'ip', bytes: hex('7f000001') }, port: undefined },
      path: [],
      query: [],
    })
    expect(() => decodeCriSequence(concatBytes(one, one, one))).toThrow(AppError)
    expect(() => decodeCri(encodeCbor([-1, [hex('7f000001')], [utf8('x').length.toString().repeat(100_000)]]))).toThrow(AppError)
  })
})
