// Transmission parameters and what follows from them (RFC 7252 §4.8; draft-ietf-core-groupcomm-bis-18 §3.1.5), and this endpoint's limits.

export interface CoapParameters {
  /** ACK_TIMEOUT */
  readonly ackTimeoutMs: number
  /** ACK_RANDOM_FACTOR */
  readonly ackRandomFactor: number
  /** MAX_RETRANSMIT */
  readonly maxRetransmit: number
  /** NSTART: outstanding interactions with one peer. */
  readonly nstart: number
  /** DEFAULT_LEISURE: group requests are answered at a random moment within it. */
  readonly leisureMs: number
  /** MAX_LATENCY */
  readonly maxLatencyMs: number
  /** PROCESSING_DELAY */
  readonly processingDelayMs: number
  /** MAX_SERVER_RESPONSE_DELAY */
  readonly maxServerResponseDelayMs: number
  /** A handler that takes longer gets its request acknowledged at once and answers separately (RFC 7252 §5.2.2). */
  readonly separateAfterMs: number
  /** Largest block of a block-wise transfer: a power of two from 16 to 1024. */
  readonly maxBlockBytes: number
  /** Largest body that is put together from blocks or sent in blocks. */
  readonly maxBodyBytes: number
  /** How long an unfinished block-wise transfer is kept after its last block. */
  readonly blockLifetimeMs: number
  /** All bodies of unfinished block-wise transfers together. */
  readonly maxBlockwiseBytes: number
  /** Bodies of unfinished block-wise requests of one peer together. */
  readonly maxBlockwiseBytesPerPeer: number
  /** Message IDs remembered for deduplication. */
  readonly maxDedupEntries: number
  /** Replies remembered for deduplication. */
  readonly maxDedupBytes: number
  /** Requests that wait for their turn (NSTART) or their response. */
  readonly maxPendingRequests: number
  /** Requests of others that a handler or Leisure holds; more are answered 5.03, or not at all in a group. */
  readonly maxServing: number
  /** Responses to one group request that nobody has taken yet. */
  readonly maxGroupResponses: number
  /** PROBING_RATE in bytes a second: Non-confirmable requests to a peer that has not answered the last (RFC 7252 §4.7). */
  readonly probingRate: number
  /**
   * The same towards a group none of whose servers answers (groupcomm-bis §3.6). More than PROBING_RATE's 1: where responses are
   * suppressed on purpose, a second command would have to wait for half a minute.
   */
  readonly groupProbingRate: number
  /** Longest token that is understood, up to 65804; more than 8 turns extended tokens on (RFC 8974). */
  readonly maxTokenBytes: number
  /** Entries in the lists of observers, and those of one peer (RFC 7641 §4.1). */
  readonly maxObservers: number
  readonly maxObserversPerPeer: number
  /** An observer that has confirmed nothing for so long gets a Confirmable notification; at most 24 hours (RFC 7641 §4.5). */
  readonly observeLivenessMs: number
  /** Notifications that follow the last one within this time are Non-confirmable, and the last of them is repeated (RFC 7641 §4.5). */
  readonly observeBurstMs: number
}

export const DEFAULT_PARAMETERS: CoapParameters = {
  ackTimeoutMs: 2000,
  ackRandomFactor: 1.5,
  maxRetransmit: 4,
  nstart: 1,
  leisureMs: 5000,
  maxLatencyMs: 100_000,
  processingDelayMs: 2000,
  maxServerResponseDelayMs: 250_000,
  separateAfterMs: 500,
  maxBlockBytes: 1024,
  maxBodyBytes: 2 * 1024 * 1024,
  blockLifetimeMs: 60_000,
  maxBlockwiseBytes: 16 * 1024 * 1024,
  maxBlockwiseBytesPerPeer: 6 * 1024 * 1024,
  maxDedupEntries: 65_536,
  maxDedupBytes: 8 * 1024 * 1024,
  maxPendingRequests: 20_000,
  maxServing: 10_000,
  maxGroupResponses: 10_000,
  probingRate: 1,
  groupProbingRate: 100,
  maxTokenBytes: 8,
  maxObservers: 20_000,
  maxObserversPerPeer: 1000,
  observeLivenessMs: 3_600_000,
  observeBurstMs: 3000,
}

/** MAX_TRANSMIT_SPAN: from the first transmission of a Confirmable message to its last. */
export function maxTransmitSpanMs(of: CoapParameters): number {
  return of.ackTimeoutMs * (2 ** of.maxRetransmit - 1) * of.ackRandomFactor
}

/** MAX_TRANSMIT_WAIT: from the first transmission to giving up on an acknowledgement. */
export function maxTransmitWaitMs(of: CoapParameters): number {
  return of.ackTimeoutMs * (2 ** (of.maxRetransmit + 1) - 1) * of.ackRandomFactor
}

/** MAX_RTT */
export function maxRttMs(of: CoapParameters): number {
  return 2 * of.maxLatencyMs + of.processingDelayMs
}

/** EXCHANGE_LIFETIME: how long a Confirmable message's ID must not be used again. */
export function exchangeLifetimeMs(of: CoapParameters): number {
  return maxTransmitSpanMs(of) + maxRttMs(of)
}

/** NON_LIFETIME: how long a Non-confirmable message's ID must not be used again. */
export function nonLifetimeMs(of: CoapParameters): number {
  return maxTransmitSpanMs(of) + of.maxLatencyMs
}

/** MIN_TOKEN_REUSE_TIME: how long a group request's token must not be used again. */
export function minTokenReuseTimeMs(of: CoapParameters): number {
  return nonLifetimeMs(of) + of.maxLatencyMs + of.maxServerResponseDelayMs
}
