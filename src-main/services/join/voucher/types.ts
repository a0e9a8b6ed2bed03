// What vouchers and voucher requests say (draft-ietf-anima-rfc8366bis §8.4, §9.2), whatever they are written in. Times are milliseconds since 1970.
import { AppError, type JsonValue } from '#main/base/index.ts'

/** How the owner was found out (§8.5); the order is that of the numbers in CBOR. */
export const ASSERTIONS = ['verified', 'logged', 'proximity', 'agent-proximity'] as const
export type Assertion = (typeof ASSERTIONS)[number]

/** What a voucher and a request may both hold. Absent leaves were not there. */
export interface CommonData {
  readonly assertion?: Assertion
  readonly createdOn?: number
  readonly domainCertRevocationChecks?: boolean
  readonly expiresOn?: number
  /** The Authority Key Identifier of the IDevID, its OCTET STRING included (§6.3). */
  readonly idevidIssuer?: Uint8Array
  readonly lastRenewalDate?: number
  /** 8 to 32 bytes. */
  readonly nonce?: Uint8Array
  /** X.509 in DER. */
  readonly pinnedDomainCert?: Uint8Array
  /** SubjectPublicKeyInfo in DER. */
  readonly pinnedDomainPubk?: Uint8Array
  readonly pinnedDomainPubkSha256?: Uint8Array
  readonly serialNumber: string
  readonly additionalConfigurationUrl?: string
  readonly estDomain?: string
  readonly manufacturerProprietary?: Uint8Array
  /** Names, or SIDs where it was CBOR. */
  readonly extensions?: ReadonlyArray<string | number | bigint>
  /** Members that are none of the module, by name or SID; kept in the bytes, not read (RFC 8995 §5.6.1). */
  readonly unread?: readonly string[]
}

/** The data of a voucher. */
export type VoucherData = CommonData

/** The data of a pledge's or a registrar's voucher request. */
export interface VoucherRequestData extends CommonData {
  /** A whole signed request, or the voucher to be renewed (§10.1). */
  readonly priorSignedVoucherRequest?: Uint8Array
  readonly proximityRegistrarCert?: Uint8Array
  readonly proximityRegistrarPubk?: Uint8Array
  readonly proximityRegistrarPubkSha256?: Uint8Array
  readonly agentSignedData?: Uint8Array
  readonly agentProvidedProximityRegistrarCert?: Uint8Array
  readonly agentSignCert?: Uint8Array
}

/** `cose`: YANG-CBOR in COSE_Sign1; `cms`: JSON in CMS SignedData. */
export type VoucherFormat = 'cose' | 'cms'

export const VOUCHER_MEDIA_TYPES: Readonly<Record<VoucherFormat, string>> = {
  cose: 'application/voucher+cose',
  cms: 'application/voucher-cms+json',
}

/** CoAP Content-Format of application/voucher+cose (constrained-voucher-31 §15.3); application/voucher-cms+json has none registered. */
export const VOUCHER_COSE = 836

/** Larger is no voucher request, even with two chains of certificates and another request inside. */
export const MAX_ARTIFACT_BYTES = 65_536

/** The format of a media type, parameters aside. */
export function formatOfMediaType(mediaType: string): VoucherFormat | undefined {
  const name = mediaType.split(';')[0]?.trim().toLowerCase()
  if (name === VOUCHER_MEDIA_TYPES.cose) return 'cose'
  return name === VOUCHER_MEDIA_TYPES.cms ? 'cms' : undefined
}

export function invalidVoucher(why: string, cause?: unknown): AppError {
  return new AppError('voucher.invalid', `This is no voucher or voucher request: ${why}`, { details: { why }, cause })
}

/** Runs a decoder; whatever it throws means that the bytes are no voucher. */
export function readingVoucher<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code.startsWith('voucher.')) throw thrown
    throw invalidVoucher(thrown instanceof Error ? thrown.message : 'it cannot be read', thrown)
  }
}

export function refusedVoucher(
  code: Extract<AppError['code'], `voucher.${string}`>,
  why: string,
  details: Readonly<Record<string, JsonValue>> = {},
): AppError {
  return new AppError(code, why, { details: { why, ...details } })
}
