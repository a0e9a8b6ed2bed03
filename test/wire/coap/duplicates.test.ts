// RFC 7252 §4.5: deduplication by source and Message ID, for as long as it takes and no more memory than it may.
import { describe, expect, it } from 'vitest'
import type { OutgoingResponse } from '#main/wire/coap/index.ts'
import { bench, path, text, utf8 } from './harness.ts'

const EXCHANGE_LIFETIME_MS = 247_000

describe('duplicates (§4.5)', () => {
  function counting(): ReturnType<typeof bench> & { calls: () => number } {
    const place = bench()
    let calls = 0
    const answer = (): OutgoingResponse => {
      calls++
      return { code: '2.04', payload: utf8(String(calls)) }
    }
    place.tree.add('/count', { handlers: { POST: answer } })
    return { ...place, calls: () => calls }
  }

  it('Figure 19: a repeated Confirmable request gets the same answer and is not done twice', async () => {
    const { clock, peer, calls } = counting()
    const client = peer()
    for (let copy = 0; copy < 3; copy++) client.send({ code: '0.02', messageId: 9, token: utf8('t'), options: path('count') })
    await clock.advance(10)
    const replies = client.take()
    expect(replies).toHaveLength(3)
    expect(replies.map((reply) => text(reply.payload))).toEqual(['1', '1', '1'])
    expect(calls()).toBe(1)
  })

  it('a repeated Non-confirmable request is ignored', async () => {
    const { clock, peer, calls } = counting()
    const client = peer()
    for (let copy = 0; copy < 3; copy++) client.send({ type: 'NON', code: '0.02', messageId: 9, options: path('count') })
    await clock.advance(10)
    expect([client.take().length, calls()]).toEqual([1, 1])
  })

  it('the same Message ID from another port is another message', async () => {
    const { clock, peer, calls } = counting()
    for (const port of [1001, 1002]) peer('2001:db8::9', port).send({ code: '0.02', messageId: 9, options: path('count') })
    await clock.advance(10)
    expect(calls()).toBe(2)
  })

  it('the Message ID is free again after EXCHANGE_LIFETIME (CON) and NON_LIFETIME (NON), not before', async () => {
    const { clock, peer, calls } = counting()
    const client = peer()
    client.send({ code: '0.02', messageId: 1, options: path('count') })
    client.send({ type: 'NON', code: '0.02', messageId: 2, options: path('count') })
    await clock.advance(144_000)
    client.send({ type: 'NON', code: '0.02', messageId: 2, options: path('count') })
    await clock.advance(2000)
    expect(calls()).toBe(2)
    client.send({ type: 'NON', code: '0.02', messageId: 2, options: path('count') })
    await clock.advance(10)
    expect(calls()).toBe(3)
    await clock.advance(EXCHANGE_LIFETIME_MS - 146_010 - 1000)
    client.send({ code: '0.02', messageId: 1, options: path('count') })
    await clock.advance(10)
    expect(calls()).toBe(3)
    await clock.advance(2000)
    client.send({ code: '0.02', messageId: 1, options: path('count') })
    await clock.advance(10)
    expect(calls()).toBe(4)
  })

  it('a copy that comes while the handler works is acknowledged when the first is, and not done twice', async () => {
    const { clock, peer, tree } = bench()
    const client = peer()
    let calls = 0
    let finish: (response: OutgoingResponse) => void = () => undefined
    tree.add('/slow', {
      handlers: {
        GET: () => {
          calls++
          return new Promise((resolve) => {
            finish = resolve
          })
        },
      },
    })
    client.send({ messageId: 5, token: utf8('t'), options: path('slow') })
    await clock.advance(100)
    client.send({ messageId: 5, token: utf8('t'), options: path('slow') })
    await clock.advance(500)
    expect(client.take()).toMatchObject([{ type: 'ACK', code: '0.00', messageId: 5 }])
    client.send({ messageId: 5, token: utf8('t'), options: path('slow') })
    await clock.advance(10)
    expect(client.take()).toMatchObject([{ type: 'ACK', code: '0.00', messageId: 5 }])
    finish({ code: '2.05', payload: utf8('done') })
    await clock.advance(10)
    const [separate] = client.take()
    expect(separate).toMatchObject({ type: 'CON', code: '2.05', token: utf8('t') })
    client.send({ type: 'ACK', code: '0.00', messageId: separate!.messageId })
    await clock.advance(EXCHANGE_LIFETIME_MS)
    expect(client.take()).toEqual([])
    expect(calls).toBe(1)
  })

  it('remembers no more than its bounds under a flood of Message IDs, and still knows the latest', async () => {
    const { clock, peer, endpoint, tree } = bench({ maxDedupEntries: 1000, maxDedupBytes: 32_768 }, { maxInFlight: 10_000 })
    let calls = 0
    tree.add('/x', { handlers: { GET: () => ({ code: '2.05', payload: new Uint8Array(200 + (calls++ % 50)) }) } })
    const client = peer()
    for (let messageId = 0; messageId < 5000; messageId++) client.send({ messageId, options: path('x') })
    await clock.advance(100)
    expect(calls).toBe(5000)
    expect(endpoint.holdings().dedupEntries).toBeLessThanOrEqual(1000)
    const before = client.inbox.at(-1)!
    client.send({ messageId: 4999, options: path('x') })
    await clock.advance(10)
    expect(calls).toBe(5000)
    expect(client.inbox.at(-1)!.bytes).toEqual(before.bytes)
  })
})
