// The Echo option at the server: proof that a request is fresh and that its source address is true, without any state for each
// client (RFC 9175 §2, Appendix A item 2: an integrity-protected timestamp).
import { concatBytes, equalInConstantTime, hmac, utf8, type Clock, type Random } from '#main/base/index.ts'
import { findOptions, opaqueOption, OptionNumber } from './options.ts'
import type { CoapOption, EchoPolicy, IncomingRequest, OutgoingResponse } from './types.ts'

const KEY_BYTES = 32
/** Milliseconds on the monotonic clock: 8900 years fit. */
const TIME_BYTES = 6
/** 64 bits, guessed on line only: each guess costs a datagram, and its answer goes to the address that it pretends to come from. */
const MAC_BYTES = 8

export class EchoGuard {
  readonly #clock: Clock
  readonly #key: Uint8Array

  /** The key is drawn anew at each start, which makes older values unfresh. */
  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#key = random.bytes(KEY_BYTES)
  }

  /** A value that `isFresh` knows for this peer. */
  issue(peer: string): CoapOption {
    const time = timeBytes(Math.floor(this.#clock.monotonicMs()))
    return opaqueOption(OptionNumber.ECHO, concatBytes(time, this.#mac(time, peer)))
  }

  /** Whether one of the request's Echo values was issued to the peer, no longer ago than so. */
  isFresh(options: readonly CoapOption[], peer: string, freshnessMs: number): boolean {
    return findOptions(options, OptionNumber.ECHO).some(({ value }) => {
      if (value.length !== TIME_BYTES + MAC_BYTES) return false
      const time = value.subarray(0, TIME_BYTES)
      if (!equalInConstantTime(value.subarray(TIME_BYTES), this.#mac(time, peer))) return false
      return this.#clock.monotonicMs() - timeOf(time) < freshnessMs
    })
  }

  /** The 4.01 that asks for a repetition (§2.3); undefined where the request needs no proof or has brought it. */
  challenge(policy: EchoPolicy, request: IncomingRequest, peer: string): OutgoingResponse | undefined {
    if (policy.methods !== undefined && !policy.methods.includes(request.method)) return undefined
    if (this.isFresh(request.options, peer, policy.freshnessMs)) return undefined
    return { code: '4.01', options: [this.issue(peer)] }
  }

  #mac(time: Uint8Array, peer: string): Uint8Array {
    return hmac('sha256', this.#key, time, utf8(peer)).subarray(0, MAC_BYTES)
  }
}

function timeBytes(ms: number): Uint8Array {
  const bytes = new Uint8Array(TIME_BYTES)
  let rest = ms
  for (let index = TIME_BYTES - 1; index >= 0; index--) {
    bytes[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return bytes
}

function timeOf(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0)
}
