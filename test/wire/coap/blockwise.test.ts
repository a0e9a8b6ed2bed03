// RFC 7959: Block1 and Block2, both sides, independent of tokens.
import { describe, expect, it } from 'vitest'
import {
  blockOption,
  findBlock,
  findOption,
  findUint,
  stringOption,
  uintOption,
  type CoapMessage,
  type CoapParameters,
  type IncomingRequest,
} from '#main/wire/coap/index.ts'
import { bench, path, pattern, text, THEIRS, utf8, type Bench, type RawPeer } from './harness.ts'

const BLOCK2 = 23
const BLOCK1 = 27
const SIZE1 = 60
const SIZE2 = 28
const ETAG = 4

function status(
  bytes: Uint8Array,
  parameters: Partial<CoapParameters> = {},
): Bench & { client: RawPeer; puts: Uint8Array[]; gets: () => number } {
  const place = bench(parameters)
  const puts: Uint8Array[] = []
  let gets = 0
  place.tree.add('/status', {
    handlers: {
      GET: () => {
        gets++
        return { code: '2.05', payload: bytes, contentFormat: 42 }
      },
      PUT: (request: IncomingRequest) => {
        puts.push(request.payload)
        return { code: '2.04' }
      },
      POST: (request: IncomingRequest) => ({ code: '2.04', payload: request.payload }),
    },
  })
  return { ...place, client: place.peer(), puts, gets: () => gets }
}

let messageId = 1000
async function say(place: { client: RawPeer; clock: Bench['clock'] }, message: Partial<CoapMessage>): Promise<CoapMessage> {
  messageId++
  place.client.send({ messageId, token: Uint8Array.of(messageId & 0xff), ...message })
  await place.clock.advance(10)
  const [answer] = place.client.take()
  if (answer === undefined) throw new Error('no answer')
  return answer
}

const get = (num: number, szx: number): Partial<CoapMessage> => ({
  options: [...path('status'), blockOption(BLOCK2, { num, more: false, szx })],
})
const put = (num: number, more: boolean, szx: number, payload: Uint8Array, extra: CoapMessage['options'] = []): Partial<CoapMessage> => ({
  code: '0.03',
  options: [...path('status'), blockOption(BLOCK1, { num, more, szx }), ...extra],
  payload,
})

describe('Block2 at the server', () => {
  it('Figure 2: simple block-wise GET, each block with a token of its own', async () => {
    const body = pattern(300)
    const place = status(body)
    const first = await say(place, get(0, 3))
    expect(findBlock(first.options, BLOCK2)).toEqual({ num: 0, more: true, szx: 3 })
    const second = await say(place, get(1, 3))
    const third = await say(place, get(2, 3))
    expect(findBlock(third.options, BLOCK2)).toEqual({ num: 2, more: false, szx: 3 })
    expect([...first.payload, ...second.payload, ...third.payload]).toEqual([...body])
    expect(findUint(first.options, SIZE2)).toBe(300)
    expect(new Set([first, second, third].map((message) => String(findOption(message.options, ETAG)?.value))).size).toBe(1)
    expect(place.gets()).toBe(1)
  })

  it('slices what does not fit one block though the client has not asked for blocks (Figure 3)', async () => {
    const place = status(pattern(3000))
    const first = await say(place, { options: path('status') })
    expect(first.payload).toHaveLength(1024)
    expect(findBlock(first.options, BLOCK2)).toEqual({ num: 0, more: true, szx: 6 })
    // Figure 3: late negotiation; the client goes on with smaller blocks.
    const next = await say(place, get(16, 2))
    expect(next.payload).toEqual(pattern(3000).slice(1024, 1088))
  })

  it('sends a small body whole, without the option', async () => {
    const place = status(pattern(1024))
    const answer = await say(place, { options: path('status') })
    expect(answer.payload).toHaveLength(1024)
    expect(findOption(answer.options, BLOCK2)).toBeUndefined()
  })

  it('does a GET again for a later block when the representation is no longer kept', async () => {
    const place = status(pattern(300))
    await say(place, get(0, 3))
    await place.clock.advance(61_000)
    expect((await say(place, get(1, 3))).payload).toEqual(pattern(300).slice(128, 256))
    expect(place.gets()).toBe(2)
    expect(place.endpoint.holdings().blockwiseBytes).toBe(0)
  })

  it('keeps two peers and two queries apart', async () => {
    const place = bench()
    place.tree.add('/status', {
      handlers: { GET: (request) => ({ code: '2.05', payload: pattern(100, request.query.length + request.source.port) }) },
    })
    const clients = [place.peer('2001:db8::2', 1), place.peer('2001:db8::2', 2)]
    const received = async (client: RawPeer, num: number, query: boolean): Promise<Uint8Array> => {
      const options = [...path('status'), ...(query ? [stringOption(15, 'a')] : []), blockOption(BLOCK2, { num, more: false, szx: 1 })]
      return (await say({ client, clock: place.clock }, { options })).payload
    }
    const parts = { plain: [] as number[], other: [] as number[], query: [] as number[] }
    for (let num = 0; num < 4; num++) {
      parts.plain.push(...(await received(clients[0]!, num, false)))
      parts.query.push(...(await received(clients[0]!, num, true)))
      parts.other.push(...(await received(clients[1]!, num, false)))
    }
    expect(parts).toEqual({ plain: [...pattern(100, 1)], other: [...pattern(100, 2)], query: [...pattern(100, 2)] })
  })

  it.each([
    ['a block past the end', { num: 9, more: false, szx: 3 }, '4.00'],
    ['the reserved size exponent 7', undefined, '4.00'],
  ])('refuses %s', async (_, block, code) => {
    const place = status(pattern(300))
    const option = block === undefined ? uintOption(BLOCK2, 7) : blockOption(BLOCK2, block)
    expect((await say(place, { options: [...path('status'), option] })).code).toBe(code)
  })

  it('cannot give a later block of what a POST answered once that is forgotten', async () => {
    const place = status(pattern(10))
    const message = { code: '0.02', options: [...path('status'), blockOption(BLOCK2, { num: 1, more: false, szx: 0 })] }
    expect((await say(place, message)).code).toBe('4.08')
  })
})

describe('Block1 at the server', () => {
  it('Figure 7: simple atomic block-wise PUT', async () => {
    const place = status(new Uint8Array(0))
    const body = pattern(300)
    const first = await say(place, put(0, true, 3, body.slice(0, 128)))
    expect([first.code, findBlock(first.options, BLOCK1)]).toEqual(['2.31', { num: 0, more: true, szx: 3 }])
    expect((await say(place, put(1, true, 3, body.slice(128, 256)))).code).toBe('2.31')
    const last = await say(place, put(2, false, 3, body.slice(256)))
    expect([last.code, findBlock(last.options, BLOCK1)]).toEqual(['2.04', { num: 2, more: false, szx: 3 }])
    expect(place.puts).toEqual([body])
    expect(place.endpoint.holdings().blockwiseBytes).toBe(0)
  })

  it('Figure 10: atomic block-wise POST with a block-wise response (in blocks of 1024 bytes, which our server slices by)', async () => {
    const place = status(new Uint8Array(0))
    const body = pattern(2500)
    const post = (num: number, more: boolean, payload: Uint8Array): Partial<CoapMessage> => ({
      ...put(num, more, 6, payload),
      code: '0.02',
    })
    expect((await say(place, post(0, true, body.slice(0, 1024)))).code).toBe('2.31')
    expect((await say(place, post(1, true, body.slice(1024, 2048)))).code).toBe('2.31')
    const first = await say(place, post(2, false, body.slice(2048)))
    expect([findBlock(first.options, BLOCK1), findBlock(first.options, BLOCK2)]).toEqual([
      { num: 2, more: false, szx: 6 },
      { num: 0, more: true, szx: 6 },
    ])
    const rest: number[] = [...first.payload]
    for (let num = 1; num < 3; num++) {
      const block = await say(place, { code: '0.02', options: [...path('status'), blockOption(BLOCK2, { num, more: false, szx: 6 })] })
      expect(findBlock(block.options, BLOCK2)).toEqual({ num, more: num < 2, szx: 6 })
      rest.push(...block.payload)
    }
    expect(rest).toEqual([...body])
  })

  it('answers a request of small blocks in blocks that are no larger (Figure 10, with the blocks of a constrained client)', async () => {
    const place = status(new Uint8Array(0))
    const body = pattern(200)
    const post = (num: number, more: boolean, payload: Uint8Array): Partial<CoapMessage> => ({
      ...put(num, more, 3, payload),
      code: '0.02',
    })
    await say(place, post(0, true, body.slice(0, 128)))
    const first = await say(place, post(1, false, body.slice(128)))
    expect([findBlock(first.options, BLOCK1), findBlock(first.options, BLOCK2), first.payload.length]).toEqual([
      { num: 1, more: false, szx: 3 },
      { num: 0, more: true, szx: 3 },
      128,
    ])
    const next = { code: '0.02', options: [...path('status'), blockOption(BLOCK2, { num: 1, more: false, szx: 3 })] }
    expect([...first.payload, ...(await say(place, next)).payload]).toEqual([...body])
  })

  it('Figure 11: atomic block-wise POST with a block-wise response, early negotiation', async () => {
    const place = status(new Uint8Array(0))
    const body = pattern(200)
    const post = (num: number, more: boolean, payload: Uint8Array): Partial<CoapMessage> => ({
      ...put(num, more, 3, payload, [blockOption(BLOCK2, { num: 0, more: false, szx: 2 })]),
      code: '0.02',
    })
    await say(place, post(0, true, body.slice(0, 128)))
    const first = await say(place, post(1, false, body.slice(128)))
    expect([findBlock(first.options, BLOCK1), findBlock(first.options, BLOCK2)]).toEqual([
      { num: 1, more: false, szx: 3 },
      { num: 0, more: true, szx: 2 },
    ])
    const rest: number[] = [...first.payload]
    for (let num = 1; num < 4; num++)
      rest.push(
        ...(await say(place, { code: '0.02', options: [...path('status'), blockOption(BLOCK2, { num, more: false, szx: 2 })] })).payload,
      )
    expect(rest).toEqual([...body])
  })

  it('answers 4.08 to a gap, to a block without its first, and after the time is over (§2.9.2)', async () => {
    const place = status(new Uint8Array(0))
    const block = pattern(16)
    expect((await say(place, put(1, true, 0, block))).code).toBe('4.08')
    await say(place, put(0, true, 0, block))
    expect((await say(place, put(2, true, 0, block))).code).toBe('4.08')
    await say(place, put(0, true, 0, block))
    await place.clock.advance(61_000)
    expect((await say(place, put(1, false, 0, block))).code).toBe('4.08')
    expect(place.puts).toEqual([])
  })

  it('takes the same block twice for one (a retransmission under a new Message ID)', async () => {
    const place = status(new Uint8Array(0))
    await say(place, put(0, true, 0, pattern(16)))
    await say(place, put(0, true, 0, pattern(16)))
    await say(place, put(1, true, 0, pattern(16, 3)))
    expect((await say(place, put(1, true, 0, pattern(16, 3)))).code).toBe('2.31')
    await say(place, put(2, false, 0, utf8('end')))
    expect(place.puts.map((body) => [...body])).toEqual([[...pattern(16), ...pattern(16, 3), ...utf8('end')]])
  })

  it('begins anew with block 0', async () => {
    const place = status(new Uint8Array(0))
    await say(place, put(0, true, 0, pattern(16, 1)))
    await say(place, put(1, true, 0, pattern(16, 1)))
    await say(place, put(0, true, 0, pattern(16, 5)))
    await say(place, put(1, false, 0, utf8('x')))
    expect(place.puts.map((body) => [...body])).toEqual([[...pattern(16, 5), ...utf8('x')]])
  })

  it('keeps operations apart that only the Request-Tag tells apart (RFC 9175 §3.3)', async () => {
    const place = status(new Uint8Array(0))
    const tag = (value: string): CoapMessage['options'] => [stringOption(292, value)]
    await say(place, put(0, true, 0, pattern(16, 1), tag('a')))
    await say(place, put(0, true, 0, pattern(16, 2), tag('b')))
    await say(place, put(1, false, 0, utf8('A'), tag('a')))
    await say(place, put(1, false, 0, utf8('B'), tag('b')))
    expect(place.puts.map((body) => `${String.fromCharCode(body[16]!)}${body[1]!}`)).toEqual(['A1', 'B2'])
  })

  it('refuses too large a body at the first block, saying how much it takes (§2.9.3)', async () => {
    const place = status(new Uint8Array(0), { maxBodyBytes: 1000 })
    const answer = await say(place, put(0, true, 0, pattern(16), [uintOption(SIZE1, 1001)]))
    expect([answer.code, findUint(answer.options, SIZE1)]).toEqual(['4.13', 1000])
    expect((await say(place, put(63, true, 0, pattern(16)))).code).toBe('4.13')
  })

  it('refuses blocks of a wrong size and the reserved exponent', async () => {
    const place = status(new Uint8Array(0))
    expect((await say(place, put(0, true, 0, pattern(15)))).code).toBe('4.00')
    expect((await say(place, put(0, false, 0, pattern(17)))).code).toBe('4.00')
    expect((await say(place, { code: '0.03', options: [...path('status'), uintOption(BLOCK1, 15)], payload: pattern(16) })).code).toBe(
      '4.00',
    )
  })

  it('does not gather a body for a resource or method that is not there', async () => {
    const place = status(new Uint8Array(0))
    expect(
      (
        await say(place, {
          ...put(0, true, 0, pattern(16)),
          options: [...path('nope'), blockOption(BLOCK1, { num: 0, more: true, szx: 0 })],
        })
      ).code,
    ).toBe('4.04')
    expect((await say(place, { ...put(0, true, 0, pattern(16)), code: '0.04' })).code).toBe('4.05')
    expect(place.endpoint.holdings().blockwiseBytes).toBe(0)
  })

  it('holds no more than its bounds, however many bodies are begun by one peer or by many', async () => {
    const place = status(new Uint8Array(0), { maxBlockwiseBytes: 65_536, maxBlockwiseBytesPerPeer: 16_384 })
    for (let index = 0; index < 200; index++) await say(place, put(0, true, 6, pattern(1024), [stringOption(292, String(index))]))
    expect(place.endpoint.holdings().blockwiseBytes).toBeLessThanOrEqual(16_384)
    for (let index = 0; index < 100; index++) {
      const client = place.peer(`2001:db8::f:${index.toString(16)}`)
      client.send(put(0, true, 6, pattern(1024)))
      await place.clock.advance(10)
    }
    expect(place.endpoint.holdings().blockwiseBytes).toBeLessThanOrEqual(32_768)
    await place.clock.advance(61_000)
    expect(place.endpoint.holdings().blockwiseBytes).toBe(0)
  })
})

describe('block-wise between two of ours', () => {
  it.each([
    [64, 1024],
    [1024, 1024],
    [1025, 1024],
    [65_536, 1024],
    [100_000, 256],
    [5000, 16],
  ])('carries %i bytes both ways with blocks of %i at the server', async (length, maxBlockBytes) => {
    const place = bench({ maxBlockBytes })
    const body = pattern(length)
    place.tree.add('/echo', { handlers: { POST: (request) => ({ code: '2.04', payload: request.payload }) } })
    const client = place.another(THEIRS.address, { parameters: {} })
    const response = await place.clock.until(client.request(place.endpoint.local, { method: 'POST', path: ['echo'], payload: body }))
    expect(response.code).toBe('2.04')
    expect(response.payload).toEqual(body)
  })

  it('carries 100 KB over a network that loses, duplicates and reorders', async () => {
    const place = bench({}, { lossRate: 0.1, duplicateRate: 0.1, reorderRate: 0.1, delayMs: { min: 1, max: 30 } })
    const body = pattern(100_000)
    let got: Uint8Array | undefined
    place.tree.add('/fw', {
      handlers: {
        PUT: (request) => {
          got = request.payload
          return { code: '2.04' }
        },
        GET: () => ({ code: '2.05', payload: body }),
      },
    })
    const client = place.another(THEIRS.address)
    expect(
      (await place.clock.until(client.request(place.endpoint.local, { method: 'PUT', path: ['fw'], payload: body }), 3_600_000)).code,
    ).toBe('2.04')
    expect(got).toEqual(body)
    const response = await place.clock.until(client.request(place.endpoint.local, { method: 'GET', path: ['fw'] }), 3_600_000)
    expect(response.payload).toEqual(body)
  })

  it('fetches anew when the representation changes meanwhile, and gives up on one that never rests', async () => {
    const place = bench({ blockLifetimeMs: 1 }, { delayMs: { min: 5, max: 5 } })
    let version = 0
    let restless = false
    place.tree.add('/log', {
      handlers: { GET: () => ({ code: '2.05', payload: pattern(3000, restless || version < 2 ? ++version : version) }) },
    })
    const client = place.another(THEIRS.address)
    const response = await place.clock.until(client.request(place.endpoint.local, { method: 'GET', path: ['log'] }))
    expect(response.payload).toEqual(pattern(3000, 2))
    restless = true
    await expect(place.clock.until(client.request(place.endpoint.local, { method: 'GET', path: ['log'] }))).rejects.toMatchObject({
      code: 'coap.message-invalid',
      retryable: true,
    })
  })

  it('does not send or gather more than it may', async () => {
    const place = bench({ maxBodyBytes: 10_000 })
    place.tree.add('/big', { handlers: { GET: () => ({ code: '2.05', payload: pattern(10_001) }) } })
    const client = place.another(THEIRS.address)
    await expect(place.clock.until(client.request(place.endpoint.local, { method: 'GET', path: ['big'] }))).rejects.toMatchObject({
      code: 'coap.too-large',
    })
    await expect(client.request(place.endpoint.local, { method: 'PUT', path: ['big'], payload: pattern(10_001) })).rejects.toMatchObject({
      code: 'coap.too-large',
    })
  })

  it('leaves with the final answer when the server refuses a block', async () => {
    const place = bench()
    place.tree.add('/r', { handlers: { GET: () => ({ code: '2.05', payload: utf8('x') }) } })
    const client = place.another(THEIRS.address)
    const response = await place.clock.until(client.request(place.endpoint.local, { method: 'PUT', path: ['r'], payload: pattern(5000) }))
    expect([response.code, text(response.payload)]).toEqual(['4.05', ''])
  })

  it.each([
    ['blocks out of turn', { num: 2, more: true, szx: 6 }, 1024],
    ['a short block in the middle', { num: 1, more: true, szx: 6 }, 100],
    ['a growing block size', { num: 0, more: true, szx: 6 }, 1024],
  ])('does not put together %s', async (_, block, length) => {
    const place = bench()
    const server = place.peer()
    const answer = place.endpoint.request(THEIRS, { method: 'GET', path: ['x'] })
    answer.catch(() => undefined)
    const reply = async (value: { num: number; more: boolean; szx: number }, bytes: number): Promise<void> => {
      await place.clock.advance(10)
      const [request] = server.take()
      server.send({
        type: 'ACK',
        code: '2.05',
        messageId: request!.messageId,
        token: request!.token,
        options: [blockOption(BLOCK2, value)],
        payload: pattern(bytes),
      })
    }
    await reply({ num: 0, more: true, szx: block.num === 0 ? 5 : 6 }, block.num === 0 ? 512 : 1024)
    await reply(block, length)
    await expect(place.clock.until(answer)).rejects.toMatchObject({ code: 'coap.message-invalid' })
  })
})
