// Intermediaries that cut protected messages into outer blocks, in both directions (RFC 8613 §4.1.3.4.2), and those that cut them wrongly.
import { describe, expect, test } from 'vitest'
import { silentLogger, type SocketAddress } from '#main/base/index.ts'
import {
  blockOption,
  CoapEndpoint,
  decodeMessage,
  encodeMessage,
  findBlock,
  findOption,
  Observable,
  OptionNumber,
  stringOption,
  type CoapMessage,
  type CoapOption,
} from '#main/wire/coap/index.ts'
import { createProxy } from '#main/services/proxy/index.ts'
import { listen, net, pair, text, type Net } from './harness.ts'

/** A proxy without keys whose blocks are of so many bytes. */
function proxyAt(network: Net, client: string, maxBlockBytes: number): { readonly at: SocketAddress; readonly heard: Uint8Array[] } {
  const at = { address: '2001:db8::b', port: 5683 }
  const channel = network.network.channel(at)
  const heard = listen(channel)
  const common = { clock: network.clock, random: network.random, logger: silentLogger }
  const endpoints: CoapEndpoint[] = []
  const proxy = createProxy({
    ...common,
    egress: () => endpoints[0],
    policy: { rules: [{ clients: [{ address: client }], servers: 'any', groups: [] }] },
  })
  endpoints.push(new CoapEndpoint({ ...common, channel, intermediary: proxy, parameters: { maxBlockBytes } }))
  return { at, heard }
}

const through = (host: string): CoapOption[] => [stringOption(OptionNumber.URI_HOST, host), stringOption(OptionNumber.PROXY_SCHEME, 'coap')]
const body = (length: number, seed = 0): Uint8Array => Uint8Array.from({ length }, (_, index) => (index + seed) & 255)

/** Protected messages with an outer block whose number is larger than 0. */
function laterOuterBlocks(heard: readonly Uint8Array[], number: number): number {
  return heard.filter((bytes) => {
    const message = decodeMessage(bytes)
    if (findOption(message.options, OptionNumber.OSCORE) === undefined) return false
    const block = findBlock(message.options, number)
    return block !== undefined && block !== 'invalid' && block.num > 0
  }).length
}

describe('a proxy with small blocks', () => {
  test('a response arrives whole, with inner blocks inside the outer ones', async () => {
    const network = net()
    const { client, server } = pair(network)
    const proxy = proxyAt(network, client.at.address, 128)
    server.tree.add('/room', { protection: 'required', handlers: { GET: () => ({ code: '2.05', payload: body(3000) }) } })
    const response = await network.clock.until(
      client.endpoint.request(proxy.at, {
        method: 'GET',
        path: ['room'],
        options: through(server.at.address),
        security: client.layer.to('server'),
      }),
    )
    expect(response.payload).toEqual(body(3000))
    expect(response.peer).toMatchObject({ scheme: 'oscore', name: 'server' })
    expect(laterOuterBlocks(proxy.heard, OptionNumber.BLOCK2)).toBeGreaterThan(10)
    expect(client.endpoint.holdings().blockwiseBytes).toBe(0)
  })

  test('a request arrives whole', async () => {
    const network = net()
    const { client, server } = pair(network)
    const proxy = proxyAt(network, client.at.address, 64)
    const heard = listen(server.channel)
    server.tree.add('/room', {
      protection: 'required',
      handlers: { PUT: ({ payload }) => ({ code: '2.04', payload: payload.slice().reverse() }) },
    })
    const response = await network.clock.until(
      client.endpoint.request(proxy.at, {
        method: 'PUT',
        path: ['room'],
        payload: body(1500),
        options: through(server.at.address),
        security: client.layer.to('server'),
      }),
    )
    expect(response.payload).toEqual(body(1500).reverse())
    expect(laterOuterBlocks(heard, OptionNumber.BLOCK1)).toBeGreaterThan(10)
  })

  test('notifications arrive whole, under loss too', async () => {
    const network = net({ lossRate: 0.05, seed: 7 })
    const { client, server } = pair(network)
    const proxy = proxyAt(network, client.at.address, 64)
    const state = new Observable()
    let value = 0
    server.tree.add('/t', { observable: state, handlers: { GET: () => ({ code: '2.05', payload: body(300, value) }) } })
    const heard: number[] = []
    const observation = client.endpoint.observe(
      proxy.at,
      { method: 'GET', path: ['t'], options: through(server.at.address), security: client.layer.to('server') },
      {
        onNotification: ({ payload, peer }) => {
          expect(peer).toMatchObject({ name: 'server' })
          const first = payload[0] ?? -1
          expect(payload).toEqual(body(300, first))
          heard.push(first)
        },
      },
    )
    await network.clock.advance(30_000)
    for (value = 1; value < 5; value++) {
      state.notify()
      await network.clock.advance(60_000)
    }
    expect(heard.at(0)).toBe(0)
    expect(heard.at(-1)).toBe(4)
    observation.forget()
  })
})

// ---- Intermediaries that nobody should trust -------------------------------------------------------------------------

type Cut = (whole: Uint8Array, num: number, first: CoapMessage) => { payload: Uint8Array; more: boolean; options?: CoapOption[] }

const SZX = 1
const SIZE = 32

/** Hands requests on, keeps the response, and gives out what `cut` makes of it, block by block. */
function cutter(network: Net, server: SocketAddress, cut: Cut): { readonly at: SocketAddress; readonly asked: number[] } {
  const at = { address: '2001:db8::c', port: 5683 }
  const channel = network.network.channel(at)
  const asked: number[] = []
  let kept: CoapMessage | undefined
  let asking: { from: SocketAddress; message: CoapMessage } | undefined
  const give = (from: SocketAddress, message: CoapMessage, num: number): void => {
    if (kept === undefined) return
    const { payload, more, options = [] } = cut(kept.payload, num, kept)
    const all = [...kept.options, ...options, blockOption(OptionNumber.BLOCK2, { num, more, szx: SZX })]
    const reply: CoapMessage = {
      type: 'ACK',
      messageId: message.messageId,
      token: message.token,
      code: kept.code,
      options: all.sort((a, b) => a.number - b.number),
      payload,
    }
    channel.send(encodeMessage(reply), from)
  }
  channel.subscribe((event) => {
    if (event.kind !== 'datagram') return
    const { payload, source } = event.datagram
    const message = decodeMessage(payload)
    if (source.address === server.address) {
      if (message.code === '0.00') return
      kept = message
      if (asking !== undefined) give(asking.from, asking.message, 0)
      return
    }
    const block = findBlock(message.options, OptionNumber.BLOCK2)
    if (block !== undefined && block !== 'invalid' && block.num > 0) {
      asked.push(block.num)
      give(source, message, block.num)
      return
    }
    asking = { from: source, message }
    channel.send(encodeMessage(message), server)
  })
  return { at, asked }
}

const honest: Cut = (whole, num) => ({ payload: whole.subarray(num * SIZE, (num + 1) * SIZE), more: (num + 1) * SIZE < whole.length })

async function askThrough(cut: Cut): Promise<{ readonly outcome: unknown; readonly asked: readonly number[]; readonly left: number }> {
  const network = net()
  const { client, server } = pair(network)
  server.tree.add('/t', { protection: 'required', handlers: { GET: () => ({ code: '2.05', payload: body(200) }) } })
  const { at, asked } = cutter(network, server.at, cut)
  const request = client.endpoint.request(at, { method: 'GET', path: ['t'], security: client.layer.to('server') }).then(
    ({ payload }) => payload,
    (thrown: unknown) => thrown,
  )
  const outcome = await network.clock.until(request)
  return { outcome, asked, left: client.endpoint.holdings().blockwiseBytes }
}

describe('an intermediary that cuts', () => {
  test('honestly: the response is the server’s', async () => {
    const { outcome, asked, left } = await askThrough(honest)
    expect(outcome).toEqual(body(200))
    expect(asked).toEqual([1, 2, 3, 4, 5, 6])
    expect(left).toBe(0)
  })

  test.each<readonly [string, Cut]>([
    [
      'a byte changed in a later block',
      (whole, num, first) => {
        const { payload, more } = honest(whole, num, first)
        return { more, payload: num === 2 ? payload.map((byte) => byte ^ 1) : payload }
      },
    ],
    ['the same block each time', (whole, num, first) => ({ ...honest(whole, 0, first), more: num < 6 })],
    ['the end left off', (whole, num, first) => ({ ...honest(whole, num, first), more: num < 3 })],
    [
      'a block shorter than it says',
      (whole, num, first) => {
        const { payload, more } = honest(whole, num, first)
        return { more, payload: num === 1 ? payload.subarray(1) : payload }
      },
    ],
    [
      'another ETag at each block',
      (whole, num, first) => ({
        ...honest(whole, num, first),
        options: [{ number: OptionNumber.ETAG, value: Uint8Array.of(num) }],
      }),
    ],
  ])('wrongly, %s: no response is given out, and nothing is kept', async (_name, cut) => {
    const { outcome, left } = await askThrough(cut)
    expect(outcome).toMatchObject({ code: 'coap.message-invalid', retryable: true })
    expect(left).toBe(0)
  })

  test('without an end: it is given up beyond 64 KiB (MAX_UNFRAGMENTED_SIZE)', async () => {
    const { outcome, asked, left } = await askThrough((whole) => ({ payload: whole.subarray(0, SIZE), more: true }))
    expect(outcome).toMatchObject({ code: 'coap.too-large' })
    expect(asked.length).toBeLessThanOrEqual(65_536 / SIZE)
    expect(left).toBe(0)
  })

  test('an error that nothing protects is taken at once, as without blocks (§8.2)', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.layer.remove('client')
    const { at } = cutter(network, server.at, honest)
    const response = await network.clock.until(
      client.endpoint.request(at, { method: 'GET', path: ['t'], security: client.layer.to('server') }),
    )
    expect(response).toMatchObject({ code: '4.01' })
    expect(text(response.payload)).toBe('Security context not found'.slice(0, SIZE))
  })
})
