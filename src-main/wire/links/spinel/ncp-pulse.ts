// Whether a running dongle still lives, and whether a damaged frame has hidden a notification: asked now and then, seldom when all is well.
import type { Clock, Logger, Timer } from '#main/base/index.ts'
import { COMMAND } from './frame.ts'
import { askAll, vitalProperties } from './ncp-questions.ts'
import type { NcpState } from './ncp-status.ts'
import type { SpinelSession } from './session.ts'

const TICK_MS = 10_000
const IDLE_MS = 60_000

export class Pulse {
  readonly #session: SpinelSession
  readonly #state: NcpState
  readonly #clock: Clock
  readonly #logger: Logger
  #timer: Timer | undefined
  #seenDamage = 0
  #seenFrames = 0
  #idleSinceMs = 0

  constructor(session: SpinelSession, state: NcpState, clock: Clock, logger: Logger) {
    this.#session = session
    this.#state = state
    this.#clock = clock
    this.#logger = logger
  }

  start(): void {
    this.#idleSinceMs = this.#clock.monotonicMs()
    this.#schedule()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(TICK_MS, () => {
      this.#schedule()
      void this.#check().catch((error: unknown) => this.#logger.debug({ error }, 'The dongle could not be checked'))
    })
  }

  async #check(): Promise<void> {
    const { damagedFrames, framesIn } = this.#session.counters()
    const now = this.#clock.monotonicMs()
    const mayHaveMissed = damagedFrames !== this.#seenDamage || (this.#state.status.stackUp && !this.#state.attached)
    if (framesIn !== this.#seenFrames) this.#idleSinceMs = now
    this.#seenDamage = damagedFrames
    this.#seenFrames = framesIn
    if (mayHaveMissed) await askAll(this.#session, vitalProperties)
    else if (now - this.#idleSinceMs >= IDLE_MS) await this.#session.command(COMMAND.NOOP)
  }
}
