// What one thread does in a second of its own processor time, measure and baseline in turn; what the heap holds.
import { median } from './measure.ts'

export interface RatePair {
  readonly perSecond: number
  readonly barePerSecond: number
}

const ROUNDS = 7

/** By what this thread has spent: other programs and the collector's helpers do not count. */
function perSecond(count: number, work: () => void): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (count * 1_000_000) / (user + system)
}

/** Both do so many in a call; the first round of each is not counted. */
export function compareCpu(count: number, work: () => void, bare: () => void): RatePair {
  const rates: number[] = []
  const bareRates: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const bareRate = perSecond(count, bare)
    const rate = perSecond(count, work)
    if (round === 0) continue
    rates.push(rate)
    bareRates.push(bareRate)
  }
  return { perSecond: median(rates), barePerSecond: median(bareRates) }
}

/** Needs `--expose-gc`. */
export function heapBytes(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, arrayBuffers, external } = process.memoryUsage()
  return heapUsed + arrayBuffers + external
}
