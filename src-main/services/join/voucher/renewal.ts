// Short-lived vouchers instead of revocation (draft-ietf-anima-rfc8366bis §10.1): the old one goes along with the request for the new.
import { toAppError, type Clock } from '#main/base/index.ts'
import type { FailureCode } from '#contract/failures.ts'
import type { VoucherSigner } from './artifact.ts'
import { checkVoucher } from './check.ts'
import { kidOption, masaAddressOf, voucherAnchorsOf, type Maker } from './makers.ts'
import type { MasaClient } from './masa-client.ts'
import { makeNoncelessRequest } from './pledge-request.ts'
import { recordOf, type VoucherRecord, type VoucherStore } from './store.ts'
import { refusedVoucher } from './types.ts'

export interface RenewalPorts {
  readonly store: VoucherStore
  readonly masa: MasaClient
  readonly clock: Clock
  readonly makers: readonly Maker[]
  readonly signer: VoucherSigner
}

export type RenewalOutcome =
  | { readonly ok: true; readonly serialNumber: string; readonly id: string; readonly expiresOn: number | undefined }
  | { readonly ok: false; readonly serialNumber: string; readonly id: string; readonly code: FailureCode; readonly why: string }

const AT_ONCE = 1000
/** A voucher is thought of so long before its end, or in the second half of its life where that is shorter. */
export const BEFORE_END_MS = 14 * 86_400_000

export function endsSoon({ createdOn, expiresOn, storedAt }: VoucherRecord, nowMs: number): boolean {
  if (expiresOn === undefined) return false
  return expiresOn - nowMs < Math.min(BEFORE_END_MS, (expiresOn - (createdOn ?? storedAt)) / 2)
}

/** One after the other, the next to end first. A server that cannot be reached is not asked for the rest. */
export async function renewVouchers(ports: RenewalPorts, signal: AbortSignal | undefined): Promise<readonly RenewalOutcome[]> {
  const { clock, store } = ports
  const outcomes: RenewalOutcome[] = []
  const silent = new Set<string | undefined>()
  for (const record of store.endingBefore(clock.now() + BEFORE_END_MS, AT_ONCE)) {
    if (signal?.aborted === true) break
    const isOver = (record.lastRenewalDate ?? 0) <= clock.now()
    if (isOver || !endsSoon(record, clock.now()) || silent.has(record.makerId)) continue
    try {
      const renewed = await renewOne(record, ports, signal)
      outcomes.push({ ok: true, serialNumber: renewed.serialNumber, id: renewed.id, expiresOn: renewed.expiresOn })
    } catch (thrown) {
      const { code, message } = toAppError(thrown)
      if (code === 'voucher.masa-unreachable') silent.add(record.makerId)
      outcomes.push({ ok: false, serialNumber: record.serialNumber, id: record.id, code, why: message })
    }
  }
  return outcomes
}

async function renewOne(record: VoucherRecord, ports: RenewalPorts, signal: AbortSignal | undefined): Promise<VoucherRecord> {
  const { clock, makers, masa, signer, store } = ports
  const { format, idevidIssuer, serialNumber } = record
  const maker = makers.find(({ id }) => id === record.makerId)
  if (maker === undefined) throw refusedVoucher('voucher.signer-untrusted', 'The maker of the voucher is not trusted any more')
  const address = masaAddressOf(record.masaUrl === undefined ? maker : { masaUrl: record.masaUrl, ...maker }, undefined)
  if (address === undefined) throw refusedVoucher('voucher.masa-unknown', 'No voucher server is set for this maker')
  const own = makeNoncelessRequest(
    { serialNumber, idevidIssuer, format, previous: record.bytes },
    { signer, nowMs: clock.now(), ...kidOption(maker, signer) },
  )
  const bytes = await masa.requestVoucher(address, own, format, signal)
  const checked = await checkVoucher(bytes, format, {
    serialNumber,
    ...(idevidIssuer === undefined ? {} : { idevidIssuer }),
    nonce: 'none',
    registrarChain: signer.chain,
    anchors: voucherAnchorsOf(maker, makers),
    signature: 'required',
    nowMs: clock.now(),
  })
  const renewed = recordOf(checked, { source: 'masa', makerId: maker.id, masaUrl: address.url, storedAt: clock.now() })
  store.replace(record.id, renewed)
  return renewed
}
