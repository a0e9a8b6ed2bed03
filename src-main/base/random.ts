// Randomness as a port: unpredictable bytes in production, a seeded sequence in tests and in the simulator.
import { randomBytes, randomFillSync } from 'node:crypto'

export interface Random {
  /** `length` fresh bytes. */
  bytes(length: number): Uint8Array
  /** A number in [0, 1). */
  fraction(): number
  /** An integer in [0, limit). */
  below(limit: number): number
}

/** To draw a few bytes costs about as much as to draw these many. */
const DRAWN_BYTES = 1024
/** The longest that is taken from what was drawn ahead. */
const SHORT_BYTES = 64
const drawn = new Uint8Array(DRAWN_BYTES)
let taken = DRAWN_BYTES

/** What is given out is wiped here. */
function fresh(length: number): Uint8Array {
  if (length > SHORT_BYTES) return new Uint8Array(randomBytes(length))
  if (taken + length > DRAWN_BYTES) {
    randomFillSync(drawn)
    taken = 0
  }
  const bytes = drawn.slice(taken, taken + length)
  drawn.fill(0, taken, taken + length)
  taken += length
  return bytes
}

/** The operating system's generator: the only one that may feed keys, tokens and Message IDs. */
export const systemRandom: Random = {
  bytes: fresh,
  fraction: () => fractionOf(fresh(6)),
  below: (limit) => Math.floor(fractionOf(fresh(6)) * limit),
}

function fractionOf(bytes: Uint8Array): number {
  let value = 0
  for (const byte of bytes) value = value * 256 + byte
  return value / 2 ** (8 * bytes.length)
}

/** A reproducible generator (mulberry32) for tests and the demo site. Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    fraction,
    below: (limit) => Math.floor(fraction() * limit),
    bytes: (length) => Uint8Array.from({ length }, () => Math.floor(fraction() * 256)),
  }
}
