import { concatBytes, utf8 } from '#main/base/index.ts'
import { encodeClientHello } from '#main/wire/dtls/messages/client-hello.ts'
import { encodeFragment } from '#main/wire/dtls/messages/handshake-header.ts'
import { CONTENT, HANDSHAKE } from '#main/wire/dtls/numbers.ts'
import { encodeRecord } from '#main/wire/dtls/record.ts'
import { describe, expect, it } from 'vitest'
import { Attacker, ATTACKER } from './attacker.ts'

const NO_BYTES = new Uint8Array(0)

function uint24(value: number): Uint8Array {
  return Uint8Array.of(value >> 16, (value >> 8) & 255, value & 255)
}

describe('before the cookie', () => {
  it('nothing is remembered, and answers are shorter than what they answer (RFC 6347 §4.2.1)', () => {
    const attacker = new Attacker()
    for (let index = 0; index < 1000; index++) {
      attacker.at = { key: `spoofed ${index}` }
      const body = encodeClientHello({ ...attacker.hello, random: new Uint8Array(32).fill(index) })
      const before = attacker.inbox.length
      attacker.say(HANDSHAKE.clientHello, body)
      expect(attacker.inbox.length - before).toBe(index <= 8 ? 1 : 0)
      expect(attacker.inbox.at(-1)!.length).toBeLessThan(body.length + 25)
    }
    expect(attacker.engine.holdings()).toEqual({ halfOpen: 0, sessions: 0 })
    expect(attacker.clock.pendingTimers).toBe(0)
  })

  it('a cookie counts for its own address, hello and time only', async () => {
    const attacker = new Attacker()
    attacker.greet((hello) => ({ ...hello, cookie: hello.cookie.map((byte, index) => (index === 0 ? byte ^ 1 : byte)) }))
    expect(attacker.engine.counters()).toMatchObject({ wrongCookies: 1, handshakes: 0 })

    const elsewhere = new Attacker()
    elsewhere.greet((hello) => {
      elsewhere.at = { key: 'elsewhere' }
      return hello
    })
    expect(elsewhere.engine.counters()).toMatchObject({ wrongCookies: 1, handshakes: 0 })

    const other = new Attacker()
    other.greet((hello) => ({ ...hello, suites: [0xc0ac, 0xc0ae] }))
    expect(other.engine.counters()).toMatchObject({ wrongCookies: 1, handshakes: 0 })

    const late = new Attacker()
    late.askForCookie()
    await late.clock.advance(121_000)
    late.useCookie()
    expect(late.engine.counters()).toMatchObject({ wrongCookies: 1, handshakes: 0 })

    const slow = new Attacker()
    slow.askForCookie()
    await slow.clock.advance(59_000)
    slow.useCookie()
    expect(slow.engine.counters()).toMatchObject({ wrongCookies: 0, handshakes: 1 })
  })

  it('a hello with the last of all record numbers is answered with others', () => {
    const attacker = new Attacker()
    attacker.countRecordsFrom(2 ** 48 - 2)
    attacker.greet()
    attacker.countRecordsFrom(5)
    attacker.certificate()
    attacker.keyExchange()
    attacker.verify()
    attacker.finished()
    expect(attacker.established).toBe(true)
  })

  it('a fragmented hello is dropped: it would have to be remembered', () => {
    const attacker = new Attacker()
    const body = encodeClientHello(attacker.hello)
    attacker.record(
      CONTENT.handshake,
      encodeFragment({ type: 1, sequence: 0, length: body.length, offset: 0, bytes: body.subarray(0, 30) }),
    )
    expect(attacker.inbox).toEqual([])
    expect(attacker.engine.holdings().halfOpen).toBe(0)
  })

  it('half-open handshakes are bounded, and end by themselves', async () => {
    const attacker = new Attacker({}, { maxHalfOpen: 5 })
    for (let index = 0; index < 20; index++) {
      const one = attacker
      one.at = { key: `real ${index}` }
      one.skipSequence(-one.nextSequence)
      one.hello = { ...one.hello, cookie: NO_BYTES }
      one.greet()
    }
    expect(attacker.engine.holdings().halfOpen).toBe(5)
    await attacker.clock.advance(61_000)
    expect(attacker.engine.holdings().halfOpen).toBe(0)
    attacker.engine.close()
    expect(attacker.clock.pendingTimers).toBe(0)
  })

  it('half-open handshakes that are old give up their places to newcomers', async () => {
    const attacker = new Attacker({}, { maxHalfOpen: 2 })
    const greetFrom = (key: string): void => {
      attacker.inbox.length = 0
      attacker.at = { key }
      attacker.skipSequence(-attacker.nextSequence)
      attacker.hello = { ...attacker.hello, cookie: NO_BYTES }
      attacker.greet()
    }
    for (const key of ['idle 1', 'idle 2', 'too early']) greetFrom(key)
    expect(attacker.engine.counters()).toMatchObject({ handshakes: 2, evicted: 0 })
    await attacker.clock.advance(5000)
    greetFrom('newcomer')
    expect(attacker.engine.counters()).toMatchObject({ handshakes: 3, evicted: 1 })
    expect(attacker.engine.holdings().halfOpen).toBe(2)
    expect(attacker.outputs).toContainEqual(expect.objectContaining({ kind: 'failed', peer: { key: 'idle 1' } }))
  })

  it('early records of the next epoch are kept in bounded number', () => {
    const attacker = new Attacker()
    attacker.greet()
    for (let index = 0; index < 1000; index++)
      attacker.datagram(
        encodeRecord({ type: 23, epoch: 1, sequence: index, cid: NO_BYTES, fragment: new Uint8Array(index === 0 ? 9000 : 1000) }),
      )
    attacker.certificate()
    attacker.keyExchange()
    attacker.verify()
    attacker.finished()
    expect(attacker.established).toBe(true)
  })
})

describe('a new handshake at the address of a session (RFC 6347 §4.2.8)', () => {
  it('leaves the session alone until it is over, and then takes its place', () => {
    const first = new Attacker()
    first.complete()
    const { keys } = first
    const second = first
    second.hello = { ...second.hello, cookie: NO_BYTES, random: new Uint8Array(32).fill(9) }
    second.skipSequence(-second.nextSequence)
    second.inbox.length = 0
    second.greet()
    expect(second.engine.holdings()).toEqual({ halfOpen: 1, sessions: 1 })
    // The old keys still work.
    second.datagram(encodeRecord(keys!.write.seal(23, 1, 50, utf8('old'))))
    expect(second.outputs.at(-1)).toMatchObject({ kind: 'data', payload: utf8('old') })
    second.certificate()
    second.keyExchange()
    second.verify()
    second.finished()
    expect(second.engine.holdings()).toEqual({ halfOpen: 0, sessions: 1 })
    expect(second.outputs.filter(({ kind }) => kind === 'established')).toHaveLength(2)
    expect(second.outputs).toContainEqual({ kind: 'closed', peer: ATTACKER, by: 'replaced' })
    const before = second.outputs.length
    second.datagram(encodeRecord(keys!.write.seal(23, 1, 51, utf8('old'))))
    expect(second.outputs).toHaveLength(before)
  })

  it('by somebody who cannot finish it harms nothing', async () => {
    const attacker = new Attacker()
    attacker.complete()
    attacker.hello = { ...attacker.hello, cookie: NO_BYTES, random: new Uint8Array(32).fill(9) }
    attacker.skipSequence(-attacker.nextSequence)
    attacker.greet()
    attacker.say(HANDSHAKE.finished, new Uint8Array(12))
    expect(attacker.engine.holdings()).toEqual({ halfOpen: 0, sessions: 1 })
    await attacker.clock.advance(61_000)
    expect(attacker.engine.holdings()).toEqual({ halfOpen: 0, sessions: 1 })
  })

  it('is not begun by a late copy of the hello that the session began with', () => {
    const attacker = new Attacker()
    attacker.complete()
    attacker.inbox.length = 0
    const hello = encodeFragment({ type: 1, sequence: 1, length: 0, offset: 0, bytes: NO_BYTES })
    const body = encodeClientHello(attacker.hello)
    attacker.record(
      CONTENT.handshake,
      concatBytes(hello.subarray(0, 1), uint24(body.length), hello.subarray(4, 9), uint24(body.length), body),
    )
    expect(attacker.inbox).toEqual([])
    expect(attacker.engine.holdings()).toEqual({ halfOpen: 0, sessions: 1 })
  })
})
