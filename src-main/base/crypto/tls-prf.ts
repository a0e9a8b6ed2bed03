// The pseudo-random function of TLS 1.2 with SHA-256 (RFC 5246 §5), from which DTLS 1.2 draws all its keys.
import { concatBytes, utf8 } from '../bytes.ts'
import { HmacSha256 } from './hmac-sha256.ts'

export function tlsPrf(secret: Uint8Array, label: string, seed: Uint8Array, length: number): Uint8Array {
  const hmac = new HmacSha256(secret)
  const labelled = concatBytes(utf8(label), seed)
  const output = new Uint8Array(length)
  let chain: Uint8Array = labelled
  for (let offset = 0; offset < length; offset += 32) {
    chain = hmac.of(chain)
    output.set(hmac.of(chain, labelled).subarray(0, length - offset), offset)
  }
  return output
}
