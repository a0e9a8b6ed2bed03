// The few CBOR items that go into associated data, written without a detour: they are made for every message (RFC 8949 §3).

/** The bytes that a byte string's head takes. */
export function headBytes(length: number): number {
  return length < 24 ? 1 : length < 256 ? 2 : length < 65_536 ? 3 : 5
}

/** Writes the head of a byte string and answers where it ends. */
export function writeHead(target: Uint8Array, at: number, length: number): number {
  if (length < 24) {
    target[at] = 0x40 | length
    return at + 1
  }
  if (length < 256) {
    target[at] = 0x58
    target[at + 1] = length
    return at + 2
  }
  if (length < 65_536) {
    target[at] = 0x59
    target[at + 1] = length >> 8
    target[at + 2] = length & 255
    return at + 3
  }
  target[at] = 0x5a
  target[at + 1] = length >>> 24
  target[at + 2] = (length >> 16) & 255
  target[at + 3] = (length >> 8) & 255
  target[at + 4] = length & 255
  return at + 5
}

/** Writes a byte string and answers where it ends. */
export function writeBytes(target: Uint8Array, at: number, bytes: Uint8Array): number {
  const start = writeHead(target, at, bytes.length)
  put(target, start, bytes)
  return start + bytes.length
}

/** Of short pieces a loop is faster than `set`. */
export function put(target: Uint8Array, at: number, bytes: Uint8Array): void {
  const { length } = bytes
  if (length > 24) {
    target.set(bytes, at)
    return
  }
  for (let index = 0; index < length; index++) target[at + index] = bytes[index] ?? 0
}

export function byteString(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(headBytes(bytes.length) + bytes.length)
  writeBytes(whole, 0, bytes)
  return whole
}

/**
 * Room for bytes that are used up before the next message is made: associated data and plaintexts, which the library copies at once. Fresh
 * arrays of that size lie outside the heap, and making them took longer than filling them.
 */
export class Scratch {
  #bytes = new Uint8Array(2048)

  /** What it gave before is overwritten. */
  take(length: number): Uint8Array {
    if (length > this.#bytes.length) {
      // A message of unusual size: nothing that long is kept.
      if (length > LARGEST_KEPT) return new Uint8Array(length)
      this.#bytes = new Uint8Array(LARGEST_KEPT)
    }
    return this.#bytes.subarray(0, length)
  }
}

const LARGEST_KEPT = 16_384
