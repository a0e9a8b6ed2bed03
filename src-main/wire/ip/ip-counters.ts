// What a host counts on one link: for the link page and for support.

/** Why a received packet went no further. */
export type DropReason =
  | 'malformed'
  | 'not-ours'
  | 'own-source'
  | 'bad-source'
  | 'checksum'
  | 'no-checksum'
  | 'header-problem'
  | 'option'
  | 'no-next-header'
  | 'unknown-protocol'
  | 'no-listener'
  | 'fragment-overlap'
  | 'fragment-duplicate'
  | 'fragment-limit'
  | 'reassembly-timeout'
  | 'loopback-full'

export interface LatencyCounters {
  readonly samples: number
  readonly lastMs: number
  readonly averageMs: number
  readonly minMs: number
  readonly maxMs: number
}

export interface IpCounters {
  readonly packetsReceived: number
  readonly bytesReceived: number
  readonly packetsSent: number
  readonly bytesSent: number
  /** Packets that never left: no route, too large, the link down or full. */
  readonly sendErrors: number
  /** Packets that went nowhere because the link was down for a moment. */
  readonly lostWhileDown: number
  /** Packets that the link took and then gave back. */
  readonly linkRefused: number
  readonly datagramsReceived: number
  readonly reassembled: number
  readonly icmpErrorsSent: number
  /** Errors that the rate limit kept back (RFC 4443 §2.4 f). */
  readonly icmpErrorsWithheld: number
  readonly icmpErrorsReceived: number
  readonly echoesAnswered: number
  readonly pingsSent: number
  readonly pingsLost: number
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
  /** Round trips of pings; undefined where none was answered yet. */
  readonly latency: LatencyCounters | undefined
}

type Countable = {
  -readonly [Key in keyof IpCounters as IpCounters[Key] extends number ? Key : never]: number
}

export class IpCounting {
  readonly #counts: Countable = {
    packetsReceived: 0,
    bytesReceived: 0,
    packetsSent: 0,
    bytesSent: 0,
    sendErrors: 0,
    lostWhileDown: 0,
    linkRefused: 0,
    datagramsReceived: 0,
    reassembled: 0,
    icmpErrorsSent: 0,
    icmpErrorsWithheld: 0,
    icmpErrorsReceived: 0,
    echoesAnswered: 0,
    pingsSent: 0,
    pingsLost: 0,
  }
  readonly #dropped: Partial<Record<DropReason, number>> = {}
  #latency: LatencyCounters | undefined

  add(what: keyof Countable, by = 1): void {
    this.#counts[what] += by
  }

  drop(reason: DropReason): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1
  }

  roundTrip(rttMs: number): void {
    const known = this.#latency
    this.#latency =
      known === undefined
        ? { samples: 1, lastMs: rttMs, averageMs: rttMs, minMs: rttMs, maxMs: rttMs }
        : {
            samples: known.samples + 1,
            lastMs: rttMs,
            // Smoothed as TCP does it (RFC 6298 §2): an old outlier fades.
            averageMs: known.averageMs + (rttMs - known.averageMs) / 8,
            minMs: Math.min(known.minMs, rttMs),
            maxMs: Math.max(known.maxMs, rttMs),
          }
  }

  snapshot(): IpCounters {
    return { ...this.#counts, dropped: { ...this.#dropped }, latency: this.#latency }
  }
}
