// What the indexes need to know of a registration's links, read in one pass where they are written plainly, as nearly all are
// (RFC 6690 §2, RFC 9176 appendix C); anything else goes through the parser.
import type { Link } from '#main/wire/coap/index.ts'
import { BoundedMemory } from './bounded-memory.ts'
import { valuesOf } from './filter.ts'
import { readLinks } from './links.ts'
import { originOf } from './uri.ts'

export interface LinkTerms {
  /** The text that they are of, one copy for all that submit the same. */
  readonly text: string
  readonly count: number
  /** Names and values in turn. */
  readonly attributes: readonly string[]
  /** Scheme and authority of all full URIs, as `originOf` gives them. */
  readonly origins: readonly string[]
}

/** Attributes whose values are indexed, of endpoints and of links alike. Others are looked for among what the indexed ones leave. */
export const INDEXED: ReadonlySet<string> = new Set(['ep', 'd', 'base', 'et', 'rt', 'if'])

const PLAIN_TARGET = /<(?:[A-Za-z][A-Za-z0-9+\-.]*:|\/(?!\/))[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]*>/y
const PLAIN_ATTRIBUTE = /;[a-z][a-z0-9\-.]*(?:=(?:"[^"\\]*"|[!#$%&'()*+\-./:<=>?@[\]^_`{|}~0-9A-Za-z]+))?/y
/** Read with more care than this reading takes. */
const SPECIAL = new Set(['href', 'anchor'])
const COMMA = 0x2c
const SLASH = 0x2f
const QUOTE = 0x22
/** Devices of one make submit the same links: so many texts are known again. */
const REMEMBERED = 256
const REMEMBERED_BYTES = 1_048_576
const remembered = new BoundedMemory<LinkTerms>(REMEMBERED, REMEMBERED_BYTES, ({ text }) => text.length * 2)

/** Throws `rd.links-invalid` for what is no Limited Link Format. */
export function readTerms(text: string): LinkTerms {
  const known = remembered.get(text)
  if (known !== undefined) return known
  const terms = scanTerms(text) ?? termsOfLinks(text, readLinks(text))
  remembered.set(text, terms)
  return terms
}

/** Undefined for what is not written plainly, be it valid or not. */
export function scanTerms(text: string): LinkTerms | undefined {
  const attributes: string[] = []
  const origins: string[] = []
  let count = 0
  let offset = 0
  const seen: string[] = []
  while (offset < text.length) {
    if (count > 0 && text.charCodeAt(offset++) !== COMMA) return undefined
    PLAIN_TARGET.lastIndex = offset
    if (!PLAIN_TARGET.test(text)) return undefined
    if (text.charCodeAt(offset + 1) !== SLASH) addOnce(origins, originOf(text.slice(offset + 1, PLAIN_TARGET.lastIndex - 1)))
    offset = PLAIN_TARGET.lastIndex
    count++
    seen.length = 0
    for (;;) {
      PLAIN_ATTRIBUTE.lastIndex = offset
      if (!PLAIN_ATTRIBUTE.test(text)) break
      const end = PLAIN_ATTRIBUTE.lastIndex
      const equals = text.indexOf('=', offset)
      const nameEnd = equals < 0 || equals > end ? end : equals
      const name = text.slice(offset + 1, nameEnd)
      // Of repeated ones often the first alone counts.
      if (SPECIAL.has(name) || seen.includes(name)) return undefined
      seen.push(name)
      if (INDEXED.has(name)) addAttribute(attributes, name, nameEnd === end ? null : plainValue(text, nameEnd + 1, end))
      offset = end
    }
  }
  return { text, count, attributes, origins }
}

function plainValue(text: string, start: number, end: number): string {
  return text.charCodeAt(start) === QUOTE ? text.slice(start + 1, end - 1) : text.slice(start, end)
}

export function termsOfLinks(text: string, links: readonly Link[]): LinkTerms {
  const attributes: string[] = []
  const origins: string[] = []
  for (const link of links) {
    addOnce(origins, originOf(link.href))
    for (const { name, value } of link.attributes) {
      if (name === 'anchor') addOnce(origins, originOf(value ?? ''))
      else if (INDEXED.has(name)) addAttribute(attributes, name, value)
    }
  }
  return { text, count: links.length, attributes, origins }
}

function addAttribute(attributes: string[], name: string, value: string | null): void {
  for (const word of valuesOf({ name, value })) {
    let isKnown = false
    for (let index = 0; index < attributes.length && !isKnown; index += 2)
      isKnown = attributes[index + 1] === word && attributes[index] === name
    if (!isKnown) attributes.push(name, word)
  }
}

function addOnce(list: string[], text: string | undefined): void {
  if (text !== undefined && !list.includes(text)) list.push(text)
}
