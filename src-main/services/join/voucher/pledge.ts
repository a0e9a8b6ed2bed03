// The pledge's side: asks for a voucher and judges the one it gets (RFC 8995 §5.2, §5.6.1, §5.6.2; constrained-voucher-31 §9.2.2, §13).
import { sha256, type SigningKey } from '#main/base/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import { readVoucher, signVoucherRequest } from './artifact.ts'
import { checkDevice, checkNonce, checkTimes } from './check.ts'
import { deviceSerialNumber, idevidIssuerOf } from './identity.ts'
import { checkPin, type PinKind } from './pinning.ts'
import { findSigner } from './trust.ts'
import { invalidVoucher, refusedVoucher, type Assertion, type VoucherData, type VoucherFormat, type VoucherRequestData } from './types.ts'

export interface PledgeCredential {
  readonly key: SigningKey
  /** The IDevID first. */
  readonly chain: readonly Uint8Array[]
}

export interface PledgeRequestWish {
  readonly format: VoucherFormat
  /** 8 to 32 fresh random bytes. */
  readonly nonce: Uint8Array
  /** What the registrar showed in the handshake, in DER. */
  readonly registrarCertificate: Uint8Array
  /** How the registrar is named; `pubk`, the smaller one, unless told. */
  readonly proximity?: PinKind
  /** Undefined where the pledge has no clock. */
  readonly nowMs?: number
}

/** A request by the IDevID. Throws `voucher.invalid` where that has no serial number. */
export function makePledgeRequest({ key, chain }: PledgeCredential, wish: PledgeRequestWish): Uint8Array {
  const [own] = chain
  const serialNumber = own === undefined ? undefined : deviceSerialNumber(new Certificate(own))
  if (serialNumber === undefined) throw invalidVoucher('the pledge has no serial number')
  const data: VoucherRequestData = {
    assertion: 'proximity',
    ...(wish.nowMs === undefined ? {} : { createdOn: wish.nowMs }),
    nonce: wish.nonce,
    serialNumber,
    ...proximityLeaf(wish.proximity ?? 'pubk', new Certificate(wish.registrarCertificate)),
  }
  // COSE requests bring no certificates: the handshake has shown them (§9.2.2).
  return signVoucherRequest(data, { key, chain }, { format: wish.format, certificates: wish.format === 'cose' ? [] : chain })
}

function proximityLeaf(kind: PinKind, registrar: Certificate): Partial<VoucherRequestData> {
  if (kind === 'cert') return { proximityRegistrarCert: registrar.bytes }
  if (kind === 'pubk') return { proximityRegistrarPubk: registrar.spki }
  return { proximityRegistrarPubkSha256: sha256(registrar.spki) }
}

export interface VoucherJudgement {
  readonly bytes: Uint8Array
  readonly format: VoucherFormat
  /** The pledge's own IDevID in DER. */
  readonly idevid: Uint8Array
  /** Of the request that this answers. */
  readonly nonce: Uint8Array
  readonly proximity?: PinKind
  /** The maker's, built in. */
  readonly anchors: readonly Uint8Array[]
  /** As the registrar showed it in the handshake, its own certificate first. */
  readonly registrarChain: readonly Uint8Array[]
  /** Undefined where the pledge has no clock: then it takes no voucher without a nonce. */
  readonly nowMs?: number
  /** Whether a voucher without a nonce is taken; it is not unless told. */
  readonly acceptNonceless?: boolean
  /** All unless told. */
  readonly acceptedAssertions?: readonly Assertion[]
}

export interface AcceptedVoucher {
  readonly data: VoucherData
  readonly pinnedBy: PinKind
  /** The pinned certificate in DER: the trust anchor for enrolling; undefined where a public key was pinned. */
  readonly anchor: Uint8Array | undefined
}

/** Throws `voucher.*`: the first thing that is wrong. Nothing of the voucher is to be used then. */
export async function judgeVoucher(input: VoucherJudgement): Promise<AcceptedVoucher> {
  const { bytes, format, nonce, anchors, registrarChain, nowMs, proximity, acceptNonceless = false } = input
  const voucher = readVoucher(bytes, format)
  const { data } = voucher
  const verdict = await findSigner(voucher, anchors, nowMs)
  if (verdict.kind === 'unsigned') throw refusedVoucher('voucher.signature-invalid', 'The maker did not sign the voucher')
  if (verdict.kind !== 'trusted') throw refusedVoucher('voucher.signer-untrusted', verdict.why)
  const idevid = new Certificate(input.idevid)
  checkDevice(data, { serialNumber: deviceSerialNumber(idevid) ?? '', idevidIssuer: idevidIssuerOf(idevid) })
  checkNonce(data, nonce)
  if (data.nonce === undefined && !(acceptNonceless && nowMs !== undefined))
    throw refusedVoucher('voucher.wrong-nonce', 'The voucher has no nonce')
  if (nowMs !== undefined) checkTimes(data, nowMs)
  if (input.acceptedAssertions !== undefined && (data.assertion === undefined || !input.acceptedAssertions.includes(data.assertion)))
    throw refusedVoucher('voucher.assertion-refused', 'The assertion is not enough')
  const pin = await checkPin({
    data,
    registrarChain,
    nowMs,
    // Without a nonce it answers no request: the fixed order holds (draft-ietf-anima-rfc8366bis §8).
    ...(proximity === undefined || data.nonce === undefined ? {} : { prefer: proximity }),
  })
  if (!pin.ok) throw refusedVoucher('voucher.wrong-owner', pin.why)
  return { data, pinnedBy: pin.kind, anchor: pin.anchor }
}
