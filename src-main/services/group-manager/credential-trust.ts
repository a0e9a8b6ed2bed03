// Credentials that somebody else has issued: CWTs and X.509 certificates are taken from whom this end trusts, in their time
// (draft-ietf-core-oscore-groupcomm-28 §2.4, RFC 8392 §7.2, RFC 5280 §6.1.3); the Group Manager's own it issues for itself.
import {
  decodeCbor,
  decodeSign1,
  isCborMap,
  isCertificateFrom,
  publicKeyOf,
  selfSignedCertificate,
  type PrivateKey,
  type PublicKey,
  type Random,
} from '#main/base/index.ts'
import { CredentialFormat, makeCcs, makeCwt } from '#main/wire/oscore/index.ts'
import type { GroupConfiguration } from './configuration.ts'
import { Claim } from './labels.ts'

/** Who may vouch for the keys of members. Whether the name in a credential is the device's own it does not say: that is enrolment's. */
export interface CredentialIssuers {
  /** Of signed CWTs. */
  readonly keys?: readonly PublicKey[]
  /** Certificates of authorities, in DER. A member's certificate is issued by one of them directly. */
  readonly authorities?: readonly Uint8Array[]
}

const SERIAL_BYTES = 16
const DAY_MS = 86_400_000
/** The Group Manager's own lasts as long as the group may; it is new with a new group. */
const OWN_LIFETIME_MS = 30 * 365 * DAY_MS

/** Whether members with credentials of that kind could be let in at all. */
export function takesFormat(format: number, issuers: CredentialIssuers | undefined): boolean {
  if (format === CredentialFormat.CCS) return true
  const known = format === CredentialFormat.CWT ? issuers?.keys : isX509(format) ? issuers?.authorities : undefined
  return known !== undefined && known.length > 0
}

/** Whether somebody who is trusted has issued it, for now. A CCS nobody has to vouch for: its key is proven. */
export function isVouchedFor(bytes: Uint8Array, format: number, issuers: CredentialIssuers | undefined, nowMs: number): boolean {
  if (format === CredentialFormat.CCS) return true
  if (isX509(format)) return (issuers?.authorities ?? []).some((authority) => isCertificateFrom(bytes, authority, nowMs))
  return format === CredentialFormat.CWT && isTrustedCwt(bytes, issuers?.keys ?? [], nowMs / 1000)
}

function isTrustedCwt(bytes: Uint8Array, keys: readonly PublicKey[], nowS: number): boolean {
  try {
    const token = decodeSign1(bytes)
    const claims = decodeCbor(token.payload)
    if (!isCborMap(claims)) return false
    const [expires, notBefore] = [claims.get(Claim.EXP), claims.get(NOT_BEFORE)]
    if (expires !== undefined && !(typeof expires === 'number' && nowS < expires)) return false
    if (notBefore !== undefined && !(typeof notBefore === 'number' && notBefore <= nowS)) return false
    return keys.some((key) => key.curve !== 'X25519' && token.isSignedBy(key))
  } catch {
    return false
  }
}

const NOT_BEFORE = 5

function isX509(format: number): boolean {
  return format === CredentialFormat.X5CHAIN || format === CredentialFormat.X5BAG
}

/** The Group Manager's credential in a group, of the kind that all have there. */
export function ownCredential(
  name: string,
  { credentialFormat, groupMode }: Pick<GroupConfiguration, 'credentialFormat' | 'groupMode'>,
  key: PrivateKey,
  ports: { readonly random: Random; readonly nowMs: number },
): Uint8Array {
  const alg = groupMode?.signature
  const options = alg === undefined ? {} : { alg }
  const publicKey = publicKeyOf(key)
  if (credentialFormat === CredentialFormat.CCS) return makeCcs(publicKey, options)
  const notAfterMs = ports.nowMs + OWN_LIFETIME_MS
  if (credentialFormat === CredentialFormat.CWT) {
    return makeCwt(publicKey, key, { ...options, subject: name, expiresAtS: Math.floor(notAfterMs / 1000) })
  }
  const serial = ports.random.bytes(SERIAL_BYTES)
  serial[0] = 1 + ((serial[0] ?? 0) % 127)
  return selfSignedCertificate(key, { commonName: `Group Manager of ${name}`, notBeforeMs: ports.nowMs - DAY_MS, notAfterMs, serial })
}
