// Stateless cookies (RFC 6347 §4.2.1): an HMAC over the peer's key and its hello, with a secret that changes.
import { concatBytes, equalInConstantTime, HmacSha256, utf8, type Clock, type Random } from '#main/base/index.ts'
import { numbers16, uint, vector } from './bytes.ts'
import type { ClientHello } from './messages/client-hello.ts'

const COOKIE_BYTES = 16
const SECRET_BYTES = 32

export class CookieJar {
  readonly #clock: Clock
  readonly #random: Random
  readonly #periodMs: number
  #current: Uint8Array
  #previous: Uint8Array
  #changedMs: number

  constructor(clock: Clock, random: Random, periodMs: number) {
    this.#clock = clock
    this.#random = random
    this.#periodMs = periodMs
    this.#current = random.bytes(SECRET_BYTES)
    this.#previous = random.bytes(SECRET_BYTES)
    this.#changedMs = clock.monotonicMs()
  }

  bake(peerKey: string, hello: ClientHello): Uint8Array {
    this.#rotate()
    return cookieOf(this.#current, peerKey, hello)
  }

  accepts(peerKey: string, hello: ClientHello): boolean {
    if (hello.cookie.length !== COOKIE_BYTES) return false
    this.#rotate()
    return [this.#current, this.#previous].some((secret) => equalInConstantTime(cookieOf(secret, peerKey, hello), hello.cookie))
  }

  #rotate(): void {
    const ageMs = this.#clock.monotonicMs() - this.#changedMs
    if (ageMs < this.#periodMs) return
    this.#previous = ageMs < 2 * this.#periodMs ? this.#current : this.#random.bytes(SECRET_BYTES)
    this.#current = this.#random.bytes(SECRET_BYTES)
    this.#changedMs = this.#clock.monotonicMs()
  }
}

/** Over the parameters that §4.2.1 names; extensions such as padding may differ in the second hello. */
function cookieOf(secret: Uint8Array, peerKey: string, hello: ClientHello): Uint8Array {
  const parameters = concatBytes(
    vector(2, utf8(peerKey)),
    uint(2, hello.version),
    hello.random,
    vector(1, hello.sessionId),
    numbers16(hello.suites),
    vector(1, hello.compressions),
  )
  return new HmacSha256(secret).of(parameters).subarray(0, COOKIE_BYTES)
}
