// How many requests share a commit: those of one turn of the event loop, and of further turns while crowds come in.
import { expect, it } from 'vitest'
import type { Clock } from '#main/base/index.ts'
import { CommitQueue } from '#main/services/rd/commit-queue.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryRegistrationStore } from './harness.ts'

/** Turns of an event loop that the test makes. */
function loop(): {
  readonly queue: CommitQueue
  readonly store: MemoryRegistrationStore
  readonly turn: () => void
  readonly add: (count: number) => void
} {
  const virtual = new VirtualClock()
  let pending = new Set<() => void>()
  const clock: Clock = {
    now: () => virtual.now(),
    monotonicMs: () => virtual.monotonicMs(),
    setTimer: (delayMs, callback) => virtual.setTimer(delayMs, callback),
    afterInput: (callback) => {
      pending.add(callback)
      return { cancel: () => pending.delete(callback) }
    },
  }
  const store = new MemoryRegistrationStore()
  const queue = new CommitQueue(store, clock, { committed: () => undefined, rolledBack: () => undefined })
  return {
    queue,
    store,
    turn: () => {
      const due = pending
      pending = new Set()
      for (const callback of due) callback()
    },
    add: (count) => {
      for (let index = 0; index < count; index++) void queue.add(() => undefined)
    },
  }
}

it('requests of one turn share a commit, which does not wait for others', () => {
  const { store, turn, add } = loop()
  add(5)
  expect(store.transactions).toBe(0)
  turn()
  expect(store.transactions).toBe(1)
  turn()
  add(1)
  turn()
  expect(store.transactions).toBe(2)
})

it('a crowd waits for the next turn, until fewer come or the commit is large', () => {
  const { store, turn, add } = loop()
  add(32)
  turn()
  add(32)
  turn()
  expect(store.transactions).toBe(0)
  add(3)
  turn()
  expect(store.transactions).toBe(1)
  for (let index = 0; index < 8; index++) {
    add(32)
    turn()
  }
  expect(store.transactions).toBe(2)
  add(32)
  turn()
  turn()
  expect(store.transactions).toBe(3)
})

it('what waits is written before a commit of its own, and nothing is left to do', () => {
  const { queue, store, turn, add } = loop()
  add(32)
  turn()
  expect(queue.now(() => 7)).toBe(7)
  expect(store.transactions).toBe(2)
  turn()
  expect(store.transactions).toBe(2)
})
