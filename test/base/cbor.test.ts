import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError, CborTag, concatBytes, decodeCbor, encodeCbor, fromHex, toHex, type CborKey, type CborValue } from '#main/base/index.ts'

const hex = (text: string): Uint8Array => fromHex(text)!
const invalid = expect.objectContaining({ code: 'cbor.invalid' }) as Error

/** Rows of RFC 8949 appendix A, and what they decode to. */
const appendixA: ReadonlyArray<readonly [string, CborValue]> = [
  ['00', 0],
  ['17', 23],
  ['1818', 24],
  ['1864', 100],
  ['1903e8', 1000],
  ['1a000f4240', 1_000_000],
  ['1b000000e8d4a51000', 1_000_000_000_000],
  ['1bffffffffffffffff', 18_446_744_073_709_551_615n],
  ['20', -1],
  ['3863', -100],
  ['3bffffffffffffffff', -18_446_744_073_709_551_616n],
  ['f93e00', 1.5],
  ['f97bff', 65_504],
  ['fa47c35000', 100_000],
  ['fb3ff199999999999a', 1.1],
  ['f97c00', Infinity],
  ['f97e00', Number.NaN],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['f7', undefined],
  ['40', new Uint8Array(0)],
  ['4401020304', Uint8Array.of(1, 2, 3, 4)],
  ['60', ''],
  ['62c3bc', 'ü'],
  ['64f0908591', '𐅑'],
  ['80', []],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  ['a0', new Map()],
  [
    'a201020304',
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  [
    'a26161016162820203',
    new Map<CborKey, CborValue>([
      ['a', 1],
      ['b', [2, 3]],
    ]),
  ],
]

describe('decoding', () => {
  test.each(appendixA)('RFC 8949 appendix A: %s', (text, value) => {
    expect(decodeCbor(hex(text))).toEqual(value)
  })

  test.each([
    ['9fff', []],
    ['9f018202039f0405ffff', [1, [2, 3], [4, 5]]],
    [
      'bf61610161629f0203ffff',
      new Map<CborKey, CborValue>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    ],
    ['1800', 0],
  ])('takes indefinite and needlessly long forms from peers, unless the deterministic form is asked for: %s', (text, value) => {
    expect(decodeCbor(hex(text))).toEqual(value)
    expect(() => decodeCbor(hex(text), { deterministic: true })).toThrow(invalid)
  })

  test.each([
    ['nothing', ''],
    ['two items', '0000'],
    ['a cut head', '19ff'],
    ['a cut string', '6461'],
    ['a cut array', '8201'],
    ['a map without its last value', 'a10102a1'],
    ['an array of 2^32 items', '9affffffff'],
    ['a string of 2^64 bytes', '5bffffffffffffffff'],
    ['a map of 2^63 pairs', 'bb8000000000000000'],
    ['a reserved head', '1c'],
    ['a lone break', 'ff'],
    ['a break in an array of known length', '82ff'],
    ['a break after a key', 'bf01ff'],
    ['a whole number of indefinite length', '1f'],
    ['a simple value nobody knows', 'f8ff'],
    ['text that is not UTF-8', '61ff'],
    ['text with a byte order mark', '63efbbbf'],
    ['a repeated key', 'a201020103'],
    ['an array for a key', 'a18000'],
    ['bytes for a key', 'a1410100'],
    ['a tag', 'c100'],
    ['a tag inside', '81d82a00'],
  ])('refuses %s', (_name, text) => {
    expect(() => decodeCbor(hex(text))).toThrow(invalid)
  })

  test('knows the tags that the caller knows, and no other', () => {
    const value = decodeCbor(hex('d28441a0a04300112241ff'), { tags: [18] })
    expect(value).toBeInstanceOf(CborTag)
    expect(value).toMatchObject({ tag: 18 })
    expect(() => decodeCbor(hex('d38441a0a04300112241ff'), { tags: [18] })).toThrow(invalid)
  })

  test('bounds depth without recursion, and length', () => {
    expect(() => decodeCbor(new Uint8Array(900_000).fill(0x81))).toThrow(invalid)
    expect(() => decodeCbor(concatBytes(new Uint8Array(17).fill(0x81), hex('00')))).toThrow(invalid)
    expect(decodeCbor(concatBytes(new Uint8Array(16).fill(0x81), hex('00')))).toHaveLength(1)
    expect(() => decodeCbor(concatBytes(hex('8101'), hex('')), { maxDepth: 0 })).toThrow(invalid)
    expect(() => decodeCbor(encodeCbor(new Uint8Array(100)), { maxBytes: 100 })).toThrow(invalid)
  })

  test('is total: any bytes give a value or `cbor.invalid` with an offset', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, deterministic) => {
        try {
          decodeCbor(bytes, { tags: [1, 18, 24], deterministic })
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
          expect(thrown).toMatchObject({ code: 'cbor.invalid', details: { offset: expect.any(Number) as number } })
        }
      }),
      { numRuns: 3000 },
    )
  })

  test('what it gives does not change with the bytes it came from', () => {
    const bytes = encodeCbor(Uint8Array.of(1, 2, 3))
    const value = decodeCbor(bytes)
    bytes.fill(0)
    expect(value).toEqual(Uint8Array.of(1, 2, 3))
  })
})

const leaf = fc.oneof(
  fc.integer({ min: -2_000_000_000, max: 2_000_000_000 }),
  fc.bigInt({ min: 9_007_199_254_740_993n, max: 18_446_744_073_709_551_615n }),
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !text.startsWith('\ufeff')),
  fc.uint8Array({ maxLength: 30 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const anyKey = fc.oneof(fc.integer({ min: -70_000, max: 70_000 }), fc.string({ maxLength: 30 }))
const anyValue = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(anyKey, tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
  ),
})).value

describe('encoding', () => {
  test('what was encoded comes back, and its encoding is the deterministic one', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeCbor(value)
        const back = decodeCbor(bytes, { deterministic: true })
        expect(toHex(encodeCbor(back))).toBe(toHex(bytes))
      }),
      { numRuns: 500 },
    )
  })

  test('map keys are in the bytewise order of their encodings (RFC 8949 §4.2.1), however they were put in', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyKey, { maxLength: 12 }), (keys) => {
        const bytes = encodeCbor(new Map(keys.map((key) => [key, 0])))
        const expected = keys.map((key) => `${toHex(encodeCbor(key))}00`).sort()
        expect(toHex(bytes).slice(2)).toBe(expected.join(''))
        expect(encodeCbor(new Map(keys.toReversed().map((key) => [key, 0])))).toEqual(bytes)
      }),
    )
    // RFC 8949 §4.2.1 itself lists this order; RFC 7049 put all shorter keys first.
    const listed = [10, 100, -1, 'z', 'aa'].map((key): [CborKey, CborValue] => [key, 0])
    expect(toHex(encodeCbor(new Map(listed.toReversed())))).toBe('a50a001864002000617a0062616100')
  })

  test('numbers take their shortest form', () => {
    expect(['1800', '1817', '1818', '1a000003e8'].map((text) => toHex(encodeCbor(decodeCbor(hex(text)))))).toEqual([
      '00',
      '17',
      '1818',
      '1903e8',
    ])
    expect(toHex(encodeCbor(1.5))).toBe('f93e00')
    expect(toHex(encodeCbor(1.1))).toBe('fb3ff199999999999a')
  })

  test('a COSE-like structure is the bytes it should be', () => {
    const header = encodeCbor(new Map([[1, 10]]))
    expect(toHex(encodeCbor(['Encrypt0', header, new Uint8Array(0)]))).toBe('8368456e63727970743043a1010a40')
    expect(toHex(encodeCbor(new CborTag(18, [])))).toBe('d280')
    expect(toHex(encodeCbor({ b: 1, a: undefined }))).toBe('a1616201')
  })

  test('what CBOR has no form for is `cbor.invalid`', () => {
    const cyclic: CborValue[] = []
    cyclic.push(cyclic)
    for (const value of [cyclic, 1n << 70n, (() => 0) as never, new Date() as never]) expect(() => encodeCbor(value)).toThrow(invalid)
  })
})
