// HMAC-SHA-256 (RFC 2104) from two whole hashes: for short messages many times faster than the library's own HMAC object.
import { putSha256, SHA256_BYTES } from './hash.ts'

const BLOCK_BYTES = 64
/** What most messages need beside the key: they are hashed in place then. */
const USUAL_MESSAGE_BYTES = 128

/** A key made ready, for several messages. */
export class HmacSha256 {
  /** The inner key, and room for a message behind it. */
  #inner = new Uint8Array(BLOCK_BYTES + USUAL_MESSAGE_BYTES)
  /** The outer key, and room for the inner hash behind it. */
  readonly #outer = new Uint8Array(BLOCK_BYTES + SHA256_BYTES)

  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) putSha256(key, this.#inner, 0)
    else this.#inner.set(key)
    for (let index = 0; index < BLOCK_BYTES; index++) {
      const byte = this.#inner[index] ?? 0
      this.#inner[index] = byte ^ 0x36
      this.#outer[index] = byte ^ 0x5c
    }
  }

  of(...parts: readonly Uint8Array[]): Uint8Array {
    let length = BLOCK_BYTES
    for (const part of parts) length += part.length
    if (length > this.#inner.length) {
      const larger = new Uint8Array(length)
      larger.set(this.#inner.subarray(0, BLOCK_BYTES))
      this.#inner = larger
    }
    let offset = BLOCK_BYTES
    for (const part of parts) {
      this.#inner.set(part, offset)
      offset += part.length
    }
    putSha256(this.#inner.subarray(0, length), this.#outer, BLOCK_BYTES)
    const code = new Uint8Array(SHA256_BYTES)
    putSha256(this.#outer, code, 0)
    return code
  }
}
