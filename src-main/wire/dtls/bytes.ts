// Reading and writing the presentation language of TLS (RFC 5246 §4): integers, and vectors with their length before them.
import { concatBytes, decodeUint } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'

/** Reads from front to back; whatever is missing or left over is a `decode_error`. */
export class Reader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#offset
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw new AlertFailure('decode_error', 'A field is cut off', 'dtls.message-invalid')
    this.#offset += length
    return this.#bytes.subarray(this.#offset - length, this.#offset)
  }

  uint(length: 1 | 2 | 3): number {
    return decodeUint(this.take(length))
  }

  /** A vector whose length field has so many bytes, and whose own length lies within the bounds. */
  vector(lengthBytes: 1 | 2 | 3, least = 0, most = Number.MAX_SAFE_INTEGER): Uint8Array {
    const length = this.uint(lengthBytes)
    if (length < least || length > most) throw new AlertFailure('decode_error', 'A vector has a wrong length', 'dtls.message-invalid')
    return this.take(length)
  }

  end(): void {
    if (this.left > 0) throw new AlertFailure('decode_error', 'Bytes are left over', 'dtls.message-invalid')
  }
}

export function uint(length: 1 | 2 | 3 | 6, value: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = length - 1, rest = value; index >= 0; index--, rest = Math.floor(rest / 256)) bytes[index] = rest % 256
  return bytes
}

export function vector(lengthBytes: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Uint8Array {
  const whole = concatBytes(...parts)
  return concatBytes(uint(lengthBytes, whole.length), whole)
}

/** A vector of 16-bit numbers with its length in bytes before it. */
export function numbers16(values: readonly number[]): Uint8Array {
  return vector(2, ...values.map((value) => uint(2, value)))
}

/** The 16-bit numbers in a vector's content. */
export function readNumbers16(content: Uint8Array): readonly number[] {
  const reader = new Reader(content)
  const values: number[] = []
  while (reader.left > 0) values.push(reader.uint(2))
  return values
}
