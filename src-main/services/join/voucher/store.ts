// Vouchers at rest: the port that the store implements, and what is kept of each.
import { sha256, toHex } from '#main/base/index.ts'
import type { CheckedVoucher } from './check.ts'
import type { Assertion, VoucherFormat } from './types.ts'

export type VoucherSource = 'masa' | 'file'

export interface VoucherRecord {
  /** Lower-case hex SHA-256 of the bytes. */
  readonly id: string
  readonly serialNumber: string
  readonly idevidIssuer: Uint8Array | undefined
  readonly format: VoucherFormat
  /** As the maker signed it, certificates beside it included. */
  readonly bytes: Uint8Array
  /** Lower-case hex; undefined where it holds for any request. */
  readonly nonce: string | undefined
  readonly assertion: Assertion | undefined
  readonly createdOn: number | undefined
  readonly expiresOn: number | undefined
  readonly lastRenewalDate: number | undefined
  readonly source: VoucherSource
  readonly signer: 'trusted' | 'unknown'
  /** Who made it, as in the list of makers; undefined for an unknown one. */
  readonly makerId: string | undefined
  /** Where it was had, and may be renewed. */
  readonly masaUrl: string | undefined
  readonly storedAt: number
  /** When a pledge got it last. */
  readonly usedAt: number | undefined
}

export interface VoucherFilter {
  /** Part of the serial number. */
  readonly text?: string
  readonly offset?: number
  readonly limit: number
}

/** Port: what is written is durable when a call returns. */
export interface VoucherStore {
  voucher(id: string): VoucherRecord | undefined
  /** Those without a nonce first, which would be missed most; of each kind the newest first. */
  ofSerialNumber(serialNumber: string): readonly VoucherRecord[]
  /** Newest first. */
  list(filter: VoucherFilter): readonly VoucherRecord[]
  /** Those without a nonce that end before that time, the next to end first. */
  endingBefore(timeMs: number, limit: number): readonly VoucherRecord[]
  count(): number
  save(record: VoucherRecord): void
  /** In one transaction: the new one is there, the old one gone. */
  replace(oldId: string, record: VoucherRecord): void
  markUsed(id: string, atMs: number): void
  remove(id: string): void
  /** Forgets the oldest of those with a nonce beyond `keep`: they have served their one request. */
  pruneAnswered(keep: number): void
}

export interface RecordOrigin {
  readonly source: VoucherSource
  readonly makerId: string | undefined
  readonly masaUrl: string | undefined
  readonly storedAt: number
}

export function recordOf({ voucher, signer }: CheckedVoucher, origin: RecordOrigin): VoucherRecord {
  const { data, bytes, format } = voucher
  return {
    id: toHex(sha256(bytes)),
    serialNumber: data.serialNumber,
    idevidIssuer: data.idevidIssuer,
    format,
    bytes: bytes.slice(),
    nonce: data.nonce === undefined ? undefined : toHex(data.nonce),
    assertion: data.assertion,
    createdOn: data.createdOn,
    expiresOn: data.expiresOn,
    lastRenewalDate: data.lastRenewalDate,
    signer,
    usedAt: undefined,
    ...origin,
  }
}
