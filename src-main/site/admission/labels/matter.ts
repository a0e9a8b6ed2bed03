// Matter setup codes (Core Specification §5.1): they name no device but where a serial number stands in the QR code, and they hold a passcode.
import { utf8ToText } from '#main/base/index.ts'
import { label, problem, type LabelReading } from './types.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-.'
const PACKED_BYTES = 11
const LONGEST_PAYLOAD = 600
/** Passcodes that no device may have (§5.1.7.1). */
const FORBIDDEN = /^(?:12345678|87654321|(\d)\1{7}|\d{9,})$/

export function readMatterQr(text: string): LabelReading {
  const [payload = ''] = text.trim().slice('MT:'.length).split('*')
  if (payload.length > LONGEST_PAYLOAD)
    return problem('too-long', 'matter-qr', { params: { most: LONGEST_PAYLOAD, length: payload.length } })
  const bytes = decodeBase38(payload.toUpperCase())
  if (bytes === undefined) return problem('bad-characters', 'matter-qr')
  if (bytes.length < PACKED_BYTES) return problem('incomplete', 'matter-qr', { params: { length: payload.length } })
  const bits = (from: number, count: number): number => {
    let value = 0
    for (let bit = 0; bit < count; bit++) value += ((bytes[(from + bit) >> 3] ?? 0) >> ((from + bit) & 7)) % 2 === 0 ? 0 : 2 ** bit
    return value
  }
  const passcode = String(bits(57, 27)).padStart(8, '0')
  if (bits(0, 3) !== 0 || bits(84, 4) !== 0) return problem('unknown-form', 'matter-qr')
  if (FORBIDDEN.test(passcode)) return problem('contradiction', 'matter-qr', { field: 'passcode' })
  return label({
    format: 'matter-qr',
    serial: serialIn(bytes.subarray(PACKED_BYTES)),
    maker: `vendor 0x${hex16(bits(3, 16))}`,
    product: `0x${hex16(bits(19, 16))}`,
    secrets: { passcode },
  })
}

/** Eleven or twenty-one digits with a check digit by Verhoeff. */
export function isMatterCode(text: string): boolean {
  const digits = codeDigits(text)
  return digits !== undefined && verhoeff(digits) && !FORBIDDEN.test(passcodeOf(digits)) && fits(digits)
}

export function readMatterCode(text: string): LabelReading {
  const digits = codeDigits(text)
  if (digits === undefined) return problem('unknown-form', 'matter-code')
  if (!verhoeff(digits)) return problem('wrong-checksum', 'matter-code')
  const isLong = digits.length === 21
  return label({
    format: 'matter-code',
    maker: isLong ? `vendor 0x${hex16(Number(digits.slice(10, 15)))}` : undefined,
    product: isLong ? `0x${hex16(Number(digits.slice(15, 20)))}` : undefined,
    secrets: { passcode: passcodeOf(digits) },
  })
}

/** Printed in groups, such as 3497-011-2332. */
export function hasCodeGroups(text: string): boolean {
  return /^\d{4}-\d{3}-\d{4}(?:-?\d{5}-?\d{5})?$/.test(text.trim())
}

function codeDigits(text: string): string | undefined {
  const digits = text.trim().replace(/[- ]/g, '')
  return /^(?:\d{11}|\d{21})$/.test(digits) ? digits : undefined
}

/** §5.1.4.1: fourteen bits in digits 2 to 6, thirteen in 7 to 10. */
function passcodeOf(digits: string): string {
  const low = Number(digits.slice(1, 6)) % 16384
  return String(low + Number(digits.slice(6, 10)) * 16384).padStart(8, '0')
}

function fits(digits: string): boolean {
  const head = Number(digits[0])
  // Bit 2 says whether vendor and product follow; digit 1 goes to 7, chunk 2 to 16 bits, chunk 3 to 13.
  return (
    head <= 7 && head >> 2 === (digits.length === 21 ? 1 : 0) && Number(digits.slice(1, 6)) < 65536 && Number(digits.slice(6, 10)) < 8192
  )
}

function decodeBase38(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  for (let at = 0; at < text.length; at += 5) {
    const chunk = text.slice(at, at + 5)
    const count = chunk.length === 5 ? 3 : chunk.length === 4 ? 2 : chunk.length === 2 ? 1 : 0
    let value = 0
    for (let place = chunk.length - 1; place >= 0; place--) {
      const digit = ALPHABET.indexOf(chunk.charAt(place))
      if (digit < 0) return undefined
      value = value * 38 + digit
    }
    if (count === 0 || value >= 256 ** count) return undefined
    for (let byte = 0; byte < count; byte++) bytes.push(Math.floor(value / 256 ** byte) % 256)
  }
  return Uint8Array.from(bytes)
}

/** The serial number among the optional fields: context tag 0 of an anonymous structure (§5.1.5, Appendix A). */
function serialIn(tlv: Uint8Array): string | undefined {
  let at = 1
  if (tlv[0] !== 0x15) return undefined
  while (at < tlv.length) {
    const control = tlv[at] ?? 0
    if (control >> 5 !== 1) return undefined
    const tag = tlv[at + 1]
    const type = control & 0x1f
    at += 2
    if (type <= 7) {
      const size = 2 ** (type % 4)
      if (at + size > tlv.length) return undefined
      if (tag === 0 && type >= 4) return littleEndian(tlv.subarray(at, at + size)).toString()
      at += size
    } else if (type === 0x0c || type === 0x0d) {
      const size = type === 0x0c ? 1 : 2
      const length = Number(littleEndian(tlv.subarray(at, at + size)))
      at += size
      if (at + length > tlv.length) return undefined
      if (tag === 0) return utf8ToText(tlv.subarray(at, at + length))
      at += length
    } else return undefined
  }
  return undefined
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n)
}

function hex16(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0')
}

/** The dihedral group of order ten: products by rule, the permutation by its first row. */
function verhoeff(digits: string): boolean {
  const permuted = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
  let check = 0
  for (let index = 0; index < digits.length; index++) {
    let digit = Number(digits.at(-1 - index))
    for (let turn = 0; turn < index % 8; turn++) digit = permuted[digit] ?? 0
    check = product(check, digit)
  }
  return check === 0
}

function product(a: number, b: number): number {
  if (a < 5) return b < 5 ? (a + b) % 5 : 5 + ((a + b - 5) % 5)
  return b < 5 ? 5 + ((a - 5 - b + 5) % 5) : (a - b + 5) % 5
}
