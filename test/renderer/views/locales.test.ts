// The words of the group, apply, test and hand-over views: both languages say the same things, with the same parameters.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

function flat(value: unknown, path = ''): ReadonlyArray<readonly [string, string]> {
  if (typeof value === 'string') return [[path, value]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, path === '' ? key : `${path}.${key}`))
}
function words(language: string, area: string): ReadonlyMap<string, string> {
  const file = new URL(`../../../src-renderer/locales/${language}/${area}.json`, import.meta.url)
  return new Map(flat(JSON.parse(readFileSync(file, 'utf8'))))
}
const parametersOf = (text: string): readonly string[] =>
  [...new Set([...text.matchAll(/\{([\w-]+)\}/g)].map((match) => match[1] ?? ''))].sort()

describe.each(['groups', 'apply', 'test', 'handover'])('the words of %s', (area) => {
  const en = words('en', area)
  const de = words('de', area)
  test('are the same in both languages', () => {
    expect([...de.keys()].sort()).toEqual([...en.keys()].sort())
  })
  test('take the same parameters', () => {
    for (const [key, text] of en) expect([key, parametersOf(de.get(key) ?? '')]).toEqual([key, parametersOf(text)])
  })
  test('have forms for the same numbers', () => {
    for (const [key, text] of en) expect([key, (de.get(key) ?? '').split('|').length]).toEqual([key, text.split('|').length])
  })
  test('say something', () => {
    for (const [key, text] of [...en, ...de]) expect([key, text.trim() === '']).toEqual([key, false])
  })
})
