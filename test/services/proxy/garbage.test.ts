// Whatever clients send to a proxy: it neither fails nor holds more than its bounds.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeMessage, OptionNumber, stringOption, type CoapOption } from '#main/wire/coap/index.ts'
import { SUGGESTED_OPTION_NUMBERS as N } from '#main/services/proxy/index.ts'
import { C, content, G, msg, P, S1, world, type RawClient, type World } from './harness.ts'

const POLICY = {
  rules: [{ clients: 'any', servers: 'any', groups: 'any' }],
  maxOutstanding: 30,
  maxGroupRequests: 5,
  maxObservations: 5,
  maxCacheEntries: 20,
  maxTimeoutS: 20,
} as const
const NUMBERS: readonly number[] = [
  ...[N.multicastTimeout, N.replyFrom, N.groupEtag, N.multicastSignaling, N.responseForwarding],
  ...[OptionNumber.PROXY_URI, OptionNumber.PROXY_SCHEME, OptionNumber.PROXY_CRI, OptionNumber.PROXY_SCHEME_NUMBER],
  ...[OptionNumber.URI_HOST, OptionNumber.URI_PORT, OptionNumber.URI_PATH, OptionNumber.OBSERVE, OptionNumber.HOP_LIMIT],
  ...[OptionNumber.BLOCK1, OptionNumber.BLOCK2, OptionNumber.ETAG, OptionNumber.ECHO, OptionNumber.NO_RESPONSE, 65_002],
]
const URIS = [
  `coap://[${G.address}]/r`,
  `coap://[${S1.address}]/r`,
  `coap://[${P.address}]/`,
  'coap://[',
  'http://x/',
  `coap://[${S1.address}]:1/`,
]

const option: fc.Arbitrary<CoapOption> = fc.oneof(
  fc.record({ number: fc.constantFrom(...NUMBERS), value: fc.uint8Array({ maxLength: 24 }) }),
  fc.constantFrom(...URIS).map((uri) => stringOption(OptionNumber.PROXY_URI, uri)),
  fc.constantFrom(0, 1, 5, 60).map((seconds) => ({ number: N.multicastTimeout, value: Uint8Array.of(seconds) })),
  fc.constantFrom(0, 1).map((value) => ({ number: OptionNumber.OBSERVE, value: Uint8Array.of(value) })),
)
const request = fc.record({
  type: fc.constantFrom('CON' as const, 'NON' as const),
  code: fc.constantFrom('0.01', '0.02', '0.03', '0.04', '0.05'),
  token: fc.uint8Array({ maxLength: 2 }),
  options: fc.array(option, { maxLength: 6 }),
  payload: fc.uint8Array({ maxLength: 40 }),
})

function place(): { w: World; client: RawClient } {
  const w = world({ policy: POLICY, reverse: [{ match: { host: 'g' }, to: { group: G }, withoutTimeout: 'collect' }] })
  w.server(S1, content('a'))
  return { w, client: w.raw(C) }
}

it('answers or ignores requests of any make, and lets go of all of them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 40 }), async (requests) => {
      const { w, client } = place()
      for (const [index, one] of requests.entries()) {
        client.send({ ...one, messageId: index })
        if (index % 8 === 0) await w.clock.advance(50)
        const { single, groups, observations, cacheEntries } = w.proxy.holdings()
        expect([single <= 30, groups <= 5, observations <= 5, cacheEntries <= 20]).toEqual([true, true, true, true])
      }
      // Every Confirmable request has been acknowledged or rejected.
      await w.clock.advance(2_000)
      const answered = new Set(client.inbox.filter((one) => one.type === 'ACK' || one.type === 'RST').map((one) => one.messageId))
      for (const [index, one] of requests.entries()) if (one.type === 'CON') expect(answered).toContain(index)
      w.proxy.close()
      await w.clock.advance(250_000)
      expect(w.proxy.holdings()).toMatchObject({ single: 0, groups: 0, observations: 0 })
    }),
    { numRuns: 150 },
  )
})

it('survives datagrams that are no messages, or nearly', async () => {
  const { w, client } = place()
  await fc.assert(
    fc.asyncProperty(request, fc.nat(), fc.nat(255), async (one, at, byte) => {
      const bytes = encodeMessage(msg({ ...one, messageId: at & 0xffff }))
      bytes[at % bytes.length] = byte
      client.sendBytes(bytes)
      await w.clock.advance(20)
    }),
    { numRuns: 500 },
  )
  await w.clock.advance(300_000)
  const { single, groups } = w.proxy.holdings()
  expect([single, groups <= 5]).toEqual([0, true])
})
