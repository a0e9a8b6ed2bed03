// RFC 7252 §5: what a server answers.
import { describe, expect, it } from 'vitest'
import { encodeUint } from '#main/base/index.ts'
import { stringOption, uintOption, type CoapMessage, type IncomingRequest } from '#main/wire/coap/index.ts'
import { bench, path, text, THEIRS, utf8, type Bench } from './harness.ts'

async function ask(place: Bench, message: Partial<CoapMessage>): Promise<CoapMessage[]> {
  const client = place.peer('2001:db8::c', 0)
  client.send({ token: utf8('tk'), ...message })
  await place.clock.advance(10)
  return client.take()
}

describe('a server', () => {
  it('hands the handler the request as it was meant', async () => {
    const place = bench()
    let got: IncomingRequest | undefined
    place.tree.add('/a', {
      subtree: true,
      handlers: {
        PUT: (request) => {
          got = request
          return { code: '2.04', payload: utf8('ok'), contentFormat: 50, options: [stringOption(8, 'x')] }
        },
      },
    })
    const options = [
      ...path('a', 'ü/ö'),
      stringOption(15, 'k=v'),
      uintOption(12, 60),
      uintOption(17, 50),
      { number: 2050, value: utf8('?') },
    ]
    const [answer] = await ask(place, { code: '0.03', options, payload: utf8('p') })
    expect(got).toMatchObject({ method: 'PUT', path: ['a', 'ü/ö'], query: ['k=v'], contentFormat: 60, accept: 50, multicast: false })
    expect(answer).toMatchObject({
      type: 'ACK',
      code: '2.04',
      messageId: 0x7d34,
      token: utf8('tk'),
      options: [stringOption(8, 'x'), uintOption(12, 50)],
    })
    expect(text(answer!.payload)).toBe('ok')
  })

  it.each([
    ['an unknown path', { options: path('nope') }, '4.04'],
    ['an unknown method of a resource', { code: '0.04', options: path('r') }, '4.05'],
    ['an unknown request code', { code: '0.31', options: path('r') }, '4.05'],
    ['an unknown critical option (§5.4.1)', { options: [...path('r'), { number: 2001, value: utf8('') }] }, '4.02'],
    ['OSCORE, which is unknown here', { options: [{ number: 9, value: utf8('') }, ...path('r')] }, '4.02'],
    ['If-Match, which the resource does not honour', { options: [{ number: 1, value: utf8('x') }, ...path('r')] }, '4.02'],
    ['a repeated Accept (§5.4.5)', { options: [...path('r'), uintOption(17, 0), uintOption(17, 50)] }, '4.02'],
    ['a Uri-Port of three bytes (§5.4.3)', { options: [{ number: 7, value: Uint8Array.of(1, 2, 3) }, ...path('r')] }, '4.02'],
    ['a path that is not UTF-8', { options: [{ number: 11, value: Uint8Array.of(0xc3, 0x28) }] }, '4.02'],
    ['Proxy-Uri (§5.7.2)', { options: [stringOption(35, 'coap://[::1]/r')] }, '5.05'],
    ['Proxy-Scheme (§5.7.2)', { options: [...path('r'), stringOption(39, 'http')] }, '5.05'],
    ['a handler that throws', { options: path('throws') }, '5.00'],
    ['a handler that rejects', { options: path('rejects') }, '5.00'],
    ['a handler that gives a unicast request no answer', { options: path('silent') }, '5.00'],
    ['a handler whose answer cannot be written', { options: path('unwritable') }, '5.00'],
    ['an unknown elective option', { options: [...path('r'), { number: 2050, value: utf8('x') }] }, '2.05'],
    ['Observe, which is elective', { options: [uintOption(6, 0), ...path('r')] }, '2.05'],
    ['a repeated elective option', { options: [...path('r'), uintOption(60, 1), uintOption(60, 2)] }, '2.05'],
    ['Uri-Host and Uri-Port', { options: [stringOption(3, 'h'), { number: 7, value: encodeUint(5683) }, ...path('r')] }, '2.05'],
  ])('answers %s', async (_, message, code) => {
    const place = bench()
    place.tree.add('/r', { handlers: { GET: () => ({ code: '2.05' }) } })
    place.tree.add('/silent', { handlers: { GET: () => undefined } })
    place.tree.add('/unwritable', { handlers: { GET: () => ({ code: '2.05', options: [{ number: 70_000, value: utf8('') }] }) } })
    place.tree.add('/rejects', { handlers: { GET: () => Promise.reject(new TypeError('bad')) } })
    place.tree.add('/throws', {
      handlers: {
        GET: () => {
          throw new TypeError('bad')
        },
      },
    })
    const answers = await ask(place, message)
    expect(answers.map((answer) => [answer.type, answer.code])).toEqual([['ACK', code]])
    expect(answers[0]!.token).toEqual(utf8('tk'))
    const repeatedAsNon = await ask(place, { ...message, type: 'NON', messageId: 2 })
    // §5.4.1: a Non-confirmable request with an unknown critical option is rejected, that is, ignored.
    expect(repeatedAsNon.map((answer) => [answer.type, answer.code])).toEqual(code === '4.02' ? [] : [['NON', code]])
  })

  it('lets a resource honour further critical options', async () => {
    const place = bench()
    place.tree.add('/r', { criticalOptions: [1, 2001], handlers: { GET: () => ({ code: '2.05' }) } })
    const [answer] = await ask(place, { options: [{ number: 1, value: utf8('x') }, ...path('r'), { number: 2001, value: utf8('') }] })
    expect(answer?.code).toBe('2.05')
  })

  it('serves FETCH, PATCH and iPATCH (RFC 8132)', async () => {
    const place = bench()
    const handler = (request: IncomingRequest): { code: '2.05'; payload: Uint8Array } => ({ code: '2.05', payload: utf8(request.method) })
    place.tree.add('/r', { handlers: { FETCH: handler, PATCH: handler, iPATCH: handler } })
    const methods: string[] = []
    for (const [index, code] of ['0.05', '0.06', '0.07'].entries())
      methods.push(text((await ask(place, { code, messageId: index, options: path('r') }))[0]!.payload))
    expect(methods).toEqual(['FETCH', 'PATCH', 'iPATCH'])
  })

  it('spares the client the classes that No-Response names (RFC 7967 §2.1)', async () => {
    const place = bench()
    place.tree.add('/r', { handlers: { GET: () => ({ code: '2.05' }) } })
    expect(await ask(place, { options: [...path('r'), uintOption(258, 2)] })).toMatchObject([{ type: 'ACK', code: '0.00' }])
    expect(await ask(place, { type: 'NON', messageId: 2, options: [...path('r'), uintOption(258, 2)] })).toEqual([])
    expect(await ask(place, { type: 'NON', messageId: 3, options: [...path('r'), uintOption(258, 24)] })).toMatchObject([{ code: '2.05' }])
  })

  it('answers 5.03 when too many requests are held, and recovers', async () => {
    const place = bench({ maxServing: 2 })
    const finish: Array<() => void> = []
    place.tree.add('/slow', { handlers: { GET: () => new Promise((resolve) => finish.push(() => resolve({ code: '2.05' }))) } })
    const client = place.peer()
    for (let messageId = 1; messageId <= 3; messageId++) client.send({ messageId, options: path('slow') })
    await place.clock.advance(10)
    expect(client.take()).toMatchObject([{ messageId: 3, code: '5.03' }])
    for (const one of finish.splice(0)) one()
    await place.clock.advance(10)
    client.take()
    client.send({ messageId: 4, options: path('slow') })
    await place.clock.advance(10)
    finish[0]!()
    await place.clock.advance(10)
    expect(client.take()).toMatchObject([{ messageId: 4, code: '2.05' }])
  })

  it('shares its tree between endpoints', async () => {
    const place = bench()
    place.tree.add('/r', { handlers: { GET: (request) => ({ code: '2.05', payload: utf8(request.channelId) }) } })
    place.another('2001:db8::7', { tree: place.tree })
    const client = place.another('2001:db8::8')
    const both = [place.endpoint.local, { address: '2001:db8::7', port: 5683 }].map((to) =>
      client.request(to, { method: 'GET', path: ['r'] }),
    )
    expect((await place.clock.until(Promise.all(both))).map((response) => text(response.payload))).toEqual([
      'memory:[2001:db8::1]:5683',
      'memory:[2001:db8::7]:5683',
    ])
  })

  it('talks over a network that loses a third, duplicates and reorders, and each request is done once', async () => {
    const place = bench({}, { lossRate: 0.3, duplicateRate: 0.2, reorderRate: 0.2, delayMs: { min: 5, max: 80 } })
    const done: string[] = []
    place.tree.add('/r', {
      handlers: {
        POST: (request) => {
          done.push(text(request.payload))
          return { code: '2.04', payload: request.payload }
        },
      },
    })
    const client = place.another(THEIRS.address)
    const answers = Array.from({ length: 60 }, (_, index) =>
      client.request(place.endpoint.local, { method: 'POST', path: ['r'], payload: utf8(String(index)) }).then(
        (response) => text(response.payload),
        () => undefined,
      ),
    )
    const got = await place.clock.until(Promise.all(answers), 3_600_000)
    expect(got.filter((value) => value !== undefined).length).toBeGreaterThan(55)
    got.forEach((value, index) => expect(value === undefined || value === String(index)).toBe(true))
    expect(new Set(done).size).toBe(done.length)
  })
})
