// I-Regexp (RFC 9485): what matches, what is none, and that nothing makes it slow.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesIRegexp, parseIRegexp } from '../../../src-main/services/group-manager/i-regexp.ts'

describe('I-Regexp', () => {
  it.each([
    ['gp[0-9]*', 'gp42', true],
    ['gp[0-9]*', 'xgp42', false],
    ['gp[0-9]*', 'gp4x', false],
    ['^[A-K][0-9][-a-z0-9]*$', 'B7-floor', true],
    ['^[A-K][0-9][-a-z0-9]*$', 'L7', false],
    ['(a|bc)+d?', 'abcbcad', true],
    ['(a|bc)+d?', 'abcb', false],
    ['a{2,3}', 'a', false],
    ['a{2,3}', 'aa', true],
    ['a{2,3}', 'aaaa', false],
    ['a{2,}', 'aaaaaa', true],
    ['a{0}', '', true],
    ['[^0-9]+', 'abc', true],
    ['[^0-9]+', 'ab1', false],
    ['a\\.b', 'a.b', true],
    ['a\\.b', 'axb', false],
    ['\\p{Lu}\\p{Ll}+', 'Étage', true],
    ['\\P{Nd}*', 'abc', true],
    ['\\P{Nd}*', 'ab3', false],
    ['.', '😀', true],
    ['', '', true],
    ['(a*)*', 'aaaa', true],
    ['()*b', 'b', true],
  ])('%s on %s: %s', (pattern, name, matches) => expect(matchesIRegexp(pattern, name)).toBe(matches))

  it.each([
    '(',
    ')',
    'a**',
    '[',
    '[z-a]',
    'a{3,2}',
    'a{',
    '\\',
    '\\d',
    '\\w',
    '(?:a)',
    'a|*',
    '\\p{Xx}',
    '{2}',
    'x'.repeat(300),
    '('.repeat(40) + ')'.repeat(40),
  ])('%s is none', (pattern) => expect(parseIRegexp(pattern)).toBeUndefined())

  it('answers at once where others would go back and forth for ever', () => {
    expect(matchesIRegexp('(a*)*(a*)*(a*)*b', 'a'.repeat(128))).toBe(false)
    expect(matchesIRegexp('((a|a)+)+$', `${'a'.repeat(128)}!`)).toBe(false)
  })

  it('agrees with the platform’s engine on what both understand', () => {
    const atom = fc.constantFrom('a', 'b', '[ab]', '[^a]', '.', '(a|b)', '(ab)')
    const piece = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}')).map((parts) => parts.join(''))
    const pattern = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(''))
    const name = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 }).map((letters) => letters.join(''))
    fc.assert(
      fc.property(pattern, name, (source, text) => matchesIRegexp(source, text) === new RegExp(`^(?:${source})$`, 'u').test(text)),
      { numRuns: 2000 },
    )
  })

  it('takes any text', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60 }),
        fc.string({ maxLength: 30 }),
        (pattern, name) => typeof matchesIRegexp(pattern, name) === 'boolean',
      ),
    )
  })
})
