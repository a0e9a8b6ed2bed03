// Electron's binary: the package brings it on first use by its own `install.js`. Here that is given a bounded patience.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The path of the binary, or undefined while it is not here. */
export function findElectronBinary(packageDirectory: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const name = readText(join(packageDirectory, 'path.txt'))
  const elsewhere = environment.ELECTRON_OVERRIDE_DIST_PATH
  const path = elsewhere === undefined ? join(packageDirectory, 'dist', name ?? '') : join(elsewhere, name ?? 'electron')
  return (elsewhere !== undefined || name !== undefined) && existsSync(path) ? path : undefined
}

export interface FetchOptions {
  /** Without a further byte for so long the attempt ends. */
  readonly patienceMs?: number
  readonly environment?: NodeJS.ProcessEnv
  readonly onProgress?: (bytes: number) => void
}

/** Runs the package's own download. False when it failed, or when nothing came for too long. */
export function fetchElectronBinary(packageDirectory: string, options: FetchOptions = {}): Promise<boolean> {
  const { patienceMs = 20_000, environment = process.env, onProgress } = options
  // The download grows in the temporary folder, whose size is the only progress there is to see from outside.
  const scratch = mkdtempSync(join(tmpdir(), 'groupwright-electron-'))
  const child = spawn(process.execPath, [join(packageDirectory, 'install.js')], {
    env: { ...environment, TMPDIR: scratch, TEMP: scratch, TMP: scratch },
    stdio: 'ignore',
  })
  let bytes = 0
  let changedAt = Date.now()
  const watch = setInterval(() => {
    const now = sizeOf(scratch)
    if (now !== bytes) {
      bytes = now
      changedAt = Date.now()
      onProgress?.(bytes)
    } else if (Date.now() - changedAt > patienceMs && bytes === 0) child.kill()
    // Unpacking moves nothing here any more: it gets more time than a silent network.
    else if (Date.now() - changedAt > patienceMs * 6) child.kill()
  }, 250)
  return new Promise((resolve) => {
    const end = (succeeded: boolean): void => {
      clearInterval(watch)
      rmSync(scratch, { recursive: true, force: true })
      resolve(succeeded)
    }
    child.once('error', () => end(false))
    child.once('exit', (code) => end(code === 0))
  })
}

function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 0
  if (!found.isDirectory()) return found.size
  try {
    return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
  } catch {
    // Gone while we looked.
    return 0
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
