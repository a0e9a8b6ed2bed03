// Reads from an open port of Linux or macOS past serialport's own loop: a terminal that was hung up reads as nothing, at once and for
// ever, which that loop takes for "try again" and spins on. Here it is the end of the line.
import { read } from 'node:fs'
import { promisify } from 'node:util'

/** The parts of serialport's Unix bindings that reading needs; a binding without them is read through its own `read`. */
export interface UnixPort {
  readonly fd: number
  readonly poller: { once(event: 'readable', callback: (error: unknown) => void): unknown }
}

const readOnce = promisify(read)

export function isUnixPort(port: object): port is UnixPort {
  if (!('fd' in port) || typeof port.fd !== 'number' || !('poller' in port)) return false
  const { poller } = port
  return typeof poller === 'object' && poller !== null && 'once' in poller && typeof poller.once === 'function'
}

/** How many bytes came; 0 when the far end has hung up. Rejects when the port was closed or has gone. */
export async function readUnix(port: UnixPort, buffer: Uint8Array): Promise<number> {
  for (;;) {
    try {
      const { bytesRead } = await readOnce(port.fd, buffer, 0, buffer.length, null)
      return bytesRead
    } catch (thrown) {
      // Closed while the read was under way: its poller is gone, and waiting for one that is gone ends the process.
      if (!mustWait(thrown) || !isUnixPort(port)) throw thrown
    }
    await new Promise<void>((resolve, reject) => {
      port.poller.once('readable', (error) => {
        if (error instanceof Error) reject(error)
        else resolve()
      })
    })
  }
}

function mustWait(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  return code === 'EAGAIN' || code === 'EWOULDBLOCK' || code === 'EINTR'
}
