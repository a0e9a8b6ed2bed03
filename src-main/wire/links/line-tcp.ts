// A dongle behind TCP: network adapters and ser2net, as tunslip6 -a and wpantund's "host:port" reach them.
import { connect, type Socket } from 'node:net'
import { AppError, concatBytes, type Clock } from '#main/base/index.ts'
import { QueuedLine } from './line-base.ts'
import type { SerialLine } from './types.ts'

export interface TcpTarget {
  readonly host: string
  readonly port: number
}

const CONNECT_TIMEOUT_MS = 5_000

/** `tcp://host:port`, with brackets around an IPv6 address; undefined where the text is none. */
export function parseTcpPath(path: string): TcpTarget | undefined {
  const match = /^tcp:\/\/(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([\w.-]+)):(\d{1,5})\/?$/i.exec(path)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

export function openTcpLine(path: string, clock: Clock, timeoutMs = CONNECT_TIMEOUT_MS): Promise<SerialLine> {
  const target = parseTcpPath(path)
  if (target === undefined) return Promise.reject(new AppError('link.not-a-port', `${path} is not tcp://host:port`, { details: { path } }))
  return new Promise((resolve, reject) => {
    const socket = connect(target)
    socket.setNoDelay(true)
    const fail = (text: string, cause?: unknown): void => {
      timer.cancel()
      socket.destroy()
      reject(new AppError('link.open-failed', `${path}: ${text}`, { retryable: true, details: { path }, cause }))
    }
    const timer = clock.setTimer(timeoutMs, () => fail('no connection in time'))
    const refused = (error: Error): void => fail(error.message, error)
    socket.once('error', refused)
    socket.once('connect', () => {
      timer.cancel()
      socket.off('error', refused)
      resolve(lineOf(path, socket))
    })
  })
}

function lineOf(path: string, socket: Socket): SerialLine {
  const line = new QueuedLine(path, {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => {
          if (error) reject(error)
          else resolve()
        })
      }),
    drain: () => Promise.resolve(),
    close: () =>
      new Promise((resolve) => {
        if (socket.destroyed) {
          resolve()
          return
        }
        socket.once('close', () => resolve())
        socket.destroySoon()
      }),
  })
  socket.on('data', (bytes: Uint8Array) => line.received(concatBytes(bytes)))
  socket.once('error', (error) => line.lost(error))
  socket.once('close', () => line.lost(new AppError('link.closed', `${path} ended`, { retryable: true, details: { path } })))
  return line
}
