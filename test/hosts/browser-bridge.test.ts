// The bridge in the page, in a real browser: calls, feeds, reconnection; and the same by a socket of the test's own.
import { createServer } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createSocketBridge } from '#main/hosts/browser/bridge-client.ts'
import type { BridgeSocket } from '#main/hosts/browser/bridge-client.ts'
import type { RoomRow } from '#contract/model.ts'
import type { Bridge } from '#contract/bridge.ts'
import { findChromium } from '../../build/find-chromium.ts'
import { browserSite } from './browser-site.ts'
import type { BrowserSite } from './browser-site.ts'

const found = await findChromium()
const inBrowser = test.skipIf(found === undefined && process.env.CI === undefined)
let browser: Browser | undefined
let site: BrowserSite | undefined

beforeAll(async () => {
  if (found !== undefined) browser = await chromium.launch({ executablePath: found.executablePath, args: [...found.args] })
})
afterEach(async () => site?.close())
afterAll(async () => browser?.close())

const room = (id: string, name = id): RoomRow => ({ id, parentId: null, kind: 'room', name, position: 0 })

declare global {
  interface Window {
    readonly groupwright: Bridge
    seen: unknown[]
    connections: boolean[]
    foundAtStart: string
  }
}

async function openWindow(
  script = 'window.foundAtStart = typeof window.groupwright',
): Promise<{ readonly page: Page; readonly site: BrowserSite }> {
  site = await browserSite({
    page: '<!doctype html><html><head><title>t</title></head><body><script type="module" src="/assets/main-1a.js"></script></body></html>',
    script,
    handlers: { 'devices.create': ({ name }) => ({ id: `made ${name}` }) },
  })
  if (browser === undefined) throw new Error('no browser')
  const page = await (await browser.newContext()).newPage()
  await page.goto(site.host.url)
  return { page, site }
}

inBrowser('the bridge is there before the window starts, the token is gone from the address, scripts cannot read the cookie', async () => {
  const {
    page,
    site: { origin },
  } = await openWindow()
  expect(page.url()).toBe(`${origin}/`)
  expect(await page.evaluate(() => [window.foundAtStart, document.cookie])).toEqual(['object', ''])
  expect(await page.evaluate(() => Reflect.set(window, 'groupwright', 1))).toBe(false)
})

inBrowser('calls are answered, failures included', async () => {
  const { page } = await openWindow()
  const replies = await page.evaluate(() =>
    Promise.all([
      window.groupwright.call('devices.create', { name: 'L1', type: 'luminaire', roomId: null, eui64: null, serial: null }),
      window.groupwright.call('site.recent', {}),
    ]),
  )
  expect(replies).toMatchObject([
    { ok: true, value: { id: 'made L1' } },
    { ok: false, error: { code: 'site.none-open' } },
  ])
})

inBrowser('a feed gives a snapshot and deltas until it is ended', async () => {
  const {
    page,
    site: { contract },
  } = await openWindow()
  contract.feeds.rooms.set(room('a'))
  await page.evaluate(() => {
    window.seen = []
    const end = window.groupwright.subscribe('rooms', (message) => {
      window.seen.push(message)
      if (message.version === 2) end()
    })
  })
  await page.waitForFunction(() => window.seen.length === 1)
  contract.feeds.rooms.set(room('b'))
  await page.waitForFunction(() => window.seen.length === 2)
  contract.feeds.rooms.delete(['a'])
  await page.waitForFunction(() => window.seen.length === 3)
  contract.feeds.rooms.set(room('c'))
  await page.evaluate(() => window.groupwright.call('site.recent', {}))
  expect(await page.evaluate(() => window.seen)).toEqual([
    { kind: 'snapshot', version: 0, rows: [room('a')] },
    { kind: 'delta', version: 1, upsert: [room('b')], remove: [] },
    { kind: 'delta', version: 2, upsert: [], remove: ['a'] },
  ])
})

inBrowser('inline scripts and foreign connections of the page are blocked', async () => {
  const { page } = await openWindow()
  const outcome = await page.evaluate(async () => {
    const script = document.createElement('script')
    script.textContent = 'window.foundAtStart = "inline ran"'
    document.body.append(script)
    const fetched = await fetch('http://127.0.0.1:1/').then(
      () => 'fetched',
      () => 'blocked',
    )
    return [window.foundAtStart, fetched]
  })
  expect(outcome).toEqual(['object', 'blocked'])
})

inBrowser('a page of another origin in the same browser gets nowhere, although the cookie is the browser’s to send', async () => {
  const {
    page,
    site: { authority, origin },
  } = await openWindow()
  const foreign = createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>elsewhere</p>'))
  await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve))
  const address = foreign.address()
  const evil = await page.context().newPage()
  await evil.goto(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`)
  const outcome = await evil.evaluate(
    async ([target, host]) => {
      const socket = await new Promise((resolve) => {
        const attempt = new WebSocket(`ws://${host}/socket`)
        attempt.onopen = () => resolve('open')
        attempt.onerror = () => resolve('refused')
      })
      const read = await fetch(target ?? '', { credentials: 'include' }).then(
        () => 'read',
        () => 'refused',
      )
      const framed = await new Promise((resolve) => {
        const frame = document.createElement('iframe')
        frame.src = target ?? ''
        frame.onload = () => resolve(frame.contentDocument === null ? 'no access' : 'access')
        document.body.append(frame)
      })
      const script = await new Promise((resolve) => {
        const element = document.createElement('script')
        element.src = `${target}/bridge.js`
        element.type = 'module'
        element.onload = () => resolve('ran')
        element.onerror = () => resolve('refused')
        document.body.append(element)
      })
      return [socket, read, framed, script, typeof window.groupwright]
    },
    [origin, authority],
  )
  foreign.close()
  expect(outcome).toEqual(['refused', 'refused', 'no access', 'refused', 'undefined'])
})

inBrowser('a name that was rebound to this machine shows nothing', async () => {
  const {
    site: { origin },
  } = await openWindow()
  if (found === undefined) throw new Error('no browser')
  const rebinding = await chromium.launch({
    executablePath: found.executablePath,
    args: [...found.args, '--host-resolver-rules=MAP evil.example 127.0.0.1', '--no-proxy-server'],
  })
  const page = await rebinding.newPage()
  const response = await page.goto(`http://evil.example:${new URL(origin).port}/`)
  expect([response?.status(), await page.evaluate(() => document.body.innerText)]).toEqual([
    421,
    'This server answers to its own address only.',
  ])
  await rebinding.close()
})

class Wire implements BridgeSocket {
  readonly sent: unknown[] = []
  onopen: (() => void) | null = null
  onclose: (() => void) | null = null
  onmessage: ((event: { readonly data: unknown }) => void) | null = null

  send(text: string): void {
    this.sent.push(JSON.parse(text))
  }

  receive(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
}

function wiredBridge() {
  const wires: Wire[] = []
  const timers: Array<{ readonly delayMs: number; readonly callback: () => void }> = []
  const bridge = createSocketBridge({
    openSocket: () => {
      const wire = new Wire()
      wires.push(wire)
      return wire
    },
    schedule: (delayMs, callback) => void timers.push({ delayMs, callback }),
  })
  return { bridge, wires, timers }
}

test('calls made before the connection stands are sent when it does', async () => {
  const { bridge, wires } = wiredBridge()
  const reply = bridge.call('site.recent', {})
  wires[0]?.onopen?.()
  expect(wires[0]?.sent).toEqual([{ id: 1, op: 'site.recent', input: {} }])
  wires[0]?.receive({ id: 1, reply: { ok: true, value: [] } })
  expect(await reply).toEqual({ ok: true, value: [] })
})

test('a call that waits too long for a connection fails and may be tried again', async () => {
  const { bridge, timers } = wiredBridge()
  const reply = bridge.call('site.recent', {})
  timers[0]?.callback()
  expect(await reply).toMatchObject({ ok: false, error: { code: 'cancelled', retryable: true } })
})

test('when the connection is lost, calls under way fail, feeds start again, and the window is told', async () => {
  const { bridge, wires, timers } = wiredBridge()
  const states: boolean[] = []
  const messages: unknown[] = []
  bridge.onConnection((connected) => void states.push(connected))
  bridge.subscribe('rooms', (message) => void messages.push(message))
  wires[0]?.onopen?.()
  const reply = bridge.call('site.recent', {})
  wires[0]?.onclose?.()
  expect(await reply).toMatchObject({ ok: false, error: { code: 'cancelled' } })
  timers.at(-1)?.callback()
  wires[1]?.onopen?.()
  expect(states).toEqual([true, false, true])
  expect(wires[1]?.sent).toEqual([{ subscribe: 1, feed: 'rooms' }])
  wires[1]?.receive({ feed: 1, message: { kind: 'snapshot', version: 4, rows: [] } })
  expect(messages).toEqual([{ kind: 'snapshot', version: 4, rows: [] }])
  expect(wires[1]?.sent.at(-1)).toEqual({ acknowledge: 1 })
})

test('attempts to reconnect get slower', () => {
  const { wires, timers } = wiredBridge()
  for (let attempt = 0; attempt < 7; attempt++) {
    wires.at(-1)?.onclose?.()
    timers.at(-1)?.callback()
  }
  expect(timers.map(({ delayMs }) => delayMs)).toEqual([250, 500, 1000, 2000, 5000, 5000, 5000])
})
