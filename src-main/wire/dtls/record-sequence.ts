// Numbers and protects the records that leave (RFC 6347 §4.1): each epoch counts on its own, and no number is used twice.
import { AppError } from '#main/base/index.ts'
import type { RecordWriter } from './flight.ts'
import type { RecordProtection } from './protection.ts'
import { encodeRecord, MAX_SEQUENCE } from './record.ts'

const NO_CID = new Uint8Array(0)

export class RecordSequence implements RecordWriter {
  readonly #next: [number, number] = [0, 0]
  #protection: RecordProtection | undefined

  /** The peer chooses it: one that leaves no room for a handshake is not followed. */
  startAt(sequence: number): void {
    if (sequence < MAX_SEQUENCE / 2) this.#next[0] = sequence
  }

  protect(protection: RecordProtection): void {
    this.#protection = protection
  }

  expansionBytes(epoch: 0 | 1): number {
    if (epoch === 0 || this.#protection === undefined) return 0
    return this.#protection.expansionBytes + this.#protection.cid.length
  }

  /** The record's bytes. */
  seal(type: number, epoch: 0 | 1, content: Uint8Array): Uint8Array {
    const sequence = this.#next[epoch]++
    if (sequence > MAX_SEQUENCE) throw new AppError('dtls.closed', 'The record numbers of the session are used up')
    if (epoch === 0) return encodeRecord({ type, epoch, sequence, cid: NO_CID, fragment: content })
    if (this.#protection === undefined) throw new AppError('internal', 'There are no keys for epoch 1')
    return encodeRecord(this.#protection.seal(type, epoch, sequence, content))
  }
}
