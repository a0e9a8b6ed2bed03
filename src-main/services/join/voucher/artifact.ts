// A signed voucher or voucher request in either format: read without trusting it, and written.
import { equalBytes, type SigningKey, type VerifyingKey } from '#main/base/index.ts'
import { decodeCborData, encodeCborData } from './cbor-data.ts'
import { decodeCms, encodeCms } from './cms.ts'
import { decodeCose, encodeCose, stripCertificates } from './cose.ts'
import { decodeJsonData, encodeJsonData } from './json-data.ts'
import { REQUEST, VOUCHER, type Module } from './leaves.ts'
import { invalidVoucher, type VoucherData, type VoucherFormat, type VoucherRequestData } from './types.ts'

/** What came, as nobody has vouched for it yet. */
export interface SignedArtifact<Data> {
  readonly format: VoucherFormat
  readonly bytes: Uint8Array
  readonly data: Data
  /** In DER, signed or not: hints for finding the signer, never a reason to trust it. */
  readonly certificates: readonly Uint8Array[]
  readonly kid: Uint8Array | undefined
  readonly isSignedBy: (key: VerifyingKey) => boolean
}

export type SignedVoucher = SignedArtifact<VoucherData>
export type SignedVoucherRequest = SignedArtifact<VoucherRequestData>

/** Total; `voucher.invalid` for anything else. The signature is not looked at. */
export function readVoucher(bytes: Uint8Array, format: VoucherFormat): SignedVoucher {
  return read(bytes, format, VOUCHER)
}

/** Total; `voucher.invalid` for anything else. The signature is not looked at. */
export function readVoucherRequest(bytes: Uint8Array, format: VoucherFormat): SignedVoucherRequest {
  return read(bytes, format, REQUEST)
}

function read(bytes: Uint8Array, format: VoucherFormat, module: Module): SignedVoucherRequest {
  if (format === 'cose') {
    const { payload, certificates, kid, isSignedBy } = decodeCose(bytes)
    return { format, bytes, data: decodeCborData(payload, module), certificates, kid, isSignedBy }
  }
  const { payload, certificates, isSignedBy } = decodeCms(bytes)
  return { format, bytes, data: decodeJsonData(payload, module), certificates, kid: undefined, isSignedBy }
}

/** The format that the first bytes show: DER of a SEQUENCE, or CBOR of a tagged or untagged array of four. */
export function guessFormat(bytes: Uint8Array): VoucherFormat | undefined {
  if (bytes[0] === 0x30) return 'cms'
  return bytes[0] === 0xd2 || bytes[0] === 0x84 ? 'cose' : undefined
}

/** A key with its certificate and those above it, the signer's first. */
export interface VoucherSigner {
  readonly key: SigningKey
  readonly chain: readonly Uint8Array[]
}

export interface SigningOptions {
  readonly format: VoucherFormat
  /** Certificates that go along: beside the signature in COSE, in the SignedData of CMS. The signer's chain unless told. */
  readonly certificates?: readonly Uint8Array[]
  /** COSE alone: certificates that are signed with the rest. */
  readonly signedCertificates?: readonly Uint8Array[]
  readonly kid?: Uint8Array
  readonly keys?: 'sids' | 'names'
}

export function signVoucher(data: VoucherData, signer: VoucherSigner, options: SigningOptions): Uint8Array {
  return write(data, VOUCHER, signer, options)
}

export function signVoucherRequest(data: VoucherRequestData, signer: VoucherSigner, options: SigningOptions): Uint8Array {
  return write(data, REQUEST, signer, options)
}

function write(data: VoucherRequestData, module: Module, { key, chain }: VoucherSigner, options: SigningOptions): Uint8Array {
  const { format, certificates = chain, signedCertificates, kid, keys } = options
  if (format === 'cose') {
    const payload = encodeCborData(data, module, keys === undefined ? {} : { keys })
    return encodeCose(payload, {
      key,
      bag: distinct(certificates),
      ...(signedCertificates === undefined ? {} : { signedBag: signedCertificates }),
      ...(kid === undefined ? {} : { kid }),
    })
  }
  const [own] = chain
  if (own === undefined) throw invalidVoucher('CMS needs the certificate of its signer')
  return encodeCms(encodeJsonData(data, module), { key, certificates: [own, ...distinct([own, ...certificates]).slice(1)] })
}

export function distinct(certificates: readonly Uint8Array[]): readonly Uint8Array[] {
  return certificates.filter((one, index) => certificates.findIndex((other) => equalBytes(one, other)) === index)
}

/** What a pledge gets: certificates beside the signature of COSE are not its concern (constrained-voucher-31 §6.8). */
export function voucherForPledge(bytes: Uint8Array, format: VoucherFormat): Uint8Array {
  return format === 'cose' ? stripCertificates(bytes) : bytes
}
