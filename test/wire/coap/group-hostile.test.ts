// Whatever comes back with a group request's token: collections and observations take it or leave it, end in time, and hold nothing.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CachingGroupClient, discoverGroups, encodeMessage, type CoapMessage } from '#main/wire/coap/index.ts'
import { all, bench, msg, OURS, type Bench } from './harness.ts'

const GROUP = { address: 'ff05::fd', port: 5683 }

const option = fc.oneof(
  // Observe, ETag, Block2, Size2, Echo, Content-Format, Max-Age, No-Response: what the group client looks at.
  fc.record({ number: fc.constantFrom(4, 6, 12, 14, 23, 28, 252, 258), value: fc.uint8Array({ maxLength: 9 }) }),
  fc.record({ number: fc.integer({ min: 0, max: 70_000 }).map((number) => number % 65_536), value: fc.uint8Array({ maxLength: 20 }) }),
)
const response = fc.record({
  type: fc.constantFrom('NON' as const, 'CON' as const, 'ACK' as const),
  code: fc.constantFrom('2.05', '2.03', '2.31', '4.01', '4.04', '4.13', '5.00', '3.00', '0.01', '0.00', '7.31'),
  messageId: fc.integer({ min: 0, max: 0xffff }),
  options: fc.array(option, { maxLength: 5 }),
  payload: fc.uint8Array({ maxLength: 80 }),
  server: fc.integer({ min: 0, max: 3 }),
  waitMs: fc.integer({ min: 0, max: 500 }),
})
type Hostile = typeof response extends fc.Arbitrary<infer Value> ? Value : never

/** Servers that send all of that with the request's token, and the same again to every unicast request. */
function hostiles(place: Bench, plan: readonly Hostile[]): void {
  const peers = [0, 1, 2, 3].map((index) => place.peer(`2001:db8::${index + 16}`))
  const sendAs = (one: Hostile, to: Partial<CoapMessage>): void => {
    const empty = one.code === '0.00'
    const parts = empty ? { options: [], payload: new Uint8Array(0), token: new Uint8Array(0) } : to
    try {
      peers[one.server]!.channel.send(encodeMessage(msg({ ...one, ...parts })), OURS)
    } catch {
      // Not a message: others have tests of that.
    }
  }
  for (const peer of peers) {
    peer.channel.joinGroup(GROUP.address)
    let next = 0
    peer.channel.subscribe(() => {
      for (const message of peer.take()) {
        if (message.code.startsWith('0.0') && message.code !== '0.00' && message.type === 'NON') {
          for (const one of plan) place.clock.setTimer(one.waitMs, () => sendAs(one, { token: message.token }))
        } else if (message.type === 'CON' && next < 50) {
          const one = plan[next++ % Math.max(1, plan.length)]
          if (one !== undefined) sendAs({ ...one, type: 'ACK' }, { token: message.token, messageId: message.messageId })
        }
      }
    })
  }
}

describe('responses from hostile servers', () => {
  it('never keep a collection from ending at its deadline (property)', async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(fc.array(response, { maxLength: 12 }), async (plan) => {
        const place = bench()
        hostiles(place, plan)
        const got = await place.clock.until(all(place.endpoint.groupRequest(GROUP, { method: 'GET', path: ['x'] }, { deadlineMs: 2000 })))
        expect(got.every((one) => /^[245]\./.test(one.code))).toBe(true)
        taken += got.length
        expect(place.clock.monotonicMs()).toBeLessThanOrEqual(2000)
        await place.clock.advance(300_000)
        expect(place.clock.pendingTimers).toBe(0)
      }),
      { numRuns: 150 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  it('never keep an observation from being cancelled (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(response, { maxLength: 12 }), async (plan) => {
        const place = bench()
        hostiles(place, plan)
        const observation = place.endpoint.observeGroup(GROUP, { method: 'FETCH', path: ['x'], payload: Uint8Array.of(1) })
        const gathered = all(observation)
        await place.clock.advance(2000)
        observation.cancel()
        expect((await gathered).every((one) => /^[245]\./.test(one.code))).toBe(true)
        await place.clock.advance(600_000)
        expect(place.clock.pendingTimers).toBe(0)
      }),
      { numRuns: 150 },
    )
  })

  it('never break cache or discovery (property)', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(response, { maxLength: 12 }), async (plan) => {
        const place = bench()
        hostiles(place, plan)
        const client = new CachingGroupClient({ client: place.endpoint, clock: place.clock })
        for (let turn = 0; turn < 2; turn++)
          await place.clock.until(discoverGroups(client, GROUP, { kind: 'all-groups' }, { deadlineMs: 2000 }))
        await place.clock.advance(600_000)
        expect(place.clock.pendingTimers).toBe(0)
      }),
      { numRuns: 100 },
    )
  })
})
