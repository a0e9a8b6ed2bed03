// kill -9 in the middle of an apply job, again and again: reopening goes on, nothing is lost, nothing is done twice.
// `node test/sim/kills.ts` does the same with 2 000 devices and 100 kills.
import { expect, it, onTestFinished } from 'vitest'
import { runWithKills } from './kill-run.ts'

/** The last process is left alone; on a fast machine the work may be done before so many kills. */
const FEWEST_KILLS = 4

it('finishes an apply to 200 devices through many kills with every membership written exactly once', async () => {
  const outcome = await runWithKills({ devices: 200, rooms: 1, mostKills: 12, killWithinMs: 400, deviceDelayMs: 40, seed: 20 })
  onTestFinished(() => outcome.close())
  const { kills, memberships, writtenOnce, ...rest } = outcome
  expect(kills).toBeGreaterThanOrEqual(FEWEST_KILLS)
  expect([memberships, writtenOnce]).toEqual([200, 200])
  expect(rest).toMatchObject({ unconfirmed: 0, left: 0, failedItems: 0, writtenOtherwise: 0 })
}, 120_000)
