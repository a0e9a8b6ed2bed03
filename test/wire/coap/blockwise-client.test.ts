// RFC 7959 §3 from the client's side, and the bounds of what it puts together.
import { describe, expect, it } from 'vitest'
import {
  blockOption,
  findBlock,
  findOption,
  findUint,
  opaqueOption,
  uintOption,
  type CoapMessage,
  type CoapParameters,
  type RequestOptions,
} from '#main/wire/coap/index.ts'
import { bench, OURS, pattern, text, THEIRS, utf8, type Bench, type RawPeer } from './harness.ts'

const BLOCK2 = 23
const BLOCK1 = 27
const ETAG = 4

interface Place extends Bench {
  readonly server: RawPeer
}

function place(parameters: Partial<CoapParameters> = {}): Place {
  const made = bench(parameters)
  return { ...made, server: made.peer() }
}

/** The next request, and a function that answers it in its acknowledgement. */
async function next(at: Place): Promise<{ request: CoapMessage; reply: (message: Partial<CoapMessage>) => void }> {
  await at.clock.advance(5)
  const [request] = at.server.take()
  if (request === undefined) throw new Error('no request')
  return { request, reply: (message) => at.server.send({ type: 'ACK', messageId: request.messageId, token: request.token, ...message }) }
}

const size = (szx: number): number => 2 ** (szx + 4)

/** Serves a body by Block2; answers how the client asked. */
async function serve(at: Place, body: Uint8Array, first: { szx: number; etag?: number }, until = Infinity): Promise<string[]> {
  const asked: string[] = []
  for (;;) {
    const { request, reply } = await next(at)
    const wanted = findBlock(request.options, BLOCK2)
    if (wanted === 'invalid') throw new Error('invalid block')
    asked.push(wanted === undefined ? '-' : `${wanted.num}/${wanted.more ? 1 : 0}/${size(wanted.szx)}`)
    const szx = wanted?.szx ?? first.szx
    const num = wanted?.num ?? 0
    const more = (num + 1) * size(szx) < body.length
    const options = [blockOption(BLOCK2, { num, more, szx }), ...(first.etag === undefined ? [] : [uintOption(ETAG, first.etag)])]
    reply({ code: '2.05', options, payload: body.slice(num * size(szx), (num + 1) * size(szx)) })
    if (!more || num + 1 >= until) return asked
  }
}

function get(at: Place, options: RequestOptions = {}): Promise<Uint8Array> {
  const answer = at.endpoint.request(THEIRS, { method: 'GET', path: ['status'] }, options).then((response) => response.payload)
  answer.catch(() => undefined)
  return answer
}

describe('a GET (§3.1)', () => {
  it.each<[string, RequestOptions, Partial<CoapParameters>, number, number, string[]]>([
    ['figure 2: simple block-wise GET', {}, {}, 3, 300, ['-', '1/0/128', '2/0/128']],
    ['figure 3: with early negotiation', { blockBytes: 64 }, {}, 3, 370, ['0/0/64', '1/0/64', '2/0/64', '3/0/64', '4/0/64', '5/0/64']],
    ['figure 4: with late negotiation', {}, { maxBlockBytes: 64 }, 3, 370, ['-', '2/0/64', '3/0/64', '4/0/64', '5/0/64']],
  ])('%s', async (_, options, parameters, szx, length, expected) => {
    const at = place(parameters)
    const answer = get(at, options)
    expect(await serve(at, pattern(length), { szx })).toEqual(expected)
    expect(await at.clock.until(answer)).toEqual(pattern(length))
    expect(at.endpoint.holdings().blockwiseBytes).toBe(0)
  })

  it.each([
    ['figure 5: with late negotiation and a lost CON', true],
    ['figure 6: with late negotiation and a lost ACK', false],
  ])('%s', async (_, lostCon) => {
    const at = place({ maxBlockBytes: 64 })
    const answer = get(at)
    const first = await next(at)
    first.reply({ code: '2.05', options: [blockOption(BLOCK2, { num: 0, more: true, szx: 3 })], payload: pattern(128) })
    if (lostCon) at.network.setLossRate(1)
    await at.clock.advance(5)
    at.network.setLossRate(0)
    const lost = at.server.take()
    expect(lost).toHaveLength(lostCon ? 0 : 1)
    await at.clock.advance(3100)
    const { request, reply } = await next(at)
    if (!lostCon) expect(request.messageId).toBe(lost[0]!.messageId)
    expect(findBlock(request.options, BLOCK2)).toEqual({ num: 2, more: false, szx: 2 })
    reply({ code: '2.05', options: [blockOption(BLOCK2, { num: 2, more: false, szx: 2 })], payload: pattern(50) })
    expect(await at.clock.until(answer)).toEqual(Uint8Array.of(...pattern(128), ...pattern(50)))
  })

  it('begins again when the ETag changes between two blocks (§2.4)', async () => {
    const at = place()
    const answer = get(at)
    await serve(at, pattern(300, 1), { szx: 3, etag: 1 }, 2)
    const { request, reply } = await next(at)
    expect(findBlock(request.options, BLOCK2)).toEqual({ num: 2, more: false, szx: 3 })
    reply({ code: '2.05', options: [blockOption(BLOCK2, { num: 2, more: false, szx: 3 }), uintOption(ETAG, 2)], payload: pattern(44, 2) })
    expect(await serve(at, pattern(300, 2), { szx: 3, etag: 2 })).toEqual(['-', '1/0/128', '2/0/128'])
    expect(await at.clock.until(answer)).toEqual(pattern(300, 2))
  })

  it.each(['loses', 'gains'])('mixes no blocks when one of them %s its ETag', async (which) => {
    const at = place()
    const answer = get(at)
    await serve(at, pattern(300, 1), which === 'loses' ? { szx: 3, etag: 1 } : { szx: 3 }, 1)
    const { reply } = await next(at)
    const etag = which === 'loses' ? [] : [uintOption(ETAG, 1)]
    reply({ code: '2.05', options: [blockOption(BLOCK2, { num: 1, more: true, szx: 3 }), ...etag], payload: pattern(128, 2) })
    await serve(at, pattern(300, 3), { szx: 3, etag: 3 })
    expect(await at.clock.until(answer)).toEqual(pattern(300, 3))
  })
})

describe('a PUT (§3.2, §3.3)', () => {
  type Answer = (request: CoapMessage, num: number, szx: number, more: boolean) => Partial<CoapMessage>

  async function put(
    at: Place,
    body: Uint8Array,
    answer: Answer,
    options: RequestOptions = {},
  ): Promise<{ said: string[]; code: string; got: Uint8Array }> {
    const response = at.endpoint.request(THEIRS, { method: 'PUT', path: ['options'], payload: body }, options)
    response.catch(() => undefined)
    const said: string[] = []
    const got: number[] = []
    for (;;) {
      const { request, reply } = await next(at)
      const block = findBlock(request.options, BLOCK1)
      if (block === undefined || block === 'invalid') throw new Error('no block')
      said.push(`${block.num}/${block.more ? 1 : 0}/${size(block.szx)}`)
      if (block.num === 0) got.length = 0
      got.push(...request.payload)
      const message = answer(request, block.num, block.szx, block.more)
      reply(message)
      const ends = !block.more || !['2.31', '2.04', '4.08', '4.13'].includes(message.code ?? '')
      if (ends) return { said, code: (await at.clock.until(response)).code, got: Uint8Array.from(got) }
    }
  }

  const answers = (num: number, szx: number, more: boolean, code: string): Partial<CoapMessage> => ({
    code,
    options: [blockOption(BLOCK1, { num, more, szx })],
  })

  it('figure 7: simple atomic block-wise PUT', async () => {
    const at = place({ maxBlockBytes: 128 })
    const { said, code, got } = await put(at, pattern(300), (_, num, szx, more) => answers(num, szx, more, more ? '2.31' : '2.04'))
    expect([said, code, got]).toEqual([['0/1/128', '1/1/128', '2/0/128'], '2.04', pattern(300)])
  })

  it('figure 8: simple stateless block-wise PUT', async () => {
    const at = place({ maxBlockBytes: 128 })
    const { said, got } = await put(at, pattern(300), (_, num, szx) => answers(num, szx, false, '2.04'))
    expect([said, got]).toEqual([['0/1/128', '1/1/128', '2/0/128'], pattern(300)])
  })

  it('figure 9: simple atomic block-wise PUT with negotiation', async () => {
    const at = place({ maxBlockBytes: 128 })
    const { said, got } = await put(at, pattern(220), (_, num, _szx, more) => answers(num, 1, more, more ? '2.31' : '2.04'))
    expect([said, got]).toEqual([['0/1/128', '4/1/32', '5/1/32', '6/0/32'], pattern(220)])
  })

  it('goes on in smaller blocks where 4.13 asks for them (§2.9.3)', async () => {
    const at = place({ maxBlockBytes: 128 })
    const { said, code, got } = await put(
      at,
      pattern(80),
      (_, num, szx, more) => (szx === 2 ? answers(0, 1, true, '4.13') : answers(num, szx, more, more ? '2.31' : '2.04')),
      { blockBytes: 64 },
    )
    expect([said, code, got]).toEqual([['0/1/64', '0/1/32', '1/1/32', '2/0/32'], '2.04', pattern(80)])
  })

  it('sends all blocks again when the server has lost the first ones (4.08, §2.9.2), and gives up in the end', async () => {
    const at = place({ maxBlockBytes: 128 })
    let lost = 0
    const { said, got } = await put(at, pattern(300), (_, num, szx, more) =>
      num === 1 && lost++ === 0 ? { code: '4.08' } : answers(num, szx, more, more ? '2.31' : '2.04'),
    )
    expect([said, got]).toEqual([['0/1/128', '1/1/128', '0/1/128', '1/1/128', '2/0/128'], pattern(300)])
    const response = at.endpoint.request(THEIRS, { method: 'PUT', path: ['options'], payload: pattern(300) })
    let blocks = 0
    for (;;) {
      await at.clock.advance(5)
      const [request] = at.server.take()
      if (request === undefined) break
      const block = findBlock(request.options, BLOCK1)
      if (block === undefined || block === 'invalid') throw new Error('no block')
      blocks++
      const answer = block.num === 1 ? { code: '4.08' } : answers(block.num, block.szx, true, '2.31')
      at.server.send({ type: 'ACK', messageId: request.messageId, token: request.token, ...answer })
    }
    expect([(await at.clock.until(response)).code, blocks]).toEqual(['4.08', 8])
  })

  it('tags the blocks of one body alike and those of another otherwise (RFC 9175 §3.4)', async () => {
    const at = place({ maxBlockBytes: 128 })
    const tags: string[] = []
    for (let body = 0; body < 2; body++)
      await put(at, pattern(300), (request, num, szx, more) => {
        tags.push(String(findOption(request.options, 292)?.value))
        if (num === 0) expect(findUint(request.options, 60)).toBe(300)
        return answers(num, szx, more, more ? '2.31' : '2.04')
      })
    expect([new Set(tags.slice(0, 3)).size, new Set(tags.slice(3)).size, new Set(tags).size]).toEqual([1, 1, 2])
  })
})

describe('large bodies between two of ours', () => {
  it.each([16, 64, 1024])('carries 1 MB and more both ways in blocks of %i', async (blockBytes) => {
    const length = blockBytes === 16 ? 200_000 : 1_200_000
    const at = bench({ maxBlockBytes: blockBytes })
    const body = pattern(length)
    let got: Uint8Array | undefined
    at.tree.add('/fw', {
      handlers: { PUT: (request) => ((got = request.payload), { code: '2.04' }), GET: () => ({ code: '2.05', payload: body }) },
    })
    const client = at.another(THEIRS.address)
    expect((await at.clock.until(client.request(OURS, { method: 'PUT', path: ['fw'], payload: body }), 3_600_000)).code).toBe('2.04')
    expect(got).toEqual(body)
    expect((await at.clock.until(client.request(OURS, { method: 'GET', path: ['fw'] }), 3_600_000)).payload).toEqual(body)
    expect([client.holdings().blockwiseBytes, at.endpoint.holdings().serving]).toEqual([0, 0])
  })

  it.each(['FETCH', 'POST', 'PATCH', 'iPATCH'] as const)('carries a %s whose request and response both take blocks', async (method) => {
    const at = bench({ maxBlockBytes: 256 })
    const handler = (request: { payload: Uint8Array }): { code: '2.05'; payload: Uint8Array } => ({
      code: '2.05',
      payload: request.payload.slice().reverse(),
    })
    at.tree.add('/e', { handlers: { FETCH: handler, POST: handler, PATCH: handler, iPATCH: handler } })
    const client = at.another(THEIRS.address)
    const response = await at.clock.until(client.request(OURS, { method, path: ['e'], payload: pattern(5000) }))
    expect(response.payload).toEqual(pattern(5000).reverse())
  })

  it('keeps the responses to FETCH requests with different bodies apart (RFC 8132 §2.1)', async () => {
    const at = bench({ maxBlockBytes: 64 })
    at.tree.add('/f', { handlers: { FETCH: (request) => ({ code: '2.05', payload: pattern(400, Number(text(request.payload))) }) } })
    const client = at.another(THEIRS.address, { parameters: { nstart: 4 } })
    const answers = [1, 2, 3, 4].map((step) =>
      client.request(OURS, { method: 'FETCH', path: ['f'], payload: utf8(`${step}`), contentFormat: 0 }),
    )
    const bodies = (await at.clock.until(Promise.all(answers))).map((response) => response.payload)
    expect(bodies).toEqual([1, 2, 3, 4].map((step) => pattern(400, step)))
  })

  it('holds no more of unfinished responses than it may, of one peer and of all', async () => {
    const at = bench({ maxBlockwiseBytes: 20_000, maxBlockwiseBytesPerPeer: 8000, maxBodyBytes: 8000, nstart: 50 })
    const servers = [1, 2, 3, 4].map((index) => at.peer(`2001:db8::5:${index}`))
    const outcomes: string[] = []
    for (const server of servers)
      for (let index = 0; index < 10; index++)
        at.endpoint
          .request(server.at, { method: 'GET', path: ['big'] })
          .then(() => outcomes.push('done'))
          .catch((thrown: unknown) => outcomes.push(thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '?'))
    let most = 0
    for (let round = 0; round < 8; round++) {
      await at.clock.advance(5)
      for (const server of servers)
        for (const request of server.take()) {
          const wanted = findBlock(request.options, BLOCK2)
          const num = wanted === undefined || wanted === 'invalid' ? 0 : wanted.num
          const options = [opaqueOption(ETAG, utf8('e')), blockOption(BLOCK2, { num, more: true, szx: 6 })]
          server.send({ type: 'ACK', code: '2.05', messageId: request.messageId, token: request.token, options, payload: pattern(1024) })
        }
      most = Math.max(most, at.endpoint.holdings().blockwiseBytes)
    }
    expect(most).toBeLessThanOrEqual(20_000)
    expect(most).toBeGreaterThan(8000)
    expect(outcomes.filter((outcome) => outcome === 'coap.too-large').length).toBeGreaterThan(20)
    await at.clock.advance(100_000)
    expect(at.endpoint.holdings().blockwiseBytes).toBe(0)
  })
})

describe('a body too large for the server', () => {
  it('is refused at the first block, with the bound (4.13 with Size1, §2.9.3)', async () => {
    const at = bench({ maxBodyBytes: 4096 })
    at.tree.add('/p', { handlers: { PUT: () => ({ code: '2.04' }) } })
    const client = at.another(THEIRS.address, { parameters: { maxBodyBytes: 1_000_000 } })
    const response = await at.clock.until(client.request(OURS, { method: 'PUT', path: ['p'], payload: pattern(5000) }))
    expect([response.code, findUint(response.options, 60)]).toEqual(['4.13', 4096])
  })
})
