// The Electron host as it is built: bundles made by the project's own configuration run on a double of `electron`
// whose windows are pages of a real Chromium, with the real preload in an isolated world.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { findChromium } from '../../build/find-chromium.ts'
import { AppUnderTest } from '../support/electron-double/app-under-test.ts'
import type { AppOptions } from '../support/electron-double/app-under-test.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const out = here('../../out/double')
const skip = (await findChromium()) === undefined && process.env.CI === undefined

const PAGE = `<!doctype html><html><head><title>window</title><script type="module" src="./assets/main.js"></script></head><body></body></html>`
const SCRIPT = `window.seen = []; window.atStart = typeof window.groupwright`

// Every app is a process with a browser of its own.
vi.setConfig({ testTimeout: 60_000 })

let home = ''
const running: AppUnderTest[] = []

let sharedHome = ''
let shared: Promise<AppUnderTest> | undefined

/** One app for the tests that leave it as they found it. */
function sharedApp(): Promise<AppUnderTest> {
  shared ??= new AppUnderTest({ mainBundle: join(out, 'main/index.js'), home: sharedHome }).ready()
  return shared
}

function start(options: Partial<AppOptions> = {}): AppUnderTest {
  const app = new AppUnderTest({ mainBundle: join(out, 'main/index.js'), home, ...options })
  running.push(app)
  return app
}

const call = (op: string, input: unknown): string => `window.groupwright.call(${JSON.stringify(op)}, ${JSON.stringify(input)})`

describe.skipIf(skip)('the built Electron host', () => {
  beforeAll(async () => {
    await promisify(execFile)(process.execPath, [here('../support/electron-double/build.ts')])
    await mkdir(join(out, 'renderer/assets'), { recursive: true })
    await writeFile(join(out, 'renderer/index.html'), PAGE)
    await writeFile(join(out, 'renderer/assets/main.js'), SCRIPT)
    home = await mkdtemp(join(tmpdir(), 'groupwright-electron-'))
    sharedHome = await mkdtemp(join(tmpdir(), 'groupwright-electron-shared-'))
  }, 60_000)
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.end()))
    await rm(home, { recursive: true, force: true })
    await mkdir(home, { recursive: true })
  })
  afterAll(async () => {
    await (await shared)?.end()
    for (const directory of [home, sharedHome]) await rm(directory, { recursive: true, force: true })
  })

  test('the window is sandboxed and isolated, without Node, under a standard and secure scheme', async () => {
    const { sandboxed, privileged, windows } = await (await sharedApp()).state()
    expect(sandboxed).toBe(true)
    expect(privileged).toEqual([{ scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } }])
    expect(windows).toHaveLength(1)
    expect(windows[0]?.options.webPreferences).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInSubFrames: false,
      nodeIntegrationInWorker: false,
      webviewTag: false,
      webSecurity: true,
    })
    expect(String(windows[0]?.options.webPreferences.preload)).toBe(join(out, 'preload/index.cjs'))
  })

  test('the page finds the bridge and nothing else: no Node, no ipcRenderer', async () => {
    const app = await sharedApp()
    const types = 'window.atStart + [typeof require, typeof process, typeof ipcRenderer, typeof electronDoubleSend]'
    expect(await app.evaluate(types)).toBe('objectundefined,undefined,undefined,undefined')
    expect(await app.evaluate('Object.keys(window.groupwright).join()')).toBe('call,subscribe,onConnection')
  })

  test('ops are answered, failures and garbage included', async () => {
    const app = await sharedApp()
    expect(await app.evaluate(call('rooms.create', { parentId: null, kind: 'room', name: 'Foyer' }))).toEqual({
      ok: true,
      value: { id: 'Foyer' },
    })
    expect(await app.evaluate(call('apply.start', {}))).toMatchObject({ ok: false, error: { code: 'site.none-open' } })
    expect(await app.evaluate(call('rooms.create', { name: 5 }))).toMatchObject({ ok: false, error: { code: 'input.invalid' } })
    expect(await app.evaluate(call('__proto__', {}))).toMatchObject({ ok: false, error: { code: 'input.unknown-op' } })
  })

  test('a feed gives a snapshot and deltas, and nothing after its end', async () => {
    const app = await start().ready()
    await app.evaluate(`window.end = window.groupwright.subscribe('rooms', (message) => window.seen.push(message)); undefined`)
    await app.when(
      () => app.evaluate('window.seen.length'),
      (length) => length === 1,
    )
    await app.evaluate(call('rooms.create', { parentId: null, kind: 'room', name: 'a' }))
    await app.when(
      () => app.evaluate('window.seen.length'),
      (length) => length === 2,
    )
    await app.evaluate(call('rooms.remove', { id: 'a' }))
    const seen = await app.when(
      () => app.evaluate('window.seen'),
      (messages) => Array.isArray(messages) && messages.length === 3,
    )
    expect(seen).toMatchObject([
      { kind: 'snapshot', rows: [] },
      { kind: 'delta', upsert: [{ id: 'a' }], remove: [] },
      { kind: 'delta', upsert: [], remove: ['a'] },
    ])
    await app.evaluate('window.end()')
    await app.evaluate(call('rooms.create', { parentId: null, kind: 'room', name: 'b' }))
    await app.evaluate(`new Promise((resolve) => window.groupwright.subscribe('rooms', resolve))`)
    expect(await app.evaluate('window.seen.length')).toBe(3)
  })

  test('a window that acknowledges goes on getting deltas far beyond what may be unacknowledged', async () => {
    const app = await start().ready()
    await app.evaluate(`window.groupwright.subscribe('rooms', (message) => window.seen.push(message.kind)); undefined`)
    for (let index = 0; index < 24; index++) {
      await app.evaluate(call('rooms.create', { parentId: null, kind: 'room', name: `r${index}` }))
      await app.when(
        () => app.evaluate('window.seen.length'),
        (length) => length === index + 2,
      )
    }
    expect(await app.evaluate(`window.seen.filter((kind) => kind === 'delta').length`)).toBe(24)
  })

  test.each([
    ['another origin', { url: 'https://evil.example/', inFrame: false, foreign: false }],
    ['an origin that only begins like ours', { url: 'app://groupwright.evil.example/', inFrame: false, foreign: false }],
    ['a frame inside our window', { url: 'app://groupwright/index.html', inFrame: true, foreign: false }],
    ['another window', { url: 'app://groupwright/index.html', inFrame: false, foreign: true }],
  ])('%s cannot call', async (_who, sender) => {
    const app = await sharedApp()
    const args = ['rooms.create', { parentId: null, kind: 'room', name: 'x' }]
    expect(await app.command({ name: 'forge', channel: 'groupwright:call', args, ...sender })).toMatchObject({
      value: { ok: false, error: { code: 'access.denied' } },
    })
    const rows = `new Promise((resolve) => window.groupwright.subscribe('rooms', ({ rows }) => resolve(rows.map(({ id }) => id))))`
    expect(await app.evaluate(rows)).not.toContain('x')
  })

  test('frames get no bridge', async () => {
    const app = await sharedApp()
    const inFrame = `new Promise((resolve) => {
      const frame = document.createElement('iframe')
      frame.srcdoc = '<p>report</p>'
      frame.onload = () => resolve(typeof frame.contentWindow.groupwright + frame.contentDocument.body.innerText)
      document.body.append(frame)
    })`
    expect(await app.evaluate(inFrame)).toBe('undefinedreport')
  })

  test('every file comes with the policy, and only files of the window come', async () => {
    const app = await sharedApp()
    await writeFile(join(out, 'secret.json'), '{"secret":true}')
    const headers = `fetch('app://groupwright/index.html'.replace('app://groupwright', location.origin)).then((r) => [r.status, Object.fromEntries(r.headers)])`
    expect(await app.evaluate(headers)).toMatchObject([
      200,
      {
        'content-security-policy': expect.stringMatching(
          /^default-src 'none'; script-src 'self'; .*connect-src 'self'; .*frame-ancestors 'none'/,
        ) as unknown,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'content-type': 'text/html; charset=utf-8',
      },
    ])
    for (const path of ['/..%2fsecret.json', '/%2e%2e/secret.json', '/assets/..%2f..%2fsecret.json', '/nothing.js', '/..%5csecret.json']) {
      expect(await app.evaluate(`fetch(${JSON.stringify(path)}).then((r) => r.status)`)).toBe(404)
    }
  })

  test('the policy holds: no inline script, no eval, no foreign address', async () => {
    const app = await sharedApp()
    const attempts = `(async () => {
      const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.body.append(script)
      // Timers take text as code unless the policy forbids it.
      setTimeout('window.ran = true', 0)
      await new Promise((resolve) => setTimeout(resolve, 50))
      const fetched = await fetch('https://evil.example/').then(() => 'fetched', () => 'blocked')
      return [typeof window.ran, fetched]
    })()`
    expect(await app.evaluate(attempts)).toEqual(['undefined', 'blocked'])
  })

  test('navigation and new windows are denied, for the window and for frames in it', async () => {
    const app = await sharedApp()
    await app.evaluate(`location.href = 'https://evil.example/away'; undefined`)
    await app.when(
      () => app.state(),
      ({ denials }) => denials.includes('navigate https://evil.example/away'),
    )
    await app.evaluate(`window.open('https://evil.example/popup'); undefined`)
    await app.when(
      () => app.state(),
      ({ denials }) => denials.some((denial) => denial.startsWith('open ')),
    )
    expect(await app.evaluate('[document.title, window.atStart]')).toEqual(['window', 'object'])
    expect((await app.state()).windows).toHaveLength(1)
  })

  test.each([
    ['media', ['video'], 'app://groupwright/index.html', true],
    ['media', ['audio'], 'app://groupwright/index.html', false],
    ['media', ['video', 'audio'], 'app://groupwright/index.html', false],
    ['media', ['video'], 'https://evil.example/', false],
    ['geolocation', undefined, 'app://groupwright/index.html', false],
    ['notifications', undefined, 'app://groupwright/index.html', false],
    ['clipboard-read', undefined, 'app://groupwright/index.html', false],
    ['serial', undefined, 'app://groupwright/index.html', false],
  ])('permission %s %s for %s: %s', async (permission, mediaTypes, url, granted) => {
    const app = await sharedApp()
    const answer = await app.command({ name: 'permission', permission, url, ...(mediaTypes === undefined ? {} : { mediaTypes }) })
    expect(answer).toMatchObject({ requested: granted, device: false })
    if (!granted && mediaTypes?.length !== 2) expect(answer).toMatchObject({ checked: false })
  })

  test('a second instance hands its site file to the first, which comes forward, and ends', async () => {
    const first = await start().ready()
    await first.command({ name: 'minimize' })
    const siteFile = join(home, 'office.site')
    await writeFile(siteFile, '')
    expect(await start({ args: [siteFile] }).exited).toBe(0)
    const { windows } = await first.when(
      () => first.state(),
      (state) => (state.windows[0]?.focused ?? 0) > 0,
    )
    expect(windows).toMatchObject([{ minimized: false }])
    expect(await first.evaluate(call('site.recent', {}))).toMatchObject({ ok: true, value: [{ handle: siteFile }] })
  })

  test('the file dialog belongs to the main process: the page learns whether, not where', async () => {
    const app = await sharedApp()
    const opening = app.evaluate(call('site.openDialog', {}))
    await app.when(
      () => app.state(),
      ({ dialogs }) => dialogs.length === 1,
    )
    await app.command({ name: 'answerDialog', value: '/sites/office.site' })
    expect(await opening).toEqual({ ok: true, value: { opened: true } })
    const cancelled = app.evaluate(call('site.openDialog', {}))
    await app.when(
      () => app.state(),
      ({ dialogs }) => dialogs.length === 1,
    )
    await app.command({ name: 'answerDialog', value: null })
    expect(await cancelled).toEqual({ ok: true, value: { opened: false } })
  })

  test('an export is shown in the file manager', async () => {
    const app = await sharedApp()
    expect(await app.evaluate(call('handover.reveal', { handle: 'report.pdf' }))).toEqual({ ok: true, value: { url: null } })
    expect((await app.state()).shown).toEqual(['reveal /exports/report.pdf'])
  })

  test('a report is printed in a hidden window that is gone afterwards', async () => {
    const app = await sharedApp()
    expect(await app.evaluate(call('handover.report', {}))).toEqual({ ok: true, value: { html: '%PDF-' } })
    expect((await app.state()).windows).toHaveLength(1)
  })

  test('the menu speaks the language of the preferences, and its entries act', async () => {
    const app = await start({ environment: { DOUBLE_LOCALE: 'de-AT' } }).ready()
    expect((await app.state()).menu.map(({ label }) => label)).toContain('Datei')
    await app.evaluate(call('preferences.set', { locale: 'en' }))
    const { menu } = await app.when(
      () => app.state(),
      (state) => state.menu.some(({ label }) => label === 'File'),
    )
    expect(menu.flatMap(({ submenu }) => submenu ?? []).find(({ id }) => id === 'close-site')).toMatchObject({ enabled: false })
    await app.command({ name: 'clickMenu', id: 'open-site' })
    await app.when(
      () => app.state(),
      ({ dialogs }) => dialogs.length === 1,
    )
    await app.command({ name: 'answerDialog', value: null })
    await app.command({ name: 'clickMenu', id: 'quit' })
    expect(await app.exited).toBe(0)
  })

  test.each(['closeWindow', 'quit'] as const)('%s waits for the core, then ends with the window state kept', async (name) => {
    const app = await start({ environment: { DOUBLE_CLOSE_MS: '300' } }).ready()
    await app.command({ name }).catch(() => undefined)
    expect(await app.exited).toBe(0)
    expect(app.output).toContain('core closed')
    expect(JSON.parse(await readFile(join(home, 'settings/window.json'), 'utf8'))).toMatchObject({
      bounds: { width: 1360 },
      maximized: false,
    })
    await writeFile(join(home, 'settings/window.json'), '{"bounds":{"x":77,"y":5,"width":1111,"height":700},"maximized":false}')
    const again = await start().ready()
    expect((await again.state()).windows[0]?.options).toMatchObject({ x: 77, width: 1111 })
  })

  test('an end that takes long says so, and the message goes away by itself', async () => {
    const app = await start({ environment: { DOUBLE_CLOSE_MS: '3000' } }).ready()
    await app.command({ name: 'quit' })
    const { dialogs, windows } = await app.when(
      () => app.state(),
      (state) => state.dialogs.length > 0,
    )
    expect(dialogs).toEqual([{ text: 'Groupwright is finishing the step under way', buttons: ['Keep waiting', 'Quit now'] }])
    expect(windows).toHaveLength(1)
    expect(await app.exited).toBe(0)
    expect(app.output).toContain('core closed')
  })

  test('whoever cannot wait quits at once', async () => {
    const app = await start({ environment: { DOUBLE_CLOSE_MS: '600000' } }).ready()
    await app.command({ name: 'quit' })
    await app.when(
      () => app.state(),
      (state) => state.dialogs.length > 0,
    )
    await app.command({ name: 'answerDialog', value: 1 }).catch(() => undefined)
    expect(await app.exited).toBe(0)
    expect(app.output).not.toContain('core closed')
  })

  test('a crashed window is told and loaded again, with the core untouched', async () => {
    const app = await start().ready()
    await app.evaluate(call('rooms.create', { parentId: null, kind: 'room', name: 'kept' }))
    await app.command({ name: 'crash' })
    const { dialogs } = await app.when(
      () => app.state(),
      (state) => state.dialogs.length > 0,
    )
    expect(dialogs).toEqual([{ text: 'The window stopped working', buttons: ['Load again', 'Quit Groupwright'] }])
    await app.command({ name: 'answerDialog', value: 0 })
    await app.when(
      () => app.evaluate('window.atStart'),
      (type) => type === 'object',
    )
    expect(await app.evaluate(`new Promise((resolve) => window.groupwright.subscribe('rooms', resolve))`)).toMatchObject({
      rows: [{ id: 'kept' }],
    })
  })
})
