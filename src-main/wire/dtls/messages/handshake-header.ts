// The header of handshake messages and of their fragments (RFC 6347 §4.2.2).
//
//   type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3) body
import { concatBytes } from '#main/base/index.ts'
import { uint } from '../bytes.ts'

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

/** The twelve bytes before `size` bytes of the message. */
export function encodeHeader({ type, sequence, length, offset }: Omit<Fragment, 'bytes'>, size: number): Uint8Array {
  return concatBytes(uint(1, type), uint(3, length), uint(2, sequence), uint(3, offset), uint(3, size))
}

export function encodeFragment(fragment: Fragment): Uint8Array {
  return concatBytes(encodeHeader(fragment, fragment.bytes.length), fragment.bytes)
}

/** The message as one fragment: in this form it goes into the transcript (§4.2.6). */
export function encodeWhole(message: Omit<HandshakeMessage, 'epoch'>): Uint8Array {
  const { type, sequence, body } = message
  return encodeFragment({ type, sequence, length: body.length, offset: 0, bytes: body })
}

/** The fragments in a record; undefined where one of them is cut off or reaches over its message's end. */
export function decodeFragments(content: Uint8Array): readonly Fragment[] | undefined {
  const fragments: Fragment[] = []
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  const uint24 = (at: number): number => view.getUint8(at) * 65_536 + view.getUint16(at + 1)
  let at = 0
  while (at < content.length) {
    if (content.length - at < HANDSHAKE_HEADER_BYTES) return undefined
    const start = at + HANDSHAKE_HEADER_BYTES
    const length = uint24(at + 1)
    const offset = uint24(at + 6)
    const size = uint24(at + 9)
    if (start + size > content.length || offset + size > length) return undefined
    fragments.push({
      type: view.getUint8(at),
      sequence: view.getUint16(at + 4),
      length,
      offset,
      bytes: content.subarray(start, start + size),
    })
    at = start + size
  }
  return fragments.length === 0 ? undefined : fragments
}
