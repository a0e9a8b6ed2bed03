// The short form of `node test/fuzz/cmp-run.ts`.
import { expect, it } from 'vitest'
import { fuzzCmp } from './cmp.ts'

it('20 000 mutated CMP messages: each a value or a typed refusal, in bounded time, and no certificate', { timeout: 120_000 }, async () => {
  const report = await fuzzCmp({ messages: 20_000, seed: 4210, handleEvery: 20 })
  expect(report.faults).toEqual([])
  // It was a real exercise: many were read to the end, many refused, and the authority had several reasons.
  expect(report.read).toBeGreaterThan(1000)
  expect(report.refused).toBeGreaterThan(1000)
  expect(Object.keys(report.failInfos).length).toBeGreaterThan(4)
})
