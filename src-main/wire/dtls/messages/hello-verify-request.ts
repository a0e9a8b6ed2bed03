// HelloVerifyRequest (RFC 6347 §4.2.1): the client shall come back with this cookie.
import { concatBytes } from '#main/base/index.ts'
import { Reader, uint, vector } from '../bytes.ts'
import { DTLS_1_0 } from '../numbers.ts'

/** It says DTLS 1.0 whatever will be negotiated, so that older clients take it (§4.2.1). */
export function encodeHelloVerifyRequest(cookie: Uint8Array): Uint8Array {
  return concatBytes(uint(2, DTLS_1_0), vector(1, cookie))
}

/** The cookie. The version means nothing (§4.2.1). */
export function decodeHelloVerifyRequest(body: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  reader.uint(2)
  const cookie = reader.vector(1)
  reader.end()
  return cookie
}
