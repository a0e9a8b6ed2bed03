// Every reason that a device is told says what to do about it.
import { expect, test } from 'vitest'
import { actionsFor } from '#main/site/admission/actions.ts'
import { failureCodes } from '#contract/failures.ts'
import { joinAction } from '#contract/model.ts'

test('every failure code leads to actions that the contract knows', () => {
  for (const code of failureCodes) {
    const actions = actionsFor(code)
    expect(actions.length).toBeGreaterThan(0)
    for (const action of actions) expect(joinAction.options).toContain(action)
  }
  expect(actionsFor('voucher.missing')[0]).toBe('import-voucher')
  expect(actionsFor('join.awaits-approval')).toEqual(['approve-request'])
  expect(actionsFor('constructor')).toEqual(['power-cycle'])
  expect(actionsFor(null)).toEqual([])
})
