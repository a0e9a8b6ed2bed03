// Our CoAP endpoint against libcoap's client and server and the npm package `coap`, both directions, over IPv6 and IPv4.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, request as coapRequest, type IncomingMessage, type OutgoingMessage, type Server } from 'coap'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { utf8, type SocketAddress } from '#main/base/index.ts'
import { findStrings, parseLinkFormat } from '#main/wire/coap/index.ts'
import { COAP_CLIENT, COAP_SERVER, describeWithPeer, run, start, type RunningPeer } from '../support/peers.ts'
import { BIG, FAMILIES, freePort, MEGABYTE, ours as open, text, uri, type Ours } from './our-server.ts'

const opened: Ours[] = []

async function ours(address: string): Promise<Ours> {
  const place = await open(address)
  opened.push(place)
  return place
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coap-interop-'))
  await writeFile(join(folder, 'big'), BIG)
  await writeFile(join(folder, 'megabyte'), MEGABYTE)
})
afterAll(() => rm(folder, { recursive: true }))
afterEach(async () => {
  await Promise.all(opened.splice(0).map((place) => place.close()))
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

    it('Block1 and Block2 of 1 MB', async () => {
      const { at, store } = await ours(address)
      await client(at, '/store/megabyte', '-m', 'put', '-f', join(folder, 'megabyte'))
      expect(store.get('store/megabyte')).toEqual(MEGABYTE)
      const file = join(folder, 'got-megabyte')
      await client(at, '/megabyte', '-o', file)
      expect(new Uint8Array(await readFile(file))).toEqual(MEGABYTE)
    })

    it('FETCH', async () => {
      const { at } = await ours(address)
      expect(text((await client(at, '/store/a', '-m', 'fetch', '-e', 'abc')).stdout).trim()).toBe('cba')
    })

    it('an unknown critical option is answered 4.02, an unknown elective one ignored (RFC 7252 §5.4.1)', async () => {
      const { at, store } = await ours(address)
      store.set('store/a', utf8('kept'))
      expect((await client(at, '/store/a', '-O', '65001,x')).stderr).toContain('4.02')
      expect(text((await client(at, '/store/a', '-O', '65000,x')).stdout).trim()).toBe('kept')
    })

    it('Block1 and Block2 of one POST of 64 KB', async () => {
      const { at } = await ours(address)
      const file = join(folder, 'posted')
      await client(at, '/store/x', '-m', 'post', '-f', join(folder, 'big'), '-o', file)
      expect(new Uint8Array(await readFile(file))).toEqual(BIG.toReversed())
    })
  })
})

describeWithPeer('our client against libcoap server', COAP_SERVER, (program) => {
  describe.each(FAMILIES)('%s', (_, address) => {
    let server: RunningPeer
    let there: SocketAddress
    let client: Ours

    beforeEach(async () => {
      client = await ours(address)
      there = { address, port: await freePort(address) }
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

    it('Block1 and Block2 of 1 MB', async () => {
      const at = { path: ['huge'] }
      expect((await client.endpoint.request(there, { ...at, method: 'PUT', payload: MEGABYTE, contentFormat: 0 })).code).toBe('2.01')
      expect((await client.endpoint.request(there, { ...at, method: 'GET' })).payload).toEqual(MEGABYTE)
    })

    it('an unknown critical option: it answers 4.02 with that option in it, which its client must reject (RFC 7252 §5.4.1)', async () => {
      const options = [{ number: 65_001, value: utf8('x') }]
      await expect(client.endpoint.request(there, { method: 'GET', path: ['time'], options })).rejects.toMatchObject({
        code: 'coap.option-unsupported',
        details: { option: 65_001 },
      })
    })
  })
})

describe.each(FAMILIES)('npm coap client against our server, %s', (_, address) => {
  const ask = (
    at: SocketAddress,
    pathname: string,
    method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'FETCH' = 'GET',
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

  it('GET, PUT, POST, FETCH, DELETE', async () => {
    const { at, store } = await ours(address)
    expect((await ask(at, '/store/a', 'PUT', utf8('hello'))).code).toBe('2.01')
    expect((await ask(at, '/store/a')).payload.toString()).toBe('hello')
    expect((await ask(at, '/store/a', 'POST', utf8('abc'))).payload.toString()).toBe('cba')
    expect((await ask(at, '/store/a', 'FETCH', utf8('xyz'))).payload.toString()).toBe('zyx')
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

  it('Block2 of 1 MB', async () => {
    const { at } = await ours(address)
    expect(new Uint8Array((await ask(at, '/megabyte')).payload)).toEqual(MEGABYTE)
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
      else if (path === '/megabyte') response.end(Buffer.from(MEGABYTE))
      else if (request.method === 'FETCH') response.end(Buffer.from(request.payload.toReversed()))
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
    there = { address, port: await freePort(address) }
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

  it('GET, PUT, POST, FETCH, DELETE', async () => {
    const { endpoint } = await ours(address)
    expect((await endpoint.request(there, { method: 'PUT', path: ['kept'], payload: utf8('hello') })).code).toBe('2.04')
    expect(text((await endpoint.request(there, { method: 'GET', path: ['kept'] })).payload)).toBe('hello')
    const created = await endpoint.request(there, { method: 'POST', path: ['kept'], payload: utf8('x') })
    expect([created.code, findStrings(created.options, 8)]).toEqual(['2.01', ['kept', '1']])
    // Without a Content-Format it answers a FETCH 4.15, and sends that to itself.
    const fetched = await endpoint.request(there, { method: 'FETCH', path: ['kept'], payload: utf8('xyz'), contentFormat: 0 })
    expect(text(fetched.payload)).toBe('zyx')
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

  it('Block2 of 1 MB', async () => {
    const { endpoint } = await ours(address)
    expect((await endpoint.request(there, { method: 'GET', path: ['megabyte'] })).payload).toEqual(MEGABYTE)
  })
})
