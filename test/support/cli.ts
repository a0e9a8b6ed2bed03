// The command line as a process of its own, with settings and sites in a folder of the test's.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'

const main = join(import.meta.dirname, '../../src-main/hosts/cli/main.ts')

export interface CliResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
export async function cli(home: string, ...words: readonly string[]): Promise<CliResult> {
  const child = start(home, words)
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Uint8Array) => (stdout += new TextDecoder().decode(chunk)))
  child.stderr?.on('data', (chunk: Uint8Array) => (stderr += new TextDecoder().decode(chunk)))
  const [exitCode] = (await once(child, 'close')) as [number | null]
  return { exitCode, stdout, stderr }
}

export interface Serving {
  /** What the ready line says. */
  readonly ready: { readonly listening: ReadonlyArray<{ readonly address: string; readonly port: number; readonly channel: string }> }
  stop(): Promise<number | null>
}

/** Starts `serve` and waits for its ready line. */
export async function serve(home: string, ...words: readonly string[]): Promise<Serving> {
  const child = start(home, ['serve', ...words])
  const exited = once(child, 'exit') as Promise<[number | null]>
  if (child.stdout === null) throw new TypeError('no standard output')
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>,
    exited.then(() => ['null'] as const),
  ])
  return {
    ready: JSON.parse(line[0]) as Serving['ready'],
    async stop() {
      child.kill('SIGTERM')
      return (await exited)[0]
    },
  }
}

function start(home: string, words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [main, ...words], {
    cwd: home,
    env: { ...process.env, GROUPWRIGHT_HOME: join(home, '.groupwright') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
