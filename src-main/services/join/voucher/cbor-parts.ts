// Cuts CBOR (RFC 8949) into its items without reading them, so that what is not understood stays byte for byte as it was signed, and keys
// may be anything, the tagged SIDs of RFC 9254 §4.2.1 included. Total, without recursion; every failure is `voucher.invalid`.
import { invalidVoucher } from './types.ts'

const MAX_OPEN = 32
const INDEFINITE = -1

export interface Head {
  readonly major: number
  /** INDEFINITE where the length is not told; the argument, beyond 2^53 rounded, else. */
  readonly argument: number
  /** Where what follows the head begins. */
  readonly next: number
}

export function headAt(bytes: Uint8Array, at: number): Head {
  const first = bytes[at]
  if (first === undefined) throw invalidVoucher('CBOR that is cut off')
  const major = first >> 5
  const minor = first & 31
  if (minor < 24) return { major, argument: minor, next: at + 1 }
  if (minor === 31 && (major === 4 || major === 5)) return { major, argument: INDEFINITE, next: at + 1 }
  if (minor > 27) throw invalidVoucher('CBOR with a head that is not spoken here')
  const length = 1 << (minor - 24)
  const next = at + 1 + length
  if (next > bytes.length) throw invalidVoucher('CBOR that is cut off')
  let argument = 0
  for (let index = at + 1; index < next; index++) argument = argument * 256 + (bytes[index] ?? 0)
  return { major, argument, next }
}

/** Where the item that begins at `start` ends. */
export function endOfItem(bytes: Uint8Array, start: number): number {
  /** Items still to come of each open array, map or tag. */
  const open: number[] = [1]
  let at = start
  while (open.length > 0) {
    const left = open.at(-1) ?? 0
    if (left === 0) {
      open.pop()
      continue
    }
    if (left < 0 && bytes[at] === 0xff) {
      // Pairs of an indefinite map count down by two from INDEFINITE: an odd key without a value ends nothing.
      if (left !== INDEFINITE && left % 2 === 0) throw invalidVoucher('CBOR with half a pair')
      open.pop()
      at++
      continue
    }
    open[open.length - 1] = left < 0 ? nextIndefinite(left) : left - 1
    const head = headAt(bytes, at)
    at = head.next
    if (head.major === 2 || head.major === 3) at += head.argument
    else if (head.major === 6) open.push(1)
    else if (head.major === 4) open.push(head.argument === INDEFINITE ? INDEFINITE : head.argument)
    else if (head.major === 5) open.push(head.argument === INDEFINITE ? PAIRS : head.argument * 2)
    if (at > bytes.length || (open.at(-1) ?? 0) > bytes.length) throw invalidVoucher('CBOR that is cut off')
    if (open.length > MAX_OPEN) throw invalidVoucher('CBOR that is too deep')
  }
  return at
}

/** Of an indefinite map: PAIRS where a key or the end may come, VALUE where a value must. */
const PAIRS = -3
const VALUE = -2

function nextIndefinite(state: number): number {
  if (state === PAIRS) return VALUE
  return state === VALUE ? PAIRS : INDEFINITE
}

/** The items of an array that the bytes are, nothing behind it. */
export function arrayParts(bytes: Uint8Array): readonly Uint8Array[] {
  return partsOf(bytes, 4)
}

/** Keys and values of a map that the bytes are, nothing behind it. */
export function mapParts(bytes: Uint8Array): ReadonlyArray<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  const parts = partsOf(bytes, 5)
  return parts.flatMap((key, index) => {
    const value = parts[index + 1]
    return index % 2 === 0 && value !== undefined ? [{ key, value }] : []
  })
}

function partsOf(bytes: Uint8Array, major: number): readonly Uint8Array[] {
  const end = endOfItem(bytes, 0)
  const head = headAt(bytes, 0)
  if (end !== bytes.length || head.major !== major) throw invalidVoucher('CBOR of another shape')
  const parts: Uint8Array[] = []
  const last = head.argument === INDEFINITE ? end - 1 : end
  for (let at = head.next; at < last;) {
    const next = endOfItem(bytes, at)
    parts.push(bytes.subarray(at, next))
    at = next
  }
  return parts
}

/** A map of items that are CBOR already, in the order given (the caller's keys are in order already). */
export function joinMap(entries: ReadonlyArray<{ readonly key: Uint8Array; readonly value: Uint8Array }>): Uint8Array {
  const length = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  const head = entries.length < 24 ? [0xa0 + entries.length] : [0xb9, entries.length >> 8, entries.length & 255]
  const whole = new Uint8Array(head.length + length)
  whole.set(head)
  let at = head.length
  for (const { key, value } of entries) {
    whole.set(key, at)
    whole.set(value, at + key.length)
    at += key.length + value.length
  }
  return whole
}
