// The browser host as a program of its own: core, host, an address on the terminal, and an end by Ctrl-C at a safe point.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AppError, createLogger, systemClock, systemRandom, toAppError } from '#main/base/index.ts'
import { hostFolders, keyringOptions } from '#main/hosts/index.ts'
import { createProgram } from '#main/ipc/index.ts'
import type { Program } from '#main/ipc/index.ts'
import { browserServices } from './services.ts'
import { startBrowserHost } from './start.ts'
import type { BrowserHost } from './start.ts'

export interface RunOptions {
  /** The checkout, with `out/renderer` built. */
  readonly root: string
  readonly port: number
  /** A site file to open at once. */
  readonly site?: string | undefined
}

/** Runs until it is interrupted; gives the exit code. */
export async function runBrowserHost({ root, port, site }: RunOptions): Promise<number> {
  const logger = createLogger({ level: 'warn' })
  const base = { clock: systemClock, random: systemRandom, logger }
  const program = createProgram({
    ...base,
    ...hostFolders(join(root, 'build')),
    ...keyringOptions(),
    host: 'browser',
    version: versionOf(root),
    services: browserServices(),
  })
  try {
    if (site !== undefined) await program.openSiteFile(resolve(site))
    const host = await startBrowserHost({ ...base, core: program, rendererDirectory: join(root, 'out/renderer'), port })
    // Listened for before the address is known to anybody: whoever reads it may end us at once.
    const ending = interrupted(host, program)
    process.stdout.write(`Groupwright is at ${host.url}\nThe address works once; Enter prints another. Ctrl-C ends.\n`)
    openBrowser(host)
    await ending
    await host.close()
    return 0
  } catch (thrown) {
    const { code, message } = toAppError(thrown)
    process.stderr.write(`${message} (${code})\n`)
    return 1
  } finally {
    await program.close()
  }
}

function versionOf(root: string): string {
  const parsed: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  if (typeof parsed === 'object' && parsed !== null && 'version' in parsed && typeof parsed.version === 'string') return parsed.version
  throw new AppError('internal', 'package.json has no version')
}

/** Resolves on the first Ctrl-C or SIGTERM; a second one ends the process on the spot. */
function interrupted(host: BrowserHost, program: Program): Promise<void> {
  const { stdin } = process
  const printAnother = (): void => void process.stdout.write(`${host.newUrl()}\n`)
  // Without a terminal nobody presses Enter, and an ended standard input means nothing.
  if (stdin.isTTY) stdin.on('data', printAnother)
  return new Promise((resolve) => {
    const end = (): void => {
      stdin.off('data', printAnother)
      stdin.pause()
      if (program.busy()) process.stdout.write('Finishing the step under way … (Ctrl-C again ends at once)\n')
      process.once('SIGINT', () => process.exit(130))
      resolve()
    }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
}

/** Opens the system's browser where there is a screen; the printed address serves everybody else. */
function openBrowser(host: BrowserHost): void {
  const { env, platform } = process
  const isHeadless = platform === 'linux' && (env.DISPLAY ?? '') === '' && (env.WAYLAND_DISPLAY ?? '') === ''
  if (isHeadless || (env.GROUPWRIGHT_NO_OPEN ?? '') !== '') return
  const [command, ...args] =
    platform === 'darwin' ? ['open'] : platform === 'win32' ? ['rundll32', 'url.dll,FileProtocolHandler'] : ['xdg-open']
  // An address of its own: the printed one stays good for another browser.
  const child = spawn(command, [...args, host.newUrl()], { stdio: 'ignore', detached: true })
  child.on('error', () => undefined)
  child.unref()
}
