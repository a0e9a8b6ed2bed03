// NSTART and PROBING_RATE towards a CoAP group: draft-ietf-core-groupcomm-bis-18 §3.6, RFC 7252 §4.7.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_PARAMETERS, type ClientRequest } from '#main/wire/coap/index.ts'
// Timing is decided here; through an endpoint only single cases can be seen.
import { GroupPacing } from '../../../src-main/wire/coap/group-pacing.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { all, bench } from './harness.ts'

const GROUP = { address: 'ff05::fd', port: 5683 }
const OTHER = { address: 'ff05::fe', port: 5683 }
const GET: ClientRequest = { method: 'GET', path: ['state'] }

describe('requests to one group', () => {
  it('leave one after the other: the next when a server has answered, or none is waited for', async () => {
    const place = bench()
    const peer = place.peer()
    peer.channel.joinGroup(GROUP.address)
    const one = all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 8000 }))
    const two = all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 8000 }))
    const three = all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 8000 }))
    await place.clock.advance(1000)
    const [first, ...none] = peer.take()
    expect(none).toEqual([])
    peer.send({ type: 'NON', code: '2.05', messageId: 1, token: first!.token })
    await place.clock.advance(10)
    expect(peer.take()).toHaveLength(1)
    expect(await place.clock.until(one)).toHaveLength(1)
    expect(await place.clock.until(two)).toHaveLength(0)
    // The second got no answer: the third left 8 seconds later, and has its own 8 seconds.
    expect(await place.clock.until(three)).toHaveLength(0)
    expect(Math.round(place.clock.monotonicMs() / 1000)).toBe(17)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('do not hold up those to another group, nor to the same address at another port', async () => {
    const place = bench()
    const waits = [GROUP, OTHER, { ...GROUP, port: 7700 }].map((to) => all(place.endpoint.groupRequest(to, GET, { deadlineMs: 1000 })))
    await place.clock.advance(1)
    expect(place.traces).toHaveLength(3)
    await place.clock.until(Promise.all(waits))
  })

  it('can be cancelled while they wait, and never leave then', async () => {
    const place = bench()
    const stop = new AbortController()
    const one = all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 8000 }))
    const two = all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 8000, signal: stop.signal }))
    const failed = expect(two).rejects.toMatchObject({ code: 'cancelled' })
    await place.clock.advance(10)
    stop.abort()
    await failed
    await place.clock.until(one)
    await place.clock.advance(60_000)
    expect(place.traces).toHaveLength(1)
  })

  it('end with the endpoint, waiting or not', async () => {
    const place = bench()
    const both = [1, 2].map(() => all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 8000 })))
    const failed = Promise.all(both.map((one) => expect(one).rejects.toMatchObject({ code: 'cancelled' })))
    await place.clock.advance(10)
    place.endpoint.close()
    await failed
    expect(place.traces).toHaveLength(1)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('follow each other at PROBING_RATE where nobody answers', async () => {
    const place = bench({ groupProbingRate: 1 })
    const bytes = place.endpoint.groupRequestBytes(GET)
    await place.clock.until(all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 10 })))
    const next = all(place.endpoint.groupRequest(GROUP, GET, { deadlineMs: 10 }))
    await place.clock.advance(bytes * 1000 - 20)
    expect(place.traces).toHaveLength(1)
    await place.clock.advance(20)
    expect(place.traces).toHaveLength(2)
    await place.clock.until(next)
  })

  it('never exceed NSTART nor, unanswered, PROBING_RATE (property)', async () => {
    const request = fc.record({
      waitMs: fc.integer({ min: 0, max: 3000 }),
      bytes: fc.integer({ min: 1, max: 300 }),
      lastsMs: fc.integer({ min: 0, max: 3000 }),
      answered: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 25 }), fc.integer({ min: 1, max: 3 }), async (requests, nstart) => {
        const clock = new VirtualClock()
        const pacing = new GroupPacing(clock, { ...DEFAULT_PARAMETERS, nstart })
        let outstanding = 0
        let begun = 0
        /** What PROBING_RATE still has to pay off, by time. */
        let debtUntilMs = 0
        for (const { waitMs, bytes, lastsMs, answered } of requests) {
          await clock.advance(waitMs)
          const turn = pacing.enter('g', () => {
            begun++
            outstanding++
            expect(outstanding).toBeLessThanOrEqual(nstart)
            expect(clock.monotonicMs()).toBeGreaterThanOrEqual(debtUntilMs - 1e-6)
            pacing.sent('g', bytes)
            debtUntilMs = Math.max(debtUntilMs, clock.monotonicMs()) + bytes * 10
            clock.setTimer(lastsMs, () => {
              outstanding--
              if (answered) debtUntilMs = clock.monotonicMs()
              if (answered) turn.answered()
              else turn.leave()
              turn.leave()
            })
          })
        }
        await clock.advance(1_000_000)
        expect(begun).toBe(requests.length)
        expect(outstanding).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('to very many groups hold little', async () => {
    const clock = new VirtualClock()
    const pacing = new GroupPacing(clock, DEFAULT_PARAMETERS)
    for (let group = 0; group < 5000; group++) {
      pacing.enter(`g${group}`, () => pacing.sent(`g${group}`, 10)).leave()
      await clock.advance(200)
    }
    expect(pacing.size).toBeLessThanOrEqual(1025)
  })
})
