// Writes DER (X.690 §10): functions that put a header before their content.
import { utf8 } from '#main/base/index.ts'
import { context, contextPrimitive, invalidDer, Tag } from './reader.ts'

const SHORT_PART = 24

export function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of content) length += part.length
  const lengthBytes = length < 0x80 ? 1 : length < 0x100 ? 2 : length < 0x1_0000 ? 3 : length < 0x100_0000 ? 4 : 5
  const whole = new Uint8Array(1 + lengthBytes + length)
  whole[0] = tag
  if (lengthBytes === 1) whole[1] = length
  else {
    whole[1] = 0x80 | (lengthBytes - 1)
    for (let at = lengthBytes, rest = length; at > 1; at--, rest = Math.floor(rest / 256)) whole[at] = rest % 256
  }
  let at = 1 + lengthBytes
  for (const part of content) {
    // The library's copy is for long ones.
    if (part.length > SHORT_PART) whole.set(part, at)
    else for (let index = 0; index < part.length; index++) whole[at + index] = part[index] ?? 0
    at += part.length
  }
  return whole
}

export function sequence(...fields: ReadonlyArray<Uint8Array | undefined>): Uint8Array {
  return der(Tag.SEQUENCE, ...fields.filter((field) => field !== undefined))
}

/** SET OF: the elements in ascending order of their encodings (X.690 §11.6). */
export function setOf(...elements: readonly Uint8Array[]): Uint8Array {
  return der(Tag.SET, ...elements.toSorted(compareBytes))
}

export function explicit(number: number, field: Uint8Array | undefined): Uint8Array | undefined {
  return field === undefined ? undefined : der(context(number), field)
}

/** The same element under an IMPLICIT tag. */
export function implicit(number: number, field: Uint8Array): Uint8Array {
  const copy = field.slice()
  copy[0] = ((field[0] ?? 0) & 0x20) === 0 ? contextPrimitive(number) : context(number)
  return copy
}

export const NULL: Uint8Array = Uint8Array.of(Tag.NULL, 0)

export function boolean(value: boolean): Uint8Array {
  return Uint8Array.of(Tag.BOOLEAN, 1, value ? 255 : 0)
}

export function integer(value: number, tag: number = Tag.INTEGER): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.unshift(((rest % 256) + 256) % 256)
    rest = Math.floor(rest / 256)
  } while (!(rest === 0 && (bytes[0] ?? 0) < 128) && !(rest === -1 && (bytes[0] ?? 0) > 127))
  return der(tag, Uint8Array.from(bytes))
}

/** An unsigned INTEGER of any size, leading zeros left out. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const value = bytes.subarray(start)
  return (value[0] ?? 0) > 127 ? der(Tag.INTEGER, Uint8Array.of(0), value) : der(Tag.INTEGER, value.length === 0 ? Uint8Array.of(0) : value)
}

/** An INTEGER whose content is given as it was read. */
export function rawInteger(content: Uint8Array): Uint8Array {
  return der(Tag.INTEGER, content)
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return der(Tag.OCTET_STRING, bytes)
}

export function bitString(bytes: Uint8Array): Uint8Array {
  return der(Tag.BIT_STRING, Uint8Array.of(0), bytes)
}

/** A named bit list without trailing zeros (X.690 §11.2.2). */
export function namedBitList(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits)
  const bytes = new Uint8Array((highest >> 3) + 1)
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  return der(Tag.BIT_STRING, Uint8Array.of(highest < 0 ? 0 : 7 - (highest & 7)), bytes)
}

const oidCache = new Map<string, Uint8Array>()
const OID_CACHE_ENTRIES = 500

export function oid(dotted: string): Uint8Array {
  const known = oidCache.get(dotted)
  if (known !== undefined) return known
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const septets = [arc % 128]
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128)) septets.unshift(128 + (more % 128))
    return septets
  })
  const written = der(Tag.OID, Uint8Array.from(bytes))
  if (oidCache.size < OID_CACHE_ENTRIES) oidCache.set(dotted, written)
  return written
}

export function utf8String(text: string): Uint8Array {
  return der(Tag.UTF8_STRING, utf8(text))
}

export function ia5String(text: string): Uint8Array {
  return der(Tag.IA5_STRING, utf8(text))
}

const TWO = (value: number): string => String(value).padStart(2, '0')

function fieldsOfDate(ms: number): string {
  const date = new Date(ms)
  return `${TWO(date.getUTCMonth() + 1)}${TWO(date.getUTCDate())}${TWO(date.getUTCHours())}${TWO(date.getUTCMinutes())}${TWO(date.getUTCSeconds())}Z`
}

export function generalizedTime(ms: number): Uint8Array {
  const year = new Date(ms).getUTCFullYear()
  if (!(year >= 0 && year <= 9999)) throw invalidDer('a year that cannot be written')
  return der(Tag.GENERALIZED_TIME, utf8(`${String(year).padStart(4, '0')}${fieldsOfDate(ms)}`))
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
export function certificateTime(ms: number): Uint8Array {
  const year = new Date(ms).getUTCFullYear()
  if (year < 1950 || year >= 2050) return generalizedTime(ms)
  return der(Tag.UTC_TIME, utf8(`${TWO(year % 100)}${fieldsOfDate(ms)}`))
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
