// The HTTP-to-CoAP proxy on loopback, before a network in memory (draft-ietf-core-groupcomm-proxy-07 §9).
import { createServer, request as httpRequest } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { concatBytes, seededRandom, silentLogger, utf8, type SocketAddress } from '#main/base/index.ts'
import {
  CoapEndpoint,
  OptionNumber,
  ResourceTree,
  uintOption,
  type CoapOption,
  type OutgoingResponse,
  type Resource,
} from '#main/wire/coap/index.ts'
import { MemoryNetwork } from '#main/wire/ip/index.ts'
import {
  createProxy,
  criOf,
  encodeCri,
  openHttpProxy,
  type GroupProxy,
  type HttpProxy,
  type ProxyOptions,
} from '#main/services/proxy/index.ts'
import { byteSequenceList, byteSequences } from '../../../src-main/services/proxy/http-mapping.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { content, G, P, S1, S2, text } from './harness.ts'

const opened: Array<{ close(): unknown }> = []
/** Of all but HTTP itself: `whileTimePasses` lets it run between turns of the event loop. */
let clock = new VirtualClock()

async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(20)
}

async function whileTimePasses<Value>(promise: Promise<Value>): Promise<Value> {
  let open = true
  const mark = (): void => {
    open = false
  }
  promise.then(mark, mark)
  const isOpen = (): boolean => open
  while (isOpen()) await nextTurn()
  return promise
}

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

interface Place {
  readonly http: HttpProxy
  readonly proxy: GroupProxy
  readonly network: MemoryNetwork
  readonly server: (at: SocketAddress, answer: OutgoingResponse | Resource) => void
}

async function place(options: Partial<ProxyOptions> = {}): Promise<Place> {
  clock = new VirtualClock()
  const random = seededRandom(3)
  const common = { clock, random, logger: silentLogger }
  const network = new MemoryNetwork({ clock, random })
  const endpoints: CoapEndpoint[] = []
  const policy = { rules: [{ clients: [{ address: '127.0.0.1' }], servers: 'any', groups: [G] }] } as const
  const proxy = createProxy({ ...common, egress: () => endpoints[0], policy, ...options })
  const endpoint = new CoapEndpoint({ ...common, channel: network.channel(P) })
  endpoints.push(endpoint)
  const reverse = [
    { path: '/lights', to: G },
    { path: '/lamp', to: S1 },
  ]
  const http = await openHttpProxy({ proxy, random, logger: silentLogger, port: 0, reverse })
  opened.push(http, proxy, endpoint)
  return {
    http,
    proxy,
    network,
    server: (at, answer) => {
      const channel = network.channel(at)
      channel.joinGroup(G.address)
      const tree = new ResourceTree()
      const whole = (): OutgoingResponse => (isResponse(answer) ? answer : { code: '5.00' })
      const handlers = { GET: whole, POST: whole, PUT: whole, DELETE: whole }
      tree.add('/', isResponse(answer) ? { handlers, subtree: true, answersGroupRequests: true } : { subtree: true, ...answer })
      opened.push(new CoapEndpoint({ ...common, channel, tree, parameters: { leisureMs: 50 } }))
    },
  }
}

function isResponse(answer: OutgoingResponse | Resource): answer is OutgoingResponse {
  return 'code' in answer
}

interface Answer {
  readonly status: number
  readonly reason: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
}

function exchange(
  at: SocketAddress,
  path: string,
  init: { method?: string; headers?: Record<string, string>; body?: Uint8Array; cut?: () => boolean } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: at.address, port: at.port, path, method: init.method ?? 'GET', headers: init.headers ?? {}, agent: false },
      (response) => {
        const parts: Uint8Array[] = []
        response.on('data', (part: Uint8Array) => parts.push(part))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? '',
            headers: response.headers,
            body: concatBytes(...parts),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(init.body)
    const isDue = init.cut
    if (isDue === undefined) return
    const look = (): void => {
      if (isDue()) sent.destroy()
      else setImmediate(look)
    }
    look()
  })
}

function fetchFrom(...call: Parameters<typeof exchange>): Promise<Answer> {
  return whileTimePasses(exchange(...call))
}

const GROUP_PATH = `/hc/coap://[${G.address}]/r`

/** The parts of a multipart body, each an HTTP response, as a client of its own would read them. */
function partsOf(answer: Answer): ReadonlyArray<{ status: string; headers: Map<string, string>; body: string }> {
  const boundary = /boundary=(\S+)$/.exec(String(answer.headers['content-type']))?.[1] ?? ''
  const pieces = text(answer.body).split(`--${boundary}`)
  expect(pieces[0]).toBe('')
  expect(pieces.at(-1)).toBe('--\r\n')
  return pieces.slice(1, -1).map((piece) => {
    const [own = '', head = '', body = ''] = piece.replace(/^\r\n/, '').replace(/\r\n$/, '').split('\r\n\r\n')
    expect(own).toBe('Content-Type: application/http')
    const [status = '', ...lines] = head.split('\r\n')
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
    expect(Number(headers.get('Content-Length'))).toBe(utf8(body).length)
    return { status, headers, body }
  })
}

describe('an HTTP-to-CoAP proxy', () => {
  it('-07 §9.8: a POST to a group brings one response with a part for each server', async () => {
    const { http, server } = await place()
    const plain = uintOption(OptionNumber.CONTENT_FORMAT, 0)
    server(S1, { code: '2.04', payload: utf8('Done!'), options: [plain] })
    server(S2, { code: '2.04', payload: utf8('More than done!'), options: [plain] })
    const answer = await fetchFrom(http.local, `/hc/?target_uri=coap://[${G.address}]/`, {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain', 'Multicast-Timeout': '1' },
      body: utf8('Do that!'),
    })
    expect([answer.status, String(answer.headers['content-type']).split(';')[0]]).toEqual([200, 'multipart/mixed'])
    const parts = partsOf(answer)
    expect(parts.map((part) => [part.status, part.headers.get('Content-Type'), part.headers.get('Reply-From'), part.body]).sort()).toEqual(
      [
        ['HTTP/1.1 200 OK', 'text/plain;charset=utf-8', byteSequenceList([encodeCri(criOf(S1))]), 'Done!'],
        ['HTTP/1.1 200 OK', 'text/plain;charset=utf-8', byteSequenceList([encodeCri(criOf(S2))]), 'More than done!'],
      ].sort(),
    )
  })

  it('answers 204 when nobody does, and at once when nothing is wanted (-07 §9.5, §9.6)', async () => {
    const { http, proxy } = await place()
    expect((await fetchFrom(http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '1' } })).status).toBe(204)
    const startedMs = clock.monotonicMs()
    expect((await fetchFrom(http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '0' } })).status).toBe(204)
    expect(clock.monotonicMs() - startedMs).toBeLessThan(500)
    await nextTurn()
    expect(proxy.holdings().groups).toBe(0)
  })

  it('reveals that it needs Multicast-Timeout: 400 with an empty field', async () => {
    const { http } = await place()
    const answer = await fetchFrom(http.local, GROUP_PATH)
    expect([answer.status, answer.headers['multicast-timeout'], text(answer.body)]).toEqual([400, '', 'Please use Multicast-Timeout'])
  })

  it('keeps the latest response of each server (-07 §9.6)', async () => {
    const { http, network } = await place()
    const channel = network.channel(S1)
    channel.joinGroup(G.address)
    channel.subscribe((event) => {
      if (event.kind !== 'datagram') return
      const header = event.datagram.payload
      const token = header.subarray(4, 4 + (header[0]! & 15))
      for (const id of [1, 2])
        channel.send(Uint8Array.of(0x50 | token.length, 0x45, 0, id, ...token, 0xff, 0x30 + id), event.datagram.source)
    })
    const answer = await fetchFrom(http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '1' } })
    expect(partsOf(answer).map((part) => part.body)).toEqual(['2'])
  })

  it('confirms a whole set by 304 with its Group-ETag (-07 §9.3)', async () => {
    const { http, server } = await place({ members: () => [S1] })
    server(S1, content('a'))
    const first = await fetchFrom(http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '1' } })
    const tag = String(first.headers['group-etag'])
    expect(byteSequences(tag)).toHaveLength(1)
    const second = await fetchFrom(http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '1', 'Group-ETag': tag } })
    expect([second.status, second.headers['group-etag'], second.body.length]).toEqual([304, tag, 0])
  })

  it('answers 403 for groups where it does not forward to any (RFC 8075 §8.4), and for clients that may not', async () => {
    const off = await place({ policy: { rules: [{ clients: 'any', servers: 'any' }] } })
    expect((await fetchFrom(off.http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '1' } })).status).toBe(403)
    const other = await place({ policy: { rules: [{ clients: [{ address: '192.0.2.1' }], groups: 'any' }] } })
    expect((await fetchFrom(other.http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '1' } })).status).toBe(403)
  })

  it('forwards to single servers, with codes, types, validators and HEAD', async () => {
    const { http, server } = await place()
    const etag: CoapOption = { number: OptionNumber.ETAG, value: Uint8Array.of(0xab, 1) }
    server(S1, content('{"a":1}', etag, uintOption(OptionNumber.CONTENT_FORMAT, 50), uintOption(OptionNumber.MAX_AGE, 30)))
    const path = `/hc/coap://[${S1.address}]/x`
    const got = await fetchFrom(http.local, path)
    expect([got.status, text(got.body), got.headers['content-type'], got.headers.etag]).toEqual([
      200,
      '{"a":1}',
      'application/json',
      '"ab01"',
    ])
    expect(got.headers['cache-control']).toMatch(/^max-age=(30|29)$/)
    expect((await fetchFrom(http.local, path, { headers: { 'If-None-Match': '"ab01"' } })).status).toBe(304)
    const head = await fetchFrom(http.local, path, { method: 'HEAD' })
    expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, '7'])
    expect((await fetchFrom(http.local, path, { method: 'OPTIONS' })).status).toBe(501)
    expect((await fetchFrom(http.local, '/hc/http://example.org/')).status).toBe(400)
    expect((await fetchFrom(http.local, '/elsewhere')).status).toBe(404)
  })

  it('-07 §9.10: stands in for a group and for a server under paths of its own', async () => {
    const { http, server } = await place()
    server(S1, content('a'))
    server(S2, content('b'))
    expect((await fetchFrom(http.local, '/lights/r?x=1')).headers['multicast-timeout']).toBe('')
    const batch = await fetchFrom(http.local, '/lights/r?x=1', { headers: { 'Multicast-Timeout': '2' } })
    expect(
      partsOf(batch)
        .map((part) => part.body)
        .sort(),
    ).toEqual(['a', 'b'])
    expect(text((await fetchFrom(http.local, '/lamp/r')).body)).toBe('a')
    expect((await fetchFrom(http.local, '/lampshade')).status).toBe(404)
  })

  it('is not reached by pages of web sites: a foreign Host or any Origin is 403', async () => {
    const { http, server } = await place()
    server(S1, content('a'))
    const path = `/hc/coap://[${S1.address}]/x`
    expect((await fetchFrom(http.local, path, { headers: { Host: `evil.example:${http.local.port}` } })).status).toBe(403)
    expect((await fetchFrom(http.local, path, { headers: { Origin: 'http://evil.example' } })).status).toBe(403)
    expect((await fetchFrom(http.local, path, { headers: { Host: `localhost:${http.local.port}` } })).status).toBe(200)
  })

  it('takes no body beyond its bound, announced or not', async () => {
    const { http } = await place()
    const path = `/hc/coap://[${S1.address}]/x`
    const big = new Uint8Array(70_000)
    expect(
      (await fetchFrom(http.local, path, { method: 'PUT', body: big, headers: { 'Content-Type': 'application/octet-stream' } })).status,
    ).toBe(413)
    const chunked = fetchFrom(http.local, path, { method: 'PUT', body: big, headers: { 'Transfer-Encoding': 'chunked' } })
    expect((await chunked).status).toBe(413)
  })

  it('stops a group request whose client has gone', async () => {
    const { http, proxy } = await place()
    await expect(
      fetchFrom(http.local, GROUP_PATH, { headers: { 'Multicast-Timeout': '60' }, cut: () => proxy.holdings().groups === 1 }),
    ).rejects.toThrow()
    for (let tries = 0; tries < 200 && proxy.holdings().groups > 0; tries++) await nextTurn()
    expect(clock.monotonicMs()).toBeLessThan(60_000)
    expect(proxy.holdings().groups).toBe(0)
  })

  it('says why it cannot be opened', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', () => resolve()))
    opened.push({ close: () => new Promise((resolve) => taken.close(resolve)) })
    const at = taken.address()
    const { proxy } = await place()
    const port = typeof at === 'object' && at !== null ? at.port : 0
    await expect(openHttpProxy({ proxy, random: seededRandom(1), logger: silentLogger, port })).rejects.toMatchObject({
      code: 'network.address-in-use',
    })
  })
})
