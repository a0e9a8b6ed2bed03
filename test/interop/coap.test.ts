// Our CoAP endpoint against libcoap's client and server and the npm package `coap`, both directions, over IPv6 and IPv4.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, request as coapRequest, type IncomingMessage, type OutgoingMessage, type Server } from 'coap'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { delay, silentLogger, systemClock, systemRandom, utf8, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, findStrings, parseLinkFormat, ResourceTree, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { all } from '../wire/coap/harness.ts'
import { COAP_CLIENT, COAP_SERVER, describeWithPeer, run, start, type RunningPeer } from '../support/peers.ts'

const BIG = Uint8Array.from({ length: 65_536 }, (_, index) => 32 + ((index * 7 + (index >> 8)) % 90))
const FAMILIES = [
  ['IPv6', '::1'],
  ['IPv4', '127.0.0.1'],
] as const

interface Ours {
  readonly endpoint: CoapEndpoint
  readonly channel: DatagramChannel
  readonly at: SocketAddress
  readonly store: Map<string, Uint8Array>
}

const opened: Ours[] = []

async function ours(address: string): Promise<Ours> {
  const channel = await openUdpChannel({ bindAddress: address, port: 0, logger: silentLogger })
  const tree = new ResourceTree()
  const store = new Map<string, Uint8Array>()
  tree.add('/big', { handlers: { GET: () => ({ code: '2.05', payload: BIG, contentFormat: 0 }) }, attributes: { rt: 'big', sz: '65536' } })
  tree.add('/slow', {
    handlers: { GET: () => delay(systemClock, 1200).then((): OutgoingResponse => ({ code: '2.05', payload: utf8('at last') })) },
  })
  tree.add('/store', {
    subtree: true,
    handlers: {
      GET: ({ path }) => {
        const payload = store.get(path.join('/'))
        return payload === undefined ? { code: '4.04' } : { code: '2.05', payload, contentFormat: 0 }
      },
      PUT: ({ path, payload }) => {
        const known = store.has(path.join('/'))
        store.set(path.join('/'), payload)
        return { code: known ? '2.04' : '2.01' }
      },
      POST: ({ payload }) => ({ code: '2.04', payload: payload.toReversed() }),
      DELETE: ({ path }) => {
        store.delete(path.join('/'))
        return { code: '2.02' }
      },
    },
  })
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
  const place = { endpoint, channel, at: channel.local, store }
  opened.push(place)
  return place
}

function uri(at: SocketAddress, path: string): string {
  return `coap://${at.address.includes(':') ? `[${at.address}]` : at.address}:${at.port}${path}`
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coap-interop-'))
  await writeFile(join(folder, 'big'), BIG)
})
afterAll(() => rm(folder, { recursive: true }))
afterEach(async () => {
  for (const { endpoint, channel } of opened.splice(0)) {
    endpoint.close()
    await channel.close()
  }
})

describeWithPeer('libcoap client against our server', COAP_CLIENT, (program) => {
  describe.each(FAMILIES)('%s', (_, address) => {
    const client = (at: SocketAddress, path: string, ...args: string[]): ReturnType<typeof run> =>
      run(program, ['-v', '4', '-B', '15', ...args, uri(at, path)])

    it('GET, NON and CON, and the code of what is not there', async () => {
      const { at } = await ours(address)
      expect(text((await client(at, '/.well-known/core')).stdout)).toContain('</big>;rt="big";sz=65536')
      expect(text((await client(at, '/.well-known/core?rt=big', '-N')).stdout)).toContain('</big>')
      expect((await client(at, '/nope')).stderr).toContain('4.04')
    })

    it('PUT, GET, POST, DELETE', async () => {
      const { at, store } = await ours(address)
      await client(at, '/store/a', '-m', 'put', '-e', 'hello')
      expect(text(store.get('store/a') ?? utf8('nothing'))).toBe('hello')
      expect(text((await client(at, '/store/a')).stdout).trim()).toBe('hello')
      expect(text((await client(at, '/store/a', '-m', 'post', '-e', 'abc')).stdout).trim()).toBe('cba')
      await client(at, '/store/a', '-m', 'delete')
      expect(store.has('store/a')).toBe(false)
    })

    it('a separate response', async () => {
      const { at } = await ours(address)
      expect(text((await client(at, '/slow')).stdout).trim()).toBe('at last')
    })

    it.each(['1024', '256', '16'])('Block2 of 64 KB in blocks of %s', async (size) => {
      const { at } = await ours(address)
      const file = join(folder, `got-${size}`)
      await client(at, '/big', '-b', size, '-o', file)
      expect(new Uint8Array(await readFile(file))).toEqual(BIG)
    })

    it.each(['1024', '64'])('Block1 of 64 KB in blocks of %s', async (size) => {
      const { at, store } = await ours(address)
      await client(at, '/store/big', '-m', 'put', '-b', size, '-f', join(folder, 'big'))
      expect(store.get('store/big')).toEqual(BIG)
    })

    it('Block1 and Block2 of one POST of 64 KB', async () => {
      const { at } = await ours(address)
      const file = join(folder, 'posted')
      await client(at, '/store/x', '-m', 'post', '-f', join(folder, 'big'), '-o', file)
      expect(new Uint8Array(await readFile(file))).toEqual(BIG.toReversed())
    })
  })
})

const linkLocal = Object.entries(networkInterfaces()).flatMap(([zone, entries]) =>
  (entries ?? [])
    .filter((entry) => !entry.internal && entry.address.startsWith('fe80:'))
    .map((entry) => ({ zone, address: entry.address })),
)[0]

describeWithPeer('libcoap and multicast', COAP_CLIENT, (program) => {
  // Link-local multicast does not work on the loopback interface.
  it.skipIf(process.platform !== 'linux' || linkLocal === undefined)(
    'its client discovers our server, once and within Leisure',
    async () => {
      const { at, channel, endpoint } = await ours('::')
      channel.joinGroup('ff02::fd')
      await delay(systemClock, 100)
      const output = await run(program, [
        '-v',
        '4',
        '-N',
        '-B',
        '6',
        `coap://[ff02::fd%${linkLocal!.zone}]:${at.port}/.well-known/core?rt=big`,
      ])
      expect(text(output.stdout).match(/<\/big>/g)).toHaveLength(1)
      expect(endpoint.counters().requestsServed).toBe(1)
    },
  )
})

describeWithPeer('our group request and libcoap server', COAP_SERVER, (program) => {
  it.skipIf(process.platform !== 'linux' || linkLocal === undefined)('gets the answer of its server from its own address', async () => {
    const { zone, address } = linkLocal!
    const { endpoint } = await ours(`${address}%${zone}`)
    const free = await openUdpChannel({ bindAddress: '::', port: 0, logger: silentLogger })
    const { port } = free.local
    await free.close()
    const server = start(program, ['-p', String(port), '-g', 'ff02::fd', '-G', zone, '-v', '0'])
    try {
      await endpoint.request({ address, zone, port }, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
      const request = { method: 'GET', path: ['.well-known', 'core'] } as const
      const group = { address: 'ff02::fd', port, zone }
      const [response] = await all(endpoint.groupRequest(group, request, { deadlineMs: 7000, expected: 1 }))
      expect(response?.source).toEqual({ address, port, zone })
      expect(text(response?.payload ?? utf8(''))).toContain('</time>')
    } finally {
      await server.stop()
    }
  })
})

describeWithPeer('our client against libcoap server', COAP_SERVER, (program) => {
  describe.each(FAMILIES)('%s', (_, address) => {
    let server: RunningPeer
    let there: SocketAddress
    let client: Ours

    beforeEach(async () => {
      client = await ours(address)
      const free = await openUdpChannel({ bindAddress: address, port: 0, logger: silentLogger })
      there = free.local
      await free.close()
      server = start(program, ['-A', address, '-p', String(there.port), '-d', '10', '-v', '0'])
      // A lost first request is sent again, so this also waits until the server is there.
      await client.endpoint.request(there, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
    })
    afterEach(() => server.stop())

    it('GET and the links of /.well-known/core', async () => {
      const core = await client.endpoint.request(there, { method: 'GET', path: ['.well-known', 'core'] })
      expect([core.code, core.contentFormat]).toEqual(['2.05', 40])
      expect(parseLinkFormat(text(core.payload)).map((link) => link.href)).toContain('/time')
      expect((await client.endpoint.request(there, { method: 'GET', path: ['nope'] })).code).toBe('4.04')
      expect((await client.endpoint.request(there, { method: 'GET', path: ['time'] }, { confirmable: false })).code).toBe('2.05')
    })

    it('PUT, GET, DELETE', async () => {
      const at = { path: ['thing'] }
      expect((await client.endpoint.request(there, { ...at, method: 'PUT', payload: utf8('hello'), contentFormat: 0 })).code).toBe('2.01')
      expect(text((await client.endpoint.request(there, { ...at, method: 'GET' })).payload)).toBe('hello')
      expect((await client.endpoint.request(there, { ...at, method: 'DELETE' })).code).toBe('2.02')
      expect((await client.endpoint.request(there, { ...at, method: 'GET' })).code).toBe('4.04')
    })

    it('a separate response', async () => {
      const response = await client.endpoint.request(there, { method: 'GET', path: ['async'], query: ['2'] })
      expect([response.code, text(response.payload)]).toEqual(['2.05', 'done'])
      expect(response.elapsedMs).toBeGreaterThan(1500)
    })

    it('Block1 and Block2 of 64 KB', async () => {
      const at = { path: ['large'] }
      expect((await client.endpoint.request(there, { ...at, method: 'PUT', payload: BIG, contentFormat: 0 })).code).toBe('2.01')
      expect((await client.endpoint.request(there, { ...at, method: 'GET' })).payload).toEqual(BIG)
    })
  })
})

describe.each(FAMILIES)('npm coap client against our server, %s', (_, address) => {
  const ask = (
    at: SocketAddress,
    pathname: string,
    method: 'GET' | 'PUT' | 'POST' | 'DELETE' = 'GET',
    payload?: Uint8Array,
    block1 = false,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const request = coapRequest({ hostname: at.address, port: at.port, pathname, method })
      if (block1) request.setOption('Block1', Buffer.of(6))
      request.on('response', resolve)
      request.on('error', reject)
      request.end(payload === undefined ? undefined : Buffer.from(payload))
    })

  it('GET, PUT, POST, DELETE', async () => {
    const { at, store } = await ours(address)
    expect((await ask(at, '/store/a', 'PUT', utf8('hello'))).code).toBe('2.01')
    expect((await ask(at, '/store/a')).payload.toString()).toBe('hello')
    expect((await ask(at, '/store/a', 'POST', utf8('abc'))).payload.toString()).toBe('cba')
    expect((await ask(at, '/store/a', 'DELETE')).code).toBe('2.02')
    expect(store.size).toBe(0)
    expect((await ask(at, '/nope')).code).toBe('4.04')
  })

  it('a separate response', async () => {
    const { at } = await ours(address)
    expect((await ask(at, '/slow')).payload.toString()).toBe('at last')
  })

  it('Block2 and Block1 of 64 KB, where this client keeps one token for all blocks', async () => {
    const { at, store } = await ours(address)
    expect(new Uint8Array((await ask(at, '/big')).payload)).toEqual(BIG)
    expect((await ask(at, '/store/big', 'PUT', BIG, true)).code).toBe('2.01')
    expect(store.get('store/big')).toEqual(BIG)
  })
})

describe.each(FAMILIES)('our client against npm coap server, %s', (_, address) => {
  let server: Server
  let there: SocketAddress
  let kept = ''

  beforeEach(async () => {
    server = createServer({ type: address.includes(':') ? 'udp6' : 'udp4' }, (request: IncomingMessage, response: OutgoingMessage) => {
      const path = request.url.split('?')[0]
      if (path === '/big') response.end(Buffer.from(BIG))
      else if (path === '/slow') setTimeout(() => response.end('at last'), 1200)
      else if (request.method === 'PUT') {
        kept = request.payload.toString()
        response.code = '2.04'
        response.end()
      } else if (request.method === 'POST') {
        response.code = '2.01'
        response.setOption('Location-Path', [Buffer.from('kept'), Buffer.from('1')])
        response.end()
      } else if (request.method === 'DELETE') {
        kept = ''
        response.code = '2.02'
        response.end()
      } else response.end(kept)
    })
    const free = await openUdpChannel({ bindAddress: address, port: 0, logger: silentLogger })
    there = free.local
    await free.close()
    await new Promise<void>((resolve) => {
      server.listen(there.port, address, () => resolve())
    })
  })
  afterEach(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
      }),
  )

  it('GET, PUT, POST, DELETE', async () => {
    const { endpoint } = await ours(address)
    expect((await endpoint.request(there, { method: 'PUT', path: ['kept'], payload: utf8('hello') })).code).toBe('2.04')
    expect(text((await endpoint.request(there, { method: 'GET', path: ['kept'] })).payload)).toBe('hello')
    const created = await endpoint.request(there, { method: 'POST', path: ['kept'], payload: utf8('x') })
    expect([created.code, findStrings(created.options, 8)]).toEqual(['2.01', ['kept', '1']])
    expect((await endpoint.request(there, { method: 'DELETE', path: ['kept'] })).code).toBe('2.02')
  })

  it('a separate response', async () => {
    const { endpoint } = await ours(address)
    expect(text((await endpoint.request(there, { method: 'GET', path: ['slow'] })).payload)).toBe('at last')
  })

  it('Block2 of 64 KB', async () => {
    const { endpoint } = await ours(address)
    expect((await endpoint.request(there, { method: 'GET', path: ['big'] })).payload).toEqual(BIG)
  })
})
