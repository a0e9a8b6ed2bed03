// RFC 8974: tokens of more than eight bytes, at the codec, the server and the client that asks whether they are understood.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMessage, Observable, uintOption } from '#main/wire/coap/index.ts'
import { bench, msg, OURS, path, pattern, THEIRS, utf8 } from './harness.ts'

describe('the extended token length (§2.1, Appendix A)', () => {
  it.each([
    [8, [0x48, 1, 0x7d, 0x34]],
    [12, [0x4c, 1, 0x7d, 0x34]],
    [13, [0x4d, 1, 0x7d, 0x34, 0]],
    [268, [0x4d, 1, 0x7d, 0x34, 255]],
    [269, [0x4e, 1, 0x7d, 0x34, 0, 0]],
    [2000, [0x4e, 1, 0x7d, 0x34, 0x06, 0xc3]],
  ])('writes and reads a token of %i bytes', (length, head) => {
    const message = msg({ token: pattern(length), options: path('x'), payload: utf8('y') })
    const bytes = encodeMessage(message, true)
    expect([...bytes.slice(0, head.length)]).toEqual(head)
    expect(decodeMessage(bytes, true)).toEqual(message)
    if (length > 8) expect(() => decodeMessage(bytes)).toThrow(expect.objectContaining({ code: 'coap.message-invalid' }))
  })

  it.each([
    ['TKL 15', [0x4f, 1, 0, 1]],
    ['an extended length that is missing', [0x4d, 1, 0, 1]],
    ['half an extended length', [0x4e, 1, 0, 1, 0]],
    ['a token that ends early', [0x4d, 1, 0, 1, 0, 1, 2, 3]],
    ['an empty message with TKL 13', [0x4d, 0, 0, 1]],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeMessage(Uint8Array.from(bytes), true)).toThrow(expect.objectContaining({ code: 'coap.message-invalid' }))
  })

  it('reads back any token, and gives a message or coap.message-invalid for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), fc.uint8Array({ maxLength: 20 }), (token, payload) => {
        const message = msg({ token, payload, options: path('a', 'b') })
        expect(decodeMessage(encodeMessage(message, true), true)).toEqual(message)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0x4d, 0x4e, 0x5d, 0x6e, 0x4c), (bytes, first) => {
        const whole = Uint8Array.of(first, ...bytes)
        try {
          const message = decodeMessage(whole, true)
          expect(decodeMessage(encodeMessage(message, true), true)).toEqual(message)
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'coap.message-invalid' })
        }
      }),
      { numRuns: 5000 },
    )
  })
})

describe('a server', () => {
  it.each([
    [8, 20, ['RST', '0.00']],
    [32, 20, ['ACK', '2.05']],
    [32, 32, ['ACK', '2.05']],
    [32, 33, ['ACK', '4.00']],
    [32, 300, ['ACK', '4.00']],
  ])('that takes %i bytes answers a token of %i bytes, echoed, with %j (§2.2.2)', async (maxTokenBytes, length, expected) => {
    const place = bench({ maxTokenBytes })
    place.tree.add('/r', { handlers: { GET: () => ({ code: '2.05' }) } })
    const token = pattern(length)
    const channel = place.channelAt('2001:db8::9')
    const got: Array<ReturnType<typeof decodeMessage>> = []
    channel.subscribe((event) => {
      if (event.kind === 'datagram') got.push(decodeMessage(event.datagram.payload, true))
    })
    channel.send(encodeMessage(msg({ token, options: path('r') }), true), OURS)
    await place.clock.advance(10)
    expect(got.map((one) => [one.type, one.code])).toEqual([expected])
    if (expected[0] === 'ACK') expect(got[0]!.token).toEqual(token)
  })

  it('notifies under a long token', async () => {
    const place = bench({ maxTokenBytes: 100 })
    const subject = new Observable()
    place.tree.add('/o', { observable: subject, handlers: { GET: () => ({ code: '2.05' }) } })
    const channel = place.channelAt('2001:db8::9')
    const tokens: Uint8Array[] = []
    channel.subscribe((event) => {
      if (event.kind === 'datagram') tokens.push(decodeMessage(event.datagram.payload, true).token)
    })
    channel.send(encodeMessage(msg({ token: pattern(90), options: [uintOption(6, 0), ...path('o')] }), true), OURS)
    await place.clock.advance(10)
    subject.notify()
    await place.clock.advance(10)
    expect(tokens).toEqual([pattern(90), pattern(90)])
  })
})

describe('a client that asks whether long tokens are understood (§2.2.2)', () => {
  it.each([
    [64, 32, true],
    [64, 64, true],
    [16, 64, false],
    [8, 32, false],
    [8, 8, true],
  ])('of a server that takes %i bytes: %i are %s', async (served, asked, expected) => {
    const place = bench({ maxTokenBytes: served })
    const client = place.another(THEIRS.address, { parameters: { maxTokenBytes: 64 } })
    expect(await place.clock.until(client.supportsTokens(OURS, asked))).toBe(expected)
    expect(place.clock.pendingTimers).toBe(0)
  })

  it('waits for a separate response, and fails where none comes', async () => {
    const place = bench({ maxTokenBytes: 32 })
    const server = place.channelAt(THEIRS.address)
    const requests: Array<ReturnType<typeof decodeMessage>> = []
    server.subscribe((event) => {
      if (event.kind === 'datagram') requests.push(decodeMessage(event.datagram.payload, true))
    })
    const answer = place.endpoint.supportsTokens(THEIRS, 32)
    answer.catch(() => undefined)
    await place.clock.advance(10)
    const [request] = requests
    expect(request).toMatchObject({ type: 'CON', code: '0.01', options: [{ number: 5 }] })
    server.send(encodeMessage(msg({ type: 'ACK', code: '0.00', messageId: request!.messageId })), OURS)
    await place.clock.advance(100_000)
    server.send(encodeMessage(msg({ type: 'CON', code: '4.04', messageId: 9, token: request!.token }), true), OURS)
    expect(await place.clock.until(answer)).toBe(true)

    const silent = place.endpoint.supportsTokens({ address: '2001:db8::dead', port: 5683 }, 32)
    silent.catch(() => undefined)
    await expect(place.clock.until(silent)).rejects.toMatchObject({ code: 'coap.timeout' })
  })

  it('does not ask for more than it understands itself', async () => {
    await expect(bench().endpoint.supportsTokens(OURS, 9)).rejects.toMatchObject({ code: 'input.invalid' })
  })
})
