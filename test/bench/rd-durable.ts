// Durable registrations over UDP at a real store, beside a bare dgram echo of the same run: one load generator for both.
import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { decodeMessage, encodeMessage, OptionNumber, stringOption, uintOption } from '#main/wire/coap/index.ts'
import { utf8 } from '#main/base/index.ts'
import { startServer } from './coap-load.ts'
import { median } from './measure.ts'
import type { BenchResult } from './types.ts'

const REGISTRATIONS = 6000
const ROUNDS = 3
/** Many more would overflow the receive buffer that a socket has by default. */
const OUTSTANDING = [16, 128]
const LINKS = Array.from({ length: 8 }, (_, index) => `</lamp/${index}>;rt="x.lamp";if="x.actuator"`).join(',')

export async function benchDurableDirectory(): Promise<readonly BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'rd-bench-'))
  const directory = await startDirectory(join(folder, 'rd.sqlite'))
  const echo = await startServer('echo')
  try {
    const results: BenchResult[] = []
    for (const outstanding of OUTSTANDING) results.push(...(await contest(directory.port, echo.port, outstanding)))
    return results
  } finally {
    echo.stop()
    directory.child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

async function contest(directoryPort: number, echoPort: number, outstanding: number): Promise<readonly BenchResult[]> {
  const rounds: Load[] = []
  const echoes: Load[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const datagrams = registrations(`${outstanding}-${round}`)
    echoes.push(await load(echoPort, datagrams, outstanding, () => true))
    rounds.push(await load(directoryPort, datagrams, outstanding, (answer) => decodeMessage(answer).code === '2.01'))
  }
  const about = `durable registrations of 8 links, ${outstanding} outstanding (baseline: bare dgram echo)`
  return [
    resultOf(about, '/s', median(rounds.map((one) => one.perSecond)), median(echoes.map((one) => one.perSecond))),
    resultOf(`p99 latency of ${about}`, 'ms', median(rounds.map((one) => one.p99Ms)), median(echoes.map((one) => one.p99Ms))),
  ]
}

function resultOf(name: string, unit: string, value: number, baseline: number): BenchResult {
  return { area: 'rd', name, value, unit, baseline, ratio: value / baseline }
}

async function startDirectory(file: string): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const script = fileURLToPath(new URL('../interop/rd-server.ts', import.meta.url))
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve) => createInterface(child.stdout).once('line', (line) => resolve(Number(line))))
  return { port, child }
}

/** Confirmable registrations of different endpoints, each with a Message ID and a token of its own. */
function registrations(round: string): readonly Uint8Array[] {
  return Array.from({ length: REGISTRATIONS }, (_, index) =>
    encodeMessage({
      type: 'CON',
      code: '0.02',
      messageId: index,
      token: new Uint8Array([0, 0, index >> 8, index & 0xff]),
      options: [
        stringOption(OptionNumber.URI_PATH, 'rd'),
        uintOption(OptionNumber.CONTENT_FORMAT, 40),
        stringOption(OptionNumber.URI_QUERY, `ep=lamp-${round}-${index}`),
        stringOption(OptionNumber.URI_QUERY, `base=coap://lamp-${round}-${index}.example`),
      ],
      payload: utf8(LINKS),
    }),
  )
}

const MOST_STALLS = 10

interface Load {
  readonly perSecond: number
  readonly p99Ms: number
}

/** Sends the datagrams from a socket of their own, so many outstanding at a time; each answer must be a good one. */
function load(port: number, datagrams: readonly Uint8Array[], outstanding: number, isGood: (answer: Uint8Array) => boolean): Promise<Load> {
  const socket = createSocket({ type: 'udp6', recvBufferSize: 1 << 22 })
  const sentMs: number[] = []
  const answered = new Set<number>()
  const latencies: number[] = []
  let watchdog: NodeJS.Timeout | undefined
  let waiting = true
  const run = new Promise<Load>((resolve, reject) => {
    // Never asleep, so that the one who serves slowly does not pay for waking the load up.
    const spin = (): void => {
      if (waiting) setImmediate(spin)
    }
    const sendNext = (): void => {
      const datagram = datagrams[sentMs.length]
      if (datagram === undefined) return
      sentMs.push(performance.now())
      socket.send(datagram, port, '::1')
    }
    let seenAtLastLook = -1
    let stalls = 0
    watchdog = setInterval(() => {
      if (latencies.length === seenAtLastLook) {
        if (++stalls > MOST_STALLS) reject(new Error(`No answer after ${latencies.length} of ${datagrams.length}`))
        // A socket's buffer was full: what was dropped is sent again, as clients do.
        for (const [index, datagram] of datagrams.slice(0, sentMs.length).entries())
          if (!answered.has(index)) socket.send(datagram, port, '::1')
      }
      seenAtLastLook = latencies.length
    }, 1000)
    const startedMs = performance.now()
    socket.on('message', (answer) => {
      if (!isGood(answer)) reject(new Error('A registration was refused'))
      const index = ((answer[2] ?? 0) << 8) | (answer[3] ?? 0)
      if (answered.has(index)) return
      answered.add(index)
      latencies.push(performance.now() - (sentMs[index] ?? Number.NaN))
      if (latencies.length < datagrams.length) {
        sendNext()
        return
      }
      const perSecond = (datagrams.length * 1000) / (performance.now() - startedMs)
      resolve({ perSecond, p99Ms: latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? Number.NaN })
    })
    spin()
    for (let index = 0; index < outstanding; index++) sendNext()
  })
  return run.finally(() => {
    waiting = false
    clearInterval(watchdog)
    socket.close()
  })
}
