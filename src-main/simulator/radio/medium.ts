// The shared 250 kbit/s channel: unslotted CSMA-CA, frames that overlap, acknowledgements and retries (IEEE 802.15.4-2006 clause 7.5).
import type { Random } from '#main/base/index.ts'
import type { EventQueue } from './event-queue.ts'
import type { Links } from './links.ts'
import {
  ACK_FRAME_BYTES,
  ACK_WAIT_US,
  airtimeUs,
  BACKOFF_UNIT_US,
  CAPTURE_DB,
  CCA_DBM,
  CCA_US,
  MAX_BACKOFF_EXPONENT,
  MAX_CSMA_BACKOFFS,
  MIN_BACKOFF_EXPONENT,
  spacingUs,
  TURNAROUND_US,
} from './physics.ts'

export interface Frame<Load> {
  readonly from: number
  /** A node, or undefined for all in range: those frames are not acknowledged. */
  readonly to: number | undefined
  readonly bytes: number
  readonly load: Load
}

/** A frame or an acknowledgement in the air. */
export interface Transmission {
  readonly node: number
  readonly startUs: number
  readonly endUs: number
  readonly bytes: number
  readonly isAck: boolean
}

interface Flight extends Transmission {
  readonly overlaps: Flight[]
}

export interface MediumCounters {
  readonly frames: number
  readonly acks: number
  readonly retries: number
  /** Frames that nobody acknowledged, or that found the channel busy to the last. */
  readonly failures: number
  /** Receptions destroyed by another frame. */
  readonly collisions: number
  /** Time with at least one frame in the air. */
  readonly busyUs: number
}

export interface MediumOptions<Load> {
  readonly queue: EventQueue
  readonly random: Random
  readonly links: Links
  readonly maxFrameRetries: number
  /** Whether a node has power; a sleeping one hears, but takes only what it has asked for. */
  readonly isPowered: (node: number) => boolean
  /** A node has got a frame; the same one twice where its acknowledgement was lost. */
  readonly onFrame: (at: number, frame: Frame<Load>) => void
  readonly observe?: (transmission: Transmission) => void
}

export class Medium<Load> {
  readonly #options: MediumOptions<Load>
  readonly #inAir = new Set<Flight>()
  readonly #counters = { frames: 0, acks: 0, retries: 0, failures: 0, collisions: 0, busyUs: 0 }
  #busySinceUs = 0
  #lossRate = 0

  constructor(options: MediumOptions<Load>) {
    this.#options = options
  }

  /** Chance that a frame is lost on its way beside what the link's strength says. */
  setLossRate(rate: number): void {
    this.#lossRate = Math.min(1, Math.max(0, rate))
  }

  counters(): MediumCounters {
    return { ...this.#counters }
  }

  /** Sends one frame; a node has one at a time. `done` tells whether it was acknowledged, or sent where nobody acknowledges. */
  send(frame: Frame<Load>, done: (ok: boolean) => void): void {
    this.#contend(frame, { tries: 0, missed: 0, busy: 0, exponent: MIN_BACKOFF_EXPONENT }, done)
  }

  #contend(frame: Frame<Load>, attempt: Attempt, done: (ok: boolean) => void): void {
    const { queue, random } = this.#options
    const backoffUs = random.below(2 ** attempt.exponent) * BACKOFF_UNIT_US
    queue.after(backoffUs + CCA_US, () => {
      if (!this.#isBusy(frame.from)) {
        // Whoever senses the channel during this turnaround finds it free, too: that is how frames collide.
        queue.after(TURNAROUND_US, () => this.#transmit(frame, attempt, done))
        return
      }
      if (attempt.busy >= MAX_CSMA_BACKOFFS) this.#retry(frame, attempt, done)
      else {
        const exponent = Math.min(attempt.exponent + 1, MAX_BACKOFF_EXPONENT)
        this.#contend(frame, { ...attempt, busy: attempt.busy + 1, exponent }, done)
      }
    })
  }

  #transmit(frame: Frame<Load>, attempt: Attempt, done: (ok: boolean) => void): void {
    if (this.#isSending(frame.from)) {
      this.#retry(frame, attempt, done)
      return
    }
    this.#counters.frames++
    const { queue, links, onFrame } = this.#options
    this.#fly(frame.from, frame.bytes, false, (flight) => {
      const { to } = frame
      if (to === undefined) {
        for (const node of links.hearers(frame.from)) if (this.#isReceived(flight, node)) onFrame(node, frame)
        queue.after(spacingUs(frame.bytes), () => done(true))
      } else if (this.#isReceived(flight, to)) this.#acknowledge(frame, to, attempt, done)
      else queue.after(ACK_WAIT_US, () => this.#retry(frame, missedBy(attempt), done))
    })
  }

  #acknowledge(frame: Frame<Load>, to: number, attempt: Attempt, done: (ok: boolean) => void): void {
    const { queue, onFrame } = this.#options
    queue.after(TURNAROUND_US, () => {
      if (this.#isSending(to)) {
        queue.after(ACK_WAIT_US - TURNAROUND_US, () => this.#retry(frame, missedBy(attempt), done))
        return
      }
      this.#counters.acks++
      this.#fly(to, ACK_FRAME_BYTES, true, (flight) => {
        if (this.#isReceived(flight, frame.from)) queue.after(spacingUs(frame.bytes), () => done(true))
        else queue.after(ACK_WAIT_US, () => this.#retry(frame, missedBy(attempt), done))
      })
    })
    onFrame(to, frame)
  }

  #retry(frame: Frame<Load>, attempt: Attempt, done: (ok: boolean) => void): void {
    const isBroadcast = frame.to === undefined
    if (isBroadcast || attempt.tries >= this.#options.maxFrameRetries || !this.#options.isPowered(frame.from)) {
      this.#counters.failures++
      done(false)
      return
    }
    this.#counters.retries++
    const { queue, random } = this.#options
    const next: Attempt = { tries: attempt.tries + 1, missed: attempt.missed, busy: 0, exponent: MIN_BACKOFF_EXPONENT }
    const missed = attempt.isMissed === true ? attempt.missed - 1 : 0
    // Senders that do not hear each other would collide for ever: their retries drift apart, as stacks do it beyond the standard.
    const delayUs = attempt.isMissed === true ? random.below(2 ** Math.min(missed, MAX_BACKOFF_EXPONENT)) * BACKOFF_UNIT_US : 0
    queue.after(delayUs, () => this.#contend(frame, next, done))
  }

  #fly(node: number, bytes: number, isAck: boolean, landed: (flight: Flight) => void): void {
    const { queue, observe } = this.#options
    const startUs = queue.nowUs
    const overlaps = [...this.#inAir]
    const flight: Flight = { node, bytes, isAck, startUs, endUs: startUs + airtimeUs(bytes), overlaps }
    for (const other of overlaps) other.overlaps.push(flight)
    if (this.#inAir.size === 0) this.#busySinceUs = startUs
    this.#inAir.add(flight)
    observe?.(flight)
    queue.after(flight.endUs - startUs, () => {
      this.#inAir.delete(flight)
      if (this.#inAir.size === 0) this.#counters.busyUs += queue.nowUs - this.#busySinceUs
      landed(flight)
    })
  }

  #isBusy(node: number): boolean {
    for (const flight of this.#inAir) {
      if (flight.node === node || this.#options.links.rssiDbm(flight.node, node) >= CCA_DBM) return true
    }
    return false
  }

  #isSending(node: number): boolean {
    for (const flight of this.#inAir) if (flight.node === node) return true
    return false
  }

  #isReceived(flight: Flight, at: number): boolean {
    const { links, isPowered, random } = this.#options
    if (!isPowered(at) || !isPowered(flight.node)) return false
    const strength = links.rssiDbm(flight.node, at)
    for (const other of flight.overlaps) {
      if (other.node === at) return false
      if (links.rssiDbm(other.node, at) > strength - CAPTURE_DB) {
        this.#counters.collisions++
        return false
      }
    }
    return random.fraction() < links.rate(flight.node, at) * (1 - this.#lossRate)
  }
}

interface Attempt {
  readonly tries: number
  /** Attempts that nobody acknowledged; the last one is among them where `isMissed`. */
  readonly missed: number
  readonly isMissed?: boolean
  readonly busy: number
  readonly exponent: number
}

function missedBy(attempt: Attempt): Attempt {
  return { ...attempt, missed: attempt.missed + 1, isMissed: true }
}
