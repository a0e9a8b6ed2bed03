// The registrar's side of a pledge's voucher request: judged, and made into the registrar's own for the MASA (RFC 8995 §5.3, §5.5;
// constrained-voucher-31 §7.2, §8.1, §9.2.1).
import { AppError, equalBytes, sha256, toHex } from '#main/base/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import { distinct, readVoucherRequest, signVoucherRequest, type VoucherSigner } from './artifact.ts'
import { deviceSerialNumber, idevidIssuerOf } from './identity.ts'
import type { PinKind } from './pinning.ts'
import { invalidVoucher, refusedVoucher, type VoucherFormat, type VoucherRequestData } from './types.ts'

export interface PledgeRequestInput {
  readonly bytes: Uint8Array
  readonly format: VoucherFormat
  /** Of the DTLS session, the IDevID first: nothing in the request itself says who the pledge is (§9.2.2). */
  readonly pledgeChain: readonly Uint8Array[]
  /** The certificate that this registrar showed in that session, in DER. */
  readonly registrarCertificate: Uint8Array
  /** For makers who keep the serial number elsewhere (RFC 8995 §2.3.1). */
  readonly serialNumberOf?: (idevid: Certificate) => string | undefined
  /** Whether a request may come without naming the registrar that it saw; it may not unless told. */
  readonly allowWithoutProximity?: boolean
}

/** A request whose sender and purpose are proven. */
export interface PledgeRequest {
  readonly bytes: Uint8Array
  readonly format: VoucherFormat
  readonly data: VoucherRequestData
  readonly idevid: Certificate
  readonly pledgeChain: readonly Uint8Array[]
  /** As the certificate says it. */
  readonly serialNumber: string
  readonly idevidIssuer: Uint8Array
  readonly nonce: Uint8Array
  /** How the pledge named us; undefined where it did not. */
  readonly proximity: PinKind | undefined
  /** Lower-case hex SHA-256 of the IDevID, as in PledgeIdentity. */
  readonly pledgeKey: string
}

/**
 * Throws `voucher.invalid`, `voucher.signature-invalid`, `voucher.wrong-device` (it claims another serial number),
 * `voucher.wrong-registrar` (it saw somebody else), `voucher.assertion-refused` or `join.identity-missing`.
 */
export function checkPledgeRequest(input: PledgeRequestInput): PledgeRequest {
  const { bytes, format, pledgeChain, registrarCertificate, serialNumberOf = deviceSerialNumber, allowWithoutProximity = false } = input
  const request = readVoucherRequest(bytes, format)
  const { data } = request
  const [own] = pledgeChain
  if (own === undefined) throw new AppError('join.identity-missing', 'The pledge showed no certificate')
  const idevid = readIdevid(own)
  if (!request.isSignedBy(idevid.key)) throw refusedVoucher('voucher.signature-invalid', 'The request is not signed by the pledge')
  const serialNumber = readOr(() => serialNumberOf(idevid))
  if (serialNumber === undefined) throw new AppError('join.identity-missing', 'The certificate of the pledge has no serial number')
  if (data.serialNumber !== serialNumber) {
    throw refusedVoucher('voucher.wrong-device', 'The request is for another serial number than the certificate', {
      requested: data.serialNumber,
      certified: serialNumber,
    })
  }
  // RFC 8995 §5.2: a pledge always sends one; without it an old voucher would do.
  if (data.nonce === undefined) throw invalidVoucher('the request has no nonce')
  const proximity = proximityOf(data, new Certificate(registrarCertificate))
  if (data.assertion === 'agent-proximity') throw refusedVoucher('voucher.assertion-refused', 'No registrar agent takes part here')
  if (proximity === undefined && (data.assertion === 'proximity' || !allowWithoutProximity)) {
    throw refusedVoucher('voucher.wrong-registrar', 'The request does not name the registrar that the pledge saw')
  }
  return {
    bytes,
    format,
    data,
    idevid,
    pledgeChain,
    serialNumber,
    idevidIssuer: idevidIssuerOf(idevid),
    nonce: data.nonce,
    proximity,
    pledgeKey: toHex(idevid.fingerprint()),
  }
}

function readIdevid(der: Uint8Array): Certificate {
  const certificate = readOr(() => new Certificate(der))
  if (certificate === undefined) throw new AppError('join.identity-missing', 'The certificate of the pledge cannot be read')
  return certificate
}

/** Names and extensions of a certificate may be malformed; then they say nothing. */
function readOr<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'der.invalid') return undefined
    throw thrown
  }
}

/** All that name a registrar must name us; the first in the order of draft-ietf-anima-rfc8366bis §9 is how the pledge did. */
function proximityOf(data: VoucherRequestData, registrar: Certificate): PinKind | undefined {
  const named: ReadonlyArray<readonly [PinKind, Uint8Array | undefined, Uint8Array]> = [
    ['pubk-sha256', data.proximityRegistrarPubkSha256, sha256(registrar.spki)],
    ['pubk', data.proximityRegistrarPubk, registrar.spki],
    ['cert', data.proximityRegistrarCert, registrar.bytes],
  ]
  const present = named.filter(([, value]) => value !== undefined)
  if (present.some(([, value, own]) => value !== undefined && !equalBytes(value, own))) {
    throw refusedVoucher('voucher.wrong-registrar', 'The pledge saw another registrar')
  }
  return present[0]?.[0]
}

export interface RegistrarRequestOptions {
  /** The registrar's key and its chain up to the anchor that may be pinned. */
  readonly signer: VoucherSigner
  readonly nowMs: number
  /** Only where the maker asks for one (§9.2.1). */
  readonly kid?: Uint8Array
}

/** The registrar's request for what the pledge asks, in the same format (§7.1). */
export function makeRegistrarRequest(request: PledgeRequest, { signer, nowMs, kid }: RegistrarRequestOptions): Uint8Array {
  const data: VoucherRequestData = {
    ...(request.data.assertion === 'proximity' ? { assertion: 'proximity' } : {}),
    createdOn: nowMs,
    nonce: request.nonce,
    serialNumber: request.serialNumber,
    idevidIssuer: request.idevidIssuer,
    priorSignedVoucherRequest: request.bytes,
  }
  return signVoucherRequest(data, signer, {
    format: request.format,
    // The pledge's chain goes along in COSE (§9.2.1); a CMS request brings its own.
    certificates: request.format === 'cose' ? distinct([...signer.chain, ...request.pledgeChain]) : signer.chain,
    ...(kid === undefined ? {} : { kid }),
  })
}

export interface NoncelessRequest {
  readonly serialNumber: string
  readonly idevidIssuer: Uint8Array | undefined
  readonly format: VoucherFormat
  /** The voucher that is to be renewed (draft-ietf-anima-rfc8366bis §10.1). */
  readonly previous?: Uint8Array
}

/** A request for a voucher without a nonce: for later, or a new one for an old (RFC 8995 §5.5, §5.5.1). */
export function makeNoncelessRequest(wish: NoncelessRequest, { signer, nowMs, kid }: RegistrarRequestOptions): Uint8Array {
  const data: VoucherRequestData = {
    createdOn: nowMs,
    serialNumber: wish.serialNumber,
    ...(wish.idevidIssuer === undefined ? {} : { idevidIssuer: wish.idevidIssuer }),
    ...(wish.previous === undefined ? {} : { priorSignedVoucherRequest: wish.previous }),
  }
  return signVoucherRequest(data, signer, { format: wish.format, ...(kid === undefined ? {} : { kid }) })
}
