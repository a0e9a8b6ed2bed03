// One at a time for each key, in the order of asking: a device never has two writes in flight.

export interface KeyedLock {
  /** Runs `work` when everything asked for this key before has ended. */
  run<Result>(key: string, work: () => Promise<Result>): Promise<Result>
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>()
  return {
    async run(key, work) {
      const before = tails.get(key)
      const mine = (async () => {
        await before?.catch(() => undefined)
        return work()
      })()
      tails.set(key, mine)
      try {
        return await mine
      } finally {
        if (tails.get(key) === mine) tails.delete(key)
      }
    },
  }
}
