// How a server answers a group request: when (RFC 7252 §8.2, groupcomm-bis-18 §3.6.1), what it keeps to itself (§3.1.2, §6.5), and how
// much it says to somebody it does not know (§6.3).
import type { Clock, Random } from '#main/base/index.ts'
import { blockBytes, blockOption, findBlock, szxFor } from './block.ts'
import { ExpiringMap } from './expiring-map.ts'
import { findOption, OptionNumber } from './options.ts'
import type { CoapMessage, GroupPolicy, OutgoingResponse, ResponseClass, ResponseCode } from './types.ts'

/** DEFAULT_LEISURE of RFC 7252 §4.8, for unprotected responses: S=100 bytes, G=50 servers, R=1000 bytes a second. */
export const DEFAULT_LEISURE_MS = 5000
/** For an OSCORE group that uses the group mode: S=200. */
export const DEFAULT_LEISURE_GROUP_MODE_MS = 20_000
/** For an OSCORE group that uses the pairwise mode only: S=130. */
export const DEFAULT_LEISURE_PAIRWISE_MODE_MS = 13_000

/** The rough lower bound lb_Leisure = S * G / R, in milliseconds. */
export function leastLeisureMs(responseBytes: number, groupSize: number, bytesPerS: number): number {
  return (responseBytes * groupSize * 1000) / bytesPerS
}

/** Of a client that has been told to wait once: the period goes on where the one before ends, at most so many behind each other. */
const MAX_PERIODS_AHEAD = 4
const MAX_MEMBERSHIPS = 4096

/** Picks the moments at which a server answers. */
export class LeisurePlan {
  readonly #clock: Clock
  readonly #random: Random
  /** By group and client: when the last leisure period ends. */
  readonly #endsMs: ExpiringMap<number>

  constructor(clock: Clock, random: Random, longestMs: number) {
    this.#clock = clock
    this.#random = random
    this.#endsMs = new ExpiringMap(longestMs * MAX_PERIODS_AHEAD, MAX_MEMBERSHIPS)
  }

  /** Milliseconds until the response leaves. Further responses to the client by way of the same group wait for the next period (RFC 7252 §8.2). */
  delayMs(membership: string, leisureMs: number): number {
    const nowMs = this.#clock.monotonicMs()
    const latest = nowMs + leisureMs * (MAX_PERIODS_AHEAD - 1)
    const startMs = Math.min(Math.max(this.#endsMs.get(membership, nowMs) ?? nowMs, nowMs), latest)
    const endMs = startMs + leisureMs
    this.#endsMs.set(membership, endMs, endMs - nowMs, nowMs)
    return startMs - nowMs + this.#random.fraction() * leisureMs
  }
}

/** Bits of the No-Response option (RFC 7967 §2.1). */
const BITS: ReadonlyArray<readonly [ResponseClass, number]> = [
  [2, 2],
  [4, 8],
  [5, 16],
]
const DEFAULT_ANSWERS: readonly ResponseClass[] = [2]

/**
 * Whether the response stays unsent. By default every error does, class by class. No-Response may ask for less from anybody, for more only
 * where the resource heeds it and the client is authenticated.
 */
export function isSuppressed(
  code: ResponseCode,
  policy: GroupPolicy,
  noResponse: { readonly present: boolean; readonly bits: number },
  authenticated: boolean,
): boolean {
  const [, bit] = BITS.find(([of]) => String(of) === code[0]) ?? [2, 0]
  const named = (noResponse.bits & bit) !== 0
  if (named && noResponse.present) return true
  const usual = !(policy.answers ?? DEFAULT_ANSWERS).some((of) => String(of) === code[0])
  if (usual && noResponse.present && policy.heedsNoResponse === true && authenticated) return false
  return usual
}

/** RFC 9175 §2.4, item 3: a factor of 3 is what an attacker may be left with. */
export const MAX_AMPLIFICATION = 3
/** A response of one small frame or two is let pass, whatever the request's size. */
export const UNAMPLIFIED_BYTES = 256
const MIN_BLOCK_BYTES = 16

/**
 * The request as if its client had asked for blocks no larger than what may be answered to somebody unknown; the client fetches the rest
 * by unicast, which shows that it is there. The request itself where the response is small enough.
 */
export function limitAmplification(
  message: CoapMessage,
  requestBytes: number,
  response: OutgoingResponse,
  policy: GroupPolicy,
): CoapMessage {
  const most = Math.max(
    policy.maxResponseBytes ?? UNAMPLIFIED_BYTES,
    requestBytes * (policy.maxAmplification ?? MAX_AMPLIFICATION),
    MIN_BLOCK_BYTES,
  )
  const wanted = findBlock(message.options, OptionNumber.BLOCK2)
  if ((response.payload?.length ?? 0) <= most || wanted === 'invalid') return message
  const szx = szxFor(most)
  if (wanted !== undefined && blockBytes(wanted.szx) <= blockBytes(szx)) return message
  if (wanted !== undefined && wanted.num > 0) return message
  const options = message.options.filter((option) => option.number !== OptionNumber.BLOCK2)
  return { ...message, options: [...options, blockOption(OptionNumber.BLOCK2, { num: 0, more: false, szx })] }
}

/** The 4.01 that asks who the client is (RFC 9175 §2.3): it leaves although errors are suppressed, or the client could never answer it. */
export function isEchoChallenge(response: OutgoingResponse): boolean {
  return response.code === '4.01' && findOption(response.options ?? [], OptionNumber.ECHO) !== undefined
}
