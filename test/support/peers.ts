// Programs that nobody here wrote, for interop tests: found on the path, else the tests skip with one line, but fail under CI.
import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { describe, it } from 'vitest'

/** libcoap's programs, in whichever build Debian's libcoap3-bin or others install them. */
export const COAP_CLIENT = ['coap-client', 'coap-client-notls', 'coap-client-openssl', 'coap-client-gnutls']
export const COAP_SERVER = ['coap-server', 'coap-server-notls', 'coap-server-openssl', 'coap-server-gnutls']

/** The path of the first of these programs that is installed; an absolute path is looked for where it says. */
export function findPeer(names: readonly string[]): string | undefined {
  for (const name of names) {
    if (name === '') continue
    for (const directory of isAbsolute(name) ? [''] : (process.env.PATH ?? '').split(delimiter)) {
      const path = join(directory, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {
        // Not here: the next directory.
      }
    }
  }
  return undefined
}

/** A block of tests that need the program; its path goes to them. */
export function describeWithPeer(title: string, names: readonly string[], tests: (program: string) => void): void {
  const program = findPeer(names)
  if (program !== undefined) {
    describe(title, () => tests(program))
    return
  }
  const missing = `${title}: none of ${names.join(', ')} is installed`
  if (process.env.CI !== undefined && process.env.CI !== '') {
    it(title, () => {
      throw new Error(missing)
    })
    return
  }
  console.log(`skipped: ${missing}`)
  describe.skip(title, () => tests(''))
}

export interface Output {
  readonly exitCode: number | null
  readonly stdout: Uint8Array
  readonly stderr: string
}

/** Runs a program to its end, at most so long. */
export function run(program: string, args: readonly string[], timeoutMs = 20_000): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const stdout: Uint8Array[] = []
    let stderr = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.stdout.on('data', (chunk: Uint8Array) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Uint8Array) => {
      stderr += new TextDecoder().decode(chunk)
    })
    child.on('error', reject)
    child.on('close', (exitCode) => {
      clearTimeout(timer)
      resolve({ exitCode, stdout: new Uint8Array(Buffer.concat(stdout)), stderr })
    })
  })
}

/** A server that runs until `stop`. */
export interface RunningPeer {
  readonly child: ChildProcess
  stop(): Promise<void>
}

export function start(program: string, args: readonly string[]): RunningPeer {
  return stoppable(spawn(program, args, { stdio: 'ignore' }))
}

/** Starts a server that writes "ready" as soon as it can be asked; what it says otherwise becomes the failure's text. */
export function startReady(program: string, args: readonly string[], timeoutMs = 30_000): Promise<RunningPeer> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  return new Promise((resolve, reject) => {
    let said = ''
    const fail = (why: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`${program} ${why}: ${said}`))
    }
    const timer = setTimeout(() => fail('did not become ready'), timeoutMs)
    const hear = (chunk: Uint8Array): void => {
      if (said.length < 10_000) said += new TextDecoder().decode(chunk)
      if (!/^ready$/m.test(said)) return
      clearTimeout(timer)
      resolve(stoppable(child))
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('error', (error) => fail(error.message))
    child.once('exit', () => fail('ended'))
  })
}

function stoppable(child: ChildProcess): RunningPeer {
  return {
    child,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) {
          resolve()
          return
        }
        child.once('exit', () => resolve())
        child.kill('SIGTERM')
      }),
  }
}
