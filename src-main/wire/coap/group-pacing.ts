// How many group requests to one CoAP group are outstanding at once, and how fast they follow each other while nobody answers
// (groupcomm-bis-18 §3.6: NSTART and PROBING_RATE of RFC 7252 §4.7, with the group in the place of the server).
import type { Clock, Timer } from '#main/base/index.ts'
import { maxTransmitWaitMs, type CoapParameters } from './parameters.ts'

/** One request's place in the queue of its group. */
export interface GroupTurn {
  /** A server has answered: the request is outstanding no more, and the group is not silent. */
  answered(): void
  /** No answer is waited for any more. */
  leave(): void
}

interface Waiting {
  readonly begin: () => void
  outstanding: boolean
}

interface Lane {
  outstanding: number
  readonly waiting: Set<Waiting>
  /** Until then a group that has not answered is left alone. */
  silentUntilMs: number
  timer: Timer | undefined
}

/** Lanes of groups that nothing is going on in are swept away when there are more. */
const MAX_IDLE_LANES = 1024

export class GroupPacing {
  readonly #clock: Clock
  readonly #nstart: number
  readonly #bytesPerMs: number
  readonly #longestMs: number
  readonly #lanes = new Map<string, Lane>()

  constructor(clock: Clock, parameters: CoapParameters) {
    this.#clock = clock
    this.#nstart = parameters.nstart
    this.#bytesPerMs = parameters.groupProbingRate / 1000
    this.#longestMs = maxTransmitWaitMs(parameters)
  }

  /** Groups that something is held for. */
  get size(): number {
    return this.#lanes.size
  }

  /** Calls `begin` when the request's turn has come: at once where it may leave now. */
  enter(group: string, begin: () => void): GroupTurn {
    const lane = this.#laneOf(group)
    const waiting: Waiting = { begin, outstanding: false }
    const turn: GroupTurn = {
      answered: () => {
        lane.silentUntilMs = this.#clock.monotonicMs()
        this.#giveWay(lane, waiting)
      },
      leave: () => {
        lane.waiting.delete(waiting)
        this.#giveWay(lane, waiting)
      },
    }
    lane.waiting.add(waiting)
    this.#pump(lane)
    return turn
  }

  /** Bytes have left for the group. */
  sent(group: string, bytes: number): void {
    const lane = this.#laneOf(group)
    const nowMs = this.#clock.monotonicMs()
    lane.silentUntilMs = Math.max(nowMs, lane.silentUntilMs) + Math.min(bytes / this.#bytesPerMs, this.#longestMs)
  }

  close(): void {
    for (const lane of this.#lanes.values()) {
      lane.timer?.cancel()
      lane.waiting.clear()
    }
    this.#lanes.clear()
  }

  #giveWay(lane: Lane, waiting: Waiting): void {
    if (waiting.outstanding) lane.outstanding--
    waiting.outstanding = false
    this.#pump(lane)
  }

  #pump(lane: Lane): void {
    lane.timer?.cancel()
    lane.timer = undefined
    while (lane.outstanding < this.#nstart) {
      const next = lane.waiting.values().next().value
      if (next === undefined) return
      const waitMs = lane.silentUntilMs - this.#clock.monotonicMs()
      if (waitMs > 0) {
        lane.timer = this.#clock.setTimer(waitMs, () => this.#pump(lane))
        return
      }
      lane.waiting.delete(next)
      next.outstanding = true
      lane.outstanding++
      next.begin()
    }
  }

  #laneOf(group: string): Lane {
    const known = this.#lanes.get(group)
    if (known !== undefined) return known
    if (this.#lanes.size >= MAX_IDLE_LANES) this.#sweep()
    const lane: Lane = { outstanding: 0, waiting: new Set(), silentUntilMs: 0, timer: undefined }
    this.#lanes.set(group, lane)
    return lane
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [group, lane] of this.#lanes) {
      if (lane.outstanding === 0 && lane.waiting.size === 0 && lane.silentUntilMs <= nowMs) this.#lanes.delete(group)
    }
  }
}
