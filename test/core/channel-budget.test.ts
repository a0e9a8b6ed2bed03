// What a channel may have under way at once (RFC 7252 §4.7).
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import type { ClientResponse, CoapClient } from '#main/wire/coap/index.ts'
import { budgeted } from '../../src-main/core/channel-budget.ts'

const at = { address: 'fd00::2', port: 5683 }
const get = { method: 'GET', path: ['dev'] } as const

interface Line {
  readonly client: CoapClient
  readonly open: Array<{ readonly answer: () => void; readonly fail: () => void }>
  most: number
}

function lineOf(requestsAtOnce: number, besideGroupRequests = requestsAtOnce): Line {
  const response = { code: '2.05', options: [], payload: new Uint8Array(), contentFormat: undefined, source: at, elapsedMs: 1 } as const
  let inFlight = 0
  const inner: CoapClient = {
    channelId: 'mesh',
    request: () =>
      new Promise<ClientResponse>((resolve, reject) => {
        line.most = Math.max(line.most, ++inFlight)
        const end = (work: () => void) => () => {
          inFlight--
          work()
        }
        line.open.push({ answer: end(() => resolve(response)), fail: end(() => reject(new AppError('coap.timeout', 'No answer'))) })
      }),
    async *groupRequest() {
      await Promise.resolve()
      yield response
      yield response
    },
    groupRequestBytes: () => 42,
  }
  const line: Line = { client: budgeted(inner, { requestsAtOnce, besideGroupRequests }), open: [], most: 0 }
  return line
}

async function settle(): Promise<void> {
  for (let round = 0; round < 10; round++) await Promise.resolve()
}

describe('a channel with a budget', () => {
  it('has so many requests under way, begins the next when one ends well or badly, and loses none', async () => {
    const line = lineOf(4)
    const ends = Array.from({ length: 50 }, () =>
      line.client.request(at, get).then(
        ({ code }) => code,
        () => 'failed',
      ),
    )
    for (let turn = 0; turn < 50; turn++) {
      await settle()
      expect(line.open).toHaveLength(Math.min(50 - turn, 4))
      const next = line.open.shift()
      if (turn % 3 === 0) next?.fail()
      else next?.answer()
    }
    expect((await Promise.all(ends)).filter((end) => end === 'failed')).toHaveLength(17)
    expect(line.most).toBe(4)
  })

  it('has fewer under way while a group request collects its answers, and all again when that has ended', async () => {
    const line = lineOf(4, 1)
    const answers = line.client.groupRequest(at, get, { deadlineMs: 1000 })[Symbol.asyncIterator]()
    await answers.next()
    const ends = Array.from({ length: 6 }, () => line.client.request(at, get))
    await settle()
    expect(line.open).toHaveLength(1)
    await answers.return?.()
    await settle()
    expect(line.open).toHaveLength(4)
    for (let turn = 0; turn < 6; turn++) {
      line.open.shift()?.answer()
      await settle()
    }
    await Promise.all(ends)
  })

  it('ends a request that waits and is cancelled, with the reason, and never sends it', async () => {
    const line = lineOf(1)
    const first = line.client.request(at, get)
    const abort = new AbortController()
    const second = line.client.request(at, get, { signal: abort.signal })
    const aborted = line.client.request(at, get, { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toMatchObject({ code: 'cancelled' })
    abort.abort(new AppError('cancelled', 'The way to the device is away'))
    await expect(second).rejects.toMatchObject({ code: 'cancelled', message: 'The way to the device is away' })
    line.open.shift()?.answer()
    await first
    await settle()
    expect(line.open).toEqual([])
    const third = line.client.request(at, get)
    await settle()
    line.open.shift()?.answer()
    expect((await third).code).toBe('2.05')
  })

  it('refuses what nobody can wait for', async () => {
    const line = lineOf(1)
    const aborts = Array.from({ length: 20_001 }, () => new AbortController())
    const waiting = aborts.map(({ signal }) => line.client.request(at, get, { signal }).catch(() => undefined))
    await expect(line.client.request(at, get)).rejects.toMatchObject({ code: 'network.send-failed', retryable: true })
    for (const abort of aborts) abort.abort()
    line.open.shift()?.answer()
    await Promise.all(waiting)
    expect(line.client.groupRequestBytes(get)).toBe(42)
  })
})
