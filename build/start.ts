// `npm start`: the window, in Electron where its binary can be had, else in a browser on the same core.
// `npm start -- --host browser [--port N] [SITE.site]`
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fetchElectronBinary, findElectronBinary } from './electron-binary.ts'
import { ensureBuilt } from './ensure-built.ts'

const HELP = `npm start -- [--host electron|browser] [--port N] [SITE.site]
  --host  electron (the default, where it can be had) or browser
  --port  port of the browser host on 127.0.0.1; a free one by default
GROUPWRIGHT_NO_OPEN=1 prints the browser host's address without opening a browser.`

const root = join(import.meta.dirname, '..')
const electronPackage = join(root, 'node_modules/electron')
const say = (line: string): void => void process.stderr.write(`${line}\n`)

interface Wanted {
  readonly host: 'electron' | 'browser'
  readonly port: number
  readonly site: string | undefined
}

function wanted(): Wanted | undefined {
  try {
    const { values, positionals } = parseArgs({
      options: { host: { type: 'string', default: 'electron' }, port: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
    const port = Number(values.port ?? 0)
    const host = values.host
    if (values.help === true || (host !== 'electron' && host !== 'browser') || !Number.isInteger(port) || port < 0 || port > 65_535)
      return undefined
    return { host, port, site: positionals[0] }
  } catch {
    return undefined
  }
}

/** The binary, or why it is not to be had. */
async function electronBinary(): Promise<{ readonly path: string } | { readonly reason: string }> {
  if (process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY)
    return { reason: 'there is no display for a window' }
  const found = findElectronBinary(electronPackage)
  if (found !== undefined) return { path: found }
  say('Fetching Electron, once …')
  const showProgress = (bytes: number): void => void process.stderr.write(`\r${(bytes / 1e6).toFixed(0)} MB `)
  const succeeded = await fetchElectronBinary(electronPackage, process.stderr.isTTY ? { onProgress: showProgress } : {})
  if (process.stderr.isTTY) process.stderr.write('\r')
  const fetched = succeeded ? findElectronBinary(electronPackage) : undefined
  return fetched === undefined ? { reason: 'its binary could not be fetched' } : { path: fetched }
}

/** Runs until the window is closed; undefined when Electron cannot run here, as told by an early end. */
function runElectron(path: string, args: readonly string[]): Promise<number | undefined> {
  const startedAt = Date.now()
  const child = spawn(path, [root, ...args], { stdio: 'inherit' })
  // Ctrl-C reaches Electron by itself; it ends when its work is at a safe point, and we with it.
  const wait = (): void => undefined
  process.on('SIGINT', wait)
  process.once('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve) => {
    const end = (code: number | undefined): void => {
      process.off('SIGINT', wait)
      resolve(code)
    }
    child.once('error', () => end(undefined))
    child.once('exit', (code) => end(code !== 0 && Date.now() - startedAt < 5000 ? undefined : (code ?? 0)))
  })
}

async function main(): Promise<number> {
  const options = wanted()
  if (options === undefined) {
    say(HELP)
    return 2
  }
  if (!ensureBuilt(root, say)) return 1
  if (options.host === 'electron') {
    const binary = await electronBinary()
    const code = 'path' in binary ? await runElectron(binary.path, options.site === undefined ? [] : [options.site]) : undefined
    if (code !== undefined) return code
    say(
      `No Electron window: ${'reason' in binary ? binary.reason : 'it does not run on this system'}. Groupwright opens in the browser instead.`,
    )
  }
  // Loaded only now: the core is not needed beside Electron, which brings its own.
  const { runBrowserHost } = await import('../src-main/hosts/browser/run.ts')
  return runBrowserHost({ root, port: options.port, site: options.site })
}

process.exitCode = await main()
