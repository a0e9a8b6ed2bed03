// RFC 7252 §4 and Appendix A: Confirmable and Non-confirmable messages, retransmission, duplicates, resets.
import { describe, expect, it } from 'vitest'
import { silentLogger, type DatagramChannel } from '#main/base/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { bench, path, text, THEIRS, utf8 } from './harness.ts'

const EXCHANGE_LIFETIME_MS = 247_000
const temperature = { method: 'GET', path: ['temperature'] } as const

describe('as a client', () => {
  it('Figure 16: a Confirmable request with a piggybacked response', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    const [request] = server.take()
    expect(request).toMatchObject({ type: 'CON', code: '0.01', options: path('temperature') })
    server.send({ type: 'ACK', code: '2.05', messageId: request!.messageId, token: request!.token, payload: utf8('22.3 C') })
    const response = await clock.until(answer)
    expect(response).toMatchObject({ code: '2.05', source: THEIRS, contentFormat: undefined })
    expect(text(response.payload)).toBe('22.3 C')
    await clock.advance(EXCHANGE_LIFETIME_MS)
    expect(server.take()).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  it('Figure 18: a request that is lost is sent again with the same Message ID', async () => {
    const { endpoint, clock, peer, network } = bench()
    const server = peer()
    network.setLossRate(1)
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    network.setLossRate(0)
    await clock.advance(3000)
    const [request] = server.take()
    server.send({ type: 'ACK', code: '2.05', messageId: request!.messageId, token: request!.token })
    expect((await clock.until(answer)).code).toBe('2.05')
  })

  it('Figure 20: a separate response, acknowledged and acknowledged again when it comes twice', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    const [request] = server.take()
    server.send({ type: 'ACK', code: '0.00', messageId: request!.messageId })
    await clock.advance(60_000)
    const separate = { type: 'CON', code: '2.05', messageId: 0xad7b, token: request!.token, payload: utf8('22.3 C') } as const
    server.send(separate)
    expect(text((await clock.until(answer)).payload)).toBe('22.3 C')
    await clock.advance(10)
    expect(server.take()).toMatchObject([{ type: 'ACK', code: '0.00', messageId: 0xad7b }])
    server.send(separate)
    await clock.advance(10)
    expect(server.take()).toMatchObject([{ type: 'ACK', code: '0.00', messageId: 0xad7b }])
  })

  it('Figure 21: a separate response that overtakes its acknowledgement ends the retransmission', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    const [request] = server.take()
    server.send({ type: 'CON', code: '2.05', messageId: 0xad7b, token: request!.token, payload: utf8('22.3 C') })
    await clock.until(answer)
    await clock.advance(EXCHANGE_LIFETIME_MS)
    expect(server.take()).toMatchObject([{ type: 'ACK', messageId: 0xad7b }])
  })

  it('Figure 22: a Non-confirmable request with a Non-confirmable response', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const answer = endpoint.request(THEIRS, temperature, { confirmable: false })
    await clock.advance(10)
    const [request] = server.take()
    expect(request?.type).toBe('NON')
    server.send({ type: 'NON', code: '2.05', messageId: 0x7a11, token: request!.token })
    expect((await clock.until(answer)).code).toBe('2.05')
    await clock.advance(EXCHANGE_LIFETIME_MS)
    expect(server.take()).toEqual([])
  })

  it('sends MAX_RETRANSMIT times more, at doubled intervals with jitter, and gives up after MAX_TRANSMIT_WAIT (§4.2, §4.8)', async () => {
    const { endpoint, clock, peer, traces } = bench()
    const server = peer()
    const answer = endpoint.request(THEIRS, temperature)
    answer.catch(() => undefined)
    const startedMs = clock.monotonicMs()
    await expect(clock.until(answer, 200_000)).rejects.toMatchObject({ code: 'coap.timeout', retryable: true })
    const waitedMs = clock.monotonicMs() - startedMs
    const at = server.inbox.map((entry) => entry.atMs)
    expect(at).toHaveLength(5)
    expect(new Set(server.take().map((message) => message.messageId)).size).toBe(1)
    const first = at[1]! - at[0]!
    expect(first).toBeGreaterThanOrEqual(2000)
    expect(first).toBeLessThanOrEqual(3000)
    for (let index = 2; index < 5; index++) expect(at[index]! - at[index - 1]!).toBeCloseTo(first * 2 ** (index - 1), 3)
    expect(waitedMs).toBeGreaterThanOrEqual(62_000)
    expect(waitedMs).toBeLessThanOrEqual(93_000)
    expect(traces.map((event) => event.note)).toEqual(['first', 'again', 'again', 'again', 'again'])
    expect(endpoint.counters()).toMatchObject({ retransmissions: 4, timeouts: 1 })
  })

  it('takes all transmission parameters as it is given them', async () => {
    const { endpoint, clock, peer } = bench({ ackTimeoutMs: 100, ackRandomFactor: 1, maxRetransmit: 1 })
    const server = peer()
    await expect(clock.until(endpoint.request(THEIRS, temperature))).rejects.toMatchObject({ code: 'coap.timeout' })
    expect(clock.monotonicMs()).toBe(300)
    expect(server.inbox).toHaveLength(2)
  })

  it('fails with coap.reset when the peer rejects the request, Confirmable or not', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    for (const confirmable of [true, false]) {
      const answer = endpoint.request(THEIRS, temperature, { confirmable })
      await clock.advance(10)
      server.send({ type: 'RST', code: '0.00', messageId: server.take()[0]!.messageId })
      await expect(clock.until(answer)).rejects.toMatchObject({ code: 'coap.reset' })
    }
  })

  it('keeps to NSTART: the second request leaves when the first is acknowledged (§4.7)', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const answers = [1, 2, 3].map((n) => endpoint.request(THEIRS, { method: 'GET', path: [`r${n}`] }))
    await clock.advance(10)
    const [first, ...others] = server.take()
    expect(others).toEqual([])
    server.send({ type: 'ACK', code: '0.00', messageId: first!.messageId })
    await clock.advance(10)
    const [second] = server.take()
    expect(second?.options).toEqual(path('r2'))
    server.send({ type: 'ACK', code: '2.05', messageId: second!.messageId, token: second!.token })
    await clock.advance(10)
    const [third] = server.take()
    server.send({ type: 'NON', code: '2.05', messageId: 1, token: first!.token, payload: utf8('1') })
    server.send({ type: 'ACK', code: '2.05', messageId: third!.messageId, token: third!.token })
    expect((await clock.until(Promise.all(answers))).map((response) => text(response.payload))).toEqual(['1', '', ''])
  })

  it('asks other peers meanwhile', async () => {
    const { endpoint, clock, peer } = bench()
    const [one, two] = [peer('2001:db8::2'), peer('2001:db8::3')]
    for (const { at } of [one, two]) void endpoint.request(at, temperature).catch(() => undefined)
    await clock.advance(10)
    expect([one.take().length, two.take().length]).toEqual([1, 1])
  })

  it('believes a response only from the peer it asked, with the right token and Message ID (§5.3.2)', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const stranger = peer('2001:db8::bad')
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    const [request] = server.take()
    const { messageId, token } = request!
    stranger.send({ type: 'ACK', code: '2.05', messageId, token, payload: utf8('forged') })
    stranger.send({ type: 'CON', code: '2.05', messageId: 1, token, payload: utf8('forged') })
    server.send({ type: 'ACK', code: '2.05', messageId, token: utf8('nope'), payload: utf8('forged') })
    server.send({ type: 'ACK', code: '2.05', messageId: messageId ^ 1, token, payload: utf8('forged') })
    server.send({ type: 'ACK', code: '0.01', messageId, token })
    await clock.advance(10)
    expect(stranger.take()).toMatchObject([{ type: 'RST', messageId: 1 }])
    server.send({ type: 'ACK', code: '2.05', messageId, token, payload: utf8('true') })
    expect(text((await clock.until(answer)).payload)).toBe('true')
  })

  it('rejects a Confirmable response that nobody waits for with Reset, and ignores a Non-confirmable one (§4.2, §4.3)', async () => {
    const { clock, peer } = bench()
    const server = peer()
    server.send({ type: 'CON', code: '2.05', messageId: 7, token: utf8('x') })
    server.send({ type: 'NON', code: '2.05', messageId: 8, token: utf8('x') })
    await clock.advance(10)
    expect(server.take()).toMatchObject([{ type: 'RST', code: '0.00', messageId: 7 }])
  })

  it('stops sending and fails with `cancelled` when the signal aborts, before or after', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const controller = new AbortController()
    const answer = endpoint.request(THEIRS, temperature, { signal: controller.signal })
    await clock.advance(10)
    controller.abort()
    await expect(answer).rejects.toMatchObject({ code: 'cancelled' })
    await clock.advance(EXCHANGE_LIFETIME_MS)
    expect(server.inbox).toHaveLength(1)
    await expect(endpoint.request(THEIRS, temperature, { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' })
    expect(clock.pendingTimers).toBe(0)
  })

  it('gives up at the time limit', async () => {
    const { endpoint, clock, peer } = bench()
    peer()
    await expect(clock.until(endpoint.request(THEIRS, temperature, { timeoutMs: 500 }))).rejects.toMatchObject({ code: 'coap.timeout' })
    expect(clock.monotonicMs()).toBe(500)
    expect(clock.pendingTimers).toBe(0)
  })

  it('fails at once where the datagram cannot be sent', async () => {
    const { endpoint, clock } = bench({ maxBlockBytes: 1024 })
    const huge = { method: 'GET', path: Array.from({ length: 300 }, () => 'x'.repeat(255)) } as const
    await expect(clock.until(endpoint.request(THEIRS, huge))).rejects.toMatchObject({ code: 'coap.message-invalid' })
  })

  it('refuses a response with a critical option that it does not know (§5.4.1)', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    const [request] = server.take()
    server.send({
      type: 'ACK',
      code: '2.05',
      messageId: request!.messageId,
      token: request!.token,
      options: [{ number: 2001, value: utf8('') }],
    })
    await expect(clock.until(answer)).rejects.toMatchObject({ code: 'coap.option-unsupported' })
  })

  it('does not keep what was cancelled while it waited for its turn', async () => {
    const { endpoint, clock, peer } = bench({ maxPendingRequests: 3 })
    const server = peer()
    const first = endpoint.request(THEIRS, temperature)
    for (let round = 0; round < 10; round++) {
      const controller = new AbortController()
      const waiting = endpoint.request(THEIRS, { method: 'GET', path: ['waiting'] }, { signal: controller.signal })
      controller.abort()
      await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
    }
    const [second, third] = [endpoint.request(THEIRS, temperature), endpoint.request(THEIRS, temperature)]
    await expect(endpoint.request(THEIRS, temperature)).rejects.toMatchObject({ code: 'network.send-failed' })
    for (let answered = 0; answered < 3; answered++) {
      await clock.advance(10)
      const [request] = server.take()
      expect(request?.options).toEqual(path('temperature'))
      server.send({ type: 'ACK', code: '2.05', messageId: request!.messageId, token: request!.token })
    }
    expect((await clock.until(Promise.all([first, second, third]))).map((response) => response.code)).toEqual(['2.05', '2.05', '2.05'])
  })

  it('takes a link-local address without zone in the zone of its channel (RFC 4007 §6)', async () => {
    const { clock, random, network } = bench()
    const local = { address: 'fe80::1', port: 5683, zone: 'wpan0' }
    const heard: unknown[] = []
    const inner = network.channel({ address: 'fe80::1', port: 5683 })
    const channel: DatagramChannel = {
      id: 'zoned',
      local,
      maxPayloadBytes: 1232,
      send: (_payload, to) => heard.push(to),
      subscribe: (listener) => inner.subscribe(listener),
      joinGroup: () => undefined,
      leaveGroup: () => undefined,
      counters: () => inner.counters(),
      close: () => inner.close(),
    }
    const endpoint = new CoapEndpoint({ channel, clock, random, logger: silentLogger })
    endpoint.request({ address: 'fe80::2', port: 5683 }, temperature).catch(() => undefined)
    await clock.advance(1)
    expect(heard).toEqual([{ address: 'fe80::2', port: 5683, zone: 'wpan0' }])
    endpoint.close()
  })

  it('ends everything at close, and takes nothing on afterwards', async () => {
    const { endpoint, clock, peer } = bench()
    const server = peer()
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    endpoint.close()
    await expect(answer).rejects.toMatchObject({ code: 'cancelled' })
    await expect(endpoint.request(THEIRS, temperature)).rejects.toMatchObject({ code: 'cancelled' })
    server.take()
    server.send({ code: '0.01', options: path('.well-known', 'core') })
    await clock.advance(EXCHANGE_LIFETIME_MS)
    expect(server.take()).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  it('fails with network.down when the channel goes', async () => {
    const { endpoint, clock, channel } = bench()
    const answer = endpoint.request(THEIRS, temperature)
    await clock.advance(10)
    await channel.close()
    await expect(answer).rejects.toMatchObject({ code: 'network.down' })
  })
})

describe('hostile and odd messages (§4.2, §4.3)', () => {
  it('a ping is answered with Reset', async () => {
    const { clock, peer } = bench()
    const client = peer()
    client.send({ type: 'CON', code: '0.00', messageId: 77 })
    await clock.advance(10)
    expect(client.take()).toMatchObject([{ type: 'RST', code: '0.00', messageId: 77 }])
  })

  it('a malformed Confirmable message is rejected, anything else malformed is ignored', async () => {
    const { clock, peer, endpoint, traces } = bench()
    const client = peer()
    client.sendBytes(Uint8Array.of(0x40, 1, 0, 5, 0xff))
    client.sendBytes(Uint8Array.of(0x50, 1, 0, 6, 0xff))
    client.sendBytes(Uint8Array.of(0x60, 1, 0, 7, 0xff))
    client.sendBytes(Uint8Array.of(0x00, 1, 0, 8))
    client.sendBytes(Uint8Array.of(0x40))
    client.sendBytes(new Uint8Array(0))
    await clock.advance(10)
    expect(client.take()).toMatchObject([{ type: 'RST', messageId: 5 }])
    expect(endpoint.counters().malformed).toBe(6)
    expect(traces.filter((event) => event.note === 'malformed')).toHaveLength(6)
  })

  it('codes of the reserved classes are rejected, empty NON, stray ACK and RST ignored', async () => {
    const { clock, peer } = bench()
    const client = peer()
    for (const code of ['1.00', '3.01', '6.05', '7.31']) client.send({ code, messageId: Number(code[0]) })
    client.send({ type: 'NON', code: '7.00', messageId: 100 })
    client.send({ type: 'NON', code: '0.00', messageId: 101 })
    client.send({ type: 'ACK', code: '0.00', messageId: 102 })
    client.send({ type: 'ACK', code: '0.01', messageId: 103 })
    client.send({ type: 'RST', code: '0.00', messageId: 104 })
    client.send({ type: 'RST', code: '0.01', messageId: 105 })
    await clock.advance(10)
    expect(client.take().map((message) => [message.type, message.messageId])).toEqual([
      ['RST', 1],
      ['RST', 3],
      ['RST', 6],
      ['RST', 7],
    ])
  })

  it('a client that never acknowledges a separate response costs nothing but its retransmissions', async () => {
    const { clock, peer, tree, endpoint } = bench()
    const client = peer()
    tree.add('/slow', { handlers: { GET: () => new Promise((resolve) => clock.setTimer(1000, () => resolve({ code: '2.05' }))) } })
    client.send({ options: path('slow') })
    await clock.advance(400_000)
    expect(client.take().filter((message) => message.type === 'CON')).toHaveLength(5)
    expect(endpoint.counters().timeouts).toBe(1)
    expect(endpoint.holdings().serving).toBe(0)
    client.send({ messageId: 1, options: path('nope') })
    await clock.advance(10)
    expect(client.take()).toMatchObject([{ code: '4.04' }])
  })

  it('a trace listener that throws hinders nothing', async () => {
    const { clock, peer, traces } = bench()
    const client = peer()
    traces.push = () => {
      throw new TypeError('listener')
    }
    client.send({ messageId: 1, options: path('nope') })
    await clock.advance(10)
    expect(client.take()).toMatchObject([{ code: '4.04' }])
  })
})
