// What the registrar needs of a maker's server (RFC 8995 §5.5, §5.8), however it is reached.
import type { MasaAddress } from './makers.ts'
import type { VoucherFormat } from './types.ts'

/** Port. Fails with `voucher.masa-*`; those that are `retryable` may work later. */
export interface MasaClient {
  /** The voucher as it came. */
  requestVoucher(to: MasaAddress, request: Uint8Array, format: VoucherFormat, signal?: AbortSignal): Promise<Uint8Array>
  requestAuditLog(to: MasaAddress, request: Uint8Array, format: VoucherFormat, signal?: AbortSignal): Promise<AuditLog>
}

/** RFC 8995 §5.8.1; counters that were not there are 0. */
export interface AuditLog {
  readonly version: number
  readonly events: readonly AuditEvent[]
  readonly truncation: { readonly nonced: number; readonly nonceless: number; readonly arbitrary: number }
}

export interface AuditEvent {
  readonly atMs: number
  /** Who owned the device, in lower-case hex. */
  readonly domainId: string
  readonly nonce: string | undefined
  readonly assertion: string
  /** Events of the same owner that were left out. */
  readonly truncated: number
}
