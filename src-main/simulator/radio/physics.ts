// What IEEE 802.15.4-2006 at 2.4 GHz fixes: times of the O-QPSK PHY (clause 6.5) and of unslotted CSMA-CA (clause 7.5.1.4).

export const BITS_A_SECOND = 250_000
/** Two symbols of 16 µs a byte. */
export const US_A_BYTE = 32
const SYMBOL_US = 16
/** Preamble, start-of-frame delimiter and length. */
const PHY_HEADER_BYTES = 6
/** aMaxPHYPacketSize. */
export const MAX_FRAME_BYTES = 127
export const ACK_FRAME_BYTES = 5
/** aTurnaroundTime. */
export const TURNAROUND_US = 12 * SYMBOL_US
export const CCA_US = 8 * SYMBOL_US
/** aUnitBackoffPeriod. */
export const BACKOFF_UNIT_US = 20 * SYMBOL_US
/** macAckWaitDuration. */
export const ACK_WAIT_US = 54 * SYMBOL_US
export const MIN_BACKOFF_EXPONENT = 3
export const MAX_BACKOFF_EXPONENT = 5
export const MAX_CSMA_BACKOFFS = 4
const SHORT_FRAME_BYTES = 18
const SHORT_SPACING_US = 12 * SYMBOL_US
const LONG_SPACING_US = 40 * SYMBOL_US

/** How long a frame of that many MAC bytes, FCS included, is in the air. */
export function airtimeUs(frameBytes: number): number {
  return (PHY_HEADER_BYTES + frameBytes) * US_A_BYTE
}

/** The pause after a frame before its sender may send the next (SIFS, LIFS). */
export function spacingUs(frameBytes: number): number {
  return frameBytes <= SHORT_FRAME_BYTES ? SHORT_SPACING_US : LONG_SPACING_US
}

/** Chance of one frame over a link of that strength, without anybody else in the air. */
export function receptionRate(rssiDbm: number): number {
  return rssiDbm < SENSITIVITY_DBM ? 0 : 1 / (1 + Math.exp(-(rssiDbm + 91) / 1.2))
}

export const SENSITIVITY_DBM = -97
/** A stronger frame survives a weaker one under it by this margin. */
export const CAPTURE_DB = 4
/** Energy above which the channel counts as busy. */
export const CCA_DBM = -92
