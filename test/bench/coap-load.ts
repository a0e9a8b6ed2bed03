// Servers in processes of their own for the CoAP benchmarks, and the load on them: Confirmable GETs, so many outstanding at a time.
import { fork, type ChildProcess } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { fileURLToPath } from 'node:url'
import { decodeMessage, encodeMessage, OptionNumber, stringOption, uintOption } from '#main/wire/coap/index.ts'

export type ServerKind = 'echo' | 'coap' | 'coap-forgetful' | 'node-coap'

export const WINDOW = 16
/** A Message ID must not come twice from one socket, or the answer would come from memory. */
const MAX_PER_SOCKET = 60_000

export interface Round {
  readonly perSecond: number
  readonly cpuUsPerRequest: number
}

export interface BenchServer {
  readonly port: number
  /** The rate and the server's CPU time of so many GETs, each with a Message ID that it has not seen. */
  measure(requests: number): Promise<Round>
  residentBytes(): Promise<number>
  stop(): void
}

export async function startServer(kind: ServerKind): Promise<BenchServer> {
  const child = fork(fileURLToPath(new URL('./coap-child.ts', import.meta.url)), [kind], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const port = numberOf(await reply(child, 'ready'), 'port')
  const usage = async (): Promise<object> => {
    child.send('usage')
    return reply(child, 'usage')
  }
  return {
    port,
    measure: async (requests) => {
      child.send('start')
      await reply(child, 'started')
      let seconds = 0
      for (let left = requests; left > 0; left -= MAX_PER_SOCKET) seconds += await load(port, Math.min(left, MAX_PER_SOCKET))
      return { perSecond: requests / seconds, cpuUsPerRequest: numberOf(await usage(), 'cpuUs') / requests }
    },
    residentBytes: async () => numberOf(await usage(), 'rssBytes'),
    stop: () => child.disconnect(),
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

function getTemplate(): Uint8Array {
  return encodeMessage({
    type: 'CON',
    code: '0.01',
    messageId: 0,
    token: new Uint8Array(4),
    options: ['sensors', 'temperature'].map((segment) => stringOption(OptionNumber.URI_PATH, segment)),
    payload: new Uint8Array(0),
  })
}

/** Sends the GETs from a socket of its own; the seconds until all are answered. */
async function load(port: number, count: number): Promise<number> {
  const socket = createSocket({ type: 'udp6', recvBufferSize: 1 << 20 })
  try {
    const started = performance.now()
    await exchange(socket, port, getTemplate(), count)
    return (performance.now() - started) / 1000
  } finally {
    socket.close()
  }
}

/** Registers so many observations, of a resource that does not change; the sockets stay open until `close`. */
export async function observe(port: number, count: number): Promise<{ readonly close: () => void }> {
  const template = encodeMessage({
    type: 'CON',
    code: '0.01',
    messageId: 0,
    token: new Uint8Array(4),
    options: [uintOption(OptionNumber.OBSERVE, 0), stringOption(OptionNumber.URI_PATH, 'observed')],
    payload: new Uint8Array(0),
  })
  const sockets: Socket[] = []
  for (let left = count; left > 0; left -= 500) {
    const socket = createSocket('udp6')
    sockets.push(socket)
    const answers = await exchange(socket, port, template, Math.min(left, 500))
    const registered = decodeMessage(answers).options.some((option) => option.number === OptionNumber.OBSERVE)
    if (!registered) throw new Error('The server took no more observations')
  }
  return { close: () => sockets.forEach((socket) => socket.close()) }
}

/** The datagram so many times, with Message IDs and tokens that count up; the last answer. */
function exchange(socket: Socket, port: number, template: Uint8Array, count: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let sent = 0
    let received = 0
    let stalledAt = -1
    let waiting = true
    // Never asleep: else a server that is slower than its load pays for waking the load up with each answer, and a faster one does not.
    const spin = (): void => {
      if (waiting) setImmediate(spin)
    }
    spin()
    const sendNext = (): void => {
      const datagram = template.slice()
      datagram[2] = datagram[6] = sent >> 8
      datagram[3] = datagram[7] = sent & 0xff
      sent++
      socket.send(datagram, port, '::1')
    }
    const watchdog = setInterval(() => {
      if (received === stalledAt) {
        clearInterval(watchdog)
        waiting = false
        reject(new Error(`No answer after ${received} of ${count}`))
      }
      stalledAt = received
    }, 2000)
    socket.on('message', (payload) => {
      received++
      if (sent < count) sendNext()
      else if (received === count) {
        clearInterval(watchdog)
        waiting = false
        resolve(payload)
      }
    })
    for (let index = 0; index < Math.min(WINDOW, count); index++) sendNext()
  })
}
