// The conformance lists name tests: each of them is there, by that name.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../../..')
const LISTS = join(ROOT, 'docs/conformance')

function plain(text: string): string {
  return text.replaceAll("\\'", '’').replaceAll("'", '’').replaceAll(/\s+/g, ' ')
}

/** Titles in a test file as patterns: what `it.each` fills in may be anything. */
function titlesOf(source: string): readonly RegExp[] {
  const titles = [...source.matchAll(/'((?:[^'\\\n]|\\.)*)'|`([^`\n]*)`/g)].map(([, single, template]) => plain(single ?? template ?? ''))
  return titles
    .filter((title) => /[a-z]{2}/i.test(title))
    .map(
      (title) =>
        new RegExp(
          title
            .split(/%[sdij]|\$\{[^}]*\}/)
            .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`))
            .join('.*'),
        ),
    )
}

describe.each(readdirSync(LISTS).filter((name) => name.startsWith('rfc948')))('%s', (name) => {
  const text = readFileSync(join(LISTS, name), 'utf8')
  const files = new Map([...text.matchAll(/\b([A-Z]{1,2}) = `([^`]+)`/g)].map(([, key = '', file = '']) => [key, file]))
  const claims = [...text.matchAll(/\b([A-Z]{1,2}) ((?:“[^”]+”(?:, )?)+)/g)].flatMap(([, key = '', quoted = '']) =>
    [...quoted.matchAll(/“([^”]+)”/g)].map(([, title = '']) => ({ key, title: plain(title.replace(/\s*…$/, '')) })),
  )

  it('names tests that exist', () => {
    expect(claims.length).toBeGreaterThan(20)
    const missing = claims.filter(({ key, title }) => {
      const file = files.get(key)
      if (file === undefined) return true
      const source = readFileSync(join(ROOT, file.includes('/') ? file : join('test/services/ra', file)), 'utf8')
      return !plain(source).includes(title) && !titlesOf(source).some((pattern) => pattern.test(title))
    })
    expect(missing).toEqual([])
  })
})
