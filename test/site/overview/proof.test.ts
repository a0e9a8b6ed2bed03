// What a group's tests prove, as the overview and with it the job that proves groups takes it.
import { describe, expect, it } from 'vitest'
import { proofOf } from '#main/site/groups/index.ts'
import { proofCases, proofTypeOf } from '../../support/proof-cases.ts'

describe('the proof of a group', () => {
  it.each(proofCases)('$name: $expected', ({ runs, cells, uri, expected }) => {
    expect(proofOf(runs, { uri, cells, typeOf: proofTypeOf }).standing).toBe(expected)
  })
})
