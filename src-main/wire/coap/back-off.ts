// 4.29 Too Many Requests at the client: a request like the one that was answered so is not sent before its Max-Age is over (RFC 8516 §4).
import type { Clock, SocketAddress } from '#main/base/index.ts'
import { ExpiringMap } from './expiring-map.ts'
import { peerKey } from './message-layer.ts'
import { findUint, OptionNumber } from './options.ts'
import type { ClientRequest, ClientResponse } from './types.ts'

interface Refused {
  readonly response: ClientResponse
  readonly atMs: number
}

const DEFAULT_MAX_AGE_S = 60
/** Whoever can forge one answer must not silence this end for longer (§5). */
const LONGEST_MS = 600_000
const MAX_REMEMBERED = 4096

export class BackOff {
  readonly #clock: Clock
  readonly #refused = new ExpiringMap<Refused>(LONGEST_MS, MAX_REMEMBERED)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Asks, or gives the refusal again that still holds, with its age. */
  async run(to: SocketAddress, request: ClientRequest, ask: () => Promise<ClientResponse>): Promise<ClientResponse> {
    // Without protection anybody can say so: that holds for requests without protection alone.
    const sealed = request.security === undefined ? '' : ' sealed'
    const key = `${peerKey(to)}${sealed} ${request.method} /${request.path.join('/')}`
    const nowMs = this.#clock.monotonicMs()
    const refused = this.#refused.get(key, nowMs)
    if (refused !== undefined) return { ...refused.response, elapsedMs: 0, ageMs: nowMs - refused.atMs }
    const response = await ask()
    if (response.code === '4.29') {
      const atMs = this.#clock.monotonicMs()
      const waitMs = Math.min((findUint(response.options, OptionNumber.MAX_AGE) ?? DEFAULT_MAX_AGE_S) * 1000, LONGEST_MS)
      this.#refused.set(key, { response, atMs }, waitMs, atMs)
    }
    return response
  }
}
