// Readers of labels are total, and what was written comes back.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLabel, splitLabels } from '#main/site/admission/labels/index.ts'
import { labelFacts, labelProblem } from '#contract/model.ts'

const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0, max: 15 }), { minLength: length, maxLength: length })
    .map((digits) => digits.map((d) => d.toString(16)).join(''))
const someEui64 = hex(16).filter((text) => !/^(?:0+|f+)$/.test(text))
const sign = fc.constantFrom(...Array.from('KNX:SP;v=1&euicMT.+3Z41[)>0123456789ABCDEF\u001d\u001e\u0004()]dC-_/?# <GS>'))
const pieces = fc.constantFrom(
  'KNX:S:',
  ';P:',
  'v=1&&eui=',
  '&&cc=',
  '[)>\u001e06\u001d',
  '+41S',
  '+3ZEUI:',
  'MT:',
  '(01)',
  '(21)',
  ']d2',
  'SN:',
  'EUI64:',
)
const hostile = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.array(sign, { maxLength: 120 }).map((signs) => signs.join('')),
  fc.array(fc.oneof(pieces, hex(12), hex(16), fc.string({ maxLength: 8 })), { maxLength: 12 }).map((parts) => parts.join('')),
)

test('any text gives a label or a problem of the contract’s shape', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const { first, otherwise } = readLabel(text)
      if (first.kind === 'label') {
        expect(labelFacts.safeParse(first.label.facts).success).toBe(true)
        expect(first.label.facts.eui64 !== null || first.label.facts.serial !== null).toBe(true)
      } else {
        expect(labelProblem.safeParse(first.problem).success).toBe(true)
        if (first.facts !== null) expect(labelFacts.safeParse(first.facts).success).toBe(true)
      }
      for (const { facts } of otherwise) expect(labelFacts.safeParse(facts).success).toBe(true)
      for (const line of splitLabels(text)) expect(line).not.toBe('')
    }),
    { numRuns: 20_000 },
  )
})

test('an EUI-64 comes back from every notation', () => {
  const notations: ReadonlyArray<(digits: string) => string> = [
    (digits) => digits,
    (digits) => digits.toUpperCase(),
    (digits) => digits.match(/../g)?.join(':') ?? '',
    (digits) => digits.toUpperCase().match(/../g)?.join('-') ?? '',
    (digits) => digits.match(/.{4}/g)?.join('.') ?? '',
    (digits) => digits.match(/../g)?.join(' ') ?? '',
    (digits) => `EUI-64: ${digits}`,
    (digits) => `v=1&&eui=${digits}`,
  ]
  fc.assert(
    fc.property(someEui64, fc.constantFrom(...notations), (eui64, write) => {
      expect(readLabel(write(eui64)).first).toMatchObject({ kind: 'label', label: { facts: { eui64 } } })
    }),
  )
})

test('KNX labels come back with their password, which is in no problem and no facts', () => {
  const password = fc
    .array(fc.constantFrom(...Array.from('ABCDEFGHJKLMNPQRSTUVWXYZ23456789')), { minLength: 20, maxLength: 32 })
    .map((signs) => signs.join(''))
  fc.assert(
    fc.property(hex(12), password, (digits, secret) => {
      const { first } = readLabel(`KNX:S:${digits.toUpperCase()};P:${secret}`)
      expect(first).toMatchObject({ label: { facts: { serial: digits.toUpperCase() }, secrets: { password: secret } } })
      if (first.kind === 'label') expect(JSON.stringify(first.label.facts)).not.toContain(secret)
      // A broken serial number must not make the password part of what is told.
      expect(JSON.stringify(readLabel(`KNX:S:${digits}0;P:${secret}`).first)).not.toContain(secret)
    }),
  )
})
