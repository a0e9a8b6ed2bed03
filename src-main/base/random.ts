// Randomness as a port: unpredictable bytes in production, a seeded sequence in tests and in the simulator.
import { randomBytes } from 'node:crypto'

export interface Random {
  /** `length` fresh bytes. */
  bytes(length: number): Uint8Array
  /** A number in [0, 1). */
  fraction(): number
  /** An integer in [0, limit). */
  below(limit: number): number
}

/** The operating system's generator: the only one that may feed keys, tokens and Message IDs. */
export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => fractionOf(randomBytes(6)),
  below: (limit) => Math.floor(fractionOf(randomBytes(6)) * limit),
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
