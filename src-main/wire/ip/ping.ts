// Echo requests and the answers to them (RFC 4443 §4.1, §4.2), with the round-trip time.
import { AppError, type Clock, type Random } from '#main/base/index.ts'
import type { IpCounting } from './ip-counters.ts'

export interface PingOptions {
  /** 3 s unless told. */
  readonly timeoutMs?: number
  /** Bytes of data, at least 8: a nonce tells answers from forgeries. */
  readonly dataBytes?: number
  readonly hopLimit?: number
  readonly signal?: AbortSignal
}

export interface PingReply {
  readonly from: string
  readonly rttMs: number
  /** Of the answer as it arrived. */
  readonly hopLimit: number
  readonly dataBytes: number
}

export interface EchoReply {
  readonly identifier: number
  readonly sequence: number
  readonly data: Uint8Array
  readonly from: string
  readonly hopLimit: number
}

/** Sends the request, or says why it cannot. */
export type SendEcho = (echo: { identifier: number; sequence: number; data: Uint8Array }) => AppError | undefined

const DEFAULT_TIMEOUT_MS = 3000
const DEFAULT_DATA_BYTES = 16
const NONCE_BYTES = 8
const MAX_PENDING = 256

interface Pending {
  readonly target: string
  readonly multicast: boolean
  readonly data: Uint8Array
  readonly sentMs: number
  settle(outcome: PingReply | AppError): void
}

export class Pinger {
  readonly #clock: Clock
  readonly #random: Random
  readonly #counting: IpCounting
  readonly #identifier: number
  readonly #pending = new Map<number, Pending>()
  #sequence: number

  constructor(clock: Clock, random: Random, counting: IpCounting) {
    this.#clock = clock
    this.#random = random
    this.#counting = counting
    this.#identifier = random.below(0x10000)
    this.#sequence = random.below(0x10000)
  }

  /** The first answer; of a group, whoever answers first. */
  ping(target: string, multicast: boolean, options: PingOptions, send: SendEcho): Promise<PingReply> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, dataBytes = DEFAULT_DATA_BYTES, signal } = options
    if (signal?.aborted) return Promise.reject(cancelled())
    if (this.#pending.size >= MAX_PENDING)
      return Promise.reject(new AppError('network.send-failed', 'Too many pings wait for an answer', { retryable: true }))
    const sequence = this.#nextSequence()
    const data = new Uint8Array(Math.max(NONCE_BYTES, dataBytes))
    data.set(this.#random.bytes(NONCE_BYTES))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => settle(cancelled())
      const settle = (outcome: PingReply | AppError): void => {
        if (this.#pending.get(sequence)?.settle !== settle) return
        this.#pending.delete(sequence)
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        if (!(outcome instanceof AppError)) {
          this.#counting.roundTrip(outcome.rttMs)
          resolve(outcome)
          return
        }
        reject(outcome)
      }
      const timer = this.#clock.setTimer(timeoutMs, () => {
        this.#counting.add('pingsLost')
        settle(
          new AppError('network.ping-timeout', `${target} did not answer in ${timeoutMs} ms`, {
            retryable: true,
            details: { target, timeoutMs },
          }),
        )
      })
      this.#pending.set(sequence, { target, multicast, data, sentMs: this.#clock.monotonicMs(), settle })
      const failure = send({ identifier: this.#identifier, sequence, data })
      if (failure !== undefined) {
        settle(failure)
        return
      }
      this.#counting.add('pingsSent')
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  onReply({ identifier, sequence, data, from, hopLimit }: EchoReply): void {
    const pending = identifier === this.#identifier ? this.#pending.get(sequence) : undefined
    if (pending === undefined || (!pending.multicast && pending.target !== from)) return
    if (data.length !== pending.data.length || data.some((byte, index) => byte !== pending.data[index])) return
    pending.settle({ from, rttMs: this.#clock.monotonicMs() - pending.sentMs, hopLimit, dataBytes: data.length })
  }

  /** An error came back for the request. */
  onFailure(identifier: number, sequence: number, target: string, error: AppError): void {
    const pending = identifier === this.#identifier ? this.#pending.get(sequence) : undefined
    if (pending?.target === target) pending.settle(error)
  }

  close(): void {
    for (const pending of [...this.#pending.values()]) pending.settle(cancelled())
  }

  #nextSequence(): number {
    do this.#sequence = (this.#sequence + 1) & 0xffff
    while (this.#pending.has(this.#sequence))
    return this.#sequence
  }
}

function cancelled(): AppError {
  return new AppError('cancelled', 'The ping was cancelled')
}
