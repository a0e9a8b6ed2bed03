// SLIP (RFC 1055) as Contiki-NG's border router and tunslip6 speak it: frames between END bytes, log text in between, no checksum.

export const SLIP_END = 0xc0
export const SLIP_ESC = 0xdb
export const SLIP_ESC_END = 0xdc
export const SLIP_ESC_ESC = 0xdd

/** Payload of one frame on the wire, without its END bytes. */
export function escapedSlipLength(payload: Uint8Array): number {
  let length = payload.length
  for (const byte of payload) if (byte === SLIP_END || byte === SLIP_ESC) length++
  return length
}

/** A frame. With a leading END whatever stood before it on the line ends as a frame of its own. */
export function encodeSlipFrame(payload: Uint8Array, options: { readonly leadingEnd?: boolean } = {}): Uint8Array {
  const leading = options.leadingEnd === false ? 0 : 1
  const frame = new Uint8Array(escapedSlipLength(payload) + leading + 1)
  let at = 0
  if (leading === 1) frame[at++] = SLIP_END
  for (const byte of payload) {
    if (byte === SLIP_END || byte === SLIP_ESC) {
      frame[at++] = SLIP_ESC
      frame[at++] = byte === SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC
    } else {
      frame[at++] = byte
    }
  }
  frame[at] = SLIP_END
  return frame
}

export type SlipItem =
  | { readonly kind: 'packet'; readonly bytes: Uint8Array }
  /** `!` or `?`, the letter after it and what follows. */
  | { readonly kind: 'control'; readonly mark: '!' | '?'; readonly type: string; readonly data: Uint8Array }
  /** One line of log text, without its line end. */
  | { readonly kind: 'text'; readonly line: string }
  /** A frame that is neither: cut, too long, with an escape that does not exist, or of another protocol. */
  | { readonly kind: 'damaged'; readonly reason: 'escape' | 'too-long' | 'unknown'; readonly bytes: Uint8Array }

export interface SlipDecoderOptions {
  /** Most bytes of one frame after unescaping; 2048 unless told, since text may be longer than a packet. */
  readonly maxBytes?: number
  /** Most bytes of one frame as they stand on the wire: what a router's ring buffer holds. */
  readonly maxEscapedBytes?: number
}

/** A whole IPv6 packet by its version and payload length (RFC 8200 §3). */
export function isWholeIpv6Packet(bytes: Uint8Array): boolean {
  if (bytes.length < 40 || (bytes[0] ?? 0) >> 4 !== 6) return false
  return ((bytes[4] ?? 0) << 8) + (bytes[5] ?? 0) + 40 === bytes.length
}

/** What a whole frame is. Total: every byte string is one of the four kinds, text as its lines. */
export function classifySlipFrame(bytes: Uint8Array): readonly SlipItem[] {
  if (bytes.length === 0) return []
  if (isWholeIpv6Packet(bytes)) return [{ kind: 'packet', bytes }]
  const first = bytes[0] ?? 0
  if ((first === 0x21 || first === 0x3f) && bytes.length >= 2) {
    const type = String.fromCharCode(bytes[1] ?? 0)
    return [{ kind: 'control', mark: first === 0x21 ? '!' : '?', type, data: bytes.slice(2) }]
  }
  if (isText(bytes)) return linesOf(bytes)
  return [{ kind: 'damaged', reason: 'unknown', bytes }]
}

/** Takes the stream as it comes, in pieces of any size, and gives what it finds in it. Memory is bounded by one frame. */
export class SlipDecoder {
  readonly #emit: (item: SlipItem) => void
  readonly #maxEscapedBytes: number
  readonly #frame: Uint8Array
  #length = 0
  #escapedLength = 0
  #escaping = false
  #textSoFar = true
  #skipping: 'escape' | 'too-long' | undefined

  constructor(emit: (item: SlipItem) => void, options: SlipDecoderOptions = {}) {
    this.#emit = emit
    this.#frame = new Uint8Array(options.maxBytes ?? 2048)
    this.#maxEscapedBytes = options.maxEscapedBytes ?? Number.POSITIVE_INFINITY
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(byte)
  }

  /** Forgets what has begun, as after a reopened line. */
  reset(): void {
    this.#length = 0
    this.#escapedLength = 0
    this.#escaping = false
    this.#textSoFar = true
    this.#skipping = undefined
  }

  #take(byte: number): void {
    if (byte === SLIP_END) {
      this.#finish()
      return
    }
    if (this.#skipping !== undefined) return
    this.#escapedLength++
    if (this.#escapedLength > this.#maxEscapedBytes) this.#skipping = 'too-long'
    else if (this.#escaping) this.#takeEscaped(byte)
    else if (byte === SLIP_ESC) this.#escaping = true
    else this.#append(byte)
  }

  #takeEscaped(byte: number): void {
    this.#escaping = false
    if (byte === SLIP_ESC_END) this.#append(SLIP_END)
    else if (byte === SLIP_ESC_ESC) this.#append(SLIP_ESC)
    else this.#skipping = 'escape'
  }

  #append(byte: number): void {
    if (this.#length === this.#frame.length) {
      this.#skipping = 'too-long'
      return
    }
    this.#frame[this.#length++] = byte
    this.#textSoFar &&= isTextByte(byte)
    if (byte === 0x0a && this.#textSoFar && !mayBeFrame(this.#frame[0] ?? 0)) this.#finish()
  }

  #finish(): void {
    const bytes = this.#frame.slice(0, this.#length)
    const reason = this.#skipping ?? (this.#escaping ? 'escape' : undefined)
    this.reset()
    if (reason !== undefined) this.#emit({ kind: 'damaged', reason, bytes })
    else for (const item of classifySlipFrame(bytes)) this.#emit(item)
  }
}

/**
 * Log text between frames ends at its line feed; it must not wait for the END of a frame that may come much later. But `6x` may begin
 * a packet whose flow label reads like text, and `!` or `?` a control frame: these are judged when they are whole.
 */
function mayBeFrame(first: number): boolean {
  return first >> 4 === 6 || first === 0x21 || first === 0x3f
}

function isTextByte(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x1b
}

function isText(bytes: Uint8Array): boolean {
  return bytes.every(isTextByte)
}

function linesOf(bytes: Uint8Array): readonly SlipItem[] {
  return String.fromCharCode(...bytes)
    .split(/[\r\n]+/)
    .filter((line) => line !== '')
    .map((line) => ({ kind: 'text', line }))
}
