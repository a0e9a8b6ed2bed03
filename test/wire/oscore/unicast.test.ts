// OSCORE between two endpoints (RFC 8613): what leaves is protected, whatever the exchange above it does.
import { describe, expect, test } from 'vitest'
import { concatBytes, utf8 } from '#main/base/index.ts'
import {
  blockOption,
  decodeMessage,
  encodeMessage,
  findBlock,
  findOption,
  Observable,
  OptionNumber,
  uintOption,
  type Block,
  type CoapMessage,
  type CoapOption,
  type IncomingRequest,
} from '#main/wire/coap/index.ts'
import { UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'
import { listen, net, pair, pairInput, text } from './harness.ts'

describe('a protected exchange', () => {
  test('hides code, path and payload, and tells each end who the other is (§4, §8)', async () => {
    const network = net()
    const { client, server } = pair(network)
    const seen: IncomingRequest[] = []
    server.tree.add('/light', {
      handlers: {
        PUT: (request) => {
          seen.push(request)
          return { code: '2.04', payload: utf8('done') }
        },
      },
    })
    const atServer = listen(server.channel)
    const atClient = listen(client.channel)
    const response = await network.clock.until(
      client.endpoint.request(server.at, {
        method: 'PUT',
        path: ['light'],
        payload: utf8('secret word'),
        security: client.layer.to('server'),
      }),
    )
    expect(response).toMatchObject({ code: '2.04', peer: { scheme: 'oscore', name: 'server' } })
    expect(text(response.payload)).toBe('done')
    expect(seen[0]).toMatchObject({ method: 'PUT', path: ['light'], peer: { scheme: 'oscore', name: 'client' } })
    const request = decodeMessage(atServer[0]!)
    expect(request.code).toBe('0.02')
    expect(request.options.map(({ number }) => number)).toEqual([OptionNumber.OSCORE])
    expect(decodeMessage(atClient[0]!)).toMatchObject({ type: 'ACK', code: '2.04' })
    for (const bytes of [...atServer, ...atClient]) expect(text(bytes)).not.toMatch(/secret|light|done/)
  })

  test.each([1, 2, 3, 10, 11, 12, 13, 30, 31, 32, 33])('works with COSE algorithm %i', async (aead) => {
    const network = net()
    const { client, server } = pair(network, { aead, hkdf: aead % 2 === 0 ? 5 : 7 })
    server.tree.add('/x', { handlers: { GET: () => ({ code: '2.05', payload: utf8('y') }) } })
    const response = await network.clock.until(
      client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') }),
    )
    expect(text(response.payload)).toBe('y')
  })

  test('takes large bodies both ways in blocks that are each protected (§4.1.3.4.1)', async () => {
    const network = net({ lossRate: 0.1, duplicateRate: 0.1, reorderRate: 0.1 })
    const { client, server } = pair(network)
    server.tree.add('/echo', { handlers: { POST: (request) => ({ code: '2.04', payload: request.payload.slice().reverse() }) } })
    const payload = Uint8Array.from({ length: 9000 }, (_, index) => (index * 13) & 0xff)
    const response = await network.clock.until(
      client.endpoint.request(server.at, { method: 'POST', path: ['echo'], payload, security: client.layer.to('server') }),
    )
    expect(response.payload).toEqual(payload.slice().reverse())
  })

  test('answers a retransmission with the same bytes, and takes no number for it (§7.2.1)', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.tree.add('/x', { handlers: { GET: () => ({ code: '2.05' }) } })
    const atServer = listen(server.channel)
    const atClient = listen(client.channel)
    await network.clock.until(client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') }))
    client.channel.send(atServer[0]!, server.at)
    await network.clock.advance(100)
    expect(atClient).toHaveLength(2)
    expect(atClient[1]).toEqual(atClient[0])
    expect(server.layer.counters).toMatchObject({ opened: 1, replayed: 0 })
  })

  test('answers separately when the handler takes long, and errors of the resource are protected', async () => {
    const network = net()
    const { client, server } = pair(network)
    let finish: () => void = () => undefined
    server.tree.add('/slow', {
      handlers: { GET: () => new Promise((resolve) => (finish = () => resolve({ code: '4.04', payload: utf8('gone') }))) },
    })
    const answer = client.endpoint.request(server.at, { method: 'GET', path: ['slow'], security: client.layer.to('server') })
    await network.clock.advance(1000)
    finish()
    expect(await network.clock.until(answer)).toMatchObject({ code: '4.04', peer: { name: 'server' } })
  })

  test('goes over the class-U options of a proxy leg in the open, and over the parts of Proxy-Uri (§4.1.3.2, §4.1.3.3)', async () => {
    const network = net()
    const { client, server } = pair(network)
    const atServer = listen(server.channel)
    const options = [
      { number: OptionNumber.PROXY_URI, value: utf8('coap://example.org:61616/store/a%20b?x=1') },
      uintOption(OptionNumber.HOP_LIMIT, 5),
    ]
    const answer = client.endpoint.request(server.at, { method: 'GET', path: [], options, security: client.layer.to('server') })
    // Without a proxy there it is refused, as an unprotected one is.
    await network.clock.until(answer)
    const outer = decodeMessage(atServer[0]!)
    expect(outer.options.map(({ number }) => number)).toEqual([3, 7, 9, 16, 39])
    expect(text(findOption(outer.options, OptionNumber.URI_HOST)!.value)).toBe('example.org')
  })
})

describe('observation', () => {
  test('delivers each state in its order, and a replayed notification never (§4.1.3.5, §7.4.1)', async () => {
    const network = net()
    const { client, server } = pair(network)
    const state = new Observable()
    let value = 0
    server.tree.add('/t', { observable: state, handlers: { GET: () => ({ code: '2.05', payload: utf8(String(value)) }) } })
    const heard: string[] = []
    const datagrams = listen(client.channel)
    const observation = client.endpoint.observe(
      server.at,
      { method: 'GET', path: ['t'], security: client.layer.to('server') },
      { onNotification: (notification) => heard.push(text(notification.payload)) },
    )
    await network.clock.advance(100)
    for (value = 1; value <= 3; value++) {
      state.notify()
      await network.clock.advance(10_000)
    }
    // The first of a burst is sent again, Confirmable, where nothing follows it (RFC 7641 §4.5).
    expect(heard.filter((text, index) => text !== heard[index - 1])).toEqual(['0', '1', '2', '3'])
    const before = heard.length
    expect(decodeMessage(datagrams[0]!).code).toBe('2.05')
    // The first has no Partial IV, the others each have their own.
    const values = datagrams.map((bytes) => findOption(decodeMessage(bytes).options, OptionNumber.OSCORE)?.value.length)
    expect(values).toEqual([0, ...heard.slice(1).map(() => 2)])
    const replay = datagrams[1]!.slice()
    replay[2]! ^= 0x55
    server.channel.send(replay, client.at)
    await network.clock.advance(1000)
    expect(heard).toHaveLength(before)
    expect(observation.active).toBe(true)
    await network.clock.until(observation.cancel())
    expect(server.endpoint.holdings().observers).toBe(0)
  })
})

describe('what a server refuses, by the words of §8.2', () => {
  async function ask(
    change: (bytes: Uint8Array) => Uint8Array,
    again = false,
  ): Promise<{ code: string; words: string; maxAge: number | undefined }> {
    const network = net()
    const { client, server } = pair(network)
    server.tree.add('/x', { handlers: { GET: () => ({ code: '2.05' }) } })
    const atServer = listen(server.channel)
    await network.clock.until(client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') }))
    const raw = network.network.channel({ address: '2001:db8::9', port: 5683 })
    const heard = listen(raw)
    const request = again ? atServer[0]! : change(atServer[0]!.slice())
    raw.send(request, server.at)
    await network.clock.advance(500)
    const { code, payload, options } = decodeMessage(heard[0]!)
    return { code, words: text(payload), maxAge: findOption(options, OptionNumber.MAX_AGE)?.value.length }
  }
  // 4 bytes of header, 4 of token, then the option `93 09 PIV KID` or the like.
  const optionAt = 8
  test('a replay', async () => expect(await ask((bytes) => bytes, true)).toEqual({ code: '4.01', words: 'Replay detected', maxAge: 0 }))
  test('an unknown context', async () =>
    expect(
      await ask((bytes) => {
        bytes[optionAt + 3] = 7
        return bytes
      }),
    ).toEqual({ code: '4.01', words: 'Security context not found', maxAge: 0 }))
  test('a reserved flag', async () =>
    expect(
      await ask((bytes) => {
        bytes[optionAt + 1] = 0x89
        return bytes
      }),
    ).toEqual({ code: '4.02', words: 'Failed to decode COSE', maxAge: 0 }))
  test('a changed ciphertext', async () =>
    expect(
      await ask((bytes) => {
        bytes[optionAt + 2] = 5
        return bytes
      }),
    ).toEqual({ code: '4.00', words: 'Decryption failed', maxAge: 0 }))
})

describe('resources that demand protection', () => {
  test('are 4.01 to everybody else, and to who has another scheme', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.tree.add('/a', { protection: 'required', handlers: { GET: () => ({ code: '2.05' }) } })
    server.tree.add('/b', { protection: ['group-oscore'], handlers: { GET: () => ({ code: '2.05' }) } })
    const security = client.layer.to('server')
    const ask = async (path: string, how = {}): Promise<string> =>
      (await network.clock.until(client.endpoint.request(server.at, { method: 'GET', path: [path], ...how }))).code
    expect(await ask('a')).toBe('4.01')
    expect(await ask('a', { security })).toBe('2.05')
    expect(await ask('b', { security })).toBe('4.01')
  })
})

describe('a server that has lost its replay window', () => {
  test('serves nothing before the client has repeated its Echo value (Appendix B.1.2)', async () => {
    const network = net()
    const { client, server } = pair(network, {}, 'unknown')
    let served = 0
    server.tree.add('/x', { handlers: { POST: () => ({ code: '2.04', payload: utf8(String(++served)) }) } })
    const atServer = listen(server.channel)
    const ask = (): Promise<{ code: string }> =>
      network.clock.until(client.endpoint.request(server.at, { method: 'POST', path: ['x'], security: client.layer.to('server') }))
    expect((await ask()).code).toBe('2.04')
    expect(served).toBe(1)
    expect(server.layer.counters.challenged).toBe(1)
    expect(atServer).toHaveLength(2)
    expect((await ask()).code).toBe('2.04')
    expect(atServer).toHaveLength(3)
    // The one before the proof is too old now.
    const raw = network.network.channel({ address: '2001:db8::9', port: 5683 })
    raw.send(atServer[0]!, server.at)
    await network.clock.advance(500)
    expect(served).toBe(2)
  })
})

describe('a client', () => {
  test('drops responses that are not protected or not authentic, and waits on (§8.4)', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.tree.add('/x', { handlers: { GET: () => ({ code: '2.05', payload: utf8('true') }) } })
    server.channel.setPower(false)
    const answer = client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') })
    await network.clock.advance(10)
    server.channel.setPower(true)
    expect(text((await network.clock.until(answer)).payload)).toBe('true')
  })

  test('gets an error that the server could not protect as nobody’s word', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.layer.remove('client')
    const response = await network.clock.until(
      client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') }),
    )
    expect(response.code).toBe('4.01')
    expect(response.peer).toBeUndefined()
    expect(text(response.payload)).toBe('Security context not found')
  })

  test('cannot send with a context that it does not have', async () => {
    const network = net()
    const { client, server } = pair(network)
    await expect(
      client.endpoint.request(server.at, { method: 'GET', path: [], security: client.layer.to('nobody') }),
    ).rejects.toMatchObject({
      code: 'oscore.member-unknown',
    })
  })
})

test('keys that were in use before are not fresh, whoever says so: a replay would meet a nonce again (§7.5)', async () => {
  const network = net()
  const { client, server } = pair(network)
  server.tree.add('/x', { handlers: { GET: () => ({ code: '2.05', payload: utf8('y') }) } })
  const sequences = volatileSequences()
  const start = (): UnicastContext => new UnicastContext(pairInput('server'), { sequences, received: 'fresh' })
  server.layer.add(start())
  const atServer = listen(server.channel)
  const atClient = listen(client.channel)
  const security = client.layer.to('server')
  await network.clock.until(client.endpoint.request(server.at, { method: 'GET', path: ['x'], security }))
  // The server starts anew and takes its kept keys for new ones.
  server.layer.add(start())
  const raw = network.network.channel({ address: '2001:db8::9', port: 5683 })
  const heard = listen(raw)
  raw.send(atServer[0]!, server.at)
  await network.clock.advance(500)
  const valueOf = (bytes: Uint8Array): Uint8Array => findOption(decodeMessage(bytes).options, OptionNumber.OSCORE)!.value
  expect(valueOf(atClient[0]!)).toHaveLength(0)
  // A challenge with a number of its own.
  expect(valueOf(heard[0]!)).toHaveLength(2)
  expect(server.layer.counters.challenged).toBe(1)
})

test('IDs that are the same or too long make no context (§3.3)', () => {
  const ports = { sequences: volatileSequences(), received: 'fresh' } as const
  expect(() => new UnicastContext(pairInput('client', { senderId: Uint8Array.of(2) }), ports)).toThrow()
  expect(() => new UnicastContext(pairInput('client', { senderId: new Uint8Array(8) }), ports)).toThrow()
  expect(() => new UnicastContext(pairInput('client', { aead: 12, senderId: Uint8Array.of(1, 2) }), ports)).toThrow()
})

describe('proxy legs', () => {
  test('outer blocks that a proxy has made are put together before anything is opened, and made for the answer (§4.1.3.4.2)', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.tree.add('/big', { handlers: { POST: ({ payload }) => ({ code: '2.04', payload: payload.slice().reverse() }) } })
    // What the client sends end to end, and a proxy that cuts it up.
    const payload = Uint8Array.from({ length: 600 }, (_, index) => index & 0xff)
    const exchange = client.layer.to('server').open()
    const path = { number: OptionNumber.URI_PATH, value: utf8('big') }
    const outer = exchange.protect({ code: '0.02', token: Uint8Array.of(1), options: [path], payload })!
    const proxy = network.network.channel({ address: '2001:db8::7', port: 5683 })
    const heard = listen(proxy)
    const ask = async (messageId: number, options: CoapOption[], part: Uint8Array): Promise<CoapMessage> => {
      proxy.send(
        encodeMessage({
          type: 'CON',
          messageId,
          code: outer.code,
          token: outer.token,
          options: [...outer.options, ...options],
          payload: part,
        }),
        server.at,
      )
      await network.clock.advance(50)
      return decodeMessage(heard.at(-1)!)
    }
    const size = 256
    let answer: CoapMessage | undefined
    for (let num = 0; num * size < outer.payload.length; num++) {
      const more = (num + 1) * size < outer.payload.length
      const blocks = [
        blockOption(OptionNumber.BLOCK1, { num, more, szx: 4 }),
        blockOption(OptionNumber.BLOCK2, { num: 0, more: false, szx: 4 }),
      ]
      answer = await ask(num + 1, blocks, outer.payload.subarray(num * size, (num + 1) * size))
      expect(answer.code).toBe(more ? '2.31' : '2.04')
    }
    const parts = [answer!.payload]
    for (
      let num = 1;
      findBlock(answer!.options, OptionNumber.BLOCK2) !== 'invalid' && (findBlock(answer!.options, OptionNumber.BLOCK2) as Block).more;
      num++
    ) {
      answer = await ask(100 + num, [blockOption(OptionNumber.BLOCK2, { num, more: false, szx: 4 })], new Uint8Array(0))
      parts.push(answer.payload)
    }
    const opened = exchange.unprotect({ ...answer!, payload: concatBytes(...parts) })
    expect(opened?.message.payload).toEqual(payload.slice().reverse())
  })
})
