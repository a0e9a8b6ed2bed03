// Many deadlines behind one timer, against the clock's own timers as reference.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Schedule, type Timer } from '#main/base/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

it('runs what the clock itself would run, in the same order, whatever is cancelled', async () => {
  const step = fc.record({ delayMs: fc.nat(50), cancels: fc.option(fc.nat(30)), waitMs: fc.nat(10) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const run = async (
        pick: (clock: VirtualClock) => { setTimer(delayMs: number, callback: () => void): Timer },
      ): Promise<readonly string[]> => {
        const clock = new VirtualClock()
        const timers = pick(clock)
        const log: string[] = []
        const set: Timer[] = []
        for (const [index, { delayMs, cancels, waitMs }] of steps.entries()) {
          set.push(timers.setTimer(delayMs, () => log.push(`${index} at ${clock.monotonicMs()}`)))
          if (cancels !== null) set[cancels]?.cancel()
          await clock.advance(waitMs)
        }
        await clock.advance(100)
        return log
      }
      expect(await run((clock) => new Schedule(clock))).toEqual(await run((clock) => clock))
    }),
  )
})

it('needs one timer, and none when nothing is pending', async () => {
  const clock = new VirtualClock()
  const schedule = new Schedule(clock)
  const timers = Array.from({ length: 100 }, (_, index) => schedule.setTimer(100 - index, () => undefined))
  expect(clock.pendingTimers).toBe(1)
  expect(schedule.size).toBe(100)
  for (const timer of timers.slice(50)) timer.cancel()
  expect(schedule.size).toBe(50)
  await clock.advance(100)
  expect(schedule.size).toBe(0)
  expect(clock.pendingTimers).toBe(0)
  schedule.setTimer(5, () => undefined)
  schedule.clear()
  expect(clock.pendingTimers).toBe(0)
})

it('a callback that throws does not stop the others', async () => {
  const clock = new VirtualClock()
  const schedule = new Schedule(clock)
  const ran: string[] = []
  schedule.setTimer(1, () => {
    throw new RangeError('on purpose')
  })
  schedule.setTimer(1, () => ran.push('second'))
  await expect(clock.advance(1)).rejects.toThrow('on purpose')
  await clock.advance(1)
  expect(ran).toEqual(['second'])
})

it('what a callback sets for now runs after it, not within it', async () => {
  const clock = new VirtualClock()
  const schedule = new Schedule(clock)
  const log: string[] = []
  schedule.setTimer(0, () => {
    schedule.setTimer(0, () => log.push('inner'))
    log.push('outer')
  })
  await clock.advance(0)
  expect(log).toEqual(['outer', 'inner'])
})
