// Who signed a voucher, and whether the maker stands behind that signer (RFC 8995 §5.6.1, constrained-voucher-31 §9.2.4).
import { AppError, toAppError } from '#main/base/index.ts'
import { type Certificate, PathValidator, type PathVerdict, tryCertificate } from '#main/services/ra/index.ts'
import type { SignedArtifact } from './artifact.ts'
import { isDeviceCertificate } from './identity.ts'

export type SignerVerdict =
  /** An anchor signed it, or a certificate whose path leads to one. */
  | { readonly kind: 'trusted'; readonly signer: Certificate; readonly anchor: Certificate }
  /** One of the certificates that came along signed it; nothing says that it may. */
  | { readonly kind: 'unknown'; readonly signer: Certificate; readonly why: string }
  /** A device's birth certificate signed it: that never speaks for the maker, whoever issued it. */
  | { readonly kind: 'device'; readonly signer: Certificate; readonly why: string }
  /** Nobody known signed it: it was changed, or its signer's certificate did not come along. */
  | { readonly kind: 'unsigned' }

/** `nowMs` is undefined where there is no clock: then dates are not looked at (RFC 8995 §2.6.1). */
export async function findSigner(
  artifact: SignedArtifact<unknown>,
  anchors: readonly Uint8Array[],
  nowMs: number | undefined,
): Promise<SignerVerdict> {
  const trusted = anchors.map(readAnchor)
  const anchor = trusted.find((one) => signed(artifact, one) && (nowMs === undefined || one.isValidAt(nowMs)))
  if (anchor !== undefined) return { kind: 'trusted', signer: anchor, anchor }
  const others = artifact.certificates.map(tryCertificate).filter((one) => one !== undefined)
  const signer = others.find((one) => signed(artifact, one))
  if (signer === undefined) return { kind: 'unsigned' }
  // What else came along may be anything: its dates do not move the time.
  const time = nowMs ?? latestStart([signer, ...trusted])
  const verdict = await pathVerdict(trusted, signer, others, time)
  if (verdict.isDevice) return { kind: 'device', signer, why: 'A device signed it, not its maker' }
  return verdict.anchor === undefined ? { kind: 'unknown', signer, why: verdict.why } : { kind: 'trusted', signer, anchor: verdict.anchor }
}

interface PathToAnchor {
  /** Undefined where no path leads to one. */
  readonly anchor: Certificate | undefined
  readonly why: string
  readonly isDevice: boolean
}

async function pathVerdict(
  anchors: readonly Certificate[],
  signer: Certificate,
  others: readonly Certificate[],
  nowMs: number,
): Promise<PathToAnchor> {
  try {
    const isDevice = isDeviceCertificate(signer)
    const { ok, why, path } = await pathTo(anchors, signer, others, nowMs)
    return { anchor: ok ? path.at(-1) : undefined, why, isDevice }
  } catch (thrown) {
    // Extensions are read when they are asked for; what cannot be read vouches for nobody.
    return { anchor: undefined, why: toAppError(thrown).message, isDevice: false }
  }
}

/** Path validation that does not reject: a certificate that cannot be read in full leads nowhere. */
export async function pathTo(
  anchors: readonly Certificate[],
  leaf: Certificate,
  others: readonly Certificate[],
  nowMs: number,
): Promise<PathVerdict> {
  try {
    return await new PathValidator(anchors).validate(leaf, others, nowMs)
  } catch (thrown) {
    return { ok: false, why: toAppError(thrown).message, path: [leaf] }
  }
}

/** A time at which none of them is too young, for those who have no clock. */
export function latestStart(certificates: readonly Certificate[]): number {
  return Math.max(0, ...certificates.map(({ notBefore }) => notBefore))
}

function signed(artifact: SignedArtifact<unknown>, certificate: Certificate): boolean {
  try {
    return artifact.isSignedBy(certificate.key)
  } catch {
    // A key of a kind that is not spoken here has signed nothing.
    return false
  }
}

function readAnchor(der: Uint8Array): Certificate {
  const certificate = tryCertificate(der)
  if (certificate === undefined) throw new AppError('input.invalid', 'A trusted certificate cannot be read')
  return certificate
}
