// HDLC-lite as Spinel uses it over serial lines: flags, byte stuffing and a frame check sequence (draft-rquattle-spinel-unified,
// appendix on framing; RFC 1662 §4.2 and appendix C.2 for the FCS). A damaged frame is counted and gone; nothing is acknowledged.

/**
 *  +----------+-------------------------------+----------------+----------+
 *  | 7E flag  | frame, stuffed                | FCS-16, lo, hi | 7E flag  |
 *  +----------+-------------------------------+----------------+----------+
 */
const FLAG = 0x7e
const ESCAPE = 0x7d
const ESCAPE_XOR = 0x20
const XON = 0x11
const XOFF = 0x13
/** A vendor's special byte, escaped by every NCP. */
const VENDOR = 0xf8
const FCS_START = 0xffff
/** What the running FCS is after a frame and its own FCS (RFC 1662 appendix C.2). */
const FCS_GOOD = 0xf0b8
const FCS_BYTES = 2

const fcsTable = Uint16Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >> 1) ^ 0x8408 : value >> 1
  return value
})

function runFcs(fcs: number, byte: number): number {
  return (fcs >> 8) ^ (fcsTable[(fcs ^ byte) & 0xff] ?? 0)
}

/** The FCS-16 of the bytes, as it follows them on the line (low byte first). */
export function hdlcFcs(bytes: Uint8Array): number {
  let fcs = FCS_START
  for (const byte of bytes) fcs = runFcs(fcs, byte)
  return fcs ^ 0xffff
}

function mustEscape(byte: number): boolean {
  return byte === FLAG || byte === ESCAPE || byte === XON || byte === XOFF || byte === VENDOR
}

/** A flag by itself: makes a receiver that has just been opened listen, or ends what it has half received. */
export const HDLC_FLAG: Uint8Array = Uint8Array.of(FLAG)

/** The frame with its FCS, stuffed, a flag before and after. */
export function encodeHdlc(frame: Uint8Array): Uint8Array {
  const stuffed = new Uint8Array((frame.length + FCS_BYTES) * 2 + 2)
  let length = 0
  const put = (byte: number): void => {
    if (mustEscape(byte)) {
      stuffed[length++] = ESCAPE
      stuffed[length++] = byte ^ ESCAPE_XOR
    } else stuffed[length++] = byte
  }
  stuffed[length++] = FLAG
  let fcs = FCS_START
  for (const byte of frame) {
    fcs = runFcs(fcs, byte)
    put(byte)
  }
  fcs ^= 0xffff
  put(fcs & 0xff)
  put(fcs >> 8)
  stuffed[length++] = FLAG
  return stuffed.slice(0, length)
}

export interface HdlcCounters {
  readonly frames: number
  /** Frames with a wrong FCS, too short ones, and those cut off by an escape before the flag. */
  readonly damaged: number
  /** Frames that were longer than the limit. */
  readonly tooLong: number
  /** Bytes before the first flag. */
  readonly noiseBytes: number
}

/** Largest frame that a decoder keeps unless told: an NCP sends at most 1300 bytes, a firmware with larger buffers 2048. */
const MOST_FRAME_BYTES = 2048

/** Takes the stream in pieces of any size and gives whole frames, without FCS. Total, bounded, and in step again at the next flag. */
export class HdlcDecoder {
  readonly #buffer: Uint8Array
  #length = 0
  #fcs = FCS_START
  #state: 'before-flag' | 'frame' | 'escaped' | 'skipping' = 'before-flag'
  #frames = 0
  #damaged = 0
  #tooLong = 0
  #noiseBytes = 0

  constructor(mostFrameBytes = MOST_FRAME_BYTES) {
    this.#buffer = new Uint8Array(mostFrameBytes + FCS_BYTES)
  }

  push(bytes: Uint8Array): readonly Uint8Array[] {
    const frames: Uint8Array[] = []
    for (const byte of bytes) {
      if (byte === FLAG) this.#flag(frames)
      else this.#byte(byte)
    }
    return frames
  }

  /** Forgets what is half received, as after opening the line again. */
  reset(): void {
    this.#begin('before-flag')
  }

  counters(): HdlcCounters {
    return { frames: this.#frames, damaged: this.#damaged, tooLong: this.#tooLong, noiseBytes: this.#noiseBytes }
  }

  #flag(frames: Uint8Array[]): void {
    if (this.#state === 'skipping') this.#tooLong++
    else if (this.#state === 'escaped') this.#damaged++
    else if (this.#state === 'frame' && this.#length > 0) {
      if (this.#length > FCS_BYTES && this.#fcs === FCS_GOOD) {
        this.#frames++
        frames.push(this.#buffer.slice(0, this.#length - FCS_BYTES))
      } else this.#damaged++
    }
    this.#begin('frame')
  }

  #byte(byte: number): void {
    switch (this.#state) {
      case 'before-flag':
        this.#noiseBytes++
        return
      case 'skipping':
        return
      case 'frame':
        if (byte === ESCAPE) this.#state = 'escaped'
        else this.#append(byte)
        return
      case 'escaped':
        this.#state = 'frame'
        this.#append(byte ^ ESCAPE_XOR)
        return
    }
  }

  #append(byte: number): void {
    if (this.#length === this.#buffer.length) {
      this.#state = 'skipping'
      return
    }
    this.#buffer[this.#length++] = byte
    this.#fcs = runFcs(this.#fcs, byte)
  }

  #begin(state: 'before-flag' | 'frame'): void {
    this.#state = state
    this.#length = 0
    this.#fcs = FCS_START
  }
}
