// What a dongle's link has carried over all of its sessions, and a line that counts (and shows) the bytes that pass it.
import type { FrameTrace } from './frame-trace.ts'
import type { DriverCounters, LineEvent, SerialLine } from './types.ts'

export interface LinkCounters extends DriverCounters {
  readonly bytesIn: number
  readonly bytesOut: number
  /** Bytes that were written and have not left yet. */
  readonly queuedBytes: number
  /** How often the line was opened with a firmware of use on it. */
  readonly sessions: number
  /** How often it was lost without being asked to. */
  readonly losses: number
}

export type ByteTap = (direction: 'in' | 'out', bytes: Uint8Array) => void

const NOTHING: DriverCounters = {
  framesIn: 0,
  framesOut: 0,
  damagedFrames: 0,
  packetsIn: 0,
  packetsOut: 0,
  packetsFailed: 0,
  queuedPackets: 0,
  retries: 0,
  roundTripMs: undefined,
}

export class LinkTally {
  #bytesIn = 0
  #bytesOut = 0
  #past: DriverCounters = NOTHING
  #failedHere = 0
  sessions = 0
  losses = 0
  /** Follows the frames of the present session. */
  trace: FrameTrace | undefined
  readonly #tap: ByteTap | undefined

  constructor(tap: ByteTap | undefined) {
    this.#tap = tap
  }

  /** The line, its bytes counted. */
  wrap(line: SerialLine): SerialLine {
    const passed = (direction: 'in' | 'out', bytes: Uint8Array): void => {
      if (direction === 'in') this.#bytesIn += bytes.length
      else this.#bytesOut += bytes.length
      this.#tap?.(direction, bytes)
      this.trace?.push(direction, bytes)
    }
    line.subscribe((event: LineEvent) => {
      if (event.kind === 'bytes') passed('in', event.bytes)
    })
    return {
      path: line.path,
      get queuedBytes() {
        return line.queuedBytes
      },
      write(bytes) {
        passed('out', bytes)
        line.write(bytes)
      },
      drained: () => line.drained(),
      subscribe: (listener) => line.subscribe(listener),
      close: () => line.close(),
    }
  }

  /** A packet failed because no driver was there to take it. */
  failedWithoutDriver(): void {
    this.#failedHere++
  }

  /** A session's driver has stopped: its counts become part of the past. */
  sessionEnded(counters: DriverCounters): void {
    this.#past = add(this.#past, counters)
  }

  read(now: DriverCounters | undefined, queuedBytes: number): LinkCounters {
    const sum = add(this.#past, now ?? NOTHING)
    return {
      ...sum,
      packetsFailed: sum.packetsFailed + this.#failedHere,
      queuedPackets: now?.queuedPackets ?? 0,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      queuedBytes,
      sessions: this.sessions,
      losses: this.losses,
    }
  }
}

function add(a: DriverCounters, b: DriverCounters): DriverCounters {
  return {
    framesIn: a.framesIn + b.framesIn,
    framesOut: a.framesOut + b.framesOut,
    damagedFrames: a.damagedFrames + b.damagedFrames,
    packetsIn: a.packetsIn + b.packetsIn,
    packetsOut: a.packetsOut + b.packetsOut,
    packetsFailed: a.packetsFailed + b.packetsFailed,
    queuedPackets: b.queuedPackets,
    retries: a.retries + b.retries,
    roundTripMs: b.roundTripMs ?? a.roundTripMs,
  }
}
