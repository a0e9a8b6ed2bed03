// Plugs behind serialport's own mock binding: the program opens, reads and writes them as it does real ports.
import type { BindingPort, SerialBinding } from '#main/wire/links/index.ts'
import { listingOf, MANUFACTURER, memoryBinding, plugAt } from './memory-binding.ts'
import type { Plug, PlugUser } from './plug.ts'

const MOST_READ_BYTES = 4096

/** The part of serialport's mock that is used here. */
interface Mock {
  createPort(path: string, options: { readonly maxReadSize: number; readonly manufacturer: string }): void
  open(options: Parameters<SerialBinding['open']>[0]): Promise<MockPort>
}

interface MockPort extends BindingPort {
  emitData(data: Buffer): void
}

/** Where serialport's native part does not load, the plugs are opened without its mock. */
export function mockBinding(plugs: readonly Plug[]): SerialBinding {
  const known = new Set<string>()
  return {
    list: () => Promise.resolve(listingOf(plugs)),
    async open(options) {
      const plug = plugAt(plugs, options.path)
      const mock = await loadMock()
      if (mock === undefined) return memoryBinding(plugs).open(options)
      if (!known.has(plug.path)) mock.createPort(plug.path, { maxReadSize: MOST_READ_BYTES, manufacturer: MANUFACTURER })
      known.add(plug.path)
      const port = new MockedPort(plug, await mock.open(options))
      try {
        plug.open(port)
      } catch (thrown) {
        await port.close()
        throw thrown
      }
      return port
    },
  }
}

/** On first use: the package loads its native part with everything else. */
async function loadMock(): Promise<Mock | undefined> {
  try {
    const { SerialPortMock } = await import('serialport')
    const binding: unknown = Reflect.get(SerialPortMock, 'binding')
    return isMock(binding) ? binding : undefined
  } catch {
    return undefined
  }
}

/** The package's own types do not tell what its mock is. */
function isMock(value: unknown): value is Mock {
  return typeof value === 'object' && value !== null && 'createPort' in value && 'open' in value
}

class MockedPort implements BindingPort, PlugUser {
  readonly #plug: Plug
  readonly #port: MockPort

  constructor(plug: Plug, port: MockPort) {
    this.#plug = plug
    this.#port = port
  }

  get isOpen(): boolean {
    return this.#port.isOpen
  }

  read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }> {
    return this.#port.read(buffer, offset, length)
  }

  async write(buffer: Buffer): Promise<void> {
    await this.#port.write(buffer)
    this.#plug.write(Uint8Array.from(buffer))
  }

  set(options: Parameters<BindingPort['set']>[0]): Promise<void> {
    return this.#port.set(options)
  }

  flush(): Promise<void> {
    return this.#port.flush()
  }

  drain(): Promise<void> {
    return this.#port.drain()
  }

  async close(): Promise<void> {
    this.#plug.close(this)
    if (this.#port.isOpen) await this.#port.close()
  }

  bytes(bytes: Uint8Array): void {
    if (this.#port.isOpen) this.#port.emitData(Buffer.from(bytes))
  }

  /** The mock knows no unplugging: a port that closes by itself is what the reader sees of it. */
  gone(): void {
    if (this.#port.isOpen) void this.#port.close()
  }
}
