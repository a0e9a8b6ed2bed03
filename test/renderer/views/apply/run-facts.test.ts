import { describe, expect, test } from 'vitest'
import type { JobRow } from '#contract/model.ts'
import { applyJob, isShown, resultOf } from '../../../../src-renderer/views/apply/run-facts.ts'
import { at, planLine } from '../rows.ts'

function job(id: string, rest: Partial<JobRow> = {}): JobRow {
  const counts = { pending: 0, running: 0, ok: 0, warning: 0, failed: 0, skipped: 0, ...rest.counts }
  return {
    id,
    kind: 'apply',
    title: '',
    state: 'done',
    total: 1,
    createdAt: at,
    finishedAt: at + 1,
    remainingMs: null,
    retryOf: null,
    failure: null,
    ...rest,
    counts,
  }
}
const counts = (rest: Partial<JobRow['counts']>): JobRow['counts'] => ({
  pending: 0,
  running: 0,
  ok: 0,
  warning: 0,
  failed: 0,
  skipped: 0,
  ...rest,
})
const around = { subjects: new Set(['a g']), plan: [planLine('a', 'g')], excluded: new Set<string>(), dismissed: null }

describe('the apply job that is shown', () => {
  test('is the unfinished one, else the newest, and never a job of another kind', () => {
    const verify = job('v', { kind: 'verify', createdAt: at + 9 })
    const paused = job('p', { finishedAt: null, state: 'paused' })
    expect(applyJob([job('new', { createdAt: at + 5 }), paused, verify])?.id).toBe('p')
    expect(applyJob([job('old'), job('new', { createdAt: at + 5 }), verify])?.id).toBe('new')
    expect(applyJob([verify])).toBeNull()
  })
  test('stays after its end until there is something new to run', () => {
    expect(isShown(job('j'), around)).toBe(true)
    expect(isShown(job('j'), { ...around, plan: [planLine('b', 'g')] })).toBe(false)
    expect(isShown(job('j'), { ...around, plan: [planLine('b', 'g', { blocked: 'not-seen' })] })).toBe(true)
    expect(isShown(job('j'), { ...around, plan: [planLine('b', 'g')], excluded: new Set(['b g']) })).toBe(true)
  })
  test('can be put away once it is over', () => {
    expect(isShown(job('j'), { ...around, dismissed: 'j' })).toBe(false)
    expect(isShown(job('j', { finishedAt: null, state: 'running' }), { ...around, dismissed: 'j' })).toBe(true)
  })
})

describe('what a run came to', () => {
  test('counts the runs before it that a retry goes on with', () => {
    const first = job('1', { counts: counts({ ok: 40, failed: 2 }) })
    const second = job('2', { retryOf: '1', counts: counts({ ok: 1, failed: 1 }) })
    expect(resultOf(second, [first, second])).toEqual({ confirmed: 41, failed: 1, remarks: 0, skipped: 0, left: 0 })
  })
  test('is not complete when it was cancelled: what it skipped was not tried', () => {
    const cancelled = job('1', { state: 'cancelled', counts: counts({ ok: 5, skipped: 11 }) })
    expect(resultOf(cancelled, [cancelled])).toEqual({ confirmed: 5, failed: 0, remarks: 0, skipped: 0, left: 11 })
    const done = job('2', { counts: counts({ ok: 5, skipped: 1 }) })
    expect(resultOf(done, [done])).toMatchObject({ skipped: 1, left: 0 })
  })
  test('says what a cancelled run did not reach, and survives a circle of retries', () => {
    const odd = job('1', { retryOf: '1', counts: counts({ ok: 3, pending: 4 }) })
    expect(resultOf(odd, [odd])).toMatchObject({ confirmed: 3, left: 4 })
  })
})
