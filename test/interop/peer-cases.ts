// What a peer is asked by our client and asks our server, whatever it is made of: the same for each, over IPv6 and IPv4.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { utf8, type SocketAddress } from '#main/base/index.ts'
import { parseLinkFormat, type Method } from '#main/wire/coap/index.ts'
import type { RunningPeer } from '../support/peers.ts'
import { BIG, FAMILIES, freePort, MEGABYTE, ours as open, text, uri, type Ours } from './our-server.ts'

export interface Answer {
  /** `2.05`; empty where the program does not say. */
  readonly code: string
  readonly payload: Uint8Array
}

export interface PeerClient {
  /** Whether it tells the server that it observes no longer; others leave that to the Reset of a Confirmable notification to come. */
  readonly cancels: boolean
  /** Asks with the body that the file holds. */
  ask(method: Method, target: string, bodyFile?: string): Promise<Answer>
  /** Observes until so many notifications have come, then cancels; what they said. */
  observe(target: string, count: number): Promise<readonly string[]>
}

/** A server with `/big`, `/megabyte`, `/kept`, `/slow` (separate), `/count` (counts up) and `/observers` (`some` or `none` of count). */
export type StartServer = (address: string, port: number) => Promise<RunningPeer>

const opened: Ours[] = []

async function ours(address: string): Promise<Ours> {
  const place = await open(address)
  opened.push(place)
  return place
}

function closeOurs(): Promise<unknown> {
  return Promise.all(opened.splice(0).map((place) => place.close()))
}

export function casesOfTheirClient(client: PeerClient): void {
  describe.each(FAMILIES)('%s', (_, address) => {
    let folder = ''
    const file = (name: string): string => join(folder, name)
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'coap-interop-'))
      const bodies = { hello: utf8('hello'), abc: utf8('abc'), big: BIG, megabyte: MEGABYTE }
      await Promise.all(Object.entries(bodies).map(([name, body]) => writeFile(file(name), body)))
    })
    afterAll(() => rm(folder, { recursive: true }))
    afterEach(closeOurs)

    it('GET, and the code of what is not there', async () => {
      const { at } = await ours(address)
      expect(text((await client.ask('GET', uri(at, '/.well-known/core'))).payload)).toContain('</big>')
      expect((await client.ask('GET', uri(at, '/nope'))).code).toBe('4.04')
    })

    it('PUT, GET, POST, FETCH, DELETE', async () => {
      const { at, store } = await ours(address)
      await client.ask('PUT', uri(at, '/store/a'), file('hello'))
      expect(text(store.get('store/a') ?? utf8('nothing'))).toBe('hello')
      expect(text((await client.ask('GET', uri(at, '/store/a'))).payload)).toBe('hello')
      expect(text((await client.ask('POST', uri(at, '/store/a'), file('abc'))).payload)).toBe('cba')
      expect(text((await client.ask('FETCH', uri(at, '/store/a'), file('abc'))).payload)).toBe('cba')
      await client.ask('DELETE', uri(at, '/store/a'))
      expect(store.has('store/a')).toBe(false)
    })

    it('a separate response', async () => {
      const { at } = await ours(address)
      expect(text((await client.ask('GET', uri(at, '/slow'))).payload)).toBe('at last')
    })

    it.each([
      ['64 KB', 'big', BIG],
      ['1 MB', 'megabyte', MEGABYTE],
    ])('Block1 and Block2 of %s', async (__, name, body) => {
      const { at, store } = await ours(address)
      await client.ask('PUT', uri(at, '/store/body'), file(name))
      expect(store.get('store/body')).toEqual(body)
      expect((await client.ask('GET', uri(at, `/${name}`))).payload).toEqual(body)
    })

    it('Observe: newer and newer states, and nobody observes after a cancellation', async () => {
      const place = await ours(address)
      const changing = setInterval(() => place.change(), 150)
      const heard = await client.observe(uri(place.at, '/count'), 4).finally(() => clearInterval(changing))
      const numbers = heard.filter((line) => line.trim() !== '').map(Number)
      expect(numbers).toHaveLength(4)
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
      if (!client.cancels) return
      place.change()
      await expect.poll(() => place.endpoint.holdings().observers, { timeout: 20_000 }).toBe(0)
    })
  })
}

export function casesOfTheirServer(startServer: StartServer): void {
  describe.each(FAMILIES)('%s', (_, address) => {
    let server: RunningPeer
    let there: SocketAddress
    beforeAll(async () => {
      there = { address, port: await freePort(address) }
      server = await startServer(address, there.port)
    })
    afterAll(() => server.stop())
    afterEach(closeOurs)

    it('GET, CON and NON, and the links of /.well-known/core', async () => {
      const { endpoint } = await ours(address)
      const core = await endpoint.request(there, { method: 'GET', path: ['.well-known', 'core'] })
      expect([core.code, core.contentFormat]).toEqual(['2.05', 40])
      expect(parseLinkFormat(text(core.payload)).map((link) => link.href)).toContain('/big')
      expect((await endpoint.request(there, { method: 'GET', path: ['nope'] })).code).toBe('4.04')
      expect((await endpoint.request(there, { method: 'GET', path: ['count'] }, { confirmable: false })).code).toBe('2.05')
    })

    it('PUT, GET, POST, FETCH, DELETE', async () => {
      const { endpoint } = await ours(address)
      const kept = { path: ['kept'] }
      expect((await endpoint.request(there, { ...kept, method: 'PUT', payload: utf8('hello'), contentFormat: 0 })).code).toBe('2.01')
      expect(text((await endpoint.request(there, { ...kept, method: 'GET' })).payload)).toBe('hello')
      expect(text((await endpoint.request(there, { ...kept, method: 'POST', payload: utf8('abc') })).payload)).toBe('cba')
      expect(text((await endpoint.request(there, { ...kept, method: 'FETCH', payload: utf8('xyz') })).payload)).toBe('zyx')
      expect((await endpoint.request(there, { ...kept, method: 'DELETE' })).code).toBe('2.02')
      expect((await endpoint.request(there, { ...kept, method: 'GET' })).code).toBe('4.04')
    })

    it('a separate response', async () => {
      const { endpoint } = await ours(address)
      expect(text((await endpoint.request(there, { method: 'GET', path: ['slow'] })).payload)).toBe('at last')
    })

    it.each([
      ['64 KB', BIG, 'big'],
      ['1 MB', MEGABYTE, 'megabyte'],
    ])('Block1 and Block2 of %s, and both of one POST', async (__, body, name) => {
      const { endpoint } = await ours(address)
      expect((await endpoint.request(there, { method: 'GET', path: [name] })).payload).toEqual(body)
      const put = await endpoint.request(there, { method: 'PUT', path: ['kept'], payload: body, contentFormat: 0 })
      expect(put.code).toMatch(/^2\.0[14]$/)
      expect((await endpoint.request(there, { method: 'GET', path: ['kept'] })).payload).toEqual(body)
      expect((await endpoint.request(there, { method: 'POST', path: ['kept'], payload: body })).payload).toEqual(body.toReversed())
    })

    it('Observe: notifications in their order, and the server forgets us after the cancellation', async () => {
      const { endpoint } = await ours(address)
      const observers = async (): Promise<string> => text((await endpoint.request(there, { method: 'GET', path: ['observers'] })).payload)
      const observation = endpoint.observe(there, { method: 'GET', path: ['count'] })
      const numbers: number[] = []
      for await (const notification of observation) {
        numbers.push(Number(text(notification.payload)))
        if (numbers.length === 1) expect(await observers()).toBe('some')
        if (numbers.length === 4) break
      }
      await observation.cancel()
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
      expect(numbers).toHaveLength(4)
      await expect.poll(observers, { timeout: 20_000 }).toBe('none')
    })
  })
}
