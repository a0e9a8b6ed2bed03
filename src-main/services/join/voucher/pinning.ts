// Whether what a voucher pins is this registrar (RFC 8995 §5.6.2, draft-ietf-anima-rfc8366bis §8, constrained-voucher-31 §8).
import { equalBytes, sha256 } from '#main/base/index.ts'
import { type Certificate, tryCertificate } from '#main/services/ra/index.ts'
import { latestStart, pathTo } from './trust.ts'
import type { VoucherData } from './types.ts'

/** How a registrar is named, in requests and in vouchers; the order is that of draft-ietf-anima-rfc8366bis §8. */
export type PinKind = 'pubk-sha256' | 'pubk' | 'cert'
export const PIN_KINDS: readonly PinKind[] = ['pubk-sha256', 'pubk', 'cert']

export type PinVerdict =
  | { readonly ok: true; readonly kind: PinKind; /** The pinned certificate, a trust anchor from now on. */ readonly anchor?: Uint8Array }
  | { readonly ok: false; readonly why: string }

export interface PinCheck {
  readonly data: VoucherData
  /** As shown in the handshake: the registrar's certificate first. */
  readonly registrarChain: readonly Uint8Array[]
  /** Undefined where there is no clock. */
  readonly nowMs: number | undefined
  /** What the pledge named the registrar by in its request: that one counts first. */
  readonly prefer?: PinKind
}

/** Looks at one pin only: the preferred one, else the first that is there. */
export async function checkPin({ data, registrarChain, nowMs, prefer }: PinCheck): Promise<PinVerdict> {
  const chain = registrarChain.map(tryCertificate).filter((one) => one !== undefined)
  const [leaf] = chain
  if (leaf === undefined) return { ok: false, why: 'The registrar showed no certificate' }
  const order = prefer === undefined ? PIN_KINDS : [prefer, ...PIN_KINDS.filter((kind) => kind !== prefer)]
  const kind = order.find((one) => pinOf(data, one) !== undefined)
  const pin = kind === undefined ? undefined : pinOf(data, kind)
  if (kind === undefined || pin === undefined) return { ok: false, why: 'The voucher pins nobody' }
  if (kind !== 'cert') {
    const own = kind === 'pubk' ? leaf.spki : sha256(leaf.spki)
    return equalBytes(pin, own) ? { ok: true, kind } : { ok: false, why: 'The voucher pins another public key' }
  }
  const anchor = tryCertificate(pin)
  if (anchor === undefined) return { ok: false, why: 'The pinned certificate cannot be read' }
  // It may be the registrar's own, or an older one of the same key (RFC 8995 §5.6.2).
  if (equalBytes(anchor.spki, leaf.spki)) return { ok: true, kind, anchor: pin }
  const time = nowMs ?? latestStart([leaf, anchor])
  const { ok, why } = await pathTo([anchor], leaf, chain.slice(1), time)
  return ok ? { ok, kind, anchor: pin } : { ok: false, why: `The registrar is not below the pinned certificate: ${why}` }
}

function pinOf(data: VoucherData, kind: PinKind): Uint8Array | undefined {
  if (kind === 'cert') return data.pinnedDomainCert
  return kind === 'pubk' ? data.pinnedDomainPubk : data.pinnedDomainPubkSha256
}

/** The leaf of a voucher that pins this certificate in that way. */
export function pinning(kind: PinKind, certificate: Certificate): Partial<VoucherData> {
  if (kind === 'cert') return { pinnedDomainCert: certificate.bytes }
  return kind === 'pubk' ? { pinnedDomainPubk: certificate.spki } : { pinnedDomainPubkSha256: sha256(certificate.spki) }
}
