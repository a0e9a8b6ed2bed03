// Whether one X.509 certificate was issued by another, and certificates that a key issues for itself (RFC 5280 §4.1, §6.1.3, RFC 5758, RFC 8410).
import { X509Certificate } from 'node:crypto'
import { concatBytes, fromHex, utf8 } from '../bytes.ts'
import { AppError } from '../errors.ts'
import { exportSpki, publicKeyOf, sign } from './curves.ts'
import type { PrivateKey } from './keys.ts'

/** Whether the issuer, an authority, has signed it and names itself in it, and both are in their time. Chains are not followed. */
export function isCertificateFrom(certificate: Uint8Array, issuer: Uint8Array, nowMs: number): boolean {
  try {
    const [child, parent] = [new X509Certificate(certificate), new X509Certificate(issuer)]
    return parent.ca && isInTime(child, nowMs) && isInTime(parent, nowMs) && child.checkIssued(parent) && child.verify(parent.publicKey)
  } catch {
    return false
  }
}

function isInTime({ validFrom, validTo }: X509Certificate, nowMs: number): boolean {
  return Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo)
}

export interface OwnCertificate {
  readonly commonName: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Up to 20 bytes, the first from 1 to 127. */
  readonly serial: Uint8Array
}

const OIDS = { 'P-256': '06082a8648ce3d040302', Ed25519: '06032b6570' } as const
const COMMON_NAME = '0603550403'

/** In DER, signed by the key that it holds. Fails with `crypto.parameter-invalid` for a key that cannot sign. */
export function selfSignedCertificate(key: PrivateKey, { commonName, notBeforeMs, notAfterMs, serial }: OwnCertificate): Uint8Array {
  if (key.curve === 'X25519') throw new AppError('crypto.parameter-invalid', 'X25519 keys cannot sign')
  const algorithm = element(0x30, hex(OIDS[key.curve]))
  const attribute = element(0x30, hex(COMMON_NAME), element(0x0c, utf8(commonName)))
  const name = element(0x30, element(0x31, attribute))
  const validity = element(0x30, time(notBeforeMs), time(notAfterMs))
  const version = element(0xa0, element(0x02, Uint8Array.of(2)))
  const body = element(0x30, version, element(0x02, serial), algorithm, name, validity, name, exportSpki(publicKeyOf(key)))
  return element(0x30, body, algorithm, element(0x03, Uint8Array.of(0), sign(key, body, 'der')))
}

function element(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const whole = concatBytes(...content)
  const { length } = whole
  const head = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return concatBytes(Uint8Array.from(head), whole)
}

/** GeneralizedTime is for 2050 and later alone (RFC 5280 §4.1.2.5). */
function time(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return Number(digits.slice(0, 4)) < 2050 ? element(0x17, utf8(digits.slice(2))) : element(0x18, utf8(digits))
}

function hex(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array(0)
}
