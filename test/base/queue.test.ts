import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError, BoundedQueue } from '#main/base/index.ts'

describe('a bounded queue', () => {
  test('gives items back in their order', () => {
    const queue = new BoundedQueue<string | undefined>(4, 'drop-oldest')
    for (const item of ['a', undefined, 'c']) queue.push(item)
    expect(queue.take(2)).toEqual(['a', undefined])
    expect(queue.shift()).toBe('c')
    expect(queue.shift()).toBeUndefined()
    expect(queue.counters()).toEqual({ pushed: 3, taken: 3, dropped: 0, peak: 3 })
  })

  test('drops the oldest, or the newest, when it is full, and tells', () => {
    const dropped: number[] = []
    const oldest = new BoundedQueue<number>(2, 'drop-oldest', (item) => dropped.push(item))
    expect([1, 2, 3].map((item) => oldest.push(item))).toEqual([true, true, true])
    expect(oldest.take(9)).toEqual([2, 3])
    const newest = new BoundedQueue<number>(2, 'drop-newest', (item) => dropped.push(item))
    expect([1, 2, 3].map((item) => newest.push(item))).toEqual([true, true, false])
    newest.clear()
    expect(dropped).toEqual([1, 3, 1, 2])
    expect(newest.counters()).toEqual({ pushed: 2, taken: 0, dropped: 3, peak: 2 })
  })

  test('is a list with a limit, whatever is done to it', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), item: fc.nat() }),
      fc.record({ kind: fc.constant('shift' as const) }),
      fc.record({ kind: fc.constant('take' as const), most: fc.nat(4) }),
      fc.record({ kind: fc.constant('clear' as const) }),
    )
    const policies = fc.constantFrom('drop-oldest' as const, 'drop-newest' as const)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), policies, fc.array(step, { maxLength: 60 }), (capacity, policy, steps) => {
        const queue = new BoundedQueue<number>(capacity, policy)
        let list: number[] = []
        for (const action of steps) {
          if (action.kind === 'push') {
            queue.push(action.item)
            if (policy === 'drop-oldest') list = [...list, action.item].slice(-capacity)
            else if (list.length < capacity) list.push(action.item)
          } else if (action.kind === 'shift') expect(queue.shift()).toBe(list.shift())
          else if (action.kind === 'take') expect(queue.take(action.most)).toEqual(list.splice(0, action.most))
          else {
            queue.clear()
            list = []
          }
          expect(queue.size).toBe(list.length)
        }
        const { pushed, taken, dropped } = queue.counters()
        const refused = policy === 'drop-newest' ? steps.filter(({ kind }) => kind === 'push').length - pushed : 0
        expect(pushed).toBe(taken + (dropped - refused) + queue.size)
      }),
    )
  })

  test.each([0, -1, 1.5, Number.NaN, Infinity])('cannot have the capacity %s', (capacity) => {
    expect(() => new BoundedQueue(capacity, 'drop-oldest')).toThrow(AppError)
  })
})
