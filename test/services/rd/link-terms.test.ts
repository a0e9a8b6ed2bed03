// Links read in passing say the same as links that are parsed (RFC 6690 §2).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { countLinks, eachLink } from '#main/services/rd/link-scan.ts'
import { readTerms, scanTerms, termsOfLinks } from '#main/services/rd/link-terms.ts'
import { readLinks } from '#main/services/rd/links.ts'
import { formatLinkFormat, parseLinkFormat, type Link } from '#main/wire/coap/index.ts'

const href = fc.oneof(
  fc.constantFrom('/', '/a', '/a/b?c=d&e', '/a,b;c', '/%41', 'coap://h', 'coap://[fd00::1]:61616/x', 'http://h/"', 'urn:x', '//h', 'a', ''),
  fc.stringMatching(/^\/[a-z<,;"'=]{0,6}$/),
)
const value = fc.oneof(
  fc.constant(null),
  fc.constantFrom('', 'x', 'x y', ' x  y ', 'a\\b', 'a"b', '<,>;', '12', 'tag:example.com,2020:light', 'Über', '😀'),
  fc.string({ maxLength: 8 }),
)
const name = fc.constantFrom('rt', 'if', 'RT', 'rel', 'anchor', 'et', 'ep', 'd', 'ct', 'title', 'title*', 'obs', 'base', 'href', 'sec-gp')
const link: fc.Arbitrary<Link> = fc.record({ href, attributes: fc.array(fc.record({ name, value }), { maxLength: 4 }) })
const links = fc.array(link, { maxLength: 4 })

describe('a document of links', () => {
  it('is counted and taken apart as it is parsed', () => {
    fc.assert(
      fc.property(links, fc.constantFrom(',', ' , ', ',\r\n '), (all, separator) => {
        const text = all.map((one) => formatLinkFormat([one])).join(separator)
        const parsed = parseLinkFormat(text)
        expect(countLinks(text)).toBe(parsed.length)
        expect([...eachLink(text)].flatMap((one) => parseLinkFormat(one))).toEqual(parsed)
      }),
      { numRuns: 500 },
    )
  })

  it('is scanned to the terms of its parsed links, or not at all', () => {
    let scans = 0
    fc.assert(
      fc.property(links, (all) => {
        const text = formatLinkFormat(all)
        const scanned = scanTerms(text)
        if (scanned === undefined) return
        scans++
        expect(scanned).toEqual(termsOfLinks(text, readLinks(text)))
      }),
      { numRuns: 2000 },
    )
    expect(scans).toBeGreaterThan(100)
  })

  it('whatever the text, it is scanned only where it can be parsed', () => {
    const piece = fc.oneof(fc.constantFrom('<', '>', '"', '\\', ',', ';', '=', ' ', '/a', 'rt', 'x', '</a>', ';rt=x', ';rt="x y"', ',</b>'))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
          fc.string(),
        ),
        (text) => {
          let parsed: readonly Link[] | undefined
          try {
            parsed = readLinks(text)
          } catch (error) {
            expect(error).toBeInstanceOf(AppError)
          }
          if (parsed === undefined) {
            expect(scanTerms(text)).toBeUndefined()
            expect(() => readTerms(text)).toThrow(AppError)
          } else expect(readTerms(text)).toEqual(termsOfLinks(text, parsed))
          expect(countLinks(text)).toBe([...eachLink(text)].length)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('is printed so that it is read as it was, names and values alike', () => {
    fc.assert(
      fc.property(links, (all) => {
        const text = formatLinkFormat(all)
        const parsed = parseLinkFormat(text)
        expect(formatLinkFormat(parseLinkFormat(formatLinkFormat(parsed)))).toBe(formatLinkFormat(parsed))
        expect(parsed.map((one) => one.href)).toEqual(all.map((one) => one.href))
      }),
      { numRuns: 500 },
    )
  })

  it('that comes again and again is kept once', () => {
    const text = (): string => ['</a>', ';rt="seen"'].join('')
    expect(readTerms(text())).toBe(readTerms(text()))
  })
})
