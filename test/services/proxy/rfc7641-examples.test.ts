// The proxy examples of RFC 7641, Appendix A.2: times, tokens and Message IDs are the figures'.
import { describe, expect, it } from 'vitest'
import { findUint, Observable, OptionNumber, stringOption, uintOption, type CoapMessage } from '#main/wire/coap/index.ts'
import { ALLOW_C, C, content, S1, text, world, type RawClient, type World } from './harness.ts'

const MAX_AGE_S = 60
const URI = stringOption(OptionNumber.PROXY_URI, 'coap://sensor.example/status')
const REGISTER = uintOption(OptionNumber.OBSERVE, 0)

interface Sensor {
  readonly w: World
  readonly client: RawClient
  readonly asked: () => number
  readonly become: (state: string) => void
}

/** A server called sensor.example behind the proxy, with one observable resource. */
function sensor(): Sensor {
  const w = world({ policy: ALLOW_C, resolve: (name) => Promise.resolve(name === 'sensor.example' ? S1.address : undefined) })
  const observable = new Observable()
  let state = 'ready'
  const server = w.server(S1, { handlers: { GET: () => content(state, uintOption(OptionNumber.MAX_AGE, MAX_AGE_S)) }, observable })
  const become = (next: string): void => {
    state = next
    observable.notify()
  }
  return { w, client: w.raw(), asked: () => server.inbox.filter((message) => message.code === '0.01').length, become }
}

const facts = (message: CoapMessage | undefined): readonly unknown[] => [
  message?.code,
  message?.token[0],
  findUint(message?.options ?? [], OptionNumber.MAX_AGE),
  text(message?.payload),
]

describe('RFC 7641 Appendix A.2', () => {
  it('Figure 7: a proxy observes a resource to keep its cache up to date', async () => {
    const { w, client, asked, become } = sensor()
    // The proxy observes because somebody else does; what it is told serves everybody.
    const other = w.raw({ address: C.address, port: 7001 })
    other.send({ type: 'CON', messageId: 0x0001, token: Uint8Array.of(0x1a), options: [REGISTER, URI] })
    await w.clock.advance(7000)
    const known = asked()
    client.send({ type: 'CON', messageId: 0x1633, token: Uint8Array.of(0x9a), options: [URI] })
    await w.clock.advance(100)
    expect(facts(client.inbox.at(-1))).toEqual(['2.05', 0x9a, 53, 'ready'])
    become('busy')
    await w.clock.advance(11_000)
    client.send({ type: 'CON', messageId: 0x1634, token: Uint8Array.of(0x9b), options: [URI] })
    await w.clock.advance(100)
    expect(facts(client.inbox.at(-1))).toEqual(['2.05', 0x9b, 49, 'busy'])
    // Neither was asked for at the server.
    expect(asked()).toBe(known)
  })

  it('Figure 8: a client observes a resource through a proxy', async () => {
    const { w, client, become } = sensor()
    client.send({ type: 'CON', messageId: 0x1635, token: Uint8Array.of(0x6a), options: [REGISTER, URI] })
    await w.clock.advance(1000)
    const first = client.inbox.find((message) => message.code === '2.05')
    expect(facts(first)).toEqual(['2.05', 0x6a, 60, 'ready'])
    // Header: 0x6000af94 – it came Confirmable and apart from the acknowledgement of the request.
    expect([client.inbox[0]?.type, client.inbox[0]?.code, first?.type]).toEqual(['ACK', '0.00', 'CON'])
    client.send({ type: 'ACK', code: '0.00', messageId: first?.messageId ?? 0 })
    become('busy')
    // Notifications to somebody whose round-trip time is not known leave three seconds apart (§4.5.1), on both legs.
    await w.clock.advance(10_000)
    const last = client.inbox.at(-1)
    expect(facts(last)).toEqual(['2.05', 0x6a, expect.any(Number), 'busy'])
    expect(findUint(last?.options ?? [], OptionNumber.OBSERVE)).toBeGreaterThan(
      findUint(first?.options ?? [], OptionNumber.OBSERVE) ?? Infinity,
    )
  })
})
