// Faults of a serial line: flipped bits, lost bytes, frames cut in the middle. For tests; a plugged demo dongle has none.
import type { Random } from '#main/base/index.ts'

export interface SerialFaults {
  /** Chance of each bit to be flipped. */
  readonly bitErrorRate?: number
  /** Chance of each chunk to vanish whole. */
  readonly chunkLossRate?: number
  /** Chance of each chunk to end somewhere in its middle. */
  readonly cutRate?: number
  /** Cuts every chunk into pieces of at most so many bytes: readers must not take a chunk for a frame. */
  readonly mostChunkBytes?: number
}

/** The pieces of a chunk that arrive. */
export function withFaults(bytes: Uint8Array, faults: SerialFaults, random: Random): readonly Uint8Array[] {
  const { bitErrorRate = 0, chunkLossRate = 0, cutRate = 0, mostChunkBytes = Infinity } = faults
  const happens = (rate: number): boolean => rate > 0 && random.fraction() < rate
  if (happens(chunkLossRate)) return []
  let rest = happens(cutRate) ? bytes.slice(0, random.below(bytes.length)) : bytes.slice()
  if (bitErrorRate > 0) rest = rest.map((byte) => flipped(byte, bitErrorRate, random))
  const pieces: Uint8Array[] = []
  while (rest.length > 0) {
    const length = mostChunkBytes === Infinity ? rest.length : 1 + random.below(mostChunkBytes)
    pieces.push(rest.subarray(0, length))
    rest = rest.subarray(length)
  }
  return pieces
}

function flipped(byte: number, rate: number, random: Random): number {
  let value = byte
  for (let bit = 0; bit < 8; bit++) if (random.fraction() < rate) value ^= 1 << bit
  return value
}
