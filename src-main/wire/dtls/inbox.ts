// Handshake messages put together from their fragments and given out in order (RFC 6347 §4.2.2, §4.2.3), within fixed bounds.
import { AlertFailure } from './alert.ts'
import type { Fragment, HandshakeMessage } from './messages/handshake-header.ts'
import { HANDSHAKE, MAX_CERTIFICATE_BYTES, MAX_MESSAGE_BYTES } from './numbers.ts'

/** A flight has at most seven messages. */
const MAX_AHEAD = 10
/** Of all messages that are not complete or wait for earlier ones. */
const MAX_BUFFERED_BYTES = 32_768
const MAX_GAPS = 64

interface Partial {
  readonly type: number
  readonly epoch: number
  readonly body: Uint8Array
  /** What is still missing, in order, as [start, end). */
  missing: ReadonlyArray<readonly [number, number]>
}

export class Inbox {
  readonly #partials = new Map<number, Partial>()
  #next: number
  #bufferedBytes = 0

  constructor(next: number) {
    this.#next = next
  }

  /** The number of the message that is due. */
  get next(): number {
    return this.#next
  }

  /** `old`: the end of the last message that was taken comes again, so the peer repeats its flight. */
  add(fragment: Fragment, epoch: number): 'new' | 'old' | 'dropped' {
    const { sequence, length, offset, bytes } = fragment
    if (sequence < this.#next) return sequence === this.#next - 1 && offset + bytes.length === length ? 'old' : 'dropped'
    if (sequence >= this.#next + MAX_AHEAD) return 'dropped'
    if (length > longestOf(fragment.type)) throw new AlertFailure('illegal_parameter', 'A handshake message is too long')
    const partial = this.#partials.get(sequence) ?? this.#begin(fragment, epoch)
    if (partial?.type !== fragment.type || partial.body.length !== length || partial.epoch !== epoch) return 'dropped'
    partial.body.set(bytes, offset)
    if (bytes.length > 0) partial.missing = without(partial.missing, offset, offset + bytes.length)
    return 'new'
  }

  /** The message that is due, once it is complete. */
  take(): HandshakeMessage | undefined {
    const partial = this.#partials.get(this.#next)
    if (partial === undefined || partial.missing.length > 0) return undefined
    this.#partials.delete(this.#next)
    this.#bufferedBytes -= partial.body.length
    return { type: partial.type, sequence: this.#next++, body: partial.body, epoch: partial.epoch }
  }

  #begin({ type, sequence, length }: Fragment, epoch: number): Partial | undefined {
    if (this.#bufferedBytes + length > MAX_BUFFERED_BYTES) return undefined
    this.#bufferedBytes += length
    const partial: Partial = { type, epoch, body: new Uint8Array(length), missing: length === 0 ? [] : [[0, length]] }
    this.#partials.set(sequence, partial)
    return partial
  }
}

function longestOf(type: number): number {
  return type === HANDSHAKE.certificate || type === HANDSHAKE.certificateRequest ? MAX_CERTIFICATE_BYTES : MAX_MESSAGE_BYTES
}

function without(gaps: Partial['missing'], start: number, end: number): Partial['missing'] {
  const left = gaps.flatMap(([from, to]): Array<readonly [number, number]> => {
    if (end <= from || start >= to) return [[from, to]]
    const rest: Array<readonly [number, number]> = []
    if (from < start) rest.push([from, start])
    if (end < to) rest.push([end, to])
    return rest
  })
  // Who cuts a message into so many pieces out of order shall send them again.
  return left.length > MAX_GAPS ? gaps : left
}
