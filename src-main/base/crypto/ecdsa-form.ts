// The two ways to write an ECDSA signature on P-256: r and s in 32 bytes each (RFC 9053 §2.1), and the DER sequence of two integers
// (RFC 3279 §2.2.3). The library takes the first by a way that costs as much as half a signature.

const FIELD_BYTES = 32
const SEQUENCE = 0x30
const INTEGER = 0x02

/** Undefined for anything but 64 bytes. */
export function derOfRaw(raw: Uint8Array): Uint8Array | undefined {
  if (raw.length !== 2 * FIELD_BYTES) return undefined
  const der = new Uint8Array(2 + 2 * (3 + FIELD_BYTES))
  let at = writeInteger(der, 2, raw.subarray(0, FIELD_BYTES))
  at = writeInteger(der, at, raw.subarray(FIELD_BYTES))
  der[0] = SEQUENCE
  der[1] = at - 2
  return der.subarray(0, at)
}

/** Of what the library has made; each number in as many bytes as the field of the curve has. */
export function rawOfDer(der: Uint8Array, fieldBytes = FIELD_BYTES): Uint8Array {
  const raw = new Uint8Array(2 * fieldBytes)
  let at = 2
  for (const end of [fieldBytes, 2 * fieldBytes]) {
    const length = der[at + 1] ?? 0
    const value = der.subarray(at + 2, at + 2 + length)
    const digits = value.length > fieldBytes ? value.subarray(value.length - fieldBytes) : value
    raw.set(digits, end - digits.length)
    at += 2 + length
  }
  return raw
}

/** The shortest form that is not negative. */
function writeInteger(target: Uint8Array, at: number, field: Uint8Array): number {
  let start = 0
  while (start < FIELD_BYTES - 1 && field[start] === 0) start++
  const padding = (field[start] ?? 0) >= 0x80 ? 1 : 0
  const length = FIELD_BYTES - start + padding
  target[at] = INTEGER
  target[at + 1] = length
  target[at + 2] = 0
  target.set(field.subarray(start), at + 2 + padding)
  return at + 2 + length
}
