// Transactions under way to servers above: whose each is, its connection, the last answer for who asks again, and when it is over.
import type { Clock, Timer } from '#main/base/index.ts'
import type { CmpTransport } from '../client/transport.ts'
import type { BodyType } from '../cmp/body.ts'
import { Refusal } from '../cmp/status.ts'
import type { UpstreamKeeper } from './keeper.ts'
import type { UpstreamLimits, UpstreamServer } from './types.ts'

export interface Running {
  readonly id: string
  readonly server: UpstreamServer
  readonly operation: BodyType
  /** Whose it is: nobody else may go on with it. */
  readonly requester: string
  /** Opened when it is needed; after a restart it is another one. */
  transport: CmpTransport | undefined
  /** The message that is on its way, and what becomes of it. */
  pending: { readonly requestHash: string; readonly answer: Promise<Uint8Array> } | undefined
  /** What the device was answered last: the same message again has lost it. */
  last: { readonly requestHash: string; readonly bytes: Uint8Array } | undefined
  /** Nothing follows. */
  done: boolean
  timer: Timer | undefined
  /** When it is over, on the clock that nobody sets. */
  untilMs: number
}

export type NewTransaction = Pick<Running, 'id' | 'server' | 'operation' | 'requester' | 'transport'>

export interface TransactionsOptions {
  readonly clock: Clock
  readonly limits: UpstreamLimits
  readonly keeper: UpstreamKeeper
}

export class UpstreamTransactions {
  readonly #options: TransactionsOptions
  readonly #running = new Map<string, Running>()

  constructor(options: TransactionsOptions) {
    this.#options = options
  }

  /** Those to which something may follow. */
  get size(): number {
    let count = 0
    for (const { done } of this.#running.values()) if (!done) count++
    return count
  }

  get(id: string): Running | undefined {
    return this.#running.get(id)
  }

  /** Of those requesters. */
  countOf(isTheirs: (requester: string) => boolean): number {
    let count = 0
    for (const { requester, done } of this.#running.values()) if (!done && isTheirs(requester)) count++
    return count
  }

  /** Throws `Refusal` systemUnavail where there are too many. Those that are only remembered make room. */
  open(transaction: NewTransaction): Running {
    const { limits } = this.#options
    if (this.#running.size >= limits.transactions) {
      const over = [...this.#running.values()].find(({ done }) => done)
      if (over === undefined) throw new Refusal('systemUnavail', 'Too many transactions are under way')
      this.drop(over.id)
    }
    return this.adopt(transaction, limits.idleS)
  }

  /** Whatever there is already: the request has been waited for. */
  adopt(transaction: NewTransaction, keepS: number): Running {
    const { clock } = this.#options
    const untilMs = clock.monotonicMs() + keepS * 1000
    const running: Running = { ...transaction, pending: undefined, last: undefined, done: false, timer: undefined, untilMs }
    this.#running.set(running.id, running)
    this.#arm(running)
    return running
  }

  /** Durable before the device has it. */
  async answered(running: Running, requestHash: string, bytes: Uint8Array, isLast: boolean): Promise<void> {
    const { clock, limits, keeper } = this.#options
    if (this.#running.get(running.id) !== running) return
    running.last = { requestHash, bytes }
    running.done = isLast
    running.untilMs = clock.monotonicMs() + limits.idleS * 1000
    if (isLast) this.hangUp(running)
    this.#arm(running)
    const { id, server, operation, requester } = running
    await keeper.save(
      {
        id,
        server: server.name,
        operation,
        requester,
        requestHash,
        state: isLast ? 'done' : 'running',
        failInfo: undefined,
        why: '',
        untilAt: clock.now() + limits.idleS * 1000,
      },
      bytes,
    )
  }

  /** Gone, and forgotten. */
  drop(id: string): void {
    const running = this.#running.get(id)
    if (running === undefined) return
    this.#forget(running)
    this.#options.keeper.remove(id)
  }

  /** Hangs up everywhere; what is kept stays kept. */
  close(): void {
    for (const running of [...this.#running.values()]) this.#forget(running)
  }

  #forget(running: Running): void {
    this.#running.delete(running.id)
    running.timer?.cancel()
    this.hangUp(running)
  }

  /** The next message takes another connection. */
  hangUp(running: Running): void {
    running.transport?.close()
    running.transport = undefined
  }

  /** A connection is not held for a day: where the transaction goes on later, it does so over another one. */
  #arm(running: Running): void {
    const { clock, limits } = this.#options
    running.timer?.cancel()
    const leftMs = running.untilMs - clock.monotonicMs()
    const idleMs = limits.idleS * 1000
    // Whoever is asked right now has a limit of time of its own.
    const waitMs = running.pending === undefined ? Math.max(0, Math.min(leftMs, idleMs)) : idleMs
    running.timer = clock.setTimer(waitMs, () => {
      if (running.pending === undefined && running.untilMs <= clock.monotonicMs()) {
        this.drop(running.id)
        return
      }
      if (running.pending === undefined) this.hangUp(running)
      this.#arm(running)
    })
  }
}
