// Protection of records by an AEAD (RFC 5246 §6.2.3.3, RFC 6347 §4.1.2.1), with a connection id as RFC 9146 §5 has it.
import { AppError, concatBytes, importAesKey, type AesKey } from '#main/base/index.ts'
import { putUint } from './bytes.ts'
import { CONTENT, DTLS_1_2 } from './numbers.ts'
import type { DtlsRecord } from './record.ts'
import type { CipherSuite } from './suites.ts'

const EXPLICIT_NONCE_BYTES = 8
export const AEAD_KEY_BYTES = 16
export const FIXED_IV_BYTES = 4

/** A record's content as it was before its protection. */
export interface OpenedRecord {
  readonly type: number
  readonly content: Uint8Array
}

/** One direction of one epoch. */
export class RecordProtection {
  readonly #suite: CipherSuite
  readonly #key: AesKey
  readonly #fixedIv: Uint8Array
  /** Goes into records that leave, and has come in those that arrive; empty for none. */
  readonly cid: Uint8Array

  constructor(suite: CipherSuite, key: Uint8Array, fixedIv: Uint8Array, cid: Uint8Array) {
    this.#suite = suite
    this.#key = importAesKey(key)
    this.#fixedIv = fixedIv
    this.cid = cid
  }

  /** By how many bytes a record’s fragment is longer than its content; the connection id stands before it. */
  get expansionBytes(): number {
    return EXPLICIT_NONCE_BYTES + this.#suite.aead.tagBytes + (this.cid.length > 0 ? 1 : 0)
  }

  seal(type: number, epoch: number, sequence: number, content: Uint8Array): DtlsRecord {
    const number = recordNumber(epoch, sequence)
    const hasCid = this.cid.length > 0
    const plaintext = hasCid ? concatBytes(content, Uint8Array.of(type)) : content
    const aad = this.#aad(type, number, plaintext.length)
    const sealed = this.#suite.aead.seal(this.#key, this.#nonce(number), aad, plaintext)
    return { type: hasCid ? CONTENT.withCid : type, epoch, sequence, cid: this.cid, fragment: concatBytes(number, sealed) }
  }

  /** Undefined for what is not authentic. */
  open(record: DtlsRecord): OpenedRecord | undefined {
    const length = record.fragment.length - EXPLICIT_NONCE_BYTES - this.#suite.aead.tagBytes
    if (length < 0 || (record.type === CONTENT.withCid) !== this.cid.length > 0) return undefined
    const number = recordNumber(record.epoch, record.sequence)
    const nonce = this.#nonce(record.fragment.subarray(0, EXPLICIT_NONCE_BYTES))
    const sealed = record.fragment.subarray(EXPLICIT_NONCE_BYTES)
    try {
      const content = this.#suite.aead.open(this.#key, nonce, this.#aad(record.type, number, length), sealed)
      return record.type === CONTENT.withCid ? unpadded(content) : { type: record.type, content }
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'crypto.authentication-failed') return undefined
      throw thrown
    }
  }

  #aad(type: number, number: Uint8Array, length: number): Uint8Array {
    const idBytes = this.cid.length
    const aad = new Uint8Array(idBytes === 0 ? 13 : 23 + idBytes)
    if (idBytes === 0) {
      // RFC 5246 §6.2.3.3: epoch and number, type, version, length.
      aad.set(number)
      aad[8] = type
      putUint(aad, 9, 2, DTLS_1_2)
    } else {
      // RFC 9146 §5: eight bytes of ones, type, the id's length, the header as it is sent, the id.
      aad.fill(0xff, 0, 8)
      aad[8] = aad[10] = CONTENT.withCid
      aad[9] = idBytes
      putUint(aad, 11, 2, DTLS_1_2)
      aad.set(number, 13)
      aad.set(this.cid, 21)
    }
    putUint(aad, aad.length - 2, 2, length)
    return aad
  }

  #nonce(explicit: Uint8Array): Uint8Array {
    const nonce = new Uint8Array(FIXED_IV_BYTES + EXPLICIT_NONCE_BYTES)
    nonce.set(this.#fixedIv)
    nonce.set(explicit, FIXED_IV_BYTES)
    return nonce
  }
}

/** Epoch and sequence number as TLS's 64-bit one (RFC 6347 §4.1.2.1). */
function recordNumber(epoch: number, sequence: number): Uint8Array {
  const bytes = new Uint8Array(8)
  putUint(bytes, 0, 2, epoch)
  putUint(bytes, 2, 6, sequence)
  return bytes
}

/** DTLSInnerPlaintext (RFC 9146 §4): the content, its type, zeros. */
function unpadded(inner: Uint8Array): OpenedRecord | undefined {
  let end = inner.length - 1
  while (end >= 0 && inner[end] === 0) end--
  const type = inner[end]
  return type === undefined ? undefined : { type, content: inner.subarray(0, end) }
}
