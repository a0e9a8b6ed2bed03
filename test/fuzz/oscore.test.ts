// The short form of `node test/fuzz/oscore-run.ts`.
import { expect, it } from 'vitest'
import { fuzzOscore } from './oscore.ts'

it('10 000 hostile OSCORE messages make nothing happen, once or twice, that nobody asked for', { timeout: 120_000 }, async () => {
  const report = await fuzzOscore({ messages: 10_000, seed: 8613 })
  expect(report.faults).toEqual([])
  expect(report.alive).toBe(true)
  // It was a real exercise.
  expect(report.answered).toBeGreaterThan(800)
  expect(report.acted).toBeGreaterThan(800)
  for (const { replayed, forged } of report.counters) {
    expect(replayed).toBeGreaterThan(50)
    expect(forged).toBeGreaterThan(100)
  }
})
