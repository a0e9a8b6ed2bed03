// What BRSKI asks of whoever runs it: who a request is from, whether it may join, its voucher, and where its story is told.
import type { IncomingRequest } from '#main/wire/coap/index.ts'
import type { Certificate } from '#main/services/ra/index.ts'
import type { GateVerdict, PledgeIdentity } from '../types.ts'
import type { AuditLog, PledgeRequest, VoucherFormat } from '../voucher/index.ts'
import type { StatusReport } from './telemetry.ts'

export interface BrskiCaller {
  readonly pledge: PledgeIdentity
  readonly certificate: Certificate
  /** By a certificate of this site; else by one from its maker. */
  readonly isMember: boolean
}

/** Finds vouchers: at the makers, or among those that are kept. Rejects with `voucher.*`. `VoucherDesk` is one. */
export interface VoucherProvider {
  obtain(request: PledgeRequest): Promise<{ readonly bytes: Uint8Array; readonly format: VoucherFormat }>
  /** To whom the maker has given vouchers for that pledge before (RFC 8995 §5.8). */
  auditLog?(pledgeKey: string): Promise<AuditLog>
}

export interface BrskiAccess {
  /** Undefined for who has shown no certificate that holds. */
  callerOf(request: IncomingRequest): Promise<BrskiCaller | undefined>
  /** Certificates by which pledges may have seen us. */
  readonly ownCertificates: readonly Certificate[]
  admits(pledge: PledgeIdentity): GateVerdict
  readonly vouchers: VoucherProvider
  /** A voucher is on its way to the pledge, is looked for, or cannot be had; `failed` also for a request that cannot be taken. */
  voucherStep(pledge: PledgeIdentity, outcome: 'done' | 'waiting' | 'failed', code?: string, why?: string): void
  reported(caller: BrskiCaller, about: 'voucher' | 'enrolment', report: StatusReport): void
  /** Somebody is between the pledge and us: its session is to end once it has its answer. */
  hangUp(request: IncomingRequest): void
}
