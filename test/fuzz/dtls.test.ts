// The short form of `node test/fuzz/dtls-run.ts`.
import { expect, it } from 'vitest'
import { fuzzDtls } from './dtls.ts'

it('20 000 mutated DTLS records end nothing, forge nothing and leave bounded memory', { timeout: 60_000 }, async () => {
  const report = await fuzzDtls({ records: 20_000, seed: 9146 })
  expect(report.faults).toEqual([])
  expect(report.alive).toBe(true)
  // It was a real exercise; ephemeral keys are drawn anew, so that no two runs are the same.
  expect(report.server.established).toBeGreaterThan(20)
  expect(report.server.failed).toBeGreaterThan(20)
  expect(report.delivered).toBeGreaterThan(50)
})
