import { describe, expect, test } from 'vitest'
import { delay, systemClock } from '#main/base/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

describe('delay', () => {
  test('resolves after its time, and not before', async () => {
    const clock = new VirtualClock()
    let done = false
    void delay(clock, 100).then(() => (done = true))
    await clock.advance(99)
    expect(done).toBe(false)
    await clock.advance(1)
    expect(done).toBe(true)
  })

  test('rejects with the reason of the signal as soon as it aborts, and leaves no timer behind', async () => {
    const clock = new VirtualClock()
    const controller = new AbortController()
    const outcome = delay(clock, 1000, controller.signal).catch((error: unknown) => error)
    expect(clock.pendingTimers).toBe(1)
    const reason = new RangeError('enough')
    controller.abort(reason)
    expect(await outcome).toBe(reason)
    expect(clock.pendingTimers).toBe(0)
    await expect(delay(clock, 1, controller.signal)).rejects.toBe(reason)
    await expect(delay(clock, 1, AbortSignal.abort('a text'))).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('forgets the signal once it is over', async () => {
    const clock = new VirtualClock()
    const controller = new AbortController()
    const waiting = delay(clock, 10, controller.signal)
    await clock.advance(10)
    await waiting
    controller.abort()
  })
})

describe('the system clock', () => {
  test('tells the wall time, and a time that never goes back', () => {
    const before = Date.now()
    expect(systemClock.now()).toBeGreaterThanOrEqual(before)
    const first = systemClock.monotonicMs()
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(first)
  })

  test('calls back once, takes a delay below zero for none, and does not when cancelled', async () => {
    const calls: string[] = []
    const cancelled = systemClock.setTimer(0, () => calls.push('cancelled'))
    cancelled.cancel()
    cancelled.cancel()
    await new Promise<void>((resolve) => {
      systemClock.setTimer(-5, () => {
        calls.push('once')
        systemClock.setTimer(2, resolve)
      })
    })
    expect(calls).toEqual(['once'])
  })

  test('a delay beyond what Node’s timers take does not fire at once', async () => {
    let fired = false
    const timer = systemClock.setTimer(10_000_000_000, () => (fired = true))
    await new Promise<void>((resolve) => systemClock.setTimer(20, resolve))
    timer.cancel()
    expect(fired).toBe(false)
  })
})

describe('the virtual clock', () => {
  test('runs timers in the order of their time, then of their setting, and those that they set', async () => {
    const clock = new VirtualClock()
    const order: string[] = []
    clock.setTimer(20, () => order.push('c'))
    clock.setTimer(10, () => {
      order.push('a')
      clock.setTimer(5, () => order.push(`b at ${clock.monotonicMs()}`))
    })
    clock.setTimer(20, () => order.push('d'))
    await clock.advance(20)
    expect(order).toEqual(['a', 'b at 15', 'c', 'd'])
  })

  test('a jump of the wall clock moves no timer', async () => {
    const clock = new VirtualClock(1_000_000)
    let fired = false
    clock.setTimer(100, () => (fired = true))
    clock.jumpWallClock(3_600_000)
    await clock.advance(99)
    expect([fired, clock.now(), clock.monotonicMs()]).toEqual([false, 4_600_099, 99])
  })
})
