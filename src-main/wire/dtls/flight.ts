// Flights as data (RFC 6347 §4.2.4): what is sent together, repeated together, and cut to the path's size each time anew (§4.2.3).
import { concatBytes } from '#main/base/index.ts'
import { encodeFragment, HANDSHAKE_HEADER_BYTES } from './messages/handshake-header.ts'
import { CONTENT } from './numbers.ts'
import { RECORD_HEADER_BYTES } from './record.ts'

export type FlightPart =
  | { readonly kind: 'change-cipher-spec' }
  | { readonly kind: 'message'; readonly type: number; readonly sequence: number; readonly body: Uint8Array; readonly epoch: 0 | 1 }

/** Makes records with fresh sequence numbers. */
export interface RecordWriter {
  seal(type: number, epoch: 0 | 1, content: Uint8Array): Uint8Array
  expansionBytes(epoch: 0 | 1): number
}

export interface Sizes {
  readonly datagramBytes: number
  /** Of a record before its protection. */
  readonly plaintextBytes: number
}

/** Smaller pieces of a message are not worth a record of their own. */
const LEAST_PIECE_BYTES = 24
const CHANGE_CIPHER_SPEC = Uint8Array.of(1)

/** The datagrams of a flight, each as full as it may be. */
export function packFlight(parts: readonly FlightPart[], sizes: Sizes, writer: RecordWriter): readonly Uint8Array[] {
  const packer = new Packer(sizes)
  for (const part of parts) {
    if (part.kind === 'change-cipher-spec') {
      packer.add(RECORD_HEADER_BYTES + 1, () => writer.seal(CONTENT.changeCipherSpec, 0, CHANGE_CIPHER_SPEC))
      continue
    }
    const { type, sequence, body, epoch } = part
    const overheadBytes = RECORD_HEADER_BYTES + writer.expansionBytes(epoch) + HANDSHAKE_HEADER_BYTES
    let offset = 0
    do {
      const room = packer.roomFor(overheadBytes + Math.min(LEAST_PIECE_BYTES, body.length - offset)) - overheadBytes
      const size = Math.min(room, sizes.plaintextBytes - HANDSHAKE_HEADER_BYTES, body.length - offset)
      const bytes = body.subarray(offset, offset + Math.max(size, 1))
      const fragment = encodeFragment({ type, sequence, length: body.length, offset, bytes })
      packer.add(overheadBytes + bytes.length, () => writer.seal(CONTENT.handshake, epoch, fragment))
      offset += bytes.length
    } while (offset < body.length)
  }
  return packer.datagrams()
}

class Packer {
  readonly #done: Uint8Array[] = []
  readonly #limit: number
  #records: Uint8Array[] = []
  #bytes = 0

  constructor(sizes: Sizes) {
    this.#limit = sizes.datagramBytes
  }

  /** Bytes left in this datagram, or in a new one where it has not so many. */
  roomFor(wanted: number): number {
    if (this.#limit - this.#bytes < wanted) this.#flush()
    return this.#limit - this.#bytes
  }

  add(size: number, make: () => Uint8Array): void {
    this.roomFor(size)
    const record = make()
    this.#records.push(record)
    this.#bytes += record.length
  }

  datagrams(): readonly Uint8Array[] {
    this.#flush()
    return this.#done
  }

  #flush(): void {
    const [only, ...more] = this.#records
    if (only !== undefined) this.#done.push(more.length === 0 ? only : concatBytes(only, ...more))
    this.#records = []
    this.#bytes = 0
  }
}
