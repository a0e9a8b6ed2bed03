// Values of primitive DER elements: integers, object identifiers, bit strings, text, times (X.690 §8, RFC 5280 §4.1.2.5).
import { utf8ToText } from '#main/base/index.ts'
import { invalidDer, Tag, type Der } from './reader.ts'

/** The content of an INTEGER, which must be the shortest. */
export function integerBytes(element: Der, tag: number = Tag.INTEGER): Uint8Array {
  const { content } = element
  if (element.tag !== tag || content.length === 0) throw invalidDer('not an INTEGER')
  const [first = 0, second = 0] = content
  if (content.length > 1 && ((first === 0 && second < 128) || (first === 255 && second > 127))) throw invalidDer('an INTEGER too long')
  return content
}

/** A small INTEGER as a number; longer than 6 bytes is refused. */
export function integerValue(element: Der, tag: number = Tag.INTEGER): number {
  const content = integerBytes(element, tag)
  if (content.length > 6) throw invalidDer('an INTEGER out of range')
  let value = (content[0] ?? 0) > 127 ? -1 : 0
  for (const byte of content) value = value * 256 + byte
  return value
}

export function octets(element: Der, tag: number = Tag.OCTET_STRING): Uint8Array {
  if (element.tag !== tag) throw invalidDer('not an OCTET STRING')
  return element.content
}

/** A BIT STRING of whole bytes, as keys and signatures are. */
export function bitStringBytes(element: Der, tag: number = Tag.BIT_STRING): Uint8Array {
  if (element.tag !== tag || element.content[0] !== 0) throw invalidDer('not a BIT STRING of whole bytes')
  return element.content.subarray(1)
}

/** The numbers of the bits that are set in a named bit list. */
export function namedBits(element: Der, tag: number = Tag.BIT_STRING): number[] {
  const unused = element.content[0]
  if (element.tag !== tag || unused === undefined || unused > 7 || (unused > 0 && element.content.length === 1)) {
    throw invalidDer('not a BIT STRING')
  }
  if (element.content.length > 17) throw invalidDer('a bit list too long')
  const bits: number[] = []
  const count = (element.content.length - 1) * 8 - unused
  for (let bit = 0; bit < count; bit++) {
    if (((element.content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.push(bit)
  }
  return bits
}

export function booleanValue(element: Der, tag: number = Tag.BOOLEAN): boolean {
  const [value] = element.content
  if (element.tag !== tag || element.content.length !== 1 || (value !== 0 && value !== 255)) throw invalidDer('not a BOOLEAN')
  return value === 255
}

const LONGEST_OID_BYTES = 64
/** The same few come in every message. */
const REMEMBERED_OIDS = 500
const oidTexts = new Map<string, string>()

/** Dotted, e.g. `1.2.840.10045.4.3.2`. */
export function oidText(element: Der, tag: number = Tag.OID): string {
  const { content } = element
  if (element.tag !== tag || content.length === 0 || content.length > LONGEST_OID_BYTES) throw invalidDer('not an OBJECT IDENTIFIER')
  let key = ''
  for (const byte of content) key += String.fromCharCode(byte)
  const known = oidTexts.get(key)
  if (known !== undefined) return known
  const text = decodeOid(content)
  if (oidTexts.size < REMEMBERED_OIDS) oidTexts.set(key, text)
  return text
}

function decodeOid(content: Uint8Array): string {
  const arcs: number[] = []
  let value = 0
  let started = false
  for (const byte of content) {
    if (!started && byte === 0x80) throw invalidDer('an OBJECT IDENTIFIER with a padded arc')
    started = true
    value = value * 128 + (byte & 0x7f)
    if (value > Number.MAX_SAFE_INTEGER) throw invalidDer('an OBJECT IDENTIFIER with an enormous arc')
    if (byte > 127) continue
    arcs.push(value)
    value = 0
    started = false
  }
  if (started) throw invalidDer('an OBJECT IDENTIFIER that breaks off')
  const [first = 0, ...rest] = arcs
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - root * 40, ...rest].join('.')
}

/** Text of any of the string types; what cannot be read is shown by the replacement character. */
export function textValue(element: Der): string {
  const { tag, content } = element
  if (tag === Tag.UTF8_STRING) {
    const text = utf8ToText(content)
    if (text === undefined) throw invalidDer('text that is not UTF-8')
    return text
  }
  if (tag === Tag.BMP_STRING) {
    let text = ''
    for (let at = 0; at + 1 < content.length; at += 2) text += String.fromCharCode((content[at] ?? 0) * 256 + (content[at + 1] ?? 0))
    return text
  }
  if (tag !== Tag.PRINTABLE_STRING && tag !== Tag.IA5_STRING && tag !== Tag.T61_STRING) throw invalidDer('not a text')
  let text = ''
  for (const byte of content) text += String.fromCharCode(byte)
  return text
}

const UTC = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const GENERALIZED = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime. */
export function timeValue(element: Der): number {
  const text = element.content.length > 32 ? '' : String.fromCharCode(...element.content)
  const match = element.tag === Tag.UTC_TIME ? UTC.exec(text) : element.tag === Tag.GENERALIZED_TIME ? GENERALIZED.exec(text) : null
  if (match === null) throw invalidDer('not a time')
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  const fullYear = element.tag === Tag.UTC_TIME ? (year < 50 ? 2000 : 1900) + year : year
  // Date.UTC takes the years 0 to 99 for those of the last century, and a thirtieth of February for the first of March.
  const inRange = fullYear >= 100 && month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 59
  const midnight = Date.UTC(fullYear, month - 1, day)
  if (!inRange || new Date(midnight).getUTCDate() !== day) throw invalidDer('a time that is none')
  const fraction = match[7] === undefined ? 0 : Math.floor(Number(`0.${match[7]}`) * 1000)
  return midnight + ((hour * 60 + minute) * 60 + second) * 1000 + fraction
}
