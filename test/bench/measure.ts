// Medians of repeated runs, measure and baseline in turn so that a drifting machine is fair to both.
import type { BenchResult } from './types.ts'

export interface Contest {
  readonly area: string
  readonly name: string
  readonly unit: 'ms'
  readonly rounds?: number
  readonly measure: () => unknown
  readonly baseline: () => unknown
}

/** Times both in turn and answers the medians in milliseconds. */
export async function contest({ area, name, unit, rounds = 9, measure, baseline }: Contest): Promise<BenchResult> {
  const times: number[] = []
  const baselines: number[] = []
  await baseline()
  await measure()
  for (let round = 0; round < rounds; round++) {
    baselines.push(await timed(baseline))
    times.push(await timed(measure))
  }
  const value = median(times)
  const base = median(baselines)
  return { area, name, value, unit, baseline: base, ratio: value / base }
}

export async function timed(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
