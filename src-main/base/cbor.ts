// CBOR (RFC 8949) by cborg: deterministic encoding (§4.2.1) out; what comes in is first walked without recursion, so that no
// input can cost more than its own length, and every failure is `cbor.invalid`.
import { decode, encode, rfc8949EncodeOptions, Tagged } from 'cborg'
import { equalBytes, utf8ToText } from './bytes.ts'
import { AppError } from './errors.ts'

/** A tagged item: `tag` and `value` (RFC 8949 §3.4). */
export const CborTag = Tagged
export type CborTag = Tagged

/** Whole numbers beyond 2^53 are bigints. Maps come back as Map; their keys are whole numbers or text. */
export type CborKey = number | bigint | string
export type CborValue =
  | CborKey
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly CborValue[]
  | CborTag
  | ReadonlyMap<CborKey, CborValue>
  | { readonly [key: string]: CborValue }

export interface CborLimits {
  /** Largest input, 1 MiB unless told. */
  readonly maxBytes?: number
  /** Arrays, maps and tags inside one another, 16 unless told. */
  readonly maxDepth?: number
  /** Tag numbers that are known to the caller; any other is refused, and none is known unless told. */
  readonly tags?: readonly number[]
  /** Refuses anything but the deterministic encoding: for what is compared or signed. */
  readonly deterministic?: boolean
}

const DEFAULT_MAX_BYTES = 1024 * 1024
const DEFAULT_MAX_DEPTH = 16
const BREAK = 0xff
const INDEFINITE = 31

/** The deterministic encoding. Plain objects and Maps become maps; members that are undefined are left out of objects. */
export function encodeCbor(value: CborValue): Uint8Array {
  try {
    return new Uint8Array(encode(value, { ...rfc8949EncodeOptions, ignoreUndefinedProperties: true }))
  } catch (cause) {
    throw new AppError('cbor.invalid', 'The value cannot be written as CBOR', { cause })
  }
}

/** The one item that the bytes hold, nothing before or behind it. */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = {}): CborValue {
  const tags = limits.tags ?? []
  if (bytes.length > (limits.maxBytes ?? DEFAULT_MAX_BYTES)) throw invalid('too long', 0)
  new Walk(bytes, limits.maxDepth ?? DEFAULT_MAX_DEPTH, new Set(tags)).run()
  let value: CborValue
  try {
    // The walk has seen that the item has the form of a CborValue.
    value = decode(bytes, { useMaps: true, rejectDuplicateMapKeys: true, tags: Tagged.preserve(...tags) }) as CborValue
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : 'not well-formed', 0, cause)
  }
  if (limits.deterministic === true && !equalBytes(encodeCbor(value), bytes)) throw invalid('not the deterministic encoding', 0)
  return value
}

function invalid(reason: string, offset: number, cause?: unknown): AppError {
  return new AppError('cbor.invalid', `Invalid CBOR: ${reason}`, { details: { offset }, cause })
}

/** An open array, map or tag. */
interface Frame {
  /** Items still to come; Infinity where a break ends it. */
  left: number
  readonly isMap: boolean
  seen: number
}

/** Checks heads, lengths, depth, tags and kinds of map keys, item after item (RFC 8949 §3 and Appendix C). */
class Walk {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #maxDepth: number
  readonly #tags: ReadonlySet<number>
  readonly #open: Frame[] = []
  #position = 0

  constructor(bytes: Uint8Array, maxDepth: number, tags: ReadonlySet<number>) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#maxDepth = maxDepth
    this.#tags = tags
  }

  run(): void {
    do this.#item()
    while (this.#open.length > 0)
    if (this.#position !== this.#bytes.length) throw invalid('bytes behind the item', this.#position)
  }

  #item(): void {
    const start = this.#position
    const head = this.#bytes[this.#position++]
    if (head === undefined) throw invalid('cut off', start)
    if (head === BREAK) {
      this.#break(start)
      return
    }
    const major = head >> 5
    const frame = this.#open.at(-1)
    const isKey = frame?.isMap === true && frame.seen % 2 === 0
    if (isKey && major !== 0 && major !== 1 && major !== 3) throw invalid('map key is no whole number or text', start)
    const argument = this.#argument(head & 31, start)
    switch (major) {
      case 2:
      case 3:
        if (argument > this.#bytes.length - this.#position) throw invalid('string is cut off', start)
        if (major === 3) this.#text(this.#bytes.subarray(this.#position, this.#position + argument), start)
        this.#position += argument
        this.#done()
        break
      case 4:
        this.#enter(argument, false, start)
        break
      case 5:
        this.#enter(argument * 2, true, start)
        break
      case 6:
        if (!this.#tags.has(argument)) throw invalid('unexpected tag', start)
        this.#enter(1, false, start)
        break
      default:
        if (argument === Infinity) throw invalid('indefinite length where there is none', start)
        this.#done()
    }
  }

  /** The library would put replacement characters for broken UTF-8 and drop a leading byte order mark: two texts as one. */
  #text(bytes: Uint8Array, start: number): void {
    const text = utf8ToText(bytes)
    if (text === undefined || text.startsWith('\ufeff')) throw invalid('text is not plain UTF-8', start)
  }

  /** The head's argument; Infinity for an indefinite length, which only arrays and maps may have here. */
  #argument(minor: number, start: number): number {
    if (minor < 24) return minor
    if (minor === INDEFINITE) return Infinity
    if (minor > 27) throw invalid('reserved head', start)
    const length = 1 << (minor - 24)
    if (length > this.#bytes.length - this.#position) throw invalid('head is cut off', start)
    const at = this.#position
    this.#position += length
    if (length === 1) return this.#view.getUint8(at)
    if (length === 2) return this.#view.getUint16(at)
    return length === 4 ? this.#view.getUint32(at) : Number(this.#view.getBigUint64(at))
  }

  #enter(items: number, isMap: boolean, start: number): void {
    if (this.#open.length >= this.#maxDepth) throw invalid('too deep', start)
    if (items !== Infinity && items > this.#bytes.length - this.#position) throw invalid('more items than bytes', start)
    this.#open.push({ left: items, isMap, seen: 0 })
    this.#closeFull()
  }

  #break(start: number): void {
    const frame = this.#open.at(-1)
    if (frame?.left !== Infinity || (frame.isMap && frame.seen % 2 !== 0)) throw invalid('unexpected break', start)
    this.#open.pop()
    this.#done()
  }

  /** One item of the innermost frame is complete. */
  #done(): void {
    const frame = this.#open.at(-1)
    if (frame === undefined) return
    frame.left--
    frame.seen++
    this.#closeFull()
  }

  #closeFull(): void {
    while (this.#open.at(-1)?.left === 0) {
      this.#open.pop()
      const outer = this.#open.at(-1)
      if (outer === undefined) return
      outer.left--
      outer.seen++
    }
  }
}
