// HDLC-lite as OpenThread's NCP speaks it on a UART: flags, escapes and the CRC-16 of X.25 (RFC 1662 §4.2, appendix C).

const FLAG = 0x7e
const ESCAPE = 0x7d
const FLIP = 0x20
/** What an NCP escapes besides: XON, XOFF and 0xF8. */
const ESCAPED = new Set([FLAG, ESCAPE, 0x11, 0x13, 0xf8])
const GOOD_FCS = 0xf0b8
/** OpenThread's receive buffer, FCS included. */
const MOST_BYTES = 1300

export type HdlcFault = 'bad-frame' | 'too-long'

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >> 1) ^ 0x8408 : value >> 1
  return value
})

function crc(bytes: Iterable<number>): number {
  let value = 0xffff
  for (const byte of bytes) value = (value >> 8) ^ (table[(value ^ byte) & 0xff] ?? 0)
  return value
}

export function frameOf(payload: Uint8Array): Uint8Array {
  const fcs = crc(payload) ^ 0xffff
  const out: number[] = [FLAG]
  for (const byte of [...payload, fcs & 0xff, fcs >> 8]) {
    if (ESCAPED.has(byte)) out.push(ESCAPE, byte ^ FLIP)
    else out.push(byte)
  }
  out.push(FLAG)
  return Uint8Array.from(out)
}

/** Takes a byte stream apart. Bytes before the first flag are no frame; empty frames are nothing. */
export class FrameReader {
  readonly #onFrame: (frame: Uint8Array) => void
  readonly #onFault: (fault: HdlcFault, received: Uint8Array) => void
  #bytes: number[] = []
  #started = false
  #isEscaped = false
  #isTooLong = false

  constructor(onFrame: (frame: Uint8Array) => void, onFault: (fault: HdlcFault, received: Uint8Array) => void) {
    this.#onFrame = onFrame
    this.#onFault = onFault
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(byte)
  }

  #take(byte: number): void {
    if (byte === FLAG) this.#end()
    else if (byte === ESCAPE) this.#isEscaped = true
    else if (this.#started && !this.#isTooLong) {
      this.#bytes.push(this.#isEscaped ? byte ^ FLIP : byte)
      this.#isEscaped = false
      if (this.#bytes.length <= MOST_BYTES) return
      this.#isTooLong = true
      this.#onFault('too-long', Uint8Array.from(this.#bytes))
    }
  }

  #end(): void {
    const bytes = this.#bytes
    const isFrame = this.#started && !this.#isTooLong && bytes.length > 0
    this.#bytes = []
    this.#started = true
    this.#isEscaped = false
    this.#isTooLong = false
    if (!isFrame) return
    if (bytes.length > 2 && crc(bytes) === GOOD_FCS) this.#onFrame(Uint8Array.from(bytes.slice(0, -2)))
    else this.#onFault('bad-frame', Uint8Array.from(bytes))
  }
}
