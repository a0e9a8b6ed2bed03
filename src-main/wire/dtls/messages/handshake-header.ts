// The header of handshake messages and of their fragments (RFC 6347 §4.2.2).
//
//   type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3) body
import { putUint, uintAt } from '../bytes.ts'

export const HANDSHAKE_HEADER_BYTES = 12

export interface HandshakeMessage {
  readonly type: number
  readonly sequence: number
  readonly body: Uint8Array
  /** The epoch of the records that carried it. */
  readonly epoch: number
}

export interface Fragment {
  readonly type: number
  readonly sequence: number
  /** Of the whole message. */
  readonly length: number
  readonly offset: number
  readonly bytes: Uint8Array
}

export function encodeFragment({ type, sequence, length, offset, bytes }: Fragment): Uint8Array {
  const whole = new Uint8Array(HANDSHAKE_HEADER_BYTES + bytes.length)
  whole[0] = type
  putUint(whole, 1, 3, length)
  putUint(whole, 4, 2, sequence)
  putUint(whole, 6, 3, offset)
  putUint(whole, 9, 3, bytes.length)
  whole.set(bytes, HANDSHAKE_HEADER_BYTES)
  return whole
}

/** The message as one fragment: in this form it goes into the transcript (§4.2.6). */
export function encodeWhole(message: Omit<HandshakeMessage, 'epoch'>): Uint8Array {
  const { type, sequence, body } = message
  return encodeFragment({ type, sequence, length: body.length, offset: 0, bytes: body })
}

/** The fragments in a record; undefined where one of them is cut off or reaches over its message's end. */
export function decodeFragments(content: Uint8Array): readonly Fragment[] | undefined {
  const fragments: Fragment[] = []
  let at = 0
  while (at < content.length) {
    if (content.length - at < HANDSHAKE_HEADER_BYTES) return undefined
    const start = at + HANDSHAKE_HEADER_BYTES
    const length = uintAt(content, at + 1, 3)
    const offset = uintAt(content, at + 6, 3)
    const size = uintAt(content, at + 9, 3)
    if (start + size > content.length || offset + size > length) return undefined
    fragments.push({
      type: uintAt(content, at, 1),
      sequence: uintAt(content, at + 4, 2),
      length,
      offset,
      bytes: content.subarray(start, start + size),
    })
    at = start + size
  }
  return fragments.length === 0 ? undefined : fragments
}
