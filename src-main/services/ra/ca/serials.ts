// Serial numbers (RFC 5280 §4.1.2.2): a counter that is reserved in blocks before use, so that none comes twice, and random bits, so that none can be guessed.
import { concatBytes, type Random } from '#main/base/index.ts'
import type { SerialStore } from '../types.ts'
import { serialContent } from '../x509/write.ts'

const BLOCK = 64
const COUNTER_BYTES = 6
const RANDOM_BYTES = 8

export class SerialNumbers {
  readonly #store: SerialStore
  readonly #random: Random
  #next = 0
  #end = 0

  constructor(store: SerialStore, random: Random) {
    this.#store = store
    this.#random = random
  }

  /** The content of the INTEGER: 15 bytes, positive. */
  take(): Uint8Array {
    if (this.#next >= this.#end) {
      this.#next = this.#store.reserve(BLOCK)
      this.#end = this.#next + BLOCK
    }
    const counter = new Uint8Array(COUNTER_BYTES)
    let rest = this.#next++
    for (let at = COUNTER_BYTES - 1; at >= 0; at--, rest = Math.floor(rest / 256)) counter[at] = rest % 256
    return serialContent(concatBytes(Uint8Array.of(1), counter, this.#random.bytes(RANDOM_BYTES)))
  }
}
