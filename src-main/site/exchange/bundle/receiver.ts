// Whom secrets are encrypted for: a public key as a JWK (RFC 7517), or the one in a certificate as PEM. P-256 or RSA of at least 2048 bits.
import {
  AppError,
  concatBytes,
  exportPublicKey,
  importPublicKey,
  importVerifyingKey,
  sha256,
  utf8,
  type PublicKey,
} from '#main/base/index.ts'
import { readPem, tryCertificate } from '#main/services/ra/index.ts'
import { fromBase64Url, toBase64Url } from './canonical.ts'

export type ReceiverKey =
  | { readonly kind: 'EC'; readonly point: Uint8Array; readonly thumbprint: string }
  | { readonly kind: 'RSA'; readonly n: string; readonly e: string; readonly thumbprint: string }

const FIELD_BYTES = 32
const POINT_BYTES = 65
const LEAST_RSA_BYTES = 256
const MOST_TEXT = 20_000

/** Throws `input.invalid` with `details.reason` for what is no such key, private keys among them. */
export function readReceiver(text: string): ReceiverKey {
  const clean = text.trim()
  if (clean.length > MOST_TEXT) throw invalid('too-long')
  try {
    return clean.startsWith('-----') ? fromCertificate(clean) : fromJwk(clean)
  } catch (cause) {
    if (cause instanceof AppError && cause.code === 'input.invalid') throw cause
    throw new AppError('input.invalid', 'This is no public key of a receiver', {
      details: { field: 'receiver', reason: 'not-a-key' },
      cause,
    })
  }
}

/** The public key as JWK, as a person hands it to the other laptop. */
export function receiverJwk(key: PublicKey): { readonly text: string; readonly thumbprint: string } {
  const point = exportPublicKey(key)
  const { x, y } = coordinates(point)
  const thumbprint = thumbprintOf({ crv: 'P-256', kty: 'EC', x, y })
  return { text: JSON.stringify({ kty: 'EC', crv: 'P-256', x, y, use: 'enc', alg: 'ECDH-ES+A256KW', kid: thumbprint }), thumbprint }
}

function fromJwk(text: string): ReceiverKey {
  const value: unknown = JSON.parse(text)
  const jwk = new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])
  if (jwk.has('d') || jwk.has('k')) throw invalid('private-key')
  const [kty, crv, x, y, n, e] = ['kty', 'crv', 'x', 'y', 'n', 'e'].map((name) => jwk.get(name))
  if (kty === 'EC' && crv === 'P-256' && typeof x === 'string' && typeof y === 'string')
    return ofPoint(concatBytes(Uint8Array.of(4), fromBase64Url(x) ?? new Uint8Array(), fromBase64Url(y) ?? new Uint8Array()))
  if (kty === 'RSA' && typeof n === 'string' && typeof e === 'string') return ofRsa(n, e)
  throw invalid('kind-of-key')
}

function fromCertificate(pem: string): ReceiverKey {
  const certificate = tryCertificate(readPem('CERTIFICATE', pem)[0] ?? new Uint8Array())
  if (certificate === undefined) throw invalid('not-a-key')
  const { algorithm } = importVerifyingKey(certificate.spki)
  if (algorithm === 'P-256') return ofPoint(certificate.spki.slice(-POINT_BYTES))
  if (algorithm !== 'RSA') throw invalid('kind-of-key')
  const { n, e } = rsaNumbers(certificate.spki)
  return ofRsa(toBase64Url(n), toBase64Url(e))
}

function ofPoint(point: Uint8Array): ReceiverKey {
  // Throws for a point that is not on the curve.
  importPublicKey('P-256', point)
  return { kind: 'EC', point, thumbprint: thumbprintOf({ crv: 'P-256', kty: 'EC', ...coordinates(point) }) }
}

function ofRsa(n: string, e: string): ReceiverKey {
  if ((fromBase64Url(n)?.length ?? 0) < LEAST_RSA_BYTES) throw invalid('too-short')
  return { kind: 'RSA', n, e, thumbprint: thumbprintOf({ e, kty: 'RSA', n }) }
}

function coordinates(point: Uint8Array): { readonly x: string; readonly y: string } {
  return { x: toBase64Url(point.subarray(1, 1 + FIELD_BYTES)), y: toBase64Url(point.subarray(1 + FIELD_BYTES)) }
}

/** RFC 7638: the members come in the order of their names. */
function thumbprintOf(members: Readonly<Record<string, string>>): string {
  return toBase64Url(sha256(utf8(JSON.stringify(members))))
}

/** The two integers at the end of an RSA SubjectPublicKeyInfo (RFC 8017 Appendix A.1.1), whose shape has been checked. */
function rsaNumbers(spki: Uint8Array): { readonly n: Uint8Array; readonly e: Uint8Array } {
  let at = 0
  const open = (): number => {
    const first = spki[at + 1] ?? 0
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    let length = lengthBytes === 0 ? first : 0
    for (let index = 0; index < lengthBytes; index++) length = length * 256 + (spki[at + 2 + index] ?? 0)
    at += 2 + lengthBytes
    return length
  }
  const integer = (): Uint8Array => {
    const length = open()
    const digits = spki.subarray(at, at + length)
    at += length
    return digits[0] === 0 ? digits.subarray(1) : digits
  }
  open()
  const algorithm = open()
  at += algorithm
  open()
  // The bit string says first how many bits it leaves unused.
  at += 1
  open()
  const n = integer()
  return { n, e: integer() }
}

function invalid(reason: string): AppError {
  return new AppError('input.invalid', 'This is no public key of a receiver', { details: { field: 'receiver', reason } })
}
