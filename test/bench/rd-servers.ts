// Directories in processes of their own: ours, and those of others where they are installed.
import { fork, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeMessage, encodeMessage } from '#main/wire/coap/index.ts'
import { findPeer } from '../support/peers.ts'
import type { DirectoryPaths } from './rd-load.ts'

export interface DirectoryServer {
  readonly port: number
  readonly paths: DirectoryPaths
  /** Of the process. */
  residentBytes(): number
  stop(): Promise<void>
}

export interface OurServer extends DirectoryServer {
  /** How long it took to take up what its file held. */
  readonly tookMs: number
  readonly endpoints: number
  /** After a collection. */
  heapBytes(): Promise<number>
}

export async function startOurs(file: string): Promise<OurServer> {
  const child = fork(fileURLToPath(new URL('./rd-child.ts', import.meta.url)), [file], { execArgv: ['--expose-gc'] })
  const told = async (): Promise<ReadonlyMap<string, number>> => {
    const message = await new Promise<object>((resolve, reject) => {
      child.once('message', (value: unknown) => resolve(typeof value === 'object' && value !== null ? value : {}))
      child.once('exit', () => reject(new Error('The directory ended')))
    })
    return new Map(Object.entries(message).filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
  }
  const start = await told()
  return {
    port: start.get('port') ?? 0,
    tookMs: start.get('tookMs') ?? Number.NaN,
    endpoints: start.get('endpoints') ?? 0,
    paths: { register: ['rd'], lookup: ['rd-lookup', 'res'] },
    residentBytes: () => residentBytesOf(child),
    heapBytes: async () => {
      const answer = told()
      child.send('usage')
      return (await answer).get('heapBytes') ?? Number.NaN
    },
    stop: () => stop(child),
  }
}

export interface Peer {
  readonly name: string
  /** Largest directory that it fills in reasonable time. */
  readonly most: number
  readonly looksUp: boolean
  /** Undefined where it is not installed. */
  start(): Promise<DirectoryServer> | undefined
}

export const peers: readonly Peer[] = [
  {
    name: 'aiocoap-rd',
    most: 10_000,
    looksUp: true,
    start() {
      const python = findPeer([process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? ''])
      const program = python === undefined ? undefined : findPeer([join(dirname(python), 'aiocoap-rd')])
      return program === undefined
        ? undefined
        : startPeer(program, (port) => ['--bind', `[::1]:${port}`], {
            register: ['resourcedirectory', ''],
            lookup: ['resource-lookup', ''],
          })
    },
  },
  {
    name: 'Californium cf-rd',
    most: 10_000,
    looksUp: true,
    start() {
      const jar = process.env.GROUPWRIGHT_CF_RD_JAR ?? ''
      return jar === '' ? undefined : startCfRd(jar)
    },
  },
  {
    name: 'libcoap coap-rd, which has no lookups and keeps nothing',
    most: 10_000,
    looksUp: false,
    start() {
      const program = findPeer(['coap-rd', 'coap-rd-notls', 'coap-rd-openssl', 'coap-rd-gnutls'])
      return program === undefined
        ? undefined
        : startPeer(program, (port) => ['-A', '::1', '-p', String(port), '-v', '0'], { register: ['rd'], lookup: [] })
    },
  },
]

/** It reads its port from the folder that it runs in. */
async function startCfRd(jar: string): Promise<DirectoryServer> {
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-cf-rd-'))
  const argsOf = (port: number): readonly string[] => {
    writeFileSync(join(folder, 'Californium3.properties'), `COAP.COAP_PORT=${port}\n`)
    return ['-jar', jar]
  }
  const paths = { register: ['rd'], lookup: ['rd-lookup', 'res'] }
  const server = await startPeer('java', argsOf, paths, { cwd: folder, env: { ...process.env, COAP_NETWORK_INTERFACES: 'lo' } })
  return {
    ...server,
    stop: async () => {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function startPeer(
  program: string,
  argsOf: (port: number) => readonly string[],
  paths: DirectoryPaths,
  options: SpawnOptions = {},
): Promise<DirectoryServer> {
  const port = await freePort()
  const child = spawn(program, argsOf(port), { ...options, stdio: 'ignore' })
  await answers(port)
  return { port, paths, residentBytes: () => residentBytesOf(child), stop: () => stop(child) }
}

async function freePort(): Promise<number> {
  const probe = createSocket('udp6')
  probe.bind(0, '::1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

/** Pings until it is answered (RFC 7252 §4.3). */
async function answers(port: number): Promise<void> {
  const socket = createSocket('udp6')
  const ping = encodeMessage({ type: 'CON', code: '0.00', messageId: 1, token: new Uint8Array(0), options: [], payload: new Uint8Array(0) })
  // Before the peer listens the system refuses.
  socket.on('error', () => undefined)
  const again = setInterval(() => socket.send(ping, port, '::1'), 100)
  try {
    const answer = await new Promise<Uint8Array>((resolve, reject) => {
      socket.once('message', resolve)
      AbortSignal.timeout(20_000).addEventListener('abort', () => reject(new Error('The peer does not answer')))
    })
    if (decodeMessage(answer).type !== 'RST') throw new Error('The peer answers a ping with something else')
  } finally {
    clearInterval(again)
    socket.close()
  }
}

function residentBytesOf(child: ChildProcess): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid ?? 0}/status`, 'utf8'))?.[1]
  return Number(kilobytes ?? Number.NaN) * 1024
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
