// CertificateVerify (RFC 5246 §7.4.8), and the signature with its scheme that ServerKeyExchange ends with too (§4.7).
import { concatBytes } from '#main/base/index.ts'
import { Reader, uint, vector } from '../bytes.ts'

export interface Signed {
  /** A code of IANA's SignatureScheme registry. */
  readonly scheme: number
  readonly signature: Uint8Array
}

export function encodeSigned({ scheme, signature }: Signed): Uint8Array {
  return concatBytes(uint(2, scheme), vector(2, signature))
}

/** The rest of a message. */
export function decodeSigned(reader: Reader): Signed {
  const signed = { scheme: reader.uint(2), signature: reader.vector(2) }
  reader.end()
  return signed
}

export function decodeCertificateVerify(body: Uint8Array): Signed {
  return decodeSigned(new Reader(body))
}
