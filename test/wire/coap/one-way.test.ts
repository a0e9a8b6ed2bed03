// RFC 7967: requests that want no response. RFC 7252 §4.7: PROBING_RATE.
import { describe, expect, it } from 'vitest'
import { findUint, type IncomingRequest } from '#main/wire/coap/index.ts'
import { bench, OURS, pattern, THEIRS, utf8 } from './harness.ts'

const put = { method: 'PUT', path: ['light'], payload: utf8('on') } as const

describe('telling without wanting an answer (RFC 7967)', () => {
  it('sends one Non-confirmable message with No-Response 26, and waits for nothing (§4.1)', async () => {
    const place = bench()
    const server = place.peer()
    await place.endpoint.tell(THEIRS, put)
    await place.clock.advance(300_000)
    const got = server.take()
    expect(got.map((one) => [one.type, one.code, findUint(one.options, 258)])).toEqual([['NON', '0.03', 26]])
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('leaves two of ours silent, whatever the outcome', async () => {
    const place = bench()
    const done: IncomingRequest[] = []
    place.tree.add('/light', { handlers: { PUT: (request) => (done.push(request), { code: '2.04' }) } })
    const client = place.another(THEIRS.address)
    await client.tell(OURS, put)
    await client.tell(OURS, { ...put, path: ['nowhere'] })
    await place.clock.advance(10_000)
    expect([done.length, place.endpoint.counters().messagesSent]).toEqual([1, 0])
  })

  it('sends until it is acknowledged where that is wanted, and no response comes then either', async () => {
    const place = bench()
    place.tree.add('/light', { handlers: { PUT: () => ({ code: '2.04' }) } })
    const client = place.another(THEIRS.address)
    place.network.setLossRate(1)
    const told = client.tell(OURS, put, { confirmable: true })
    await place.clock.advance(1000)
    place.network.setLossRate(0)
    await place.clock.until(told)
    expect(client.counters()).toMatchObject({ retransmissions: 1 })
    expect(place.traces.filter((event) => event.direction === 'sent').map((event) => event.message?.code)).toEqual(['0.00'])
  })

  it('fails where a Confirmable one is rejected, not heard, cancelled or too large', async () => {
    const place = bench()
    const server = place.peer()
    const rejected = place.endpoint.tell(THEIRS, put, { confirmable: true })
    rejected.catch(() => undefined)
    await place.clock.advance(10)
    server.send({ type: 'RST', code: '0.00', messageId: server.take()[0]!.messageId })
    await expect(place.clock.until(rejected)).rejects.toMatchObject({ code: 'coap.reset' })
    const unheard = place.endpoint.tell(THEIRS, put, { confirmable: true })
    unheard.catch(() => undefined)
    await expect(place.clock.until(unheard)).rejects.toMatchObject({ code: 'coap.timeout' })
    const abort = new AbortController()
    const left = place.endpoint.tell(THEIRS, put, { confirmable: true, signal: abort.signal })
    left.catch(() => undefined)
    abort.abort()
    await expect(left).rejects.toMatchObject({ code: 'cancelled' })
    await expect(place.endpoint.tell(THEIRS, { ...put, payload: pattern(2000) })).rejects.toMatchObject({ code: 'coap.too-large' })
    place.endpoint.close()
    await expect(place.endpoint.tell(THEIRS, put)).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('ignores the answer of a server that does not know the option (§3.2)', async () => {
    const place = bench()
    const server = place.peer()
    await place.endpoint.tell(THEIRS, put)
    await place.clock.advance(10)
    const [request] = server.take()
    server.send({ type: 'NON', code: '2.04', messageId: 5, token: request!.token })
    await place.clock.advance(10)
    expect([server.take(), place.endpoint.counters().ignored]).toEqual([[], 1])
  })
})

describe('PROBING_RATE (RFC 7252 §4.7)', () => {
  const get = { method: 'GET', path: ['r'], payload: pattern(188) } as const

  it('lets a silent peer have one byte a second of Non-confirmable requests', async () => {
    const place = bench({ probingRate: 1 })
    const server = place.peer()
    const give = (): void => void place.endpoint.request(THEIRS, get, { confirmable: false, timeoutMs: 1000 }).catch(() => undefined)
    give()
    await place.clock.advance(2000)
    const bytes = server.inbox[0]!.bytes.length
    const patient = place.endpoint.request(THEIRS, get, { confirmable: false })
    patient.catch(() => undefined)
    await place.clock.advance((bytes - 10) * 1000)
    expect(server.inbox).toHaveLength(1)
    await place.clock.advance(10_000)
    expect(server.inbox).toHaveLength(2)
    const waitedMs = server.inbox[1]!.atMs - server.inbox[0]!.atMs
    expect(waitedMs).toBeGreaterThan((bytes - 5) * 1000)
    expect(waitedMs).toBeLessThan((bytes + 5) * 1000)
  })

  it('does not hold up a peer that answers, nor Confirmable requests meanwhile', async () => {
    const place = bench({ probingRate: 1 })
    const server = place.peer()
    const silent = place.endpoint.request(THEIRS, get, { confirmable: false, timeoutMs: 1000 })
    silent.catch(() => undefined)
    await place.clock.advance(2000)
    server.take()
    const waiting = place.endpoint.request(THEIRS, get, { confirmable: false, timeoutMs: 100_000 })
    waiting.catch(() => undefined)
    const answered = place.endpoint.request(THEIRS, get)
    await place.clock.advance(10)
    const [request] = server.take()
    expect(request?.type).toBe('CON')
    server.send({ type: 'ACK', code: '2.05', messageId: request!.messageId, token: request!.token })
    await place.clock.until(answered)
    for (let turn = 0; turn < 3; turn++) {
      const next = place.endpoint.request(THEIRS, get, { confirmable: false })
      await place.clock.advance(10)
      const [non] = server.take()
      expect(non?.type).toBe('NON')
      server.send({ type: 'NON', code: '2.05', messageId: turn, token: non!.token })
      expect((await place.clock.until(next)).code).toBe('2.05')
    }
  })

  it('forgets a request that is given up while it waits', async () => {
    const place = bench({ probingRate: 1 })
    const server = place.peer()
    for (let turn = 0; turn < 5; turn++) place.endpoint.request(THEIRS, get, { confirmable: false, timeoutMs: 1000 }).catch(() => undefined)
    await place.clock.advance(900_000)
    expect([server.inbox.length, place.clock.pendingTimers]).toEqual([1, 0])
  })
})
