// What a run of the fuzzer may leave behind.
import { DEFAULT_PARAMETERS } from '#main/wire/coap/index.ts'
import type { FuzzReport } from './fuzz.ts'

const MIB = 2 ** 20
/** The bounded tables full, and the directory with the registrations that happen to come out right. */
const MAX_GROWTH_BYTES = 96 * MIB
/** In the second half every table has been full once, so next to nothing may be added. */
const MAX_LATE_GROWTH_BYTES = 24 * MIB

export function findExcess({ heap, holdings }: FuzzReport): readonly string[] {
  const excess: string[] = []
  if (heap.end - heap.start > MAX_GROWTH_BYTES) excess.push(`the heap grew by ${heap.end - heap.start} bytes`)
  if (heap.end - heap.middle > MAX_LATE_GROWTH_BYTES)
    excess.push(`the heap still grew by ${heap.end - heap.middle} bytes in the second half`)
  if ((holdings.dedupEntries ?? 0) > DEFAULT_PARAMETERS.maxDedupEntries) excess.push(`${holdings.dedupEntries} Message IDs are held`)
  if ((holdings.blockwiseBytes ?? 0) > DEFAULT_PARAMETERS.maxBlockwiseBytes)
    excess.push(`${holdings.blockwiseBytes} bytes of bodies are held`)
  if ((holdings.serving ?? 0) > DEFAULT_PARAMETERS.maxServing) excess.push(`${holdings.serving} requests are being served`)
  return excess
}
