// The short form of `node test/fuzz/join-run.ts`.
import { expect, it } from 'vitest'
import { fuzzJoin } from './join.ts'

it(
  '20 000 mutated datagrams between pledges, join proxies and the registrar end nothing and forge nothing',
  { timeout: 60_000 },
  async () => {
    const report = await fuzzJoin({ datagrams: 20_000, seed: 7634 })
    expect(report.faults).toEqual([])
    expect(report.alive).toBe(true)
    // It was a real exercise.
    expect(report.heard).toBeGreaterThan(100)
    expect(report.answered).toBeGreaterThan(100)
    expect(report.port.malformed).toBeGreaterThan(100)
    expect(report.port.received01).toBeGreaterThan(100)
    expect(report.port.received20).toBeGreaterThan(100)
    expect(report.proxies[0]?.badHeaders).toBeGreaterThan(20)
    expect(report.proxies[1]?.badHeaders).toBeGreaterThan(20)
  },
)
