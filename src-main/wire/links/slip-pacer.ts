// Sends packets over SLIP as a small router can bear: one frame after the other has left, their starts apart, none larger than its buffer.
import { AppError, BoundedQueue, type Clock, type Timer } from '#main/base/index.ts'
import type { SerialLine } from './types.ts'
import { encodeSlipFrame, escapedSlipLength } from './slip.ts'

/** Contiki-NG's receive ring of 1296 bytes holds at most 1295, its END included. */
export const MOST_ESCAPED_BYTES = 1294
export const SLIP_MTU_BYTES = 1280

/** Start bit, eight data bits, stop bit. */
const BITS_PER_BYTE = 10
/** A long frame's successor is handed over so much before the line is free, so that the line never idles for a timer's sake. */
const AHEAD_MS = 8

export interface PacerOptions {
  readonly line: SerialLine
  readonly clock: Clock
  /** Frames start at least so far apart: the router's ring holds two at most, and it looks in between. */
  readonly spacingMs: number
  /** The line's speed, where it has one. */
  readonly baudRate?: number | undefined
  readonly mostQueued: number
  readonly onFailed: (packet: Uint8Array, error: AppError) => void
}

/** Why a packet can never pass, or undefined. */
export function sizeFailure(packet: Uint8Array): AppError | undefined {
  const escapedBytes = escapedSlipLength(packet)
  if (packet.length <= SLIP_MTU_BYTES && escapedBytes <= MOST_ESCAPED_BYTES) return undefined
  const details = { bytes: packet.length, escapedBytes, mostBytes: SLIP_MTU_BYTES, mostEscapedBytes: MOST_ESCAPED_BYTES }
  return new AppError('link.too-large', `A packet of ${packet.length} bytes does not fit the border router's buffer`, { details })
}

export class SlipPacer {
  readonly #options: PacerOptions
  readonly #queue: BoundedQueue<Uint8Array>
  #running = false
  #stopped = false
  #pause: { readonly timer: Timer; readonly done: () => void } | undefined
  #sent = 0
  #allLeft: Promise<boolean> | undefined
  /** When the last frame has left, by the speed of the line. */
  #lineFreeMs = 0

  constructor(options: PacerOptions) {
    this.#options = options
    this.#queue = new BoundedQueue(options.mostQueued, 'drop-newest')
  }

  get queued(): number {
    return this.#queue.size
  }

  get sent(): number {
    return this.#sent
  }

  send(packet: Uint8Array): void {
    const failure = sizeFailure(packet)
    if (failure !== undefined) {
      this.#options.onFailed(packet, failure)
    } else if (!this.#queue.push(packet)) {
      const error = new AppError('link.queue-full', 'The dongle cannot keep up', { retryable: true, details: { queued: this.#queue.size } })
      this.#options.onFailed(packet, error)
    } else if (!this.#running) {
      void this.#run()
    }
  }

  /** Drops what waits; each packet is told as failed. */
  stop(error: AppError): void {
    this.#stopped = true
    this.#pause?.timer.cancel()
    this.#pause?.done()
    for (const packet of this.#queue.take(this.#queue.size)) this.#options.onFailed(packet, error)
  }

  async #run(): Promise<void> {
    const { line, clock, spacingMs, baudRate } = this.#options
    this.#running = true
    for (let packet = this.#queue.shift(); packet !== undefined && !this.#stopped; packet = this.#queue.shift()) {
      const frame = encodeSlipFrame(packet)
      const startMs = Math.max(clock.monotonicMs(), this.#lineFreeMs)
      const wireMs = baudRate === undefined ? Number.POSITIVE_INFINITY : (frame.length * BITS_PER_BYTE * 1000) / baudRate
      line.write(frame)
      this.#sent++
      const aheadMs = wireMs < spacingMs ? 0 : AHEAD_MS
      const hasLeft = await this.#leaves(startMs + wireMs - aheadMs - clock.monotonicMs())
      // A line that holds back more than it should by its speed (flow control) is waited for.
      if (!hasLeft && line.queuedBytes > 0) await line.drained()
      this.#lineFreeMs = hasLeft ? clock.monotonicMs() : startMs + wireMs
      const restMs = startMs + spacingMs - clock.monotonicMs()
      if (restMs > 0 && !this.#isStopped) await this.#wait(restMs)
    }
    this.#running = false
  }

  get #isStopped(): boolean {
    return this.#stopped
  }

  /** Whether the system says that the frame has left before the time is up. Over a bridge chip it says so late; native USB is faster than its speed. */
  async #leaves(withinMs: number): Promise<boolean> {
    // One wait at a time: on a line that is kept busy it lasts as long as that, over many frames.
    this.#allLeft ??= this.#options.line.drained().then(() => {
      this.#allLeft = undefined
      return true
    })
    if (withinMs === Number.POSITIVE_INFINITY) return this.#allLeft
    const timeUp = this.#wait(Math.max(0, withinMs)).then(() => false)
    const hasLeft = await Promise.race([this.#allLeft, timeUp])
    if (hasLeft) this.#pause?.timer.cancel()
    return hasLeft
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#pause = undefined
        resolve()
      }
      this.#pause = { timer: this.#options.clock.setTimer(delayMs, done), done }
    })
  }
}
