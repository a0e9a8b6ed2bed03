// Certificate: a chain (RFC 5246 §7.4.2), or one raw public key (RFC 7250 §3).
import { Reader, vector } from '../bytes.ts'

export function encodeCertificateChain(chain: readonly Uint8Array[]): Uint8Array {
  return vector(3, ...chain.map((certificate) => vector(3, certificate)))
}

/** The end entity's certificate first; empty where there is none. */
export function decodeCertificateChain(body: Uint8Array): readonly Uint8Array[] {
  const reader = new Reader(body)
  const list = new Reader(reader.vector(3))
  reader.end()
  const chain: Uint8Array[] = []
  while (list.left > 0) chain.push(list.vector(3, 1))
  return chain
}

/** `spki` is a SubjectPublicKeyInfo in DER, empty for none. */
export function encodeRawPublicKey(spki: Uint8Array): Uint8Array {
  return vector(3, spki)
}

export function decodeRawPublicKey(body: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  const spki = reader.vector(3)
  reader.end()
  return spki
}
