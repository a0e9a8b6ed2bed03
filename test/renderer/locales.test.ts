// Both languages say the same things: same keys, same placeholders, same number of plural forms; every failure has its help.
import { readdirSync, readFileSync } from 'node:fs'
import { baseCompile } from '@intlify/message-compiler'
import { describe, expect, it } from 'vitest'
import { failureCodes } from '#contract/failures.ts'
import { failureFact, failureFacts, failureKey } from '../../src-renderer/lib/failures.ts'

const root = new URL('../../src-renderer/locales/', import.meta.url)

function messagesOf(language: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'string') found.set(path, value)
    else for (const [key, below] of Object.entries(value as object)) walk(below, `${path}.${key}`)
  }
  for (const file of readdirSync(new URL(`${language}/`, root))) {
    walk(JSON.parse(readFileSync(new URL(`${language}/${file}`, root), 'utf8')), file.replace(/\.json$/, ''))
  }
  return found
}

const en = messagesOf('en')
const de = messagesOf('de')

const placeholders = (text: string): readonly string[] => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!))].sort()
const plurals = (text: string): number => text.replaceAll("{'|'}", '').split('|').length

describe('the languages', () => {
  it('have the same files', () => {
    expect(readdirSync(new URL('de/', root)).sort()).toEqual(readdirSync(new URL('en/', root)).sort())
  })

  it('have the same keys', () => {
    // Lists of remedies may differ in length between languages; their entries are told apart by number.
    const keys = (messages: ReadonlyMap<string, string>): readonly string[] =>
      [...messages.keys()].filter((key) => !/\.try\.\d+$/.test(key)).sort()
    expect(keys(de)).toEqual(keys(en))
  })

  it('use the same placeholders and plural forms', () => {
    const different = [...en]
      .filter(([key, text]) => {
        const other = de.get(key)
        return other !== undefined && (placeholders(text).join() !== placeholders(other).join() || plurals(text) !== plurals(other))
      })
      .map(([key]) => key)
    expect(different).toEqual([])
  })

  it('have no empty text and none that the message compiler refuses', () => {
    for (const [key, text] of [...en, ...de]) {
      expect(text.trim(), key).not.toBe('')
      const problems: string[] = []
      baseCompile(text, { onError: (problem) => problems.push(`${key}: ${problem.message}`) })
      expect(problems).toEqual([])
    }
  })
})

describe('the help for failures', () => {
  it.each([
    ['en', en],
    ['de', de],
  ] as const)('is complete in %s: title, cause and what to try for every code', (_language, messages) => {
    const missing = failureCodes.filter((code) => {
      const base = `failures.${failureKey(code)}`
      return !messages.has(`${base}.title`) || !messages.has(`${base}.cause`) || !messages.has(`${base}.try.0`)
    })
    expect(missing).toEqual([])
  })

  it.each([
    ['en', en],
    ['de', de],
  ] as const)('has words in %s for every fact of the details, with the details that it is given', (_language, messages) => {
    const facts = Object.entries(failureFacts).flatMap(([code, { known }]) =>
      Object.entries(known).map(([name, needs]) => [`failures.${failureKey(code)}.fact.${name}`, [...needs].sort()] as const),
    )
    expect(facts.length).toBeGreaterThan(0)
    for (const [key, needs] of facts) expect([key, placeholders(messages.get(key) ?? '')]).toEqual([key, needs])
    const texts = [...messages.keys()].filter((key) => /^failures\.\w+(-\w+)*\.fact\./.test(key))
    expect(texts.sort()).toEqual(facts.map(([key]) => key).sort())
  })

  it('tells what the details say only where it knows the words and has what they need', () => {
    const fail = (code: string, details: Record<string, unknown>) => failureFact({ code, message: 'x', retryable: false, details })
    expect(fail('import.unreadable', { reason: 'encoding', line: 2, limit: 9 })).toEqual({ name: 'fact.encoding', params: { line: 2 } })
    expect(fail('network.down', { reason: 'no-multicast' })).toEqual({ name: 'fact.no-multicast', params: {} })
    expect(fail('import.unreadable', { reason: 'encoding' })).toBeNull()
    expect(fail('import.unreadable', { reason: 'constructor', line: 2 })).toBeNull()
    expect(fail('constructor', { reason: 'encoding' })).toBeNull()
    expect(fail('coap.timeout', {})).toBeNull()
  })

  it('holds no text for a code that does not exist', () => {
    const known = new Set<string>(failureCodes.map(failureKey))
    const orphans = [...en.keys()].filter((key) => key.startsWith('failures.')).filter((key) => !known.has(key.split('.')[1]!))
    expect(orphans).toEqual([])
  })
})
