// Floods of registrants: what the directory fetches and remembers keeps to its bounds.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom, type SocketAddress } from '#main/base/index.ts'
import { BoundedMemory } from '#main/services/rd/bounded-memory.ts'
import { CoreFetcher, type Fetched } from '#main/services/rd/core-fetcher.ts'
import type { SimpleRegistrationLimits } from '#main/services/rd/index.ts'
import { ScriptedClient } from '../../support/scripted-coap.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

interface Place {
  readonly clock: VirtualClock
  readonly client: ScriptedClient
  readonly fetcher: CoreFetcher
  readonly fetch: (address: string, port?: number) => Promise<Fetched>
}

function place(limits: Partial<SimpleRegistrationLimits> = {}): Place {
  const clock = new VirtualClock()
  const client = new ScriptedClient()
  const clientOf = (channelId: string): ScriptedClient | undefined => (channelId === 'test' ? client : undefined)
  const fetcher = new CoreFetcher({ clientOf, clock, random: seededRandom(1), maxBytes: 1000, limits })
  return { clock, client, fetcher, fetch: (address, port = 5683) => fetcher.fetch({ address: { address, port }, channelId: 'test' }) }
}

const codeOf = (fetched: Fetched): string => ('refused' in fetched ? fetched.refused.code : '2.05')
const serve = (client: ScriptedClient, at: SocketAddress, text: string): void =>
  client.serve(at, () => ({ code: '2.05', contentFormat: 40, text }))

describe('the fetcher', () => {
  it('under a flood from thousands of addresses keeps to its fetches under way', async () => {
    const { client, fetcher, fetch } = place({ fetches: 32 })
    let open = (): void => undefined
    client.gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const answers = Array.from({ length: 5000 }, (_, index) => {
      const address = `fd00::${index.toString(16)}`
      serve(client, { address, port: 5683 }, '</a>')
      return fetch(address)
    })
    expect(fetcher.underWay).toBe(32)
    open()
    const codes = (await Promise.all(answers)).map(codeOf)
    expect(codes.filter((code) => code === '2.05')).toHaveLength(32)
    expect(codes.filter((code) => code === '5.03')).toHaveLength(4968)
    expect([client.mostInFlight, fetcher.underWay]).toEqual([32, 0])
  })

  it('lets one address have only its share of them, whatever ports it uses', async () => {
    const { client, fetcher, fetch } = place({ fetchesPerAddress: 4 })
    client.gate = new Promise<void>(() => undefined)
    for (let port = 1; port <= 100; port++) void fetch('fd00::bad', port)
    expect(fetcher.underWay).toBe(4)
    expect(codeOf(await fetch('fd00::bad', 200))).toBe('4.29')
    void fetch('fd00::900d')
    expect(fetcher.underWay).toBe(5)
  })

  it('waits longer after each failure, up to a limit, and forgets them after a success', async () => {
    const { clock, client, fetch } = place({ attempts: 1, holdOffMs: 1000, longestHoldOffMs: 8000 })
    const waits: number[] = []
    for (let failure = 0; failure < 6; failure++) {
      expect(codeOf(await fetch('fd00::1'))).toBe('5.04')
      const startedMs = clock.monotonicMs()
      while (codeOf(await fetch('fd00::1', 1)) === '4.29') await clock.advance(500)
      // That was a failure of its own: the next wait has begun.
      waits.push(clock.monotonicMs() - startedMs)
      failure++
      await clock.advance(8000)
    }
    expect(waits).toEqual([1000, 4000, 8000])
    serve(client, { address: 'fd00::1', port: 5683 }, '</a>')
    expect(codeOf(await fetch('fd00::1'))).toBe('2.05')
    expect(codeOf(await fetch('fd00::1', 1))).toBe('5.04')
  })

  it('pauses before it tries again, and gives up after its attempts', async () => {
    const { clock, client, fetch } = place({ attempts: 3, pauseMs: 1000 })
    const times: number[] = []
    client.serve({ address: 'fd00::1', port: 5683 }, () => {
      times.push(clock.monotonicMs())
      return undefined
    })
    expect(codeOf(await clock.until(fetch('fd00::1')))).toBe('5.04')
    const [first = 0, second = 0, third = 0] = times
    expect(times).toHaveLength(3)
    expect(second - first).toBeGreaterThanOrEqual(1000)
    expect(third - second).toBeGreaterThanOrEqual(2000)
    expect(third - first).toBeLessThanOrEqual(4500)
  })

  it('has no way to a channel that is gone', async () => {
    const { fetcher } = place()
    expect(codeOf(await fetcher.fetch({ address: { address: 'fd00::1', port: 1 }, channelId: 'gone' }))).toBe('5.03')
  })

  it('fetches again what it had to forget', async () => {
    const { client, fetch } = place({ remembered: 2 })
    for (const address of ['fd00::1', 'fd00::2', 'fd00::3']) serve(client, { address, port: 5683 }, '</a>')
    for (const address of ['fd00::1', 'fd00::2', 'fd00::2', 'fd00::3', 'fd00::1']) expect(codeOf(await fetch(address))).toBe('2.05')
    expect(client.requests.map(({ to }) => to.address)).toEqual(['fd00::1', 'fd00::2', 'fd00::3', 'fd00::1'])
  })
})

it('a bounded memory holds the newest that fit, as a naive one does', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.option(fc.nat(6))), { maxLength: 60 }), (steps) => {
      const memory = new BoundedMemory<number>(3, 10, (value) => value)
      let model: Array<readonly [string, number]> = []
      for (const [key, value] of steps) {
        model = model.filter(([known]) => known !== key)
        if (value === null) memory.delete(key)
        else {
          memory.set(key, value)
          model.push([key, value])
        }
        while (model.length > 3 || model.reduce((sum, [, bytes]) => sum + bytes, 0) > 10) model.shift()
        expect(memory.size).toBe(model.length)
        expect(memory.bytes).toBe(model.reduce((sum, [, bytes]) => sum + bytes, 0))
        for (const name of 'abcde') expect(memory.get(name)).toBe(model.find(([known]) => known === name)?.[1])
      }
    }),
  )
})
