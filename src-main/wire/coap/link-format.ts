// CoRE Link Format (RFC 6690): text to links and back.
import { AppError } from '#main/base/index.ts'
import type { Link, LinkAttribute } from './types.ts'

/** Attributes that must not appear more than once in a link; of repeated ones the first counts (RFC 6690 §2, §3). */
const ONCE = new Set(['rel', 'anchor', 'rev', 'media', 'title', 'title*', 'type', 'rt', 'if', 'sz'])
/** Values made of several, separated by spaces (RFC 6690 §3, RFC 5988 §5.3). */
const SPACE_SEPARATED = new Set(['rt', 'if', 'rel', 'rev', 'ct'])
const NAME = /[!#$&+\-.^_`|~0-9A-Za-z]+\*?/y
const PTOKEN = /[!#$%&'()*+\-./:<=>?@[\]^_`{|}~0-9A-Za-z]+/y
/** What stands for itself between quotes. */
const PLAIN = /[^"\\]*/y
/** Values that are written without quotes. */
const UNQUOTED = /^[0-9]+$/
const EXT_VALUE = /^[!#$%&'()*+\-./:<=>?@[\]^_`{|}~0-9A-Za-z]+$/

/** Reads a document of links. Fails with `link-format.invalid` and the offset where reading stopped. */
export function parseLinkFormat(text: string): Link[] {
  const reader = new Reader(text)
  const links: Link[] = []
  reader.skipSpace()
  if (reader.isAtEnd()) return links
  for (;;) {
    links.push(readLink(reader))
    reader.skipSpace()
    if (reader.isAtEnd()) return links
    reader.expect(',')
    reader.skipSpace()
  }
}

function readLink(reader: Reader): Link {
  reader.expect('<')
  const href = reader.until('>')
  reader.expect('>')
  const attributes: LinkAttribute[] = []
  const seen = new Set<string>()
  for (;;) {
    reader.skipSpace()
    if (!reader.take(';')) return { href, attributes }
    reader.skipSpace()
    const name = reader.match(NAME, 'an attribute name')
    reader.skipSpace()
    const value = reader.take('=') ? readValue(reader) : null
    const known = name.toLowerCase()
    if (ONCE.has(known) && seen.has(known)) continue
    seen.add(known)
    attributes.push({ name, value })
  }
}

function readValue(reader: Reader): string {
  reader.skipSpace()
  return reader.peek === '"' ? reader.quoted() : reader.match(PTOKEN, 'an attribute value')
}

class Reader {
  readonly #text: string
  #offset = 0

  constructor(text: string) {
    this.#text = text
  }

  isAtEnd(): boolean {
    return this.#offset >= this.#text.length
  }

  get peek(): string | undefined {
    return this.#text[this.#offset]
  }

  skipSpace(): void {
    while (!this.isAtEnd() && ' \t\r\n'.includes(this.#text.charAt(this.#offset))) this.#offset++
  }

  take(character: string): boolean {
    if (this.peek !== character) return false
    this.#offset++
    return true
  }

  expect(character: string): void {
    if (!this.take(character)) throw this.#fault(`"${character}"`)
  }

  until(character: string): string {
    const end = this.#text.indexOf(character, this.#offset)
    if (end < 0) throw this.#fault(`"${character}"`)
    const part = this.#text.slice(this.#offset, end)
    this.#offset = end
    return part
  }

  match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#offset
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) throw this.#fault(what)
    this.#offset += found.length
    return found
  }

  /** A quoted-string of RFC 2616 §2.2: a backslash takes the next character as it is. */
  quoted(): string {
    this.expect('"')
    let value = ''
    for (;;) {
      value += this.match(PLAIN, 'text')
      if (this.take('"')) return value
      if (!this.take('\\')) throw this.#fault('a closing quote')
      const escaped = this.peek
      if (escaped === undefined) throw this.#fault('a character after the backslash')
      this.#offset++
      value += escaped
    }
  }

  #fault(expected: string): AppError {
    return new AppError('link-format.invalid', `Expected ${expected} at offset ${this.#offset}`, { details: { offset: this.#offset } })
  }
}

/** Writes links down. Numbers stand bare, all other values in quotes; both are read alike by every reader (RFC 6690 §2). */
export function formatLinkFormat(links: readonly Link[]): string {
  return links.map(formatLink).join(',')
}

export function formatLink(link: Link): string {
  if (link.href.includes('>'))
    throw new AppError('link-format.invalid', 'A link target must not contain ">"', { details: { href: link.href } })
  let text = `<${link.href}>`
  for (const { name, value } of link.attributes) {
    if (!/^[!#$&+\-.^_`|~0-9A-Za-z]+\*?$/.test(name)) {
      throw new AppError('link-format.invalid', 'Not an attribute name', { details: { name } })
    }
    text += value === null ? `;${name}` : `;${name}=${formatValue(name, value)}`
  }
  return text
}

function formatValue(name: string, value: string): string {
  // An ext-value (RFC 5987) never stands in quotes.
  if (UNQUOTED.test(value) || (name.endsWith('*') && EXT_VALUE.test(value))) return value
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}

/** The first value of the attribute; null where it has none, undefined where it is absent. Names know no case (RFC 8288 §3). */
export function linkAttribute(link: Link, name: string): string | null | undefined {
  const wanted = name.toLowerCase()
  return link.attributes.find((attribute) => attribute.name.toLowerCase() === wanted)?.value
}

/** Every value of the attribute; those of rt, if, rel, rev and ct are split at spaces. */
export function linkValues(link: Link, name: string): string[] {
  const wanted = name.toLowerCase()
  const values = link.attributes.flatMap((attribute) =>
    attribute.name.toLowerCase() === wanted && attribute.value !== null ? [attribute.value] : [],
  )
  return SPACE_SEPARATED.has(wanted) ? values.flatMap((value) => value.split(' ').filter((part) => part !== '')) : values
}

/**
 * Whether a link passes one `name=value` query of RFC 6690 §4.1: a trailing `*` matches any rest, `href` stands for the target,
 * and values made of several match by one of them.
 */
export function linkMatches(link: Link, query: string): boolean {
  const equals = query.indexOf('=')
  if (equals < 0) return linkAttribute(link, query) !== undefined
  const name = query.slice(0, equals)
  const pattern = query.slice(equals + 1)
  const values = name === 'href' ? [link.href] : linkValues(link, name)
  // The whole value too, as some clients ask for `rt=a b`; an attribute without value exists all the same.
  const whole = name === 'href' ? undefined : linkAttribute(link, name)
  if (whole !== undefined) values.push(whole ?? '')
  if (!pattern.endsWith('*')) return values.includes(pattern)
  const prefix = pattern.slice(0, -1)
  return values.some((value) => value.startsWith(prefix))
}
