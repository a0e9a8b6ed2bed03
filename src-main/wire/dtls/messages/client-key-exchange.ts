// ClientKeyExchange: the client's ephemeral key (RFC 8422 §5.7), or the name of the pre-shared key (RFC 4279 §2).
import { Reader, vector } from '../bytes.ts'

export function encodeClientPoint(point: Uint8Array): Uint8Array {
  return vector(1, point)
}

export function decodeClientPoint(body: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  const point = reader.vector(1, 1)
  reader.end()
  return point
}

export function encodePskIdentity(identity: Uint8Array): Uint8Array {
  return vector(2, identity)
}

export function decodePskIdentity(body: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  const identity = reader.vector(2)
  reader.end()
  return identity
}
