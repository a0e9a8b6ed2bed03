// The write queue, the listeners and the counting that every byte stream to a dongle has in common.
import { AppError, concatBytes, type AppError as Failure } from '#main/base/index.ts'
import type { LineEvent, SerialLine } from './types.ts'
import { lineLost } from './line-errors.ts'

/** What a queued line needs of the system. */
export interface RawStream {
  /** Resolves once the system has taken the bytes. */
  write(bytes: Uint8Array): Promise<void>
  /** Resolves once what was written has left this computer, as far as the system can tell. */
  drain(): Promise<void>
  /** Forgets what has not left yet and closes. */
  close(): Promise<void>
}

/** Written at once at most: a bound on what lies in the system's own buffers when the line is to close. */
const WRITE_CHUNK_BYTES = 4096
/** A line that takes nothing must not fill the memory: more than this is dropped and the line closed as lost. */
const MOST_QUEUED_BYTES = 1024 * 1024

export class QueuedLine implements SerialLine {
  readonly path: string
  readonly #raw: RawStream
  readonly #listeners = new Set<(event: LineEvent) => void>()
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #state: 'open' | 'closing' | 'closed' = 'open'
  #pumping = false
  #chunksWritten = 0
  /** Whether bytes may still be on their way out. */
  #unsettled = false
  #settling = false
  #ended: Failure | undefined
  #waiters: Array<() => void> = []
  #closing: Promise<void> | undefined

  constructor(path: string, raw: RawStream) {
    this.path = path
    this.#raw = raw
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  write(bytes: Uint8Array): void {
    if (this.#state !== 'open' || bytes.length === 0) return
    if (this.#queuedBytes + bytes.length > MOST_QUEUED_BYTES) {
      this.lost(new AppError('link.closed', `${this.path} takes no more bytes`, { retryable: true, details: { path: this.path } }))
      return
    }
    this.#queue.push(bytes.slice())
    this.#queuedBytes += bytes.length
    this.#unsettled = true
    if (!this.#pumping) void this.#pump()
  }

  drained(): Promise<void> {
    if (this.#state !== 'open' || !this.#unsettled) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiters.push(resolve)
      void this.#settle()
    })
  }

  subscribe(listener: (event: LineEvent) => void): () => void {
    this.#listeners.add(listener)
    if (this.#state === 'closed') listener(this.#closedEvent())
    return () => this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#end(undefined)
    return this.#closing
  }

  /** Bytes came in. They belong to the listeners from now on. */
  received(bytes: Uint8Array): void {
    if (this.#state === 'open') this.#emit({ kind: 'bytes', bytes })
  }

  /** The system says that the line is gone. */
  lost(thrown: unknown): void {
    const error = thrown instanceof AppError ? thrown : lineLost(thrown, this.path)
    this.#closing ??= this.#end(error)
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    try {
      while (this.#queue.length > 0 && this.#state === 'open') {
        const chunk = this.#take()
        await this.#raw.write(chunk)
        // A line that was closed meanwhile counts nothing any more.
        this.#queuedBytes = Math.max(0, this.#queuedBytes - chunk.length)
        this.#chunksWritten++
      }
    } catch (thrown) {
      this.lost(thrown)
    }
    this.#pumping = false
    await this.#settle()
  }

  /** Asks the system, where somebody waits, until it says that everything has left; writing goes on meanwhile. */
  async #settle(): Promise<void> {
    if (this.#settling) return
    this.#settling = true
    try {
      while (this.#waiters.length > 0 && this.#isQuiet()) {
        const before = this.#chunksWritten
        await this.#raw.drain()
        if (!this.#isQuiet() || before !== this.#chunksWritten) continue
        this.#unsettled = false
        this.#release()
      }
    } catch (thrown) {
      this.lost(thrown)
    }
    this.#settling = false
  }

  #isQuiet(): boolean {
    return !this.#pumping && this.#state === 'open'
  }

  #take(): Uint8Array {
    const parts: Uint8Array[] = []
    let length = 0
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const room = WRITE_CHUNK_BYTES - length
      if (room <= 0) break
      parts.push(next.subarray(0, room))
      length += Math.min(room, next.length)
      if (next.length > room) this.#queue[0] = next.subarray(room)
      else this.#queue.shift()
    }
    return concatBytes(...parts)
  }

  async #end(error: Failure | undefined): Promise<void> {
    this.#state = 'closing'
    this.#ended = error
    this.#queue = []
    this.#queuedBytes = 0
    this.#release()
    try {
      await this.#raw.close()
    } catch {
      // A line that is gone cannot be closed: that is what was wanted.
    }
    this.#state = 'closed'
    this.#emit(this.#closedEvent())
    this.#listeners.clear()
  }

  #closedEvent(): LineEvent {
    return this.#ended === undefined ? { kind: 'closed' } : { kind: 'closed', error: this.#ended }
  }

  #release(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }

  #emit(event: LineEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
