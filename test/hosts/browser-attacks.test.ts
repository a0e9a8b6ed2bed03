// What the browser host is attacked with: guessed and reused tokens, rebound names, other sites' pages, traversal, garbage, floods.
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import fc from 'fast-check'
import { VirtualClock } from '../support/virtual-clock.ts'
import { browserSite, pathOf } from './browser-site.ts'
import type { BrowserSite, BrowserSiteOptions } from './browser-site.ts'

let open: BrowserSite[] = []

async function start(options: BrowserSiteOptions = {}): Promise<BrowserSite> {
  const site = await browserSite(options)
  open.push(site)
  return site
}

afterEach(async () => {
  await Promise.all(open.map((site) => site.close()))
  open = []
})

async function window(site: BrowserSite): Promise<WebSocket> {
  const socket = await site.connect({ host: site.authority, origin: site.origin, cookie: await site.enter() })
  if (!(socket instanceof WebSocket)) throw new Error(`refused with ${socket}`)
  return socket
}

const closing = (socket: WebSocket): Promise<{ readonly code: number; readonly reason: string }> =>
  new Promise((resolve) => socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })))

const answerOf = (socket: WebSocket): Promise<unknown> =>
  new Promise((resolve) => socket.once('message', (data: Buffer) => resolve(JSON.parse(data.toString()))))

/** The process lives and serves somebody else. */
async function stillServes(site: BrowserSite): Promise<void> {
  const socket = await window(site)
  const answer = answerOf(socket)
  socket.send(JSON.stringify({ id: 1, op: 'site.recent', input: {} }))
  expect(await answer).toMatchObject({ id: 1, reply: { ok: false, error: { code: 'site.none-open' } } })
  socket.close()
}

test('the printed address opens a session once: an HttpOnly SameSite=Strict cookie, and the token leaves the address bar', async () => {
  const site = await start()
  const first = await site.get(pathOf(site.host.url))
  expect(first.status).toBe(303)
  expect(first.headers.location).toBe('/')
  expect(first.headers['set-cookie']?.[0]).toMatch(/^groupwright-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
  const second = await site.get(pathOf(site.host.url))
  expect(second.status).toBe(401)
  expect(second.headers['set-cookie']).toBeUndefined()
})

test('without a session nothing is served: window, bridge, assets, downloads, socket', async () => {
  const site = await start({ exports: new Map([['h', import.meta.filename]]) })
  for (const path of ['/', '/index.html', '/bridge.js', '/assets/main-1a.js', '/download/h']) {
    expect((await site.get(path)).status).toBe(401)
    expect((await site.get(path, { cookie: `groupwright-1=x; groupwright-${new URL(site.origin).port}=guess` })).status).toBe(401)
  }
  expect(await site.connect({ host: site.authority, origin: site.origin })).toBe(401)
})

test('a guessed token opens nothing', async () => {
  const site = await start()
  for (const query of ['', '?token=', '?token=AAAA', `?token=${'A'.repeat(43)}`, '?token=__proto__']) {
    expect((await site.get(`/enter${query}`)).status).toBe(401)
  }
})

test('a token expires', async () => {
  const clock = new VirtualClock()
  const site = await start({ clock })
  await clock.advance(11 * 60_000)
  expect((await site.get(pathOf(site.host.url))).status).toBe(401)
})

test('asking for the headers of the address does not use it up', async () => {
  const site = await start()
  expect((await site.get(pathOf(site.host.url), {}, 'HEAD')).status).toBe(401)
  expect((await site.get(pathOf(site.host.url))).status).toBe(303)
})

test('a rebound DNS name is refused by its Host, for pages, tokens and sockets', async () => {
  const site = await start()
  const cookie = await site.enter()
  const { port } = new URL(site.origin)
  for (const host of [`evil.example:${port}`, 'evil.example', `localhost:${port}`, '127.0.0.1', `127.0.0.1:${port}.evil.example`]) {
    expect((await site.get('/', { host, cookie })).status).toBe(421)
    expect((await site.get(pathOf(site.host.newUrl()), { host })).status).toBe(421)
    expect(await site.connect({ host, origin: site.origin, cookie })).toBe(421)
  }
})

test('a WebSocket of another site is refused although the cookie comes along', async () => {
  const site = await start()
  const cookie = await site.enter()
  const { host } = new URL(site.origin)
  for (const origin of ['https://evil.example', 'null', `https://${host}`, 'http://127.0.0.1:1', `${site.origin}.evil.example`]) {
    expect(await site.connect({ host: site.authority, origin, cookie })).toBe(403)
  }
  expect(await site.connect({ host: site.authority, cookie })).toBe(403)
  expect(await site.connect({ host: site.authority, origin: site.origin, cookie, 'sec-fetch-site': 'same-site' })).toBe(403)
})

test('a request that another site caused is refused although the cookie comes along', async () => {
  const site = await start()
  const cookie = await site.enter()
  expect((await site.get('/', { cookie, origin: 'https://evil.example' })).status).toBe(403)
  // Another port of this machine is the same site to a browser, and still not us.
  for (const relation of ['cross-site', 'same-site']) expect((await site.get('/', { cookie, 'sec-fetch-site': relation })).status).toBe(403)
  expect((await site.get('/', { cookie, 'sec-fetch-site': 'none' })).status).toBe(200)
})

test('methods that change something do not exist', async () => {
  const site = await start()
  const cookie = await site.enter()
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) expect((await site.get('/', { cookie }, method)).status).toBe(405)
})

test('no path leads out of the window directory', async () => {
  const site = await start()
  const cookie = await site.enter()
  const paths = [
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e%2fsecret.txt',
    '/..%5csecret.txt',
    '/..\\secret.txt',
    '/assets/..;/..;/secret.txt',
    '/%252e%252e/secret.txt',
    '//secret.txt',
    '/secret.txt%00.js',
    '/./../secret.txt',
    '/%c0%ae%c0%ae/secret.txt',
    '/%',
  ]
  for (const path of paths) {
    const { status, text } = await site.get(path, { cookie })
    expect(`${path} ${status}`).toBe(`${path} 404`)
    expect(text).not.toContain(site.secret)
  }
})

test('property: whatever the path, it is answered and nothing from outside comes back', async () => {
  const site = await start()
  const cookie = await site.enter()
  const part = fc.constantFrom('..', '%2e', '/', '\\', '%5c', '%2f', 'secret.txt', 'assets', '%00', '.', ';', '?', '%ff', 'a')
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
      const { status, text } = await site.get(`/${parts.join('')}`, { cookie })
      expect([200, 401, 404]).toContain(status)
      expect(text).not.toContain(site.secret)
    }),
    { numRuns: 150 },
  )
})

test('every answer carries the fence: policy without inline script, no sniffing, no framing, no referrer', async () => {
  const site = await start()
  const cookie = await site.enter()
  for (const path of ['/', '/assets/main-1a.js', '/nothing', '/bridge.js']) {
    const { headers } = await site.get(path, { cookie })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain(`connect-src 'self' ws://${site.authority};`)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe-eval')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['referrer-policy']).toBe('no-referrer')
    expect(headers['cross-origin-opener-policy']).toBe('same-origin')
    expect(headers['cross-origin-resource-policy']).toBe('same-origin')
    expect(headers['cache-control']).toBe('no-store')
  }
})

test('garbage frames close their own connection with a reason, and everybody else goes on', async () => {
  const site = await start()
  const frames: ReadonlyArray<readonly [string | Uint8Array, number]> = [
    ['', 1007],
    ['not json', 1007],
    ['null', 1007],
    ['[]', 1007],
    ['{"id":-1,"op":"site.recent","input":{}}', 1007],
    ['{"id":1,"op":5,"input":{}}', 1007],
    ['{"id":1,"op":"site.recent","input":{},"more":1}', 1007],
    ['{"subscribe":1,"feed":"nothing"}', 1008],
    ['['.repeat(100_000), 1007],
    [Uint8Array.from([1, 2, 3]), 1003],
  ]
  for (const [frame, code] of frames) {
    const socket = await window(site)
    const closed = closing(socket)
    socket.send(frame)
    const { code: seen, reason } = await closed
    expect(seen).toBe(code)
    expect(reason).not.toBe('')
  }
  await stillServes(site)
})

test('an op that is none and an input that is none are replies, not the end of the connection', async () => {
  const site = await start()
  const socket = await window(site)
  for (const [op, input, code] of [
    ['__proto__', {}, 'input.unknown-op'],
    ['site.open', { handle: 5 }, 'input.invalid'],
    ['site.open', undefined, 'input.invalid'],
  ] as const) {
    const answer = answerOf(socket)
    socket.send(JSON.stringify({ id: 3, op, input }))
    expect(await answer).toMatchObject({ id: 3, reply: { ok: false, error: { code } } })
  }
})

test('an oversized frame closes its connection with 1009 before it is read whole', async () => {
  const site = await start()
  const socket = await window(site)
  socket.on('error', () => undefined)
  const closed = closing(socket)
  socket.send('x'.repeat(33 * 1024 * 1024))
  // The server may tear the connection down while we still write: then the code is lost on the way.
  expect([1009, 1006]).toContain((await closed).code)
  await stillServes(site)
})

test('raw bytes that are no WebSocket frames end the connection only', async () => {
  const site = await start()
  const socket = await window(site)
  socket.on('error', () => undefined)
  const closed = closing(socket)
  const { _socket: raw } = socket as unknown as { readonly _socket: { write(bytes: Uint8Array): void } }
  raw.write(Uint8Array.from({ length: 64 }, (_, index) => 255 - index))
  await closed
  await stillServes(site)
})

test('a flood of frames is cut off', async () => {
  const site = await start()
  const socket = await window(site)
  socket.on('error', () => undefined)
  const closed = closing(socket)
  for (let index = 0; index < 5000; index++) socket.send('{"acknowledge":1}')
  expect(await closed).toEqual({ code: 1008, reason: 'too many frames' })
  await stillServes(site)
})

test('calls that never end are limited', async () => {
  const site = await start({ handlers: { 'site.close': () => new Promise(() => undefined) } })
  const socket = await window(site)
  const closed = closing(socket)
  for (let id = 0; id < 300; id++) socket.send(JSON.stringify({ id, op: 'site.close', input: {} }))
  expect(await closed).toEqual({ code: 1008, reason: 'too many calls at once' })
  await stillServes(site)
})

test('a window that asks and never reads is cut off before it fills the memory', async () => {
  const site = await start({ handlers: { 'handover.report': () => ({ html: 'x'.repeat(4_000_000) }) }, checkOutputs: false })
  const socket = await window(site)
  socket.on('error', () => undefined)
  socket.pause()
  for (let id = 0; id < 60; id++) socket.send(JSON.stringify({ id, op: 'handover.report', input: {} }))
  // Reading goes on only after the cut, so the close is seen at all.
  await new Promise((resolve) => setTimeout(resolve, 500))
  const closed = closing(socket)
  let received = 0
  socket.on('message', () => (received += 1))
  socket.resume()
  expect((await closed).code).toBe(1006)
  expect(received).toBeLessThan(40)
  await stillServes(site)
})

test('more windows than anybody needs are refused', async () => {
  const site = await start()
  const cookie = await site.enter()
  const results: Array<WebSocket | number> = []
  for (let index = 0; index < 17; index++) results.push(await site.connect({ host: site.authority, origin: site.origin, cookie }))
  expect(results.at(-1)).toBe(503)
  expect(results.filter((result) => result instanceof WebSocket)).toHaveLength(16)
})

test('an export is downloaded by its handle as an attachment, and by nothing else', async () => {
  const site = await start({ exports: new Map([['ex-1', import.meta.filename]]) })
  const cookie = await site.enter()
  const found = await site.get('/download/ex-1', { cookie })
  expect(found.status).toBe(200)
  expect(found.headers['content-disposition']).toBe(
    `attachment; filename="browser-attacks.test.ts"; filename*=UTF-8''browser-attacks.test.ts`,
  )
  expect(found.text).toContain('an export is downloaded by its handle')
  for (const handle of ['', 'ex-2', '../ex-1', '%2fetc%2fpasswd', '%', '/etc/passwd']) {
    expect((await site.get(`/download/${handle}`, { cookie })).status).toBe(404)
  }
})

test('it listens on the loopback address only', async () => {
  const site = await start()
  expect(site.origin).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
})

test('a taken port is a failure with its code', async () => {
  const site = await start()
  const { startBrowserHost } = await import('#main/hosts/browser/index.ts')
  const { silentLogger, systemClock, systemRandom } = await import('#main/base/index.ts')
  const again = startBrowserHost({
    core: { service: site.contract.service, exportPath: () => undefined },
    rendererDirectory: '/nowhere',
    port: Number(new URL(site.origin).port),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
  await expect(again).rejects.toMatchObject({ code: 'network.address-in-use' })
})
