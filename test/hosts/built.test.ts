// The program as it is shipped: the real bundles of out/ on the double of `electron`, and `npm start` where Electron cannot be had.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { ensureBuilt } from '../../build/ensure-built.ts'
import { findChromium } from '../../build/find-chromium.ts'
import { AppUnderTest } from '../support/electron-double/app-under-test.ts'

const root = join(import.meta.dirname, '../..')
const withChromium = test.skipIf((await findChromium()) === undefined && process.env.CI === undefined)
const running: Array<{ end(): Promise<void> }> = []
let home = ''

// Each start is a process of its own, and may have to build first.
vi.setConfig({ testTimeout: 120_000 })

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'groupwright-built-'))
  expect(ensureBuilt(root, () => undefined)).toBe(true)
}, 180_000)
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.end()))
})
afterAll(() => rm(home, { recursive: true, force: true }))

withChromium('the real window on the real core: it shows itself, creates the demo site, and ends in order', async () => {
  const app = new AppUnderTest({ mainBundle: join(root, 'out/main/index.js'), home: join(home, 'electron') })
  running.push(app)
  await app.ready()
  await app.when(
    () => app.evaluate(`document.querySelector('#app')?.children.length ?? 0`),
    (children) => Number(children) > 0,
  )
  const create = `window.groupwright.call('site.create', {
      kind: 'demo',
      details: { name: 'Office', organisation: '', address: '', operator: '' },
      demo: { devices: 8, lossPercent: 0, seed: 1 },
    })`
  expect(await app.evaluate(create)).toMatchObject({ ok: true })
  const session = `new Promise((resolve) => window.groupwright.subscribe('session', ({ rows }) => rows && resolve(rows[0])))`
  expect(await app.evaluate(session)).toMatchObject({ host: 'electron', site: { kind: 'demo', details: { name: 'Office' } } })
  await app.command({ name: 'quit' }).catch(() => undefined)
  expect(await app.exited).toBe(0)
})

interface Started {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  stdout: string
  stderr: string
  end(): Promise<void>
}

function npmStart(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [join(root, 'build/start.ts'), ...args], {
    env: { ...process.env, GROUPWRIGHT_HOME: join(home, 'browser'), GROUPWRIGHT_NO_OPEN: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const started: Started = {
    child,
    exited,
    stdout: '',
    stderr: '',
    async end() {
      if (child.exitCode === null) child.kill('SIGKILL')
      await exited
    },
  }
  child.stdout.on('data', (data: Buffer) => (started.stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (started.stderr += data.toString()))
  running.push(started)
  return started
}

/** What was said about Electron; a build may have been told before. */
function told({ stderr }: Started): readonly string[] {
  return stderr.split('\n').filter((line) => line.includes('Electron'))
}

async function printedAddress(started: Started): Promise<string> {
  for (;;) {
    const [address] = /http:\/\/127\.0\.0\.1:\d+\/enter\?token=[\w-]+/.exec(started.stdout) ?? []
    if (address !== undefined) return address
    if (started.child.exitCode !== null) throw new Error(`it ended: ${started.stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('npm start -- --host browser prints an address that opens the window, and Ctrl-C ends it', async () => {
  const started = npmStart(['--host', 'browser'])
  const entered = await fetch(await printedAddress(started), { redirect: 'manual' })
  expect(entered.status).toBe(303)
  const cookie = entered.headers.get('set-cookie')?.split(';')[0] ?? ''
  const page = await fetch(new URL('/', entered.url), { headers: { cookie } })
  expect(await page.text()).toMatch(/<head[^>]*><script type="module" src="\/bridge\.js"><\/script>/)
  started.child.kill('SIGINT')
  expect(await started.exited).toBe(0)
  expect(told(started)).toEqual([])
})

test('where the binary cannot be fetched it says so in one line, at once, and serves the browser', async () => {
  const started = npmStart([], {
    DISPLAY: ':99',
    ELECTRON_OVERRIDE_DIST_PATH: join(home, 'nowhere'),
    ELECTRON_MIRROR: 'http://127.0.0.1:9/',
    electron_config_cache: join(home, 'cache'),
  })
  await printedAddress(started)
  expect(told(started)).toEqual([
    'Fetching Electron, once …',
    'No Electron window: its binary could not be fetched. Groupwright opens in the browser instead.',
  ])
  started.child.kill('SIGTERM')
  expect(await started.exited).toBe(0)
})

test('arguments that make no sense are answered with the ones that do', async () => {
  for (const args of [['--host', 'teletype'], ['--port', '70000'], ['--port', 'x'], ['--nothing']]) {
    const started = npmStart(args)
    expect(await started.exited).toBe(2)
    expect(started.stderr).toContain('--host')
  }
})
