// Spinel's data types, packed and unpacked (draft-rquattle-spinel-unified §3.2-3.4). Everything is little endian but addresses.
import { AppError, concatBytes, fromHex, toHex, utf8, type Eui64 } from '#main/base/index.ts'
import { formatIp6, parseIp6 } from './ip6-text.ts'

/** How a value stands in a frame. `letter` is the draft's name of the type. */
export interface SpinelType<Value> {
  readonly letter: string
  write(out: SpinelWriter, value: Value): void
  read(from: SpinelReader): Value
}

export type ValueOf<Type> = Type extends SpinelType<infer Value> ? Value : never

export class SpinelWriter {
  #parts: Uint8Array[] = []

  put(bytes: Uint8Array): void {
    this.#parts.push(bytes)
  }

  /** An unsigned integer of so many bytes. */
  integer(value: number, bytes: number): void {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * bytes)) throw invalid(`${value} does not fit ${bytes} bytes`)
    const part = new Uint8Array(bytes)
    let rest = value
    for (let index = 0; index < bytes; index++) {
      part[index] = rest % 256
      rest = Math.floor(rest / 256)
    }
    this.put(part)
  }

  bytes(): Uint8Array {
    return concatBytes(...this.#parts)
  }
}

/** Reads forward; throws `link.frame-invalid` at the end of the bytes, never reads beyond. */
export class SpinelReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#offset
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw invalid(`${length} bytes are announced, ${this.left} are left`)
    const start = this.#offset
    this.#offset += length
    return this.#bytes.subarray(start, this.#offset)
  }

  integer(bytes: number): number {
    const part = this.take(bytes)
    let value = 0
    for (let index = bytes - 1; index >= 0; index--) value = value * 256 + (part[index] ?? 0)
    return value
  }

  /** The bytes up to a zero, which is taken too. */
  upToZero(): Uint8Array {
    const end = this.#bytes.indexOf(0, this.#offset)
    if (end < 0) throw invalid('A text has no end')
    const text = this.take(end - this.#offset)
    this.take(1)
    return text
  }
}

function invalid(message: string): AppError {
  return new AppError('link.frame-invalid', message)
}

export function pack<Value>(type: SpinelType<Value>, value: Value): Uint8Array {
  const out = new SpinelWriter()
  type.write(out, value)
  return out.bytes()
}

/** The value; bytes behind it are left, for structures may grow (draft §3.4). Throws `link.frame-invalid` alone. */
export function unpack<Value>(type: SpinelType<Value>, bytes: Uint8Array): Value {
  return type.read(new SpinelReader(bytes))
}

function unsigned(letter: string, bytes: number): SpinelType<number> {
  return { letter, write: (out, value) => out.integer(value, bytes), read: (from) => from.integer(bytes) }
}

function signed(letter: string, bytes: number): SpinelType<number> {
  const half = 2 ** (8 * bytes - 1)
  return {
    letter,
    write(out, value) {
      if (value < -half || value >= half) throw invalid(`${value} does not fit ${bytes} bytes`)
      out.integer(value < 0 ? value + 2 * half : value, bytes)
    },
    read(from) {
      const value = from.integer(bytes)
      return value >= half ? value - 2 * half : value
    },
  }
}

export const uint8 = unsigned('C', 1)
export const int8 = signed('c', 1)
export const uint16 = unsigned('S', 2)
export const int16 = signed('s', 2)
export const uint32 = unsigned('L', 4)
export const int32 = signed('l', 4)

export const uint64: SpinelType<bigint> = {
  letter: 'X',
  write(out, value) {
    out.integer(Number(value & 0xffff_ffffn), 4)
    out.integer(Number(value >> 32n), 4)
  },
  read(from) {
    const low = BigInt(from.integer(4))
    return (BigInt(from.integer(4)) << 32n) | low
  },
}

export const bool: SpinelType<boolean> = {
  letter: 'b',
  write: (out, value) => out.integer(value ? 1 : 0, 1),
  read: (from) => from.integer(1) !== 0,
}

/** Most that a packed integer may be: three bytes of seven bits (draft §3.2). */
const MOST_PACKED = 2 ** 21 - 1

/** Seven bits a byte, low ones first; the top bit says that more follows (draft §3.2). */
export const packedUint: SpinelType<number> = {
  letter: 'i',
  write(out, value) {
    if (!Number.isInteger(value) || value < 0 || value > MOST_PACKED) throw invalid(`${value} is no packed integer`)
    const bytes: number[] = []
    let rest = value
    for (; rest > 0x7f; rest >>= 7) bytes.push((rest & 0x7f) | 0x80)
    out.put(Uint8Array.of(...bytes, rest))
  },
  read(from) {
    let value = 0
    for (let shift = 0; shift <= 14; shift += 7) {
      const byte = from.integer(1)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw invalid('A packed integer is longer than three bytes')
  },
}

/** An IPv6 address; its text in RFC 5952 form. */
export const ip6: SpinelType<string> = {
  letter: '6',
  write(out, value) {
    const bytes = parseIp6(value)
    if (bytes === undefined) throw invalid('Not an IPv6 address')
    out.put(bytes)
  },
  read: (from) => formatIp6(from.take(16)),
}

export const eui64: SpinelType<Eui64> = {
  letter: 'E',
  write(out, value) {
    const bytes = fromHex(value)
    if (bytes?.length !== 8) throw invalid('Not an EUI-64')
    out.put(bytes)
  },
  read: (from) => toHex(from.take(8)),
}

/** All that is left of the frame or of the structure. */
export const restOfData: SpinelType<Uint8Array> = {
  letter: 'D',
  write: (out, value) => out.put(value),
  read: (from) => from.take(from.left).slice(),
}

/** Exactly so many bytes. */
export function fixedData(length: number): SpinelType<Uint8Array> {
  return {
    letter: 'D',
    write(out, value) {
      if (value.length !== length) throw invalid(`${length} bytes are needed, ${value.length} are given`)
      out.put(value)
    },
    read: (from) => from.take(length).slice(),
  }
}

/** Data with its length in two bytes before it. */
export const sizedData: SpinelType<Uint8Array> = {
  letter: 'd',
  write(out, value) {
    out.integer(value.length, 2)
    out.put(value)
  },
  read: (from) => from.take(from.integer(2)).slice(),
}

/** UTF-8 up to a zero byte. What is not UTF-8 is read with replacement characters: a name is shown, never trusted. */
export const text: SpinelType<string> = {
  letter: 'U',
  write(out, value) {
    if (value.includes('\0')) throw invalid('A text holds a zero')
    out.put(utf8(value))
    out.integer(0, 1)
  },
  read: (from) => new TextDecoder().decode(from.upToZero()),
}

type Fields = Readonly<Record<string, SpinelType<unknown>>>
type FieldValues<Of extends Fields> = { readonly [Name in keyof Of]: ValueOf<Of[Name]> }

/** Values one after another, without a length. */
export function fields<Of extends Fields>(of: Of): SpinelType<FieldValues<Of>>
export function fields(of: Fields): SpinelType<Readonly<Record<string, unknown>>> {
  const entries = Object.entries(of)
  return {
    letter: entries.map(([, type]) => type.letter).join(''),
    write(out, value) {
      for (const [name, type] of entries) type.write(out, value[name])
    },
    read: (from) => Object.fromEntries(entries.map(([name, type]) => [name, type.read(from)])),
  }
}

/** With the length in two bytes before it; a longer one than we know is read as far as we know it. */
export function struct<Value>(inner: SpinelType<Value>): SpinelType<Value> {
  return {
    letter: `t(${inner.letter})`,
    write: (out, value) => sizedData.write(out, pack(inner, value)),
    read: (from) => inner.read(new SpinelReader(from.take(from.integer(2)))),
  }
}

/** Repeated up to the end. */
export function arrayOf<Value>(inner: SpinelType<Value>): SpinelType<readonly Value[]> {
  return {
    letter: `A(${inner.letter})`,
    write(out, values) {
      for (const value of values) inner.write(out, value)
    },
    read(from) {
      const values: Value[] = []
      for (let left = from.left; left > 0; left = from.left) {
        values.push(inner.read(from))
        if (from.left === left) break
      }
      return values
    },
  }
}

/** Nothing at all. */
export const empty: SpinelType<undefined> = { letter: '', write: () => undefined, read: () => undefined }
