// Group tests on channels that carry no multicast: what would go to the group goes to its members one by one.
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, silentLogger, type SocketAddress } from '#main/base/index.ts'
import type { ClientRequest, ClientResponse } from '#main/wire/coap/index.ts'
import { createTestBench } from '#main/site/groups/index.ts'
import { apply, createBench, FakeClient } from './doubles.ts'

type Answer = (to: SocketAddress, request: ClientRequest) => ClientResponse['code'] | undefined

async function oneByOne(members: number, answer: Answer) {
  const bench = createBench(members)
  const groupId = bench.engine.createApplication({ name: '2.14-light', members: [...bench.devices.records.keys()] })
  await apply(bench)
  const asked: Array<{ readonly to: SocketAddress; readonly request: ClientRequest }> = []
  let inFlight = 0
  let mostInFlight = 0
  const client = Object.assign(bench.devices.client, {
    async request(to: SocketAddress, request: ClientRequest): Promise<ClientResponse> {
      asked.push({ to, request })
      mostInFlight = Math.max(mostInFlight, ++inFlight)
      await new Promise<void>((resolve) => void bench.clock.setTimer(50, resolve))
      inFlight--
      const code = answer(to, request)
      if (code === undefined) throw new AppError('coap.timeout', 'No answer', { retryable: true })
      return { code, options: [], payload: new Uint8Array(), contentFormat: undefined, source: to, elapsedMs: 50 }
    },
  })
  const { engine: groups, devices, store, clock } = bench
  const carriesMulticast = (channelId: string): boolean => channelId !== client.channelId
  const tests = createTestBench({ groups, devices, store, clock, random: seededRandom(2), logger: silentLogger, carriesMulticast })
  const row = await clock.until(tests.run(groupId, 'on', 1).finished)
  return { ...bench, row, asked, mostInFlight, client }
}

describe('a group test without multicast', () => {
  it('asks every member by itself, a few at a time, and says that it did', async () => {
    const { row, asked, mostInFlight, client, store, devices } = await oneByOne(10, () => '2.04')
    expect(client).toBeInstanceOf(FakeClient)
    expect(client.sent).toEqual([])
    expect(asked).toHaveLength(10)
    expect(new Set(asked.map(({ to }) => to.address)).size).toBe(10)
    expect(asked[0]?.request).toMatchObject({ method: 'PUT', path: ['gp', '2.14-light', 'state'] })
    expect(mostInFlight).toBe(4)
    expect(row).toMatchObject({ state: 'done', unicastOnly: true, medianMs: 50, strangers: 0 })
    expect(row.members.every(({ verdict }) => verdict === 'heard')).toBe(true)
    expect(store.testRuns(9)).toEqual([row])
    expect(devices.get('d1')?.state).toBe('verified')
  })

  it('tells who refuses, and reads back who is silent', async () => {
    const { row } = await oneByOne(3, ({ address }) => (address.endsWith('1') ? '2.04' : address.endsWith('2') ? '4.04' : undefined))
    expect(row.members.map(({ deviceId, verdict, code }) => [deviceId, verdict, code])).toEqual([
      ['d1', 'heard', null],
      ['d2', 'rejected', '4.04'],
      ['d3', 'silent-changed', null],
    ])
  })
})
