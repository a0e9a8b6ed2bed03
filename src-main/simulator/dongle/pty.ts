// A simulated dongle behind a pseudo terminal, made by socat: any program that opens serial ports can use it.
import { spawn } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { AppError, type Clock } from '#main/base/index.ts'
import type { Plug } from './plug.ts'

export interface PtyDongle {
  /** What a host opens, e.g. `/dev/pts/7`. */
  readonly path: string
  close(): Promise<void>
}

const PTY = 'pty,raw,echo=0'
const PATH_LINES = /PTY is (\S+)/g
const MOST_TEXT = 4096
const START_MS = 5000

/** Fails with `link.open-failed` where socat is missing or makes no terminals. */
export async function openPty(plug: Plug, clock: Clock): Promise<PtyDongle> {
  const child = spawn('socat', ['-d', '-d', PTY, PTY], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  const paths = await new Promise<readonly string[]>((resolve) => {
    let text = ''
    const timer = clock.setTimer(START_MS, () => resolve([]))
    const end = (found: readonly string[]): void => {
      timer.cancel()
      resolve(found)
    }
    child.once('error', () => end([]))
    // Read to its end: socat goes on telling, and a closed pipe would end it.
    child.stderr.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('latin1')).slice(-MOST_TEXT)
      const found = [...text.matchAll(PATH_LINES)].flatMap((match) => match[1] ?? [])
      if (found.length >= 2) end(found)
    })
  })
  const [inner, path] = paths
  if (inner === undefined || path === undefined) {
    child.kill()
    throw new AppError('link.open-failed', 'A pseudo terminal needs the program socat, which is not there or does not run', {
      details: { reason: 'socat' },
    })
  }
  const output = createWriteStream(inner)
  const input = createReadStream(inner)
  const user = { bytes: (bytes: Uint8Array) => void output.write(bytes), gone: () => void child.kill() }
  plug.open(user)
  input.on('data', (chunk) => plug.write(typeof chunk === 'string' ? Buffer.from(chunk) : Uint8Array.from(chunk)))
  // Both ends close with the child.
  input.on('error', () => undefined)
  output.on('error', () => undefined)
  return {
    path,
    async close() {
      plug.close(user)
      child.kill()
      await exited
      input.destroy()
      output.destroy()
    },
  }
}
