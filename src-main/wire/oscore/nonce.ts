// Partial IVs and nonces (RFC 8613 §5.2, draft-ietf-core-oscore-groupcomm-28 §3.3).

/** The largest sequence number: 40 bits. */
export const MAX_SEQUENCE_NUMBER = 2 ** 40 - 1
const PARTIAL_IV_BYTES = 5

/** The shortest big-endian form; zero is one byte. */
export function encodePartialIv(number: number): Uint8Array {
  let length = 1
  for (let rest = Math.floor(number / 256); rest > 0; rest = Math.floor(rest / 256)) length++
  const bytes = new Uint8Array(length)
  for (let index = length - 1, rest = number; index >= 0; index--, rest = Math.floor(rest / 256)) bytes[index] = rest % 256
  return bytes
}

export function partialIvNumber(bytes: Uint8Array): number {
  let number = 0
  for (const byte of bytes) number = number * 256 + byte
  return number
}

/** How long the Sender ID of the one that a nonce names may be (RFC 8613 §3.3). */
export function maxIdBytes(nonceBytes: number): number {
  return nonceBytes - 6
}

/**
 * The length of the ID, the ID and the Partial IV, padded, combined with the first bytes of the Common IV. Who generated the Partial IV
 * gives the ID.
 */
export function nonceOf(commonIv: Uint8Array, nonceBytes: number, id: Uint8Array, partialIv: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(nonceBytes)
  nonce[0] = id.length
  const idEnd = nonceBytes - PARTIAL_IV_BYTES
  for (let index = 0; index < id.length; index++) nonce[idEnd - id.length + index] = id[index] ?? 0
  for (let index = 0; index < partialIv.length; index++) nonce[nonceBytes - partialIv.length + index] = partialIv[index] ?? 0
  for (let index = 0; index < nonceBytes; index++) nonce[index] = (nonce[index] ?? 0) ^ (commonIv[index] ?? 0)
  return nonce
}
