// SubjectPublicKeyInfo of an X.509 certificate (RFC 5280 §4.1), found by its place alone: whether the rest is in order, others judge.
import { AppError } from '../errors.ts'

const SEQUENCE = 0x30
const EXPLICIT_VERSION = 0xa0
/** serialNumber, signature, issuer, validity and subject stand before it. */
const FIELDS_BEFORE = 5

/** In DER. Fails with `crypto.parameter-invalid` for what is no certificate. */
export function spkiOfCertificate(der: Uint8Array): Uint8Array {
  const tbs = elementAt(der, elementAt(der, 0, der.length).start, der.length)
  let at = tbs.start
  if (der[at] === EXPLICIT_VERSION) at = elementAt(der, at, tbs.end).end
  for (let field = 0; field < FIELDS_BEFORE; field++) at = elementAt(der, at, tbs.end).end
  const { end } = elementAt(der, at, tbs.end)
  if (der[0] !== SEQUENCE || der[at] !== SEQUENCE) throw notOne()
  return der.slice(at, end)
}

/** Where the content of the element starts and ends. */
function elementAt(der: Uint8Array, at: number, limit: number): { readonly start: number; readonly end: number } {
  const first = der[at + 1]
  if (first === undefined || at + 2 > limit) throw notOne()
  const lengthBytes = first < 0x80 ? 0 : first - 0x80
  if (first === 0x80 || lengthBytes > 3) throw notOne()
  let length = first < 0x80 ? first : 0
  for (let index = 0; index < lengthBytes; index++) length = length * 256 + (der[at + 2 + index] ?? 0)
  const start = at + 2 + lengthBytes
  if (start + length > limit) throw notOne()
  return { start, end: start + length }
}

function notOne(): AppError {
  return new AppError('crypto.parameter-invalid', 'This is not a certificate')
}
