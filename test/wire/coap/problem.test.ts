// RFC 9290: concise problem details.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, CborTag, encodeCbor, fromHex, type CborKey, type CborValue } from '#main/base/index.ts'
import { decodeProblem, encodeProblem, problemResponse, type Problem } from '#main/wire/coap/index.ts'
import { utf8 } from './harness.ts'

const cbor = (value: Map<CborKey, CborValue>): Uint8Array => encodeCbor(value)

describe('problem details', () => {
  it('RFC 9290 figure 3: an extension with a URI as its key', () => {
    const extension = new Map<CborKey, CborValue>([
      [0, 'machine-readable error cause'],
      [1, [['first parameter name', 'must be a positive integer'], ['second parameter name']]],
      [2, 'd34db33f'],
    ])
    const bytes = cbor(
      new Map<CborKey, CborValue>([
        [-1, 'title of the error'],
        [-2, 'detailed information about the error'],
        [-3, 'coaps://pd.example/FA317434'],
        [-4, 128],
        ['tag:3gpp.org,2022-03:TS29112', extension],
      ]),
    )
    const problem = decodeProblem(bytes)
    expect(problem).toEqual({
      title: 'title of the error',
      detail: 'detailed information about the error',
      instance: 'coaps://pd.example/FA317434',
      responseCode: '4.00',
      custom: new Map([['tag:3gpp.org,2022-03:TS29112', extension]]),
    })
    expect(encodeProblem(problem)).toEqual(bytes)
  })

  it('keeps standard and custom entries that it does not know (§3)', () => {
    const entries = new Map<CborKey, CborValue>([
      [-20, 'new'],
      [4711, new Map<CborKey, CborValue>([[0, true]])],
    ])
    const problem = decodeProblem(cbor(entries))
    expect(problem).toEqual({ standard: new Map([[-20, 'new']]), custom: new Map([[4711, new Map([[0, true]])]]) })
    expect(encodeProblem(problem)).toEqual(cbor(entries))
  })

  it('writes deterministic CBOR: {-1: "x", -4: 132}', () => {
    expect(encodeProblem({ title: 'x', responseCode: '4.04' })).toEqual(fromHex('a2206178231884'))
  })

  it('carries texts in a language of their own (Appendix A)', () => {
    const problem: Problem = {
      title: { text: 'Fehler', language: 'de' },
      detail: { text: 'x', language: 'he', direction: 'rtl' },
      baseLanguage: 'en',
      baseDirection: 'auto',
      baseUri: 'coap://[::1]/',
    }
    expect(decodeProblem(encodeProblem(problem))).toEqual(problem)
  })

  it('makes an error response of it, of content-format 257, with the code inside', () => {
    const response = problemResponse('4.09', { title: 'Conflict' })
    expect([response.code, response.contentFormat]).toEqual(['4.09', 257])
    expect(decodeProblem(response.payload!)).toEqual({ title: 'Conflict', responseCode: '4.09' })
  })

  it.each<[string, Map<CborKey, CborValue>]>([
    ['an empty map', new Map()],
    ['a title that is a number', new Map([[-1, 5]])],
    ['a code of a request', new Map([[-4, 1]])],
    ['a code of nine bits', new Map([[-4, 300]])],
    ['a custom entry that is no map', new Map([[7, 'x']])],
    ['an empty custom entry', new Map([[7, new Map()]])],
    ['a text of another tag', new Map([[-1, new CborTag(37, 'x')]])],
    ['a language-tagged text of one part', new Map([[-1, new CborTag(38, ['en'])]])],
    ['a direction that is a text', new Map([[-7, 'ltr']])],
  ])('refuses %s', (_, value) => {
    expect(() => decodeProblem(cbor(value))).toThrow(expect.objectContaining({ code: 'cbor.invalid' }))
  })

  it('does not write what says nothing, or takes keys of others', () => {
    const empty = new Map<CborKey, CborValue>()
    for (const problem of [
      {},
      { standard: new Map([[-4, 1]]) },
      { custom: new Map([[-9, new Map([['a', 1]])]]) },
      { custom: new Map([[9, empty]]) },
    ])
      expect(() => encodeProblem(problem)).toThrow(expect.objectContaining({ code: 'cbor.invalid' }))
  })

  it('reads back whatever it writes, and gives a problem or cbor.invalid for any bytes', () => {
    const text = fc.oneof(
      fc.string(),
      fc.record({ text: fc.string(), language: fc.constantFrom('en', 'de-CH') }),
      fc.record({
        text: fc.string(),
        language: fc.constant('ar'),
        direction: fc.constantFrom('ltr' as const, 'rtl' as const, 'auto' as const),
      }),
    )
    const problems: fc.Arbitrary<Problem> = fc
      .record(
        {
          title: text,
          detail: text,
          instance: fc.webUrl(),
          responseCode: fc.constantFrom('4.00' as const, '5.03' as const),
          baseUri: fc.webUrl(),
        },
        { requiredKeys: ['title'] },
      )
      .map((problem) => ({ ...problem, custom: new Map([[7, new Map([[1, 'x']])]]) }))
    fc.assert(
      fc.property(problems, (problem) => {
        expect(decodeProblem(encodeProblem(problem))).toEqual(problem)
      }),
    )
    const seeds = [
      utf8(''),
      encodeProblem({ title: { text: 'a', language: 'en' }, responseCode: '4.04', custom: new Map([[1, new Map([[2, 3]])]]) }),
    ]
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 4 }))
      .map(([seed, flips]) => {
        const bytes = seed.slice()
        for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), mutated), (bytes) => {
        try {
          decodeProblem(bytes)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
          expect(thrown).toMatchObject({ code: 'cbor.invalid' })
        }
      }),
      { numRuns: 5000 },
    )
  })
})
