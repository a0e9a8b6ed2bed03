// Judges a voucher before the registrar passes it on or keeps it (RFC 8995 §5.6; constrained-voucher-31 §9.2.4, §6.8).
import { equalBytes } from '#main/base/index.ts'
import { tryCertificate } from '#main/services/ra/index.ts'
import { readVoucher, voucherForPledge, type SignedVoucher } from './artifact.ts'
import { sameIdevidIssuer } from './identity.ts'
import { checkPin, type PinKind } from './pinning.ts'
import { findSigner } from './trust.ts'
import { refusedVoucher, type VoucherData, type VoucherFormat } from './types.ts'

export interface VoucherExpectation {
  readonly serialNumber: string
  /** Of the IDevID; undefined where it is not known yet. */
  readonly idevidIssuer?: Uint8Array
  /** `none`: it must do without; bytes: those, or none at all. */
  readonly nonce: Uint8Array | 'none'
  /** Our certificate first. */
  readonly registrarChain: readonly Uint8Array[]
  /** The maker's, for vouchers. */
  readonly anchors: readonly Uint8Array[]
  /**
   * `required`: an anchor must stand behind it, as for what came by file. `if-known`: the channel has proven who sent it, so that a maker
   * who is not known may sign; a signature that can be checked must be right nevertheless.
   */
  readonly signature: 'required' | 'if-known'
  readonly nowMs: number
}

/** What people may want to know of a voucher that is good. */
export type VoucherWarning = 'signer-unknown' | 'outlives-pin' | 'weak-assertion'

export interface CheckedVoucher {
  readonly voucher: SignedVoucher
  /** Without certificates that the pledge has no use for. */
  readonly forPledge: Uint8Array
  readonly pinnedBy: PinKind
  readonly signer: 'trusted' | 'unknown'
  readonly warnings: readonly VoucherWarning[]
}

/** How far a maker's clock may go before ours: a laptop that was in a drawer is a day behind, not a year. */
const CLOCK_TOLERANCE_MS = 86_400_000

/** Throws `voucher.*`: the first thing that is wrong, the signature before everything else. */
export async function checkVoucher(bytes: Uint8Array, format: VoucherFormat, expected: VoucherExpectation): Promise<CheckedVoucher> {
  const voucher = readVoucher(bytes, format)
  const signer = await checkSigner(voucher, expected)
  checkDevice(voucher.data, expected)
  checkNonce(voucher.data, expected.nonce)
  checkTimes(voucher.data, expected.nowMs)
  const pin = await checkPin({ data: voucher.data, registrarChain: expected.registrarChain, nowMs: expected.nowMs })
  if (!pin.ok) throw refusedVoucher('voucher.wrong-owner', pin.why)
  return {
    voucher,
    forPledge: voucherForPledge(bytes, format),
    pinnedBy: pin.kind,
    signer,
    warnings: warningsOf(voucher.data, signer),
  }
}

async function checkSigner(voucher: SignedVoucher, { anchors, signature, nowMs }: VoucherExpectation): Promise<'trusted' | 'unknown'> {
  const verdict = await findSigner(voucher, anchors, nowMs)
  if (verdict.kind === 'trusted') return 'trusted'
  if (verdict.kind === 'unsigned' && voucher.certificates.length > 0) {
    throw refusedVoucher('voucher.signature-invalid', 'None of the certificates that came with the voucher signed it')
  }
  if (signature === 'if-known' && anchors.length === 0 && verdict.kind !== 'device') return 'unknown'
  const why = verdict.kind !== 'unsigned' ? verdict.why : 'No trusted certificate signed the voucher'
  // Without certificates a wrong signature and a foreign signer look the same.
  throw refusedVoucher('voucher.signer-untrusted', why)
}

export function checkDevice(data: VoucherData, expected: Pick<VoucherExpectation, 'serialNumber' | 'idevidIssuer'>): void {
  if (data.serialNumber !== expected.serialNumber) {
    throw refusedVoucher('voucher.wrong-device', 'The voucher is for another serial number', {
      serialNumber: data.serialNumber,
      expected: expected.serialNumber,
    })
  }
  if (data.idevidIssuer === undefined || expected.idevidIssuer === undefined) return
  if (!sameIdevidIssuer(data.idevidIssuer, expected.idevidIssuer))
    throw refusedVoucher('voucher.wrong-device', 'The voucher is for a device of another issuer')
}

export function checkNonce(data: VoucherData, nonce: Uint8Array | 'none'): void {
  if (data.nonce === undefined) return
  if (nonce === 'none' || !equalBytes(data.nonce, nonce)) throw refusedVoucher('voucher.wrong-nonce', 'The voucher answers another request')
}

export function checkTimes(data: VoucherData, nowMs: number): void {
  if (data.expiresOn !== undefined && data.expiresOn <= nowMs)
    throw refusedVoucher('voucher.expired', 'The voucher has expired', { expiresOn: data.expiresOn })
  if (data.createdOn !== undefined && data.createdOn > nowMs + CLOCK_TOLERANCE_MS)
    throw refusedVoucher('voucher.clock-wrong', 'The voucher was made in the future', { createdOn: data.createdOn })
}

function warningsOf(data: VoucherData, signer: 'trusted' | 'unknown'): readonly VoucherWarning[] {
  const pinned = data.pinnedDomainCert === undefined ? undefined : tryCertificate(data.pinnedDomainCert)
  const outlives = pinned !== undefined && data.expiresOn !== undefined && data.expiresOn > pinned.notAfter
  return [
    ...(signer === 'unknown' ? (['signer-unknown'] as const) : []),
    ...(outlives ? (['outlives-pin'] as const) : []),
    ...(data.assertion === undefined || data.assertion === 'logged' ? (['weak-assertion'] as const) : []),
  ]
}
