// Echo values that servers gave ahead of need: each goes back in the next request to the server that gave it (RFC 9175 §2.3).
import type { Clock, SocketAddress } from '#main/base/index.ts'
import { ExpiringMap } from './expiring-map.ts'
import { peerKey } from './message-layer.ts'
import { findOption, OptionNumber } from './options.ts'
import type { CoapOption } from './types.ts'

const LIFETIME_MS = 300_000
const MAX_PEERS = 4096
const MAX_ECHO_BYTES = 40

export class EchoMemory {
  readonly #clock: Clock
  readonly #values = new ExpiringMap<CoapOption | undefined>(LIFETIME_MS, MAX_PEERS)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  keep(from: SocketAddress, echo: CoapOption): void {
    this.#values.set(peerKey(from), echo, LIFETIME_MS, this.#clock.monotonicMs())
  }

  take(to: SocketAddress): CoapOption | undefined {
    const peer = peerKey(to)
    const nowMs = this.#clock.monotonicMs()
    const echo = this.#values.get(peer, nowMs)
    if (echo !== undefined) this.#values.set(peer, undefined, 0, nowMs)
    return echo
  }
}

/** The Echo option of a response, where it has a sound one. */
export function echoOf(options: readonly CoapOption[]): CoapOption | undefined {
  const echo = findOption(options, OptionNumber.ECHO)
  return echo !== undefined && echo.value.length > 0 && echo.value.length <= MAX_ECHO_BYTES ? echo : undefined
}
