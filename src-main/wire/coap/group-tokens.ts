// Tokens and Message IDs of group requests: none is used again before MIN_TOKEN_REUSE_TIME is over (groupcomm-bis-18 §3.1.5).
import { AppError, type Clock, type Random } from '#main/base/index.ts'
import { minTokenReuseTimeMs, type CoapParameters } from './parameters.ts'

export interface GroupTokensOptions {
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
}

/** Short, because a group request should fit one 802.15.4 frame; random, because only the token tells a response (§3.1.4). */
export const GROUP_TOKEN_BYTES = 4
/** Message IDs from here on belong to group requests: a server that knows one from a unicast message would take the request for a duplicate. */
export const FIRST_GROUP_MESSAGE_ID = 0xe000

const MESSAGE_IDS = 0x10000 - FIRST_GROUP_MESSAGE_ID
/** 400 requests a second for MIN_TOKEN_REUSE_TIME. */
const MAX_TOKENS = 200_000

export class GroupTokens {
  readonly #options: GroupTokensOptions
  readonly #reuseMs: number
  readonly #active = new Set<string>()
  /** When each may be used again, in that order. */
  readonly #resting = new Map<string, number>()
  /** By Message ID: when it was last used. */
  readonly #usedAtMs = new Float64Array(MESSAGE_IDS).fill(Number.NEGATIVE_INFINITY)
  #nextMessageId: number

  constructor(options: GroupTokensOptions) {
    this.#options = options
    this.#reuseMs = minTokenReuseTimeMs(options.parameters)
    this.#nextMessageId = options.random.below(MESSAGE_IDS)
  }

  /** Tokens that may not be used now, for tests of the bound. */
  get held(): number {
    return this.#active.size + this.#resting.size
  }

  /** A token that is in use until it is released. Fails with `network.send-failed` where too many are held. */
  take(): Uint8Array {
    this.#wake()
    if (this.held >= MAX_TOKENS) throw tooMany()
    for (;;) {
      const token = this.#options.random.bytes(GROUP_TOKEN_BYTES)
      const key = tokenKey(token)
      if (this.#active.has(key) || this.#resting.has(key)) continue
      this.#active.add(key)
      return token
    }
  }

  /** The token's request is over; only MIN_TOKEN_REUSE_TIME from now may it come again. */
  release(token: Uint8Array): void {
    const key = tokenKey(token)
    if (this.#active.delete(key)) this.#resting.set(key, this.#options.clock.monotonicMs() + this.#reuseMs)
  }

  /** A Message ID that no group request had for MIN_TOKEN_REUSE_TIME. Fails with `network.send-failed` where there is none. */
  takeMessageId(): number {
    const index = this.#nextMessageId
    const nowMs = this.#options.clock.monotonicMs()
    // They are taken in turn, so that the next one is the one that has rested longest.
    if (nowMs - (this.#usedAtMs[index] ?? 0) <= this.#reuseMs) throw tooMany()
    this.#usedAtMs[index] = nowMs
    this.#nextMessageId = (index + 1) % MESSAGE_IDS
    return FIRST_GROUP_MESSAGE_ID + index
  }

  /** The Message ID is sent once more. */
  touchMessageId(messageId: number): void {
    this.#usedAtMs[messageId - FIRST_GROUP_MESSAGE_ID] = this.#options.clock.monotonicMs()
  }

  #wake(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [key, untilMs] of this.#resting) {
      // The time must be greater than MIN_TOKEN_REUSE_TIME.
      if (untilMs >= nowMs) return
      this.#resting.delete(key)
    }
  }
}

export function tokenKey(token: Uint8Array): string {
  return String.fromCharCode(...token)
}

function tooMany(): AppError {
  return new AppError('network.send-failed', 'Too many group requests in MIN_TOKEN_REUSE_TIME', { retryable: true })
}
