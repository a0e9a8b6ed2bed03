// Findings in the window: every rule and remedy has words in both languages, and what is shown in which order.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { allocationPolicy, allocationSettings, findingSeverity, groupRule, namingMethod, remedyId } from '#contract/model.ts'
import type { FindingRow } from '#contract/model.ts'
import { findingSentence, shownFindings, takenBackBy } from '../../src-renderer/components/rules/finding-words.ts'
import { isCondensed } from '../../src-renderer/components/frame/problem-facts.ts'
import { allocationPolicies, changesOf, namingMethods, reaches, readList } from '../../src-renderer/views/groups/rules/naming-form.ts'

function words(language: string, ...path: readonly string[]): readonly string[] {
  let value: unknown = JSON.parse(readFileSync(new URL(`../../src-renderer/locales/${language}/rules.json`, import.meta.url), 'utf8'))
  for (const part of path) value = Reflect.get(value as object, part)
  return Object.keys(value as object).toSorted()
}

describe.each(['en', 'de'])('words in %s', (language) => {
  it.each([
    ['rules', groupRule.options, ['rule']],
    ['severities', findingSeverity.options, ['severity']],
    ['remedies', remedyId.options, ['remedy']],
    ['effects', remedyId.options, ['effect']],
    ['methods', namingMethod.options, ['settings', 'method']],
    ['what methods are', namingMethod.options, ['settings', 'method-about']],
    ['policies', allocationPolicy.options, ['settings', 'policy']],
    ['what policies are', allocationPolicy.options, ['settings', 'policy-about']],
  ])('for %s', (_, values, path) => {
    expect(words(language, ...path)).toEqual(values.toSorted())
  })
})

const finding = (change: Partial<FindingRow>): FindingRow => ({
  id: 'x',
  source: 'groups',
  rule: 'scope-wide',
  severity: 'advice',
  sections: [],
  subject: { kind: 'coap-group', id: 'c', name: 'b' },
  params: {},
  remedies: [],
  ...change,
})

describe('findings', () => {
  it('are shown worst first, then by name, and filtered by name, rule and severity', () => {
    const rows = [
      finding({ id: '1' }),
      finding({ id: '2', severity: 'error', rule: 'port-coaps' }),
      finding({ id: '3', subject: { kind: 'group', id: 'g', name: 'a' } }),
    ]
    const ids = (text: string, severity: FindingRow['severity'] | 'all') => shownFindings(rows, { text, severity }).map(({ id }) => id)
    expect(ids('', 'all')).toEqual(['2', '3', '1'])
    expect(ids('coaps', 'all')).toEqual(['2'])
    expect(ids('A', 'advice')).toEqual(['3'])
  })

  it('have the words of the layer that found them', () => {
    const t = (key: string, _: unknown, count: number): string => `${key} ${count}`
    expect(findingSentence(t, finding({}), { count: 3 })).toBe('rules.rule.scope-wide 3')
    expect(findingSentence(t, finding({ source: 'security', rule: 'unused' }), {})).toBe('security.rule.unused 1')
  })

  it('tell how a remedy is taken back', () => {
    expect(remedyId.options.map((id) => [id, takenBackBy(id)]).filter(([, how]) => how !== 'undo')).toEqual([
      ['apply', 'no-undo'],
      ['name-by-path', 'setting'],
      ['short-delimiter', 'setting'],
      ['allocate-by-prefix', 'setting'],
      ['rekey', 'no-undo'],
    ])
  })

  it('have nothing to press where one row stands for very many', () => {
    const row = {
      id: 'rule scope-wide *',
      kind: 'rule' as const,
      severity: 'warning' as const,
      step: 'groups' as const,
      params: { count: 300 },
    }
    expect(isCondensed({ ...row, subject: { kind: 'site', id: '*', name: '' } })).toBe(true)
    expect(isCondensed({ ...row, subject: { kind: 'site', id: '*', name: 'Office' } })).toBe(false)
  })
})

describe('the sheet of names and addresses', () => {
  it('offers all that the contract knows', () => {
    expect(namingMethods).toEqual(namingMethod.options)
    expect(allocationPolicies).toEqual(allocationPolicy.options)
    expect(reaches).toEqual(allocationSettings.shape.scope.unwrap().options)
  })

  it('reads lists by line, and sends only what has changed', () => {
    expect(readList(' ff35::1 \n\nff35::2-ff35::9; 239.1.1.1 ')).toEqual(['ff35::1', 'ff35::2-ff35::9', '239.1.1.1'])
    expect(changesOf({ a: 1, b: ['x'] }, { a: 1, b: ['y'] })).toEqual({ b: ['y'] })
  })
})
