// GET rate and cost of our server against a bare dgram echo: the same load, in the same run, each server in a process of its own.
import { fork, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { fileURLToPath } from 'node:url'
import { utf8 } from '#main/base/index.ts'
import { encodeMessage, OptionNumber, stringOption } from '#main/wire/coap/index.ts'
import type { BenchResult } from './types.ts'

const REQUESTS = 60_000
const WARM_UP = 20_000
const WINDOW = 16
const ROUNDS = 3

interface Round {
  readonly perSecond: number
  readonly cpuUsPerRequest: number
}

export async function benchCoap(): Promise<BenchResult[]> {
  const rounds: { echo: Round[]; coap: Round[] } = { echo: [], coap: [] }
  // In turns, so that whatever else the machine does hits both alike.
  for (let round = 0; round < ROUNDS; round++) {
    rounds.echo.push(await measure('echo'))
    rounds.coap.push(await measure('coap'))
  }
  const of = (kind: 'echo' | 'coap', pick: (round: Round) => number): number => median(rounds[kind].map(pick))
  return [
    result(
      'GET rate, 16 outstanding',
      'req/s',
      of('coap', (r) => r.perSecond),
      of('echo', (r) => r.perSecond),
    ),
    result(
      'GET, server CPU',
      'us/req',
      of('coap', (r) => r.cpuUsPerRequest),
      of('echo', (r) => r.cpuUsPerRequest),
    ),
  ]
}

function result(name: string, unit: string, value: number, baseline: number): BenchResult {
  return { area: 'coap', name, value, unit, baseline, ratio: value / baseline }
}

async function measure(kind: 'echo' | 'coap'): Promise<Round> {
  const child = fork(fileURLToPath(new URL('./coap-child.ts', import.meta.url)), [kind], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  try {
    const port = numberOf(await reply(child, 'ready'), 'port')
    await load(port, WARM_UP, 0)
    child.send('start')
    await reply(child, 'started')
    const seconds = await load(port, REQUESTS, WARM_UP)
    child.send('usage')
    const cpuUs = numberOf(await reply(child, 'usage'), 'cpuUs')
    return { perSecond: REQUESTS / seconds, cpuUsPerRequest: cpuUs / REQUESTS }
  } finally {
    child.disconnect()
  }
}

function reply(child: ChildProcess, kind: string): Promise<object> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      if (typeof message !== 'object' || message === null || !('kind' in message) || message.kind !== kind) return
      child.off('message', onMessage)
      child.off('exit', onExit)
      resolve(message)
    }
    const onExit = (): void => reject(new Error(`The server ended before it said "${kind}"`))
    child.on('message', onMessage)
    child.once('exit', onExit)
  })
}

function numberOf(message: object, name: string): number {
  const value: unknown = Object.entries(message).find(([key]) => key === name)?.[1]
  if (typeof value !== 'number') throw new Error(`No number "${name}" in the server's message`)
  return value
}

/** Sends Confirmable GETs, `WINDOW` at a time, until so many are answered; the seconds that took. */
function load(port: number, count: number, firstMessageId: number): Promise<number> {
  const socket = createSocket({ type: 'udp6', recvBufferSize: 1 << 20 })
  const template = encodeMessage({
    type: 'CON',
    code: '0.01',
    messageId: 0,
    token: utf8('tokn'),
    options: [stringOption(OptionNumber.URI_PATH, 'sensors'), stringOption(OptionNumber.URI_PATH, 'temperature')],
    payload: new Uint8Array(0),
  })
  return new Promise((resolve, reject) => {
    let sent = 0
    let received = 0
    let stalledAt = -1
    const started = performance.now()
    const sendNext = (): void => {
      const datagram = template.slice()
      const messageId = (firstMessageId + sent) & 0xffff
      datagram[2] = messageId >> 8
      datagram[3] = messageId & 0xff
      sent++
      socket.send(datagram, port, '::1')
    }
    const watchdog = setInterval(() => {
      if (received === stalledAt) {
        clearInterval(watchdog)
        socket.close()
        reject(new Error(`No answer after ${received} of ${count}`))
      }
      stalledAt = received
    }, 2000)
    socket.on('message', () => {
      received++
      if (sent < count) sendNext()
      else if (received === count) {
        clearInterval(watchdog)
        socket.close()
        resolve((performance.now() - started) / 1000)
      }
    })
    for (let index = 0; index < WINDOW; index++) sendNext()
  })
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const line of await benchCoap())
    console.log(
      `${line.name}: ${line.value.toFixed(1)} ${line.unit}, baseline ${line.baseline?.toFixed(1) ?? '-'}, ratio ${line.ratio?.toFixed(2) ?? '-'}`,
    )
}
