// Reading and writing the presentation language of TLS (RFC 5246 §4): integers, and vectors with their length before them.
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
    if (length > this.left) throw new AlertFailure('decode_error', 'A field is cut off', 'dtls.message-invalid')
    this.#offset += length
    return uintAt(this.#bytes, this.#offset - length, length)
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
  putUint(bytes, 0, length, value)
  return bytes
}

/** Into bytes that are there: each record and each message has a handful of numbers, and an array for each would be most of its cost. */
export function putUint(target: Uint8Array, at: number, length: number, value: number): void {
  for (let index = at + length - 1, rest = value; index >= at; index--, rest = Math.floor(rest / 256)) target[index] = rest % 256
}

/** Zeros where bytes are missing: who calls it has seen that they are there. */
export function uintAt(bytes: Uint8Array, at: number, length: number): number {
  let value = 0
  for (let index = at; index < at + length; index++) value = value * 256 + (bytes[index] ?? 0)
  return value
}

export function vector(lengthBytes: 1 | 2 | 3, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(lengthBytes + length)
  putUint(whole, 0, lengthBytes, length)
  let offset = lengthBytes
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** A vector of 16-bit numbers with its length in bytes before it. */
export function numbers16(values: readonly number[]): Uint8Array {
  const whole = new Uint8Array(2 + 2 * values.length)
  putUint(whole, 0, 2, 2 * values.length)
  values.forEach((value, index) => putUint(whole, 2 + 2 * index, 2, value))
  return whole
}

/** The 16-bit numbers in a vector's content. */
export function readNumbers16(content: Uint8Array): readonly number[] {
  if (content.length % 2 !== 0) throw new AlertFailure('decode_error', 'A field is cut off', 'dtls.message-invalid')
  return Array.from({ length: content.length / 2 }, (_, index) => uintAt(content, 2 * index, 2))
}
