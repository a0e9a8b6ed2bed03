// Reads DER (X.690 §10): every element keeps the bytes it came in, so that what was signed is what is verified. Total and without recursion.
import { AppError } from '#main/base/index.ts'

/** An element: a view into the message, nothing is copied. A view costs more than to read its header: it is made when somebody looks. */
export class Der {
  /** The identifier octet; tag numbers of 31 and more are not spoken here. */
  readonly tag: number
  readonly #data: Uint8Array
  readonly #start: number
  readonly #contentStart: number
  readonly #end: number
  #content: Uint8Array | undefined

  constructor(tag: number, data: Uint8Array, start: number, contentStart: number, end: number) {
    this.tag = tag
    this.#data = data
    this.#start = start
    this.#contentStart = contentStart
    this.#end = end
  }

  /** Identifier, length and content. */
  get bytes(): Uint8Array {
    return this.#data.subarray(this.#start, this.#end)
  }

  get content(): Uint8Array {
    this.#content ??= this.#data.subarray(this.#contentStart, this.#end)
    return this.#content
  }

  /** Of `bytes`. */
  get length(): number {
    return this.#end - this.#start
  }
}

export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  PRINTABLE_STRING: 0x13,
  T61_STRING: 0x14,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  BMP_STRING: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const

/** The identifier octet of a context-specific tag with constructed content: EXPLICIT, or IMPLICIT of a SEQUENCE. */
export function context(number: number): number {
  return 0xa0 | number
}

/** The same with primitive content. */
export function contextPrimitive(number: number): number {
  return 0x80 | number
}

/** Elements in one SEQUENCE OF at most: more is an attack, not a message. */
const MAX_ELEMENTS = 100_000

export function invalidDer(why: string): AppError {
  return new AppError('der.invalid', `The data is not the DER that it should be: ${why}`)
}

/** The one element that the bytes are; throws `der.invalid`. */
export function readDer(bytes: Uint8Array): Der {
  const element = elementAt(bytes, 0)
  if (element.length !== bytes.length) throw invalidDer('bytes follow the element')
  return element
}

function elementAt(data: Uint8Array, start: number): Der {
  const tag = data[start]
  const first = data[start + 1]
  if (tag === undefined || first === undefined) throw invalidDer('it ends in a header')
  if ((tag & 0x1f) === 0x1f) throw invalidDer('a tag number above 30')
  let at = start + 2
  let length = first
  if (first > 0x7f) {
    const count = first & 0x7f
    if (count === 0 || count > 4) throw invalidDer('an indefinite or enormous length')
    length = 0
    for (let index = 0; index < count; index++) {
      const byte = data[at++]
      if (byte === undefined) throw invalidDer('it ends in a length')
      length = length * 256 + byte
    }
    if (length < 128 || (count > 1 && length < 2 ** (8 * (count - 1)))) throw invalidDer('a length that is not the shortest')
  }
  const end = at + length
  if (end > data.length) throw invalidDer('an element is longer than what holds it')
  return new Der(tag, data, start, at, end)
}

/** The fields of a constructed element, one after the other. */
export class DerFields {
  readonly #data: Uint8Array
  #at = 0

  /** Of the element's content, whose tag must be the given one. */
  constructor(element: Der, tag: number = Tag.SEQUENCE) {
    if (element.tag !== tag) throw invalidDer(`tag ${element.tag} where ${tag} should be`)
    this.#data = element.content
  }

  get done(): boolean {
    return this.#at >= this.#data.length
  }

  /** The tag of the next field, undefined at the end. */
  get nextTag(): number | undefined {
    return this.#data[this.#at]
  }

  any(): Der {
    const element = elementAt(this.#data, this.#at)
    this.#at += element.length
    return element
  }

  field(tag: number): Der {
    if (this.nextTag !== tag) throw invalidDer(`tag ${this.nextTag ?? 'none'} where ${tag} should be`)
    return this.any()
  }

  optional(tag: number): Der | undefined {
    return this.nextTag === tag ? this.any() : undefined
  }

  /** What an EXPLICIT tag holds, where it is there. */
  explicit(number: number): Der | undefined {
    const outer = this.optional(context(number))
    return outer === undefined ? undefined : readDer(outer.content)
  }

  /** Nothing may follow any more. */
  end(): void {
    if (!this.done) throw invalidDer('unknown fields at the end')
  }
}

/** The elements of a SEQUENCE OF or SET OF. */
export function elementsOf(element: Der, tag: number = Tag.SEQUENCE): Der[] {
  const fields = new DerFields(element, tag)
  const elements: Der[] = []
  while (!fields.done) {
    if (elements.length >= MAX_ELEMENTS) throw invalidDer('too many elements')
    elements.push(fields.any())
  }
  return elements
}

/** The element under the tag that an IMPLICIT one stands for. */
export function retag(element: Der, tag: number): Der {
  const bytes = element.bytes.slice()
  bytes[0] = tag
  return new Der(tag, bytes, 0, bytes.length - element.content.length, bytes.length)
}
