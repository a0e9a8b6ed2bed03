// As much CBOR (RFC 8949) as JPY messages take, read in place: elements that nobody uses may hold whatever a later draft puts there,
// which the strict reader of base refuses, and a flood of garbage should cost no more than a look.
import { concatBytes, encodeUint } from '#main/base/index.ts'

export const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const

export interface CborHead {
  readonly major: number
  /** Infinity for an indefinite length. */
  readonly argument: number
}

const MAX_DEPTH = 16
const INDEFINITE = 31
const BREAK = 0xff

/** Every method gives undefined, or false, as soon as something is not as it should be; then the reader is of no further use. */
export class CborReader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get position(): number {
    return this.#position
  }

  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#position)
  }

  isAtEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  peekMajor(): number | undefined {
    const byte = this.#bytes[this.#position]
    return byte === undefined ? undefined : byte >> 5
  }

  head(): CborHead | undefined {
    const first = this.#bytes[this.#position]
    if (first === undefined) return undefined
    const major = first >> 5
    const minor = first & 31
    this.#position++
    if (minor < 24) return { major, argument: minor }
    if (minor === INDEFINITE) return major >= MAJOR.bytes && major <= MAJOR.map ? { major, argument: Infinity } : undefined
    if (minor > 27) return undefined
    const length = 1 << (minor - 24)
    if (length > this.#bytes.length - this.#position) return undefined
    let argument = 0
    for (let count = 0; count < length; count++) argument = argument * 256 + (this.#bytes[this.#position++] ?? 0)
    // RFC 8949 §3.3: simple values below 32 have one form only.
    return major === MAJOR.simple && length === 1 && argument < 32 ? undefined : { major, argument }
  }

  /** In one piece: one made of chunks would have to be copied, and no proxy has reason to send one. */
  byteString(): Uint8Array | undefined {
    const head = this.head()
    return head?.major === MAJOR.bytes ? this.#take(head.argument) : undefined
  }

  /** Beyond 2^53 not exact. */
  integer(): number | undefined {
    const head = this.head()
    if (head?.major === MAJOR.unsigned) return head.argument
    return head?.major === MAJOR.negative ? -1 - head.argument : undefined
  }

  /** Whether so many well-formed items follow; Infinity for those up to a break. */
  elementsAreWell(count: number): boolean {
    return this.restIsWell([{ major: MAJOR.array, argument: count }])
  }

  /** Whether what the heads announce follows (RFC 8949 Appendix C), without recursion and at a cost bounded by the bytes. */
  restIsWell(heads: readonly CborHead[]): boolean {
    /** Items still to come at each depth; Infinity where a break ends them; chunks of a string have its major type. */
    const open: Array<{ left: number; readonly chunksOf: number | undefined; seen: number; readonly isMap: boolean }> = []
    const enter = ({ major, argument }: CborHead): boolean => {
      switch (major) {
        case MAJOR.bytes:
        case MAJOR.text:
          if (argument !== Infinity) return this.#take(argument) !== undefined
          open.push({ left: Infinity, chunksOf: major, seen: 0, isMap: false })
          return open.length <= MAX_DEPTH
        case MAJOR.array:
        case MAJOR.map:
        case MAJOR.tag: {
          const left = major === MAJOR.tag ? 1 : major === MAJOR.map ? argument * 2 : argument
          if (left !== Infinity && left > this.#bytes.length - this.#position) return false
          open.push({ left, chunksOf: undefined, seen: 0, isMap: major === MAJOR.map })
          return open.length <= MAX_DEPTH
        }
        default:
          return true
      }
    }
    if (!heads.every(enter)) return false
    for (let frame = open.at(-1); frame !== undefined; frame = open.at(-1)) {
      if (frame.left === 0) {
        open.pop()
        continue
      }
      if (frame.left === Infinity && this.#bytes[this.#position] === BREAK) {
        if (frame.isMap && frame.seen % 2 !== 0) return false
        this.#position++
        open.pop()
        continue
      }
      frame.left--
      frame.seen++
      const head = this.head()
      if (head === undefined) return false
      if (frame.chunksOf !== undefined && (head.major !== frame.chunksOf || head.argument === Infinity)) return false
      if (!enter(head)) return false
    }
    return true
  }

  #take(length: number): Uint8Array | undefined {
    if (length > this.#bytes.length - this.#position) return undefined
    this.#position += length
    return this.#bytes.subarray(this.#position - length, this.#position)
  }
}

/** The shortest head (RFC 8949 §4.2.1). */
export function writeHead(major: number, argument: number): Uint8Array {
  if (argument < 24) return Uint8Array.of((major << 5) | argument)
  const value = encodeUint(argument)
  const exponent = value.length === 1 ? 0 : value.length === 2 ? 1 : value.length <= 4 ? 2 : 3
  const padding = new Uint8Array((1 << exponent) - value.length)
  return concatBytes(Uint8Array.of((major << 5) | (24 + exponent)), padding, value)
}

export function writeBytes(bytes: Uint8Array): Uint8Array {
  return concatBytes(writeHead(MAJOR.bytes, bytes.length), bytes)
}
