// The short form of `npm run fuzz`.
import { describe, expect, it } from 'vitest'
import { decodeMessage } from '#main/wire/coap/index.ts'
import { findExcess } from './bounds.ts'
import { loadCorpus } from './corpus.ts'
import { fuzz } from './fuzz.ts'

describe('mutated datagrams', () => {
  const corpus = loadCorpus()

  it('start from real ones, nearly all of which are messages', () => {
    const messages = corpus.filter((bytes) => {
      try {
        return decodeMessage(bytes).messageId >= 0
      } catch {
        return false
      }
    })
    expect(corpus.length).toBeGreaterThan(500)
    expect(messages.length / corpus.length).toBeGreaterThan(0.95)
  })

  it('50 000 of them end nothing, escape nowhere and leave bounded memory', { timeout: 60_000 }, async () => {
    const report = await fuzz({ datagrams: 50_000, seed: 7641, corpus })
    expect(report.faults).toEqual([])
    expect(findExcess(report)).toEqual([])
    expect(report.alive).toBe(true)
    // It was a real exercise: requests were served, garbage was refused, duplicates were known, own requests were answered.
    expect(report.counters.requestsServed).toBeGreaterThan(1000)
    expect(report.counters.malformed).toBeGreaterThan(1000)
    expect(report.counters.duplicates).toBeGreaterThan(10)
    expect(report.sent).toBeGreaterThan(5000)
  })
})
