// Records (RFC 6347 §4.1), also those with a connection id (RFC 9146 §4).
//
//   type(1) version(2) epoch(2) sequence(6) [cid] length(2) fragment
import { putUint, uintAt } from './bytes.ts'
import { CONTENT, DTLS_1_0, DTLS_1_2, MAX_PLAINTEXT_BYTES } from './numbers.ts'

export const RECORD_HEADER_BYTES = 13
const NO_CID = new Uint8Array(0)
/** RFC 5246 §6.2.3: what protection may add to the longest plaintext. */
const MAX_FRAGMENT_BYTES = MAX_PLAINTEXT_BYTES + 2048
export const MAX_SEQUENCE = 2 ** 48 - 1

export interface DtlsRecord {
  readonly type: number
  readonly epoch: number
  readonly sequence: number
  /** Of a record of type 25; empty else. */
  readonly cid: Uint8Array
  readonly fragment: Uint8Array
}

/**
 * The records of a datagram up to the first that is none; such a rest is thrown away silently (RFC 6347 §4.1.2.7).
 * `cidBytes` is how long the connection ids are that this side gave out.
 */
export function decodeRecords(datagram: Uint8Array, cidBytes: number): readonly DtlsRecord[] {
  const records: DtlsRecord[] = []
  let offset = 0
  while (offset < datagram.length) {
    const type = datagram[offset] ?? 0
    const idBytes = type === CONTENT.withCid ? cidBytes : 0
    const start = offset + RECORD_HEADER_BYTES + idBytes
    if (start > datagram.length || !isKnown(type, cidBytes)) break
    const version = uintAt(datagram, offset + 1, 2)
    const epoch = uintAt(datagram, offset + 3, 2)
    const length = uintAt(datagram, start - 2, 2)
    // The first ClientHello may carry DTLS 1.0's number.
    if ((version !== DTLS_1_2 && !(version === DTLS_1_0 && epoch === 0)) || length > MAX_FRAGMENT_BYTES) break
    if (start + length > datagram.length) break
    records.push({
      type,
      epoch,
      sequence: uintAt(datagram, offset + 5, 6),
      cid: idBytes === 0 ? NO_CID : datagram.subarray(offset + 11, offset + 11 + idBytes),
      fragment: datagram.subarray(start, start + length),
    })
    offset = start + length
  }
  return records
}

function isKnown(type: number, cidBytes: number): boolean {
  return (type >= CONTENT.changeCipherSpec && type <= CONTENT.applicationData) || (type === CONTENT.withCid && cidBytes > 0)
}

export function encodeRecord(record: DtlsRecord, version = DTLS_1_2): Uint8Array {
  const { type, epoch, sequence, cid, fragment } = record
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + cid.length + fragment.length)
  bytes[0] = type
  putUint(bytes, 1, 2, version)
  putUint(bytes, 3, 2, epoch)
  putUint(bytes, 5, 6, sequence)
  bytes.set(cid, 11)
  putUint(bytes, 11 + cid.length, 2, fragment.length)
  bytes.set(fragment, RECORD_HEADER_BYTES + cid.length)
  return bytes
}
