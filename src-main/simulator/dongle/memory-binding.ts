// Plugs as ports of a serial binding, in memory and without a turn of the event loop, so that a virtual clock drives both ends.
import { AppError } from '#main/base/index.ts'
import type { BindingPort, PortListing, SerialBinding } from '#main/wire/links/index.ts'
import type { Plug, PlugUser } from './plug.ts'

export const MANUFACTURER = 'Groupwright demo'
/** As a kernel's buffer: what nobody reads in time is lost. */
const MOST_WAITING_BYTES = 65_536

export function memoryBinding(plugs: readonly Plug[]): SerialBinding {
  return {
    list: () => Promise.resolve(listingOf(plugs)),
    open: ({ path }) => Promise.resolve().then(() => new MemoryPort(plugAt(plugs, path))),
  }
}

export function plugAt(plugs: readonly Plug[], path: string): Plug {
  const plug = plugs.find((one) => one.path === path)
  if (plug === undefined) throw new AppError('link.port-missing', `No such file or directory, cannot open ${path}`)
  return plug
}

export function listingOf(plugs: readonly Plug[]): readonly PortListing[] {
  return plugs.filter((plug) => plug.isPlugged).map(({ path, serialNumber }) => ({ path, serialNumber, manufacturer: MANUFACTURER }))
}

class MemoryPort implements BindingPort, PlugUser {
  readonly #plug: Plug
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #reader:
    | {
        readonly buffer: Buffer
        readonly offset: number
        readonly length: number
        readonly done: (count: number) => void
        readonly fail: (error: AppError) => void
      }
    | undefined
  #isOpen = true

  constructor(plug: Plug) {
    this.#plug = plug
    plug.open(this)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }> {
    return new Promise((resolve, reject) => {
      if (!this.#isOpen) {
        reject(gone())
        return
      }
      this.#reader = { buffer, offset, length, done: (bytesRead) => resolve({ bytesRead }), fail: reject }
      this.#serve()
    })
  }

  write(buffer: Buffer): Promise<void> {
    if (!this.#isOpen) return Promise.reject(gone())
    this.#plug.write(Uint8Array.from(buffer))
    return Promise.resolve()
  }

  bytes(bytes: Uint8Array): void {
    if (this.#waitingBytes + bytes.length > MOST_WAITING_BYTES) return
    this.#waiting.push(bytes.slice())
    this.#waitingBytes += bytes.length
    this.#serve()
  }

  gone(): void {
    this.#isOpen = false
    const reader = this.#reader
    this.#reader = undefined
    reader?.fail(gone())
  }

  set(): Promise<void> {
    return Promise.resolve()
  }

  flush(): Promise<void> {
    this.#waiting = []
    this.#waitingBytes = 0
    return Promise.resolve()
  }

  drain(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#plug.close(this)
    this.gone()
    return Promise.resolve()
  }

  #serve(): void {
    const reader = this.#reader
    const first = this.#waiting[0]
    if (reader === undefined || first === undefined) return
    this.#reader = undefined
    const count = Math.min(reader.length, first.length)
    reader.buffer.set(first.subarray(0, count), reader.offset)
    if (count === first.length) this.#waiting.shift()
    else this.#waiting[0] = first.subarray(count)
    this.#waitingBytes -= count
    reader.done(count)
  }
}

/** What the system says when a port's device has gone. */
function gone(): AppError {
  return new AppError('link.closed', 'bad file descriptor', { retryable: true })
}
