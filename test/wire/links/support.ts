// Lines and dongles that live in memory, and recordings of real ones.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fromHex, toHex, type AppError } from '#main/base/index.ts'
import {
  encodeSlipFrame,
  SlipDecoder,
  type BindingPort,
  type SlipItem,
  type LineEvent,
  type PortListing,
  type SerialBinding,
  type SerialLine,
} from '#main/wire/links/index.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

/** Lets virtual time pass in small steps, with everything that follows from each done before the next. */
export async function pass(clock: VirtualClock, durationMs: number): Promise<void> {
  const endMs = clock.monotonicMs() + durationMs
  for (let leftMs = durationMs; leftMs > 0; leftMs = endMs - clock.monotonicMs()) {
    await clock.advance(Math.min(50, leftMs))
    await setImmediate()
  }
}

/** Lets virtual time pass until the promise settles, at most ten minutes. */
export async function passUntil<Value>(clock: VirtualClock, promise: Promise<Value>): Promise<Value> {
  let settled = false
  const mark = (): void => void (settled = true)
  promise.then(mark, mark)
  await setImmediate()
  const isOpen = (): boolean => !settled
  for (let step = 0; step < 12_000 && isOpen(); step++) await pass(clock, 50)
  return promise
}

export interface Recorded {
  readonly t: number
  readonly dir: string
  readonly hex: string
  readonly note: string
}

export function recording(name: string): readonly Recorded[] {
  const text = readFileSync(join(import.meta.dirname, '../../vectors/slip', `${name}.jsonl`), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Recorded)
}

export function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex)
  if (bytes === undefined) throw new Error(`not hex: ${hex}`)
  return bytes
}

/** A line whose far end is the test. */
export class TestLine implements SerialLine {
  readonly path = 'memory'
  readonly queuedBytes = 0
  readonly written: string[] = []
  /** Called for every write. */
  onWrite: (bytes: Uint8Array) => void = () => undefined
  closed = false
  /** How long `drained` takes. */
  drain: () => Promise<void> = () => Promise.resolve()
  readonly #listeners = new Set<(event: LineEvent) => void>()

  write(bytes: Uint8Array): void {
    this.written.push(toHex(bytes))
    this.onWrite(bytes)
  }

  drained(): Promise<void> {
    return this.drain()
  }

  subscribe(listener: (event: LineEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  receive(bytes: Uint8Array | string): void {
    const data = typeof bytes === 'string' ? bytesOf(bytes) : bytes
    for (const listener of [...this.#listeners]) listener({ kind: 'bytes', bytes: data })
  }

  end(error?: AppError): void {
    for (const listener of [...this.#listeners]) listener(error === undefined ? { kind: 'closed' } : { kind: 'closed', error })
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }
}

/** What a dongle in memory does. */
export interface DongleFirmware {
  /** The port was opened; `send` gives bytes to the host. */
  opened(send: (bytes: Uint8Array) => void): void
  received(bytes: Uint8Array): void
  closed?(): void
}

interface MemoryPort extends BindingPort {
  unplug(): void
}

/** Serial ports in memory behind the interface of serialport's bindings. */
export class MemoryPorts implements SerialBinding {
  readonly #plugged = new Map<string, { readonly listing: PortListing; readonly firmware: DongleFirmware }>()
  readonly #open = new Map<string, MemoryPort>()
  readonly opened: Array<{ readonly path: string; readonly baudRate: number; readonly rtscts: boolean }> = []
  openFailure: Error | undefined

  plug(listing: PortListing, firmware: DongleFirmware): void {
    this.#plugged.set(listing.path, { listing, firmware })
  }

  unplug(path: string): void {
    this.#plugged.delete(path)
    this.#open.get(path)?.unplug()
  }

  isOpen(path: string): boolean {
    return this.#open.has(path)
  }

  list(): Promise<readonly PortListing[]> {
    return Promise.resolve([...this.#plugged.values()].map(({ listing }) => listing))
  }

  open(options: { path: string; baudRate: number; rtscts: boolean }): Promise<BindingPort> {
    this.opened.push({ path: options.path, baudRate: options.baudRate, rtscts: options.rtscts })
    if (this.openFailure !== undefined) return Promise.reject(this.openFailure)
    const plugged = this.#plugged.get(options.path)
    if (plugged === undefined) return Promise.reject(new Error(`Error: No such file or directory, cannot open ${options.path}`))
    if (this.#open.has(options.path)) return Promise.reject(new Error('Error Resource temporarily unavailable Cannot lock port'))
    const port = memoryPort(plugged.firmware, () => this.#open.delete(options.path))
    this.#open.set(options.path, port)
    return Promise.resolve(port)
  }
}

function memoryPort(firmware: DongleFirmware, onClosed: () => void): MemoryPort {
  let open = true
  let inbox: Uint8Array[] = []
  let reader: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined
  const end = (message: string): void => {
    if (!open) return
    open = false
    onClosed()
    firmware.closed?.()
    reader?.reject(new Error(message))
  }
  const port: MemoryPort = {
    get isOpen() {
      return open
    },
    async read(buffer, offset, length) {
      if (!open) throw new Error('Port is not open')
      if (inbox.length === 0) await new Promise<void>((resolve, reject) => (reader = { resolve, reject }))
      const first = inbox.shift() ?? new Uint8Array()
      const part = first.subarray(0, length)
      if (part.length < first.length) inbox.unshift(first.subarray(part.length))
      buffer.set(part, offset)
      return { bytesRead: part.length }
    },
    write(buffer) {
      if (!open) return Promise.reject(new Error('bad file descriptor'))
      firmware.received(new Uint8Array(buffer))
      return Promise.resolve()
    },
    set: () => Promise.reject(new Error('Inappropriate ioctl for device, cannot set')),
    flush: () => Promise.resolve(),
    drain: () => Promise.resolve(),
    close() {
      end('canceled')
      return Promise.resolve()
    },
    unplug: () => end('bad file descriptor'),
  }
  inbox = []
  firmware.opened((bytes) => {
    if (!open) return
    inbox.push(bytes.slice())
    reader?.resolve()
    reader = undefined
  })
  return port
}

/** Answers like Contiki-NG's router once it has its prefix: `?M`, echoes to itself, and whatever the test adds. */
export class RouterDouble implements DongleFirmware {
  readonly eui64: string
  prefix: Uint8Array | undefined
  readonly packets: Uint8Array[] = []
  silent = false
  send: (bytes: Uint8Array) => void = () => undefined
  #decoder = new SlipDecoder((item) => this.#item(item), { maxEscapedBytes: 1295 })

  constructor(eui64 = '00124b0000000001', prefix?: Uint8Array) {
    this.eui64 = eui64
    this.prefix = prefix
  }

  opened(send: (bytes: Uint8Array) => void): void {
    this.send = send
    this.#decoder.reset()
    if (this.prefix === undefined) this.askPrefix()
  }

  received(bytes: Uint8Array): void {
    if (!this.silent) this.#decoder.push(bytes)
  }

  askPrefix(): void {
    this.send(encodeSlipFrame(new TextEncoder().encode('?P')))
  }

  /** Power was away for a moment. */
  restart(): void {
    this.prefix = undefined
    this.askPrefix()
  }

  #item(item: SlipItem): void {
    if (item.kind === 'control' && item.mark === '?' && item.type === 'M') {
      this.send(encodeSlipFrame(new TextEncoder().encode(`!M${this.eui64}`)))
      if (this.prefix === undefined) this.askPrefix()
    }
    if (item.kind === 'control' && item.mark === '!' && item.type === 'P') this.prefix ??= item.data
    if (item.kind === 'packet') this.#packet(item.bytes)
  }

  #packet(packet: Uint8Array): void {
    const isEcho = packet[6] === 58 && packet[40] === 128
    const mine = this.prefix !== undefined && toHex(packet.subarray(24, 32)) === toHex(this.prefix)
    if (!isEcho) this.packets.push(packet)
    if (!isEcho || !mine) return
    const reply = packet.slice()
    reply.set(packet.subarray(24, 40), 8)
    reply.set(packet.subarray(8, 24), 24)
    reply[40] = 129
    this.send(encodeSlipFrame(reply))
  }
}

/** A UDP packet from fd00::1 of so many bytes altogether, filled with one byte. */
export function udpPacket(length: number, fill: number, destination = 'fd0000000000000002124b0000000002'): Uint8Array {
  const packet = new Uint8Array(length).fill(fill)
  packet.set(bytesOf('6000000000001140'))
  packet[4] = (length - 40) >> 8
  packet[5] = (length - 40) & 0xff
  packet.set(bytesOf('fd000000000000000000000000000001'), 8)
  packet.set(bytesOf(destination), 24)
  return packet
}
