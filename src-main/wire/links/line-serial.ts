// A serial port, a USB CDC device or a pseudo terminal as a SerialLine, through serialport's bindings (or a mock of them).
import { AppError, concatBytes, delay, systemClock, type Clock } from '#main/base/index.ts'
import { openFailure, thisPlatform, type Platform } from './line-errors.ts'
import { QueuedLine, type RawStream } from './line-base.ts'
import type { SerialLine } from './types.ts'
import { isUnixPort, readUnix } from './unix-read.ts'

/** How the line is set. Never software flow control: SLIP carries 0x11 and 0x13 in clear. */
export interface LineSettings {
  readonly baudRate: number
  readonly rtscts: boolean
}

/** An open port as serialport's bindings give it. */
export interface BindingPort {
  readonly isOpen: boolean
  read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }>
  write(buffer: Buffer): Promise<void>
  set(options: { brk: boolean; cts: boolean; dsr: boolean; dtr: boolean; rts: boolean }): Promise<void>
  flush(): Promise<void>
  drain(): Promise<void>
  close(): Promise<void>
}

export interface PortListing {
  readonly path: string
  readonly manufacturer?: string | undefined
  readonly serialNumber?: string | undefined
  readonly pnpId?: string | undefined
  readonly vendorId?: string | undefined
  readonly productId?: string | undefined
  /** Of a device with several ports: which of its USB interfaces, two hex digits. */
  readonly interfaceNumber?: string | undefined
}

/** What this room asks of serialport: `SerialPort.binding`, `SerialPortMock.binding`, or a dongle that lives in memory. */
export interface SerialBinding {
  list(): Promise<readonly PortListing[]>
  open(options: {
    path: string
    baudRate: number
    dataBits: 8
    stopBits: 1
    parity: 'none'
    rtscts: boolean
    xon: false
    xoff: false
    hupcl: boolean
    lock: boolean
  }): Promise<BindingPort>
}

export interface SerialLineOptions extends Partial<LineSettings> {
  readonly path: string
  /** The system's unless told. */
  readonly binding?: SerialBinding
  readonly clock?: Clock
  readonly platform?: Platform
  readonly openTimeoutMs?: number
  /** Openings tried again while the port is said to be locked: a reopened port may look locked for a moment (Node 20.11 on Linux). */
  readonly busyRetries?: number
  readonly signal?: AbortSignal
}

const OPEN_TIMEOUT_MS = 5_000
const BUSY_RETRY_MS = 250
const READ_BUFFER_BYTES = 4096

/** The system's ports. Loaded on first use, so that a missing native part costs the serial ports and nothing else. */
export async function systemBinding(): Promise<SerialBinding> {
  const { SerialPort } = await import('serialport')
  return asSerialBinding(SerialPort.binding)
}

/** The package's own type declarations cannot be followed (they lack an entry in its `exports`), so its shape is looked at instead. */
export function asSerialBinding(value: unknown): SerialBinding {
  if (isSerialBinding(value)) return value
  throw new AppError('internal', 'This is no binding of serialport')
}

function isSerialBinding(value: unknown): value is SerialBinding {
  return (
    typeof value === 'object' &&
    value !== null &&
    'list' in value &&
    typeof value.list === 'function' &&
    'open' in value &&
    typeof value.open === 'function'
  )
}

/** Opens the port. What waited in it before is discarded, as the bindings do. */
export async function openSerialLine(options: SerialLineOptions): Promise<SerialLine> {
  const { path, clock = systemClock, platform = thisPlatform(), busyRetries = 2, signal } = options
  for (let attempt = 0; ; attempt++) {
    try {
      return await openOnce(options, clock)
    } catch (thrown) {
      const failure = openFailure(thrown, path, platform)
      if (failure.code !== 'link.port-busy' || attempt >= busyRetries) throw failure
    }
    await delay(clock, BUSY_RETRY_MS, signal)
  }
}

async function openOnce(options: SerialLineOptions, clock: Clock): Promise<SerialLine> {
  const { path, baudRate = 115_200, rtscts = false, openTimeoutMs = OPEN_TIMEOUT_MS } = options
  const binding = options.binding ?? (await systemBinding())
  // Without hang-up on close DTR stays as it is, so that boards whose reset hangs on DTR run on when the program ends.
  const opening = binding.open({
    path,
    baudRate,
    rtscts,
    dataBits: 8,
    stopBits: 1,
    parity: 'none',
    xon: false,
    xoff: false,
    hupcl: false,
    lock: true,
  })
  const port = await withinTime(opening, clock, openTimeoutMs, path)
  await raiseDtr(port)
  const line = new QueuedLine(path, rawOf(port))
  void readOn(port, line)
  return line
}

async function withinTime(opening: Promise<BindingPort>, clock: Clock, timeoutMs: number, path: string): Promise<BindingPort> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = clock.setTimer(timeoutMs, () => {
      late = true
      reject(new AppError('link.open-failed', `${path} did not open in time`, { retryable: true, details: { path } }))
    })
    opening.then(
      (port) => {
        timer.cancel()
        if (late) port.close().catch(() => undefined)
        else resolve(port)
      },
      (thrown: unknown) => {
        timer.cancel()
        reject(openFailure(thrown, path, thisPlatform()))
      },
    )
  })
}

/** USB CDC firmware may stay silent until DTR is set. Both lines together never hold a chip in reset; pseudo terminals have none. */
async function raiseDtr(port: BindingPort): Promise<void> {
  try {
    await port.set({ brk: false, cts: false, dsr: false, dtr: true, rts: true })
  } catch {
    // A pseudo terminal and some bridges have no such lines.
  }
}

function rawOf(port: BindingPort): RawStream {
  return {
    write: (bytes) => port.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
    drain: () => port.drain(),
    async close() {
      try {
        // Output that flow control holds back would keep close() waiting: it is discarded.
        await port.flush()
      } catch {
        // The port is gone already.
      }
      if (port.isOpen) await port.close()
    },
  }
}

async function readOn(port: BindingPort, line: QueuedLine): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  try {
    while (port.isOpen) {
      const bytesRead = isUnixPort(port) ? await readUnix(port, buffer) : (await port.read(buffer, 0, buffer.length)).bytesRead
      if (bytesRead === 0) throw new AppError('link.closed', `${line.path} ended`, { retryable: true, details: { path: line.path } })
      line.received(concatBytes(buffer.subarray(0, bytesRead)))
    }
  } catch (thrown) {
    // Closing cancels the read that is under way; the line takes that for what it is, as it is closing already.
    line.lost(thrown)
  }
}
