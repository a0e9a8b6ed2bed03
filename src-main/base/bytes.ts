// Byte strings as Uint8Array, and the few conversions that every room needs.

const encoder = new TextEncoder()
const SHORT_TEXT = 48
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text, or undefined where the bytes are not UTF-8. */
export function utf8ToText(bytes: Uint8Array): string | undefined {
  // Most texts here are a few letters: a decoder takes longer to set to work than they take to read.
  if (bytes.length <= SHORT_TEXT) {
    let text = ''
    for (const byte of bytes) {
      if (byte > 0x7f) break
      text += String.fromCharCode(byte)
    }
    if (text.length === bytes.length) return text
  }
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return undefined
  }
}

export function toHex(bytes: Uint8Array): string {
  // One flat string: put together byte by byte it would be a rope of as many pieces, and some are kept for long.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** The bytes of a hex string, or undefined where it is none. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined
  return Uint8Array.from({ length: text.length / 2 }, (_, index) => Number.parseInt(text.slice(index * 2, index * 2 + 2), 16))
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** The shortest big-endian form of an unsigned integer; 0 is the empty string (CoAP's `uint`, RFC 7252 §3.2). */
export function encodeUint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.from(bytes)
}

export function decodeUint(bytes: Uint8Array): number {
  let value = 0
  for (const byte of bytes) value = value * 256 + byte
  return value
}
