// Battery leaves: their radio is off, they ask their parent now and then, and it gives them what it kept (IEEE 802.15.4 indirect transmission).
// Polls that would find nothing are not put on the medium one by one; they cost a real mesh about one percent of its time.
import type { Random } from '#main/base/index.ts'
import type { EventQueue } from './event-queue.ts'
import type { Frame } from './medium.ts'
import type { MeshLoad } from './mesh-types.ts'

export interface SleepyOptions {
  readonly events: EventQueue
  readonly random: Random
  readonly pollMs: ReadonlyArray<number | undefined>
  readonly isPowered: (node: number) => boolean
  readonly parentOf: (node: number) => number | undefined
  readonly sendPoll: (child: number, parent: number, bytes: number, done: (ok: boolean) => void) => void
  readonly sendHeld: (parent: number, frame: Frame<MeshLoad>, done: (ok: boolean) => void) => void
}

interface Leaf {
  readonly pollUs: number
  readonly phaseUs: number
  readonly held: Array<Frame<MeshLoad>>
  fastUntilUs: number
  isPolling: boolean
}

/** MAC header, security and the Data Request command. */
const POLL_BYTES = 22
/** While a leaf expects an answer it asks this often, and for so long (OpenThread's fast polls). */
const FAST_POLL_US = 188_000
const FAST_FOR_US = 4 * FAST_POLL_US

export class SleepyLeaves {
  readonly #options: SleepyOptions
  readonly #leaves: ReadonlyMap<number, Leaf>

  constructor(options: SleepyOptions) {
    this.#options = options
    this.#leaves = new Map(
      options.pollMs.flatMap((pollMs, node) => {
        if (pollMs === undefined) return []
        const leaf: Leaf = {
          pollUs: pollMs * 1000,
          phaseUs: options.random.fraction() * pollMs * 1000,
          held: [],
          fastUntilUs: 0,
          isPolling: false,
        }
        return [[node, leaf] as const]
      }),
    )
  }

  isSleepy(node: number): boolean {
    return this.#leaves.has(node)
  }

  /** Frames that wait for the leaf. */
  held(node: number): number {
    return this.#leaves.get(node)?.held.length ?? 0
  }

  /** The leaf has sent something and asks more often for a while. */
  expectAnswer(node: number): void {
    const leaf = this.#leaves.get(node)
    if (leaf !== undefined) leaf.fastUntilUs = this.#options.events.nowUs + FAST_FOR_US
  }

  hold(node: number, frame: Frame<MeshLoad>): void {
    const leaf = this.#leaves.get(node)
    if (leaf === undefined) return
    leaf.held.push(frame)
    this.#plan(node, leaf)
  }

  forget(node: number): void {
    const leaf = this.#leaves.get(node)
    if (leaf !== undefined) leaf.held.length = 0
  }

  /** A parent has heard a poll and sends the first of what it kept. */
  polled(child: number, parent: number): void {
    const leaf = this.#leaves.get(child)
    const frame = leaf?.held.shift()
    if (leaf === undefined || frame === undefined) return
    this.#options.sendHeld(parent, { ...frame, from: parent }, () => {
      // The frame-pending bit keeps the leaf awake for the rest.
      if (leaf.held.length > 0) this.#poll(child, leaf)
    })
  }

  #plan(node: number, leaf: Leaf): void {
    if (leaf.isPolling) return
    leaf.isPolling = true
    this.#options.events.after(this.#untilPollUs(leaf), () => {
      leaf.isPolling = false
      this.#poll(node, leaf)
    })
  }

  #untilPollUs({ pollUs, phaseUs, fastUntilUs }: Leaf): number {
    const { nowUs } = this.#options.events
    const everyUs = nowUs < fastUntilUs ? Math.min(pollUs, FAST_POLL_US) : pollUs
    return everyUs - ((((nowUs - phaseUs) % everyUs) + everyUs) % everyUs)
  }

  #poll(node: number, leaf: Leaf): void {
    if (leaf.isPolling || leaf.held.length === 0 || !this.#options.isPowered(node)) return
    const parent = this.#options.parentOf(node)
    if (parent === undefined) {
      leaf.held.length = 0
      return
    }
    leaf.isPolling = true
    this.#options.sendPoll(node, parent, POLL_BYTES, (ok) => {
      leaf.isPolling = false
      if (!ok) this.#plan(node, leaf)
    })
  }
}
